//! The vector retrieval server: hybrid search over documents in Qdrant.
//!
//! Read it in this order:
//! - [`document`]: what a loader hands over: a title, metadata, blocks in reading order.
//! - [`load`]: files of every format to documents.
//! - [`chunk`]: blocks to chunks that respect the structure.
//! - [`store`]: the seam to Qdrant: collections of points with dense and sparse vectors.
//! - [`filter`]: conditions on metadata, as a caller writes them.
//! - [`bm25`]: texts as sparse vectors of words and word pairs.
//! - [`collection`]: the fields of a stored chunk, and the documents they make.
//! - [`ingest`]: files into a collection, incrementally.
//! - [`search`]: candidates from both legs, every one scored by both, one order.
//! - [`passage`]: a stored point as a cited passage, with its parent or neighbours.
//! - [`server`]: all of it as six MCP tools.

pub mod bm25;
pub mod chunk;
pub mod collection;
pub mod document;
pub mod filter;
pub mod ingest;
pub mod load;
pub mod passage;
pub mod search;
pub mod server;
pub mod store;
