//! Cuts a block that alone is too long, where it hurts least.

use unicode_segmentation::UnicodeSegmentation;

use crate::document::{Block, BlockKind};

/// A part of a block.
pub(super) struct Part {
    pub(super) text: String,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) tokens: usize,
}

/// The sentences of a text, each with its byte offset.
pub(super) fn sentences(text: &str) -> Vec<(usize, &str)> {
    text.split_sentence_bound_indices().collect()
}

/// Parts of at most `max` tokens that together hold the whole block.
pub(super) fn cut(block: &Block, max: usize, count: &dyn Fn(&str) -> usize) -> Vec<Part> {
    let (header, body) = match block.kind {
        BlockKind::Table => table_header(&block.text),
        _ => ("", block.text.as_str()),
    };
    let header_tokens = count(header);
    // A header that fills the chunk by itself is not worth repeating.
    let (header, header_tokens, body) = if header_tokens * 2 > max {
        ("", 0, block.text.as_str())
    } else {
        (header, header_tokens, body)
    };
    let room = max - header_tokens;
    let offset = block.text.len() - body.len();
    let units: Vec<(usize, &str)> = match block.kind {
        BlockKind::Prose | BlockKind::Heading => sentences(body),
        _ => lines(body),
    };
    let mut small = Vec::new();
    for (at, unit) in units {
        split_unit(at, unit, room, count, &mut small);
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut open: Option<(usize, usize, usize)> = None;
    let mut close = |(from, to, tokens): (usize, usize, usize)| {
        let piece = body.get(from..to).unwrap_or_default().trim_end();
        if !piece.trim().is_empty() {
            parts.push(Part {
                text: format!("{header}{piece}"),
                start: block.start + (offset + from) as u64,
                end: block.start + (offset + from + piece.len()) as u64,
                tokens: tokens + header_tokens,
            });
        }
    };
    for (at, unit, tokens) in small {
        open = match open {
            Some((from, _, sum)) if sum + tokens <= room => {
                Some((from, at + unit.len(), sum + tokens))
            }
            full => {
                if let Some(full) = full {
                    close(full);
                }
                Some((at, at + unit.len(), tokens))
            }
        };
    }
    if let Some(last) = open {
        close(last);
    }
    parts
}

/// The header row and the line below it, where the text is a Markdown table.
fn table_header(text: &str) -> (&str, &str) {
    let Some((first, rest)) = text.split_once('\n') else {
        return ("", text);
    };
    let second = rest.lines().next().unwrap_or_default();
    if !second.contains("---") {
        return ("", text);
    }
    text.split_at((first.len() + 1 + second.len() + 1).min(text.len()))
}

fn lines(text: &str) -> Vec<(usize, &str)> {
    with_offsets(text.split_inclusive('\n'))
}

/// Words with the space behind them.
fn spaced(text: &str) -> Vec<(usize, &str)> {
    with_offsets(text.split_inclusive(char::is_whitespace))
}

fn with_offsets<'t>(parts: impl Iterator<Item = &'t str>) -> Vec<(usize, &'t str)> {
    let mut at = 0;
    parts
        .map(|part| {
            let start = at;
            at += part.len();
            (start, part)
        })
        .collect()
}

/// A unit that fits as it is; a longer one by sentences, then words, then characters.
fn split_unit<'t>(
    at: usize,
    unit: &'t str,
    room: usize,
    count: &dyn Fn(&str) -> usize,
    out: &mut Vec<(usize, &'t str, usize)>,
) {
    let tokens = count(unit);
    if tokens <= room {
        out.push((at, unit, tokens));
        return;
    }
    let finer = [
        sentences(unit),
        spaced(unit),
        unit.split_word_bound_indices().collect(),
    ]
    .into_iter()
    .find(|parts| parts.len() > 1);
    if let Some(finer) = finer {
        for (offset, part) in finer {
            split_unit(at + offset, part, room, count, out);
        }
        return;
    }
    // One endless word. Halves are counted again, so few counts are needed.
    let middle = unit.floor_char_boundary(unit.len() / 2);
    if middle == 0 {
        // A single character that counts as more than a chunk: nothing finer is left.
        out.push((at, unit, tokens));
        return;
    }
    let (first, second) = unit.split_at(middle);
    split_unit(at, first, room, count, out);
    split_unit(at + middle, second, room, count, out);
}
