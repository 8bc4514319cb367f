//! How far the work of a call is, and what else it tells the caller on the way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::context::LogLevel;

/// Tells the caller how far the work is. Reports are dropped when nobody asked for them, and
/// thinned to about ten a second otherwise; the last one before the result always goes out.
#[derive(Debug, Clone, Default)]
pub struct Progress(Option<Arc<Reporter>>);

#[derive(Debug)]
struct Reporter {
    sender: mpsc::UnboundedSender<Notice>,
    sent: Mutex<Sent>,
}

/// What went out since an instant.
#[derive(Debug)]
struct Sent {
    since: Instant,
    reports: u32,
}

/// One report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) done: f64,
    pub(crate) total: Option<f64>,
    pub(crate) message: String,
}

/// What a call tells its caller before it ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Notice {
    /// How far it is.
    Report(Report),
    /// A word for the client's log.
    Word(LogLevel, String),
}

/// Reports that go out in one interval.
const MOST: u32 = 10;
const INTERVAL: Duration = Duration::from_secs(1);

impl Progress {
    pub(crate) fn new(sender: mpsc::UnboundedSender<Notice>) -> Self {
        Self(Some(Arc::new(Reporter {
            sender,
            sent: Mutex::new(Sent {
                since: Instant::now(),
                reports: 0,
            }),
        })))
    }

    /// `done` of `total` units of work, and a word on what is being done.
    pub fn report(&self, done: f64, total: Option<f64>, message: &str) {
        let Some(reporter) = &self.0 else { return };
        let finished = total.is_some_and(|total| done >= total);
        {
            let mut sent = reporter.sent.lock().unwrap_or_else(PoisonError::into_inner);
            if sent.since.elapsed() >= INTERVAL {
                sent.since = Instant::now();
                sent.reports = 0;
            }
            if !finished && sent.reports >= MOST {
                return;
            }
            sent.reports = sent.reports.saturating_add(1);
        }
        // A caller that went away is told through the cancellation token.
        let _ = reporter.sender.send(Notice::Report(Report {
            done,
            total,
            message: message.to_owned(),
        }));
    }
}
