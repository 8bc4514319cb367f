//! Completions for servers, by the engine that also answers.

use std::sync::Arc;

use async_trait::async_trait;
use ropewalk_core::message::{ChatReply, ChatRequest, FinishReason, Grammar, Message, Sampling};
use ropewalk_host::sampling::{Foreseen, SampleAsked, Sampled, Sampler};
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use tracing::Instrument;

use crate::run::spans;

/// Has an engine complete what servers send.
pub struct EngineSampler {
    engine: Arc<dyn Engine>,
}

impl EngineSampler {
    /// Completions by this engine; `None` where it only quotes and writes nothing of its own.
    pub fn new(engine: Arc<dyn Engine>) -> Option<Self> {
        let writes = engine.info().structured_output;
        writes.then_some(Self { engine })
    }

    async fn reply(&self, request: ChatRequest) -> Result<ChatReply, EngineError> {
        let free = ChatRequest {
            grammar: None,
            ..request.clone()
        };
        let held = request.grammar.is_some();
        match self.engine.chat(request, DeltaSink::none()).await {
            // Not every endpoint can hold a reply to a grammar; the server checks what it gets.
            Err(EngineError::BadRequest { .. }) if held => {
                self.engine.chat(free, DeltaSink::none()).await
            }
            other => other,
        }
    }
}

#[async_trait]
impl Sampler for EngineSampler {
    fn foresee(&self, asked: &SampleAsked) -> Foreseen {
        let info = self.engine.info();
        Foreseen {
            engine: info.id.clone(),
            tokens: self.engine.count(&request(asked.clone())).tokens,
            free: !info.charges,
        }
    }

    async fn complete(&self, asked: SampleAsked) -> Result<Sampled, String> {
        let span = spans::model(&self.engine.info().id);
        let reply = self.reply(request(asked)).instrument(span.clone()).await;
        let reply = reply.map_err(|error| error.to_string())?;
        spans::replied(&span, &reply);
        if reply.abstained {
            return Err("the model declines to complete this".to_owned());
        }
        let model = reply
            .engine
            .unwrap_or_else(|| self.engine.info().id.clone());
        Ok(Sampled {
            text: reply.text,
            model,
            usage: reply.usage,
            cut: reply.finish == FinishReason::Length,
        })
    }
}

fn request(asked: SampleAsked) -> ChatRequest {
    let system = asked.system.map(|text| Message::System { text });
    let said = asked.messages.into_iter().map(|message| {
        if message.from_model {
            Message::Assistant {
                text: message.text,
                calls: Vec::new(),
            }
        } else {
            Message::User { text: message.text }
        }
    });
    ChatRequest {
        messages: system.into_iter().chain(said).collect(),
        sampling: Sampling {
            temperature: asked.temperature,
            max_tokens: Some(asked.max_tokens),
            stop: asked.stop,
            ..Sampling::default()
        },
        grammar: asked.grammar.map(Grammar::Lark),
        ..ChatRequest::default()
    }
}
