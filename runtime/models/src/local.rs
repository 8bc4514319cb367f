//! A model that runs in this program: `ropewalk-infer` behind the [`Engine`] trait.
//!
//! - `ready`: the prompt, and what the reply is held to.
//! - `writing`: one reply, from the worker's tokens to deltas.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use ropewalk_core::message::{ChatReply, ChatRequest, Delta, Message, Sampling, Usage};
use ropewalk_core::tokens::{self, TokenCount};
use ropewalk_infer::chat::dialect::Unchecked;
use ropewalk_infer::error::InferError;
use ropewalk_infer::model::{LocalModel, ModelOptions};
use ropewalk_infer::sampling::Sampler;
use ropewalk_infer::worker::{Job, Worker, WorkerLimits, WorkerStats};
use tokio::sync::mpsc;

use crate::choose::LocalConfig;
use crate::engine::{DeltaSink, Engine, EngineError, EngineInfo};
use crate::fitting;

mod ready;
mod writing;

use ready::{Hold, Preparation, Ready};
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
    preparation: Arc<Preparation>,
    sampling: Sampling,
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
            device: config.device.unwrap_or_default(),
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
            preparation: Arc::new(Preparation::new(Arc::clone(&model))),
            model,
            worker,
            sampling: config.sampling.clone(),
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

    fn failed(&self, error: InferError) -> EngineError {
        failed(&self.info.id, error)
    }

    /// One reply, whether it fits or not.
    async fn write(
        &self,
        request: &Arc<ChatRequest>,
        deltas: &DeltaSink,
    ) -> Result<Attempt, EngineError> {
        let ready = {
            let preparation = Arc::clone(&self.preparation);
            let request = Arc::clone(request);
            let context = self.worker.limits().context;
            tokio::task::spawn_blocking(move || preparation.ready(&request, context))
        };
        let ready = ready.await.map_err(|error| EngineError::Internal {
            engine: self.info.id.clone(),
            message: format!("the prompt could not be made: {error}"),
        })?;
        let Ready {
            prompt,
            thinking,
            hold: Hold { matcher, unchecked },
        } = ready.map_err(|error| self.failed(error))?;
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
            prompt: prompt.tokens.clone(),
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
        match self.preparation.prompt(request) {
            Ok(prompt) => TokenCount {
                tokens: prompt.tokens.len() as u64,
                exact: true,
            },
            Err(_) => tokens::estimate(request),
        }
    }

    async fn chat(
        &self,
        request: ChatRequest,
        deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        let mut request = Arc::new(request);
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
            let messages = &mut Arc::make_mut(&mut request).messages;
            messages.push(Message::Assistant {
                text: reply.text,
                calls: Vec::new(),
            });
            messages.push(Message::User {
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
