//! How many statements run at the same time, and those that cannot be stopped.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::database::asking::AT_ONCE;

/// Statements that go on although nobody waits, for which others need not.
const STUCK: usize = 4;

/// Whose turn it is.
#[derive(Clone)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    stuck: Arc<Semaphore>,
}

/// The turn of one statement, as long as anybody holds it.
#[derive(Clone)]
pub(super) struct Turn(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Default for Turns {
    fn default() -> Self {
        Self {
            free: Arc::new(Semaphore::new(AT_ONCE)),
            stuck: Arc::new(Semaphore::new(STUCK)),
        }
    }
}

impl Turns {
    pub(super) async fn next(&self) -> Turn {
        // Nobody closes it.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        Turn(Arc::new(Mutex::new(permit)))
    }

    /// Gives the turn of a statement that cannot be stopped to somebody else. When there are too
    /// many such, the others wait: they would all be slow.
    pub(super) fn pass(&self, turn: &Turn) {
        if let Ok(stuck) = Arc::clone(&self.stuck).try_acquire_owned() {
            let mut held = turn.0.lock().unwrap_or_else(PoisonError::into_inner);
            *held = Some(stuck);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_of_what_cannot_be_stopped_are_passed_on_until_it_ends() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for _ in 0..AT_ONCE + STUCK {
            let turn = turns.next().await;
            turns.pass(&turn);
            held.push(turn);
        }
        assert_eq!(turns.free.available_permits(), 0);
        held.clear();
        assert_eq!(turns.free.available_permits(), AT_ONCE);
        assert_eq!(turns.stuck.available_permits(), STUCK);
    }
}
