//! The store in one SQLite file.
//!
//! One thread writes; what has queued up while it was busy becomes one transaction. In WAL mode
//! with `synchronous = FULL` a commit is synced before it returns, so that what is acknowledged
//! outlives a process that is killed and a loss of power. Several processes may write: each
//! transaction takes the lock of the file first, and waits for it.

mod audit;
mod fault;
mod place;
mod prepared;
mod queue;
mod reader;
mod schema;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use self::fault::Fault;
use self::place::Place;
use self::prepared::Prepared;
use self::queue::Queue;
use super::digest;
use super::view::{
    self, Audit, Cursor, DocumentInfo, Entity, Found, FoundPassage, GraphHash, Happening,
    Ingestion, Near, Page, PassageId, PassageVector, Receipt, State, Status, StoredMention,
    StoredStatement, Waiting,
};
use super::{GraphStore, StoreError, Ticket};
use crate::name::Key;
use crate::piece::Piece;

/// How a store is opened.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a write waits for another process that writes.
    pub patience: Duration,
    /// Bytes beyond which a store is full; none if the disk is the bound.
    pub most_bytes: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(30),
            most_bytes: None,
        }
    }
}

/// A store in one SQLite file.
pub struct SqliteStore {
    place: Arc<Place>,
    queue: Queue,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("SqliteStore")
            .field(&self.place.file)
            .finish()
    }
}

impl SqliteStore {
    /// Opens a store, or makes one. An older form is brought to the current one.
    ///
    /// # Errors
    /// When the file cannot be opened or written, or is something else.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Self::open_with(file, Settings::default())
    }

    /// Opens a store with settings.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_with(file: &Path, settings: Settings) -> Result<Self, StoreError> {
        let place = Arc::new(Place::new(file.to_owned(), settings.patience));
        let connection = schema::writer(file, settings.patience)
            .and_then(|connection| {
                if let Some(most) = settings.most_bytes {
                    schema::bound(&connection, most)?;
                }
                Ok(connection)
            })
            .map_err(|fault| place.error(fault))?;
        let queue = Queue::start(connection, Arc::clone(&place))?;
        Ok(Self { place, queue })
    }

    /// Whether a piece is there as it is, and nothing waits for it: seen by a reader, it is durable.
    fn unchanged(&self, piece: &Piece, digest: &[u8; 32]) -> Result<Option<Receipt>, StoreError> {
        if !self.queue.is_idle() {
            // What is on its way may be another piece of this source.
            return Ok(None);
        }
        let source = &piece.document.source;
        let found = self.place.read(|moment| {
            if reader::is_queued(moment, source)? {
                return Ok(None);
            }
            reader::document(moment, source)
        })?;
        Ok(found
            .filter(|found| &found.digest == digest)
            .map(|found| Receipt {
                source: source.clone(),
                change: view::Change::Unchanged,
                sequence: found.sequence,
            }))
    }
}

/// A number of things as SQL takes it.
fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl GraphStore for SqliteStore {
    fn put(&self, piece: Piece) -> Result<Receipt, StoreError> {
        let digest = digest::of_piece(&piece);
        if let Some(receipt) = self.unchanged(&piece, &digest)? {
            return Ok(receipt);
        }
        let prepared = Prepared::new(piece, digest).map_err(|fault| self.place.error(fault))?;
        self.queue.write(move |change| change.put(&prepared))
    }

    fn submit(&self, piece: Piece) -> Ticket {
        let digest = digest::of_piece(&piece);
        let prepared = match Prepared::new(piece, digest) {
            Ok(prepared) => prepared,
            Err(fault) => return Ticket::ready(Err(self.place.error(fault))),
        };
        self.queue.submit(move |change| change.put(&prepared))
    }

    fn put_all(&self, pieces: Vec<Piece>) -> Result<Vec<Receipt>, StoreError> {
        let prepared: Result<Vec<Prepared>, Fault> = pieces
            .into_par_iter()
            .map(|piece| {
                let digest = digest::of_piece(&piece);
                Prepared::new(piece, digest)
            })
            .collect();
        let prepared = prepared.map_err(|fault| self.place.error(fault))?;
        self.queue
            .write(move |change| prepared.iter().map(|piece| change.put(piece)).collect())
    }

    fn remove(&self, source: &str) -> Result<bool, StoreError> {
        let source = source.to_owned();
        self.queue.write(move |change| change.remove(&source))
    }

    fn enqueue(&self, sources: &[String]) -> Result<(), StoreError> {
        let sources = sources.to_vec();
        self.queue.write(move |change| change.enqueue(&sources))
    }

    fn fail(&self, source: &str, error: &str) -> Result<(), StoreError> {
        let (source, error) = (source.to_owned(), error.to_owned());
        self.queue.write(move |change| change.fail(&source, &error))
    }

    fn ingestion(&self, source: &str) -> Result<Option<Ingestion>, StoreError> {
        self.place.read(|moment| reader::ingestion(moment, source))
    }

    fn ingestions(
        &self,
        state: State,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Ingestion>, StoreError> {
        self.place
            .read(|moment| reader::ingestions(moment, state, after, limit))
    }

    fn status(&self) -> Result<Status, StoreError> {
        self.place.read(reader::status)
    }

    fn document(&self, source: &str) -> Result<Option<DocumentInfo>, StoreError> {
        self.place.read(|moment| reader::document(moment, source))
    }

    fn documents(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DocumentInfo>, StoreError> {
        self.place
            .read(|moment| reader::documents(moment, after, limit))
    }

    fn piece(&self, source: &str) -> Result<Option<Piece>, StoreError> {
        self.place.read(|moment| reader::piece(moment, source))
    }

    fn pieces(&self, after: Option<&str>, limit: usize) -> Result<Vec<Piece>, StoreError> {
        self.place
            .read(|moment| reader::pieces(moment, after, limit))
    }

    fn passage(&self, source: &str, number: u32) -> Result<Option<FoundPassage>, StoreError> {
        self.place
            .read(|moment| reader::passage(moment, source, number))
    }

    fn search_text(&self, stems: &[String], limit: usize) -> Result<Vec<Found>, StoreError> {
        self.place
            .read(|moment| reader::search(moment, stems, limit))
    }

    fn entity(&self, key: &Key) -> Result<Option<Entity>, StoreError> {
        self.place.read(|moment| reader::entity(moment, key))
    }

    fn entities(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.place
            .read(|moment| reader::entities(moment, after, limit))
    }

    fn near(&self, name: &str, limit: usize) -> Result<Vec<Near>, StoreError> {
        self.place.read(|moment| reader::near(moment, name, limit))
    }

    fn mentions_of(
        &self,
        key: &Key,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<StoredMention>, StoreError> {
        self.place
            .read(|moment| reader::mentions_of(moment, key, after, limit))
    }

    fn statements_of(
        &self,
        key: &Key,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<StoredStatement>, StoreError> {
        self.place
            .read(|moment| reader::statements_of(moment, key, after, limit))
    }

    fn statements_in(
        &self,
        source: &str,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<StoredStatement>, StoreError> {
        self.place
            .read(|moment| reader::statements_in(moment, source, after, limit))
    }

    fn passages_without_vector(
        &self,
        embedder: &str,
        after: Option<PassageId>,
        limit: usize,
    ) -> Result<Vec<Waiting>, StoreError> {
        self.place
            .read(|moment| reader::passages_without_vector(moment, embedder, after, limit))
    }

    fn set_passage_vectors(
        &self,
        embedder: &str,
        vectors: Vec<(PassageId, Vec<f32>)>,
    ) -> Result<usize, StoreError> {
        let embedder = embedder.to_owned();
        let vectors = vectors
            .into_iter()
            .map(|(id, vector)| Ok((id.0, packed(&embedder, &vector)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        self.queue
            .write(move |change| change.passage_vectors(&embedder, &vectors))
    }

    fn passage_vectors(
        &self,
        embedder: &str,
        after: Option<PassageId>,
        limit: usize,
    ) -> Result<Vec<PassageVector>, StoreError> {
        self.place
            .read(|moment| reader::passage_vectors(moment, embedder, after, limit))
    }

    fn entities_without_vector(
        &self,
        embedder: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Key>, StoreError> {
        self.place
            .read(|moment| reader::entities_without_vector(moment, embedder, after, limit))
    }

    fn set_entity_vectors(
        &self,
        embedder: &str,
        vectors: Vec<(Key, Vec<f32>)>,
    ) -> Result<usize, StoreError> {
        let embedder = embedder.to_owned();
        let vectors = vectors
            .into_iter()
            .map(|(key, vector)| Ok((digest::number_of(key.as_str()), packed(&embedder, &vector)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        self.queue
            .write(move |change| change.entity_vectors(&embedder, &vectors))
    }

    fn entity_vectors(
        &self,
        embedder: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Vec<f32>)>, StoreError> {
        self.place
            .read(|moment| reader::entity_vectors(moment, embedder, after, limit))
    }

    fn hash(&self) -> Result<GraphHash, StoreError> {
        self.place.read(reader::hash)
    }

    fn audit(&self) -> Result<Audit, StoreError> {
        audit::audit(&self.place)
    }

    fn sequence(&self) -> Result<u64, StoreError> {
        self.place.read(reader::sequence)
    }

    fn changes(&self, since: u64, limit: usize) -> Result<Vec<Happening>, StoreError> {
        self.place
            .read(|moment| reader::changes(moment, since, limit))
    }
}

/// A vector in 16 bits a number.
fn packed(embedder: &str, vector: &[f32]) -> Result<Vec<u8>, StoreError> {
    let numbers = vector.iter().copied().map(half::f16::from_f32);
    let numbers: Vec<half::f16> = numbers.collect();
    if numbers.is_empty() || !numbers.iter().all(|number| number.is_finite()) {
        return Err(StoreError::Refused {
            document: format!("vector of {embedder}"),
            why: "a vector has numbers, all of them finite and below 65,504".to_owned(),
        });
    }
    Ok(numbers
        .into_iter()
        .flat_map(half::f16::to_le_bytes)
        .collect())
}

/// A vector as it was packed.
fn unpacked(bytes: &[u8]) -> Vec<f32> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs
        .iter()
        .map(|pair| half::f16::from_le_bytes(*pair).to_f32())
        .collect()
}
