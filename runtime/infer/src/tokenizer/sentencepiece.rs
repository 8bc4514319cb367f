//! SentencePiece BPE: of all neighbours that are a piece together, those with the best score
//! become one, until none are; what is no piece in the end is written byte by byte.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::unusable;
use crate::error::InferError;

/// How a space is written in a piece.
pub(super) const SPACE: char = '\u{2581}';

/// Encodes text between markers.
pub(super) struct SentencePiece {
    pieces: HashMap<Box<str>, (u32, f32)>,
    /// Bytes of the longest piece.
    longest: usize,
    bytes: [u32; 256],
    puts_space_first: bool,
}

impl SentencePiece {
    /// `pieces` are text, id and score; `bytes` has the token of each byte. With
    /// `puts_space_first`, a text at the start, or after a marker, begins with a space.
    ///
    /// # Errors
    /// A score that is no number; a byte without a token, where `unknown` does not stand in.
    pub(super) fn new(
        pieces: impl Iterator<Item = (String, u32, f32)>,
        bytes: &[Option<u32>; 256],
        unknown: Option<u32>,
        puts_space_first: bool,
    ) -> Result<Self, InferError> {
        let mut by_text = HashMap::new();
        let mut longest = 0;
        for (text, token, score) in pieces {
            if score.is_nan() {
                return Err(unusable(format!(
                    "`tokenizer.ggml.scores` has no number for token {token}"
                )));
            }
            longest = longest.max(text.len());
            // Zero and minus zero are the same score.
            by_text.insert(text.into_boxed_str(), (token, score + 0.0));
        }
        let mut tokens = [0; 256];
        for (byte, (token, slot)) in bytes.iter().zip(&mut tokens).enumerate() {
            *slot = token.or(unknown).ok_or_else(|| {
                unusable(format!(
                    "neither a token `<0x{byte:02X}>` nor an unknown token is there, so not \
                     every text can be written; convert or download the file again"
                ))
            })?;
        }
        Ok(Self {
            pieces: by_text,
            longest,
            bytes: tokens,
            puts_space_first,
        })
    }

    /// Adds the tokens of a text. `at_start`: it stands at the start of a prompt or after a marker.
    pub(super) fn encode(&self, text: &str, at_start: bool, tokens: &mut Vec<u32>) {
        let mut written = String::with_capacity(text.len() + 3);
        if at_start && self.puts_space_first {
            written.push(SPACE);
        }
        written.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
        for symbol in self.merged(&written) {
            let piece = symbol.of(&written);
            match self.pieces.get(piece) {
                Some((token, _)) => tokens.push(*token),
                None => tokens.extend(
                    piece
                        .bytes()
                        .filter_map(|byte| self.bytes.get(usize::from(byte))),
                ),
            }
        }
    }

    fn merged(&self, text: &str) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .enumerate()
            .map(|(at, (start, c))| Symbol {
                start,
                len: c.len_utf8(),
                previous: at.checked_sub(1),
                next: Some(at + 1),
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.next = None;
        }
        let mut pairs = BinaryHeap::new();
        for right in 1..symbols.len() {
            self.offer(text, &symbols, Some(right - 1), Some(right), &mut pairs);
        }
        while let Some(pair) = pairs.pop() {
            let (Some(&left), Some(&right)) = (symbols.get(pair.left), symbols.get(pair.right))
            else {
                continue;
            };
            // One of them has become part of another piece since.
            if left.len == 0 || right.len == 0 || left.len + right.len != pair.len {
                continue;
            }
            if let Some(left) = symbols.get_mut(pair.left) {
                left.len += right.len;
                left.next = right.next;
            }
            if let Some(right) = symbols.get_mut(pair.right) {
                right.len = 0;
            }
            if let Some(after) = right.next.and_then(|next| symbols.get_mut(next)) {
                after.previous = Some(pair.left);
            }
            self.offer(text, &symbols, left.previous, Some(pair.left), &mut pairs);
            self.offer(text, &symbols, Some(pair.left), right.next, &mut pairs);
        }
        symbols.retain(|symbol| symbol.len > 0);
        symbols
    }

    /// Puts a pair up for merging, if it is a piece.
    fn offer(
        &self,
        text: &str,
        symbols: &[Symbol],
        left: Option<usize>,
        right: Option<usize>,
        pairs: &mut BinaryHeap<Pair>,
    ) {
        let (Some(left), Some(right)) = (left, right) else {
            return;
        };
        let (Some(first), Some(second)) = (symbols.get(left), symbols.get(right)) else {
            return;
        };
        let len = first.len + second.len;
        if len > self.longest {
            return;
        }
        let piece = Symbol { len, ..*first }.of(text);
        if let Some(&(_, score)) = self.pieces.get(piece) {
            pairs.push(Pair {
                score,
                left,
                right,
                len,
            });
        }
    }
}

#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    /// 0: it has become part of the one before it.
    len: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

impl Symbol {
    fn of<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start..self.start + self.len)
            .unwrap_or_default()
    }
}

struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of both when the pair was put up.
    len: usize,
}

/// The best score is the greatest, then what stands further left.
impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}
