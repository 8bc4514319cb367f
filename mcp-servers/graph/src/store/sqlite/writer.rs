//! The one thread that writes. What has queued up while it was busy becomes one transaction, so
//! that many callers share the cost of a commit.

mod arrivals;
mod footprint;
mod rows;
mod totals;
mod vectors;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::totals::Totals;
use super::fault::Fault;
use super::place::Place;
use super::{StoreError, now_ms, whole};

/// Jobs that become one transaction at most.
pub(super) const MOST_AT_ONCE: usize = 1024;

/// What the thread is asked to do.
pub(super) trait Job: Send {
    /// Does it, within a transaction; again if the first one does not go through.
    fn run(&mut self, change: &mut Change<'_>) -> Result<(), Fault>;
    /// Tells what became of it.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// A job whose outcome somebody waits for.
pub(super) struct Task<T, W> {
    pub(super) work: W,
    pub(super) value: Option<T>,
    pub(super) reply: mpsc::SyncSender<Result<Option<T>, StoreError>>,
}

impl<T, W> Job for Task<T, W>
where
    T: Send,
    W: FnMut(&mut Change<'_>) -> Result<T, Fault> + Send,
{
    fn run(&mut self, change: &mut Change<'_>) -> Result<(), Fault> {
        self.value = Some((self.work)(change)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { value, reply, .. } = *self;
        // Whoever asked may have gone.
        let _ = reply.send(outcome.map(|()| value));
    }
}

/// One transaction.
pub(super) struct Change<'a> {
    transaction: &'a Transaction<'a>,
    totals: Totals,
    now: i64,
    /// Entity, document, kind, name and count of places that are not written yet; none are of a
    /// document that was there before.
    places: Vec<(i64, i64, u8, String, i64)>,
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) place: Arc<Place>,
    /// Jobs that are not answered.
    pub(super) open: Arc<AtomicUsize>,
}

impl Writer {
    /// Writes until nobody is left who could ask.
    pub(super) fn run(mut self, queue: &mpsc::Receiver<Box<dyn Job>>) {
        while let Ok(first) = queue.recv() {
            let mut jobs = vec![first];
            while jobs.len() < MOST_AT_ONCE {
                let Ok(job) = queue.try_recv() else { break };
                jobs.push(job);
            }
            self.write(jobs);
        }
    }

    fn write(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let outcome = self.transact(&mut jobs);
        if outcome.is_err() && jobs.len() > 1 {
            // One that cannot be done must not take the others with it.
            for job in jobs {
                self.write(vec![job]);
            }
            return;
        }
        let outcome = outcome.map_err(|fault| self.place.error(fault));
        for job in jobs {
            self.open.fetch_sub(1, Ordering::AcqRel);
            job.answer(outcome.clone());
        }
    }

    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Fault> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let totals = Totals::read(&transaction)?;
        let mut change = Change {
            transaction: &transaction,
            totals,
            now: now_ms(),
            places: Vec::new(),
        };
        for job in jobs {
            job.run(&mut change)?;
        }
        change.settle()?;
        let totals = change.totals;
        totals.write(&transaction)?;
        transaction.commit()?;
        Ok(())
    }
}
