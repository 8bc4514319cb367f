//! The tools that read: search and read.

use std::collections::{BTreeMap, HashMap};

use ropewalk_mcp_kit::{Citation, Cursors, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::filters::FilterArgument;
use super::{VectorServer, failed};
use crate::collection::{field, is};
use crate::filter::Filter;
use crate::passage::{self, Around};
use crate::search::{self, Found, Fusion, Mode, SearchSettings};
use crate::store::{Fields, Point, PointId};

/// Most results of one search.
const MAX_LIMIT: usize = 50;
/// Furthest a search goes, in results: who has read so many wants another question.
const MAX_START: usize = 500;
/// Tokens that the texts of one search may have when the caller sets no bound: a share of a small
/// context window.
const MAX_TOKENS: usize = 10_000;
/// Bytes of English text that make about one token.
const BYTES_PER_TOKEN: usize = 4;
/// Most characters of text that one call returns around a passage.
const MAX_CHARS: usize = 20_000;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct SearchArguments {
    /// A question, or words.
    query: String,
    collection: Option<String>,
    /// 8 if left out.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<usize>,
    max_tokens: Option<usize>,
    filter: Option<Vec<FilterArgument>>,
    mode: Option<ModeArgument>,
    /// Text around each passage.
    include: Option<Include>,
    /// Above 0 spreads results.
    #[schemars(range(min = 0.0, max = 1.0))]
    diversity: Option<f32>,
    fusion: Option<FusionArgument>,
    /// 0.8; for rrf 1.
    lexical_weight: Option<f32>,
    /// For score: 0.2.
    coverage_weight: Option<f32>,
    k: Option<f32>,
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ModeArgument {
    Hybrid,
    Dense,
    Lexical,
}

impl From<ModeArgument> for Mode {
    fn from(argument: ModeArgument) -> Self {
        match argument {
            ModeArgument::Hybrid => Self::Hybrid,
            ModeArgument::Dense => Self::Dense,
            ModeArgument::Lexical => Self::Lexical,
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Include {
    Neighbours,
    Parent,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FusionArgument {
    Score,
    Rrf,
}

impl SearchArguments {
    fn fusion(&self) -> Fusion {
        match self.fusion.unwrap_or(FusionArgument::Score) {
            FusionArgument::Rrf => Fusion::Rrf {
                k: self.k.unwrap_or(10.0).max(0.0),
                lexical: self.lexical_weight.unwrap_or(1.0),
            },
            FusionArgument::Score => Fusion::Score {
                lexical: self.lexical_weight.unwrap_or(0.8),
                coverage: self.coverage_weight.unwrap_or(0.2),
            },
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SearchResult {
    /// Collection that was searched.
    collection: String,
    /// Passages, best first.
    hits: Vec<Hit>,
    /// Cursor for the passages after these.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Hit {
    /// The passage; cite it as [id].
    citation: Citation,
    /// What it was ranked by.
    #[schemars(with = "BTreeMap<String, f32>")]
    scores: Scores,
    /// The neighbours or the parent, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    /// Other documents that hold the same text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also_in: Vec<String>,
    /// What the document says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Serialize)]
struct Scores {
    /// Fused score the passages are ordered by.
    fused: f32,
    /// Likeness of meaning.
    #[serde(skip_serializing_if = "Option::is_none")]
    dense: Option<f32>,
    /// BM25 over the most the query could score.
    #[serde(skip_serializing_if = "Option::is_none")]
    lexical: Option<f32>,
    /// Share of the query's information in the passage.
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<f32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ReadArguments {
    /// A citation's.
    id: Option<String>,
    source: Option<String>,
    what: Option<What>,
    collection: Option<String>,
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum What {
    Passage,
    Neighbours,
    Parent,
    Document,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ReadResult {
    /// Path or name of the document.
    source: String,
    /// Its title.
    title: String,
    /// The text that was asked for.
    text: String,
    /// Cursor for the text after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// The passages the text consists of, each with its id.
    citations: Vec<Citation>,
}

impl VectorServer {
    pub(super) async fn search(
        &self,
        arguments: SearchArguments,
    ) -> Result<SearchResult, ToolError> {
        let query = arguments.query.trim().to_owned();
        if query.is_empty() {
            return Err(ToolError::new("the query is empty", "say what to look for"));
        }
        let cursors = Cursors::about(&json!(SearchArguments {
            cursor: None,
            ..arguments.clone()
        }));
        let start = cursors.start(arguments.cursor.as_deref())?.min(MAX_START);
        let fusion = arguments.fusion();
        let collection = self.named(arguments.collection);
        let filter = self.filter(&collection, arguments.filter).await?;
        let limit = arguments.limit.unwrap_or(8).clamp(1, MAX_LIMIT);
        let wanted = start.saturating_add(limit);
        let settings = SearchSettings {
            // Equal texts are shown once, so a few more are asked for; and one, to know of more.
            limit: wanted.saturating_add(wanted / 2).saturating_add(2),
            mode: arguments.mode.map(Mode::from).unwrap_or_default(),
            fusion,
            filter,
            diversity: arguments.diversity.filter(|diversity| *diversity > 0.0),
            ..SearchSettings::default()
        };
        let embedding = self.embed(query.clone()).await?;
        let found = search::search(&*self.store, &collection, &query, &embedding, &settings);
        let found = found.await.map_err(failed)?;
        let budget = arguments.max_tokens.unwrap_or(MAX_TOKENS);
        let mut room = budget.saturating_mul(BYTES_PER_TOKEN);
        let mut hits: Vec<Hit> = Vec::new();
        let mut next_cursor = None;
        // Which text each hit has, from the first of all, also those of earlier pages.
        let mut texts: HashMap<String, usize> = HashMap::new();
        let mut number = 0;
        for found in found {
            let digest = found
                .point
                .payload
                .get(field::DIGEST)
                .and_then(Value::as_str);
            if let Some(shown) = digest.and_then(|digest| texts.get(digest)) {
                let source = passage::source(&found.point);
                let hit = shown
                    .checked_sub(start)
                    .and_then(|shown| hits.get_mut(shown));
                if let Some(hit) = hit
                    && source != hit.citation.source
                    && !hit.also_in.contains(&source)
                {
                    hit.also_in.push(source);
                }
                continue;
            }
            if number >= start {
                let next = if hits.len() < limit {
                    let context = self
                        .context(&collection, &found.point, arguments.include)
                        .await?;
                    Some(hit(&found, context))
                } else {
                    None
                };
                // The best passage comes however long it is: nothing at all would help nobody.
                match next.filter(|next| next.bytes() <= room || hits.is_empty()) {
                    Some(next) => {
                        room = room.saturating_sub(next.bytes());
                        hits.push(next);
                    }
                    None => {
                        next_cursor = Some(cursors.at(number));
                        break;
                    }
                }
            }
            if let Some(digest) = digest {
                texts.insert(digest.to_owned(), number);
            }
            number = number.saturating_add(1);
        }
        Ok(SearchResult {
            collection,
            hits,
            next_cursor,
        })
    }

    async fn context(
        &self,
        collection: &str,
        point: &Point,
        include: Option<Include>,
    ) -> Result<Option<String>, ToolError> {
        let how = match include {
            None => return Ok(None),
            Some(Include::Neighbours) => Around::Neighbours,
            Some(Include::Parent) => Around::Parent,
        };
        let points = passage::around(&*self.store, collection, point, how)
            .await
            .map_err(failed)?;
        Ok((!points.is_empty()).then(|| passage::joined(&points)))
    }

    pub(super) async fn read(&self, arguments: ReadArguments) -> Result<ReadResult, ToolError> {
        let collection = self.named(arguments.collection);
        let about = json!([collection, arguments.id, arguments.source, arguments.what]);
        let cursors = Cursors::about(&about);
        let (point, default) = match (&arguments.id, &arguments.source) {
            (Some(id), None) => (self.by_citation(&collection, id).await?, What::Parent),
            (None, Some(source)) => (self.by_source(&collection, source).await?, What::Document),
            _ => {
                return Err(ToolError::new(
                    "give either `id` or `source`",
                    "not both, not none",
                ));
            }
        };
        let around = match arguments.what.unwrap_or(default) {
            What::Passage => None,
            What::Neighbours => Some(Around::Neighbours),
            What::Parent => Some(Around::Parent),
            What::Document => Some(Around::Document),
        };
        let points = match around {
            None => vec![point.clone()],
            Some(how) => {
                let found = passage::around(&*self.store, &collection, &point, how).await;
                let found = found.map_err(failed)?;
                if found.is_empty() {
                    vec![point.clone()]
                } else {
                    found
                }
            }
        };
        let whole = passage::joined(&points);
        let start = cursors.start(arguments.cursor.as_deref())?;
        let text: String = whole.chars().skip(start).take(MAX_CHARS).collect();
        let end = start.saturating_add(text.chars().count());
        let next_cursor = (end < whole.chars().count()).then(|| cursors.at(end));
        let shown = |citation: &Citation| text.contains(citation.quote.trim());
        let mut citations: Vec<Citation> = points
            .iter()
            .map(|point| passage::citation(point, 0.0))
            .collect();
        if whole.chars().count() > MAX_CHARS {
            citations.retain(shown);
        }
        Ok(ReadResult {
            source: passage::source(&point),
            title: passage::title_path(&point),
            text,
            next_cursor,
            citations,
        })
    }

    async fn by_citation(&self, collection: &str, id: &str) -> Result<Point, ToolError> {
        let fields = Fields {
            payload: None,
            vectors: false,
        };
        let cited = Filter {
            all: vec![is(field::CITE, id)],
        };
        let page = self
            .store
            .scroll(collection, &cited, &fields, None, 1)
            .await
            .map_err(failed)?;
        if let Some(point) = page.points.into_iter().next() {
            return Ok(point);
        }
        // Points of other programs are cited by their number.
        let number = id.strip_prefix('p').and_then(|number| number.parse().ok());
        if let Some(number) = number {
            let ids = [PointId::Number(number)];
            let points = self
                .store
                .fetch(collection, &ids, &fields)
                .await
                .map_err(failed)?;
            if let Some(point) = points.into_iter().next() {
                return Ok(point);
            }
        }
        Err(ToolError::new(
            format!("no passage `{id}` in `{collection}`"),
            "use an id from a search result of the same collection",
        ))
    }

    async fn by_source(&self, collection: &str, source: &str) -> Result<Point, ToolError> {
        let fields = Fields {
            payload: None,
            vectors: false,
        };
        let first = Filter {
            all: vec![is(field::SOURCE, source), is(field::CHUNK, 0)],
        };
        let page = self
            .store
            .scroll(collection, &first, &fields, None, 1)
            .await
            .map_err(failed)?;
        page.points.into_iter().next().ok_or_else(|| {
            ToolError::new(
                format!("no document `{source}` in `{collection}`"),
                "use the `source` of a citation, or list documents with the collections tool",
            )
        })
    }

    async fn embed(&self, text: String) -> Result<Vec<f32>, ToolError> {
        let embedder = self.embedder.clone();
        let embedded = tokio::task::spawn_blocking(move || embedder.embed(&[text])).await;
        let vectors = embedded.map_err(failed)?.map_err(failed)?;
        Ok(vectors.into_iter().next().unwrap_or_default())
    }
}

impl Hit {
    /// Size of its texts.
    fn bytes(&self) -> usize {
        self.citation.quote.len() + self.context.as_ref().map_or(0, String::len)
    }
}

fn hit(found: &Found, context: Option<String>) -> Hit {
    let metadata = found.point.payload.get(field::META);
    let metadata = metadata.and_then(Value::as_object).cloned();
    Hit {
        citation: passage::citation(&found.point, found.dense.unwrap_or_default()),
        scores: Scores {
            fused: found.score,
            dense: found.dense,
            lexical: found.lexical,
            coverage: found.coverage,
        },
        context,
        also_in: Vec::new(),
        metadata,
    }
}
