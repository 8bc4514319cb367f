//! Cuts a quote into units that can stand in an answer: sentences, list items, table rows, code.
//!
//! A unit keeps its words as they are; markup is removed only from the copy that is scored.

use unicode_segmentation::UnicodeSegmentation;

/// Longest unit in bytes that an answer prints; what is longer is cut at a word.
const LONGEST_UNIT: usize = 1_200;

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A sentence of running text.
    Sentence,
    /// One item of a list, marker included.
    Item,
    /// One row of a table.
    Row,
    /// A whole code block, fences included.
    Code,
}

/// A piece of a passage that is quoted whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit {
    /// What it is.
    pub kind: Kind,
    /// The words to print.
    pub text: String,
    /// The words to score: no markup.
    pub plain: String,
    /// Which paragraph, list, table or code block of the passage it belongs to.
    pub block: usize,
    /// The nearest heading above it within the quote.
    pub heading: Option<String>,
    /// For a row, the table's head, so that a row is never printed without its columns' names.
    pub head: Option<String>,
}

/// Cuts a quote into its units, in order.
pub(super) fn split(quote: &str) -> Vec<Unit> {
    let mut splitter = Splitter::default();
    for line in quote.lines() {
        splitter.line(line);
    }
    splitter.end();
    splitter.units
}

#[derive(Default)]
struct Splitter {
    units: Vec<Unit>,
    block: usize,
    heading: Option<String>,
    open: Open,
}

/// The block being read.
#[derive(Default)]
enum Open {
    #[default]
    Nothing,
    Paragraph(String),
    /// An item, and whether a blank line came after it.
    Item(String),
    Code {
        fence: String,
        text: String,
    },
    Indented(String),
    Table {
        head: Vec<String>,
        ruled: bool,
        rows: usize,
    },
}

impl Splitter {
    fn line(&mut self, line: &str) {
        let bare = line.trim();
        if let Open::Code { fence, text } = &mut self.open {
            text.push('\n');
            text.push_str(line);
            if bare.starts_with(fence.as_str()) && bare.trim_start_matches(['`', '~']).is_empty() {
                self.end();
            }
            return;
        }
        if let Open::Indented(text) = &mut self.open {
            if line.starts_with("    ") || line.starts_with('\t') || bare.is_empty() {
                text.push('\n');
                text.push_str(line);
                return;
            }
            self.end();
        }
        if let Some(fence) = ["```", "~~~"]
            .into_iter()
            .find(|fence| bare.starts_with(fence))
        {
            self.end();
            self.open = Open::Code {
                fence: fence.to_owned(),
                text: bare.to_owned(),
            };
        } else if bare.is_empty() {
            self.end();
        } else if bare.starts_with('#') && bare.trim_start_matches('#').starts_with(' ') {
            self.end();
            self.heading = Some(plain(bare.trim_start_matches('#').trim()));
        } else if bare.starts_with('|') && bare.len() > 1 {
            self.row(bare);
        } else if is_item(bare) {
            // Items of one list share a block.
            let follows = matches!(self.open, Open::Item(_));
            self.end();
            if follows {
                self.block = self.block.saturating_sub(1);
            }
            self.open = Open::Item(bare.to_owned());
        } else {
            match &mut self.open {
                Open::Paragraph(text) | Open::Item(text) => {
                    text.push(' ');
                    text.push_str(bare);
                }
                _ => {
                    self.end();
                    self.open = if line.starts_with("    ") || line.starts_with('\t') {
                        Open::Indented(line.to_owned())
                    } else {
                        Open::Paragraph(bare.to_owned())
                    };
                }
            }
        }
    }

    fn row(&mut self, row: &str) {
        let rule = row.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '));
        if let Open::Table { head, ruled, rows } = &mut self.open {
            if rule && *rows == 0 && !*ruled {
                head.push(row.to_owned());
                *ruled = true;
                return;
            }
            *rows += 1;
            let head = ruled.then(|| head.join("\n"));
            self.push(Kind::Row, row.to_owned(), head);
            return;
        }
        self.end();
        self.open = Open::Table {
            head: vec![row.to_owned()],
            ruled: false,
            rows: 0,
        };
    }

    fn end(&mut self) {
        match std::mem::take(&mut self.open) {
            Open::Nothing => return,
            Open::Paragraph(text) => {
                for sentence in sentences(&text) {
                    self.push(Kind::Sentence, sentence, None);
                }
            }
            Open::Item(text) => self.push(Kind::Item, text, None),
            Open::Code { fence, mut text } => {
                // A quote may end inside a block; the answer must not.
                if text.lines().count() < 2 || !text.trim_end().ends_with(fence.as_str()) {
                    text.push('\n');
                    text.push_str(&fence);
                }
                self.push(Kind::Code, text, None);
            }
            Open::Indented(text) => self.push(Kind::Code, text.trim_end().to_owned(), None),
            Open::Table { head, ruled, rows } => {
                if rows == 0 && !ruled {
                    self.push(Kind::Row, head.concat(), None);
                }
            }
        }
        self.block += 1;
    }

    fn push(&mut self, kind: Kind, text: String, head: Option<String>) {
        let text = if kind == Kind::Code { text } else { cut(text) };
        let plain = match kind {
            Kind::Code => text
                .lines()
                .filter(|line| !is_fence(line))
                .collect::<Vec<_>>()
                .join(" "),
            _ => plain(&text),
        };
        if plain.trim().is_empty() {
            return;
        }
        let heading = self.heading.clone();
        self.units.push(Unit {
            kind,
            text,
            plain,
            block: self.block,
            heading,
            head,
        });
    }
}

fn is_fence(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("```") || line.starts_with("~~~")
}

fn is_item(line: &str) -> bool {
    if ["- ", "* ", "+ ", "• "]
        .iter()
        .any(|marker| line.starts_with(marker))
    {
        return true;
    }
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = line.len() - rest.len();
    (1..=3).contains(&digits) && (rest.starts_with(". ") || rest.starts_with(") "))
}

fn cut(text: String) -> String {
    if text.len() <= LONGEST_UNIT {
        return text;
    }
    let mut end = LONGEST_UNIT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let short = text.get(..end).unwrap_or_default();
    let short = short.rsplit_once(' ').map_or(short, |(words, _)| words);
    format!("{short} …")
}

/// Sentences of a paragraph. Unicode's rule also breaks after abbreviations and inside inline
/// code and brackets; such pieces are put together again.
fn sentences(paragraph: &str) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    let mut part = String::new();
    for piece in paragraph.split_sentence_bounds() {
        part.push_str(piece);
        if ends_here(part.trim_end()) {
            whole.push(std::mem::take(&mut part).trim().to_owned());
        }
    }
    if !part.trim().is_empty() {
        whole.push(part.trim().to_owned());
    }
    whole
}

fn ends_here(text: &str) -> bool {
    const ABBREVIATIONS: [&str; 16] = [
        "e.g.", "i.e.", "etc.", "vs.", "cf.", "dr.", "mr.", "mrs.", "ms.", "prof.", "no.", "fig.",
        "approx.", "st.", "al.", "inc.",
    ];
    let last = text.rsplit([' ', '(']).next().unwrap_or_default();
    let initial = last.len() == 2 && last.starts_with(char::is_uppercase) && last.ends_with('.');
    let abbreviation = ABBREVIATIONS.contains(&last.to_lowercase().as_str());
    let count = |c: char| text.matches(c).count();
    let open = count('`') % 2 == 1 || (count('(') > count(')') && text.len() < 400);
    !(initial || abbreviation || open)
}

/// The words without Markdown: emphasis, code marks, list markers and link targets dropped.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim_start_matches(['-', '*', '+', '•', '>', ' ']);
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '['
            && let Some((label, target)) = after.split_once("](")
            && !label.contains('[')
            && let Some((_, beyond)) = target.split_once(')')
        {
            out.push_str(label);
            rest = beyond;
            continue;
        }
        match c {
            '*' | '`' => {}
            '|' => out.push(' '),
            _ => out.push(c),
        }
        rest = after;
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markdown_is_cut_where_a_reader_would_cut_it() {
        let quote = "# Install\nRun the *installer*, e.g. from a shell. It asks once:\n\n```sh\n\
                     make a. b\nmake install\n```\n\n- one\n- two\n  more\n\n| k | v |\n|---|---|\n\
                     | a | 1 |\n| b | 2 |\n";
        let units = split(quote);
        let texts: Vec<&str> = units.iter().map(|unit| unit.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Run the *installer*, e.g. from a shell.",
                "It asks once:",
                "```sh\nmake a. b\nmake install\n```",
                "- one",
                "- two more",
                "| a | 1 |",
                "| b | 2 |",
            ]
        );
        assert_eq!(units[0].plain, "Run the installer, e.g. from a shell.");
        assert_eq!(units[0].heading.as_deref(), Some("Install"));
        assert_eq!(
            units[3].block, units[4].block,
            "items of a list share its block"
        );
        assert_eq!(units[6].head.as_deref(), Some("| k | v |\n|---|---|"));
    }

    #[test]
    fn a_fence_cut_off_by_the_quote_is_closed() {
        let units = split("Do this:\n```\nrm x");
        assert_eq!(units[1].text, "```\nrm x\n```");
    }

    #[test]
    fn links_lose_their_targets_only_when_scored() {
        let units = split("See [the guide](http://x.y/z) now.");
        assert_eq!(units[0].text, "See [the guide](http://x.y/z) now.");
        assert_eq!(units[0].plain, "See the guide now.");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_splitter_and_no_fence_stays_open(
            quote in "([a-zé.|#`~ *:()-]|\n|```|\n- ){0,80}"
        ) {
            for unit in split(&quote) {
                prop_assert!(!unit.text.trim().is_empty());
                if unit.kind == Kind::Code && unit.text.starts_with("```") {
                    prop_assert!(unit.text.trim_end().ends_with("```"));
                }
            }
        }
    }
}
