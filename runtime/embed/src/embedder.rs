//! Texts in, unit vectors out.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;
use tokenizers::Tokenizer;

use crate::bert::{Bert, Scratch};
use crate::error::EmbedError;
use crate::folder::{self, Loaded};

/// Tokens worked on at once. Large enough to feed the matrix kernels, small enough that what lies
/// between two matrices (1,536 floats a token) stays in the second-level cache.
const TOKENS_PER_BATCH: usize = 1024;

/// Bytes of text read for each token that is kept. English needs about five; the rest is room for
/// text that tokenises poorly, and the bound that keeps a huge text from being tokenised whole.
const BYTES_PER_TOKEN: usize = 64;

/// A sentence-embedding model, ready to run. Cloning shares the weights.
///
/// All calls are CPU-bound and block: an async caller wraps them in `spawn_blocking`.
#[derive(Clone)]
pub struct Embedder {
    id: String,
    bert: Arc<Bert>,
    tokenizer: Arc<Tokenizer>,
    max_tokens: usize,
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedder")
            .field("id", &self.id)
            .field("dimensions", &self.dimensions())
            .field("max_tokens", &self.max_tokens)
            .finish()
    }
}

impl Embedder {
    /// all-MiniLM-L6-v2 from the weights compiled into the program: 384 dimensions, 256 tokens.
    ///
    /// # Errors
    /// Only when the program was built with damaged weights.
    pub fn shipped() -> Result<Self, EmbedError> {
        Ok(Self::new("all-MiniLM-L6-v2".to_owned(), folder::shipped()?))
    }

    /// Any BERT-family model from a folder laid out as on the Hugging Face hub. Matrices are
    /// quantised to 8 bits while loading.
    ///
    /// # Errors
    /// A missing or malformed file, an unknown architecture, a weight that is missing or misshapen.
    pub fn open(folder: &Path) -> Result<Self, EmbedError> {
        let id = folder.file_name().map_or_else(
            || folder.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        );
        Ok(Self::new(id, folder::open(folder)?))
    }

    fn new(id: String, loaded: Loaded) -> Self {
        Self {
            id,
            bert: Arc::new(loaded.bert),
            tokenizer: Arc::new(loaded.tokenizer),
            max_tokens: loaded.max_tokens,
        }
    }

    /// The model's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Components of each vector.
    pub fn dimensions(&self) -> usize {
        self.bert.shape.hidden
    }

    /// Tokens that are read of each text, special ones included; the rest is cut off.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// The same model with another limit, at least 2 and at most what the model has positions for.
    #[must_use]
    pub fn with_max_tokens(mut self, tokens: usize) -> Self {
        let shape = &self.bert.shape;
        self.max_tokens = tokens.clamp(2, shape.positions - shape.first_position);
        self
    }

    /// One vector of length 1 for each text, in the order given.
    ///
    /// # Errors
    /// When the tokenizer or a matrix product fails.
    pub fn embed<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let vectors = self.embed_with(texts, &|_| ControlFlow::Continue(()))?;
        Ok(vectors.unwrap_or_default())
    }

    /// As [`Self::embed`], telling after each batch how many texts are done. `Break` cancels, and
    /// the result is then `None`.
    ///
    /// # Errors
    /// As [`Self::embed`].
    pub fn embed_with<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        on_batch: &(dyn Fn(usize) -> ControlFlow<()> + Sync),
    ) -> Result<Option<Vec<Vec<f32>>>, EmbedError> {
        let sequences = self.tokenize(texts)?;
        // Neighbours in length share a batch, so that batches are alike in work.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|index| sequences.get(*index).map_or(0, Vec::len));
        let batches = batches(&order, &sequences);
        let done = AtomicUsize::new(0);
        let cancelled = AtomicBool::new(false);
        // One batch per core at a time, each on one thread: no waiting at the end of every matrix.
        let results: Vec<Vec<Vec<f32>>> = batches
            .par_iter()
            .map_init(Scratch::default, |scratch, batch| {
                if cancelled.load(Ordering::Relaxed) {
                    return Vec::new();
                }
                let tokens: Vec<&[u32]> = batch
                    .iter()
                    .map(|index| sequences.get(*index).map_or(&[][..], Vec::as_slice))
                    .collect();
                let vectors = self.bert.forward(&tokens, scratch);
                let done = done.fetch_add(batch.len(), Ordering::Relaxed) + batch.len();
                if on_batch(done).is_break() {
                    cancelled.store(true, Ordering::Relaxed);
                }
                vectors
            })
            .collect();
        if cancelled.into_inner() {
            return Ok(None);
        }
        let mut vectors: Vec<Vec<f32>> = vec![Vec::new(); texts.len()];
        for (index, vector) in order.iter().zip(results.into_iter().flatten()) {
            if let Some(slot) = vectors.get_mut(*index) {
                *slot = vector;
            }
        }
        Ok(Some(vectors))
    }

    /// Tokens of a text without special ones and without the limit. A text that the tokenizer
    /// refuses counts its words.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer.encode_fast(text, false).map_or_else(
            |_| text.split_whitespace().count(),
            |encoding| encoding.len(),
        )
    }

    fn tokenize<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Vec<u32>>, EmbedError> {
        let room = self.max_tokens * BYTES_PER_TOKEN;
        let texts: Vec<&str> = texts.iter().map(|text| cut(text.as_ref(), room)).collect();
        let encodings = self
            .tokenizer
            .encode_batch_fast(texts, true)
            .map_err(|error| EmbedError::Tokenize {
                message: error.to_string(),
            })?;
        let vocabulary = self.bert.shape.vocabulary;
        Ok(encodings
            .iter()
            .map(|encoding| {
                let ids = encoding.get_ids();
                let mut ids: Vec<u32> = if ids.len() <= self.max_tokens {
                    ids.to_vec()
                } else {
                    // The separator at the end is kept, as truncation in the tokenizer would.
                    let kept = ids.iter().take(self.max_tokens - 1);
                    kept.chain(ids.last()).copied().collect()
                };
                ids.retain(|id| (*id as usize) < vocabulary);
                ids
            })
            .collect())
    }
}

/// Cuts the order into batches of at most [`TOKENS_PER_BATCH`], and at least one text.
fn batches<'a>(order: &'a [usize], sequences: &[Vec<u32>]) -> Vec<&'a [usize]> {
    let mut batches = Vec::new();
    let mut rest = order;
    while !rest.is_empty() {
        let mut tokens = 0;
        let fitting = rest
            .iter()
            .take_while(|index| {
                tokens += sequences.get(**index).map_or(0, Vec::len);
                tokens <= TOKENS_PER_BATCH
            })
            .count();
        let (batch, tail) = rest.split_at(fitting.max(1));
        batches.push(batch);
        rest = tail;
    }
    batches
}

/// The text up to `limit` bytes, ending on a character.
fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

/// Cosine of the angle between two vectors; 0 when either is zero or they differ in size.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return 0.0;
    }
    let (mut dot, mut norm_a, mut norm_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        dot += a * b;
        norm_a += a * a;
        norm_b += b * b;
    }
    let norm = f32::sqrt(norm_a * norm_b);
    if norm > 0.0 { dot / norm } else { 0.0 }
}
