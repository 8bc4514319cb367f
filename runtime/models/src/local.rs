//! A model that runs in this program: `ropewalk-infer` behind the [`Engine`] trait.
//!
//! - `hold`: what a reply is held to, kept for the tools that come again.
//! - `writing`: one reply, from the worker's tokens to deltas.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use ropewalk_core::message::{ChatReply, ChatRequest, Delta, Message, Sampling, Usage};
use ropewalk_core::tokens::{self, TokenCount};
use ropewalk_infer::chat::dialect::{Answer, Asked, Thinking, Unchecked};
use ropewalk_infer::chat::template::Conversation;
use ropewalk_infer::constraint::{Constraint, Matcher};
use ropewalk_infer::error::InferError;
use ropewalk_infer::model::{LocalModel, ModelOptions, Prompt};
use ropewalk_infer::sampling::Sampler;
use ropewalk_infer::worker::{Job, Worker, WorkerLimits, WorkerStats};
use tokio::sync::mpsc;

use crate::choose::LocalConfig;
use crate::engine::{DeltaSink, Engine, EngineError, EngineInfo};
use crate::fitting;

mod hold;
mod writing;

use hold::Kept;
use writing::{News, Relay, Writing};

/// Memory for keys and values where the configuration says nothing, in MiB.
const CACHE_MIB: u64 = 1024;
/// Requests that wait, where the configuration says nothing.
const QUEUE: usize = 16;
/// Replies that are written at once, where the configuration says nothing.
const PARALLEL: usize = 4;
/// Most tokens of a reply where nobody says otherwise.
const LONGEST_REPLY: u32 = 4096;
/// How often a reply is asked for again that does not fit what could not be enforced.
const MOST_CORRECTIONS: usize = 2;

/// A model that runs in this program.
pub struct Local {
    info: EngineInfo,
    model: Arc<LocalModel>,
    worker: Worker,
    sampling: Sampling,
    kept: Kept,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local")
            .field("info", &self.info)
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

impl Local {
    /// Loads a model; this takes seconds and blocks. `path` is a GGUF file, or a folder with
    /// safetensors.
    ///
    /// # Errors
    /// What is no model, damaged, or of a family that is not known.
    pub fn open(path: &Path, config: &LocalConfig) -> Result<Self, EngineError> {
        let id = id_of(path);
        let options = ModelOptions {
            threads: config.threads.unwrap_or_default(),
            template: config.template.as_ref().map(PathBuf::from),
        };
        let failed = |error: InferError| failed(&id, error);
        let model = Arc::new(LocalModel::open(path, &options).map_err(failed)?);
        let trained = model.decoder.spec().context;
        let asked = config.context_tokens.unwrap_or(trained as u64);
        let mib = config.cache_mib.unwrap_or(CACHE_MIB);
        let limits = WorkerLimits {
            context: usize::try_from(asked).unwrap_or(usize::MAX),
            cache_bytes: usize::try_from(mib)
                .unwrap_or(usize::MAX)
                .saturating_mul(1 << 20),
            parallel: config.parallel.unwrap_or(PARALLEL),
            queue: config.queue.unwrap_or(QUEUE),
        };
        if limits.context > trained {
            tracing::warn!(
                trained,
                asked,
                "the model was trained to see fewer tokens than `context_tokens`"
            );
        }
        let decoder = Arc::clone(&model.decoder);
        let worker = Worker::start(decoder, &model.tokenizer, limits).map_err(failed)?;
        let context = worker.limits().context;
        if context < limits.context {
            tracing::info!(
                context,
                "the context is as long as the cache has room for; raise `cache_mib` for more"
            );
        }
        Ok(Self {
            info: EngineInfo {
                id,
                context_tokens: Some(context as u64),
                tools: true,
                structured_output: true,
                streaming: true,
                charges: false,
            },
            model,
            worker,
            sampling: config.sampling.clone(),
            kept: Kept::default(),
        })
    }

    /// The model itself.
    pub fn model(&self) -> &Arc<LocalModel> {
        &self.model
    }

    /// What has been read, written and found in the cache so far.
    pub fn stats(&self) -> WorkerStats {
        self.worker.stats()
    }

    fn prompt(&self, request: &ChatRequest) -> Result<Prompt, EngineError> {
        let conversation = Conversation {
            messages: &request.messages,
            tools: &request.tools,
            thinking: request.thinking,
            now: None,
        };
        let prompt = self.model.prompt(conversation);
        prompt.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: InferError) -> EngineError {
        failed(&self.info.id, error)
    }

    /// What the reply is held to.
    fn hold(
        &self,
        request: &ChatRequest,
        thinking: Thinking,
    ) -> Result<(Option<Matcher>, Vec<Unchecked>), EngineError> {
        let answer = match (&request.response_schema, &request.grammar) {
            (Some(schema), _) => Answer::Schema(schema),
            (None, Some(grammar)) => Answer::Grammar(grammar),
            (None, None) => Answer::Text,
        };
        if request.tools.is_empty() && matches!(answer, Answer::Text) {
            return Ok((None, Vec::new()));
        }
        let build = || {
            self.model.dialect.constraint(Asked {
                tools: &request.tools,
                required: false,
                answer,
                thinking,
            })
        };
        let held = self.kept.get(request, thinking, build);
        let held = held.map_err(|error| self.failed(error))?;
        let matcher = |constraint: &Constraint| self.model.grammars.matcher(constraint);
        match held.constraint.as_ref().map(matcher).transpose() {
            Ok(matcher) => Ok((matcher, held.unchecked.clone())),
            // What cannot be enforced is checked afterwards; only a caller's own grammar, which
            // nothing else can check, is an error.
            Err(error) if request.grammar.is_none() => {
                let reason = error.to_string();
                let tools = request.tools.iter().map(|tool| Some(tool.name.clone()));
                let answer = request.response_schema.is_some().then_some(None);
                let unchecked = tools.chain(answer).map(|tool| Unchecked {
                    tool,
                    reason: reason.clone(),
                });
                Ok((None, unchecked.collect()))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// One reply, whether it fits or not.
    async fn write(
        &self,
        request: &ChatRequest,
        deltas: &DeltaSink,
    ) -> Result<Attempt, EngineError> {
        let prompt = self.prompt(request)?;
        let context = self.worker.limits().context;
        if prompt.tokens.len() >= context {
            let error = InferError::TooLong {
                prompt: prompt.tokens.len(),
                context,
            };
            return Err(self.failed(error));
        }
        let thinking = self.model.dialect.thinking(&prompt.end, request.thinking);
        let (matcher, unchecked) = self.hold(request, thinking)?;
        for open in &unchecked {
            tracing::warn!(
                engine = %self.info.id,
                tool = open.tool.as_deref().unwrap_or("the answer"),
                reason = %open.reason,
                "a schema cannot be enforced while the reply is written; it is checked afterwards"
            );
        }
        let sampling = request.sampling.or(&self.sampling);
        let (sender, mut news) = mpsc::unbounded_channel();
        let cancel = Cancel(Arc::default());
        let job = Job {
            prompt: prompt.tokens,
            sampler: Sampler::new(&sampling),
            matcher,
            most: sampling.max_tokens.unwrap_or(LONGEST_REPLY) as usize,
            cancelled: Arc::clone(&cancel.0),
            listener: Box::new(Relay::new(sender, Arc::clone(&self.model), &sampling)),
        };
        self.worker.submit(job).map_err(|busy| EngineError::Busy {
            engine: self.info.id.clone(),
            message: busy.to_string(),
        })?;
        // What may be asked for again must not be shown before it is known to be good.
        let (sink, shown_later) = if unchecked.is_empty() {
            (deltas.clone(), None)
        } else {
            let (sender, receiver) = mpsc::unbounded_channel();
            (DeltaSink::new(sender), Some(receiver))
        };
        let mut writing = Writing::new(&self.model, request, thinking, sink);
        loop {
            match news.recv().await {
                Some(News::Piece(piece)) => writing.take(piece),
                Some(News::Ended(ended)) => {
                    let ended = ended.map_err(|error| self.failed(error))?;
                    let (reply, broken) = writing.finish(&ended);
                    return Ok(Attempt {
                        reply,
                        broken,
                        unchecked,
                        shown_later,
                    });
                }
                None => {
                    return Err(EngineError::Internal {
                        engine: self.info.id.clone(),
                        message: "the model was closed while it wrote".to_owned(),
                    });
                }
            }
        }
    }
}

/// One reply, and what may be wrong with it.
struct Attempt {
    reply: ChatReply,
    /// Calls that cannot be read.
    broken: Vec<String>,
    unchecked: Vec<Unchecked>,
    /// Deltas that are passed on once the reply is known to be good.
    shown_later: Option<mpsc::UnboundedReceiver<Delta>>,
}

/// Ends a reply when nobody waits for it any more.
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Engine for Local {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn count(&self, request: &ChatRequest) -> TokenCount {
        match self.prompt(request) {
            Ok(prompt) => TokenCount {
                tokens: prompt.tokens.len() as u64,
                exact: true,
            },
            Err(_) => tokens::estimate(request),
        }
    }

    async fn chat(
        &self,
        mut request: ChatRequest,
        deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        let mut spent = Usage::default();
        for attempt in 0.. {
            let mut written = self.write(&request, &deltas).await?;
            let mut reply = written.reply;
            spent = spent.plus(reply.usage);
            reply.usage = spent;
            let problem = problem(&request, &reply, &written.broken, &written.unchecked);
            let Some(problem) = problem.filter(|_| attempt < MOST_CORRECTIONS) else {
                while let Some(delta) = written
                    .shown_later
                    .as_mut()
                    .and_then(|later| later.try_recv().ok())
                {
                    deltas.send(delta);
                }
                return Ok(reply);
            };
            tracing::info!(engine = %self.info.id, attempt, %problem, "asking again");
            request.messages.push(Message::Assistant {
                text: reply.text,
                calls: Vec::new(),
            });
            request.messages.push(Message::User {
                text: format!("That cannot be used: {problem}. Write it again, correctly."),
            });
        }
        Err(EngineError::Internal {
            engine: self.info.id.clone(),
            message: "no reply".to_owned(),
        })
    }
}

/// What is wrong with a reply that was not held to everything it should be.
fn problem(
    request: &ChatRequest,
    reply: &ChatReply,
    broken: &[String],
    unchecked: &[Unchecked],
) -> Option<String> {
    if let Some(broken) = broken.first() {
        let start: String = broken.chars().take(200).collect();
        return Some(format!("a tool call is no JSON: {start}"));
    }
    if unchecked.is_empty() {
        return None;
    }
    if let Err(problem) = fitting::calls(&reply.calls, request) {
        return Some(problem);
    }
    let schema = request.response_schema.as_ref()?;
    if reply.calls.is_empty() {
        return fitting::json(&reply.text, schema).err();
    }
    None
}

/// What a model at a path is called.
pub fn id_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    format!("local:{}", stem.to_string_lossy())
}

fn failed(engine: &str, error: InferError) -> EngineError {
    let engine = engine.to_owned();
    match error {
        InferError::TooLong { prompt, context } => EngineError::TooLong {
            engine,
            prompt: Some(prompt as u64),
            context: Some(context as u64),
            message: error.to_string(),
        },
        InferError::Compute(_) => EngineError::Internal {
            engine,
            message: error.to_string(),
        },
        other => EngineError::BadRequest {
            engine,
            message: other.to_string(),
        },
    }
}
