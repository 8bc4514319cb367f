//! Files as tables: what becomes of what is in them, and what is said of those that are no tables.

mod bad;
mod cache;
mod excel;
mod json;
mod made;
mod marked;
mod parquet;
mod random;
mod rules;

use std::sync::Arc;

use made::{Folder, open};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_what_engines_promise() {
    let folder = Folder::new();
    folder.write("person.csv", "id,name\n1,Ada\n2,Grace\n3,Edsger\n");
    let files = open(&[&folder.path]).await.unwrap();
    crate::engine::keeps_what_engines_promise(Arc::new(files)).await;
}

#[tokio::test]
async fn a_folder_is_a_database() {
    let folder = Folder::new();
    folder.write("people.csv", "id,name\n1,Ada\n2,Grace\n");
    folder.write(
        "orders.jsonl",
        "{\"person\": 1, \"price\": 2.5}\n{\"person\": 1}\n",
    );
    folder.write("nothing.csv", "");
    folder.write("read me.txt", "no table");
    folder.write(".hidden.csv", "a\n1\n");
    let files = open(&[&folder.path]).await.unwrap();
    let sql = "SELECT p.name, count(o.person), sum(o.price) FROM people p \
               LEFT JOIN orders o ON o.person = p.id GROUP BY p.id ORDER BY p.id";
    assert_eq!(
        made::rows(&files, sql).await,
        [
            vec![json!("Ada"), json!(2), json!(2.5)],
            vec![json!("Grace"), json!(0), json!(null)]
        ]
    );
    assert_eq!(made::tables(&files).await, ["orders", "people"]);
    let [note] = files.notes() else {
        panic!("{:?}", files.notes());
    };
    assert!(note.contains("nothing.csv"), "{note}");
}

#[tokio::test]
async fn files_of_the_same_name_are_different_tables() {
    let (one, other) = (Folder::new(), Folder::new());
    let (first, second) = (
        one.write("a b.csv", "x\n1\n"),
        other.write("a-b.csv", "x\n2\n"),
    );
    // The last is there already.
    let files = open(&[&first, &second, &one.path]).await.unwrap();
    assert_eq!(made::tables(&files).await, ["a_b", "a_b_2"]);
    let sql = "SELECT (SELECT x FROM a_b), (SELECT x FROM a_b_2)";
    assert_eq!(made::rows(&files, sql).await, [[json!(1), json!(2)]]);
    let from = |at: usize| files.origins()[at].path.clone();
    assert_eq!((from(0), from(1)), (first, second));
}

#[tokio::test]
async fn any_name_works() {
    let folder = Folder::new();
    for (file, table) in [
        ("select.csv", "select"),
        ("two words.csv", "two_words"),
        ("it's \"q\".csv", "it_s_q"),
        ("📈.csv", "📈"),
        ("a.b.csv", "a_b"),
        ("sqlite_schema.csv", "table_sqlite_schema"),
        ("json_each.csv", "table_json_each"),
    ] {
        let path = folder.write(
            file,
            "select,two words,\"say \"\"hi\"\"\",📈,a.b,rowid,Id,id,,'\n1,2,3,4,5,6,7,8,9,10\n",
        );
        let files = open(&[&path]).await.unwrap();
        assert_eq!(made::tables(&files).await, [table]);
        let columns = made::columns(&files, table).await;
        let names = columns.iter().map(|(name, _)| name.as_str());
        let names: Vec<&str> = names.collect();
        assert_eq!(
            names,
            [
                "select",
                "two words",
                "say \"hi\"",
                "📈",
                "a.b",
                "rowid",
                "Id",
                "id_2",
                "column_9",
                "'"
            ]
        );
        let quoted: Vec<String> = names
            .iter()
            .map(|name| format!("\"{}\"", name.replace('"', "\"\"")))
            .collect();
        let sql = format!("SELECT {} FROM \"{table}\"", quoted.join(", "));
        let row: Vec<_> = (1..=10).map(|number| json!(number)).collect();
        assert_eq!(made::rows(&files, &sql).await, [row], "{file}");
    }
}
