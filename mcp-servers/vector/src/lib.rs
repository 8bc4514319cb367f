//! The vector retrieval server: hybrid search over documents in Qdrant.
//!
//! Read it in this order:
//! - [`store`]: the seam to Qdrant: collections of points with dense and sparse vectors.
//! - [`filter`]: conditions on metadata, as a caller writes them.
//! - [`bm25`]: texts as sparse vectors of words and word pairs.
//! - [`collection`]: the fields of a stored chunk, and the documents they make.
//! - [`ingest`]: files into a collection, incrementally.
//! - [`search`]: candidates from both legs, every one scored by both, one order.
//! - [`passage`]: a stored point as a cited passage, with its parent or neighbours.
//! - [`server`]: all of it as six MCP tools.

pub mod bm25;
pub mod collection;
pub mod filter;
pub mod ingest;
pub mod passage;
pub mod search;
pub mod server;
pub mod store;
