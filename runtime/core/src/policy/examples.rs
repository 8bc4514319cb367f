//! Examples that stand beside the rules they explain.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Exposure, Policy, Subject};
use crate::tool::{Permission, ToolHints};

/// A call, and how it is to come out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    server: String,
    tool: String,
    #[serde(default)]
    args: Map<String, Value>,
    /// As if the user vouched for them; left out, the worst.
    #[serde(default)]
    hints: Option<ToolHints>,
    /// Servers whose results were read before.
    #[serde(default)]
    untrusted: BTreeSet<String>,
    #[serde(default)]
    private: BTreeSet<String>,
    #[serde(default)]
    suspect: BTreeSet<String>,
    expect: Permission,
}

/// Judges the examples of a rule by all rules of its file.
pub(super) fn check(policy: &Policy, rule: &str, examples: &[Example]) -> Result<(), String> {
    let mut spoke = false;
    for (number, example) in (1..).zip(examples) {
        let arguments = Value::Object(example.args.clone());
        let exposure = Exposure {
            untrusted: example.untrusted.clone(),
            private: example.private.clone(),
            suspect: example.suspect.clone(),
        };
        let verdict = policy.judge(&Subject {
            server: &example.server,
            tool: &example.tool,
            arguments: &arguments,
            hints: example.hints.unwrap_or_default(),
            ours: false,
            vouched: example.hints.is_some(),
            exposure: &exposure,
        });
        spoke |= verdict.reasons.iter().any(|reason| reason.by == rule);
        if verdict.permission != example.expect {
            return Err(format!(
                "example {number} (`{}` of `{}`) is to come out as {}, and is {}: {}",
                example.tool,
                example.server,
                example.expect,
                verdict.permission,
                verdict.summary()
            ));
        }
    }
    if !spoke {
        return Err(
            "it has no example that it applies to; write one under [[rule.example]] with \
             `server`, `tool`, `args` and `expect`"
                .to_owned(),
        );
    }
    Ok(())
}
