//! The forward pass on the CPU.
//!
//! Weights are kept once, in the file's own precision, laid out so that one AVX-512 instruction
//! multiplies sixteen rows at a time; what has no such layout, and every machine without these
//! instructions, goes through candle's own kernels.
//!
//! - [`team`]: the threads, and what the machine can do.
//! - [`activation`]: inputs of products, in the form that a kind of weights wants.
//! - [`tile`]: layouts and kernels by kind.
//! - [`matrix`]: a weight matrix, whatever its kind.
//! - [`attention`]: attention over pages of keys and values.
//! - [`elementwise`]: norms, activations and rotation.

pub mod activation;
pub mod attention;
pub mod elementwise;
pub mod lanes;
pub mod matrix;
mod pool;
pub mod team;
pub mod tile;
