//! News of what a server offers, for clients that want to hear them.

use tokio::sync::broadcast;

/// News that may wait for a slow client; one that falls further behind is told that everything
/// changed.
const WAITING: usize = 256;

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Which tools there are.
    Tools,
    /// Which prompts there are.
    Prompts,
    /// Which resources there are.
    Resources,
    /// What is in the resource of an address.
    Resource(String),
}

/// Where news come from.
#[derive(Debug, Clone)]
pub(crate) struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(WAITING))
    }
}

impl Changes {
    pub(crate) fn tell(&self, change: Change) {
        // Nobody may be listening.
        let _ = self.0.send(change);
    }

    pub(crate) fn listen(&self) -> News {
        News(self.0.subscribe())
    }
}

/// The news for one listener.
pub(crate) struct News(broadcast::Receiver<Change>);

impl News {
    /// The next news; more than one where some were missed. `None` once there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Vec<Change>> {
        match self.0.recv().await {
            Ok(change) => Some(vec![change]),
            Err(broadcast::error::RecvError::Lagged(_)) => {
                Some(vec![Change::Tools, Change::Prompts, Change::Resources])
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
