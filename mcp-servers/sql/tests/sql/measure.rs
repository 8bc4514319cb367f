//! Folders of questions in the forms that public sets have.

use std::fs::write;

use ropewalk_sql::measure::Folder;

#[test]
fn questions_schemas_and_databases_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let lines = r#"{"db_id": "shop", "question": "How many?", "query": "SELECT count(*) FROM item", "predictions": {"one": "SELECT 1"}}

{"db_id": "shop", "question": "Which?", "SQL": "SELECT name FROM item", "evidence": "none"}
"#;
    write(folder.path().join("questions.jsonl"), lines).unwrap();
    let tables = r#"[{"db_id": "shop", "table_names_original": ["item", "sale"],
        "table_names": ["item", "sale of an item"],
        "column_names_original": [[-1, "*"], [0, "Id"], [0, "fullName"], [1, "item_id"], [1, "at"]],
        "column_names": [[-1, "*"], [0, "id"], [0, "full name"], [1, "item id"], [1, "time of sale"]],
        "column_types": ["text", "number", "text", "number", "time"],
        "primary_keys": [1, [3, 4]], "foreign_keys": [[3, 1]]}]"#;
    write(folder.path().join("tables.json"), tables).unwrap();
    std::fs::create_dir(folder.path().join("database")).unwrap();
    write(folder.path().join("database/shop.sqlite"), "").unwrap();
    write(folder.path().join("database/notes.txt"), "").unwrap();

    let read = Folder::read(folder.path()).unwrap();
    assert_eq!(read.questions.len(), 2);
    assert_eq!(read.questions[0].predictions["one"], "SELECT 1");
    assert_eq!(read.questions[1].gold, ["SELECT name FROM item"]);
    assert_eq!(read.questions[1].evidence.as_deref(), Some("none"));
    assert_eq!(read.databases.keys().collect::<Vec<_>>(), ["shop"]);
    let sale = read.schemas["shop"].table("sale").unwrap();
    assert_eq!(sale.comment.as_deref(), Some("sale of an item"));
    assert_eq!(sale.primary_key, ["item_id", "at"]);
    assert_eq!(sale.foreign_keys[0].table, "item");
    let at = sale.column("at").unwrap();
    assert_eq!(
        (at.kind.as_str(), at.comment.as_deref()),
        ("time", Some("time of sale"))
    );
    let item = read.schemas["shop"].table("item").unwrap();
    assert_eq!(item.column("fullName").unwrap().comment, None);
}

#[test]
fn accepted_answers_of_a_cell_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "question,query,db_name\nWho?,\"SELECT {a, b} FROM t;SELECT a FROM t\",shop\n";
    write(folder.path().join("questions_gen_postgres.csv"), csv).unwrap();
    write(
        folder.path().join("idk.csv"),
        "question,query,db_name\nWhy?,SELECT 'no idea',shop\n",
    )
    .unwrap();
    let read = Folder::read(folder.path()).unwrap();
    assert_eq!(read.questions[0].gold.len(), 4);
    assert_eq!(read.unanswerable.len(), 1);
    assert!(read.unanswerable[0].gold.is_empty());
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let error = Folder::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("neither questions.jsonl"), "{error}");
    write(folder.path().join("questions.jsonl"), "\n{\"db_id\": 1}\n").unwrap();
    let error = Folder::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("questions.jsonl: line 2"), "{error}");
}
