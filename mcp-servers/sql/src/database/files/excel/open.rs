//! Opens a workbook, once it is certain that it can be held.

use std::io::{self, BufReader, Read};

use calamine::{Error, OdsError, Reader, Sheets, XlsError, XlsbError, XlsxError};

use crate::database::files::FileError;
use crate::database::files::excel::{Book, ods};
use crate::database::files::find::Source;
use crate::database::files::watch::{Stop, Watch};

/// Cells of a workbook that can only be read as a whole.
const MAX_CELLS: u64 = 20_000_000;

/// Bytes of what is held in memory of a workbook whose rows are not, such as the texts that its
/// cells share.
const MAX_HELD: u64 = 256 << 20;

/// Opens a workbook.
pub(in crate::database::files) fn open(
    source: &Source,
    watch: &Watch<'_>,
) -> Result<Book, FileError> {
    if source.bytes == 0 {
        return Err(FileError::Empty {
            path: source.path.clone(),
        });
    }
    let ending = source.path.extension().unwrap_or_default();
    let ending = ending.to_string_lossy().to_ascii_lowercase();
    unpack(source, &ending, watch)?;
    let file = || source.open().map(BufReader::new);
    let failed = |error: Error| opening(source, &error);
    let book = match ending.as_str() {
        "xls" => Sheets::Xls(Reader::new(file()?).map_err(|error: XlsError| failed(error.into()))?),
        "xlsb" => {
            Sheets::Xlsb(Reader::new(file()?).map_err(|error: XlsbError| failed(error.into()))?)
        }
        "ods" => Sheets::Ods(Reader::new(file()?).map_err(|error: OdsError| failed(error.into()))?),
        _ => Sheets::Xlsx(Reader::new(file()?).map_err(|error: XlsxError| failed(error.into()))?),
    };
    Ok(book)
}

/// Sees how large a packed workbook is when it is unpacked: that may be a thousand times as much,
/// and texts that cells share are held in memory.
fn unpack(source: &Source, ending: &str, watch: &Watch<'_>) -> Result<(), FileError> {
    // What is no archive is told by who reads it.
    let Ok(mut archive) = zip::ZipArchive::new(BufReader::new(source.open()?)) else {
        return Ok(());
    };
    let mut left = watch.limits.bytes;
    let mut held = 0_u64;
    for place in 0..archive.len() {
        let Ok(entry) = archive.by_index(place) else {
            continue;
        };
        let content = ending == "ods" && entry.name().is_ok_and(|name| name == "content.xml");
        let rows = entry
            .name()
            .is_ok_and(|name| name.starts_with("xl/worksheets/"));
        let media = entry.name().is_ok_and(|name| name.starts_with("xl/media/"));
        let before = left;
        let mut entry = entry.take(left);
        if content && ods::cells(BufReader::new(&mut entry)) > MAX_CELLS {
            let reason = format!(
                "its cells are more than the {MAX_CELLS} that are read of this kind of workbook; \
                 save it as .xlsx"
            );
            return Err(source.is_no("a workbook", reason));
        }
        let unpacked = io::copy(&mut entry, &mut io::sink());
        // What cannot be unpacked is told by who reads it.
        if unpacked.is_ok() && entry.limit() == 0 {
            return Err(watch.error(&Stop::Bytes, 0));
        }
        left = entry.limit();
        if ending != "ods" && !rows && !media {
            held = held.saturating_add(before.saturating_sub(left));
        }
        if held > MAX_HELD {
            let reason = format!(
                "its texts are more than the {MAX_HELD} bytes that are held at a time; save it as \
                 .csv"
            );
            return Err(source.is_no("a workbook", reason));
        }
        watch.row()?;
    }
    Ok(())
}

fn opening(source: &Source, error: &Error) -> FileError {
    match error {
        Error::Xls(XlsError::Password)
        | Error::Xlsx(XlsxError::Password)
        | Error::Xlsb(XlsbError::Password)
        | Error::Ods(OdsError::Password) => FileError::Password {
            path: source.path.clone(),
        },
        error => source.is_no("a workbook", format!("{error}; save it once more")),
    }
}
