//! Which vectors are taken from what the collection holds, and which are computed.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::outcome::{IngestError, IngestSettings};
use super::{Ingestor, blocking};
use crate::collection::{self, field, is};
use crate::filter::Filter;
use crate::search::DENSE;
use crate::store::{Fields, PointId, StoreError};

/// The vectors of some texts, in their order.
pub(super) struct Vectors {
    pub(super) all: Vec<Vec<f32>>,
    /// How many of the texts had to be embedded.
    pub(super) embedded: u64,
}

impl Ingestor {
    /// What the collection holds of the document, by what was embedded.
    pub(super) async fn earlier(
        &self,
        name: &str,
        document: &str,
    ) -> Result<HashMap<String, PointId>, StoreError> {
        let all = Filter {
            all: vec![is(field::DOC, document)],
        };
        let mut earlier = HashMap::new();
        collection::walk(&*self.store, name, &all, &[field::EMBEDDED], |point| {
            if let Some(digest) = point.payload.get(field::EMBEDDED).and_then(Value::as_str) {
                earlier.insert(digest.to_owned(), point.id);
            }
        })
        .await?;
        Ok(earlier)
    }

    /// Vectors that an earlier version holds are taken from it; equal texts are embedded once.
    pub(super) async fn vectors(
        &self,
        texts: &[String],
        earlier: &HashMap<String, PointId>,
        settings: &IngestSettings,
        cancel: &CancellationToken,
    ) -> Result<Vectors, IngestError> {
        let known: Vec<Option<&PointId>> = texts
            .iter()
            .map(|text| earlier.get(&embedded_digest(text)))
            .collect();
        let ids: BTreeSet<PointId> = known.iter().flatten().map(|id| (*id).clone()).collect();
        let ids: Vec<PointId> = ids.into_iter().collect();
        let fields = Fields {
            payload: Some(Vec::new()),
            vectors: true,
        };
        let stored = self
            .store
            .fetch(&settings.collection, &ids, &fields)
            .await?;
        let stored: HashMap<PointId, Vec<f32>> = stored
            .into_iter()
            .filter_map(|mut point| Some((point.id.clone(), point.dense.remove(DENSE)?)))
            .collect();
        let stored_for = |id: Option<&PointId>| id.and_then(|id| stored.get(id));
        let mut wanted: Vec<String> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (id, text) in known.iter().zip(texts) {
            if stored_for(*id).is_none() && !places.contains_key(text.as_str()) {
                places.insert(text, wanted.len());
                wanted.push(text.clone());
            }
        }
        let embedded = wanted.len() as u64;
        let (embedder, stop) = (self.embedder.clone(), cancel.clone());
        let new = blocking(move || {
            embedder.embed_with(&wanted, &|_| {
                if stop.is_cancelled() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
        })
        .await??
        .ok_or_else(|| IngestError::Stopped("cancelled".to_owned()))?;
        let all = known.iter().zip(texts).map(|(id, text)| {
            let fresh = places.get(text.as_str()).and_then(|place| new.get(*place));
            stored_for(*id).or(fresh).cloned().unwrap_or_default()
        });
        Ok(Vectors {
            all: all.collect(),
            embedded,
        })
    }
}

pub(super) fn embedded_digest(text: &str) -> String {
    collection::digest(&[text.as_bytes()])
}
