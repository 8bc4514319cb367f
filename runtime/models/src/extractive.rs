//! An engine without generation: it chooses tools by meaning and answers by quoting.
//!
//! Read it in this order:
//! - `route`: which tool the question is put to.
//! - `passages` and `units`: what the tools found, cut into what can be quoted.
//! - `terms`: the question's content words.
//! - `answer`: which units answer best together, and how they are set.
//! - `support`: when to say that nothing answers the question.

mod answer;
mod passages;
mod route;
mod support;
mod terms;
mod units;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ropewalk_core::message::{ChatReply, ChatRequest, Delta, FinishReason, Message, Usage};
use ropewalk_core::tool::ToolCall;
use ropewalk_embed::{EmbedError, Embedder};

use crate::engine::{DeltaSink, Engine, EngineError, EngineInfo};
use passages::{Found, Passage};
use terms::Terms;

/// How every abstention begins.
pub const NOTHING_FOUND: &str = "I found nothing that answers this";

/// Passages that an abstention names.
const CLOSEST_NAMED: usize = 3;

/// Answers by quoting what tools return. Deterministic, offline, without a language model.
///
/// It puts the last question to the best-fitting tool, then quotes the one to four sentences that
/// answer it best, each followed by its passage's `[id]`, or abstains when support is weak.
#[derive(Clone)]
pub struct Extractive {
    info: EngineInfo,
    shared: Arc<Shared>,
}

struct Shared {
    embedder: Embedder,
    terms: Terms,
    /// Vectors of tool descriptions, which come again with every request.
    tools: Mutex<HashMap<String, Vec<f32>>>,
}

impl std::fmt::Debug for Extractive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extractive")
            .field("embedder", &self.shared.embedder)
            .finish()
    }
}

impl Extractive {
    /// An engine over an embedding model.
    pub fn new(embedder: Embedder) -> Self {
        let info = EngineInfo {
            id: "extractive".to_owned(),
            context_tokens: None,
            tools: true,
            structured_output: false,
            streaming: false,
            charges: false,
        };
        let shared = Shared {
            embedder,
            terms: Terms::new(),
            tools: Mutex::default(),
        };
        Self {
            info,
            shared: Arc::new(shared),
        }
    }

    fn bad_request(&self, message: &str) -> EngineError {
        EngineError::BadRequest {
            engine: self.info.id.clone(),
            message: message.to_owned(),
        }
    }
}

#[async_trait]
impl Engine for Extractive {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    async fn chat(
        &self,
        request: ChatRequest,
        deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        if request.response_schema.is_some() {
            return Err(self.bad_request(
                "this engine quotes and cannot hold a reply to a JSON schema; configure another engine",
            ));
        }
        if !request
            .messages
            .iter()
            .any(|message| matches!(message, Message::User { .. }))
        {
            return Err(self.bad_request("the conversation has no question: add a user message"));
        }
        let shared = Arc::clone(&self.shared);
        let internal = |message: String| EngineError::Internal {
            engine: self.info.id.clone(),
            message,
        };
        let reply = tokio::task::spawn_blocking(move || shared.reply(&request))
            .await
            .map_err(|error| internal(error.to_string()))?
            .map_err(|error| internal(error.to_string()))?;
        if !reply.text.is_empty() {
            deltas.send(Delta::Text {
                text: reply.text.clone(),
            });
        }
        Ok(reply)
    }
}

impl Shared {
    fn reply(&self, request: &ChatRequest) -> Result<ChatReply, EmbedError> {
        let (question, after) = last_question(&request.messages);
        let found = passages::collect(after);
        if found.results > 0 {
            return self.answer(question, &found);
        }
        if question.trim().is_empty() {
            return Ok(abstain(format!("{NOTHING_FOUND}: the question is empty.")));
        }
        let candidates = route::candidates(&request.tools, question);
        if candidates.is_empty() {
            return Ok(abstain(format!(
                "{NOTHING_FOUND}: I answer by quoting what tools find, and none of the {} tools on \
                 offer takes a question.",
                request.tools.len()
            )));
        }
        let texts: Vec<&str> = candidates.iter().map(|tool| tool.text.as_str()).collect();
        let vectors = self.tool_vectors(&texts)?;
        let asked = self.embedder.embed(&[question])?.pop().unwrap_or_default();
        let terms = self.terms.of_question(question);
        let number = calls_so_far(&request.messages) + 1;
        let calls = route::choose(
            &candidates,
            &asked,
            &vectors,
            &terms,
            |text| self.terms.stems(text),
            number,
        );
        tracing::debug!(tools = ?calls.iter().map(|call| &call.name).collect::<Vec<_>>(), "chose");
        Ok(ChatReply {
            calls,
            finish: FinishReason::ToolCalls,
            ..said(String::new())
        })
    }

    fn answer(&self, question: &str, found: &Found) -> Result<ChatReply, EmbedError> {
        if found.passages.is_empty() {
            let failures: Vec<String> = found
                .failures
                .iter()
                .map(|(tool, message)| format!("{tool} failed: {message}"))
                .collect();
            return Ok(abstain(match failures.as_slice() {
                [] => format!("{NOTHING_FOUND}: the tools returned no passages."),
                _ => format!("{NOTHING_FOUND}, because {}", failures.join("; ")),
            }));
        }
        let weighed = answer::weigh(&self.embedder, &self.terms, question, &found.passages)?;
        let evidence = weighed.evidence;
        tracing::debug!(
            ?evidence,
            strength = evidence.strength(),
            "weighed the passages"
        );
        if !evidence.supports() {
            return Ok(abstain(closest(&found.passages)));
        }
        Ok(said(answer::compose(&found.passages, &weighed)))
    }

    fn tool_vectors(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut known = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<&str> = texts
            .iter()
            .copied()
            .filter(|text| !known.contains_key(*text))
            .collect();
        for (text, vector) in new.iter().zip(self.embedder.embed(&new)?) {
            known.insert((*text).to_owned(), vector);
        }
        Ok(texts
            .iter()
            .filter_map(|text| known.get(*text).cloned())
            .collect())
    }
}

/// The last thing a person said, and all that came after it.
fn last_question(messages: &[Message]) -> (&str, &[Message]) {
    let at = messages
        .iter()
        .rposition(|message| matches!(message, Message::User { .. }));
    let after = messages
        .get(at.map_or(0, |at| at + 1)..)
        .unwrap_or_default();
    match at.and_then(|at| messages.get(at)) {
        Some(Message::User { text }) => (text, after),
        _ => ("", after),
    }
}

fn calls_so_far(messages: &[Message]) -> usize {
    let calls = |message: &Message| match message {
        Message::Assistant { calls, .. } => calls.len(),
        _ => 0,
    };
    messages.iter().map(calls).sum()
}

fn closest(passages: &[Passage]) -> String {
    let lines: Vec<String> = passages
        .iter()
        .take(CLOSEST_NAMED)
        .map(|passage| {
            let name = if passage.title.is_empty() {
                &passage.source
            } else {
                &passage.title
            };
            match &passage.id {
                Some(id) => format!("- {name} [{id}]"),
                None => format!("- {name}"),
            }
        })
        .collect();
    format!(
        "{NOTHING_FOUND}. The closest passages are:\n\n{}",
        lines.join("\n")
    )
}

fn said(text: String) -> ChatReply {
    ChatReply {
        text,
        thinking: None,
        calls: Vec::<ToolCall>::new(),
        finish: FinishReason::Stop,
        usage: Usage::default(),
        logprobs: Vec::new(),
        abstained: false,
        engine: None,
        passed_over: Vec::new(),
    }
}

fn abstain(text: String) -> ChatReply {
    ChatReply {
        logprobs: Vec::new(),
        abstained: true,
        ..said(text)
    }
}
