//! Attention over pages of keys and values, exact and in one pass.
//!
//! Scores are taken a page at a time with a running maximum (Milakov and Gimelshein, "Online
//! normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022), so that no row
//! of scores is ever as long as the context. Query heads that share keys are worked on together.

use super::team::{Start, Team};
use crate::kv::{PAGE, Page};

#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

/// Query rows that are worked on together.
const ROWS: usize = 8;
/// Query rows that a thread takes at a time.
const PIECE: usize = 32;

/// What a layer's attention looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionShape {
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Numbers of a head.
    pub head: usize,
    /// Factor of scores.
    pub scale: f32,
    /// How many tokens back a token sees, itself included; all where `None`.
    pub window: Option<usize>,
}

/// Rows of a batch that belong to one sequence: consecutive tokens of it.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// The first row.
    pub row: usize,
    /// How many rows.
    pub count: usize,
    /// Position of the first row's token in its sequence.
    pub position: usize,
    /// Pages of the sequence, those of these tokens among them.
    pub pages: &'a [&'a Page],
}

/// One piece of work: some tokens of a sequence, the query heads of one head of keys.
struct Piece<'a> {
    span: Span<'a>,
    from: usize,
    count: usize,
    kv_head: usize,
}

/// Up to [`ROWS`] query rows and what they have seen so far.
struct Queries {
    /// Positions of the rows' tokens; rows that are padding see nothing.
    positions: [Option<usize>; ROWS],
    /// The rows, scaled: the first number of each, then the second of each.
    numbers: Vec<[f32; ROWS]>,
    /// Weighted sums of values, row after row.
    sums: Vec<f32>,
    highest: [f32; ROWS],
    weights: [f32; ROWS],
}

/// Scores start from here instead of minus infinity, so that no difference is undefined.
const LOWEST: f32 = -1e30;

/// `out = attention(queries)`, both with a row of `heads * head` for each row of the batch.
pub fn attend(
    team: &Team,
    shape: AttentionShape,
    layer: usize,
    spans: &[Span<'_>],
    queries: &[f32],
    out: &mut [f32],
) {
    let group = shape.heads / shape.kv_heads.max(1);
    let tokens = (PIECE / group.max(1)).max(1);
    let mut pieces = Vec::new();
    for span in spans {
        for from in (0..span.count).step_by(tokens) {
            for kv_head in 0..shape.kv_heads {
                pieces.push(Piece {
                    span: *span,
                    from,
                    count: tokens.min(span.count - from),
                    kv_head,
                });
            }
        }
    }
    // The last tokens of a sequence see the most: they go first, so that none is waited for.
    pieces.reverse();
    let width = shape.heads * shape.head;
    let rows = out.len().checked_div(width).unwrap_or_default();
    let start = Start(out.as_mut_ptr());
    team.split(pieces.len(), |range| {
        for piece in pieces.get(range).unwrap_or_default() {
            let all = piece.count * group;
            for first in (0..all).step_by(ROWS) {
                let place = |index: usize| {
                    let row = piece.span.row + piece.from + (first + index) / group;
                    row * width + (piece.kv_head * group + (first + index) % group) * shape.head
                };
                let count = ROWS.min(all - first);
                let mut seen = Queries::new(shape.head);
                for index in 0..count {
                    let token = piece.from + (first + index) / group;
                    let from = place(index);
                    let row = queries.get(from..from + shape.head).unwrap_or_default();
                    seen.set(index, piece.span.position + token, row, shape.scale);
                }
                see(team, shape, layer, piece, &mut seen, count);
                for index in 0..count {
                    let row = piece.span.row + piece.from + (first + index) / group;
                    let result = seen.result(index, shape.head);
                    if row < rows {
                        // SAFETY: the row is one of `out`, and its heads lie within it; each
                        // pair of row and head belongs to one piece.
                        unsafe {
                            let to = start.at(place(index));
                            std::ptr::copy_nonoverlapping(result.as_ptr(), to, result.len());
                        }
                    }
                }
            }
        }
    });
}

/// Looks at every page that some row sees.
fn see(
    team: &Team,
    shape: AttentionShape,
    layer: usize,
    piece: &Piece<'_>,
    seen: &mut Queries,
    rows: usize,
) {
    let positions = seen.positions.iter().flatten();
    let last = positions.clone().max().copied().unwrap_or(0);
    let first = positions.min().copied().unwrap_or(0);
    let first = shape
        .window
        .map_or(0, |window| (first + 1).saturating_sub(window));
    let pages = piece.span.pages.iter().enumerate();
    for (number, page) in pages.take(last / PAGE + 1).skip(first / PAGE) {
        let page = page.head(layer, piece.kv_head);
        #[cfg(target_arch = "x86_64")]
        if team.vnni() && shape.head.is_multiple_of(16) {
            // SAFETY: the team said that the processor has these features.
            unsafe { avx512::see(shape, number * PAGE, page, seen, rows) };
            continue;
        }
        portable::see(shape, number * PAGE, page, seen);
    }
}

impl Queries {
    fn new(head: usize) -> Self {
        Self {
            positions: [None; ROWS],
            numbers: vec![[0.0; ROWS]; head],
            sums: vec![0.0; ROWS * head],
            highest: [LOWEST; ROWS],
            weights: [0.0; ROWS],
        }
    }

    fn set(&mut self, index: usize, position: usize, row: &[f32], scale: f32) {
        if let Some(slot) = self.positions.get_mut(index) {
            *slot = Some(position);
        }
        for (numbers, value) in self.numbers.iter_mut().zip(row) {
            if let Some(number) = numbers.get_mut(index) {
                *number = value * scale;
            }
        }
    }

    /// Whether a row sees a position.
    fn sees(shape: AttentionShape, row: Option<usize>, position: usize) -> bool {
        row.is_some_and(|row| {
            position <= row && shape.window.is_none_or(|window| row - position < window)
        })
    }

    /// The weighted mean of the values that a row saw.
    fn result(&mut self, index: usize, head: usize) -> &[f32] {
        let weight = self.weights.get(index).copied().unwrap_or_default();
        let factor = if weight > 0.0 { 1.0 / weight } else { 0.0 };
        let row = self.sums.get_mut(index * head..(index + 1) * head);
        let row = row.unwrap_or_default();
        row.iter_mut().for_each(|sum| *sum *= factor);
        row
    }
}

#[cfg(test)]
mod tests;
