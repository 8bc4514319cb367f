//! Blocks to chunks of about 300 tokens that respect the document's structure.
//!
//! A block (paragraph, list, table, code, record) is cut only when it alone is too long, and then
//! where it hurts least: prose between sentences, lists and code between lines, tables between
//! rows with the header repeated. A heading stays with what follows. Small sections below the same
//! heading share a chunk. Prose that runs over into the next chunk is carried along as overlap.

mod cut;

use std::collections::VecDeque;

use crate::document::{Block, BlockKind, Document, LoadError};

/// How documents are cut. All sizes in tokens of the embedding model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSettings {
    /// Most tokens of a chunk.
    pub max_tokens: usize,
    /// Tokens of the previous chunk repeated at the start of the next, within running prose.
    pub overlap_tokens: usize,
    /// Most tokens of a parent: the larger piece a chunk can be returned with.
    pub parent_tokens: usize,
}

impl Default for ChunkSettings {
    /// 300 tokens with 15 % overlap, parents of 1,200.
    fn default() -> Self {
        Self {
            max_tokens: 300,
            overlap_tokens: 45,
            parent_tokens: 1200,
        }
    }
}

/// Settings that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "chunks of {max} tokens with {overlap} of overlap and parents of {parent} do not work: the overlap must be at most half a chunk, a chunk at least 8 tokens, and a parent at least a chunk"
)]
pub struct ChunkSettingsError {
    max: usize,
    overlap: usize,
    parent: usize,
}

impl ChunkSettings {
    /// Checks that the sizes work together.
    ///
    /// # Errors
    /// When they do not.
    pub fn checked(self) -> Result<Self, ChunkSettingsError> {
        let Self {
            max_tokens: max,
            overlap_tokens: overlap,
            parent_tokens: parent,
        } = self;
        if max < 8 || overlap > max / 2 || parent < max {
            return Err(ChunkSettingsError {
                max,
                overlap,
                parent,
            });
        }
        Ok(self)
    }
}

/// A piece of a document, ready to be embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Position within the document, from 0.
    pub index: u32,
    /// Its text.
    pub text: String,
    /// The headings that hold for all of it.
    pub heading_path: Vec<String>,
    /// Byte offset in the extracted text at which its own words start, overlap included.
    pub start: u64,
    /// Byte offset one past its last word.
    pub end: u64,
    /// How many of its first bytes repeat the chunk before.
    pub overlap: usize,
    /// Number of its parent within the document, from 0.
    pub parent: u32,
}

/// A section smaller than this may share a chunk with the next one.
const SMALL_SECTION_DIVISOR: usize = 3;

/// Cuts a document, lazily: no more of it is held than one parent.
pub fn chunks<'a>(
    document: Document,
    settings: ChunkSettings,
    count: &'a (dyn Fn(&str) -> usize + Sync),
) -> impl Iterator<Item = Result<Chunk, LoadError>> + 'a {
    let mut blocks = document.blocks;
    let mut builder = Builder::new(settings, count);
    let mut ready: VecDeque<Result<Chunk, LoadError>> = VecDeque::new();
    let mut ended = false;
    std::iter::from_fn(move || {
        while ready.is_empty() && !ended {
            match blocks.next() {
                Some(Ok(block)) => builder.add(block),
                Some(Err(error)) => {
                    // What came before the fault is not enough to stand for the document.
                    ended = true;
                    ready.push_back(Err(error));
                    break;
                }
                None => {
                    ended = true;
                    builder.finish();
                }
            }
            ready.extend(builder.done.drain(..).map(Ok));
        }
        ready.pop_front()
    })
}

/// What is embedded for a chunk: where it stands, then what it says.
pub fn contextual_text(
    title: &str,
    date: Option<&str>,
    heading_path: &[String],
    text: &str,
) -> String {
    let mut header = title.to_owned();
    for heading in heading_path.iter().filter(|heading| *heading != title) {
        header.push_str(" > ");
        header.push_str(heading);
    }
    if let Some(date) = date {
        header.push_str(&format!(" ({date})"));
    }
    format!("{header}\n{text}")
}

/// A block, or the part of one that fits a chunk.
struct Piece {
    kind: BlockKind,
    text: String,
    heading_path: Vec<String>,
    start: u64,
    end: u64,
    tokens: usize,
    overlap: bool,
}

struct Builder<'a> {
    settings: ChunkSettings,
    count: &'a (dyn Fn(&str) -> usize + Sync),
    pieces: Vec<Piece>,
    tokens: usize,
    done: Vec<Chunk>,
    index: u32,
    parent: u32,
    parent_tokens: usize,
    /// Section the current parent belongs to: its outermost two headings.
    section: Vec<String>,
}

impl<'a> Builder<'a> {
    fn new(settings: ChunkSettings, count: &'a (dyn Fn(&str) -> usize + Sync)) -> Self {
        Self {
            settings,
            count,
            pieces: Vec::new(),
            tokens: 0,
            done: Vec::new(),
            index: 0,
            parent: 0,
            parent_tokens: 0,
            section: Vec::new(),
        }
    }

    fn add(&mut self, block: Block) {
        if block.text.trim().is_empty() {
            return;
        }
        if block.kind == BlockKind::Heading {
            self.begin_section(&block);
        }
        let end = block.end();
        let tokens = (self.count)(&block.text);
        if tokens <= self.settings.max_tokens {
            let Block {
                kind,
                text,
                heading_path,
                start,
            } = block;
            self.place(Piece {
                kind,
                text,
                heading_path,
                start,
                end,
                tokens,
                overlap: false,
            });
            return;
        }
        // Parts of prose leave room for what is carried over from the part before.
        let room = match block.kind {
            BlockKind::Prose => self.settings.max_tokens - self.settings.overlap_tokens - 2,
            _ => self.settings.max_tokens,
        };
        let parts = cut::cut(&block, room, self.count);
        for part in parts {
            self.place(Piece {
                kind: block.kind,
                tokens: part.tokens,
                text: part.text,
                heading_path: block.heading_path.clone(),
                start: part.start,
                end: part.end,
                overlap: false,
            });
        }
    }

    /// A heading ends the chunk before it, unless what is there is small and stands below the same
    /// outer headings.
    fn begin_section(&mut self, heading: &Block) {
        let small = self.tokens < self.settings.max_tokens / SMALL_SECTION_DIVISOR;
        let outer = heading
            .heading_path
            .split_last()
            .map(|(_, outer)| outer)
            .unwrap_or_default();
        let together = self
            .pieces
            .iter()
            .all(|piece| piece.heading_path.starts_with(outer));
        if !(small && together) {
            self.end_chunk(false);
        }
    }

    fn place(&mut self, piece: Piece) {
        // The line between two pieces costs about a token.
        if !self.pieces.is_empty() && self.tokens + piece.tokens + 1 > self.settings.max_tokens {
            let carried = self.end_chunk(piece.kind == BlockKind::Prose);
            if let Some(carried) = carried
                && carried.heading_path == piece.heading_path
                && carried.tokens + piece.tokens + 2 <= self.settings.max_tokens
            {
                self.tokens = carried.tokens + 1;
                self.pieces.push(carried);
            } else if self.tokens + piece.tokens + 1 > self.settings.max_tokens {
                // The headings that were kept for this piece leave it no room.
                let headings = std::mem::take(&mut self.pieces);
                self.tokens = 0;
                self.write_chunk(&headings);
            }
        }
        self.tokens += piece.tokens + 1;
        self.pieces.push(piece);
    }

    /// Ends the chunk; gives back the end of its prose when the next one continues it.
    fn end_chunk(&mut self, continued: bool) -> Option<Piece> {
        let headings = self.trailing_headings();
        let pieces = std::mem::replace(&mut self.pieces, headings);
        self.tokens = self.pieces.iter().map(|piece| piece.tokens + 1).sum();
        self.write_chunk(&pieces);
        let last = pieces.last()?;
        (continued && self.pieces.is_empty() && last.kind == BlockKind::Prose)
            .then(|| self.overlap_of(last))
            .flatten()
    }

    /// Takes away the headings at the end, which belong with what follows; not all of the chunk.
    fn trailing_headings(&mut self) -> Vec<Piece> {
        let kept = self
            .pieces
            .iter()
            .rposition(|piece| piece.kind != BlockKind::Heading);
        self.pieces
            .split_off(kept.map_or(self.pieces.len().min(1), |last| last + 1))
    }

    fn write_chunk(&mut self, pieces: &[Piece]) {
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
            return;
        };
        if pieces.iter().all(|piece| piece.overlap) {
            return;
        }
        let mut text = String::new();
        let mut overlap = 0;
        for piece in pieces {
            if !text.is_empty() {
                let tight = piece.kind == BlockKind::Record || piece.kind == BlockKind::Code;
                text.push_str(if tight { "\n" } else { "\n\n" });
            }
            text.push_str(&piece.text);
            if piece.overlap {
                overlap = text.len();
            }
        }
        let heading_path = common_prefix(pieces.iter().map(|piece| piece.heading_path.as_slice()));
        let tokens: usize = pieces.iter().map(|piece| piece.tokens + 1).sum();
        self.enter_parent(&heading_path, tokens);
        self.done.push(Chunk {
            index: self.index,
            text,
            heading_path,
            start: first.start,
            end: last.end,
            overlap,
            parent: self.parent,
        });
        self.index += 1;
    }

    fn enter_parent(&mut self, heading_path: &[String], tokens: usize) {
        let section: Vec<String> = heading_path.iter().take(2).cloned().collect();
        let full = self.parent_tokens + tokens > self.settings.parent_tokens;
        if self.index > 0 && (full || section != self.section) {
            self.parent += 1;
            self.parent_tokens = 0;
        }
        self.section = section;
        self.parent_tokens += tokens;
    }

    /// The last sentences of a piece, as many as the overlap holds.
    fn overlap_of(&self, piece: &Piece) -> Option<Piece> {
        let mut start = piece.text.len();
        let mut tokens = 0;
        for (at, sentence) in cut::sentences(&piece.text).into_iter().rev() {
            let more = (self.count)(sentence);
            if tokens + more > self.settings.overlap_tokens {
                break;
            }
            tokens += more;
            start = at;
        }
        let text = piece.text.get(start..)?.to_owned();
        (!text.trim().is_empty()).then(|| Piece {
            kind: BlockKind::Prose,
            start: piece.start + start as u64,
            end: piece.end,
            heading_path: piece.heading_path.clone(),
            tokens,
            text,
            overlap: true,
        })
    }

    fn finish(&mut self) {
        // A document may end with headings, which nothing follows.
        let headings = self.trailing_headings();
        self.pieces.extend(headings);
        let pieces = std::mem::take(&mut self.pieces);
        self.write_chunk(&pieces);
    }
}

fn common_prefix<'p>(mut paths: impl Iterator<Item = &'p [String]>) -> Vec<String> {
    let mut prefix: Vec<String> = paths.next().unwrap_or_default().to_vec();
    for path in paths {
        let same = prefix.iter().zip(path).take_while(|(a, b)| a == b).count();
        prefix.truncate(same);
    }
    prefix
}

#[cfg(test)]
mod tests;
