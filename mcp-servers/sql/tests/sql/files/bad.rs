//! What cannot be read, and limits.

use std::path::PathBuf;

use ropewalk_sql::database::{DatabaseError, FileError, Files, ImportLimits, Progress};
use ropewalk_sql::guard::Rules;
use tokio_util::sync::CancellationToken;

use super::made::{Folder, gzip, open, refused, xlsx, zip};
use super::parquet::repeated;

#[tokio::test]
async fn what_is_not_there_is_told() {
    let folder = Folder::new();
    let missing = folder.path.join("missing.csv");
    let error = open(&[&missing]).await.err().unwrap();
    assert!(matches!(error, FileError::Missing { .. }), "{error}");
    let error = open(&[]).await.err().unwrap();
    assert!(matches!(error, FileError::Nothing), "{error}");
    let text = folder.write("notes.txt", "a");
    let error = open(&[&text]).await.err().unwrap();
    assert!(matches!(error, FileError::Unknown { .. }), "{error}");
    let error = open(&[&folder.path]).await.err().unwrap();
    assert!(matches!(error, FileError::NoTables { .. }), "{error}");
    folder.write("empty.csv", "");
    let error = open(&[&folder.path]).await.err().unwrap();
    assert!(matches!(error, FileError::NoTables { .. }), "{error}");
    let error = DatabaseError::from(open(&[&missing]).await.err().unwrap());
    assert!(matches!(error, DatabaseError::Open { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_text_is_told() {
    let kind = "cannot be read as text with values between marks:";
    for (content, told) in [
        (Vec::new(), "`t.csv` has nothing in it; export it again, or leave it out".to_owned()),
        (b" \r\n\n".to_vec(), "`t.csv` has nothing in it; export it again, or leave it out".to_owned()),
        (b"\xEF\xBB\xBF".to_vec(), "`t.csv` has nothing in it; export it again, or leave it out".to_owned()),
        (b"\xFF\xFE".to_vec(), "`t.csv` has nothing in it; export it again, or leave it out".to_owned()),
        (
            b"a,b\n1,\0\n".to_vec(),
            "`t.csv`, line 2: there is a byte here that no text has; is it of another kind?".to_owned(),
        ),
        (
            xlsx(&[("x", "")]),
            format!("`t.csv` {kind} it is a ZIP archive or a spreadsheet (.xlsx, .ods); name it for what it is"),
        ),
        (
            gzip(b"a,b\n1,2\n"),
            format!("`t.csv` {kind} it is packed with gzip (.gz); name it for what it is"),
        ),
        (
            b"\xFF\xFEa\0\x00\xD8\n\0".to_vec(),
            "`t.csv` cannot be read as text: it is not the UTF-16 that its beginning says; make it again".to_owned(),
        ),
    ] {
        assert_eq!(refused("t.csv", &content).await, told);
    }
    let mut cut = gzip(&b"a,b\n1,2\n".repeat(10_000));
    cut.truncate(cut.len() - 9);
    for content in [b"a,b\n1,2\n".to_vec(), cut] {
        let told = refused("t.csv.gz", &content).await;
        let begin = "`t.csv.gz` cannot be read as a file packed with gzip: ";
        assert!(told.starts_with(begin), "{told}");
    }
    let words = String::from("x,").repeat(2_001);
    for wide in [words, ",".repeat(1_000_000)] {
        let told = refused("t.csv", format!("{wide}\n{wide}\n")).await;
        assert!(
            told.starts_with("`t.csv` has more than 2000 columns"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_workbook_with_a_password_is_told() {
    // The frame that Excel puts around a workbook that it encrypts.
    let mut book = vec![0xFF; 512 * 3];
    book[..512].fill(0);
    book[..8].copy_from_slice(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]);
    book[24..34].copy_from_slice(&[0x3E, 0, 3, 0, 0xFE, 0xFF, 9, 0, 6, 0]);
    book[44] = 1;
    book[48] = 1;
    book[57] = 0x10;
    for (at, value) in [(60, 0xFFFF_FFFE_u32), (68, 0xFFFF_FFFE)] {
        book[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    book[80..512].fill(0xFF);
    book[76..80].fill(0);
    book[512..516].copy_from_slice(&0xFFFF_FFFD_u32.to_le_bytes());
    book[516..520].copy_from_slice(&0xFFFF_FFFE_u32.to_le_bytes());
    book[1_024..].fill(0);
    for (at, name) in ["Root Entry", "EncryptedPackage"].iter().enumerate() {
        let entry = 1_024 + at * 128;
        for (place, unit) in name.encode_utf16().enumerate() {
            book[entry + place * 2..][..2].copy_from_slice(&unit.to_le_bytes());
        }
        book[entry + 64] = u8::try_from(name.len() * 2 + 2).unwrap();
        book[entry + 66] = if at == 0 { 5 } else { 2 };
    }
    assert_eq!(
        refused("t.xlsx", book).await,
        "`t.xlsx` is protected by a password; save a copy without one and name that"
    );
}

async fn limited(path: PathBuf, limits: ImportLimits) -> FileError {
    let cancel = CancellationToken::new();
    let paths = [path];
    let mut deaf = |_| ();
    let read = Files::import(&paths, None, Rules::default(), &limits, &mut deaf, &cancel);
    read.await.err().unwrap()
}

#[tokio::test]
async fn limits_hold() {
    let folder = Folder::new();
    let text = "a,b\n".to_owned() + &"1,2\n".repeat(1_000);
    let path = folder.write("t.csv", &text);
    let few = |bytes, rows| ImportLimits { bytes, rows };
    let error = limited(path.clone(), few(4_000, 1_000)).await;
    assert!(
        matches!(error, FileError::Bytes { limit: 4_000, .. }),
        "{error}"
    );
    let error = limited(path.clone(), few(5_000, 999)).await;
    assert!(
        matches!(error, FileError::Rows { limit: 999, .. }),
        "{error}"
    );
    // A few bytes that are many.
    let packed = folder.write("t.csv.gz", gzip(&text.repeat(1_000).into_bytes()));
    let error = limited(packed, few(1_000_000, 1 << 40)).await;
    assert!(matches!(error, FileError::Bytes { .. }), "{error}");
    let wide: Vec<u8> = text
        .repeat(1_000)
        .bytes()
        .flat_map(|byte| [byte, 0])
        .collect();
    let packed = folder.write("t.csv.gz", gzip(&wide));
    let error = limited(packed, few(1_000_000, 1 << 40)).await;
    assert!(matches!(error, FileError::Bytes { .. }), "{error}");
    // The same text in every row, which is in the file once.
    let path = folder.write("t.parquet", repeated("x".repeat(10_000), 1_000));
    let error = limited(path.clone(), few(1_000_000, 1 << 40)).await;
    assert!(matches!(error, FileError::Bytes { .. }), "{error}");
    open(&[&path]).await.unwrap();
    let book = xlsx(&[("x", &"<row/>".repeat(1_000_000))]);
    let book = folder.write("t.xlsx", book);
    let error = limited(book, few(1_000_000, 1_000)).await;
    assert!(matches!(error, FileError::Bytes { .. }), "{error}");
    // Texts that cells share are held in memory.
    let shared = " ".repeat((256 << 20) + 1);
    let book = zip(&[("xl/sharedStrings.xml", &shared)]);
    let told = refused("t.xlsx", book).await;
    assert!(told.contains("held at a time"), "{told}");
    // A row that would be most of the file.
    let path = folder.write("t.csv", "a\n1\n\"".to_owned() + &"x".repeat(70 << 20));
    let error = limited(path, ImportLimits::default()).await;
    let FileError::Line {
        line: 3, reason, ..
    } = error
    else {
        panic!("{error}");
    };
    assert!(reason.contains("longer than 67108864 bytes"), "{reason}");
}

#[tokio::test]
async fn progress_is_told_and_the_reading_can_be_stopped() {
    let folder = Folder::new();
    let text = "a,b\n".to_owned() + &"1,2\n".repeat(100_000);
    let path = folder.write("t.csv", text);
    let mut told: Vec<Progress> = Vec::new();
    let limits = ImportLimits::default();
    let (rules, cancel) = (Rules::default(), CancellationToken::new());
    let paths = [path];
    let mut listen = |progress| told.push(progress);
    Files::import(&paths, None, rules.clone(), &limits, &mut listen, &cancel)
        .await
        .unwrap();
    let last = told.last().unwrap();
    assert_eq!((last.done, last.rows), (last.total, 100_000));
    assert!(told.is_sorted_by_key(|progress| progress.done));
    let mut stop = |_| cancel.cancel();
    let stopped = Files::import(&paths, None, rules, &limits, &mut stop, &cancel);
    let error = stopped.await.err().unwrap();
    assert!(matches!(error, FileError::Cancelled), "{error}");
}
