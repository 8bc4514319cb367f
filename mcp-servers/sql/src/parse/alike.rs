//! Words that mean nearly the same, by their embeddings: what is left where no spelling, stem or
//! synonym says what a word of a question is.

use std::sync::Arc;

use ropewalk_embed::{Embedder, cosine};

use crate::parse::link::Meanings;

/// How alike two words must be. High, since a wrong link costs more than none: lower values linked
/// verbs to columns on the questions that the parser is measured on, and answered fewer of them.
const LEAST: f32 = 0.68;

/// Words of a schema beyond which embedding all of them would keep the first question waiting.
const MOST: usize = 3_000;

/// The words of a schema with their embeddings.
#[derive(Debug, Clone)]
pub(super) struct Alike {
    embedder: Arc<Embedder>,
    words: Vec<(String, Vec<f32>)>,
}

impl Alike {
    /// Of words with their stems; nothing where there are too many or the model fails.
    pub(super) fn new(embedder: Arc<Embedder>, words: Vec<(String, String)>) -> Option<Self> {
        if words.len() > MOST {
            return None;
        }
        let texts: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
        let vectors = embedder.embed(&texts).ok()?;
        let stems = words.into_iter().map(|(_, stem)| stem);
        Some(Self {
            embedder,
            words: stems.zip(vectors).collect(),
        })
    }

    /// Stems of the schema that a word nearly means.
    pub(super) fn meanings(&self, word: &str) -> Meanings {
        let Some(vector) = self
            .embedder
            .embed(&[word])
            .ok()
            .and_then(|mut all| all.pop())
        else {
            return Meanings::new();
        };
        let alike = self.words.iter().filter_map(|(stem, other)| {
            let alike = cosine(&vector, other);
            (alike >= LEAST).then(|| (stem.clone(), 0.55 + alike * 0.25))
        });
        alike.collect()
    }
}
