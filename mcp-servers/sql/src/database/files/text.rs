//! The text of a file, whatever it is packed in and written with.
//!
//! UTF-8, UTF-16 with or without a mark at its beginning, and Windows-1252 (of which Latin-1 is a
//! part) are read. What is none of them is refused rather than guessed at: a wrong guess would not
//! be seen until somebody looks for a name.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};
use flate2::read::MultiGzDecoder;

use crate::database::files::FileError;
use crate::database::files::find::{Source, reading};
use crate::database::files::watch::{Stop, Watch};

const CHUNK: usize = 64 << 10;

/// Bytes at the beginning of a file that show whether it is written in pairs of bytes.
const HEAD: usize = 4 << 10;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    Windows1252,
}

/// How the text of a file is written. Looks at all of it: whether it is UTF-8 is only certain at
/// its end.
pub(super) fn encoding(
    source: &Source,
    kind: &'static str,
    watch: &Watch<'_>,
) -> Result<Encoding, FileError> {
    let mut bytes = unpacked(source, watch)?;
    let mut chunk = vec![0; CHUNK];
    let mut seen = Seen::default();
    let mut begun = false;
    loop {
        let read = bytes
            .read(&mut chunk)
            .map_err(|error| failed(source, watch, error))?;
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else {
            break;
        };
        if !begun {
            begun = true;
            if let Some(what) = packed(part) {
                return Err(source.is_no(kind, format!("{what}; name it for what it is")));
            }
            if let Some(encoding) = in_pairs(part) {
                return Ok(encoding);
            }
        }
        if let Some(line) = seen.see(part) {
            let reason = "there is a byte here that no text has; is it of another kind?";
            return Err(source.line(line, reason));
        }
    }
    if seen.blank {
        return Err(FileError::Empty {
            path: source.path.clone(),
        });
    }
    if seen.utf8 && seen.rest.is_empty() {
        return Ok(Encoding::Utf8);
    }
    if seen.foreign {
        let reason = "its text is neither UTF-8 nor UTF-16 nor Windows-1252; save it as UTF-8";
        return Err(source.is_no(kind, reason));
    }
    Ok(Encoding::Windows1252)
}

/// The text of a file as UTF-8.
pub(super) fn open<'a>(
    source: &Source,
    encoding: Encoding,
    watch: &'a Watch<'a>,
) -> Result<Box<dyn Read + 'a>, FileError> {
    let bytes = unpacked(source, watch)?;
    let decoder = match encoding {
        Encoding::Utf8 => {
            return Ok(Box::new(Watched {
                inner: Unmarked {
                    inner: bytes,
                    begun: false,
                },
                watch,
            }));
        }
        Encoding::Utf16Le => UTF_16LE.new_decoder_with_bom_removal(),
        Encoding::Utf16Be => UTF_16BE.new_decoder_with_bom_removal(),
        Encoding::Windows1252 => WINDOWS_1252.new_decoder_without_bom_handling(),
    };
    Ok(Box::new(Watched {
        inner: Decoded {
            inner: bytes,
            decoder,
            raw: vec![0; CHUNK],
            from: 0,
            to: 0,
            ended: false,
            finished: false,
        },
        watch,
    }))
}

/// What went wrong when a text was read.
pub(super) fn failed(source: &Source, watch: &Watch<'_>, error: io::Error) -> FileError {
    if let Some(stopped) = watch.stopped(&error, 0) {
        return stopped;
    }
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            let kind = if source.gzip {
                "a file packed with gzip"
            } else {
                "text"
            };
            source.is_no(kind, format!("{error}; make it again"))
        }
        _ => reading(&source.path, error),
    }
}

fn unpacked<'a>(source: &Source, watch: &'a Watch<'a>) -> Result<Box<dyn Read + 'a>, FileError> {
    let file = Counted {
        inner: source.open()?,
        watch,
    };
    if !source.gzip {
        return Ok(Box::new(file));
    }
    let file = io::BufReader::with_capacity(CHUNK, file);
    Ok(Box::new(Bounded {
        inner: MultiGzDecoder::new(file),
        left: watch.limits.bytes,
    }))
}

/// What a file is that is no text, where its first bytes tell.
fn packed(head: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 5] = [
        (
            b"PK\x03\x04",
            "it is a ZIP archive or a spreadsheet (.xlsx, .ods)",
        ),
        (b"\xD0\xCF\x11\xE0", "it is a spreadsheet (.xls)"),
        (b"\x1F\x8B", "it is packed with gzip (.gz)"),
        (b"PAR1", "it is a Parquet file (.parquet)"),
        (b"SQLite format 3\0", "it is a SQLite database"),
    ];
    let mut kinds = kinds.into_iter();
    kinds
        .find(|(mark, _)| head.starts_with(mark))
        .map(|(_, what)| what)
}

/// UTF-16, by its mark, or by the zeros that are every other byte of most texts.
fn in_pairs(head: &[u8]) -> Option<Encoding> {
    match head {
        [0xFF, 0xFE, ..] => return Some(Encoding::Utf16Le),
        [0xFE, 0xFF, ..] => return Some(Encoding::Utf16Be),
        _ => {}
    }
    let head = head.get(..HEAD).unwrap_or(head);
    let (pairs, _) = head.as_chunks::<2>();
    let zeros = |first: bool| {
        let zero = |pair: &&[u8; 2]| (if first { pair[0] } else { pair[1] }) == 0;
        pairs.iter().filter(zero).count()
    };
    let (first, second) = (zeros(true), zeros(false));
    let most = |zeros: usize| zeros.saturating_mul(10) > pairs.len().saturating_mul(7);
    if most(second) && first == 0 {
        Some(Encoding::Utf16Le)
    } else if most(first) && second == 0 {
        Some(Encoding::Utf16Be)
    } else {
        None
    }
}

/// What was seen of a text so far.
struct Seen {
    utf8: bool,
    blank: bool,
    /// Whether there was a byte that Windows-1252 does not have.
    foreign: bool,
    line: u64,
    /// The beginning of a character whose end is in the next part.
    rest: Vec<u8>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            utf8: true,
            blank: true,
            foreign: false,
            line: 1,
            rest: Vec::new(),
        }
    }
}

impl Seen {
    /// The line of a byte that no text has, if there is one.
    fn see(&mut self, part: &[u8]) -> Option<u64> {
        for byte in part {
            match byte {
                0 => return Some(self.line),
                b'\n' => self.line = self.line.saturating_add(1),
                0x81 | 0x8D | 0x8F | 0x90 | 0x9D => self.foreign = true,
                1..=8 | 14..=25 | 27..=31 => self.foreign = true,
                _ => {}
            }
        }
        let content = |byte: &u8| !byte.is_ascii_whitespace() && ![0xEF, 0xBB, 0xBF].contains(byte);
        self.blank = self.blank && !part.iter().any(content);
        if self.utf8 {
            let mut whole = std::mem::take(&mut self.rest);
            whole.extend_from_slice(part);
            if let Err(error) = std::str::from_utf8(&whole) {
                self.utf8 = error.error_len().is_none();
                self.rest = whole.split_off(error.valid_up_to());
            }
        }
        None
    }
}

/// A reader that tells how far it is.
struct Counted<'a, R> {
    inner: R,
    watch: &'a Watch<'a>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(room)?;
        self.watch.read(read as u64)?;
        Ok(read)
    }
}

/// A reader of what is packed, which may be a thousand times as much as the file.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(room)?;
        self.left = self.left.checked_sub(read as u64).ok_or(Stop::Bytes)?;
        Ok(read)
    }
}

/// A reader that is stopped in a row without end.
struct Watched<'a, R> {
    inner: R,
    watch: &'a Watch<'a>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(room)?;
        self.watch.unpacked(read as u64)?;
        Ok(read)
    }
}

/// UTF-8 without the mark that may be at its beginning.
struct Unmarked<R> {
    inner: R,
    begun: bool,
}

impl<R: Read> Read for Unmarked<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.begun {
            return self.inner.read(room);
        }
        self.begun = true;
        let mut head = Vec::with_capacity(3);
        self.inner.by_ref().take(3).read_to_end(&mut head)?;
        let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head);
        if head.is_empty() {
            return self.inner.read(room);
        }
        let given = room.get_mut(..head.len());
        // Whoever reads a text brings more room than this.
        given
            .ok_or(io::ErrorKind::InvalidInput)?
            .copy_from_slice(head);
        Ok(head.len())
    }
}

/// What an encoding other than UTF-8 is in UTF-8.
struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    from: usize,
    to: usize,
    /// Whether all was read.
    ended: bool,
    /// Whether all was decoded; the decoder may not be asked again.
    finished: bool,
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while !self.finished {
            if self.from == self.to && !self.ended {
                self.to = self.inner.read(&mut self.raw)?;
                self.from = 0;
                self.ended = self.to == 0;
            }
            let raw = self.raw.get(self.from..self.to).unwrap_or_default();
            let (result, read, written) = self
                .decoder
                .decode_to_utf8_without_replacement(raw, room, self.ended);
            self.from = self.from.saturating_add(read);
            self.finished = self.ended && result == DecoderResult::InputEmpty;
            match result {
                DecoderResult::Malformed(..) => {
                    let reason = "it is not the UTF-16 that its beginning says";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
                }
                _ if written > 0 => return Ok(written),
                DecoderResult::InputEmpty => {}
                DecoderResult::OutputFull => return Err(io::ErrorKind::InvalidInput.into()),
            }
        }
        Ok(0)
    }
}
