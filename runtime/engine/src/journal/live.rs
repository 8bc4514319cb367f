//! The run as its log tells it at this moment, to take snapshots from.

use ropewalk_core::event::EVENT_VERSION;
use ropewalk_core::graph::machine::MachineState;

use super::header::{Header, Snapshot};
use super::past::{Keep, Past};
use crate::store::Stamped;

/// Events between two snapshots: what a resumption reads at most, beside a snapshot.
const SNAPSHOT_EVERY: u64 = 1_000;

/// The run as its log tells it now, to take snapshots from.
pub(super) struct Live {
    header: Header,
    past: Past,
    /// Events since the latest snapshot.
    since: u64,
}

impl Live {
    /// Nothing, when the log does not begin as it should: then there are no snapshots.
    pub(super) fn begin(first: &Stamped) -> Option<Self> {
        Some(Self {
            header: Header::begin(first).ok()?,
            past: Past::new(Keep::WithMachine),
            since: 1,
        })
    }

    pub(super) fn take(&mut self, stamped: &Stamped) {
        self.header.take(stamped);
        self.past.take(&stamped.event);
        self.since += 1;
    }

    /// A log goes on from what it told before.
    pub(super) fn after(header: Header, past: &Past) -> Self {
        Self {
            header,
            past: past.with_machine(),
            since: 0,
        }
    }

    /// The snapshot and its place in the log, when the log has grown enough since the last.
    pub(super) fn due(
        &mut self,
        machine: impl FnOnce() -> Option<MachineState>,
    ) -> Option<(u64, Snapshot)> {
        if self.since < SNAPSHOT_EVERY {
            return None;
        }
        self.since = 0;
        let snapshot = Snapshot {
            version: EVENT_VERSION,
            header: self.header.clone(),
            past: self.past.clone(),
            machine: machine()?,
        };
        Some((self.header.next_seq, snapshot))
    }
}
