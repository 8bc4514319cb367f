//! How often that is right is measured on a folder.

use std::fs;

use ropewalk_sql::measure::{Folder, MeasureError, measure_choice, measure_repair};
use serde_json::{Value, json};

use super::LIBRARY;

#[tokio::test]
async fn a_folder_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("database")).unwrap();
    let file = folder.path().join("database/library.sqlite");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch(LIBRARY)
        .unwrap();
    let line = |question: &str, gold: &str, predictions: Value| {
        json!({"db_id": "library", "question": question, "query": gold, "predictions": predictions})
            .to_string()
    };
    let french = "SELECT count(*) FROM authors WHERE country = 'France'";
    let lines = [
        line(
            "How many authors are from France?",
            french,
            json!({
                "a": "SELECT count(*) FROM authors WHERE country = 'france'",
                "b": "SELECT count(*) FROM authors WHERE country = 'FRANCE'",
                "c": french,
            }),
        ),
        line(
            "How many books are there?",
            "SELECT count(*) FROM books",
            json!({
                "a": "SELECT count(*) FROM bookz",
                "b": "SELECT count(*) FROM loans",
                "c": "SELECT count(*) FROM books",
            }),
        ),
    ];
    fs::write(folder.path().join("questions.jsonl"), lines.join("\n")).unwrap();
    let folder = Folder::read(folder.path()).unwrap();
    let choice = measure_choice(&folder).await.unwrap();
    assert_eq!(
        (
            choice.questions,
            choice.ex,
            choice.majority_ex,
            choice.oracle_ex
        ),
        (2, 100.0, 0.0, 100.0)
    );
    let repair = measure_repair(&folder, None).await.unwrap();
    assert_eq!(
        (repair.system.as_str(), repair.ex_before, repair.ex_after),
        ("a", 0.0, 100.0)
    );
    assert_eq!(
        (repair.errors_before, repair.errors_after, repair.lost),
        (1, 0, 0)
    );
    let repair = measure_repair(&folder, Some("c")).await.unwrap();
    assert_eq!(
        (repair.system.as_str(), repair.ex_before, repair.lost),
        ("c", 100.0, 0)
    );
    let nobody = measure_repair(&folder, Some("nobody")).await.unwrap_err();
    assert!(matches!(nobody, MeasureError::Nothing), "{nobody}");
}
