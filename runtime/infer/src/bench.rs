//! How fast a model is on this machine, and what it takes.
//!
//! Prompts are pseudo-random tokens: what they say makes no difference to the time. Neither a
//! tokenizer nor a chat template is needed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ropewalk_core::message::Sampling;
use serde::Serialize;

use crate::about::About;
use crate::cache::{Held, PageCache};
use crate::decoder::{Decoder, Slice};
use crate::device::Device;
use crate::error::InferError;
use crate::file::ModelFile;
use crate::kv::PAGE;
use crate::sampling::Sampler;

/// A prompt is computed in pieces of so many tokens, as a worker does.
const PIECE: usize = 256;
/// Tokens that a second turn adds to the first.
pub const NEW_TOKENS: usize = 50;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BenchOptions {
    /// Tokens of the prompt; at least 1.
    pub prompt: usize,
    /// Tokens that are written after it; at least 1.
    pub generate: usize,
    /// Threads; as many as there are cores for 0.
    pub threads: usize,
    /// Where it runs.
    pub device: Device,
    /// How often all is measured; the medians count. At least 1.
    pub rounds: usize,
}

/// What was measured: medians over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// `llama`, `qwen3` ...
    pub architecture: String,
    /// How exact its weights are: `Q4_K_M`, `BF16` ...
    pub quantisation: String,
    /// Numbers in all its tensors.
    pub parameters: u64,
    /// Tokens it was trained to see at once.
    pub context_tokens: usize,
    /// Where it ran: `cpu`, `cuda:0` ...
    pub device: String,
    /// Threads that worked; 0 on an accelerator.
    pub threads: usize,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens that were written.
    pub generate: usize,
    /// How often all was measured.
    pub rounds: usize,
    /// Tokens of a prompt in a second, where nothing of it is known.
    pub prompt_tokens_per_second: f64,
    /// Tokens of a reply in a second.
    pub decode_tokens_per_second: f64,
    /// Seconds to the first token of a reply, where nothing of the prompt is known.
    pub first_token_cold_seconds: f64,
    /// Seconds to the first token where the prompt is the one before and [`NEW_TOKENS`] more.
    pub first_token_warm_seconds: f64,
    /// Bytes of memory that the weights take.
    pub weight_bytes: usize,
    /// Bytes of the keys and values of one token.
    pub kv_bytes_per_token: usize,
    /// Most bytes of memory that this process has held; where the system says so.
    pub peak_memory_bytes: Option<u64>,
}

/// How long a reply took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// To the first token.
    pub first_token: Duration,
    /// From there to the last.
    pub decoding: Duration,
    /// Tokens of the prompt that were known.
    pub cached: usize,
}

/// Chooses the next token from logits, given the prompt and the reply so far, and how many tokens
/// of it are the reply.
pub type Choose<'a> = dyn FnMut(&mut [f32], &[u32], usize) -> Result<u32, InferError> + 'a;

/// Writes one reply after the other and takes the time.
#[derive(Debug)]
pub struct Stopwatch<'a> {
    decoder: &'a Decoder,
    cache: PageCache,
    cancelled: &'a AtomicBool,
}

/// Measures the model at a path; `None` where `cancelled` was set meanwhile.
///
/// # Errors
/// What is no model, damaged, or of a family that is not known; a prompt and a reply that do not
/// fit into its context.
pub fn measure(
    path: &Path,
    options: &BenchOptions,
    cancelled: &AtomicBool,
) -> Result<Option<Report>, InferError> {
    let file = ModelFile::open(path)?;
    let about = About::read(path)?;
    let decoder = Decoder::load_on(&file, options.threads, options.device)?;
    let context = decoder.spec().context;
    let (prompt, generate) = (options.prompt.max(1), options.generate.max(1));
    let longest = prompt.saturating_add(generate.max(NEW_TOKENS));
    if longest > context {
        return Err(InferError::TooLong {
            prompt: longest,
            context,
        });
    }
    let first = tokens(decoder.spec().vocabulary, prompt, 1);
    let mut second = first.clone();
    second.extend(tokens(decoder.spec().vocabulary, NEW_TOKENS, 2));
    let mut watch = Stopwatch::new(&decoder, cancelled);
    let (mut cold, mut warm, mut decoding) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds.max(1) {
        watch.forget();
        let Some(reply) = watch.greedy(&first, generate)? else {
            return Ok(None);
        };
        let Some(again) = watch.greedy(&second, 0)? else {
            return Ok(None);
        };
        cold.push(reply.first_token.as_secs_f64());
        decoding.push(reply.decoding.as_secs_f64());
        warm.push(again.first_token.as_secs_f64());
    }
    let cold = median(cold);
    Ok(Some(Report {
        architecture: about.architecture,
        quantisation: about.quantisation,
        parameters: file.parameters(),
        context_tokens: context,
        device: decoder.device(),
        threads: decoder.threads(),
        prompt,
        generate,
        rounds: options.rounds.max(1),
        prompt_tokens_per_second: prompt as f64 / cold,
        decode_tokens_per_second: generate as f64 / median(decoding),
        first_token_cold_seconds: cold,
        first_token_warm_seconds: median(warm),
        weight_bytes: decoder.bytes(),
        kv_bytes_per_token: decoder.kv_shape().page_bytes() / PAGE,
        peak_memory_bytes: peak_memory(),
    }))
}

impl<'a> Stopwatch<'a> {
    /// For a model. It stops soon after `cancelled` is set.
    pub fn new(decoder: &'a Decoder, cancelled: &'a AtomicBool) -> Self {
        Self {
            decoder,
            cache: unlimited(decoder),
            cancelled,
        }
    }

    /// Forgets all prompts.
    pub fn forget(&mut self) {
        self.cache = unlimited(self.decoder);
    }

    /// As [`Stopwatch::reply`], and takes the likeliest token each time.
    ///
    /// # Errors
    /// As there.
    pub fn greedy(
        &mut self,
        prompt: &[u32],
        generate: usize,
    ) -> Result<Option<Timing>, InferError> {
        let mut sampler = Sampler::new(&Sampling::default());
        self.reply(prompt, generate, &mut |logits, context, written| {
            let sampled = sampler.sample(logits, None, context, written);
            sampled.map(|sampled| sampled.token).ok_or_else(no_token)
        })
    }

    /// Computes a prompt as far as it is not known, and then `generate` tokens after the first,
    /// whatever they are: no token ends it. Both stay known. `None` where it was cancelled.
    ///
    /// # Errors
    /// Tokens that the model does not have; what `choose` fails with.
    pub fn reply(
        &mut self,
        prompt: &[u32],
        generate: usize,
        choose: &mut Choose<'_>,
    ) -> Result<Option<Timing>, InferError> {
        let start = Instant::now();
        let mut tokens = prompt.to_vec();
        let (mut held, cached) = self.cache.begin(prompt);
        let mut done = cached;
        let mut first_token = None;
        for written in 0..=generate {
            let Some(mut logits) = self.advance(&mut held, &tokens, &mut done)? else {
                return Ok(None);
            };
            tokens.push(choose(&mut logits, &tokens, written)?);
            first_token.get_or_insert_with(|| start.elapsed());
        }
        let first_token = first_token.unwrap_or_default();
        let decoding = start.elapsed().saturating_sub(first_token);
        self.cache.end(held, tokens.get(..done).unwrap_or_default());
        Ok(Some(Timing {
            first_token,
            decoding,
            cached,
        }))
    }

    /// Computes what is left of the tokens, and gives the logits of the last.
    fn advance(
        &mut self,
        held: &mut Held,
        tokens: &[u32],
        done: &mut usize,
    ) -> Result<Option<Vec<f32>>, InferError> {
        if !self.cache.grow(held, tokens.len()) {
            return Err(no_token());
        }
        let mut logits = Vec::new();
        while let Some(left) = tokens.get(*done..).filter(|left| !left.is_empty()) {
            if self.cancelled.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let piece = left.get(..PIECE).unwrap_or(left);
            let slice = Slice {
                tokens: piece,
                position: *done,
                pages: &held.pages,
                logits: usize::from(piece.len() == left.len()),
            };
            logits = self.decoder.run(&[slice], &mut self.cache.pages)?;
            *done += piece.len();
        }
        Ok(Some(logits))
    }
}

/// So many pseudo-random tokens of a vocabulary; the same seed, the same tokens.
pub fn tokens(vocabulary: usize, count: usize, seed: u64) -> Vec<u32> {
    let mut state = seed | 1 << 40;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let token = (state >> 16) % (vocabulary.max(1) as u64);
        u32::try_from(token).unwrap_or_default()
    };
    (0..count).map(|_| next()).collect()
}

/// Most bytes of memory that this process has held, as Linux counts them; `None` elsewhere.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Pages are made as they are needed, so that no bound is the same as the right one.
fn unlimited(decoder: &Decoder) -> PageCache {
    PageCache::new(decoder.pages(), usize::MAX / 2)
}

fn no_token() -> InferError {
    InferError::Compute(candle_core::Error::msg("the model gives no token"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny::TinyModel;
    use crate::tiny::quant::Quant;
    use crate::tiny::shape::{Architecture, Shape};

    fn model(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("tiny.gguf");
        let model = TinyModel::new(Shape::tiny(Architecture::Llama));
        model.write_gguf(&path, Quant::Q8_0).unwrap();
        path
    }

    fn options(prompt: usize) -> BenchOptions {
        BenchOptions {
            prompt,
            generate: 3,
            threads: 1,
            device: Device::Cpu,
            rounds: 1,
        }
    }

    #[test]
    fn a_known_prompt_is_not_computed_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = ModelFile::open(&model(folder.path())).unwrap();
        let decoder = Decoder::load(&file, 1).unwrap();
        let running = AtomicBool::new(false);
        let mut watch = Stopwatch::new(&decoder, &running);
        let mut prompt = tokens(decoder.spec().vocabulary, 300, 1);
        assert_eq!(watch.greedy(&prompt, 2).unwrap().unwrap().cached, 0);
        prompt.extend(tokens(decoder.spec().vocabulary, 10, 2));
        assert_eq!(watch.greedy(&prompt, 0).unwrap().unwrap().cached, 300);
        watch.forget();
        assert_eq!(watch.greedy(&prompt, 0).unwrap().unwrap().cached, 0);
    }

    #[test]
    fn a_reply_is_given_what_it_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let file = ModelFile::open(&model(folder.path())).unwrap();
        let decoder = Decoder::load(&file, 1).unwrap();
        let running = AtomicBool::new(false);
        let mut seen = Vec::new();
        let timing = Stopwatch::new(&decoder, &running)
            .reply(&[5, 6], 2, &mut |logits, context, written| {
                assert_eq!(logits.len(), decoder.spec().vocabulary);
                seen.push((context.to_vec(), written));
                Ok(7)
            })
            .unwrap();
        assert!(timing.is_some());
        let expected = [(vec![5, 6], 0), (vec![5, 6, 7], 1), (vec![5, 6, 7, 7], 2)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_cancelled_reports_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = model(folder.path());
        let cancelled = AtomicBool::new(true);
        assert_eq!(measure(&path, &options(8), &cancelled).unwrap(), None);
        cancelled.store(false, Ordering::Relaxed);
        assert!(measure(&path, &options(8), &cancelled).unwrap().is_some());
    }

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_computed() {
        let folder = tempfile::tempdir().unwrap();
        let running = AtomicBool::new(false);
        for prompt in [32_768, usize::MAX] {
            let error = measure(&model(folder.path()), &options(prompt), &running).unwrap_err();
            assert!(
                matches!(
                    error,
                    InferError::TooLong {
                        context: 32_768,
                        ..
                    }
                ),
                "{error}"
            );
        }
    }
}
