//! The default store: one SQLite file.
//!
//! One thread writes; what has queued up while it was busy becomes one transaction, so that many
//! runs share the cost of a commit. In WAL mode a commit survives the end of the process as soon
//! as it is written; only [`Durability::Full`] waits for the disk.

mod blobs;
mod reader;
mod schema;
mod writer;

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use async_trait::async_trait;
use ropewalk_core::interrupt::Reply;
use rusqlite::Connection;
use serde_json::Value;
use tokio::sync::oneshot;

use self::writer::{Command, Writer};
use super::{
    Claim, Durability, ListQuery, OpenInterrupt, RunState, RunSummary, Stamped, Store, StoreError,
};
use crate::run_id::RunId;

/// Reading connections kept for the next reader.
const MOST_IDLE: usize = 4;

/// A store in one SQLite file.
pub struct SqliteStore {
    place: Arc<Place>,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Where the store is, and connections to read it with.
struct Place {
    file: PathBuf,
    /// One file for each run that is worked on; the system unlocks it when the process ends.
    locks: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteStore")
            .field(&self.place.file)
            .finish()
    }
}

struct Locked {
    _file: File,
    path: PathBuf,
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Removed while it is still locked: whoever opens the path next makes a new file.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl SqliteStore {
    /// Opens a store, or makes one. An older form is brought to the current one.
    ///
    /// # Errors
    /// When the folder cannot be written, or the file is no store or one of a later version.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Self::open_bounded(file, None)
    }

    /// Opens a store that grows to so many bytes at most; beyond them it is [`StoreError::Full`].
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_bounded(file: &Path, most_bytes: Option<u64>) -> Result<Self, StoreError> {
        let place = Arc::new(Place {
            file: file.to_owned(),
            locks: file.with_extension("locks"),
            idle: Mutex::new(Vec::new()),
        });
        std::fs::create_dir_all(&place.locks)
            .map_err(|error| place.failed(format!("cannot make its folder: {error}")))?;
        let mut connection = Connection::open(file).map_err(|error| place.error(&error))?;
        schema::prepare(&mut connection).map_err(|error| error.at(&place))?;
        if let Some(most) = most_bytes {
            schema::bound(&connection, most).map_err(|error| place.error(&error))?;
        }
        let (commands, queue) = mpsc::channel();
        let writer = Writer::new(connection, Arc::clone(&place));
        let thread = std::thread::Builder::new()
            .name("ropewalk-store".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|error| place.failed(format!("cannot start its thread: {error}")))?;
        Ok(Self {
            place,
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    fn send(&self, command: Command) {
        if let Some(commands) = &self.commands {
            // The writer ends only when this is dropped, so that somebody always listens.
            let _ = commands.send(command);
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Command,
    ) -> Result<T, StoreError> {
        let (sender, done) = oneshot::channel();
        self.send(command(sender));
        done.await
            .unwrap_or_else(|_| Err(self.place.failed("its thread has ended".to_owned())))
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Place) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.place);
        let reading = tokio::task::spawn_blocking(move || {
            let connection = place.connection()?;
            let outcome = work(&connection, &place);
            place.keep(connection);
            outcome
        });
        reading
            .await
            .unwrap_or_else(|error| Err(self.place.failed(error.to_string())))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The writer closes last: it brings what is in the write-ahead log into the file.
        let idle = self.place.idle.lock();
        idle.unwrap_or_else(PoisonError::into_inner).clear();
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            // What was appended is written before the program goes on.
            let _ = thread.join();
        }
    }
}

impl Place {
    fn connection(&self) -> Result<Connection, StoreError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(connection) => Ok(connection),
            None => schema::reader(&self.file).map_err(|error| self.error(&error)),
        }
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }

    fn name(&self) -> String {
        self.file.display().to_string()
    }

    fn failed(&self, message: String) -> StoreError {
        StoreError::Failed {
            place: self.name(),
            message,
        }
    }

    fn error(&self, error: &rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode;
        let place = self.name();
        let message = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full { place, message },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt {
                place,
                message: format!(
                    "{message}; move the file away to begin anew, or mend it with `sqlite3 FILE \
                     .recover`"
                ),
            },
            Some(ErrorCode::SystemIoFailure) if message.contains("full") => {
                StoreError::Full { place, message }
            }
            _ => StoreError::Failed { place, message },
        }
    }

    fn lock_of(&self, run: RunId) -> PathBuf {
        self.locks.join(run.to_string())
    }

    /// Whether some process works on a run.
    fn is_claimed(&self, run: RunId) -> bool {
        let Ok(file) = File::open(self.lock_of(run)) else {
            return false;
        };
        // Shared: two that only look do not see each other as the worker.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn claim(&self, run: RunId) -> Result<Claim, StoreError> {
        let path = self.place.lock_of(run);
        for _ in 0..8 {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .map_err(|error| {
                    let message = format!("cannot lock the run: {error}");
                    self.place.failed(message)
                })?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(StoreError::Busy(run)),
                Err(TryLockError::Error(error)) => {
                    return Err(self.place.failed(format!("cannot lock the run: {error}")));
                }
            }
            // Whoever held it before may have removed the file just now.
            if is_at(&file, &path) {
                self.send(Command::Forgive(run));
                return Ok(Claim::new(Locked { _file: file, path }));
            }
        }
        Err(StoreError::Busy(run))
    }

    fn append(&self, durability: Durability, events: Vec<Stamped>) {
        self.send(Command::Append(durability, events));
    }

    async fn flush(&self, run: RunId) -> Result<(), StoreError> {
        self.write(|done| Command::Flush(run, done)).await
    }

    async fn events_from(&self, run: RunId, from: u64) -> Result<Vec<Stamped>, StoreError> {
        self.read(move |connection, place| {
            reader::events_between(connection, place, run, (from, u64::MAX))
        })
        .await
    }

    fn snapshot(&self, run: RunId, seq: u64, snapshot: Value) {
        self.send(Command::Snapshot(run, seq, snapshot));
    }

    async fn latest_snapshot(&self, run: RunId) -> Result<Option<(u64, Value)>, StoreError> {
        self.read(move |connection, place| reader::snapshot(connection, place, run))
            .await
    }

    async fn summary(&self, run: RunId) -> Result<RunSummary, StoreError> {
        self.read(move |connection, place| reader::summary(connection, place, run))
            .await
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<RunSummary>, StoreError> {
        self.read(move |connection, place| reader::list(connection, place, query))
            .await
    }

    async fn open_interrupts(&self, run: Option<RunId>) -> Result<Vec<OpenInterrupt>, StoreError> {
        self.read(move |connection, place| reader::open_interrupts(connection, place, run))
            .await
    }

    async fn answer(&self, run: RunId, id: &str, reply: &Reply) -> Result<(), StoreError> {
        let (id, reply) = (id.to_owned(), reply.clone());
        self.write(|done| Command::Answer(run, id, reply, done))
            .await
    }

    async fn take_answers(&self, run: RunId) -> Result<Vec<(String, Reply)>, StoreError> {
        self.write(|done| Command::TakeAnswers(run, done)).await
    }

    async fn remove(&self, run: RunId) -> Result<(), StoreError> {
        let _claim = self.claim(run).await?;
        self.write(|done| Command::Remove(run, done)).await
    }

    async fn remove_ended_before(&self, at_ms: u64) -> Result<usize, StoreError> {
        self.write(|done| Command::RemoveBefore(at_ms, done)).await
    }

    async fn cached(&self, key: &str, now_ms: u64) -> Result<Option<Value>, StoreError> {
        let key = key.to_owned();
        self.read(move |connection, place| reader::cached(connection, place, &key, now_ms))
            .await
    }

    async fn cache(&self, key: &str, value: &Value, until_ms: u64) -> Result<(), StoreError> {
        let (key, value) = (key.to_owned(), value.clone());
        self.write(|done| Command::Cache(key, value, until_ms, done))
            .await
    }
}

/// Whether an open file is still the one at its path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => open.ino() == there.ino() && open.dev() == there.dev(),
        _ => false,
    }
}

/// Elsewhere an open file cannot be removed.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// A state as it is written; [`RunState::Interrupted`] is seen from the lock, not written.
fn state_word(state: RunState) -> &'static str {
    match state {
        RunState::Interrupted => RunState::Running.word(),
        other => other.word(),
    }
}

fn state_named(word: &str) -> Option<RunState> {
    [
        RunState::Running,
        RunState::Suspended,
        RunState::Completed,
        RunState::Failed,
    ]
    .into_iter()
    .find(|state| state.word() == word)
}
