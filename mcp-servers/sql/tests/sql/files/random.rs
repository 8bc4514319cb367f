//! Whatever is in a file comes back, and whatever a file is, reading it ends.

use std::path::Path;

use proptest::prelude::*;
use ropewalk_sql::database::Files;
use ropewalk_sql::guard::Rules;

use super::made::{Folder, xlsx};

/// A value as people and programs write them.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        4 => any::<i64>().prop_map(|number| number.to_string()),
        2 => (-100_i64..100).prop_map(|number| number.to_string()),
        2 => any::<f64>().prop_map(|number| format!("{number:?}")),
        2 => "[+-]?[0-9]{0,20}[.]?[0-9]{0,20}([eE][+-]?[0-9]{1,3})?",
        1 => "(true|false|TRUE|False|NA|null|NULL|NaN|inf|-|[.])",
        1 => "[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?",
        2 => "[ \t]*[0-9]{1,3}[ \t]*",
        3 => "[^\0]{0,12}",
        2 => "[,;|\t\"'\r\n a]{0,8}",
    ]
}

fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
    (1_usize..5).prop_flat_map(|width| {
        // Columns that are mostly of one kind as well: numbers, unless one is not.
        let column = |rows: usize| {
            prop_oneof![
                prop::collection::vec(cell(), rows),
                prop::collection::vec((-100_000_i64..100_000).prop_map(|n| n.to_string()), rows),
                prop::collection::vec("-?[0-9]{1,4}[.][0-9]{1,6}", rows),
                prop::collection::vec("(true|FALSE|True)", rows),
            ]
        };
        (1_usize..12).prop_flat_map(move |rows| {
            prop::collection::vec(column(rows), width).prop_map(move |columns| {
                let row = |at: usize| columns.iter().map(|column| column[at].clone()).collect();
                (0..rows).map(row).collect()
            })
        })
    })
}

fn open(path: &Path) -> Result<Files, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let paths = [path.to_owned()];
    let opened = runtime.block_on(Files::open(&paths, None, Rules::default()));
    opened.map_err(|error| error.to_string())
}

/// The values of table `t` with the kinds of its columns, past all limits.
fn kept(files: &Files) -> Vec<Vec<(String, rusqlite::types::Value)>> {
    let connection = rusqlite::Connection::open(files.path()).unwrap();
    let mut all = connection
        .prepare("SELECT * FROM t ORDER BY rowid")
        .unwrap();
    let kinds: Vec<String> = all
        .columns()
        .map(|column| column.decl_type().unwrap().to_owned())
        .collect();
    let rows = all.query_map([], |row| {
        let cell = |(at, kind): (usize, &String)| Ok((kind.clone(), row.get(at)?));
        kinds.iter().enumerate().map(cell).collect()
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Whether a value is what was written.
fn same(written: &str, kind: &str, kept: &rusqlite::types::Value) -> bool {
    use rusqlite::types::Value;
    match kept {
        Value::Null => written.is_empty(),
        Value::Text(text) => text == written && kind.ends_with("TEXT"),
        Value::Integer(number) if kind == "INTEGER" => number.to_string() == written.trim(),
        Value::Integer(number) => {
            kind == "BOOLEAN"
                && written
                    .trim()
                    .eq_ignore_ascii_case(["false", "true"][usize::from(*number == 1)])
        }
        Value::Real(number) => {
            let digits: String = written.chars().filter(char::is_ascii_digit).collect();
            // No digit that counts is lost: there are no more than a number has, or they are those
            // that tell this number from its neighbours.
            kind == "REAL" && written.trim().parse() == Ok(*number) && digits.len() < 420
        }
        Value::Blob(_) => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn csv_comes_back(rows in table(), mark in prop::sample::select(&b",;\t|"[..])) {
        let folder = Folder::new();
        let path = folder.path.join("t.csv");
        let mut writer = csv::WriterBuilder::new().delimiter(mark).from_path(&path).unwrap();
        // With names and a row that only this mark splits evenly.
        let names = (0..=rows[0].len()).map(|at| format!("name{at}"));
        writer.write_record(names).unwrap();
        for row in &rows {
            writer.write_record(row.iter().map(String::as_str).chain(["end of row"])).unwrap();
        }
        writer.flush().unwrap();
        let files = open(&path).unwrap();
        let kept = kept(&files);
        prop_assert_eq!(kept.len(), rows.len());
        for (kept, row) in kept.iter().zip(&rows) {
            prop_assert_eq!(kept.len(), row.len() + 1);
            for ((kind, kept), written) in kept.iter().zip(row) {
                prop_assert!(same(written, kind, kept), "{written:?} became {kind} {kept:?}");
            }
        }
    }

    #[test]
    fn json_lines_come_back(rows in table(), texts in any::<bool>()) {
        let folder = Folder::new();
        let mut lines = String::new();
        for row in &rows {
            let number = |text: &String| text.parse::<i64>().ok().filter(|_| !texts);
            let object: serde_json::Map<String, serde_json::Value> = row
                .iter()
                .enumerate()
                .map(|(at, text)| {
                    let value = number(text).map_or_else(|| text.as_str().into(), Into::into);
                    (format!("name{at}"), value)
                })
                .collect();
            lines += &format!("{}\n", serde_json::Value::Object(object));
        }
        let path = folder.write("t.jsonl", lines);
        let kept = kept(&open(&path).unwrap());
        prop_assert_eq!(kept.len(), rows.len());
        for (kept, row) in kept.iter().zip(&rows) {
            for ((_, kept), written) in kept.iter().zip(row) {
                let told = match kept {
                    rusqlite::types::Value::Integer(number) => number.to_string(),
                    rusqlite::types::Value::Text(text) => text.clone(),
                    other => format!("{other:?}"),
                };
                let whole = written.parse::<i64>().ok().filter(|_| !texts);
                let meant = whole.map_or_else(|| written.clone(), |number| number.to_string());
                prop_assert_eq!(told, meant);
            }
        }
    }

}

proptest! {
    // Each of them is read in some forty ways.
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn no_bytes_bring_it_down(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        text in "[\\[\\]{}\",:;|\\\\a1 \n\r\t.e-]{0,60}",
        at in any::<prop::sample::Index>(),
    ) {
        let folder = Folder::new();
        let book = xlsx(&[("x", "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row>")]);
        let mut spoiled = book;
        let at = at.index(spoiled.len());
        for (place, byte) in spoiled.iter_mut().skip(at).zip(&bytes).take(8) {
            *place = *byte;
        }
        let parquet = [b"PAR1", bytes.as_slice(), &u32::try_from(bytes.len()).unwrap().to_le_bytes(), b"PAR1"].concat();
        for content in [bytes.as_slice(), text.as_bytes(), &spoiled, &parquet] {
            for name in ["t.csv", "t.tsv.gz", "t.jsonl", "t.json", "t.parquet", "t.xlsx", "t.xls", "t.xlsb", "t.ods"] {
                let path = folder.write(name, content);
                match open(&path) {
                    Ok(files) => prop_assert!(!files.origins().is_empty()),
                    Err(told) => {
                        prop_assert!(told.contains(name), "{told}");
                        prop_assert!(!told.contains("reading the files failed"), "{told}");
                    }
                }
            }
        }
    }
}
