//! Markdown.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde_json::{Map, Value};

use super::title_from;
use crate::document::{Block, BlockKind, Document, LoadError};

/// A Markdown document; `format` is what it was before it became Markdown.
pub(super) fn markdown(
    name: &str,
    path: String,
    text: String,
    format: &'static str,
) -> Result<Document, LoadError> {
    let (metadata, body) = front_matter(&path, &text)?;
    let blocks = blocks(&text, body);
    if blocks.is_empty() {
        return Err(LoadError::Empty { path });
    }
    let said = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
    // The one heading above all others names the document; of several, each names its part, as
    // the versions in a list of changes do.
    let mut outermost = blocks
        .iter()
        .filter(|block| block.kind == BlockKind::Heading && block.heading_path.len() == 1)
        .filter_map(|block| block.heading_path.first());
    let heading = match (outermost.next(), outermost.next()) {
        (Some(only), None) => Some(only.clone()),
        _ => None,
    };
    let title = said("title")
        .or(heading)
        .unwrap_or_else(|| title_from(name));
    let date = said("date")
        .or_else(|| said("updated"))
        .and_then(|date| day(&date));
    let blocks = Box::new(blocks.into_iter().map(Ok));
    Ok(Document {
        title,
        date,
        format,
        metadata,
        blocks,
    })
}

/// YAML between two lines of dashes at the very top, and where the body starts.
fn front_matter(path: &str, text: &str) -> Result<(Map<String, Value>, usize), LoadError> {
    let Some(rest) = text
        .strip_prefix("---\n")
        .or_else(|| text.strip_prefix("---\r\n"))
    else {
        return Ok((Map::new(), 0));
    };
    let start = text.len() - rest.len();
    let mut at = start;
    for line in rest.split_inclusive('\n') {
        let here = at;
        at += line.len();
        if line.trim_end() == "---" {
            let yaml = text.get(start..here).unwrap_or_default();
            let parsed: Result<Option<Map<String, Value>>, _> = serde_norway::from_str(yaml);
            return match parsed {
                Ok(metadata) => Ok((metadata.unwrap_or_default(), at)),
                Err(error) => Err(LoadError::Malformed {
                    path: path.to_owned(),
                    place: error
                        .location()
                        .map_or_else(String::new, |at| format!("line {}: ", at.line() + 1)),
                    message: format!("the front matter is not YAML: {error}"),
                }),
            };
        }
    }
    // A document may simply begin with a rule.
    Ok((Map::new(), 0))
}

/// `2024-05-01` at the beginning of a longer time stamp.
pub(super) fn day(date: &str) -> Option<String> {
    let day = date.get(..10)?;
    let shape = day.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    shape.then(|| day.to_owned())
}

/// The top-level blocks of the body, each a slice of the text.
fn blocks(text: &str, body: usize) -> Vec<Block> {
    let source = text.get(body..).unwrap_or_default();
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut blocks = Vec::new();
    let mut path: Vec<(HeadingLevel, String)> = Vec::new();
    let mut depth = 0_usize;
    let mut heading: Option<(HeadingLevel, String)> = None;
    let mut kind = BlockKind::Prose;
    for (event, range) in Parser::new_ext(source, options).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    kind = match &tag {
                        Tag::Heading { level, .. } => {
                            heading = Some((*level, String::new()));
                            BlockKind::Heading
                        }
                        Tag::List(_) => BlockKind::List,
                        Tag::Table(_) => BlockKind::Table,
                        Tag::CodeBlock(_) => BlockKind::Code,
                        _ => BlockKind::Prose,
                    };
                }
                depth += 1;
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                if let (TagEnd::Heading(_), Some((level, name))) = (&tag, &heading)
                    && depth == 0
                {
                    path.retain(|(above, _)| above < level);
                    path.push((*level, name.trim().to_owned()));
                    heading = None;
                }
                if depth == 0 {
                    let names = path.iter().map(|(_, name)| name.clone()).collect();
                    push(&mut blocks, source, body, range, kind, names);
                }
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some((_, name)) = &mut heading {
                    name.push_str(&words);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some((_, name)) = &mut heading {
                    name.push(' ');
                }
            }
            _ => {}
        }
    }
    blocks
}

fn push(
    blocks: &mut Vec<Block>,
    source: &str,
    body: usize,
    range: std::ops::Range<usize>,
    kind: BlockKind,
    heading_path: Vec<String>,
) {
    let text = source.get(range.clone()).unwrap_or_default().trim_end();
    if !text.is_empty() {
        let start = (body + range.start) as u64;
        blocks.push(Block {
            kind,
            text: text.to_owned(),
            heading_path,
            start,
        });
    }
}
