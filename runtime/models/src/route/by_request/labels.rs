//! Which kind of question one is, by its likeness to examples.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ropewalk_embed::{EmbedError, Embedder, cosine};

use super::RouteConfig;
use crate::choose::MakeEmbedder;

/// Questions whose labels are remembered: an agent asks the same one at every turn.
const REMEMBERED: usize = 256;

/// A label, its engine, and how like the question is to its nearest example.
pub(super) type Label = (String, String, f32);

/// The labels of a route.
pub(super) struct Labels(Arc<Inner>);

struct Inner {
    at_least: f32,
    /// Label, engine and example.
    examples: Vec<(String, String, String)>,
    make: MakeEmbedder,
    /// The embedder, and a vector for each example.
    ready: Mutex<Option<(Embedder, Vec<Vec<f32>>)>>,
    known: Mutex<HashMap<String, Option<Label>>>,
}

impl Labels {
    pub(super) fn new(config: &RouteConfig, make: MakeEmbedder) -> Result<Self, String> {
        let mut examples = Vec::new();
        for (label, class) in &config.classes {
            if class.examples.iter().all(|text| text.trim().is_empty()) {
                return Err(format!(
                    "the label `{label}` has no examples; give some questions of that kind"
                ));
            }
            let texts = class.examples.iter().filter(|text| !text.trim().is_empty());
            examples.extend(texts.map(|text| (label.clone(), class.engine.clone(), text.clone())));
        }
        Ok(Self(Arc::new(Inner {
            at_least: config.at_least,
            examples,
            make,
            ready: Mutex::new(None),
            known: Mutex::default(),
        })))
    }

    /// The label of a question, if it is like any example.
    pub(super) async fn of(&self, question: &str) -> Result<Option<Label>, String> {
        if let Some(known) = self.0.known().get(question) {
            return Ok(known.clone());
        }
        let inner = Arc::clone(&self.0);
        let asked = question.to_owned();
        let label = tokio::task::spawn_blocking(move || inner.label(&asked))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let mut known = self.0.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(question.to_owned(), label.clone());
        Ok(label)
    }
}

impl Inner {
    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Option<Label>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn label(&self, question: &str) -> Result<Option<Label>, EmbedError> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.is_none() {
            let embedder = (self.make)()?;
            let texts: Vec<&str> = self
                .examples
                .iter()
                .map(|(_, _, text)| text.as_str())
                .collect();
            let vectors = embedder.embed(&texts)?;
            *ready = Some((embedder, vectors));
        }
        let Some((embedder, vectors)) = &*ready else {
            return Ok(None);
        };
        let asked = embedder.embed(&[question])?.pop().unwrap_or_default();
        let scored = self.examples.iter().zip(vectors);
        let scored = scored.map(|((label, engine, _), vector)| {
            (label.clone(), engine.clone(), cosine(&asked, vector))
        });
        let best = scored.max_by(|a, b| a.2.total_cmp(&b.2));
        Ok(best.filter(|(_, _, score)| *score >= self.at_least))
    }
}
