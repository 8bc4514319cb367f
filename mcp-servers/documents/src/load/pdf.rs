//! PDFs that hold text, page by page.

use std::fmt;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flate2::read::ZlibDecoder;
use pdf_extract::{ConvertToFmt, Dictionary, Document as Pdf, PlainTextOutput, output_doc_page};
use serde_json::{Map, Value};

use super::markdown::day;
use super::{stated_title, title_from};
use crate::document::{Block, BlockKind, Document, LoadError};

/// Stack of the thread that reads: page trees and forms nest, and the parser recurses.
const STACK_BYTES: usize = 64 << 20;

/// Name of that thread. The parser panics on some damaged files, which is only an error here; a
/// program can keep such a panic off its standard error by this name.
pub const PDF_THREAD: &str = "pdf";

/// What a PDF says.
struct Contents {
    title: Option<String>,
    date: Option<String>,
    /// The text of each page, or why it cannot be read.
    pages: Vec<Result<String, String>>,
}

/// A PDF as a document. Pages that cannot be read are named in its metadata.
pub(super) fn pdf(
    name: &str,
    path: String,
    bytes: &[u8],
    limit: u64,
) -> Result<Document, LoadError> {
    let malformed = |message: String| LoadError::Malformed {
        path: path.clone(),
        place: String::new(),
        message,
    };
    if !bytes.starts_with(b"%PDF-") {
        let message = "does not begin like a PDF; the file is damaged or misnamed";
        return Err(malformed(message.to_owned()));
    }
    if inflates_beyond(bytes, limit) {
        return Err(malformed(format!(
            "unpacks to more than {limit} bytes, the limit for files of this kind; split it, or \
             raise --max-file-mib"
        )));
    }
    let read = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name(PDF_THREAD.to_owned())
            .stack_size(STACK_BYTES);
        let reading = thread.spawn_scoped(scope, || contents(bytes, limit))?;
        Ok(reading.join())
    });
    let contents = match read.map_err(|source| LoadError::Read {
        path: path.clone(),
        source,
    })? {
        Ok(Ok(contents)) => contents,
        Ok(Err(error)) => {
            let message = format!("the PDF is damaged or encrypted ({error}); save it anew");
            return Err(malformed(message));
        }
        Err(_) => {
            let message = "the PDF is damaged beyond reading; save it anew";
            return Err(malformed(message.to_owned()));
        }
    };
    let mut unreadable = Vec::new();
    let mut reason = String::new();
    for (number, page) in (1_u64..).zip(&contents.pages) {
        if let Err(error) = page {
            tracing::warn!(path, page = number, error, "a page cannot be read");
            reason.clone_from(error);
            unreadable.push(Value::from(number));
        }
    }
    let blocks = blocks(contents.pages.iter().flatten());
    if blocks.is_empty() {
        return Err(malformed(if reason.is_empty() {
            "holds no text; a scanned PDF must go through OCR first".to_owned()
        } else {
            format!("no page can be read ({reason}); save it anew")
        }));
    }
    let mut metadata = Map::from_iter([("pages".to_owned(), contents.pages.len().into())]);
    if !unreadable.is_empty() {
        metadata.insert("unreadable_pages".to_owned(), unreadable.into());
    }
    Ok(Document {
        title: contents.title.unwrap_or_else(|| title_from(name)),
        date: contents.date,
        format: "pdf",
        metadata,
        blocks: Box::new(blocks.into_iter().map(Ok)),
    })
}

fn contents(bytes: &[u8], limit: u64) -> Result<Contents, String> {
    let mut pdf = Pdf::load_mem(bytes).map_err(|error| error.to_string())?;
    if pdf.is_encrypted() {
        // Many are encrypted with an empty password, only to forbid printing.
        pdf.decrypt("").map_err(|error| error.to_string())?;
    }
    let information = information(&pdf);
    let text = |key: &[u8]| {
        let value = information?.get(key).ok()?;
        pdf_extract::decode_text_string(value).ok()
    };
    let mut pages = Vec::new();
    for number in pdf.get_pages().into_keys() {
        let mut written = Bounded {
            text: String::new(),
            left: usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let read = catch_unwind(AssertUnwindSafe(|| {
            output_doc_page(&pdf, &mut PlainTextOutput::new(&mut written), number)
        }));
        pages.push(match read {
            Ok(Ok(())) => Ok(written.text),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it breaks the parser".to_owned()),
        });
    }
    Ok(Contents {
        title: text(b"Title").and_then(|title| stated_title(&title)),
        date: text(b"ModDate")
            .or_else(|| text(b"CreationDate"))
            .and_then(|date| pdf_day(&date)),
        pages,
    })
}

fn information(pdf: &Pdf) -> Option<&Dictionary> {
    let entry = pdf.trailer.get(b"Info").ok()?;
    let (_, object) = pdf.dereference(entry).ok()?;
    object.as_dict().ok()
}

/// `D:20240501120000+02'00'` begins with a day.
fn pdf_day(date: &str) -> Option<String> {
    let digits = date.trim().strip_prefix("D:").unwrap_or(date.trim());
    let (year, month, date) = (digits.get(..4)?, digits.get(4..6)?, digits.get(6..8)?);
    day(&format!("{year}-{month}-{date}"))
}

/// Paragraphs, in order.
fn blocks<'a>(pages: impl Iterator<Item = &'a String>) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut start = 0;
    for page in pages {
        for paragraph in page.split("\n\n") {
            let words: Vec<&str> = paragraph.split_whitespace().collect();
            if !words.is_empty() {
                let block = Block {
                    kind: BlockKind::Prose,
                    text: words.join(" "),
                    heading_path: Vec::new(),
                    start,
                };
                start = block.end() + 2;
                blocks.push(block);
            }
        }
    }
    blocks
}

/// Takes so many bytes and then fails: a page can draw one stream again and again.
struct Bounded {
    text: String,
    left: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.left = self.left.checked_sub(text.len()).ok_or(fmt::Error)?;
        self.text.push_str(text);
        Ok(())
    }
}

impl<'a> ConvertToFmt for &'a mut Bounded {
    type Writer = &'a mut Bounded;

    fn convert(self) -> Self::Writer {
        self
    }
}

/// Whether the compressed streams together unpack to more than `limit` bytes. The parser unpacks
/// without bounds, and a small file can hold gigabytes; so each is unpacked here first, into
/// nothing. Pictures are left out: the parser never unpacks them.
fn inflates_beyond(bytes: &[u8], limit: u64) -> bool {
    let mut left = limit;
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, b"stream") {
        let (before, from) = rest.split_at(at);
        let after = from.get(b"stream".len()..).unwrap_or_default();
        rest = after;
        if before.ends_with(b"end") {
            continue;
        }
        let tail = before.len().saturating_sub(2_048);
        let near = before.get(tail..).unwrap_or_default();
        let dictionary = memchr::memmem::rfind(near, b"obj")
            .and_then(|start| near.get(start..))
            .unwrap_or(near);
        let layers = memchr::memmem::find_iter(dictionary, b"FlateDecode").count();
        let picture = memchr::memmem::find(dictionary, b"/Image").is_some();
        if layers == 0 || picture {
            continue;
        }
        let data = after.strip_prefix(b"\r").unwrap_or(after);
        let data = data.strip_prefix(b"\n").unwrap_or(data);
        let mut unpacked: Box<dyn Read + '_> = Box::new(data);
        for _ in 0..layers.min(4) {
            unpacked = Box::new(ZlibDecoder::new(unpacked));
        }
        // A damaged stream counts as far as it goes; the parser will say what is wrong.
        let mut bounded = Count {
            reader: unpacked.take(left.saturating_add(1)),
            read: 0,
        };
        let _ = std::io::copy(&mut bounded, &mut std::io::sink());
        if bounded.read > left {
            return true;
        }
        left -= bounded.read;
    }
    false
}

/// Counts what was read, whether or not it ended well.
struct Count<R> {
    reader: R,
    read: u64,
}

impl<R: Read> Read for Count<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.read += count as u64;
        Ok(count)
    }
}
