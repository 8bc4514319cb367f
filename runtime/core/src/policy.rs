//! Whether a call may run: rules a person writes, and inspectors that can only tighten.
//!
//! - [`Policy`]: rules of any number of files, with examples that were checked when they were
//!   read (`rules`, `examples`).
//! - [`Gate`]: the policy and the [`Inspector`]s together. The strictest word wins, and a check
//!   that fails is a denial.
//! - [`Exposure`]: what was read so far; [`Outward`] asks before it could leave.

mod examples;
mod exposure;
mod gate;
mod rules;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use exposure::{Exposure, Outward};
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The rule, with its file, or the inspector.
    pub by: String,
    /// What it says.
    pub permission: Permission,
    /// Why.
    pub why: String,
}
