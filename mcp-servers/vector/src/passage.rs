//! A stored point as a cited passage, with its parent or neighbours where that is asked for.

use ropewalk_mcp_kit::{Citation, Span};
use serde_json::{Map, Value};

use crate::collection::{citation_id, field, is};
use crate::filter::{Bounds, Condition, Filter};
use crate::store::{Fields, Point, StoreError, VectorStore};

/// Fields in which other programs keep their text.
const TEXT_FIELDS: [&str; 7] = [
    field::TEXT,
    "content",
    "document",
    "page_content",
    "chunk_text",
    "body",
    "passage",
];
/// Fields in which other programs say where it came from.
const SOURCE_FIELDS: [&str; 7] = [
    field::SOURCE,
    "url",
    "path",
    "file",
    "file_name",
    "filename",
    "metadata.source",
];

fn first_text<'p>(payload: &'p Map<String, Value>, names: &[&str]) -> Option<&'p str> {
    names.iter().find_map(|name| {
        let mut parts = name.split('.');
        let mut value = payload.get(parts.next()?)?;
        for part in parts {
            value = value.get(part)?;
        }
        value.as_str().filter(|text| !text.is_empty())
    })
}

/// The text of a point, ours or another program's; the whole payload when nothing looks like text.
pub fn text(point: &Point) -> String {
    first_text(&point.payload, &TEXT_FIELDS).map_or_else(
        || Value::Object(point.payload.clone()).to_string(),
        str::to_owned,
    )
}

/// Where the text came from.
pub fn source(point: &Point) -> String {
    first_text(&point.payload, &SOURCE_FIELDS).map_or_else(
        || format!("point {}", citation_id(&point.id)),
        str::to_owned,
    )
}

/// Title and headings, outermost first.
pub fn title_path(point: &Point) -> String {
    let title = first_text(&point.payload, &[field::TITLE, "metadata.title", "name"]);
    let title = title.unwrap_or_default();
    let headings = point.payload.get(field::HEADINGS).and_then(Value::as_array);
    let headings = headings.into_iter().flatten().filter_map(Value::as_str);
    let mut path: Vec<&str> = vec![title];
    path.extend(headings.filter(|heading| *heading != title));
    path.retain(|part| !part.is_empty());
    path.join(" > ")
}

/// The point as a citation; `score` is its cosine with the query.
pub fn citation(point: &Point, score: f32) -> Citation {
    let number = |name: &str| point.payload.get(name).and_then(Value::as_u64);
    let span = match (number(field::START), number(field::END)) {
        (Some(start), Some(end)) => Some(Span { start, end }),
        _ => None,
    };
    Citation {
        id: citation_id(&point.id),
        source: source(point),
        title: title_path(point),
        span,
        quote: text(point),
        score: (f64::from(score.clamp(0.0, 1.0)) * 10_000.0).round() / 10_000.0,
    }
}

/// How much around a chunk is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    /// The chunk before and the one after.
    Neighbours,
    /// The larger piece it belongs to.
    Parent,
    /// The whole document.
    Document,
}

/// The chunks around one, in reading order; empty for points that are no chunks of ours.
///
/// # Errors
/// Those of the store.
pub async fn around(
    store: &dyn VectorStore,
    collection: &str,
    point: &Point,
    how: Around,
) -> Result<Vec<Point>, StoreError> {
    let document = point.payload.get(field::DOC).and_then(Value::as_str);
    let version = point.payload.get(field::VERSION).and_then(Value::as_str);
    let number = |name: &str| point.payload.get(name).and_then(Value::as_u64);
    let (Some(document), Some(version), Some(chunk), Some(parent)) = (
        document,
        version,
        number(field::CHUNK),
        number(field::PARENT),
    ) else {
        return Ok(Vec::new());
    };
    let mut all = vec![is(field::DOC, document), is(field::VERSION, version)];
    match how {
        Around::Document => {}
        Around::Parent => all.push(is(field::PARENT, parent)),
        Around::Neighbours => all.push(Condition::Range {
            field: field::CHUNK.to_owned(),
            bounds: Bounds {
                gte: Some(chunk.saturating_sub(1) as f64),
                lte: Some((chunk + 1) as f64),
                ..Bounds::default()
            },
        }),
    }
    let filter = Filter { all };
    let fields = Fields {
        payload: None,
        vectors: false,
    };
    let mut points = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .scroll(collection, &filter, &fields, after, 256)
            .await?;
        points.extend(page.points);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    points.sort_by_key(|point| point.payload.get(field::CHUNK).and_then(Value::as_u64));
    Ok(points)
}

/// Chunks in reading order as one text, without what they repeat.
pub fn joined(points: &[Point]) -> String {
    let mut out = String::new();
    for point in points {
        let text = text(point);
        let overlap = point
            .payload
            .get(field::OVERLAP)
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let overlap = if out.is_empty() {
            0
        } else {
            usize::try_from(overlap).unwrap_or_default()
        };
        let rest = text.get(overlap..).unwrap_or(&text);
        if !out.is_empty() {
            out.push_str(if overlap > 0 { "" } else { "\n\n" });
        }
        out.push_str(rest);
    }
    out
}
