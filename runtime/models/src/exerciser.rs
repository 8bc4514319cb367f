//! An engine for tests: calls every tool it is offered once, with arguments its schema accepts,
//! then says what came of it. It finds out whether a server keeps its own promises.

use crate::engine::{DeltaSink, Engine, EngineError, EngineInfo};
use async_trait::async_trait;
use ropewalk_core::message::{ChatReply, ChatRequest, FinishReason, Message, Usage};
use ropewalk_core::tool::{ToolCall, ToolOutcome};

mod example;

pub use example::example;

/// Calls everything once.
#[derive(Debug)]
pub struct Exerciser {
    info: EngineInfo,
}

impl Default for Exerciser {
    fn default() -> Self {
        let info = EngineInfo {
            id: "exerciser".to_owned(),
            context_tokens: None,
            tools: true,
            structured_output: false,
            streaming: false,
            charges: false,
        };
        Self { info }
    }
}

#[async_trait]
impl Engine for Exerciser {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    async fn chat(
        &self,
        request: ChatRequest,
        _deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        let results: Vec<String> = request
            .messages
            .iter()
            .filter_map(|message| match message {
                Message::Tool { name, outcome, .. } => Some(match outcome {
                    ToolOutcome::Ok { .. } => format!("{name}: ok"),
                    ToolOutcome::Error { message } => format!("{name}: failed: {message}"),
                }),
                _ => None,
            })
            .collect();
        let first = results.is_empty() && !request.tools.is_empty();
        let calls = if first {
            let tools = request.tools.iter().enumerate();
            tools
                .map(|(number, tool)| ToolCall {
                    id: format!("call_{}", number + 1),
                    name: tool.name.clone(),
                    arguments: example(&tool.input_schema),
                })
                .collect()
        } else {
            Vec::new()
        };
        let text = match (first, results.is_empty()) {
            (true, _) => String::new(),
            (false, true) => "there is no tool to call".to_owned(),
            (false, false) => results.join("\n"),
        };
        let finish = if first {
            FinishReason::ToolCalls
        } else {
            FinishReason::Stop
        };
        let usage = Usage::default();
        Ok(ChatReply {
            text,
            thinking: None,
            calls,
            finish,
            usage,
            logprobs: Vec::new(),
            abstained: false,
            engine: None,
            passed_over: Vec::new(),
        })
    }
}
