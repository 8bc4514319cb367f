//! An engine for tests: replies in order, and fails when the conversation takes another turn.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use ropewalk_core::message::{ChatReply, ChatRequest, Delta, FinishReason, Message, Usage};
use ropewalk_core::tool::ToolCall;
use serde::{Deserialize, Serialize};

use crate::engine::{DeltaSink, Engine, EngineError, EngineInfo};

/// One reply of a script, and what must be true of the request it answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScriptedReply {
    /// Words of the reply.
    pub text: String,
    /// Calls it asks for.
    pub calls: Vec<ToolCall>,
    /// Words that the last message of the request must hold.
    pub expect_text: Option<String>,
    /// A tool that the request must offer.
    pub expect_tool: Option<String>,
    /// Makes the script a list of rules instead of a sequence: the first reply whose words are in
    /// the request is given, as often as they are asked for. One without words is for the rest.
    pub when: Option<String>,
}

/// Replies in order.
#[derive(Debug)]
pub struct Scripted {
    info: EngineInfo,
    replies: Vec<ScriptedReply>,
    turn: Mutex<usize>,
}

impl Scripted {
    /// An engine that gives these replies, one for each request.
    pub fn new(replies: Vec<ScriptedReply>) -> Self {
        let info = EngineInfo {
            id: "scripted".to_owned(),
            context_tokens: None,
            tools: true,
            structured_output: false,
            streaming: true,
            charges: false,
        };
        Self {
            info,
            replies,
            turn: Mutex::new(0),
        }
    }

    /// A script as JSON: an array of replies.
    ///
    /// # Errors
    /// When the text is no script; the message names line and column.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self::new)
    }
}

#[async_trait]
impl Engine for Scripted {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    async fn chat(
        &self,
        request: ChatRequest,
        deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        let turn = {
            let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            *turn += 1;
            *turn
        };
        let drift = |message: String| EngineError::Drift {
            engine: "scripted".to_owned(),
            turn,
            message,
        };
        let reply = if self.replies.iter().any(|reply| reply.when.is_some()) {
            self.replies.iter().find(|reply| applies(reply, &request))
        } else {
            self.replies.get(turn - 1)
        };
        let Some(reply) = reply else {
            return Err(drift(format!(
                "the script has only {} replies, and none for this request",
                self.replies.len()
            )));
        };
        if let Some(words) = &reply.expect_text {
            let last = request.messages.last().map(words_of).unwrap_or_default();
            if !last.contains(words) {
                return Err(drift(format!(
                    "expected `{words}` in the last message: `{last}`"
                )));
            }
        }
        if let Some(tool) = &reply.expect_tool
            && !request.tools.iter().any(|offered| offered.name == *tool)
        {
            return Err(drift(format!("expected the tool `{tool}` to be offered")));
        }
        deltas.send(Delta::Text {
            text: reply.text.clone(),
        });
        let finish = if reply.calls.is_empty() {
            FinishReason::Stop
        } else {
            FinishReason::ToolCalls
        };
        Ok(ChatReply {
            text: reply.text.clone(),
            thinking: None,
            calls: reply.calls.clone(),
            finish,
            usage: Usage::default(),
            logprobs: Vec::new(),
            abstained: false,
            engine: None,
            passed_over: Vec::new(),
        })
    }
}

/// Whether a rule is for a request.
fn applies(reply: &ScriptedReply, request: &ChatRequest) -> bool {
    let Some(words) = &reply.when else {
        return true;
    };
    request
        .messages
        .iter()
        .any(|message| words_of(message).contains(words))
}

fn words_of(message: &Message) -> &str {
    match message {
        Message::System { text } | Message::User { text } | Message::Assistant { text, .. } => text,
        Message::Tool { outcome, .. } => outcome.text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> ChatRequest {
        let messages = vec![Message::User {
            text: text.to_owned(),
        }];
        ChatRequest {
            messages,
            ..ChatRequest::default()
        }
    }

    #[tokio::test]
    async fn rules_answer_in_any_order_and_again() {
        let script = r#"[{"text": "one", "when": "first"}, {"text": "else"}]"#;
        let engine = Scripted::from_json(script).unwrap();
        for (asked, said) in [("second", "else"), ("the first", "one"), ("first", "one")] {
            let reply = engine
                .chat(request(asked), DeltaSink::none())
                .await
                .unwrap();
            assert_eq!(reply.text, said);
        }
    }

    #[tokio::test]
    async fn replies_come_in_order_and_drift_is_an_error() {
        let script = r#"[{"text": "one", "expect_text": "first"}, {"text": "two"},
            {"text": "three", "expect_text": "never said"}]"#;
        let engine = Scripted::from_json(script).unwrap();
        let chat = |text: &str| engine.chat(request(text), DeltaSink::none());
        assert_eq!(chat("the first question").await.unwrap().text, "one");
        assert_eq!(chat("anything").await.unwrap().text, "two");
        let drift = chat("something else").await.unwrap_err().to_string();
        assert!(
            drift.contains("reply 3") && drift.contains("never said"),
            "{drift}"
        );
        let over = chat("more").await.unwrap_err().to_string();
        assert!(over.contains("only 3 replies"), "{over}");
    }
}
