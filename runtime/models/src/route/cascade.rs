//! Small first: the next engine is asked when a reply will not do.

use std::sync::Arc;

use async_trait::async_trait;
use regex::Regex;
use ropewalk_core::message::{ChatReply, ChatRequest, Delta, FinishReason, PassedOver, Usage};
use ropewalk_core::tokens::TokenCount;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{answered, misconfigured, together, too_long};
use crate::engine::{DeltaSink, Engine, EngineError, EngineInfo};
use crate::fitting;

/// Which engines, in which order, and which replies will not do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CascadeConfig {
    /// Names of engines, the cheapest first. What the last one says is taken as it is.
    pub stages: Vec<String>,
    /// Least confidence in a reply, 0 to 1: the geometric mean of its tokens' probabilities, where
    /// an engine reports them. Not looked at when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    /// Regular expressions; a reply in whose text one is found will not do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refuse: Vec<String>,
}

/// Asks one engine after the other, until a reply will do.
pub struct Cascade {
    info: EngineInfo,
    stages: Vec<Arc<dyn Engine>>,
    confidence: Option<f32>,
    refuse: Vec<Regex>,
}

/// Why a reply will not do.
struct Refusal {
    reason: String,
    /// It is better than none at all.
    usable: bool,
}

impl Cascade {
    /// A cascade over engines, the cheapest first, in the order of `config.stages`.
    ///
    /// # Errors
    /// No stage, a confidence that is no share, a pattern that is none.
    pub fn new(
        name: &str,
        config: &CascadeConfig,
        stages: Vec<Arc<dyn Engine>>,
    ) -> Result<Self, EngineError> {
        let id = format!("cascade:{name}");
        let wrong = |message: String| misconfigured(&id, message);
        if stages.is_empty() {
            let message = "it has no stages; name engines under `stages`, the cheapest first";
            return Err(wrong(message.to_owned()));
        }
        if let Some(share) = config.confidence
            && !(0.0..=1.0).contains(&share)
        {
            let message = format!("a confidence of {share} is no share; give a number from 0 to 1");
            return Err(wrong(message));
        }
        let pattern = |text: &String| {
            Regex::new(text).map_err(|error| wrong(format!("in `refuse`: {error}")))
        };
        let refuse = config
            .refuse
            .iter()
            .map(pattern)
            .collect::<Result<_, _>>()?;
        let info = together(&id, stages.iter().map(|stage| stage.info()));
        Ok(Self {
            info,
            stages,
            confidence: config.confidence,
            refuse,
        })
    }

    fn refusal(&self, reply: &ChatReply, request: &ChatRequest) -> Option<Refusal> {
        let refused = |reason: String, usable| Some(Refusal { reason, usable });
        if let Err(problem) = fitting::calls(&reply.calls, request) {
            return refused(problem, false);
        }
        if reply.calls.is_empty() {
            if reply.text.trim().is_empty() {
                return refused("the reply is empty".to_owned(), false);
            }
            let schema = request.response_schema.as_ref();
            let fits = schema.map_or(Ok(()), |schema| {
                fitting::json(&reply.text, schema).map(|_| ())
            });
            if let Err(problem) = fits {
                return refused(
                    format!("the reply does not fit its schema: {problem}"),
                    false,
                );
            }
            let grammar = request.grammar.as_ref();
            let fits = grammar.map_or(Ok(()), |grammar| fitting::grammar(&reply.text, grammar));
            if let Err(problem) = fits {
                return refused(
                    format!("the reply is not what was asked for: {problem}"),
                    false,
                );
            }
        }
        let reason = match reply.finish {
            FinishReason::Length => "the reply was cut off by its length limit".to_owned(),
            FinishReason::ContentFilter => "the provider withheld the reply".to_owned(),
            _ if reply.abstained => "it declined to answer".to_owned(),
            _ => self.doubt(reply)?,
        };
        refused(reason, true)
    }

    /// What speaks against a reply that is formally right.
    fn doubt(&self, reply: &ChatReply) -> Option<String> {
        if let Some(least) = self.confidence
            && let Some(confidence) = confidence(reply)
            && confidence < least
        {
            return Some(format!(
                "its confidence is {confidence:.2} and {least:.2} is asked for"
            ));
        }
        let found = |pattern: &&Regex| pattern.is_match(&reply.text);
        let pattern = self.refuse.iter().find(found)?;
        Some(format!("its reply matches `{pattern}`"))
    }
}

/// The geometric mean of the tokens' probabilities.
fn confidence(reply: &ChatReply) -> Option<f32> {
    if reply.logprobs.is_empty() {
        return None;
    }
    let sum: f32 = reply.logprobs.iter().map(|token| token.logprob).sum();
    Some((sum / reply.logprobs.len() as f32).exp())
}

/// What an engine says, kept from who listens: it may be refused.
async fn unheard(
    engine: &dyn Engine,
    request: ChatRequest,
) -> (Result<ChatReply, EngineError>, Vec<Delta>) {
    let (sender, mut said) = mpsc::unbounded_channel();
    let outcome = engine.chat(request, DeltaSink::new(sender)).await;
    let said = std::iter::from_fn(|| said.try_recv().ok()).collect();
    (outcome, said)
}

#[async_trait]
impl Engine for Cascade {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// By the engine that is asked last: it must read what the others could not.
    fn count(&self, request: &ChatRequest) -> TokenCount {
        match self.stages.last() {
            Some(last) => last.count(request),
            None => ropewalk_core::tokens::estimate(request),
        }
    }

    async fn chat(
        &self,
        request: ChatRequest,
        deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        let mut attempt = request.clone();
        let unasked_logprobs = self.confidence.is_some() && request.sampling.logprobs.is_none();
        if unasked_logprobs {
            attempt.sampling.logprobs = Some(0);
        }
        let mut passed_over = Vec::new();
        let mut spent = Usage::default();
        // The best of the replies that would not do, with what was said while it was written.
        let mut spare: Option<(ChatReply, Vec<Delta>)> = None;
        let last = self.stages.len().saturating_sub(1);
        for (number, stage) in self.stages.iter().enumerate() {
            let id = || stage.info().id.clone();
            if number == last {
                let Some((reply, said)) = spare else {
                    // Nothing could be said in its place, so that it may be listened to live.
                    let reply = stage.chat(request, deltas).await?;
                    let usage = spent.plus(reply.usage);
                    let reply = answered(reply, &**stage, passed_over);
                    return Ok(ChatReply { usage, ..reply });
                };
                let (outcome, heard) = unheard(&**stage, request).await;
                let (reply, said) = match outcome {
                    Ok(reply) => {
                        spent = spent.plus(reply.usage);
                        (answered(reply, &**stage, passed_over), heard)
                    }
                    Err(error) => {
                        tracing::info!(%error, "an earlier stage's reply is taken after all");
                        passed_over.push(PassedOver {
                            engine: id(),
                            reason: error.to_string(),
                        });
                        let reply = ChatReply {
                            passed_over,
                            ..reply
                        };
                        (reply, said)
                    }
                };
                said.into_iter().for_each(|delta| deltas.send(delta));
                return Ok(ChatReply {
                    usage: spent,
                    ..reply
                });
            }
            let reason = if let Some(reason) = too_long(&**stage, &attempt) {
                reason
            } else {
                let (outcome, said) = unheard(&**stage, attempt.clone()).await;
                match outcome {
                    Err(error) => error.to_string(),
                    Ok(mut reply) => {
                        let refusal = self.refusal(&reply, &request);
                        if unasked_logprobs {
                            reply.logprobs.clear();
                        }
                        spent = spent.plus(reply.usage);
                        let Some(refusal) = refusal else {
                            said.into_iter().for_each(|delta| deltas.send(delta));
                            let reply = answered(reply, &**stage, passed_over);
                            return Ok(ChatReply {
                                usage: spent,
                                ..reply
                            });
                        };
                        if refusal.usable {
                            spare = Some((answered(reply, &**stage, Vec::new()), said));
                        }
                        refusal.reason
                    }
                }
            };
            tracing::debug!(engine = id(), reason, "a stage of a cascade is passed over");
            passed_over.push(PassedOver {
                engine: id(),
                reason,
            });
        }
        Err(misconfigured(&self.info.id, "it has no stages".to_owned()))
    }
}
