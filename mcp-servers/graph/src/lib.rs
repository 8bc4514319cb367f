//! The knowledge-graph server: multi-hop answers with provenance, indexed without a model.
//!
//! Read it in this order:
//! - [`name`]: what a thing is called, and when two names are one.
//! - [`piece`]: what one document adds to the graph: passages, mentions, statements.
//! - [`extract`]: a document to its piece, without a model.
//! - [`given`]: statements that somebody else found.
//! - [`store`]: pieces in SQLite, durable, shared by processes; the graph is what they add up to.
//! - [`network`]: the graph in memory, for whatever walks on it: PageRank, paths, communities.
//! - [`retrieve`]: from a question to passages, over as many of them as it takes.

pub mod extract;
pub mod given;
pub mod name;
pub mod network;
pub mod piece;
pub mod retrieve;
pub mod store;
