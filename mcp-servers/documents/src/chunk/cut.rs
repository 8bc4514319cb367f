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
    let mut rest = small.as_slice();
    while !rest.is_empty() {
        let mut sum = 0;
        let fits = rest.iter().take_while(|(_, _, tokens)| {
            sum += tokens;
            sum <= room
        });
        let fit = fits.count().max(1);
        let fit = match block.kind {
            BlockKind::Code if fit < rest.len() => seam(rest, fit),
            _ => fit,
        };
        let (part, after) = rest.split_at(fit);
        if let (Some((from, _, _)), Some((at, unit, _))) = (part.first(), part.last()) {
            let tokens = part.iter().map(|(_, _, tokens)| tokens).sum();
            close((*from, at + unit.len(), tokens));
        }
        rest = after;
    }
    parts
}

/// Where code of which `fit` units fit is cut: before the least indented line of the latter half,
/// after a blank line if there is one, and never before what closes a block.
fn seam(units: &[(usize, &str, usize)], fit: usize) -> usize {
    let rank = |at: usize| {
        let (_, before, _) = units.get(at.checked_sub(1)?)?;
        let (_, line, _) = units.get(at)?;
        let start = line.trim_start();
        let closes = start.is_empty() || start.starts_with(['}', ')', ']']);
        let usable = before.ends_with('\n') && !closes;
        usable.then(|| (line.len() - start.len(), !before.trim().is_empty()))
    };
    let candidates = (fit / 2 + 1..=fit).rev();
    let ranked = candidates.filter_map(|at| Some((rank(at)?, at)));
    // Of equal ones the first, which is the latest in the text.
    let best = ranked.min_by_key(|(rank, _)| *rank);
    best.map_or(fit, |(_, at)| at)
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
