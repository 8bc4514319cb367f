//! JSON lines and arrays.

use serde_json::json;

use super::made::{columns, gzip, kinds, refused, rows, table};

#[tokio::test]
async fn the_columns_are_the_names_of_all_objects() {
    let lines = "{\"b\": 1, \"a\": \"x\"}\n\n{\"a\": null, \"c\": [1, {\"d\": 2}]}\r\n{\"c\": {}, \"é 📈\": true}";
    let array = format!(
        "\u{feff}[{}]",
        lines.replace("\n\n", ",").replace("\r\n", ", ")
    );
    for (name, text) in [
        ("t.jsonl", lines.to_owned()),
        ("t.ndjson", lines.to_owned()),
        ("t.json", lines.to_owned()),
        ("t.json", array.clone()),
        (
            "t.json",
            lines.replace("\"a\": \"x\"", "\n \"a\":\n\"x\"\n"),
        ),
    ] {
        for (name, content) in [
            (name.to_owned(), text.clone().into_bytes()),
            (format!("{name}.gz"), gzip(text.as_bytes())),
        ] {
            let files = table(&name, content).await.unwrap();
            let named = [
                ("b", "INTEGER"),
                ("a", "TEXT"),
                ("c", "JSON TEXT"),
                ("é 📈", "BOOLEAN"),
            ];
            let named = named.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
            assert_eq!(columns(&files, "t").await, named, "{name} {text}");
            assert_eq!(
                rows(&files, "SELECT * FROM t").await,
                [
                    [json!(1), json!("x"), json!(null), json!(null)],
                    [
                        json!(null),
                        json!(null),
                        json!("[1, {\"d\": 2}]"),
                        json!(null)
                    ],
                    [json!(null), json!(null), json!("{}"), json!(1)],
                ]
            );
        }
    }
}

#[tokio::test]
async fn numbers_keep_their_digits_and_texts_stay_texts() {
    let text = "{\"n\": 1e5, \"big\": 12345678901234567890, \"long\": 0.1234567890123456789, \
                \"zip\": \"12345\", \"day\": \"2024-02-29\", \"mix\": 1.50}\n\
                {\"n\": 2, \"mix\": \"x\\u00e9\\u0000\"}";
    let files = table("t.jsonl", text).await.unwrap();
    assert_eq!(
        kinds(&files).await,
        ["REAL", "TEXT", "TEXT", "TEXT", "DATE TEXT", "TEXT"]
    );
    assert_eq!(
        rows(&files, "SELECT * FROM t LIMIT 1").await,
        [[
            json!(100_000.0),
            json!("12345678901234567890"),
            json!("0.1234567890123456789"),
            json!("12345"),
            json!("2024-02-29"),
            json!("1.50")
        ]]
    );
    let sql = "SELECT mix FROM t WHERE n = 2";
    assert_eq!(rows(&files, sql).await, [[json!("xé\0")]]);
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_line() {
    for (name, text, told) in [
        (
            "t.jsonl",
            "{\"a\": 1}\n{\"a\": }\n",
            "line 2: expected value (column 7)",
        ),
        (
            "t.jsonl",
            "{\"a\": 1}\n\n[1]\n",
            "line 3: invalid type: sequence, expected an object for each row (column 0)",
        ),
        (
            "t.jsonl",
            "{\"a\": 1} {\"a\": 2}\n",
            "line 1: trailing characters (column 10)",
        ),
        (
            "t.jsonl",
            "{\"a\": 1, \"a\": 2}\n",
            "line 1: `a` is in the object twice; rename one of them (column 16)",
        ),
        (
            "t.jsonl",
            "{\"a\": \"\\ud800\"}\n",
            "line 1: unexpected end of hex escape (column 8)",
        ),
        (
            "t.json",
            "[{\"a\": 1},\n{\"a\": 2\n",
            "line 3: EOF while parsing an object (column 0)",
        ),
        (
            "t.json",
            "[{\"a\": 1},\n7]",
            "line 2: invalid type: integer `7`, expected an object for each row (column 2)",
        ),
        (
            "t.json",
            "{\"a\": 1}\n{\"a\": 2}\n\n tru",
            "line 4: EOF while parsing a value (column 4)",
        ),
        (
            "t.json",
            "\n7",
            "line 2: invalid type: integer `7`, expected an object for each row, or an array of such (column 1)",
        ),
    ] {
        assert_eq!(
            refused(name, text).await,
            format!("`{name}`, {told}"),
            "{text}"
        );
    }
    for text in ["[]", "[{}]", "{}"] {
        let told = "`t.json` has nothing in it; export it again, or leave it out";
        assert_eq!(refused("t.json", text).await, told);
    }
    let wide: Vec<String> = (0..2_001)
        .map(|number| format!("\"c{number}\": 1"))
        .collect();
    let told = refused("t.jsonl", format!("{{{}}}", wide.join(","))).await;
    assert!(
        told.starts_with("`t.jsonl`, line 1: the objects have more than 2000 names"),
        "{told}"
    );
}
