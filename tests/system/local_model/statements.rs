//! Statements to databases, whatever chance writes.

use ropewalk_infer::constraint::Constraint;
use ropewalk_infer::worker::EndReason;
use ropewalk_sql::Dialect;
use ropewalk_sql::grammar::grammar;
use ropewalk_sql::guard::{Guard, Rules};
use ropewalk_sql::schema::{Column, Table};

use super::{heavy, hot};

/// Two tables whose names and columns have to be quoted now and then.
fn tables() -> Vec<Table> {
    let table = |name: &str, columns: &[&str]| Table {
        name: name.to_owned(),
        columns: columns
            .iter()
            .map(|name| Column {
                name: (*name).to_owned(),
                kind: "TEXT".to_owned(),
                nullable: true,
                comment: None,
                samples: Vec::new(),
            })
            .collect(),
        view: false,
        comment: None,
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        rows: None,
    };
    vec![
        table("customer", &["id", "last name", "region"]),
        table("order", &["customer_id", "amount", "größe"]),
    ]
}

#[test]
fn sampled_hot_from_random_weights_every_statement_is_one_that_may_be_run() {
    let count = if heavy() { 3_000 } else { 60 };
    let folder = tempfile::tempdir().unwrap();
    let model = hot::model(folder.path());
    let tables = tables();
    let tables: Vec<&Table> = tables.iter().collect();
    let dialects = [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql];
    // Nine of ten times chance would only begin to say why it cannot answer.
    let held = dialects.map(|dialect| {
        let grammar = grammar(&tables, dialect).unwrap();
        assert!(grammar.contains(" | refusal\n"));
        Constraint::Lark(grammar.replace(" | refusal\n", "\n"))
    });
    let guards = dialects.map(|dialect| Guard::new(dialect, Rules::default()).unwrap());
    let (mut statements, mut cut) = (0, 0);
    hot::replies(&model, &held, count, |reply| {
        let (number, text) = (reply.number, &reply.text);
        // Chance does not end every statement in time.
        if reply.reason != EndReason::Turn {
            cut += 1;
            return;
        }
        statements += 1;
        let checked = guards[number % guards.len()].check(text);
        assert!(checked.is_ok(), "{number}: {text}\n{checked:?}");
    });
    println!("{statements} statements, all let through by the guard, and {cut} cut off");
    assert!(statements >= count / 4);
}
