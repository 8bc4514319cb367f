//! Questions about a real database, read without a model: values, readings tried, figures.

use std::path::Path;
use std::sync::Arc;

use ropewalk_sql::database::{DatabaseError, Sqlite};
use ropewalk_sql::guard::Rules;
use ropewalk_sql::measure::{Folder, ParserFigures, Verdict, abstentions, outcomes};
use ropewalk_sql::parse::{Parser, Reading, THRESHOLD};
use ropewalk_sql::source::{Settings, Source, SourceError};
use ropewalk_sql::values::{Bounds, ValueIndex, lookup};
use tokio_util::sync::CancellationToken;

const ZOO: &str = "
    CREATE TABLE keeper (keeper_id INTEGER PRIMARY KEY, name TEXT, city TEXT, secret TEXT);
    INSERT INTO keeper VALUES (1, 'Ada', 'Karlsruhe', 'a'), (2, 'Grace', 'Bonn', 'b'), (3, 'Alan', 'Bonn', 'c');
    CREATE TABLE animal (animal_id INTEGER PRIMARY KEY, name TEXT, species TEXT, weight REAL, story TEXT,
        keeper_id INTEGER REFERENCES keeper (keeper_id));
    INSERT INTO animal VALUES (1, 'Leo', 'lion', 190.5, NULL, 1), (2, 'Nala', 'lion', 130, NULL, 1),
        (3, 'Dumbo', 'elephant', 4000, NULL, 2);
    UPDATE animal SET story = printf('%.*c', 200, 'x') WHERE animal_id = 1;
    CREATE TABLE visit (visit_id INTEGER PRIMARY KEY, note TEXT);
    WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300)
    INSERT INTO visit SELECT x, 'note ' || x FROM n;";

struct Zoo {
    source: Source,
    cancel: CancellationToken,
}

async fn zoo(folder: &Path, rules: Rules) -> Zoo {
    let path = folder.join("zoo.sqlite");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(ZOO)
        .unwrap();
    let engine = Sqlite::open(&path, rules.clone()).await.unwrap();
    let settings = Settings {
        rules,
        ..Settings::default()
    };
    Zoo {
        source: Source::over("zoo", Arc::new(engine), settings).unwrap(),
        cancel: CancellationToken::new(),
    }
}

impl Zoo {
    async fn values(&self, bounds: &Bounds) -> ValueIndex {
        let schema = self.source.schema().await.unwrap();
        ValueIndex::read(&self.source, &schema, bounds, &self.cancel)
            .await
            .unwrap()
    }

    async fn ask(&self, question: &str) -> Reading {
        let schema = self.source.schema().await.unwrap();
        let values = Arc::new(self.values(&Bounds::default()).await);
        let parser = Parser::new(&schema, values, self.source.dialect());
        let reading = parser.parse(question);
        reading.settled(&self.source, &self.cancel).await.unwrap()
    }
}

#[tokio::test]
async fn values_are_read_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let zoo = zoo(folder.path(), Rules::default()).await;
    let values = zoo.values(&Bounds::default()).await;
    let found = values.find("karlsruhe", 3);
    assert_eq!(
        (found[0].table.as_str(), found[0].column.as_str()),
        ("keeper", "city")
    );
    assert!(values.complete("keeper", "city") && values.complete("visit", "note"));
    // Too long to be a name of anything, and said so.
    assert!(!values.complete("animal", "story"));
    // More numbers than name anything.
    assert!(!values.complete("visit", "visit_id"));

    let few = Bounds {
        of_column: 100,
        ..Bounds::default()
    };
    let values = zoo.values(&few).await;
    assert!(!values.complete("visit", "note"));
    assert!(
        values
            .find("note 300", 1)
            .first()
            .is_none_or(|found| found.value != "note 300")
    );
    let found = lookup(&zoo.source, "visit", "note", "NOTE 300", &few, &zoo.cancel);
    let found = found.await.unwrap();
    assert_eq!(
        (found[0].value.as_str(), found[0].score),
        ("note 300", 0.98)
    );

    let none = Bounds {
        in_total: 0,
        ..Bounds::default()
    };
    assert!(zoo.values(&none).await.is_empty());
    zoo.cancel.cancel();
    let schema = zoo.source.schema().await.unwrap();
    let read = ValueIndex::read(&zoo.source, &schema, &few, &zoo.cancel).await;
    let cancelled = |error: &SourceError| {
        let SourceError::Database { error, .. } = error else {
            return false;
        };
        matches!(error, DatabaseError::Cancelled)
    };
    assert!(read.as_ref().is_err_and(cancelled), "{read:?}");
}

#[tokio::test]
async fn what_may_not_be_seen_is_not_in_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let columns = ["keeper_id", "name", "city"].map(str::to_owned).to_vec();
    let rules = Rules {
        columns: [("keeper".to_owned(), columns)].into(),
        rows: [("keeper".to_owned(), "city <> 'Bonn'".to_owned())].into(),
        ..Rules::default()
    };
    let zoo = zoo(folder.path(), rules).await;
    let values = zoo.values(&Bounds::default()).await;
    assert!(!values.find("Ada", 5).is_empty());
    assert!(values.find("Grace", 5).is_empty());
    assert!(values.find("Bonn", 5).is_empty());
    assert!(
        !values
            .columns()
            .iter()
            .any(|column| column.column == "secret")
    );
}

#[tokio::test]
async fn readings_are_tried_on_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let zoo = zoo(folder.path(), Rules::default()).await;
    let reading = zoo.ask("Which keepers look after lions?").await;
    let best = reading.best.clone().unwrap();
    assert!(best.sql.contains("'lion'"), "{best:?}");
    // Once for each lion, or once: the database tells that it matters.
    assert!(reading.confidence < 0.75, "{reading:?}");

    let sure = zoo.ask("What is the average weight of the lions?").await;
    assert!(sure.sql.unwrap().contains("AVG(\"weight\")"));

    let heaviest = zoo.ask("What is the name of the heaviest animal?").await;
    assert!(heaviest.confidence > THRESHOLD, "{heaviest:?}");
    // Two keepers are first in the same way.
    let tie = zoo.ask("Which city has the most keepers?").await;
    let chance = zoo.ask("Which species has the fewest keepers?").await;
    assert!(tie.confidence > chance.confidence, "{tie:?} {chance:?}");

    let empty = zoo
        .ask("What are the names of the animals with a weight above 9000?")
        .await;
    let full = zoo
        .ask("What are the names of the animals with a weight above 900?")
        .await;
    assert!(empty.confidence < full.confidence);
}

#[tokio::test]
async fn figures_are_taken_on_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("database")).unwrap();
    let path = folder.path().join("database/zoo.sqlite");
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(ZOO)
        .unwrap();
    let line = |question: &str, query: &str| {
        format!("{{\"db_id\": \"zoo\", \"question\": \"{question}\", \"query\": \"{query}\"}}\n")
    };
    let lines = [
        line("How many animals are there?", "SELECT count(*) FROM animal"),
        line(
            "What are the names of all keepers?",
            "SELECT city FROM keeper",
        ),
        line("What did the lion dream of last night?", "SELECT 1"),
        line("How many keepers are there?", "SELECT no such thing"),
    ];
    std::fs::write(folder.path().join("questions.jsonl"), lines.concat()).unwrap();
    let idk = "question,query,db_name\nWhat is the meaning of life?,SELECT 'no',zoo\n";
    std::fs::write(folder.path().join("idk.csv"), idk).unwrap();

    let folder = Folder::read(folder.path()).unwrap();
    let outcomes = outcomes(&folder).await.unwrap();
    let verdicts: Vec<Verdict> = outcomes.iter().map(|outcome| outcome.verdict).collect();
    assert_eq!(verdicts[..2], [Verdict::Right, Verdict::Wrong]);
    // A gold statement that fails is no question.
    assert_eq!(verdicts.len(), 4);
    assert_eq!(verdicts[3], Verdict::Unanswerable);
    let figures = ParserFigures::usual(&outcomes);
    assert_eq!(
        (figures.questions, figures.answered, figures.right),
        (3, 2, 1)
    );
    assert!((figures.precision - 0.5).abs() < 1e-9);
    let curve = abstentions(&outcomes);
    assert_eq!(
        (curve[0].true_abstention, curve[0].false_abstention),
        (0.0, 0.0)
    );
    let usual = curve
        .iter()
        .find(|point| point.threshold >= THRESHOLD)
        .unwrap();
    assert_eq!(usual.true_abstention, 1.0);
    assert!((usual.false_abstention - 1.0 / 3.0).abs() < 1e-9);
}
