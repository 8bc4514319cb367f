//! Lines within bounds, with encodings checked.

use std::io::{BufRead, BufReader, Read};

use crate::document::LoadError;

/// Reads lines from a stream that may be huge, binary, or one endless line.
pub(super) struct Lines<R> {
    path: String,
    reader: BufReader<R>,
    limit: u64,
    line: u64,
    offset: u64,
    failed: bool,
}

/// A line without its end, and the byte offset at which it starts.
pub(super) struct Line {
    pub(super) text: String,
    pub(super) start: u64,
    pub(super) number: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(path: String, reader: R, limit: u64) -> Self {
        let reader = BufReader::with_capacity(1 << 16, reader);
        Self {
            path,
            reader,
            limit,
            line: 0,
            offset: 0,
            failed: false,
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn read_line(&mut self) -> Result<Option<Line>, LoadError> {
        let mut bytes = Vec::new();
        let mut bounded = (&mut self.reader).take(self.limit + 1);
        let read = bounded
            .read_until(b'\n', &mut bytes)
            .map_err(|source| LoadError::Read {
                path: self.path.clone(),
                source,
            })?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        let start = self.offset;
        self.offset += read as u64;
        if self.line == 1 {
            check_text(&self.path, &bytes)?;
            if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
                bytes.drain(..3);
            }
        }
        if read as u64 > self.limit {
            return Err(LoadError::LongLine {
                path: self.path.clone(),
                line: self.line,
                limit: self.limit,
            });
        }
        if bytes.contains(&0) {
            return Err(LoadError::Binary {
                path: self.path.clone(),
                kind: None,
            });
        }
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(Line {
                text,
                start,
                number: self.line,
            })),
            Err(error) => Err(LoadError::Encoding {
                path: self.path.clone(),
                line: self.line,
                offset: start + error.utf8_error().valid_up_to() as u64,
            }),
        }
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = Result<Line, LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let line = self.read_line();
        self.failed = line.is_err();
        line.transpose()
    }
}

/// The text of a whole file: UTF-8, or UTF-16 with its mark.
pub(super) fn decode(path: &str, bytes: Vec<u8>) -> Result<String, LoadError> {
    if let Some(text) = utf16(&bytes) {
        return Ok(text);
    }
    check_text(path, &bytes)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        }),
        Err(error) => {
            let offset = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..offset).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            Err(LoadError::Encoding {
                path: path.to_owned(),
                line,
                offset: offset as u64,
            })
        }
    }
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let (rest, big_endian) = match bytes {
        [0xFF, 0xFE, rest @ ..] => (rest, false),
        [0xFE, 0xFF, rest @ ..] => (rest, true),
        _ => return None,
    };
    let read = if big_endian {
        u16::from_be_bytes
    } else {
        u16::from_le_bytes
    };
    let (units, _) = rest.as_chunks::<2>();
    String::from_utf16(&units.iter().map(|unit| read(*unit)).collect::<Vec<_>>()).ok()
}

/// Refuses what is plainly not text, by what it begins with.
fn check_text(path: &str, start: &[u8]) -> Result<(), LoadError> {
    const KINDS: [(&[u8], &str); 9] = [
        (b"\x89PNG", "a PNG image"),
        (b"\xFF\xD8\xFF", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"%PDF-", "a PDF"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1F\x8B", "a gzip archive"),
        (b"\x7FELF", "a program"),
        (b"MZ\x90", "a program"),
        (b"SQLite format 3", "an SQLite database"),
    ];
    let kind = KINDS
        .iter()
        .find(|(magic, _)| start.starts_with(magic))
        .map(|(_, kind)| *kind);
    let head = start.get(..start.len().min(4096)).unwrap_or_default();
    if kind.is_some() || head.contains(&0) {
        return Err(LoadError::Binary {
            path: path.to_owned(),
            kind,
        });
    }
    Ok(())
}
