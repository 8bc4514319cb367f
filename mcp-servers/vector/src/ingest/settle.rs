//! Bringing a collection to rest: BM25 weights by the true average length, indexes built.

use serde_json::{Map, Value, json};

use super::Ingestor;
use crate::bm25;
use crate::chunk;
use crate::collection::{self, field};
use crate::filter::Filter;
use crate::search::SPARSE;
use crate::store::{Fields, Point, PointId, StoreError};

/// Share by which the average length may have moved before stored weights are computed anew.
const AVERAGE_DRIFT: f32 = 0.05;

/// Points that tell whether a collection is at rest. Ids are digests, so the first points are a
/// random sample, whose average is within a few percent of the true one.
const SAMPLE: usize = 512;

impl Ingestor {
    /// Whether weights were computed with an average far from the true one, as after an ingestion
    /// that ended before it brought the collection to rest.
    pub(super) async fn unsettled(&self, name: &str) -> Result<bool, StoreError> {
        let fields = Fields {
            payload: Some(vec![field::TERMS.to_owned(), field::AVERAGE.to_owned()]),
            vectors: false,
        };
        let everything = Filter::default();
        let page = self
            .store
            .scroll(name, &everything, &fields, None, SAMPLE)
            .await?;
        let number = |point: &Point, name: &str| point.payload.get(name)?.as_f64();
        let terms = page
            .points
            .iter()
            .filter_map(|point| number(point, field::TERMS));
        let average = terms.sum::<f64>() / page.points.len().max(1) as f64;
        let far = 3.0 * f64::from(AVERAGE_DRIFT) * average;
        let used = |point: &Point| number(point, field::AVERAGE);
        Ok(page
            .points
            .iter()
            .filter_map(used)
            .any(|used| (used - average).abs() > far))
    }

    /// The average length to weigh new chunks with: the collection's, or the batch's own while
    /// there is none. [`Self::settle`] corrects it in the end.
    pub(super) async fn average(
        &self,
        name: &str,
        batch: &[bm25::Terms],
    ) -> Result<f32, StoreError> {
        let fields = Fields {
            payload: Some(vec![field::AVERAGE.to_owned()]),
            vectors: false,
        };
        let page = self
            .store
            .scroll(name, &Filter::default(), &fields, None, 1)
            .await?;
        let stored = page
            .points
            .first()
            .and_then(|point| point.payload.get(field::AVERAGE)?.as_f64());
        let total: usize = batch.iter().map(bm25::Terms::len).sum();
        Ok(
            stored.map_or(total as f32 / batch.len().max(1) as f32, |average| {
                average as f32
            }),
        )
    }

    /// Brings the collection to rest: BM25 weights by the true average length, indexes built.
    pub(super) async fn settle(&self, name: &str) -> Result<(), StoreError> {
        let (mut terms, mut chunks) = (0_u64, 0_u64);
        let mut used: Vec<(PointId, f32)> = Vec::new();
        let everything = Filter::default();
        collection::walk(
            &*self.store,
            name,
            &everything,
            &[field::TERMS, field::AVERAGE],
            |point| {
                terms += point
                    .payload
                    .get(field::TERMS)
                    .and_then(Value::as_u64)
                    .unwrap_or_default();
                chunks += 1;
                let average = point.payload.get(field::AVERAGE).and_then(Value::as_f64);
                used.push((point.id, average.unwrap_or_default() as f32));
            },
        )
        .await?;
        if chunks == 0 {
            return Ok(());
        }
        let average = terms as f32 / chunks as f32;
        let stale = |used: f32| (used - average).abs() > AVERAGE_DRIFT * average;
        let ids: Vec<PointId> = used
            .into_iter()
            .filter(|(_, used)| stale(*used))
            .map(|(id, _)| id)
            .collect();
        for batch in ids.chunks(256) {
            let fields = Fields {
                payload: None,
                vectors: true,
            };
            let mut points = self.store.fetch(name, batch, &fields).await?;
            for point in &mut points {
                let text = embedded_text(&point.payload);
                let weights = bm25::analyse(&text).document(average);
                point.sparse.insert(SPARSE.to_owned(), weights);
                point
                    .payload
                    .insert(field::AVERAGE.to_owned(), json!(average));
            }
            self.store.upsert(name, points).await?;
        }
        self.store.optimize(name).await
    }
}

/// What was embedded for a stored chunk, put together again from its payload.
fn embedded_text(payload: &Map<String, Value>) -> String {
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    let headings: Vec<String> = payload
        .get(field::HEADINGS)
        .and_then(Value::as_array)
        .map(|all| {
            all.iter()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect()
        })
        .unwrap_or_default();
    chunk::contextual_text(
        text(field::TITLE).unwrap_or_default(),
        text(field::DATE),
        &headings,
        text(field::TEXT).unwrap_or_default(),
    )
}
