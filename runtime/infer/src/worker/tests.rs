use std::sync::mpsc::{Receiver, Sender, channel};

use ropewalk_core::message::Sampling;

use super::*;
use crate::decoder::Decoder;
use crate::file::{Header, ModelFile};
use crate::tiny::TinyModel;
use crate::tiny::quant::Quant;
use crate::tiny::shape::{Architecture, Shape};

/// How a reply ended, and its tokens.
type Told = Result<(Ended, Vec<u32>), String>;

struct Tell {
    sender: Sender<Told>,
    /// Sets this after so many tokens.
    cancel: Option<(usize, Arc<AtomicBool>)>,
    /// Wants no more after so many tokens.
    enough: usize,
    seen: Vec<u32>,
    /// Takes no token while somebody holds this.
    gate: Arc<Mutex<()>>,
}

impl Listener for Tell {
    fn token(&mut self, sampled: &Sampled) -> ControlFlow<()> {
        drop(lock(&self.gate));
        self.seen.push(sampled.token);
        if let Some((after, cancelled)) = &self.cancel
            && self.seen.len() == *after
        {
            cancelled.store(true, Ordering::Relaxed);
        }
        if self.seen.len() >= self.enough {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn end(self: Box<Self>, ended: Result<Ended, InferError>) {
        let Self { sender, seen, .. } = *self;
        let told = ended.map(|ended| (ended, seen));
        let _ = sender.send(told.map_err(|error| error.to_string()));
    }
}

/// A worker whose model runs on our own kernels, or over candle's tensors.
fn worker(limits: WorkerLimits, candle: bool) -> Worker {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    TinyModel::new(Shape::tiny(Architecture::Llama))
        .write_gguf(&path, Quant::Q8_0)
        .unwrap();
    let file = ModelFile::open(&path).unwrap();
    let Header::Gguf(content) = &file.header else {
        panic!("a GGUF file was written");
    };
    let tokenizer = Tokenizer::from_gguf(content).unwrap();
    let decoder = if candle {
        Decoder::load_on_candle(&file, candle_core::Device::Cpu)
    } else {
        Decoder::load(&file, 2)
    };
    Worker::start(Arc::new(decoder.unwrap()), &tokenizer, limits).unwrap()
}

const LIMITS: WorkerLimits = WorkerLimits {
    context: 64,
    cache_bytes: 16 << 20,
    parallel: 2,
    queue: 3,
};

/// A reply of noise that no end of turn ends: at a high temperature, within few tokens.
fn job(
    most: usize,
    cancel_after: Option<usize>,
    enough: usize,
    gate: &Arc<Mutex<()>>,
) -> (Job, Receiver<Told>) {
    let (sender, receiver) = channel();
    let cancelled = Arc::new(AtomicBool::new(false));
    let sampling = Sampling {
        temperature: Some(1.0),
        seed: Some(7),
        ..Sampling::default()
    };
    let job = Job {
        prompt: (100..140).collect(),
        sampler: Sampler::new(&sampling),
        matcher: None,
        most,
        cancelled: Arc::clone(&cancelled),
        listener: Box::new(Tell {
            sender,
            cancel: cancel_after.map(|after| (after, cancelled)),
            enough,
            seen: Vec::new(),
            gate: Arc::clone(gate),
        }),
    };
    (job, receiver)
}

#[test]
fn a_reply_ends_where_it_is_told_to() {
    for candle in [false, true] {
        let worker = worker(LIMITS, candle);
        let ended = |most, cancel_after, enough| {
            let (job, receiver) = job(most, cancel_after, enough, &Arc::default());
            worker.submit(job).unwrap();
            receiver.recv().unwrap().unwrap()
        };
        let (end, tokens) = ended(20, None, usize::MAX);
        assert_eq!((end.reason, end.written), (EndReason::Length, 20));
        let (end, again) = ended(20, None, 6);
        assert_eq!((end.reason, end.written), (EndReason::Stopped, 6));
        // From the cache it is the same.
        assert_eq!(again, tokens[..6]);
        // Cancelled while a token was taken: none comes after it.
        let (end, _) = ended(500, Some(6), usize::MAX);
        assert_eq!((end.reason, end.written), (EndReason::Cancelled, 6));
        // The context ends a reply as well.
        let (end, longer) = ended(100_000, None, usize::MAX);
        assert_eq!(end.reason, EndReason::Length);
        assert_eq!(end.prompt + end.written, LIMITS.context);
        assert_eq!(longer[..20], tokens);
        let stats = worker.stats();
        assert_eq!(stats.prompt_tokens, 4 * 40);
        assert_eq!(stats.cached_tokens, 3 * 39);
    }
}

#[test]
fn a_worker_that_ends_tells_everyone_who_waits() {
    let worker = worker(LIMITS, false);
    let gate = Arc::default();
    let held = lock(&gate);
    let mut waiting = Vec::new();
    let mut refused = 0;
    for _ in 0..12 {
        let (job, receiver) = job(100_000, None, usize::MAX, &gate);
        match worker.submit(job) {
            Ok(()) => waiting.push(receiver),
            Err(busy) => {
                refused += 1;
                assert_eq!(busy.queue, LIMITS.queue);
            }
        }
    }
    assert_eq!(
        (waiting.len(), refused),
        (5, 7),
        "two at work and three that wait"
    );
    drop(held);
    drop(worker);
    for receiver in waiting {
        receiver.recv().unwrap().unwrap();
    }
}
