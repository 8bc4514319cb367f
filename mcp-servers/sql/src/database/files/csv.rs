//! Text whose values stand between marks: CSV, TSV and their kin.
//!
//! - The mark is the one among tab, `|`, `;` and `,` that splits the first rows most evenly, or the
//!   one that a first line `sep=;` names.
//! - An empty value is NULL. Blanks around values are kept, but for those around numbers.
//! - A row with fewer values than there are columns ends in NULLs. One with more is refused with
//!   its line, unless what is too much is empty: nobody could tell which column it belongs to.
//! - A quote that is never closed is refused with the line of its row.

use std::io::{self, Read};

use ::csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use crate::database::files::FileError;
use crate::database::files::find::{Format, Source};
use crate::database::files::header::First;
use crate::database::files::load::{MAX_COLUMNS, Rows, Take};
use crate::database::files::text::{self, Encoding};
use crate::database::files::types::Value;
use crate::database::files::watch::Watch;

/// Bytes at the beginning by which the mark is found.
const HEAD: u64 = 256 << 10;

/// Rows by which the mark is found.
const SAMPLED: usize = 500;

/// Values in a row, blank ones at its end among them: as many as spreadsheets have columns.
const MAX_VALUES: usize = 16_384;

/// Marks, the rarer in other texts first.
const MARKS: [u8; 4] = [b'\t', b'|', b';', b','];

/// What no text has, since a file with it is refused: stands for the end.
const END: &str = "\0";

const KIND: &str = "text with values between marks";

pub(super) struct Csv<'a> {
    source: &'a Source,
    watch: &'a Watch<'a>,
    encoding: Encoding,
    mark: u8,
    /// Rows before the first that holds values.
    skipped: usize,
    names: Vec<String>,
}

impl<'a> Csv<'a> {
    /// Looks at the beginning of a file, to know how to read it.
    pub(super) fn open(source: &'a Source, watch: &'a Watch<'a>) -> Result<Self, FileError> {
        let encoding = text::encoding(source, KIND, watch)?;
        let head = head(source, encoding, watch)?;
        let told = match head.as_slice() {
            [b's', b'e', b'p', b'=', mark, b'\r' | b'\n', ..] if mark.is_ascii() => Some(*mark),
            _ => None,
        };
        let usual = match source.format {
            Format::Marked(mark) => mark,
            _ => b',',
        };
        let mut csv = Self {
            source,
            watch,
            encoding,
            mark: told.unwrap_or_else(|| mark(&head, usual)),
            skipped: usize::from(told.is_some()),
            names: Vec::new(),
        };
        let mut first = First::default();
        let mut width = 0;
        csv.records(&mut |record, _| {
            width = width.max(record.len());
            Ok(first.take(&values(record)))
        })?;
        if first.is_empty() {
            return Err(FileError::Empty {
                path: source.path.clone(),
            });
        }
        match first.names() {
            Some(names) => {
                csv.names = names;
                csv.skipped = csv.skipped.saturating_add(1);
            }
            None => csv.names = vec![String::new(); width],
        }
        Ok(csv)
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Goes through the rows with the lines they begin in, until told to stop.
    fn records(
        &self,
        take: &mut dyn FnMut(&StringRecord, u64) -> Result<bool, FileError>,
    ) -> Result<(), FileError> {
        let text = text::open(self.source, self.encoding, self.watch)?;
        let mut reader = reader(self.mark, text.chain(io::Cursor::new(b"\n\0\n")));
        let mut record = StringRecord::new();
        let mut row = 0_usize;
        let mut begun = 1;
        loop {
            let read = reader.read_record(&mut record);
            let line = record.position().map_or(begun, ::csv::Position::line);
            let read = read.map_err(|error| self.failed(error, begun))?;
            let unclosed = |record: &StringRecord| {
                let last = record.iter().next_back();
                last.is_some_and(|last| last.ends_with("\n\0\n"))
            };
            if !read || unclosed(&record) {
                let reason = "a quote in the row that begins here is not closed; close it";
                return Err(self.source.line(line, reason));
            }
            if record.len() == 1 && record.get(0) == Some(END) {
                let more = reader.read_record(&mut record);
                return match more.map_err(|error| self.failed(error, begun))? {
                    false => Ok(()),
                    true => Err(self
                        .source
                        .line(line, "there is a character that no text has")),
                };
            }
            if record.len() > MAX_VALUES {
                return Err(FileError::Columns {
                    path: self.source.path.clone(),
                    limit: MAX_COLUMNS,
                });
            }
            begun = reader.position().line();
            row = row.saturating_add(1);
            if row > self.skipped {
                self.watch.row()?;
                if !take(&record, line)? {
                    return Ok(());
                }
            }
        }
    }

    fn failed(&self, error: ::csv::Error, line: u64) -> FileError {
        match error.into_kind() {
            ErrorKind::Io(error) => self
                .watch
                .stopped(&error, line)
                .unwrap_or_else(|| text::failed(self.source, self.watch, error)),
            // All of it was seen to be UTF-8.
            _ => FileError::Changed {
                path: self.source.path.clone(),
            },
        }
    }
}

impl Rows for Csv<'_> {
    fn each(&mut self, take: &mut Take<'_>) -> Result<(), FileError> {
        let width = self.names.len();
        self.records(&mut |record, line| {
            let mut row = values(record);
            let rest = row.split_off(width.min(row.len()));
            if rest.iter().any(|value| *value != Value::Null) {
                let reason = format!(
                    "there are {} values for {width} columns; quote a value that has a {:?} in it",
                    record.len(),
                    char::from(self.mark)
                );
                return Err(self.source.line(line, reason));
            }
            take(&row)
        })
    }

    fn names(&self) -> Vec<String> {
        self.names.clone()
    }
}

fn values(record: &StringRecord) -> Vec<Value<'_>> {
    let value = |text| match text {
        "" => Value::Null,
        text => Value::Written(std::borrow::Cow::Borrowed(text)),
    };
    record.iter().map(value).collect()
}

fn reader<R: Read>(mark: u8, text: R) -> Reader<R> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(mark)
        .buffer_capacity(64 << 10)
        .from_reader(text)
}

/// The beginning of the text, as far as its last whole line.
fn head(source: &Source, encoding: Encoding, watch: &Watch<'_>) -> Result<Vec<u8>, FileError> {
    let mut head = Vec::new();
    let mut text = text::open(source, encoding, watch)?.take(HEAD);
    let read = text.read_to_end(&mut head);
    read.map_err(|error| text::failed(source, watch, error))?;
    watch.row()?;
    if text.limit() == 0 {
        let lines = head.iter().rposition(|byte| *byte == b'\n');
        head.truncate(lines.map_or(head.len(), |end| end.saturating_add(1)));
    }
    Ok(head)
}

/// The mark that splits the rows of a text most evenly; the usual one, where several do.
fn mark(head: &[u8], usual: u8) -> u8 {
    let even = |mark: u8| {
        let mut reader = reader(mark, head);
        let rows = reader.byte_records().map_while(Result::ok).take(SAMPLED);
        let widths: Vec<usize> = rows.map(|row| row.len()).collect();
        evenness(&widths)
    };
    let scores = MARKS.map(|mark| (even(mark), mark));
    let best = scores.iter().map(|(score, _)| *score).max().unwrap_or(0);
    // A name like `.tsv` says more than `.csv`, which people use for all of them.
    if usual != b','
        && scores
            .iter()
            .any(|(score, mark)| *mark == usual && *score > 0)
    {
        return usual;
    }
    let mut scores = scores.iter();
    let found = scores.find(|(score, _)| *score == best && best > 0);
    found.map_or(usual, |(_, mark)| *mark)
}

/// How many rows in a thousand have as many values as most have; none, where that is one.
fn evenness(widths: &[usize]) -> usize {
    let mut most = (0, 0);
    for width in widths {
        let same = widths.iter().filter(|other| *other == width).count();
        most = most.max((same, *width));
    }
    match most {
        (_, 0 | 1) => 0,
        (same, _) => same.saturating_mul(1_000) / widths.len().max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_the_one_that_splits_evenly() {
        for (text, found) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n3,5;4,5\n", b';'),
            ("a\tb\n1,5\t2\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            ("name\nAda\n", b','),
            ("a,b\n\"x;y\",2\n\"z;w\",3\n", b','),
            ("a,b,c\n1,2\n1,2,3\n1,2,3\n", b','),
            ("a;b\n\"x, and\ny\";2\n", b';'),
        ] {
            assert_eq!(mark(text.as_bytes(), b','), found, "{text}");
        }
    }
}
