use std::sync::Mutex;

use async_trait::async_trait;
use ropewalk_mcp_kit::ToolError;
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::{Answer, How, Order, Questioning, Writer};
use crate::catalogue::{Catalogue, Entry, Kept};
use crate::database::{Limits, Truncation};
use crate::source::{Address, Import, Settings, Source};

const ZOO: &str = "
    CREATE TABLE keeper (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE animal (id INTEGER PRIMARY KEY, name TEXT, kilograms REAL, keeper_id INT REFERENCES keeper (id));
    INSERT INTO keeper VALUES (1, 'Ida'), (2, 'Jo');
    INSERT INTO animal VALUES (1, 'Leo', 190, 1), (2, 'Zoe', 300, 1), (3, 'Kim', 4, 2);";

/// Replies as they are told, round by round, and keeps what it was told itself.
struct Scripted {
    rounds: Mutex<Vec<Vec<&'static str>>>,
    told: Mutex<Vec<Order>>,
}

#[async_trait]
impl Writer for Scripted {
    async fn write(&self, orders: Vec<Order>) -> Result<Vec<String>, ToolError> {
        self.told.lock().unwrap().extend(orders);
        let replies = self.rounds.lock().unwrap().remove(0);
        Ok(replies.into_iter().map(str::to_owned).collect())
    }
}

async fn ask(question: &str, rounds: Vec<Vec<&'static str>>) -> (Answer, Vec<Order>) {
    ask_within(question, rounds, Limits::default()).await
}

async fn ask_within(
    question: &str,
    rounds: Vec<Vec<&'static str>>,
    limits: Limits,
) -> (Answer, Vec<Order>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zoo.db");
    Connection::open(&file).unwrap().execute_batch(ZOO).unwrap();
    let address = Address::read(file.to_str().unwrap()).unwrap();
    let cancel = CancellationToken::new();
    let mut import = Import {
        cache: None,
        progress: &mut |_| (),
        cancel: &cancel,
    };
    let source = Source::open("zoo", &address, Settings::default(), &mut import)
        .await
        .unwrap();
    let entry = Entry::new(source, &Kept::default(), None).await.unwrap();
    let catalogue = Catalogue::new(vec![entry], None).unwrap();
    let writer = Scripted {
        rounds: Mutex::new(rounds),
        told: Mutex::default(),
    };
    let answer = Questioning {
        entry: &catalogue.entries()[0],
        linker: &catalogue.linker().await,
        limits,
        writer: Some(&writer),
        cancel: &cancel,
    }
    .answer(question)
    .await
    .unwrap();
    (answer, writer.told.into_inner().unwrap())
}

const HEAVIEST: &str = "Whose animals weigh most on the whole?";

#[tokio::test]
async fn what_statements_agree_on_is_the_answer_and_slips_are_mended() {
    let good = "SELECT keeper.name FROM animal JOIN keeper ON animal.keeper_id = keeper.id \
                GROUP BY keeper.id ORDER BY SUM(animal.kilograms) DESC LIMIT 1";
    let slip = "```sql\nSELECT k.name FROM animals a JOIN keeper k ON a.keeper_id = k.id \
                GROUP BY k.id ORDER BY SUM(a.kilogram) DESC LIMIT 1;\n```";
    let other = "SELECT name FROM animal ORDER BY kilograms DESC LIMIT 1";
    let (answer, told) = ask(HEAVIEST, vec![vec![good, slip, other]]).await;
    let Answer::Answered(answered) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(answered.rows.rows, [[serde_json::json!("Ida")]]);
    assert_eq!(answered.how, How::Model);
    assert_eq!(told.len(), 3);
    assert!(
        told[0].prompt.contains("keeper_id refers to keeper(id)"),
        "{}",
        told[0].prompt
    );
    assert!(
        told[0]
            .grammar
            .as_deref()
            .unwrap()
            .contains("name: \"id\" | \"keeper_id\" | \"kilograms\"")
    );
}

#[tokio::test]
async fn what_cannot_run_is_written_once_more_with_the_reason() {
    let bad = "DELETE FROM animal";
    let good = "SELECT sum(kilograms) FROM animal";
    let rounds = vec![vec![bad, bad, bad], vec![good, good, good]];
    let (answer, told) = ask(
        "How heavy is everything here when put on one scale?",
        rounds,
    )
    .await;
    let Answer::Answered(answered) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(answered.rows.rows, [[serde_json::json!(494.0)]]);
    assert!(
        told[3]
            .prompt
            .contains("This did not work: DELETE FROM animal")
    );
}

#[tokio::test]
async fn a_model_that_finds_no_answer_is_believed() {
    let cannot = "CANNOT: there are no tickets";
    let (answer, _) = ask(
        "What did tickets cost in May?",
        vec![vec![cannot, cannot, cannot]],
    )
    .await;
    let Answer::Abstained(abstained) = answer else {
        panic!("{answer:?}");
    };
    assert!(
        abstained.reason.contains("there are no tickets"),
        "{}",
        abstained.reason
    );
}

#[tokio::test]
async fn an_answer_that_was_chosen_is_within_the_limits_of_who_asks() {
    let sql = "SELECT name FROM animal ORDER BY name";
    let few = |rows, cell_bytes| Limits {
        rows,
        cell_bytes,
        ..Limits::default()
    };
    for (limits, rows) in [
        (few(2, 100), serde_json::json!([["Kim"], ["Leo"]])),
        // A value that the database cuts.
        (few(1, 2), serde_json::json!([["Ki… (3 bytes)"]])),
    ] {
        let rounds = vec![vec![sql, sql, sql]];
        let (answer, _) = ask_within("Which beasts live here?", rounds, limits).await;
        let Answer::Answered(answered) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(serde_json::json!(answered.rows.rows), rows);
        assert_eq!(answered.rows.truncated, Some(Truncation::Rows));
    }
}
