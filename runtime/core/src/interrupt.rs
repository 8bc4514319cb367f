//! Questions that stop a part of a run until a person answers, and the answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::{Reason, needs_a_look};
use crate::tool::ToolCall;

/// Why a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InterruptKind {
    /// The graph says so: a `human` node.
    Human,
    /// A tool call needs permission.
    Approval,
    /// An effect began and its end is not known: the program was killed in between.
    Ambiguous,
    /// A budget is spent.
    Budget,
}

/// A question to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interrupt {
    /// Why they are asked.
    pub kind: InterruptKind,
    /// The activation that waits.
    pub path: String,
    /// The question, in words.
    pub question: String,
    /// What they approve, edit or reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Value>,
    /// What an answer must satisfy: a JSON schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Who is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The call in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<ToolCall>,
    /// Why that call needs permission: every word that was said on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// As proposed. For an ambiguous effect: it did not happen, do it. For a budget: as much
    /// again.
    Approve,
    /// Like this instead. For an ambiguous effect: it happened, and this came of it.
    Edit {
        /// What takes the place of the proposal.
        value: Value,
    },
    /// No.
    Reject {
        /// Why; whoever asked is told.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// An answer in itself. For a call: its result, without making it.
    Reply {
        /// The answer.
        value: Value,
    },
    /// Somebody else must answer; the question stays open.
    Escalate {
        /// Who.
        to: String,
        /// What they should know.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
}

impl Reply {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Reply::Approve => "approve",
            Reply::Edit { .. } => "edit",
            Reply::Reject { .. } => "reject",
            Reply::Reply { .. } => "reply",
            Reply::Escalate { .. } => "escalate",
        }
    }
}

/// An answer that does not fit its question. The question stays open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this answer does not fit the question of `{path}`: {problem}")]
pub struct UnfitReply {
    /// What waits.
    pub path: String,
    /// Why it does not fit, and what would.
    pub problem: String,
}

impl Interrupt {
    /// Whether somebody has to look at what is asked: a standing yes is no answer to it.
    pub fn needs_a_look(&self) -> bool {
        needs_a_look(&self.reasons)
    }

    /// Whether an answer fits.
    ///
    /// # Errors
    /// When there is nothing to approve, or a value breaks the schema.
    pub fn check(&self, reply: &Reply) -> Result<(), UnfitReply> {
        let unfit = |problem: String| UnfitReply {
            path: self.path.clone(),
            problem,
        };
        let value = match (self.kind, reply) {
            (_, Reply::Reject { .. }) => return Ok(()),
            (_, Reply::Escalate { to, .. }) => {
                return if to.trim().is_empty() {
                    Err(unfit("say to whom it goes".to_owned()))
                } else {
                    Ok(())
                };
            }
            (InterruptKind::Human, Reply::Approve) => match &self.proposal {
                Some(proposal) => proposal,
                None => {
                    let problem = "there is nothing to approve; reply with an answer";
                    return Err(unfit(problem.to_owned()));
                }
            },
            (_, Reply::Approve) => return Ok(()),
            (InterruptKind::Budget, Reply::Edit { value } | Reply::Reply { value }) => {
                let fits = value.as_f64().is_some_and(|more| more > 0.0);
                let problem = "give the number that may be spent beyond the bound";
                return if fits {
                    Ok(())
                } else {
                    Err(unfit(problem.to_owned()))
                };
            }
            (InterruptKind::Approval, Reply::Edit { value }) => {
                let problem = "edited arguments must be an object";
                return if value.is_object() {
                    Ok(())
                } else {
                    Err(unfit(problem.to_owned()))
                };
            }
            (_, Reply::Edit { value } | Reply::Reply { value }) => value,
        };
        let Some(schema) = &self.schema else {
            return Ok(());
        };
        let validator = jsonschema::validator_for(schema)
            .map_err(|error| unfit(format!("its schema cannot be used: {error}")))?;
        let first = validator.iter_errors(value).next();
        match first {
            None => Ok(()),
            Some(error) => {
                let place = error.instance_path().to_string();
                let place = if place.is_empty() {
                    String::new()
                } else {
                    format!("{place}: ")
                };
                Err(unfit(format!("{place}{error}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn question() -> Interrupt {
        Interrupt {
            kind: InterruptKind::Human,
            path: "review".to_owned(),
            question: "Is this right?".to_owned(),
            proposal: None,
            schema: Some(json!({"type": "object", "required": ["ok"]})),
            who: None,
            call: None,
            reasons: Vec::new(),
        }
    }

    #[test]
    fn answers_are_held_to_the_schema() {
        let good = Reply::Reply {
            value: json!({"ok": true}),
        };
        let bad = Reply::Edit {
            value: json!({"fine": true}),
        };
        assert_eq!(question().check(&good), Ok(()));
        let error = question().check(&bad).unwrap_err().to_string();
        assert!(error.contains("ok"), "{error}");
        assert!(question().check(&Reply::Approve).is_err());
        assert!(
            question()
                .check(&Reply::Reject {
                    reason: String::new()
                })
                .is_ok()
        );
        let nobody = Reply::Escalate {
            to: " ".to_owned(),
            note: String::new(),
        };
        assert!(question().check(&nobody).is_err());
    }

    #[test]
    fn what_is_proposed_can_be_approved() {
        let mut proposed = question();
        proposed.proposal = Some(json!({"ok": 1}));
        assert!(proposed.check(&Reply::Approve).is_ok());
        proposed.proposal = Some(json!([]));
        assert!(proposed.check(&Reply::Approve).is_err());
    }
}
