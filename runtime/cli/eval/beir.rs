//! A BEIR-format folder: `corpus.jsonl`, `queries.jsonl`, and `qrels.tsv` (or `qrels/test.tsv`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use serde_json::Value;

/// Relevant documents of a query, and how relevant.
pub(crate) type Relevant = HashMap<String, f64>;

/// Documents and judged queries.
pub(crate) struct Dataset {
    pub(crate) documents: Vec<Document>,
    pub(crate) queries: Vec<Query>,
}

#[derive(Deserialize)]
pub(crate) struct Document {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) text: String,
    /// Of a tool.
    #[serde(default, rename = "inputSchema")]
    pub(crate) input_schema: Value,
}

impl Document {
    /// Title and text, as the published baselines embed them.
    pub(crate) fn embedded(&self) -> String {
        if self.title.is_empty() {
            self.text.clone()
        } else {
            format!("{}\n{}", self.title, self.text)
        }
    }
}

#[derive(Deserialize)]
struct RawQuery {
    #[serde(rename = "_id")]
    id: String,
    text: String,
}

pub(crate) struct Query {
    pub(crate) text: String,
    pub(crate) relevant: Relevant,
}

/// Reads the folder; queries without a judgement are left out.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Dataset> {
    if !folder.is_dir() {
        bail!("{}: there is no such folder", folder.display());
    }
    let documents: Vec<Document> = lines(&folder.join("corpus.jsonl"))?;
    let queries: Vec<RawQuery> = lines(&folder.join("queries.jsonl"))?;
    let mut judged = judgements(folder)?;
    let ids: HashSet<&str> = documents
        .iter()
        .map(|document| document.id.as_str())
        .collect();
    let unknown = judged.values().flat_map(|relevant| relevant.keys());
    if let Some(unknown) = unknown.into_iter().find(|id| !ids.contains(id.as_str())) {
        bail!(
            "{}: judges the document `{unknown}`, which is not in the corpus",
            folder.display()
        );
    }
    let queries: Vec<Query> = queries
        .into_iter()
        .filter_map(|query| {
            let relevant = judged.remove(&query.id)?;
            Some(Query {
                text: query.text,
                relevant,
            })
        })
        .collect();
    if documents.is_empty() || queries.is_empty() {
        bail!(
            "{}: needs at least one document and one judged query",
            folder.display()
        );
    }
    Ok(Dataset { documents, queries })
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: cannot be read", path.display()))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            serde_json::from_str(line)
                .map_err(|error| anyhow!("{}: line {}: {error}", path.display(), number + 1))
        })
        .collect()
}

fn judgements(folder: &Path) -> anyhow::Result<BTreeMap<String, Relevant>> {
    let places = ["qrels.tsv", "qrels/test.tsv"].map(|name| folder.join(name));
    let path: &PathBuf = places
        .iter()
        .find(|path| path.is_file())
        .ok_or_else(|| anyhow!("{}: holds no qrels.tsv", folder.display()))?;
    let text = std::fs::read_to_string(path)?;
    let mut judged: BTreeMap<String, Relevant> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [query, document, score] = columns.as_slice() else {
            bail!(
                "{}: line {}: needs three columns",
                path.display(),
                number + 1
            );
        };
        match score.parse::<f64>() {
            Ok(score) if score > 0.0 => {
                let relevant = judged.entry((*query).to_owned()).or_default();
                relevant.insert((*document).to_owned(), score);
            }
            Ok(_) => {}
            // The header.
            Err(_) if number == 0 => {}
            Err(_) => bail!(
                "{}: line {}: `{score}` is no score",
                path.display(),
                number + 1
            ),
        }
    }
    Ok(judged)
}
