//! What Ropewalk keeps in a collection: the fields of a stored chunk, and the documents they make.
//!
//! There is no second record of what was ingested. A document is in the collection when its first
//! chunk is, and that chunk is always written last: so a crash leaves either the whole document,
//! or one that the next ingestion sees as unfinished and writes again.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::filter::{Condition, Filter};
use crate::search::{DENSE, SPARSE};
use crate::store::{
    CollectionShape, DenseSpec, Distance, FieldKind, Fields, Point, PointId, SparseSpec,
    StoreError, VectorStore,
};

/// Payload fields of a chunk.
pub mod field {
    /// Id of the document.
    pub const DOC: &str = "doc";
    /// Path or name the document came from.
    pub const SOURCE: &str = "source";
    /// Folder or file that was given to the ingestion that read it.
    pub const ROOT: &str = "root";
    /// Digest of the document's bytes and of how it was cut.
    pub const VERSION: &str = "version";
    /// The document's title.
    pub const TITLE: &str = "title";
    /// Its date, `YYYY-MM-DD`.
    pub const DATE: &str = "date";
    /// Its format.
    pub const FORMAT: &str = "format";
    /// Headings above the chunk, a list.
    pub const HEADINGS: &str = "headings";
    /// The chunk's text.
    pub const TEXT: &str = "text";
    /// Byte offset of its start in the extracted text.
    pub const START: &str = "start";
    /// Byte offset of its end.
    pub const END: &str = "end";
    /// Position of the chunk in the document.
    pub const CHUNK: &str = "chunk";
    /// Bytes at the start of the text that repeat the chunk before.
    pub const OVERLAP: &str = "overlap";
    /// Number of its parent in the document.
    pub const PARENT: &str = "parent";
    /// Digest of its text, equal for equal texts.
    pub const DIGEST: &str = "digest";
    /// Id under which the chunk is cited.
    pub const CITE: &str = "cite";
    /// Digest of what was embedded: title, headings, date and text.
    pub const EMBEDDED: &str = "embedded";
    /// BM25 terms of its embedded text.
    pub const TERMS: &str = "terms";
    /// Average number of terms its weights were computed with.
    pub const AVERAGE: &str = "average";
    /// How many chunks the document has; on its first chunk only.
    pub const CHUNKS: &str = "chunks";
    /// Front matter and the like.
    pub const META: &str = "meta";
}

/// The shape of a collection of our own.
pub fn shape(dimensions: usize) -> CollectionShape {
    let dense = DenseSpec {
        size: dimensions as u64,
        distance: Distance::Cosine,
    };
    let keyword = [
        field::DOC,
        field::SOURCE,
        field::ROOT,
        field::VERSION,
        field::FORMAT,
        field::CITE,
    ];
    let mut indexed: BTreeMap<String, FieldKind> = keyword
        .iter()
        .map(|name| ((*name).to_owned(), FieldKind::Keyword))
        .collect();
    indexed.insert(field::CHUNK.to_owned(), FieldKind::Integer);
    indexed.insert(field::PARENT.to_owned(), FieldKind::Integer);
    CollectionShape {
        dense: BTreeMap::from([(DENSE.to_owned(), dense)]),
        sparse: BTreeMap::from([(SPARSE.to_owned(), SparseSpec { idf: true })]),
        indexed,
    }
}

/// A short digest of several parts, unambiguous in how they are joined.
pub fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The id of a document: the same source has the same id for ever.
pub fn document_id(source: &str) -> String {
    digest(&[source.as_bytes()]).chars().take(16).collect()
}

/// The id of a chunk: the same for the same place in the same version of a document.
pub fn chunk_id(document: &str, version: &str, index: u32) -> PointId {
    let hex = digest(&[
        document.as_bytes(),
        version.as_bytes(),
        &index.to_le_bytes(),
    ]);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    let uuid = [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-");
    PointId::Uuid(uuid)
}

/// The id a citation carries: short enough for a model to copy, with letters and digits.
pub fn citation_id(id: &PointId) -> String {
    match id {
        PointId::Number(number) => format!("p{number}"),
        PointId::Uuid(uuid) => {
            let hex: String = uuid.chars().filter(|c| *c != '-').take(8).collect();
            format!("p{hex}")
        }
    }
}

/// A document as its first chunk describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// Its id.
    pub id: String,
    /// Where it came from.
    pub source: String,
    /// What was given to the ingestion that read it.
    pub root: String,
    /// Digest of its bytes and of how it was cut.
    pub version: String,
    /// Its title.
    pub title: String,
    /// How many chunks it has.
    pub chunks: u64,
}

/// `field` has `value`.
pub fn is(field: &str, value: impl Into<Value>) -> Condition {
    Condition::Equals {
        field: field.to_owned(),
        value: value.into(),
    }
}

/// Points read at a time.
const PAGE: usize = 512;

/// Every finished document of a collection, by source.
///
/// # Errors
/// Those of the store.
pub async fn documents(
    store: &dyn VectorStore,
    collection: &str,
) -> Result<BTreeMap<String, StoredDocument>, StoreError> {
    let fields = [
        field::DOC,
        field::SOURCE,
        field::ROOT,
        field::VERSION,
        field::TITLE,
        field::CHUNKS,
    ];
    let mut found = BTreeMap::new();
    let first = Filter {
        all: vec![is(field::CHUNK, 0)],
    };
    walk(store, collection, &first, &fields, |point| {
        let text = |name: &str| {
            point
                .payload
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let document = StoredDocument {
            id: text(field::DOC),
            source: text(field::SOURCE),
            root: text(field::ROOT),
            version: text(field::VERSION),
            title: text(field::TITLE),
            chunks: point
                .payload
                .get(field::CHUNKS)
                .and_then(Value::as_u64)
                .unwrap_or_default(),
        };
        found.insert(document.source.clone(), document);
    })
    .await?;
    Ok(found)
}

/// Visits every point that passes a filter, reading only some payload fields.
///
/// # Errors
/// Those of the store.
pub async fn walk(
    store: &dyn VectorStore,
    collection: &str,
    filter: &Filter,
    fields: &[&str],
    mut visit: impl FnMut(Point) + Send,
) -> Result<(), StoreError> {
    let payload = fields.iter().map(|name| (*name).to_owned()).collect();
    let fields = Fields {
        payload: Some(payload),
        vectors: false,
    };
    let mut after = None;
    loop {
        let page = store
            .scroll(collection, filter, &fields, after, PAGE)
            .await?;
        page.points.into_iter().for_each(&mut visit);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// All chunks of one document version but for what is older: what a finished ingestion removes.
pub fn outdated(document: &str, version: &str) -> Filter {
    Filter {
        all: vec![
            is(field::DOC, document),
            Condition::Not {
                conditions: vec![is(field::VERSION, version)],
            },
        ],
    }
}

/// The payload of one chunk.
pub(crate) fn payload(
    document: &crate::ingest::DocumentFacts,
    chunk: &ropewalk_documents::chunk::Chunk,
    terms: usize,
    average: f32,
) -> Map<String, Value> {
    let mut payload = json!({
        field::DOC: document.id,
        field::CITE: citation_id(&chunk_id(&document.id, &document.version, chunk.index)),
        field::SOURCE: document.source,
        field::ROOT: document.root,
        field::VERSION: document.version,
        field::TITLE: document.title,
        field::FORMAT: document.format,
        field::HEADINGS: chunk.heading_path,
        field::TEXT: chunk.text,
        field::START: chunk.start,
        field::END: chunk.end,
        field::CHUNK: chunk.index,
        field::OVERLAP: chunk.overlap,
        field::PARENT: chunk.parent,
        field::DIGEST: digest(&[normalised(&chunk.text).as_bytes()]),
        field::TERMS: terms,
        field::AVERAGE: average,
    });
    let Some(map) = payload.as_object_mut() else {
        return Map::new();
    };
    if let Some(date) = &document.date {
        map.insert(field::DATE.to_owned(), json!(date));
    }
    if !document.metadata.is_empty() {
        map.insert(
            field::META.to_owned(),
            Value::Object(document.metadata.clone()),
        );
    }
    std::mem::take(map)
}

/// Case and white space do not make two texts different.
fn normalised(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_tell_chunks_apart() {
        let id = chunk_id("doc", "1", 0);
        assert_eq!(id, chunk_id("doc", "1", 0));
        assert_ne!(id, chunk_id("doc", "1", 1));
        assert_ne!(id, chunk_id("do", "c1", 0));
        let PointId::Uuid(uuid) = &id else {
            panic!("{id:?}")
        };
        assert_eq!(uuid.len(), 36);
        assert_eq!(citation_id(&id).len(), 9);
    }

    #[test]
    fn equal_words_have_equal_digests() {
        assert_eq!(normalised("A  b\nC"), normalised("a b c"));
    }
}
