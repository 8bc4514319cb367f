//! Questions to people: whether the log holds their answer, whether they can be asked now, and what
//! is asked about effects of which the end is not known.

use async_trait::async_trait;
use ropewalk_core::event::{EffectOutcome, EffectRequest, Event};
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::machine::NodeError;
use ropewalk_core::interrupt::{Interrupt, InterruptKind, Reply};
use ropewalk_core::secret;
use ropewalk_core::tool::ToolOutcome;

use super::past::PastEffect;
use super::{Effect, Journal, Stop, drift};

/// Why a question was taken for refused.
pub(crate) const NOBODY: &str = "there is nobody to ask";

/// A person who can be asked while a run goes on.
#[async_trait]
pub trait Approver: Send + Sync {
    /// What they say; `None` leaves the question open.
    async fn ask(&self, interrupt: &Interrupt) -> Option<Reply>;

    /// Who that is, for the record.
    fn who(&self, interrupt: &Interrupt) -> String {
        let _ = interrupt;
        "a person".to_owned()
    }
}

/// An answer, and where it is from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    /// Who gave it; nothing where the log held it already.
    pub(crate) by: Option<String>,
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

impl Journal {
    /// Asks about an effect that began and whose end is not known. Returns what came of it, or
    /// nothing when it is to be done again.
    pub(super) async fn ambiguous(
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
            reasons: Vec::new(),
        };
        let id = format!("{}?{}", effect.slot, past.starts);
        Ok(
            match self.ask(&id, interrupt, || NOBODY.to_owned()).await?.reply {
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
                            outcome: ToolOutcome::Error { message },
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
    ) -> Result<Answered, Stop> {
        let known = self.with_past(|past| past.interrupts.get(id).cloned());
        match known {
            Some(Some(reply)) => return Ok(Answered { reply, by: None }),
            Some(None) => {}
            None => self.record(Event::InterruptRaised {
                id: id.to_owned(),
                interrupt: interrupt.clone(),
            }),
        }
        let left = self.with_past(|past| past.answers.remove(id));
        let reply = match left {
            Some(reply) => Some((reply, "a person".to_owned())),
            None => self.ask_now(&interrupt, nobody).await?,
        };
        let Some((reply, by)) = reply else {
            self.with_past(|past| past.interrupts.insert(id.to_owned(), None));
            return Err(Stop::Waiting);
        };
        let reply = secret::redactor().cleaned(&reply).unwrap_or(reply);
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
        Ok(Answered {
            reply,
            by: Some(by),
        })
    }

    async fn ask_now(
        &self,
        interrupt: &Interrupt,
        nobody: impl FnOnce() -> String,
    ) -> Result<Option<(Reply, String)>, Stop> {
        if let Some(approver) = &self.approver {
            let reply = tokio::select! {
                () = self.cancel.cancelled() => return Err(Stop::Cancelled),
                reply = approver.ask(interrupt) => reply,
            };
            if let Some(reply) = reply {
                return Ok(Some((reply, approver.who(interrupt))));
            }
        }
        Ok(match self.unanswered {
            Unanswered::Suspend => None,
            Unanswered::Refuse => {
                let reason = nobody();
                Some((Reply::Reject { reason }, "nobody".to_owned()))
            }
        })
    }
}
