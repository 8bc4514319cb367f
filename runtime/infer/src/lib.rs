//! Local language models: from a GGUF or safetensors file to text.
//!
//! It knows no network and no async; `ropewalk-models` makes an engine of it. From the file to
//! the reply:
//!
//! - [`file`] and [`spec`]: weights on disk, and what the model looks like.
//! - [`tokenizer`]: text to tokens and back, from the GGUF itself or `tokenizer.json`.
//! - [`chat`]: a conversation as the model's own template writes it; tool calls as its family
//!   writes them, as a grammar and read back.
//! - [`decoder`]: tokens in, logits out; [`cpu`] does the arithmetic, or [`device`] says which
//!   accelerator does; [`kv`], [`pages`] and [`cache`] keep what was computed for a prefix.
//! - [`constraint`]: which tokens a grammar allows next.
//! - [`sampling`]: which of them is taken.
//! - [`stop`]: texts that end a reply, across the borders of tokens.
//! - [`model`]: all of these for one file; [`worker`]: many replies at once over it.
//! - [`about`]: what a model's file says of itself, without the weights.
//! - [`bench`]: how fast a model is on this machine.
//! - [`tiny`]: small models with random weights, for tests and for speed.

pub mod about;
pub mod bench;
pub mod cache;
pub mod chat;
pub mod constraint;
pub mod cpu;
pub mod decoder;
pub mod device;
pub mod error;
pub mod file;
pub mod kv;
pub mod model;
pub mod pages;
pub mod sampling;
pub mod spec;
pub mod stop;
pub mod tiny;
pub mod tokenizer;
pub mod worker;
