//! Cancellation and progress of one call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a tool knows about the call it serves, besides its arguments.
#[derive(Debug, Clone, Default)]
pub struct CallContext {
    /// Cancelled when the caller cancels or goes away. Long work looks at it often.
    pub cancel: CancellationToken,
    /// Where the work reports how far it is.
    pub progress: Progress,
}

/// Tells the caller how far the work is. Reports are dropped when nobody asked for them, and
/// thinned to about ten a second otherwise; the last one before the result always goes out.
#[derive(Debug, Clone, Default)]
pub struct Progress(Option<Arc<Reporter>>);

#[derive(Debug)]
struct Reporter {
    sender: mpsc::UnboundedSender<Report>,
    last: Mutex<Option<Instant>>,
}

/// One report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) done: f64,
    pub(crate) total: Option<f64>,
    pub(crate) message: String,
}

const INTERVAL: Duration = Duration::from_millis(100);

impl Progress {
    pub(crate) fn new(sender: mpsc::UnboundedSender<Report>) -> Self {
        Self(Some(Arc::new(Reporter {
            sender,
            last: Mutex::new(None),
        })))
    }

    /// `done` of `total` units of work, and a word on what is being done.
    pub fn report(&self, done: f64, total: Option<f64>, message: &str) {
        let Some(reporter) = &self.0 else { return };
        {
            let mut last = reporter.last.lock().unwrap_or_else(PoisonError::into_inner);
            let finished = total.is_some_and(|total| done >= total);
            if !finished && last.is_some_and(|last| last.elapsed() < INTERVAL) {
                return;
            }
            *last = Some(Instant::now());
        }
        // A caller that went away is told through the cancellation token.
        let _ = reporter.sender.send(Report {
            done,
            total,
            message: message.to_owned(),
        });
    }
}
