//! Bringing a collection to rest: BM25 weights by the true average length, indexes built.

use ropewalk_documents::chunk;
use serde_json::{Map, Value, json};

use super::Ingestor;
use crate::bm25;
use crate::collection::field;
use crate::filter::Filter;
use crate::search::SPARSE;
use crate::store::{Fields, Point, PointId, StoreError};

/// Share by which the average length may have moved before a collection is weighed anew.
const AVERAGE_DRIFT: f64 = 0.05;

/// Share from which weights are then replaced. It is the smaller one, so that the error of a
/// sample's average does not have a collection weighed again and again.
const KEPT_DRIFT: f64 = 0.02;

/// Points that tell whether a collection is at rest. Ids are digests, so the first points are a
/// random sample, whose average is within a few percent of the true one.
const SAMPLE: usize = 2048;

impl Ingestor {
    /// Whether weights were computed with an average far from the true one, as after an ingestion
    /// that ended before it brought the collection to rest.
    pub(super) async fn unsettled(&self, name: &str) -> Result<bool, StoreError> {
        let sample = self.page(name, None).await?;
        Ok(sample.stale(sample.lengths.average()))
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
    ///
    /// The weights are left alone where the sample says that the average has hardly moved, so that
    /// one more text costs one page, whatever the size of the collection.
    pub(super) async fn settle(&self, name: &str) -> Result<(), StoreError> {
        let sample = self.page(name, None).await?;
        if sample.stale(sample.lengths.average()) {
            self.weigh_anew(name, sample).await?;
        }
        self.store.optimize(name).await
    }

    /// Computes stale weights anew, a page at a time. The sample comes last: a sample that is not
    /// stale then stands for a collection that is not, whenever this was interrupted.
    async fn weigh_anew(&self, name: &str, sample: Lengths) -> Result<(), StoreError> {
        let (mut lengths, mut after) = (sample.lengths, sample.next.clone());
        while let Some(from) = after {
            let page = self.page(name, Some(from)).await?;
            lengths.add(page.lengths);
            after = page.next;
        }
        let average = lengths.average();
        after = sample.next.clone();
        while let Some(from) = after {
            let page = self.page(name, Some(from)).await?;
            self.weigh_page(name, &page, average).await?;
            after = page.next;
        }
        self.weigh_page(name, &sample, average).await
    }

    async fn weigh_page(&self, name: &str, page: &Lengths, average: f64) -> Result<(), StoreError> {
        let far = |used: f64| drift(used, average) > KEPT_DRIFT;
        let stale = page.used.iter().filter(|(_, used)| far(*used));
        let ids: Vec<PointId> = stale.map(|(id, _)| id.clone()).collect();
        for batch in ids.chunks(256) {
            let fields = Fields {
                payload: None,
                vectors: true,
            };
            let mut points = self.store.fetch(name, batch, &fields).await?;
            for point in &mut points {
                let text = embedded_text(&point.payload);
                let weights = bm25::analyse(&text).document(average as f32);
                point.sparse.insert(SPARSE.to_owned(), weights);
                point
                    .payload
                    .insert(field::AVERAGE.to_owned(), json!(average as f32));
            }
            self.store.upsert(name, points).await?;
        }
        Ok(())
    }

    async fn page(&self, name: &str, after: Option<PointId>) -> Result<Lengths, StoreError> {
        let fields = Fields {
            payload: Some(vec![field::TERMS.to_owned(), field::AVERAGE.to_owned()]),
            vectors: false,
        };
        let page = self
            .store
            .scroll(name, &Filter::default(), &fields, after, SAMPLE)
            .await?;
        let number = |point: &Point, name: &str| {
            let value = point.payload.get(name).and_then(Value::as_f64);
            value.unwrap_or_default()
        };
        let terms = page.points.iter().map(|point| number(point, field::TERMS));
        Ok(Lengths {
            lengths: Total {
                terms: terms.sum(),
                chunks: page.points.len(),
            },
            next: page.next,
            used: page
                .points
                .into_iter()
                .map(|point| {
                    let used = number(&point, field::AVERAGE);
                    (point.id, used)
                })
                .collect(),
        })
    }
}

/// The lengths of one page of chunks.
struct Lengths {
    lengths: Total,
    /// The average each one's weights were computed with.
    used: Vec<(PointId, f64)>,
    next: Option<PointId>,
}

impl Lengths {
    fn stale(&self, average: f64) -> bool {
        let far = |used: f64| drift(used, average) > AVERAGE_DRIFT;
        self.used.iter().any(|(_, used)| far(*used))
    }
}

#[derive(Clone, Copy)]
struct Total {
    terms: f64,
    chunks: usize,
}

impl Total {
    fn add(&mut self, other: Self) {
        self.terms += other.terms;
        self.chunks += other.chunks;
    }

    fn average(self) -> f64 {
        self.terms / self.chunks.max(1) as f64
    }
}

fn drift(used: f64, average: f64) -> f64 {
    (used - average).abs() / average.max(f64::MIN_POSITIVE)
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
