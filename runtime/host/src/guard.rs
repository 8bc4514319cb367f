//! What every call of a host passes: the policy with its inspectors, the pins, the audit log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ropewalk_core::pin::{Pins, Standing};
use ropewalk_core::policy::{
    Exposure, Gate, Inspector, Judgement, Outward, Planted, Policy, Reason, Source, Subject,
    Verdict,
};
use ropewalk_core::secret::KnownSecrets;
use ropewalk_core::tool::{Permission, ToolSpec};
use ropewalk_core::untrusted::{Suspicion, suspicions};
use serde_json::Value;

use crate::audit::AuditLog;
use crate::config::ServerConfig;
use crate::pins::{PinError, PinStore};

/// What every call of a host passes. By default: no rules but those of the servers' own entries,
/// nothing pinned, nothing kept.
#[derive(Clone)]
pub struct Guard {
    policy: Policy,
    inspectors: Vec<Arc<dyn Inspector>>,
    pins: Option<PinStore>,
    audit: Option<AuditLog>,
    /// Servers whose word about their tools counts.
    vouched: BTreeSet<String>,
    gate: Gate,
}

/// A tool that is not offered until somebody has looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its server.
    pub server: String,
    /// Its name there.
    pub tool: String,
    /// Why it is held back.
    pub because: HeldBecause,
}

/// Why a tool is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldBecause {
    /// It is not what was agreed to; the lines say how.
    Changed {
        /// A unified diff.
        diff: String,
    },
    /// Its server was agreed to without it.
    New,
    /// Its definition holds what looks like orders to a model.
    Suspect {
        /// What was found.
        found: Vec<Suspicion>,
    },
    /// What was agreed to cannot be read.
    Unknown {
        /// Why.
        why: String,
    },
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            server,
            tool,
            because,
        } = self;
        match because {
            HeldBecause::Changed { diff } => {
                write!(
                    f,
                    "`{server}.{tool}` is not what was approved, and is held back:\n{diff}"
                )?;
            }
            HeldBecause::New => write!(
                f,
                "`{server}.{tool}` is new on a server that was approved without it, and is held \
                 back. "
            )?,
            HeldBecause::Suspect { found } => {
                let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "`{server}.{tool}` is held back: what it says of itself holds {}. ",
                    found.join("; ")
                )?;
            }
            HeldBecause::Unknown { why } => {
                return write!(f, "`{server}.{tool}` is held back: {why}");
            }
        }
        write!(
            f,
            "Once you have looked at it: ropewalk policy approve {server}.{tool}"
        )
    }
}

/// A tool of a server, to be let in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    /// Its name on the server.
    pub(crate) tool: &'a str,
    pub(crate) spec: &'a ToolSpec,
}

/// What came of letting the tools of a server in.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    /// Tools that are held back, by name.
    pub(crate) held: BTreeMap<String, HeldBecause>,
    /// So many were seen for the first time, and agreed to.
    pub(crate) first: usize,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

impl Guard {
    /// Rules beside those of the servers' own entries.
    pub fn new(policy: Policy) -> Self {
        let guard = Self {
            policy,
            inspectors: Vec::new(),
            pins: None,
            audit: None,
            vouched: BTreeSet::new(),
            gate: Gate::default(),
        };
        guard.assembled()
    }

    /// The same with one more inspector.
    #[must_use]
    pub fn with_inspector(mut self, inspector: Arc<dyn Inspector>) -> Self {
        self.inspectors.push(inspector);
        self.assembled()
    }

    /// The same with tools held to what was agreed to.
    #[must_use]
    pub fn with_pins(mut self, pins: PinStore) -> Self {
        self.pins = Some(pins);
        self
    }

    /// The same with decisions kept.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.audit = Some(log);
        self
    }

    /// The same with what the entry of a server says.
    #[must_use]
    pub fn with_server(mut self, name: &str, config: &ServerConfig) -> Self {
        self.policy = std::mem::take(&mut self.policy).allowing(name, &config.allow);
        if config.vouched {
            self.vouched.insert(name.to_owned());
        }
        self.assembled()
    }

    fn assembled(mut self) -> Self {
        let gate = Gate::new(self.policy.clone())
            .with(Arc::new(Outward))
            .with(Arc::new(Planted))
            .with(Arc::new(KnownSecrets));
        self.gate = self
            .inspectors
            .iter()
            .fold(gate, |gate, inspector| gate.with(Arc::clone(inspector)));
        self
    }

    /// Whether the user vouches for what a server says of its tools.
    pub fn vouches_for(&self, server: &str) -> bool {
        self.vouched.contains(server)
    }

    /// Where decisions are kept.
    pub(crate) fn audit(&self) -> Option<&AuditLog> {
        self.audit.as_ref()
    }

    /// Whether a tool lets a call through, and what is read with its result.
    pub(crate) fn judge(
        &self,
        tool: &Guarded<'_>,
        arguments: &Value,
        exposure: &Exposure,
    ) -> Judgement {
        let subject = self.subject(tool, arguments, exposure);
        let mut verdict = self.gate.judge(&subject);
        if let Some(because) = tool.held {
            verdict = verdict.with(Reason {
                by: "the pins".to_owned(),
                source: Source::Inspector,
                permission: Permission::Deny,
                why: Held {
                    server: tool.server.to_owned(),
                    tool: tool.name.to_owned(),
                    because: because.clone(),
                }
                .to_string(),
            });
        }
        // Without pins nobody has looked at it.
        if let Some(found) = tool.suspicions.first().filter(|_| self.pins.is_none()) {
            verdict = verdict.with(Reason {
                by: Planted::NAME.to_owned(),
                source: Source::Inspector,
                permission: Permission::Ask,
                why: format!("what the tool says of itself holds {found}"),
            });
        }
        let mut reads = Exposure::default();
        reads.read(&subject);
        Judgement { verdict, reads }
    }

    fn subject<'a>(
        &self,
        tool: &Guarded<'a>,
        arguments: &'a Value,
        exposure: &'a Exposure,
    ) -> Subject<'a> {
        Subject {
            server: tool.server,
            tool: tool.name,
            arguments,
            hints: tool.spec.hints,
            ours: tool.ours,
            vouched: self.vouches_for(tool.server),
            exposure,
        }
    }

    /// What in the definition of a tool looks like orders to a model. Nobody reads the schemas of
    /// servers they vouch for with suspicion.
    pub(crate) fn suspicions(&self, server: &str, spec: &ToolSpec) -> Vec<Suspicion> {
        if self.vouches_for(server) {
            return Vec::new();
        }
        let schema = spec.input_schema.to_string();
        let mut found = suspicions(&spec.description);
        found.extend(suspicions(&schema));
        found
    }

    /// Holds the tools of a server to what was agreed to. A server that was never seen is agreed to
    /// as it is, but for tools that look as if they were meant to steer a model.
    pub(crate) fn admit(&self, server: &str, tools: &[Candidate<'_>]) -> Admission {
        let Some(store) = &self.pins else {
            return Admission::default();
        };
        let admitted = store.read().and_then(|pins| {
            if pins.servers.contains_key(server) {
                return Ok(held_to(&pins, server, tools));
            }
            store.change(|pins| self.first_seen(pins, server, tools))
        });
        admitted.unwrap_or_else(|error| {
            let unknown = |tool: &Candidate<'_>| {
                let because = HeldBecause::Unknown {
                    why: error.to_string(),
                };
                (tool.tool.to_owned(), because)
            };
            Admission {
                held: tools.iter().map(unknown).collect(),
                first: 0,
            }
        })
    }

    fn first_seen(&self, pins: &mut Pins, server: &str, tools: &[Candidate<'_>]) -> Admission {
        if pins.servers.contains_key(server) {
            // Another process was quicker.
            return held_to(pins, server, tools);
        }
        let mut admission = Admission::default();
        // Also a server without tools is known from now on.
        pins.servers.entry(server.to_owned()).or_default();
        for candidate in tools {
            let found = self.suspicions(server, candidate.spec);
            if found.is_empty() {
                pins.agree(server, candidate.tool, candidate.spec);
                admission.first += 1;
            } else {
                let because = HeldBecause::Suspect { found };
                admission.held.insert(candidate.tool.to_owned(), because);
            }
        }
        admission
    }

    /// Agrees to a tool as it is now.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub(crate) fn agree(&self, server: &str, tool: &str, spec: &ToolSpec) -> Result<(), PinError> {
        match &self.pins {
            None => Ok(()),
            Some(store) => store.change(|pins| pins.agree(server, tool, spec)),
        }
    }
}

/// A tool as the guard sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guarded<'a> {
    pub(crate) server: &'a str,
    /// Its name there.
    pub(crate) name: &'a str,
    pub(crate) spec: &'a ToolSpec,
    pub(crate) ours: bool,
    pub(crate) held: Option<&'a HeldBecause>,
    pub(crate) suspicions: &'a [Suspicion],
}

fn held_to(pins: &Pins, server: &str, tools: &[Candidate<'_>]) -> Admission {
    let mut admission = Admission::default();
    for candidate in tools {
        let because = match pins.standing(server, candidate.tool, candidate.spec) {
            Standing::Agreed => continue,
            Standing::First | Standing::New => HeldBecause::New,
            Standing::Changed { diff } => HeldBecause::Changed { diff },
        };
        admission.held.insert(candidate.tool.to_owned(), because);
    }
    admission
}

/// How a user lets a call run that came out like this.
pub(crate) fn how_to_allow(server: Option<(&str, &str)>, verdict: &Verdict) -> String {
    if verdict.needs_a_look() {
        return "run it at a terminal, or with `ropewalk run`, which waits for an answer; --yes is \
                none to this question"
            .to_owned();
    }
    let by_default = verdict
        .reasons
        .iter()
        .all(|reason| reason.source == Source::Default);
    match server {
        Some((server, tool)) if by_default => format!(
            "write allow = [\"{tool}\"] under [servers.{server}] in ropewalk.toml, or run with --yes"
        ),
        _ => "run at a terminal, or with --yes".to_owned(),
    }
}
