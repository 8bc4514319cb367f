//! The vector retrieval server: hybrid search over documents in Qdrant.
//!
//! Read it in this order:
//! - [`filter`]: conditions on metadata, as a caller writes them.
//! - [`store`]: the seam to Qdrant: embedded (Qdrant Edge) or a server, one trait, one conformance suite.

pub mod filter;
pub mod store;
