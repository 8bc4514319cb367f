//! How a server is asked: in a task of its own, within time, and stopped where nobody waits.
//!
//! A connection goes back to where it came from only when it has given all that it was asked for.
//! One that was told to stop never does: who got it next would be stopped as well.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::database::{DatabaseError, Limits};

/// Statements that run at the same time on one server; others wait.
pub(super) const AT_ONCE: usize = 4;

/// How long to wait for a connection.
pub(super) const REACH: Duration = Duration::from_secs(10);

/// How much longer than it may a server may take before it is stopped from here: it looks at its
/// own clock now and then only.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How long looking for what is in a database may take.
pub(super) const LOOKING: Duration = Duration::from_secs(60);

/// How long rows that nobody wants are read, so that their connection can be used again.
pub(super) const SKIM: Duration = Duration::from_millis(100);

/// How long a connection may be silent before the system asks whether the other side is there.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(30);

/// A server with connections to it.
pub(super) trait Server: Clone + Send + Sync + 'static {
    /// A connection, which goes back where it came from when it is let go of.
    type Connection: Send + 'static;

    /// A connection, within [`REACH`].
    fn connection(&self) -> impl Future<Output = Result<Self::Connection, DatabaseError>> + Send;

    /// Tells the server to stop what a connection does, and lets go of it for good.
    fn stop(&self, connection: Self::Connection) -> impl Future<Output = ()> + Send;
}

/// What a server told.
pub(super) struct Told<T> {
    pub(super) answer: T,
    /// Whether there is nothing more of it on the way.
    pub(super) whole: bool,
}

impl<T> Told<T> {
    pub(super) fn whole(answer: T) -> Self {
        let whole = true;
        Self { answer, whole }
    }
}

/// Asks a server. It is stopped when it takes longer than it may, when `cancel` fires, and when
/// nobody waits for it any more.
pub(super) async fn asked<S, T, A>(
    server: &S,
    limits: &Limits,
    cancel: &CancellationToken,
    ask: A,
) -> Result<T, DatabaseError>
where
    S: Server,
    T: Send + 'static,
    A: for<'c> FnOnce(&'c mut S::Connection) -> BoxFuture<'c, Result<Told<T>, DatabaseError>>
        + Send
        + 'static,
{
    let server = server.clone();
    let time = limits.time;
    let gone = cancel.child_token();
    let _guard = gone.clone().drop_guard();
    let task = tokio::spawn(async move {
        let mut connection = tokio::select! {
            connection = server.connection() => connection?,
            () = gone.cancelled() => return Err(DatabaseError::Cancelled),
        };
        let told = tokio::select! {
            told = ask(&mut connection) => Ok(told),
            () = sleep(time.saturating_add(GRACE)) => Err(late(time)),
            () = gone.cancelled() => Err(DatabaseError::Cancelled),
        };
        let (outcome, whole) = match told {
            Ok(Ok(told)) => (Ok(told.answer), told.whole),
            Ok(Err(error)) => (Err(error), true),
            Err(error) => (Err(error), false),
        };
        if !whole {
            let stopping = tokio::spawn(async move { server.stop(connection).await });
            // It goes on where that takes longer.
            let _ = timeout(GRACE, stopping).await;
        }
        outcome
    });
    task.await.unwrap_or_else(|error| {
        Err(DatabaseError::Statement {
            reason: format!("asking the database failed: {error}"),
        })
    })
}

/// That it took too long.
pub(super) fn late(time: Duration) -> DatabaseError {
    DatabaseError::Time {
        seconds: time.as_secs_f64(),
    }
}

/// That there is no connection in time.
pub(super) fn unreachable() -> String {
    format!(
        "no connection within {} seconds; check that it runs, or try again",
        REACH.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A server with one connection; what became of it is told in words.
    #[derive(Clone, Default)]
    struct One(Arc<Mutex<Vec<&'static str>>>);

    /// Says when it goes back.
    struct Lent(One);

    impl Drop for Lent {
        fn drop(&mut self) {
            self.0.says("back");
        }
    }

    impl One {
        fn says(&self, word: &'static str) {
            self.0.lock().unwrap().push(word);
        }

        fn said(&self) -> Vec<&'static str> {
            self.0.lock().unwrap().clone()
        }
    }

    impl Server for One {
        type Connection = Lent;

        async fn connection(&self) -> Result<Lent, DatabaseError> {
            Ok(Lent(self.clone()))
        }

        async fn stop(&self, connection: Lent) {
            // While it is told, nobody else has the connection.
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.says("stopped");
            drop(connection);
        }
    }

    async fn ask(
        server: &One,
        cancel: &CancellationToken,
        answer: Option<Result<bool, DatabaseError>>,
    ) -> Result<(), DatabaseError> {
        let limits = Limits {
            time: Duration::from_millis(10),
            ..Limits::default()
        };
        let answered = asked(server, &limits, cancel, move |_: &mut Lent| {
            Box::pin(async move {
                match answer {
                    Some(Ok(whole)) => Ok(Told { answer: (), whole }),
                    Some(Err(error)) => Err(error),
                    None => std::future::pending().await,
                }
            })
        });
        answered.await
    }

    #[tokio::test]
    async fn what_is_stopped_goes_back_when_it_has_stopped() {
        let cancel = CancellationToken::new();
        let server = One::default();
        ask(&server, &cancel, Some(Ok(true))).await.unwrap();
        assert_eq!(server.said(), ["back"]);
        let server = One::default();
        let wrong = ask(&server, &cancel, Some(Err(DatabaseError::Locked))).await;
        assert!(matches!(wrong, Err(DatabaseError::Locked)));
        assert_eq!(server.said(), ["back"]);
        // There is more of the answer on the way.
        let server = One::default();
        ask(&server, &cancel, Some(Ok(false))).await.unwrap();
        assert_eq!(server.said(), ["stopped", "back"]);
        let server = One::default();
        let late = ask(&server, &cancel, None).await;
        assert!(matches!(late, Err(DatabaseError::Time { .. })), "{late:?}");
        assert_eq!(server.said(), ["stopped", "back"]);
        let server = One::default();
        let left = timeout(Duration::from_millis(1), ask(&server, &cancel, None)).await;
        assert!(left.is_err());
        let both = async {
            while server.said().len() < 2 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(GRACE, both).await.unwrap();
        assert_eq!(server.said(), ["stopped", "back"]);
        cancel.cancel();
        let server = One::default();
        let gone = ask(&server, &cancel, None).await;
        assert!(matches!(gone, Err(DatabaseError::Cancelled)), "{gone:?}");
    }
}
