//! CSV and its kin.

use serde_json::json;

use super::made::{columns, gzip, kinds, refused, rows, table};

#[tokio::test]
async fn types_are_told_from_all_rows_and_nothing_is_lost() {
    let text = "whole,real,truth,day,moment,zip,big,na,mixed,empty\n\
                1,1.5,true,2024-02-29,2024-02-29 12:00:00,00123,9223372036854775808,1,1,\n\
                -2,2,FALSE,2023-01-01,2024-02-29T12:00:00.5Z,04567,1,NA,two,\n\
                ,,,,,,,,,\n";
    let files = table("t.csv", text).await.unwrap();
    assert_eq!(
        kinds(&files).await,
        [
            "INTEGER",
            "REAL",
            "BOOLEAN",
            "DATE TEXT",
            "TIMESTAMP TEXT",
            "TEXT",
            "TEXT",
            "TEXT",
            "TEXT",
            "TEXT"
        ]
    );
    assert_eq!(
        rows(&files, "SELECT * FROM t").await,
        [
            vec![
                json!(1),
                json!(1.5),
                json!(1),
                json!("2024-02-29"),
                json!("2024-02-29 12:00:00"),
                json!("00123"),
                json!("9223372036854775808"),
                json!("1"),
                json!("1"),
                json!(null)
            ],
            vec![
                json!(-2),
                json!(2.0),
                json!(0),
                json!("2023-01-01"),
                json!("2024-02-29T12:00:00.5Z"),
                json!("04567"),
                json!("1"),
                json!("NA"),
                json!("two"),
                json!(null)
            ],
            vec![json!(null); 10],
        ]
    );
    // As text it is compared as text, not with the number 2024.
    let sql = "SELECT count(*) FROM t WHERE day >= '2024'";
    assert_eq!(rows(&files, sql).await, [[json!(1)]]);
}

#[tokio::test]
async fn one_value_at_the_end_of_many_makes_a_column_text() {
    let mut text = "n,m\n".to_owned();
    for number in 0..20_000 {
        text += &format!("{number},{number}\n");
    }
    text += "20000,x\n";
    let files = table("t.csv", text).await.unwrap();
    assert_eq!(kinds(&files).await, ["INTEGER", "TEXT"]);
    let sql = "SELECT count(*), sum(n), max(m) FROM t";
    assert_eq!(
        rows(&files, sql).await,
        [[json!(20_001), json!(200_010_000), json!("x")]]
    );
}

#[tokio::test]
async fn marks_headers_and_ends_of_lines_are_found() {
    for (name, text) in [
        ("t.csv", "a,b\n1,x y\n"),
        ("t.csv", "a;b\r\n1;x y\r\n"),
        ("t.csv", "a\tb\r1\tx y\r"),
        ("t.psv", "a|b\n1|x y"),
        ("t.tsv", "a\tb\n1\tx y\n"),
        ("t.csv", "sep=;\na;b\n1;x y\n"),
        ("t.csv", "\u{feff}a,b\n1,x y\n"),
        ("t.csv", "\"a\",\"b\"\n\"1\",\"x y\"\n"),
        ("t.csv", "\n\na,b,\n\n1,x y,\n"),
    ] {
        let files = table(name, text).await.unwrap();
        let named = [("a", "INTEGER"), ("b", "TEXT")];
        let named = named.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
        assert_eq!(columns(&files, "t").await, named, "{text:?}");
        assert_eq!(
            rows(&files, "SELECT * FROM t").await,
            [[json!(1), json!("x y")]]
        );
    }
}

#[tokio::test]
async fn a_file_without_names_has_numbered_columns() {
    let files = table("t.csv", "1,Ada\n2,Grace\n").await.unwrap();
    let named = [("column_1", "INTEGER"), ("column_2", "TEXT")];
    let named = named.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    assert_eq!(columns(&files, "t").await, named);
    let count = "SELECT count(*) FROM t";
    assert_eq!(rows(&files, count).await, [[json!(2)]]);
    let files = table("t.csv", "id,name\n").await.unwrap();
    assert_eq!(rows(&files, count).await, [[json!(0)]]);
}

#[tokio::test]
async fn all_ways_to_write_text_are_read() {
    let text = "name,city\nZoë,Zürich\nAda,Łódź\n";
    let latin = "name,city\nZoë,Zürich\nAda,Malmö\n";
    let pairs = |mark: bool, order: fn(u16) -> [u8; 2]| {
        let mark = mark.then_some(0xFEFF);
        let units = mark.into_iter().chain(text.encode_utf16());
        units.flat_map(order).collect::<Vec<u8>>()
    };
    let one_byte: Vec<u8> = latin.chars().map(|mark| mark as u8).collect();
    for (content, noted, city) in [
        (text.as_bytes().to_vec(), false, "Łódź"),
        (pairs(true, u16::to_le_bytes), false, "Łódź"),
        (pairs(true, u16::to_be_bytes), false, "Łódź"),
        (pairs(false, u16::to_le_bytes), false, "Łódź"),
        (pairs(false, u16::to_be_bytes), false, "Łódź"),
        (one_byte, true, "Malmö"),
    ] {
        for (name, content) in [("t.csv", content.clone()), ("t.csv.gz", gzip(&content))] {
            let files = table(name, content).await.unwrap();
            let sql = "SELECT name, city FROM t";
            assert_eq!(
                rows(&files, sql).await,
                [[json!("Zoë"), json!("Zürich")], [json!("Ada"), json!(city)]]
            );
            assert_eq!(
                files.notes().len(),
                usize::from(noted),
                "{:?}",
                files.notes()
            );
        }
    }
    let unknown = refused("t.csv", b"name\n\x83\x81\x90\xff\n").await;
    assert_eq!(
        unknown,
        "`t.csv` cannot be read as text with values between marks: its text is neither UTF-8 nor \
         UTF-16 nor Windows-1252; save it as UTF-8"
    );
}

#[tokio::test]
async fn rows_of_other_lengths_are_filled_or_refused() {
    let files = table("t.csv", "a,b,c\n1\n1,2\n1,2,3\n1,2,3,,\n")
        .await
        .unwrap();
    let (full, null) = (|last| vec![json!(1), json!(2), last], json!(null));
    assert_eq!(
        rows(&files, "SELECT * FROM t").await,
        [
            vec![json!(1), null.clone(), null.clone()],
            full(null),
            full(json!(3)),
            full(json!(3))
        ]
    );
    assert_eq!(
        refused("t.csv", "a,b\n1,\"two\nlines\"\n1,2,3\n").await,
        "`t.csv`, line 4: there are 3 values for 2 columns; quote a value that has a ',' in it"
    );
}

#[tokio::test]
async fn quotes_hold_lines_marks_and_quotes() {
    let files = table("t.csv", "a,b\n\"x\ny, \"\"z\"\"\r\n\",\" p \"\n")
        .await
        .unwrap();
    let sql = "SELECT a, b FROM t";
    assert_eq!(
        rows(&files, sql).await,
        [[json!("x\ny, \"z\"\r\n"), json!(" p ")]]
    );
    for open in [
        "a,b\n1,2\n3,\"x\n4,5\n",
        "a,b\n1,2\n3,\"x",
        "a,b\n1,2\n3,\"x\"\"\n",
        "a,b\n1,2\n\"",
    ] {
        assert_eq!(
            refused("t.csv", open).await,
            "`t.csv`, line 3: a quote in the row that begins here is not closed; close it",
            "{open:?}"
        );
    }
}
