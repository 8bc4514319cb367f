//! Plain text, reStructuredText and source code, streamed.

use std::collections::VecDeque;
use std::io::Read;

use super::lines::{Line, Lines};
use crate::document::{Block, BlockKind, LoadError};

/// A block is ended once it has this many bytes, so that a file without a blank line does not
/// become one block.
const MAX_BLOCK_BYTES: usize = 32 << 10;

/// Lines gathered into one block.
#[derive(Default)]
struct Gathered {
    text: String,
    start: u64,
}

impl Gathered {
    fn push(&mut self, line: &Line) {
        if self.text.is_empty() {
            self.start = line.start;
        } else {
            self.text.push('\n');
        }
        self.text.push_str(&line.text);
    }

    fn take(&mut self, kind: BlockKind, heading_path: &[String]) -> Option<Block> {
        let text = std::mem::take(&mut self.text);
        let heading_path = heading_path.to_vec();
        let block = Block {
            kind,
            text,
            heading_path,
            start: self.start,
        };
        (!block.text.trim().is_empty()).then_some(block)
    }
}

/// Runs a line-by-line splitter over a stream: each line may finish blocks.
struct Split<R, F> {
    lines: Lines<R>,
    on_line: F,
    ready: VecDeque<Block>,
    ended: bool,
}

impl<R: Read, F: FnMut(Option<Line>, &mut VecDeque<Block>)> Iterator for Split<R, F> {
    type Item = Result<Block, LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(block) = self.ready.pop_front() {
                return Some(Ok(block));
            }
            if self.ended {
                return None;
            }
            match self.lines.next() {
                Some(Ok(line)) => (self.on_line)(Some(line), &mut self.ready),
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                None => {
                    self.ended = true;
                    (self.on_line)(None, &mut self.ready);
                }
            }
        }
    }
}

fn split<R: Read + Send + 'static>(
    lines: Lines<R>,
    on_line: impl FnMut(Option<Line>, &mut VecDeque<Block>) + Send + 'static,
) -> impl Iterator<Item = Result<Block, LoadError>> + Send {
    Split {
        lines,
        on_line,
        ready: VecDeque::new(),
        ended: false,
    }
}

/// Paragraphs between blank lines.
pub(super) fn text<R: Read + Send + 'static>(
    lines: Lines<R>,
) -> impl Iterator<Item = Result<Block, LoadError>> + Send {
    let mut gathered = Gathered::default();
    split(lines, move |line, ready| match line {
        Some(line) if !line.text.trim().is_empty() => {
            gathered.push(&line);
            if gathered.text.len() > MAX_BLOCK_BYTES {
                ready.extend(gathered.take(BlockKind::Prose, &[]));
            }
        }
        _ => {
            let list = is_list(&gathered.text);
            let kind = if list {
                BlockKind::List
            } else {
                BlockKind::Prose
            };
            ready.extend(gathered.take(kind, &[]));
        }
    })
}

fn is_list(text: &str) -> bool {
    let item = |line: &str| {
        let line = line.trim_start();
        let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
        ["- ", "* ", "+ ", "• "]
            .iter()
            .any(|mark| line.starts_with(mark))
            || (number.len() < line.len()
                && [". ", ") "].iter().any(|mark| number.starts_with(mark)))
    };
    text.lines().next().is_some_and(item) && text.lines().filter(|line| item(line)).count() > 1
}

/// reStructuredText: sections by underline, literal blocks and tables whole.
pub(super) fn rst<R: Read + Send + 'static>(
    lines: Lines<R>,
) -> impl Iterator<Item = Result<Block, LoadError>> + Send {
    let mut gathered = Gathered::default();
    let mut path: Vec<(char, String)> = Vec::new();
    split(lines, move |line, ready| {
        let names = |path: &[(char, String)]| {
            path.iter()
                .map(|(_, name)| name.clone())
                .collect::<Vec<_>>()
        };
        match line {
            Some(line) if !line.text.trim().is_empty() => {
                let mark = underline(&line.text);
                let title = gathered.text.lines().last().unwrap_or_default().to_owned();
                let above = gathered.text.lines().next().unwrap_or_default();
                let one_line = match gathered.text.lines().count() {
                    1 => true,
                    2 => underline(above) == mark,
                    _ => false,
                };
                match mark {
                    Some(mark)
                        if one_line
                            && !title.is_empty()
                            && underline(&title).is_none()
                            && line.text.trim_end().len() >= title.trim().len() =>
                    {
                        // The order in which marks first appear is their nesting.
                        if let Some(level) = path.iter().position(|(known, _)| *known == mark) {
                            path.truncate(level);
                        }
                        path.push((mark, title.trim().to_owned()));
                        gathered.start += (gathered.text.len() - title.len()) as u64;
                        gathered.text = title;
                        ready.extend(gathered.take(BlockKind::Heading, &names(&path)));
                    }
                    _ => gathered.push(&line),
                }
            }
            _ => {
                let first = gathered.text.lines().next().unwrap_or_default();
                let kind = if gathered.text.starts_with([' ', '\t']) {
                    BlockKind::Code
                } else if first.starts_with("+-") || (first.starts_with('=') && first.contains(' '))
                {
                    BlockKind::Table
                } else if is_list(&gathered.text) {
                    BlockKind::List
                } else {
                    BlockKind::Prose
                };
                ready.extend(gathered.take(kind, &names(&path)));
            }
        }
    })
}

/// The punctuation a line consists of, if it is an underline.
fn underline(line: &str) -> Option<char> {
    let line = line.trim_end();
    let mark = line.chars().next().filter(|c| c.is_ascii_punctuation())?;
    (line.len() >= 3 && line.chars().all(|c| c == mark)).then_some(mark)
}

/// Source code: a block ends at a blank line before an unindented one; the heading path is the
/// nearest line that opens an item.
pub(super) fn code<R: Read + Send + 'static>(
    lines: Lines<R>,
) -> impl Iterator<Item = Result<Block, LoadError>> + Send {
    let mut gathered = Gathered::default();
    let mut blank = false;
    let mut item: Vec<String> = Vec::new();
    split(lines, move |line, ready| {
        let Some(line) = line else {
            ready.extend(gathered.take(BlockKind::Code, &item));
            return;
        };
        if line.text.trim().is_empty() {
            blank = true;
            return;
        }
        let top = !line.text.starts_with([' ', '\t', '}', ')']);
        if (blank && top) || gathered.text.len() > MAX_BLOCK_BYTES {
            ready.extend(gathered.take(BlockKind::Code, &item));
        } else if blank {
            gathered.text.push('\n');
        }
        blank = false;
        if top && opens_item(&line.text) {
            let name = line.text.trim().trim_end_matches(['{', ':', ' ']);
            item = vec![name.chars().take(120).collect()];
        }
        gathered.push(&line);
    })
}

fn opens_item(line: &str) -> bool {
    const WORDS: [&str; 20] = [
        "fn ",
        "struct ",
        "enum ",
        "trait ",
        "impl ",
        "impl<",
        "mod ",
        "class ",
        "def ",
        "function ",
        "func ",
        "interface ",
        "type ",
        "module ",
        "namespace ",
        "package ",
        "object ",
        "record ",
        "protocol ",
        "CREATE ",
    ];
    WORDS.iter().any(|word| {
        line.match_indices(word).any(|(at, _)| {
            let before = line.get(..at).unwrap_or_default();
            before
                .chars()
                .all(|c| c.is_ascii_lowercase() || matches!(c, ' ' | '(' | ')' | '_'))
        })
    })
}
