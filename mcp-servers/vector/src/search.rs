//! Hybrid search: candidates from two legs, every candidate scored by both, one order.
//!
//! The legs are the dense index (cosine of embeddings) and the sparse one (BM25 over words and
//! word pairs). The union of their best is read with its vectors, so that both scores of every
//! candidate are exact, and fused:
//!
//! `cosine + lexical * BM25 / upper bound of the query + coverage * share of its information`
//!
//! Dividing by the query's own upper bound makes BM25 comparable between queries without looking
//! at the other candidates: a query whose words the corpus barely holds leans on meaning by itself.
//! Reciprocal rank fusion (Cormack et al., 2009) is there to choose instead.

mod diversity;

use std::collections::{BTreeMap, HashMap};

use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bm25::{self, QueryScale, Terms};
use crate::filter::Filter;
use crate::store::{
    CollectionShape, Fields, Point, PointId, Query, Selection, SparseVector, StoreError,
    VectorStore,
};

/// Which legs a search uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Both.
    #[default]
    Hybrid,
    /// Meaning only.
    Dense,
    /// Words only.
    Lexical,
}

/// How the legs are brought together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Fusion {
    /// Sum of normalised scores.
    Score {
        /// Weight of BM25 beside a cosine of weight 1.
        lexical: f32,
        /// Weight of the share of the query's information a passage holds.
        coverage: f32,
    },
    /// Reciprocal ranks.
    Rrf {
        /// Added to every rank; small values favour the very first.
        k: f32,
        /// Weight of the words' ranks beside a weight of 1 for the meaning's.
        lexical: f32,
    },
}

impl Default for Fusion {
    /// Measured on five public sets; see `docs/vector-server.md`.
    fn default() -> Self {
        Fusion::Score {
            lexical: 0.8,
            coverage: 0.2,
        }
    }
}

/// One search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSettings {
    /// Results wanted.
    pub limit: usize,
    /// Which legs.
    pub mode: Mode,
    /// How they are fused.
    pub fusion: Fusion,
    /// Candidates taken from each leg.
    pub candidates: usize,
    /// Conditions on metadata; applied within the index, before anything is ranked.
    pub filter: Filter,
    /// Between 0 and 1: how much results are kept apart from each other; `None` ranks only.
    pub diversity: Option<f32>,
    /// Compare with every point instead of walking the index.
    pub exact: bool,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            limit: 8,
            mode: Mode::default(),
            fusion: Fusion::default(),
            candidates: 50,
            filter: Filter::default(),
            diversity: None,
            exact: false,
        }
    }
}

/// A passage that was found, with the scores that put it where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The stored point, vectors included.
    pub point: Point,
    /// What it is ranked by.
    pub score: f32,
    /// Cosine with the query (or whatever the collection compares by).
    pub dense: Option<f32>,
    /// BM25 over its upper bound for this query.
    pub lexical: Option<f32>,
    /// Share of the query's information it holds.
    pub coverage: Option<f32>,
}

/// The vectors of a collection that searches use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legs {
    /// Dense vector of the embedding model's size.
    pub dense: String,
    /// Our own BM25 vector, where the collection has it.
    pub sparse: Option<String>,
}

/// Name of the dense vector in collections of our own.
pub const DENSE: &str = "dense";
/// Name of the sparse vector in collections of our own. Only a vector of this name is known to
/// hold our terms; others' sparse vectors come from models unknown here.
pub const SPARSE: &str = "ropewalk-bm25";

impl Legs {
    /// Finds them in a collection of whatever origin.
    ///
    /// # Errors
    /// [`StoreError::SizeMismatch`] when no dense vector has the model's size.
    pub fn of(
        collection: &str,
        shape: &CollectionShape,
        dimensions: usize,
    ) -> Result<Self, StoreError> {
        let sparse = shape.sparse.contains_key(SPARSE).then(|| SPARSE.to_owned());
        let fits = |(_, spec): &(&String, &crate::store::DenseSpec)| spec.size == dimensions as u64;
        let named = shape.dense.get_key_value(DENSE).filter(fits);
        let dense = named.or_else(|| shape.dense.iter().find(fits));
        match (dense, shape.dense.iter().next()) {
            (Some((name, _)), _) => Ok(Self {
                dense: name.clone(),
                sparse,
            }),
            (None, Some((name, spec))) => Err(StoreError::SizeMismatch {
                collection: collection.to_owned(),
                vector: name.clone(),
                expected: spec.size,
                found: dimensions as u64,
            }),
            (None, None) => Err(StoreError::NoVector {
                collection: collection.to_owned(),
                vector: DENSE.to_owned(),
                known: Vec::new(),
            }),
        }
    }
}

/// Searches one collection.
///
/// # Errors
/// Those of the store.
pub async fn search(
    store: &dyn VectorStore,
    collection: &str,
    query: &str,
    embedding: &[f32],
    settings: &SearchSettings,
) -> Result<Vec<Found>, StoreError> {
    let shape = store.shape(collection).await?;
    let legs = Legs::of(collection, &shape, embedding.len())?;
    let terms = bm25::analyse(query);
    let lexical = legs.sparse.as_deref().filter(|_| !terms.is_empty());
    let mode = if lexical.is_none() {
        Mode::Dense
    } else {
        settings.mode
    };
    let within = Selection::Matching(settings.filter.clone());
    let width = settings.candidates.max(settings.limit);

    let dense_query = Query::Dense {
        vector: legs.dense.clone(),
        values: embedding.to_vec(),
        exact: settings.exact,
    };
    let dense = async {
        if mode == Mode::Lexical {
            return Ok(Vec::new());
        }
        store.search(collection, &dense_query, &within, width).await
    };
    let sparse = async {
        let (Some(vector), false) = (lexical, mode == Mode::Dense) else {
            return Ok(Vec::new());
        };
        let query = Query::Sparse {
            vector: vector.to_owned(),
            values: terms.query(),
        };
        store.search(collection, &query, &within, width).await
    };
    let (dense, sparse) = futures::try_join!(dense, sparse)?;

    let mut ranks: HashMap<PointId, (Option<usize>, Option<usize>)> = HashMap::new();
    for (rank, hit) in dense.iter().enumerate() {
        ranks.entry(hit.id.clone()).or_default().0 = Some(rank);
    }
    for (rank, hit) in sparse.iter().enumerate() {
        ranks.entry(hit.id.clone()).or_default().1 = Some(rank);
    }
    let mut ids: Vec<PointId> = ranks.keys().cloned().collect();
    ids.sort();
    let everything = Fields {
        payload: None,
        vectors: true,
    };
    let points = store.fetch(collection, &ids, &everything).await?;
    let scale = match lexical {
        Some(vector) => Some(scale(store, collection, vector, &terms).await?),
        None => None,
    };

    let direct: HashMap<&PointId, f32> = dense.iter().map(|hit| (&hit.id, hit.score)).collect();
    let query_vector = terms.query();
    let mut found: Vec<Found> = points
        .into_iter()
        .map(|point| {
            let cosine = direct.get(&point.id).copied().or_else(|| {
                let values = point.dense.get(&legs.dense)?;
                Some(ropewalk_embed::cosine(values, embedding))
            });
            let document = lexical.and_then(|vector| point.sparse.get(vector));
            let (words, coverage) = match (&scale, document) {
                (Some(scale), Some(document)) => (
                    Some(scale.lexical(&query_vector, document)),
                    Some(scale.query.coverage(document)),
                ),
                _ => (None, None),
            };
            let (dense_rank, sparse_rank) = ranks.get(&point.id).copied().unwrap_or_default();
            let score = match (mode, settings.fusion) {
                (Mode::Dense, _) => cosine.unwrap_or_default(),
                (Mode::Lexical, _) => words.unwrap_or_default(),
                (
                    Mode::Hybrid,
                    Fusion::Score {
                        lexical,
                        coverage: weight,
                    },
                ) => {
                    cosine.unwrap_or_default()
                        + lexical * words.unwrap_or_default()
                        + weight * coverage.unwrap_or_default()
                }
                (Mode::Hybrid, Fusion::Rrf { k, lexical }) => {
                    let part = |rank: Option<usize>| {
                        rank.map_or(0.0, |rank| 1.0 / (k + rank as f32 + 1.0))
                    };
                    part(dense_rank) + lexical * part(sparse_rank)
                }
            };
            Found {
                point,
                score,
                dense: cosine,
                lexical: words,
                coverage,
            }
        })
        .collect();
    // Equal scores keep the order of ids, so that a search gives the same result every time.
    found.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.point.id.cmp(&b.point.id))
    });
    Ok(match settings.diversity {
        Some(diversity) => diversity::diversified(found, &legs.dense, diversity, settings.limit),
        None => {
            found.truncate(settings.limit);
            found
        }
    })
}

/// What the corpus says about a query's words and pairs.
struct CorpusScale {
    query: QueryScale,
    /// Inverse document frequency of every word and pair of the query that occurs.
    idf: BTreeMap<u32, f32>,
}

impl CorpusScale {
    /// BM25 of a document over its upper bound. A rare pair can carry it a little above 1.
    fn lexical(&self, query: &SparseVector, document: &SparseVector) -> f32 {
        if self.query.upper <= 0.0 {
            return 0.0;
        }
        let mut score = 0.0;
        for (id, weight) in query.indices.iter().zip(&query.values) {
            if let Ok(at) = document.indices.binary_search(id) {
                let idf = self.idf.get(id).copied().unwrap_or_default();
                score += weight * idf * document.values.get(at).copied().unwrap_or_default();
            }
        }
        score / self.query.upper
    }
}

/// Learns the inverse document frequency of each term from the store itself: the best match of a
/// one-term query scores that frequency times the term's stored weight. No second index of
/// statistics can then disagree with the first.
async fn scale(
    store: &dyn VectorStore,
    collection: &str,
    vector: &str,
    terms: &Terms,
) -> Result<CorpusScale, StoreError> {
    let documents = store.count(collection, &Filter::default()).await?;
    let probes = terms.query().indices.into_iter().map(|term| async move {
        let values = SparseVector {
            indices: vec![term],
            values: vec![1.0],
        };
        let query = Query::Sparse {
            vector: vector.to_owned(),
            values,
        };
        let everywhere = Selection::Matching(Filter::default());
        let best = store.search(collection, &query, &everywhere, 1).await?;
        Ok::<_, StoreError>(best.into_iter().next().map(|best| (term, best)))
    });
    let best: Vec<_> = try_join_all(probes).await?.into_iter().flatten().collect();
    let ids: Vec<PointId> = best.iter().map(|(_, best)| best.id.clone()).collect();
    let fields = Fields {
        payload: Some(Vec::new()),
        vectors: true,
    };
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    let points: HashMap<PointId, Point> = store
        .fetch(collection, &distinct, &fields)
        .await?
        .into_iter()
        .map(|point| (point.id.clone(), point))
        .collect();
    let mut idf = BTreeMap::new();
    for (term, best) in best {
        let stored = points
            .get(&best.id)
            .and_then(|point| point.sparse.get(vector));
        let weight = stored.and_then(|stored| {
            let at = stored.indices.binary_search(&term).ok()?;
            stored.values.get(at).copied()
        });
        if let Some(weight) = weight.filter(|weight| *weight > 0.0) {
            idf.insert(term, best.score / weight);
        }
    }
    Ok(CorpusScale {
        query: QueryScale::new(terms, documents, &idf),
        idf,
    })
}
