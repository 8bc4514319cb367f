//! Texts as search sees them: sentence embeddings on the CPU with candle, and stemmed words.
//!
//! Read it in this order:
//! - [`Embedder`]: texts in, unit vectors out; batches by length, never works on padding.
//! - `folder`: reads a model folder (safetensors) or the shipped GGUF into weights.
//! - `bert`: the encoder's forward pass over packed sequences; matrices are int8 (Q8_0) and
//!   multiplied by candle's kernels, which choose AVX-512/VNNI, AVX2 or NEON at run time.
//! - `kernels`: what lies between the matrices: GELU, layer norm, softmax, attention.
//! - [`words()`] and [`terms()`]: a text for lexical search.
//! - [`FieldIndex`]: which texts of several fields have the words of a request.
//! - [`EmbedError`]: everything that can go wrong, one enum.

mod bert;
mod embedder;
mod error;
mod fields;
mod folder;
mod kernels;
mod terms;

pub use embedder::{Embedder, cosine};
pub use error::EmbedError;
pub use fields::{Field, FieldIndex, to_unit_range};
pub use folder::write_quantised;
pub use terms::{each_term, terms, words};
