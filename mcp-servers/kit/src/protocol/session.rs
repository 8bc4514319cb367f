//! What is known of one client between its requests. Newer clients send all of it with each.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::changes::News;
use crate::context::LogLevel;

/// Addresses one client may watch.
const MAX_WATCHED: usize = 1_000;

/// Ends with the last handle of it.
pub(super) struct Session {
    level: Mutex<LogLevel>,
    pub(super) watched: Watched,
    /// News since the session began, until somebody brings them to the client.
    news: Mutex<Option<News>>,
    /// News since a subscription was accepted, by the task that answers it.
    accepted: Mutex<HashMap<task::Id, News>>,
    ended: CancellationToken,
    _guard: DropGuard,
}

impl Session {
    /// Begins now: what changes from here on is news to the client, however long it takes to say
    /// that it is ready.
    pub(super) fn new(news: Option<News>) -> Self {
        let ended = CancellationToken::new();
        Self {
            level: Mutex::new(LogLevel::Info),
            watched: Watched::default(),
            news: Mutex::new(news),
            accepted: Mutex::default(),
            _guard: ended.clone().drop_guard(),
            ended,
        }
    }

    /// The news of the session, to be brought to the client by the one who takes them.
    pub(super) fn news(&self) -> Option<News> {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        news.take()
    }

    /// Keeps `news` for the subscription that this task is about to acknowledge: a client may
    /// cause a change as soon as it has read that, which is before the task goes on.
    pub(super) fn accept(&self, news: News) {
        if let Some(task) = task::try_id() {
            let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
            accepted.insert(task, news);
        }
    }

    /// What this task accepted.
    pub(super) fn accepted(&self) -> Option<News> {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.remove(&task::try_id()?)
    }

    /// Fires when the session is over.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// The quietest words the client wants to hear.
    pub(super) fn level(&self) -> LogLevel {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_level(&self, level: LogLevel) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }
}

/// The addresses a client watches.
#[derive(Clone, Default)]
pub(super) struct Watched(Arc<Mutex<BTreeSet<String>>>);

impl Watched {
    /// Whether there was room.
    pub(super) fn add(&self, uri: String) -> bool {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = watched.len() < MAX_WATCHED;
        if room {
            watched.insert(uri);
        }
        room
    }

    pub(super) fn remove(&self, uri: &str) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.remove(uri);
    }

    pub(super) fn has(&self, uri: &str) -> bool {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.contains(uri)
    }
}
