//! The knowledge-graph server: multi-hop answers with provenance, indexed without a model.
//!
//! Read it in this order:
//! - [`name`]: what a thing is called, and when two names are one.
//! - [`piece`]: what one document adds to the graph: passages, mentions, statements.
//! - [`extract`]: a document to its piece, without a model.
//! - [`store`]: pieces in SQLite, durable, shared by processes; the graph is what they add up to.
//! - [`network`]: the graph in memory, for whatever walks on it: PageRank, paths, communities.

pub mod extract;
pub mod name;
pub mod network;
pub mod piece;
pub mod store;
