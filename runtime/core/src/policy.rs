//! Whether a call may run: rules a person writes, and inspectors that can only tighten.
//!
//! - [`Policy`]: rules of any number of files, with examples that were checked when they were
//!   read (`rules`, `examples`).
//! - [`Gate`]: the policy and the [`Inspector`]s together. The strictest word wins, and a check
//!   that fails is a denial.
//! - [`Exposure`]: what was read so far; [`Outward`] asks before it could leave, [`Planted`] before
//!   anything changes once orders were found in it.
//! - [`Judgement`]: how a call came out, as a log keeps it.

mod examples;
mod exposure;
mod gate;
mod rules;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use exposure::{Exposure, Outward, Planted};
pub use gate::{Gate, Inspector};
pub use rules::{Policy, PolicyError};

use crate::tool::{Permission, ToolHints};

/// A call that is to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The server, by its name in the configuration.
    pub server: &'a str,
    /// The tool, by its name on the server.
    pub tool: &'a str,
    /// Arguments, an object.
    pub arguments: &'a Value,
    /// What the server says of the tool.
    pub hints: ToolHints,
    /// Whether the server is part of this program.
    pub ours: bool,
    /// Whether the user vouches for what the server says of its tools. Without that, and unless
    /// it is ours, the worst ([`ToolHints::default`]) is taken to be true whatever it says.
    pub vouched: bool,
    /// What the caller has read.
    pub exposure: &'a Exposure,
}

impl Subject<'_> {
    /// What is believed of the tool.
    fn believed(&self) -> ToolHints {
        if self.ours || self.vouched {
            self.hints
        } else {
            ToolHints::default()
        }
    }

    /// Whether the tool reaches outside, as far as anybody vouches for the contrary: what it
    /// answers is to be read with care, and what it is given may be gone.
    pub fn reaches_outside(&self) -> bool {
        self.believed().open_world
    }

    /// What holds where no rule says anything: read-only tools of our own servers run, anything
    /// else asks.
    fn default_permission(&self) -> Permission {
        if self.ours && self.hints.read_only {
            Permission::Allow
        } else {
            Permission::Ask
        }
    }
}

/// What became of a call that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it may run.
    pub permission: Permission,
    /// Every word that was said on it, strictest first; never empty.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// In one line: the strictest word, and who said it.
    pub fn summary(&self) -> String {
        self.reasons.first().map_or_else(String::new, |reason| {
            format!("{}: {}", reason.by, reason.why)
        })
    }

    /// Every word on it but those that only allow, one a line.
    pub fn objections(&self) -> String {
        let against = self.reasons.iter();
        let against = against.filter(|reason| reason.permission != Permission::Allow);
        let lines: Vec<String> = against.map(ToString::to_string).collect();
        lines.join("\n")
    }

    /// Whether somebody has to look at this very call: a word that was said because of what it
    /// carries, or of what was read before it, and that no standing permission answers.
    pub fn needs_a_look(&self) -> bool {
        needs_a_look(&self.reasons)
    }

    /// The same with one more word on it.
    #[must_use]
    pub fn with(mut self, reason: Reason) -> Self {
        self.reasons.push(reason);
        Self::of(self.reasons)
    }

    fn of(mut reasons: Vec<Reason>) -> Self {
        // Rules stay in the order in which they were written.
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.permission));
        let strictest = reasons.first().map(|reason| reason.permission);
        Self {
            permission: strictest.unwrap_or(Permission::Deny),
            reasons,
        }
    }
}

/// One word on a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The rule, with its file, or the inspector.
    pub by: String,
    /// What kind of word it is.
    pub source: Source,
    /// What it says.
    pub permission: Permission,
    /// Why.
    pub why: String,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.by, self.permission, self.why)
    }
}

/// Where a word on a call comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// What holds where no rule says anything.
    Default,
    /// A rule, or `allow` in a server's configuration.
    Rule,
    /// Somebody who looked at this call.
    Inspector,
}

/// Whether words on a call ask for a look at this very call.
pub fn needs_a_look(reasons: &[Reason]) -> bool {
    reasons
        .iter()
        .any(|reason| reason.source == Source::Inspector && reason.permission == Permission::Ask)
}

/// How a call came out, and what its caller has read once it has the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Whether it may run, and why.
    pub verdict: Verdict,
    /// What reading its result adds to what was read.
    #[serde(default, skip_serializing_if = "Exposure::is_empty")]
    pub reads: Exposure,
}

impl From<Permission> for Judgement {
    /// Where there is nothing to weigh: the tools themselves say so.
    fn from(permission: Permission) -> Self {
        Self {
            verdict: Verdict {
                permission,
                reasons: vec![Reason {
                    by: "the default".to_owned(),
                    source: Source::Default,
                    permission,
                    why: "so it is for every call here".to_owned(),
                }],
            },
            reads: Exposure::default(),
        }
    }
}
