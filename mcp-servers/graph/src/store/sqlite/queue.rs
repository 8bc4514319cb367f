//! The way to the one thread that writes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use rusqlite::Connection;

use super::super::Ticket;
use super::StoreError;
use super::fault::Fault;
use super::place::Place;
use super::writer::{Change, Job, MOST_AT_ONCE, Task, Writer};
use crate::store::Receipt;

/// The way to the one thread that writes; it ends when this is dropped.
pub(super) struct Queue {
    place: Arc<Place>,
    jobs: Option<mpsc::SyncSender<Box<dyn Job>>>,
    /// Jobs that were sent and are not answered.
    open: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What became of a job.
type Outcome<T> = mpsc::Receiver<Result<Option<T>, StoreError>>;

impl Queue {
    /// Starts the thread.
    pub(super) fn start(connection: Connection, place: Arc<Place>) -> Result<Self, StoreError> {
        // Whoever submits faster than can be written waits.
        let (jobs, queue) = mpsc::sync_channel(MOST_AT_ONCE);
        let open = Arc::new(AtomicUsize::new(0));
        let writer = Writer {
            connection,
            place: Arc::clone(&place),
            open: Arc::clone(&open),
        };
        let thread = std::thread::Builder::new()
            .name("ropewalk-graph".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|error| place.failed(format!("cannot start its thread: {error}")))?;
        Ok(Self {
            place,
            jobs: Some(jobs),
            open,
            thread: Some(thread),
        })
    }

    /// Whether everything that was sent is answered.
    pub(super) fn is_idle(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// Has the thread do something, and waits until it is durable.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Change<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let outcome = self.send(work);
        wait(&self.place, &outcome)
    }

    /// Has the thread put something, which is waited for later.
    pub(super) fn submit(
        &self,
        work: impl FnMut(&mut Change<'_>) -> Result<Receipt, Fault> + Send + 'static,
    ) -> Ticket {
        let outcome = self.send(work);
        let place = Arc::clone(&self.place);
        Ticket::later(move || wait(&place, &outcome))
    }

    fn send<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Change<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Outcome<T> {
        let (reply, outcome) = mpsc::sync_channel(1);
        let task = Task {
            work,
            value: None,
            reply,
        };
        if let Some(jobs) = &self.jobs {
            self.open.fetch_add(1, Ordering::AcqRel);
            // Where the thread has ended, nobody answers.
            let _ = jobs.send(Box::new(task));
        }
        outcome
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // The writer closes last: it brings what is in the write-ahead log into the file.
        self.place.close();
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn wait<T>(place: &Place, outcome: &Outcome<T>) -> Result<T, StoreError> {
    match outcome.recv() {
        Ok(outcome) => outcome?.ok_or_else(|| place.failed("a write did nothing")),
        Err(_) => Err(place.failed("the thread that writes it has ended")),
    }
}
