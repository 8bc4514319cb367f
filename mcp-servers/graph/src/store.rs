//! Pieces in a store: durable, shared by processes; the graph is what they add up to.
//!
//! Read it in this order:
//! - [`GraphStore`]: what a store can do, and [`conformance`]: what every store must do.
//! - [`view`]: what a store answers with.
//! - [`sqlite`]: the store in one SQLite file.
//!
//! Nothing that a store answers depends on the order in which documents came: documents and
//! entities are known inside by numbers made of their names, and pages follow those numbers.

pub mod conformance;
mod digest;
mod error;
pub mod sqlite;
mod stems;
mod sum;
mod ticket;
pub mod view;

pub use self::error::StoreError;
pub use self::sqlite::SqliteStore;
pub use self::stems::stems;
pub use self::ticket::Ticket;
pub use self::view::{
    Audit, Change, Cursor, DocumentInfo, Entity, Found, FoundPassage, GraphHash, Happening,
    Ingestion, Near, Page, PassageId, PassageRef, PassageVector, Receipt, Spelling, State, Status,
    StoredMention, StoredStatement, Waiting, What,
};

use crate::name::Key;
use crate::piece::Piece;

/// A place where pieces are kept.
///
/// Its methods wait for the disk: async code calls them through `spawn_blocking`. What has returned
/// is durable: it outlives the end of the process and a loss of power. What is put by many callers
/// at a time, or submitted by one before it waits, shares commits.
pub trait GraphStore: Send + Sync {
    /// Puts the piece of a source in place of the one before. A piece that is there already
    /// changes nothing.
    ///
    /// # Errors
    /// When the piece is not fit to be kept, or the store cannot be written.
    fn put(&self, piece: Piece) -> Result<Receipt, StoreError>;

    /// Puts the piece of a source, and does not wait until it is durable: its ticket does. What one
    /// caller submits is put in that order.
    fn submit(&self, piece: Piece) -> Ticket {
        Ticket::ready(self.put(piece))
    }

    /// Puts pieces all together or not at all. The last one of a source is the one that stays.
    ///
    /// # Errors
    /// As [`GraphStore::put`].
    fn put_all(&self, pieces: Vec<Piece>) -> Result<Vec<Receipt>, StoreError>;

    /// Takes a document out with all that it added; whether there was one.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn remove(&self, source: &str) -> Result<bool, StoreError>;

    /// Notes documents that are to be put.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn enqueue(&self, sources: &[String]) -> Result<(), StoreError>;

    /// Notes why a document could not be put; what was there of it before stays.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn fail(&self, source: &str, error: &str) -> Result<(), StoreError>;

    /// What became of a document that was to be put.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn ingestion(&self, source: &str) -> Result<Option<Ingestion>, StoreError>;

    /// Documents in a state of ingestion, by source, after one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn ingestions(
        &self,
        state: State,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Ingestion>, StoreError>;

    /// How much there is.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn status(&self) -> Result<Status, StoreError>;

    /// A document, without its text.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn document(&self, source: &str) -> Result<Option<DocumentInfo>, StoreError>;

    /// Documents by source, after one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn documents(&self, after: Option<&str>, limit: usize)
    -> Result<Vec<DocumentInfo>, StoreError>;

    /// The piece of a source as it was put.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn piece(&self, source: &str) -> Result<Option<Piece>, StoreError>;

    /// Pieces by source, after one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn pieces(&self, after: Option<&str>, limit: usize) -> Result<Vec<Piece>, StoreError>;

    /// A passage.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn passage(&self, source: &str, number: u32) -> Result<Option<FoundPassage>, StoreError>;

    /// Passages that have some of the [`stems`], best first by BM25.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn search_text(&self, stems: &[String], limit: usize) -> Result<Vec<Found>, StoreError>;

    /// An entity with its names, the most used first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn entity(&self, key: &Key) -> Result<Option<Entity>, StoreError>;

    /// Entities, after one, in an order that has no meaning and does not change.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn entities(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError>;

    /// Entities whose names are written like one, most like first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn near(&self, name: &str, limit: usize) -> Result<Vec<Near>, StoreError>;

    /// Where an entity is named.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn mentions_of(
        &self,
        key: &Key,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<StoredMention>, StoreError>;

    /// Statements whose subject or object is an entity.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn statements_of(
        &self,
        key: &Key,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<StoredStatement>, StoreError>;

    /// Statements of a document in its order.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn statements_in(
        &self,
        source: &str,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<StoredStatement>, StoreError>;

    /// Passages that have no vector of an embedder, after one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn passages_without_vector(
        &self,
        embedder: &str,
        after: Option<PassageId>,
        limit: usize,
    ) -> Result<Vec<Waiting>, StoreError>;

    /// Keeps vectors of passages in place of those of any embedder; of how many there still was
    /// the passage.
    ///
    /// # Errors
    /// When a vector is empty or not of finite numbers, or the store cannot be written.
    fn set_passage_vectors(
        &self,
        embedder: &str,
        vectors: Vec<(PassageId, Vec<f32>)>,
    ) -> Result<usize, StoreError>;

    /// Vectors of passages, after one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn passage_vectors(
        &self,
        embedder: &str,
        after: Option<PassageId>,
        limit: usize,
    ) -> Result<Vec<PassageVector>, StoreError>;

    /// Entities that have no vector of an embedder, after one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn entities_without_vector(
        &self,
        embedder: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Key>, StoreError>;

    /// Keeps vectors of entities; of how many there still was the entity.
    ///
    /// # Errors
    /// As [`GraphStore::set_passage_vectors`].
    fn set_entity_vectors(
        &self,
        embedder: &str,
        vectors: Vec<(Key, Vec<f32>)>,
    ) -> Result<usize, StoreError>;

    /// Vectors of entities, after one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn entity_vectors(
        &self,
        embedder: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Vec<f32>)>, StoreError>;

    /// The hash of the whole graph: the same for the same pieces, however they came.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn hash(&self) -> Result<GraphHash, StoreError>;

    /// Makes everything anew that follows from the pieces, and says where it is not what is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn audit(&self) -> Result<Audit, StoreError>;

    /// The number of the last change.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn sequence(&self) -> Result<u64, StoreError>;

    /// What changed after a change: the last change of each document, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn changes(&self, since: u64, limit: usize) -> Result<Vec<Happening>, StoreError>;
}
