//! A list of engines: the next one answers where one cannot.

use std::sync::Arc;

use async_trait::async_trait;
use ropewalk_core::message::{ChatReply, ChatRequest, Delta, PassedOver, Usage};
use tokio::sync::mpsc;

use crate::engine::{DeltaSink, Engine, EngineError, EngineInfo};

/// Asks engines in order until one answers. It goes on to the next only for failures that
/// another engine need not share ([`EngineError::another_may_answer`]), and never once the
/// listener has been shown something of a reply: two beginnings would be read as one text.
pub struct Fallback {
    engines: Vec<Arc<dyn Engine>>,
    info: EngineInfo,
}

/// A reply, and who gave it.
#[derive(Debug)]
pub struct Answered {
    /// The reply. Its usage includes what failed attempts cost, as far as that is known.
    pub reply: ChatReply,
    /// The id of the engine that answered.
    pub engine: String,
    /// How those before it failed.
    pub failures: Vec<EngineError>,
    /// Their ids, in the same order.
    pub failed: Vec<String>,
}

impl std::fmt::Debug for Fallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fallback")
            .field("info", &self.info)
            .finish()
    }
}

impl Fallback {
    /// The engines, the preferred one first. It can do what all of them can; its context is the
    /// longest among them.
    pub fn new(engines: Vec<Arc<dyn Engine>>) -> Self {
        let infos: Vec<&EngineInfo> = engines.iter().map(|engine| engine.info()).collect();
        let ids: Vec<&str> = infos.iter().map(|info| info.id.as_str()).collect();
        let all = |can: fn(&EngineInfo) -> bool| infos.iter().all(|info| can(info));
        let contexts: Option<Vec<u64>> = infos.iter().map(|info| info.context_tokens).collect();
        let info = EngineInfo {
            id: ids.join(", else "),
            context_tokens: contexts.and_then(|contexts| contexts.into_iter().max()),
            tools: all(|info| info.tools),
            structured_output: all(|info| info.structured_output),
            streaming: all(|info| info.streaming),
            charges: infos.iter().any(|info| info.charges),
        };
        Self { engines, info }
    }

    /// As [`Engine::chat`], and says who answered.
    ///
    /// # Errors
    /// The error of the engine that ended it: the last one, or the first whose failure the next
    /// one would share. [`EngineError::AllFailed`] where several failed.
    pub async fn answer(
        &self,
        request: ChatRequest,
        deltas: &DeltaSink,
    ) -> Result<Answered, EngineError> {
        let mut failures: Vec<EngineError> = Vec::new();
        let mut failed: Vec<String> = Vec::new();
        for engine in &self.engines {
            let info = engine.info();
            if too_small(info, &failures) {
                tracing::debug!(engine = %info.id, "passed over: its context is no longer");
                continue;
            }
            let (outcome, shown) = listen(engine.as_ref(), request.clone(), deltas).await;
            match outcome {
                Ok(mut reply) => {
                    for failure in &failures {
                        tracing::warn!(error = %failure, engine = %info.id, "another engine answered");
                    }
                    let spent = failures.iter().map(EngineError::usage);
                    reply.usage = spent.fold(reply.usage, Usage::plus);
                    tracing::Span::current().record("gen_ai.response.model", info.id.as_str());
                    return Ok(Answered {
                        reply,
                        engine: info.id.clone(),
                        failures,
                        failed,
                    });
                }
                Err(error) => {
                    let last = shown || !error.another_may_answer();
                    failures.push(error);
                    failed.push(info.id.clone());
                    if last {
                        break;
                    }
                }
            }
        }
        match (failures.pop(), failures.is_empty()) {
            (Some(only), true) => Err(only),
            (Some(last), false) => {
                failures.push(last);
                Err(EngineError::AllFailed { failures })
            }
            (None, _) => Err(EngineError::BadRequest {
                engine: "fallback".to_owned(),
                message: "the list of engines is empty".to_owned(),
            }),
        }
    }
}

#[async_trait]
impl Engine for Fallback {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    async fn chat(
        &self,
        request: ChatRequest,
        deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        let answered = self.answer(request, &deltas).await?;
        let mut reply = answered.reply;
        let mut passed_over: Vec<PassedOver> = answered
            .failures
            .iter()
            .zip(answered.failed)
            .map(|(failure, engine)| PassedOver {
                engine,
                reason: failure.to_string(),
            })
            .collect();
        passed_over.append(&mut reply.passed_over);
        reply.passed_over = passed_over;
        reply.engine.get_or_insert(answered.engine);
        Ok(reply)
    }
}

/// Whether an engine is known to have no more room than what was too little already.
fn too_small(info: &EngineInfo, failures: &[EngineError]) -> bool {
    let room = info.context_tokens;
    failures.iter().any(|failure| match failure {
        EngineError::TooLong {
            prompt, context, ..
        } => {
            let needed = prompt.or(context.map(|context| context.saturating_add(1)));
            matches!((room, needed), (Some(room), Some(needed)) if room < needed)
        }
        _ => false,
    })
}

/// One engine's reply, and whether the listener was shown anything of it.
async fn listen(
    engine: &dyn Engine,
    request: ChatRequest,
    deltas: &DeltaSink,
) -> (Result<ChatReply, EngineError>, bool) {
    if !deltas.is_heard() {
        return (engine.chat(request, DeltaSink::none()).await, false);
    }
    let (sender, mut receiver) = mpsc::unbounded_channel::<Delta>();
    let mut shown = false;
    let mut chat = std::pin::pin!(engine.chat(request, DeltaSink::new(sender)));
    let outcome = loop {
        tokio::select! {
            biased;
            Some(delta) = receiver.recv() => {
                shown = true;
                deltas.send(delta);
            }
            outcome = &mut chat => break outcome,
        }
    };
    while let Ok(delta) = receiver.try_recv() {
        shown = true;
        deltas.send(delta);
    }
    (outcome, shown)
}
