use std::path::Path;
use std::sync::Arc;

use ropewalk_embed::Embedder;
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::SqlServer;
use crate::catalogue::{Catalogue, Entry, Kept};
use crate::link::Meanings;
use tokio_util::sync::CancellationToken;

use crate::source::{Address, Import, Settings, Source};

fn arguments<T: DeserializeOwned>(arguments: Value) -> T {
    serde_json::from_value(arguments).unwrap()
}

async fn entry(name: &str, folder: &Path, sql: &str, semantics: &str) -> Entry {
    let file = folder.join(format!("{name}.db"));
    Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let address = Address::read(file.to_str().unwrap()).unwrap();
    let mut import = Import {
        cache: None,
        progress: &mut |_| (),
        cancel: &CancellationToken::new(),
    };
    let source = Source::open(name, &address, Settings::default(), &mut import)
        .await
        .unwrap();
    let layer = folder.join(format!("{name}.yaml"));
    std::fs::write(&layer, semantics).unwrap();
    let kept = Kept {
        semantics: Some(layer),
        ..Kept::default()
    };
    Entry::new(source, &kept, None).await.unwrap()
}

const MUSIC: &str = "
    CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, country TEXT, age INT);
    CREATE TABLE song (id INTEGER PRIMARY KEY, singer_id INT REFERENCES singer (id), sold INT);
    INSERT INTO singer VALUES (1, 'Ana', 'France', 30), (2, 'Bo', 'Spain', 40), (3, 'Cy', 'France', 25);
    INSERT INTO song VALUES (1, 1, 100), (2, 1, 50), (3, 2, 70);";

const LAYER: &str = "
metrics:
  - {name: sales, definition: Songs sold, formula: SUM(song.sold), from: song, synonyms: [turnover]}
tables:
  singer: {description: People who sing}
examples:
  - {question: How many singers are there?, sql: SELECT count(*) FROM singer}
";

async fn server(folder: &Path) -> SqlServer {
    let shop = "CREATE TABLE article (id INTEGER PRIMARY KEY, price REAL);";
    let entries = vec![
        entry("music", folder, MUSIC, LAYER).await,
        entry("shop", folder, shop, "").await,
    ];
    SqlServer::new(Catalogue::new(entries, None).unwrap())
}

#[tokio::test]
async fn the_server_is_fit_to_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let tools = server(folder.path()).await.tools();
    for finding in tools.examine().await {
        assert!(finding.outcome.is_ok(), "{finding:?}");
    }
    let empty = SqlServer::new(Catalogue::new(Vec::new(), None).unwrap());
    let error = empty.entry(None).err().unwrap().to_string();
    assert!(error.contains("no database is open"), "{error}");
}

#[tokio::test]
async fn the_schema_is_shown_for_a_question_for_a_table_and_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path()).await;
    let asked = json!({"question": "which song sold best?", "limit": 1});
    let shown = json!(server.schema(arguments(asked)).await.unwrap());
    assert_eq!(shown["tables"][0]["table"], "song");
    assert_eq!(shown["tables"][0]["columns"][1]["references"], "singer.id");
    assert_eq!(shown["databases"][1]["name"], "shop");
    let cursor = &shown["next_cursor"];
    let asked = json!({"question": "which song sold best?", "limit": 1, "cursor": cursor});
    let shown = json!(server.schema(arguments(asked)).await.unwrap());
    assert_eq!(shown["tables"][0]["table"], "singer");
    let one = json!({"table": "Singer"});
    let shown = json!(server.schema(arguments(one)).await.unwrap());
    assert_eq!(shown["tables"][0]["description"], "People who sing");
    assert_eq!(
        shown["tables"][0]["columns"][2]["samples"],
        json!(["France", "Spain"])
    );
    let all = json!({"database": "music"});
    let shown = json!(server.schema(arguments(all)).await.unwrap());
    assert_eq!(shown["tables"].as_array().unwrap().len(), 2);
    let error = server.schema(arguments(json!({"table": "singers"}))).await;
    assert!(error.unwrap_err().to_string().contains("there are: singer"));
}

#[tokio::test]
async fn examples_and_metrics_are_found_by_a_question() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path()).await;
    let asked = json!({"database": "music", "question": "the turnover of all singers"});
    let found = json!(server.examples(arguments(asked)).await.unwrap());
    assert_eq!(found["metrics"][0]["name"], "sales");
    assert_eq!(found["examples"][0]["sql"], "SELECT count(*) FROM singer");
    let error = server.examples(arguments(json!({"question": "?"}))).await;
    assert!(error.unwrap_err().to_string().contains("music, shop"));
}

#[tokio::test]
async fn statements_are_checked_and_asked() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path()).await;
    let check = |sql: &str| {
        let (server, asked) = (server.clone(), json!({"sql": sql, "database": "music"}));
        async move { server.check(arguments(asked)).await }
    };
    let fine = json!(check("SELECT name FROM singer").await.unwrap());
    assert_eq!(fine["tables"], json!(["singer"]));
    for (sql, told) in [
        ("DELETE FROM singer", "does not read"),
        (
            "SELECT nam FROM singer",
            "columns with names like it: singer.name",
        ),
        ("SELECT sold FROM singer", "there is song.sold"),
        (
            "SELECT name FROM sngers",
            "tables with names like it: singer",
        ),
    ] {
        let error = check(sql).await.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    let sql = "SELECT country, sum(sold) AS sold FROM singer JOIN song ON singer.id = singer_id \
               GROUP BY country";
    let query = |more: Value| {
        let mut asked = json!({"sql": sql, "database": "music"});
        asked
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let server = server.clone();
        async move {
            server
                .query(arguments(asked), Default::default())
                .await
                .map(|found| json!(found))
        }
    };
    let plain = query(json!({})).await.unwrap();
    assert_eq!(plain["rows"], json!([["France", 150], ["Spain", 70]]));
    assert_eq!(plain["chart"]["kind"], "bar");
    assert_eq!(plain["chart"].get("spec"), None);
    let quote = plain["citation"]["quote"].as_str().unwrap();
    assert!(
        quote.contains("France | 150") && quote.contains("GROUP BY country"),
        "{quote}"
    );
    let drawn = query(json!({"chart": {"format": "svg", "kind": "pie"}}))
        .await
        .unwrap();
    assert!(drawn["chart"]["spec"].as_str().unwrap().starts_with("<svg"));
    assert_eq!(drawn["citation"]["id"], plain["citation"]["id"]);
    let cut = query(json!({"limit": 1})).await.unwrap();
    assert_eq!(cut["truncated"], "there are more than these 1 rows");
    let wrong = query(json!({"chart": {"x": "city"}}))
        .await
        .unwrap_err()
        .to_string();
    assert!(wrong.contains("no column `city`"), "{wrong}");
}

#[tokio::test]
async fn values_are_found_however_they_are_spelled() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path()).await;
    for text in ["france", "FRANCE", "Frnace"] {
        let found = server
            .values(arguments(json!({"text": text})), Default::default())
            .await;
        let found = json!(found.unwrap());
        assert_eq!(found["values"][0]["value"], "France", "{text}: {found}");
        assert_eq!(found["values"][0]["column"], "country");
    }
}

#[tokio::test]
async fn values_of_columns_too_large_for_the_index_are_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    // Columns of numbers before it take nothing of what may be looked up.
    let numbers = (0..25).map(|number| format!("n{number} INTEGER DEFAULT (abs(random())), "));
    let sql = format!(
        "CREATE TABLE parcel ({} code TEXT);
        WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 9000)
        INSERT INTO parcel (code) SELECT 'P-' || x || '-Z' FROM n;",
        numbers.collect::<String>()
    );
    let entries = vec![entry("post", folder.path(), &sql, "").await];
    let server = SqlServer::new(Catalogue::new(entries, None).unwrap());
    for text in ["p-8999-z", "P-1-Z"] {
        let asked = json!({"text": text, "limit": 3});
        let found = json!(
            server
                .values(arguments(asked), Default::default())
                .await
                .unwrap()
        );
        let shown = found["values"].as_array().unwrap();
        let same = shown
            .iter()
            .filter(|value| value["value"] == text.to_uppercase());
        assert_eq!(same.count(), 1, "{found}");
        assert_eq!(shown[0]["value"], text.to_uppercase());
        let incomplete = found["incomplete"].as_array().unwrap();
        assert!(incomplete.contains(&json!("post: parcel.n0")), "{found}");
    }
}

#[tokio::test]
async fn questions_are_answered_or_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path()).await;
    let answer = |question: &str| {
        let (server, asked) = (server.clone(), json!({"question": question}));
        async move {
            let answer = server.answer(arguments(asked), Default::default()).await;
            json!(answer.unwrap())
        }
    };
    for (question, how, rows) in [
        ("How many singers are there?", "example", json!([[3]])),
        ("What is the turnover?", "metric", json!([[220]])),
        ("How many singers are from France?", "parser", json!([[2]])),
        (
            "List the names of all singers.",
            "parser",
            json!([["Ana"], ["Bo"], ["Cy"]]),
        ),
    ] {
        let found = answer(question).await;
        assert_eq!(found["how"], how, "{found}");
        assert_eq!(found["rows"], rows, "{found}");
        let id = found["citations"][0]["id"].as_str().unwrap();
        assert!(
            found["text"].as_str().unwrap().contains(&format!("[{id}]")),
            "{found}"
        );
    }
    let found = answer("What is dark matter made of, and why?").await;
    assert_eq!(found["abstained"], true, "{found}");
    assert_eq!(found["citations"], json!([]));
    let error = server.answer(arguments(json!({"question": " "})), Default::default());
    assert!(
        error
            .await
            .unwrap_err()
            .to_string()
            .contains("the question is empty")
    );
}

#[tokio::test]
async fn thousands_of_tables_are_shown_a_few_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let tables = (0..5_000).map(|number| {
        format!("CREATE TABLE part_{number} (id INTEGER PRIMARY KEY, weight REAL, colour TEXT);")
    });
    let mut sql: Vec<String> = tables.collect();
    sql.push("CREATE TABLE rainfall (station TEXT, millimetres REAL);".to_owned());
    sql.push("INSERT INTO rainfall VALUES ('Karlsruhe', 3.5);".to_owned());
    let sql = format!("BEGIN; {} COMMIT;", sql.join("\n"));
    let entries = vec![entry("parts", folder.path(), &sql, "").await];
    let meanings = Meanings::new(Embedder::shipped().unwrap());
    let server = SqlServer::new(Catalogue::new(entries, Some(Arc::new(meanings))).unwrap());
    let asked = json!({"question": "How many millimetres of rainfall were there?"});
    let shown = json!(server.schema(arguments(asked)).await.unwrap());
    assert_eq!(shown["tables"][0]["table"], "rainfall");
    assert!(shown.to_string().len() < 20_000);
    let all = json!(server.schema(arguments(json!({}))).await.unwrap());
    assert!(all.to_string().len() < 20_000 && all["next_cursor"].is_string());
    let asked = json!({"question": "What is the station of all rainfall?"});
    let found = json!(
        server
            .answer(arguments(asked), Default::default())
            .await
            .unwrap()
    );
    assert_eq!(found["database"], "parts");
}
