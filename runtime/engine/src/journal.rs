//! The one way to do something outside a run.
//!
//! What is about to be done is logged before it starts and when it ends. After a crash, what has
//! ended is not done again: its logged outcome is taken. What had started and not ended is done
//! again only if that does no harm; otherwise a person is asked.

mod ask;
mod drift;
pub(crate) mod header;
mod live;
pub(crate) mod past;
pub(crate) mod reading;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ropewalk_core::digest::digest;
use ropewalk_core::event::{EffectOutcome, EffectRequest, Event};
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::machine::{MachineState, NodeError};
use ropewalk_core::policy::Exposure;
use ropewalk_core::secret;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use self::ask::NOBODY;
pub use self::ask::{Approver, Unanswered};
pub(crate) use self::drift::outputs_drift;
use self::header::Header;
use self::live::Live;
use self::past::Past;
use self::reading::Reading;
use crate::run::Cancel;
use crate::run_id::RunId;
use crate::store::{Durability, Stamped, Store, StoreError};

/// How long an effect that must not be broken off may go on once the run is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How long a call that is given up may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Told of every event, in order.
pub type Listener = Arc<dyn Fn(&Stamped) + Send + Sync>;

/// Why a part of a run does not go on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stop {
    /// A person must answer first.
    Waiting,
    /// It was asked to stop, or this part of it was given up.
    Cancelled,
    /// Its log cannot be kept.
    Store(StoreError),
    /// It does something else than its recording.
    Drift(String),
}

/// Whether the past of a run is to be followed or checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What is recorded is taken; beyond it the run goes on.
    Live,
    /// Everything must be recorded, and be asked for in the same words.
    Replay,
}

/// The log of a run that is at work.
pub(crate) struct Journal {
    run: RunId,
    store: Option<Arc<dyn Store>>,
    durability: Durability,
    listener: Option<Listener>,
    /// Nobody listens and nothing is kept: events need not even be made.
    silent: bool,
    mode: Mode,
    approver: Option<Arc<dyn Approver>>,
    unanswered: Unanswered,
    /// Asked to stop as a whole.
    cancel: CancellationToken,
    state: Mutex<State>,
}

struct State {
    seq: u64,
    past: Past,
    /// What the run has read by now.
    reading: Reading,
    live: Option<Live>,
}

/// How a [`Journal`] is set up.
pub(crate) struct Setup {
    pub(crate) run: RunId,
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) durability: Durability,
    pub(crate) listener: Option<Listener>,
    pub(crate) mode: Mode,
    pub(crate) approver: Option<Arc<dyn Approver>>,
    pub(crate) unanswered: Unanswered,
    pub(crate) cancel: CancellationToken,
    pub(crate) next_seq: u64,
    pub(crate) past: Past,
    /// What the log said, where there is one already.
    pub(crate) header: Option<Header>,
}

/// Something to be done outside the run.
#[derive(Clone)]
pub(crate) struct Effect {
    /// Its place in the run.
    pub(crate) slot: String,
    /// The activation it belongs to.
    pub(crate) path: String,
    /// Doing it twice does no harm.
    pub(crate) repeatable: bool,
    /// What is asked for.
    pub(crate) request: EffectRequest,
    /// What is asked for, as it is compared with a recording.
    pub(crate) compared: Value,
}

impl Effect {
    /// An effect whose request says all there is to compare.
    pub(crate) fn new(slot: String, path: &str, repeatable: bool, request: EffectRequest) -> Self {
        Self {
            slot,
            path: path.to_owned(),
            repeatable,
            compared: as_value(&request),
            request,
        }
    }
}

impl Journal {
    pub(crate) fn new(setup: Setup) -> Self {
        let store = setup.store.filter(|_| setup.durability != Durability::Off);
        Self {
            run: setup.run,
            silent: store.is_none() && setup.listener.is_none(),
            store,
            durability: setup.durability,
            listener: setup.listener,
            mode: setup.mode,
            approver: setup.approver,
            unanswered: setup.unanswered,
            cancel: setup.cancel,
            state: Mutex::new(State {
                seq: setup.next_seq,
                live: setup.header.map(|header| Live::after(header, &setup.past)),
                reading: setup.past.reading.clone(),
                past: setup.past,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an event would be seen by nobody.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// The run.
    pub(crate) fn run(&self) -> RunId {
        self.run
    }

    /// What the run has read by now.
    pub(crate) fn exposure(&self) -> Exposure {
        self.state().reading.exposure().clone()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn run_cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Puts an event in the log, without waiting for it to be kept.
    pub(crate) fn record(&self, event: Event) {
        if self.silent {
            // Nobody need listen for what was read to count.
            self.state().reading.take(&event);
            return;
        }
        let event = secret::redactor().cleaned(&event).unwrap_or(event);
        let mut state = self.state();
        state.reading.take(&event);
        let stamped = Stamped {
            run: self.run,
            seq: state.seq,
            at_ms: now_ms(),
            event,
        };
        // In the lock: listeners and the store see events in their order.
        if let Some(listener) = &self.listener {
            listener(&stamped);
        }
        if matches!(stamped.event, Event::EffectProgressed { .. }) {
            return;
        }
        state.seq += 1;
        if let Some(store) = &self.store {
            match &mut state.live {
                Some(live) => live.take(&stamped),
                none => *none = Live::begin(&stamped),
            }
            store.append(self.durability, vec![stamped]);
        }
    }

    /// Puts a snapshot beside the log, when the log has grown enough since the last.
    pub(crate) fn snapshot(&self, machine: impl FnOnce() -> Option<MachineState>) {
        let Some(store) = &self.store else { return };
        let mut state = self.state();
        let Some((seq, snapshot)) = state.live.as_mut().and_then(|live| live.due(machine)) else {
            return;
        };
        match serde_json::to_value(&snapshot) {
            Ok(value) => store.snapshot(self.run, seq, value),
            Err(error) => tracing::warn!(%error, "a snapshot is left out"),
        }
    }

    /// Waits until everything so far is kept.
    pub(crate) async fn flush(&self) -> Result<(), Stop> {
        match &self.store {
            None => Ok(()),
            Some(store) => store.flush(self.run).await.map_err(Stop::Store),
        }
    }

    /// What the log already holds.
    pub(crate) fn with_past<T>(&self, look: impl FnOnce(&mut Past) -> T) -> T {
        look(&mut self.state().past)
    }

    /// Names an effect to the outside: the same effect, the same key, on every attempt to resume.
    fn key(&self, effect: &Effect) -> String {
        digest(&json!([self.run.to_string(), effect.slot, effect.compared]))
    }

    /// Does something outside the run, unless the log already holds what came of it. Returns also
    /// whether it was done now.
    pub(crate) async fn effect<F>(
        &self,
        effect: Effect,
        cancel: &Cancel,
        work: impl FnOnce(String, CancellationToken) -> F,
    ) -> Result<(EffectOutcome, bool), Stop>
    where
        F: Future<Output = EffectOutcome>,
    {
        let past = self.with_past(|past| past.effects.remove(&effect.slot));
        let mut starts = 0;
        if let Some(past) = past {
            if self.mode == Mode::Replay {
                // A recording holds no secrets; what is asked for now may.
                let redactor = secret::redactor();
                let cleaned = |value: &mut Value| redactor.redact_value(value);
                let (mut past, mut effect) = (past.clone(), effect.clone());
                cleaned(&mut past.request);
                cleaned(&mut effect.compared);
                if past.request != effect.compared {
                    return Err(Stop::Drift(drift::drift(&past, &effect)));
                }
            }
            if let Some(outcome) = past.outcome {
                return Ok((outcome, false));
            }
            starts = past.starts;
            if !effect.repeatable
                && let Some(outcome) = self.ambiguous(&effect, &past).await?
            {
                let slot = effect.slot;
                let ended = outcome.clone();
                self.record(Event::EffectEnded { slot, outcome });
                return Ok((ended, true));
            }
        } else if self.mode == Mode::Replay {
            return Err(Stop::Drift(drift::unrecorded(&effect)));
        }
        if cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        tracing::trace!(slot = effect.slot, starts, "an effect starts");
        let key = self.key(&effect);
        let (slot, repeatable) = (effect.slot, effect.repeatable);
        self.record(Event::EffectStarted {
            slot: slot.clone(),
            key: key.clone(),
            repeatable,
            request: effect.request,
        });
        if !repeatable {
            // Before it starts the log must be sure to say so: this is what keeps it from being
            // done twice.
            self.flush().await?;
        }
        let give_up = CancellationToken::new();
        let work = work(key, give_up.clone());
        let outcome = self.awaited(repeatable, cancel, &give_up, work).await;
        match outcome {
            Ok(outcome) => {
                // The run goes by what its log holds, so that it is the same when it is resumed.
                let outcome = secret::redactor().cleaned(&outcome).unwrap_or(outcome);
                let ended = outcome.clone();
                self.record(Event::EffectEnded { slot, outcome });
                Ok((ended, true))
            }
            Err(given_up) => {
                if let Some(error) = given_up {
                    let outcome = EffectOutcome::Failed { error };
                    self.record(Event::EffectEnded { slot, outcome });
                }
                Err(Stop::Cancelled)
            }
        }
    }

    /// The end of an effect, or that it was given up, with the error that goes in the log. When
    /// the whole run stops, nothing goes in the log: the effect is simply done anew.
    async fn awaited(
        &self,
        repeatable: bool,
        cancel: &Cancel,
        give_up: &CancellationToken,
        work: impl Future<Output = EffectOutcome>,
    ) -> Result<EffectOutcome, Option<NodeError>> {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            outcome = &mut work => return Ok(outcome),
            () = cancel.cancelled() => {}
        }
        if cancel.is_stopped() {
            if repeatable {
                // Whoever does it is told; nobody waits for more than a goodbye.
                give_up.cancel();
                let _ = tokio::time::timeout(GOODBYE, &mut work).await;
                return Err(None);
            }
            return match tokio::time::timeout(GRACE, &mut work).await {
                Ok(outcome) => Ok(outcome),
                Err(_) => Err(None),
            };
        }
        give_up.cancel();
        let _ = tokio::time::timeout(GOODBYE, &mut work).await;
        let message = "it was given up before it ended; whether it took effect is not known";
        Err(Some(NodeError::new(ErrorKind::Timeout, message)))
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// A request as a value, to be compared and named.
pub(crate) fn as_value(request: &impl serde::Serialize) -> Value {
    serde_json::to_value(request).unwrap_or_default()
}
