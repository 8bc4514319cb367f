//! The one way to do something outside a run.
//!
//! What is about to be done is logged before it starts and when it ends. After a crash, what has
//! ended is not done again: its logged outcome is taken. What had started and not ended is done
//! again only if that does no harm; otherwise a person is asked.

mod drift;
pub(crate) mod header;
pub(crate) mod past;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use ropewalk_core::event::{EVENT_VERSION, EffectOutcome, EffectRequest, Event};
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::machine::{MachineState, NodeError};
use ropewalk_core::graph::signature::digest;
use ropewalk_core::interrupt::{Interrupt, InterruptKind, Reply};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use self::drift::outputs_drift;
use self::header::{Header, Snapshot};
use self::past::{Past, PastEffect};
use crate::run::Cancel;
use crate::run_id::RunId;
use crate::store::{Durability, Stamped, Store, StoreError};

/// How long an effect that must not be broken off may go on once the run is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How long a call that is given up may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a question was taken for refused.
pub(crate) const NOBODY: &str = "there is nobody to ask";

/// Events between two snapshots: what a resumption reads at most, beside a snapshot.
const SNAPSHOT_EVERY: u64 = 1_000;

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

/// A person who can be asked while a run goes on.
#[async_trait]
pub trait Approver: Send + Sync {
    /// What they say; `None` leaves the question open.
    async fn ask(&self, interrupt: &Interrupt) -> Option<Reply>;
}

/// What happens to a question when nobody can be asked now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unanswered {
    /// The run goes on as far as it can and then waits.
    #[default]
    Suspend,
    /// It is taken for a no.
    Refuse,
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
    live: Option<Live>,
}

/// The run as its log tells it now, to take snapshots from.
struct Live {
    header: Header,
    past: Past,
    /// Events since the latest snapshot.
    since: u64,
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
                live: setup.header.map(|header| Live {
                    header,
                    past: setup.past.with_machine(),
                    since: 0,
                }),
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

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn run_cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Puts an event in the log, without waiting for it to be kept.
    pub(crate) fn record(&self, event: Event) {
        if self.silent {
            return;
        }
        let mut state = self.state();
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
        let Some(live) = state
            .live
            .as_mut()
            .filter(|live| live.since >= SNAPSHOT_EVERY)
        else {
            return;
        };
        live.since = 0;
        let Some(machine) = machine() else { return };
        let snapshot = Snapshot {
            version: EVENT_VERSION,
            header: live.header.clone(),
            past: live.past.clone(),
            machine,
        };
        match serde_json::to_value(&snapshot) {
            Ok(value) => store.snapshot(self.run, live.header.next_seq, value),
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
            if self.mode == Mode::Replay && past.request != effect.compared {
                return Err(Stop::Drift(drift::drift(&past, &effect)));
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

    /// Asks about an effect that began and whose end is not known. Returns what came of it, or
    /// nothing when it is to be done again.
    async fn ambiguous(
        &self,
        effect: &Effect,
        past: &PastEffect,
    ) -> Result<Option<EffectOutcome>, Stop> {
        let what = drift::words_of(&effect.request);
        let interrupt = Interrupt {
            kind: InterruptKind::Ambiguous,
            path: effect.path.clone(),
            question: format!(
                "{what} was begun and the program ended before it was known what came of it. Did \
                 it happen? approve: it did not, do it; edit: it did, with this result; reject: \
                 take it for failed"
            ),
            proposal: None,
            schema: None,
            who: None,
            call: match &effect.request {
                EffectRequest::Tool { call } => Some(call.clone()),
                _ => None,
            },
        };
        let id = format!("{}?{}", effect.slot, past.starts);
        Ok(
            match self.ask(&id, interrupt, || NOBODY.to_owned()).await? {
                Reply::Approve | Reply::Escalate { .. } => None,
                Reply::Reject { reason } => {
                    let reason = if reason.is_empty() {
                        String::new()
                    } else {
                        format!(": {reason}")
                    };
                    let message = format!("{what} was begun and taken for failed{reason}");
                    Some(match effect.request {
                        EffectRequest::Tool { .. } => EffectOutcome::Tool {
                            outcome: ropewalk_core::tool::ToolOutcome::Error { message },
                        },
                        _ => EffectOutcome::Failed {
                            error: NodeError::new(ErrorKind::Denied, message),
                        },
                    })
                }
                Reply::Edit { value } | Reply::Reply { value } => {
                    Some(drift::outcome_of(&effect.request, value))
                }
            },
        )
    }

    /// Asks a person, unless the log already holds their answer. `nobody` is the reason of the no
    /// that stands for an answer where there is nobody to ask.
    pub(crate) async fn ask(
        &self,
        id: &str,
        interrupt: Interrupt,
        nobody: impl FnOnce() -> String,
    ) -> Result<Reply, Stop> {
        let known = self.with_past(|past| past.interrupts.get(id).cloned());
        match known {
            Some(Some(reply)) => return Ok(reply),
            Some(None) => {}
            None => self.record(Event::InterruptRaised {
                id: id.to_owned(),
                interrupt: interrupt.clone(),
            }),
        }
        let left = self.with_past(|past| past.answers.remove(id));
        let reply = match left {
            Some(reply) => Some(reply),
            None => self.ask_now(&interrupt, nobody).await?,
        };
        let Some(reply) = reply else {
            self.with_past(|past| past.interrupts.insert(id.to_owned(), None));
            return Err(Stop::Waiting);
        };
        if let Err(unfit) = interrupt.check(&reply) {
            tracing::warn!(%unfit, "an answer is left aside");
            return Err(Stop::Waiting);
        }
        self.record(Event::InterruptAnswered {
            id: id.to_owned(),
            reply: reply.clone(),
        });
        if matches!(reply, Reply::Escalate { .. }) {
            return Err(Stop::Waiting);
        }
        self.with_past(|past| past.interrupts.insert(id.to_owned(), Some(reply.clone())));
        Ok(reply)
    }

    async fn ask_now(
        &self,
        interrupt: &Interrupt,
        nobody: impl FnOnce() -> String,
    ) -> Result<Option<Reply>, Stop> {
        if let Some(approver) = &self.approver {
            let reply = tokio::select! {
                () = self.cancel.cancelled() => return Err(Stop::Cancelled),
                reply = approver.ask(interrupt) => reply,
            };
            if reply.is_some() {
                return Ok(reply);
            }
        }
        Ok(match self.unanswered {
            Unanswered::Suspend => None,
            Unanswered::Refuse => Some(Reply::Reject { reason: nobody() }),
        })
    }
}

impl Live {
    /// Nothing, when the log does not begin as it should: then there are no snapshots.
    fn begin(first: &Stamped) -> Option<Self> {
        Some(Self {
            header: Header::begin(first).ok()?,
            past: Past::new(past::Keep::WithMachine),
            since: 1,
        })
    }

    fn take(&mut self, stamped: &Stamped) {
        self.header.take(stamped);
        self.past.take(&stamped.event);
        self.since += 1;
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
