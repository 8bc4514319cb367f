//! Replies sampled hot, as many at once as fit.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, atomic::AtomicBool};

use ropewalk_core::message::{Message, Sampling};
use ropewalk_infer::chat::family::family_template;
use ropewalk_infer::chat::template::Conversation;
use ropewalk_infer::constraint::Constraint;
use ropewalk_infer::error::InferError;
use ropewalk_infer::model::{LocalModel, ModelOptions};
use ropewalk_infer::sampling::{Sampled, Sampler};
use ropewalk_infer::tiny::TinyModel;
use ropewalk_infer::tiny::quant::Quant;
use ropewalk_infer::tiny::shape::{Architecture, Shape};
use ropewalk_infer::worker::{EndReason, Ended, Job, Listener, Worker, WorkerLimits};

/// Replies that are written at once.
const AT_ONCE: usize = 16;

/// Longest reply, in tokens.
const LONGEST: usize = 400;

/// One reply.
pub struct Reply {
    /// Which it is, from 0; it was held to the constraint of that place, counted round.
    pub number: usize,
    /// Its words.
    pub text: String,
    /// Its tokens.
    pub tokens: usize,
    /// Why it ended.
    pub reason: EndReason,
}

/// A model whose weights are chance.
pub fn model(folder: &Path) -> LocalModel {
    let path = folder.join("model.gguf");
    TinyModel::new(Shape::tiny(Architecture::Qwen3))
        .with_chat_template(family_template("qwen3").unwrap())
        .write_gguf(&path, Quant::Q8_0)
        .unwrap();
    LocalModel::open(&path, &ModelOptions::default()).unwrap()
}

/// So many replies, each held to one of the constraints, in the order they end.
pub fn replies(model: &LocalModel, held: &[Constraint], count: usize, mut take: impl FnMut(Reply)) {
    let limits = WorkerLimits {
        context: 2048,
        cache_bytes: 64 << 20,
        parallel: AT_ONCE,
        queue: AT_ONCE,
    };
    let worker = Worker::start(Arc::clone(&model.decoder), &model.tokenizer, limits).unwrap();
    let messages = [Message::User {
        text: "Say something.".to_owned(),
    }];
    let prompt = model
        .prompt(Conversation {
            messages: &messages,
            tools: &[],
            thinking: Some(false),
            now: Some(0),
        })
        .unwrap();
    let (sender, receiver) = channel();
    let (mut asked, mut ended) = (0, 0);
    while ended < count {
        while asked < count && asked - ended < AT_ONCE {
            let sampling = Sampling {
                temperature: Some(1.5),
                seed: Some(asked as i64),
                ..Sampling::default()
            };
            worker
                .submit(Job {
                    prompt: prompt.tokens.clone(),
                    sampler: Sampler::new(&sampling),
                    matcher: Some(model.grammars.matcher(&held[asked % held.len()]).unwrap()),
                    most: LONGEST,
                    cancelled: Arc::new(AtomicBool::new(false)),
                    listener: Box::new(Collect {
                        number: asked,
                        tokens: Vec::new(),
                        sender: sender.clone(),
                    }),
                })
                .unwrap();
            asked += 1;
        }
        let (number, written, end) = receiver.recv().unwrap();
        ended += 1;
        let bytes: Vec<u8> = written
            .iter()
            .filter(|token| !model.tokenizer.ends().contains(token))
            .flat_map(|token| model.tokenizer.bytes(*token).to_vec())
            .collect();
        take(Reply {
            number,
            text: String::from_utf8_lossy(&bytes).into_owned(),
            tokens: written.len(),
            reason: end.reason,
        });
    }
}

/// Collects the tokens of one reply.
struct Collect {
    number: usize,
    tokens: Vec<u32>,
    sender: Sender<(usize, Vec<u32>, Ended)>,
}

impl Listener for Collect {
    fn token(&mut self, sampled: &Sampled) -> ControlFlow<()> {
        self.tokens.push(sampled.token);
        ControlFlow::Continue(())
    }

    fn end(self: Box<Self>, ended: Result<Ended, InferError>) {
        let _ = self.sender.send((self.number, self.tokens, ended.unwrap()));
    }
}
