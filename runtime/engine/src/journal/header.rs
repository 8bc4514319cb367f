//! What a log says of its run as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use ropewalk_core::event::{EVENT_VERSION, EffectRequest, Event, OLDEST_EVENT_VERSION, RunOutcome};
use ropewalk_core::graph::bundle::Bundle;
use ropewalk_core::graph::machine::MachineState;
use ropewalk_core::graph::signature::Signature;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::past::{Keep, Past};
use crate::path;
use crate::store::Stamped;

/// What a log says of its run as a whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) graph: String,
    pub(crate) signature: Signature,
    pub(crate) bundle: Bundle,
    pub(crate) inputs: Arc<Map<String, Value>>,
    pub(crate) engine: String,
    /// Tools whose results nobody vouches for.
    #[serde(default)]
    pub(crate) outside: BTreeSet<String>,
    pub(crate) ended: Option<RunOutcome>,
    /// Nodes that have begun, as a signature names them.
    pub(crate) started: BTreeSet<String>,
    pub(crate) next_seq: u64,
    /// Milliseconds that processes have worked on it, the latest left out.
    worked_ms: u64,
    /// When the latest process began, and when its latest event was.
    session: (u64, u64),
}

/// A log that cannot be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It does not begin.
    #[error("the log does not begin with the start of a run; it is damaged")]
    NoStart,
    /// It was written by another version.
    #[error(
        "the log has form {found}; this program reads form {EVENT_VERSION}, and form \
         {OLDEST_EVENT_VERSION} where no tool was called: use the program that wrote it"
    )]
    Version {
        /// Its form.
        found: u32,
    },
}

/// A run at one place of its log: what comes before that place need not be read again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) version: u32,
    pub(crate) header: Header,
    pub(crate) past: Past,
    /// The graph itself; what is in it has its ends in `past`.
    pub(crate) machine: MachineState,
}

/// A run as its log tells it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) header: Header,
    pub(crate) past: Past,
    /// The graph at the snapshot, if it was read from one.
    pub(crate) machine: Option<MachineState>,
}

/// Reads a log, from a snapshot on where there is one.
pub(crate) fn read(
    snapshot: Option<Snapshot>,
    events: Vec<Stamped>,
    keep: Keep,
) -> Result<Told, LogError> {
    let (mut header, mut past, machine) = match snapshot {
        Some(snapshot) => (Some(snapshot.header), snapshot.past, Some(snapshot.machine)),
        None => (None, Past::new(keep), None),
    };
    for stamped in events {
        match &mut header {
            Some(header) => header.take(&stamped),
            none => *none = Some(Header::begin(&stamped)?),
        }
        past.take(&stamped.event);
        if let Event::EffectStarted {
            slot,
            request: EffectRequest::Tool { call },
            ..
        } = &stamped.event
            && !past.judged.contains_key(&path::judgement(slot, &call.id))
        {
            // What the run has read by then cannot be told.
            return Err(LogError::Version {
                found: EVENT_VERSION - 1,
            });
        }
    }
    let header = header.ok_or(LogError::NoStart)?;
    if let Some(RunOutcome::Failed { .. }) = header.ended {
        past.forget_failures();
    }
    Ok(Told {
        header,
        past,
        machine,
    })
}

impl Header {
    /// The header of a log that begins with this event.
    pub(crate) fn begin(first: &Stamped) -> Result<Self, LogError> {
        let Event::RunStarted {
            version,
            graph,
            signature,
            bundle,
            inputs,
            engine,
            outside,
            ..
        } = &first.event
        else {
            return Err(LogError::NoStart);
        };
        if !(OLDEST_EVENT_VERSION..=EVENT_VERSION).contains(version) {
            return Err(LogError::Version { found: *version });
        }
        Ok(Self {
            graph: graph.clone(),
            signature: signature.clone(),
            bundle: (**bundle).clone(),
            inputs: Arc::clone(inputs),
            engine: engine.clone(),
            outside: outside.iter().cloned().collect(),
            ended: None,
            started: BTreeSet::new(),
            next_seq: first.seq + 1,
            worked_ms: 0,
            session: (first.at_ms, first.at_ms),
        })
    }

    /// Takes the next event.
    pub(crate) fn take(&mut self, stamped: &Stamped) {
        let at_ms = stamped.at_ms;
        self.next_seq = stamped.seq + 1;
        match &stamped.event {
            // A fork begins in the middle of what it shares.
            Event::RunStarted { .. } => self.ended = None,
            Event::RunResumed {
                engine,
                changed,
                outside,
            } => {
                self.outside.extend(outside.iter().cloned());
                self.worked_ms = self.worked();
                self.session = (at_ms, at_ms);
                self.engine.clone_from(engine);
                self.ended = None;
                if let Some(changed) = changed {
                    let (signature, bundle) = &**changed;
                    self.signature = signature.clone();
                    self.bundle = bundle.clone();
                }
            }
            Event::RunEnded { outcome } => self.ended = Some(outcome.clone()),
            Event::NodeStarted { path, .. } | Event::NodeEnded { path, .. } => {
                let name = path::definition_of(path);
                if !self.started.contains(&*name) {
                    self.started.insert(name.into_owned());
                }
            }
            _ => {}
        }
        self.session.1 = at_ms;
    }

    /// Milliseconds that processes have worked on it, the latest included.
    pub(crate) fn worked(&self) -> u64 {
        let (began, latest) = self.session;
        self.worked_ms + latest.saturating_sub(began)
    }
}
