//! Vectors of texts, made once: kept in memory, and in a file where one is given.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use moka::sync::Cache;
use ropewalk_embed::{EmbedError, Embedder};
use rusqlite::{Connection, OptionalExtension as _, params};

/// Vectors that are kept in memory: with 384 components about 150 MB.
const KEPT: u64 = 100_000;

/// The meanings of texts.
pub struct Meanings {
    embedder: Embedder,
    known: Cache<String, Arc<[f32]>>,
    file: Option<Mutex<Connection>>,
}

impl Meanings {
    /// Meanings by a model, in memory alone.
    #[must_use]
    pub fn new(embedder: Embedder) -> Self {
        Self {
            embedder,
            known: Cache::new(KEPT),
            file: None,
        }
    }

    /// Keeps them in a file as well. What is damaged there is made anew: it is a cache.
    #[must_use]
    pub fn kept_in(mut self, file: &Path) -> Self {
        let opened = open(file).or_else(|_| {
            let _ = std::fs::remove_file(file);
            open(file)
        });
        match opened {
            Ok(connection) => self.file = Some(Mutex::new(connection)),
            Err(error) => {
                tracing::warn!(%error, file = %file.display(), "meanings are not kept for next time");
            }
        }
        self
    }

    /// The meaning of a text.
    ///
    /// # Errors
    /// When the embedder fails.
    pub fn of(&self, text: &str) -> Result<Arc<[f32]>, EmbedError> {
        if let Some(vector) = self.known.get(text) {
            return Ok(vector);
        }
        let made = self.embedder.embed(&[text])?;
        let vector: Arc<[f32]> = made.into_iter().next().unwrap_or_default().into();
        self.known.insert(text.to_owned(), Arc::clone(&vector));
        Ok(vector)
    }

    /// The meanings of parts of a schema, in their order.
    ///
    /// # Errors
    /// When the embedder fails.
    pub fn all(&self, texts: &[String]) -> Result<Vec<Arc<[f32]>>, EmbedError> {
        let mut vectors: Vec<Option<Arc<[f32]>>> =
            texts.iter().map(|text| self.known.get(text)).collect();
        self.read(texts, &mut vectors);
        let missing: Vec<&str> = texts
            .iter()
            .zip(&vectors)
            .filter(|(_, vector)| vector.is_none())
            .map(|(text, _)| text.as_str())
            .collect();
        if !missing.is_empty() {
            let made = self.embedder.embed(&missing)?;
            let made: Vec<Arc<[f32]>> = made.into_iter().map(Arc::from).collect();
            self.write(&missing, &made);
            let mut made = made.into_iter();
            for (text, vector) in texts.iter().zip(&mut vectors) {
                if vector.is_none() {
                    *vector = made.next();
                    if let Some(vector) = vector {
                        self.known.insert(text.clone(), Arc::clone(vector));
                    }
                }
            }
        }
        Ok(vectors.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Fills in what the file has.
    pub(super) fn read(&self, texts: &[String], vectors: &mut [Option<Arc<[f32]>>]) {
        let Some(file) = &self.file else { return };
        let connection = file.lock().unwrap_or_else(PoisonError::into_inner);
        for (text, vector) in texts.iter().zip(vectors) {
            if vector.is_some() {
                continue;
            }
            let sql = "SELECT vector FROM meaning WHERE model = ?1 AND text = ?2";
            let stored = connection
                .prepare_cached(sql)
                .and_then(|mut statement| {
                    let asked = params![self.embedder.id(), text];
                    statement
                        .query_row(asked, |row| row.get::<_, Vec<u8>>(0))
                        .optional()
                })
                .ok()
                .flatten();
            let read = stored.map(|bytes| floats(&bytes));
            if let Some(read) = read.filter(|read| read.len() == self.embedder.dimensions()) {
                self.known.insert(text.clone(), Arc::clone(&read));
                *vector = Some(read);
            }
        }
    }

    fn write(&self, texts: &[&str], vectors: &[Arc<[f32]>]) {
        let Some(file) = &self.file else { return };
        let mut connection = file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = connection.transaction().and_then(|transaction| {
            let sql = "INSERT OR REPLACE INTO meaning VALUES (?1, ?2, ?3)";
            for (text, vector) in texts.iter().zip(vectors) {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                let values = params![self.embedder.id(), text, bytes];
                transaction.prepare_cached(sql)?.execute(values)?;
            }
            transaction.commit()
        });
        if let Err(error) = written {
            tracing::debug!(%error, "meanings are not kept for next time");
        }
    }
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE IF NOT EXISTS meaning (
             model TEXT NOT NULL, text TEXT NOT NULL, vector BLOB NOT NULL,
             PRIMARY KEY (model, text)) WITHOUT ROWID;",
    )?;
    Ok(connection)
}

fn floats(bytes: &[u8]) -> Arc<[f32]> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}
