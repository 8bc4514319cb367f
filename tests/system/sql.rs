//! Questions to databases, as a user asks them.

use serde_json::json;

use crate::program::{Outcome, Place};

/// A folder with two tables as files.
fn shop() -> Place {
    let place = Place::new();
    place.write(
        "customer.csv",
        "id,name,city\n1,Ada,Karlsruhe\n2,Grace,Paris\n3,Edsger,Paris\n",
    );
    place.write(
        "sale.jsonl",
        "{\"id\": 1, \"customer_id\": 1, \"amount\": 20.5}\n\
         {\"id\": 2, \"customer_id\": 3, \"amount\": 4}\n\
         {\"id\": 3, \"customer_id\": 3, \"amount\": 10}\n",
    );
    place
}

#[test]
fn a_question_is_answered_with_its_statement_and_rows_as_a_citation() {
    let place = shop();
    let answer = place.json(&[
        "ask",
        "--db",
        "customer.csv",
        "--json",
        "How many customers are there?",
    ]);
    assert_eq!(answer["abstained"], false, "{answer}");
    let citation = &answer["citations"][0];
    assert_eq!(citation["source"], "customer", "{answer}");
    let quote = citation["quote"].as_str().unwrap();
    assert!(quote.contains("SELECT") && quote.contains('3'), "{answer}");
    let told = place.run(&[
        "ask",
        "--db",
        "customer.csv",
        "--db",
        "sale.jsonl",
        "How many customers are from Paris?",
    ]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(
        told.out.contains(": 2 [q") && told.out.contains("— SELECT"),
        "{told:?}"
    );
}

#[test]
fn what_is_not_clear_is_not_guessed_at() {
    let place = shop();
    let answer = place.json(&[
        "ask",
        "--db",
        "customer.csv",
        "--json",
        "What is the capital of Australia called, and why?",
    ]);
    assert_eq!(answer["abstained"], true, "{answer}");
    assert_eq!(answer["citations"], json!([]), "{answer}");
}

#[test]
fn a_statement_is_checked_without_being_run() {
    let place = shop();
    let check = |statement: &str| {
        place.run(&[
            "server",
            "sql",
            "--db",
            "customer.csv",
            "--check",
            statement,
        ])
    };
    let allowed = check("select NAME from customer");
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    assert!(allowed.out.contains("allowed: SELECT"), "{allowed:?}");
    for (statement, reason) in [
        ("DROP TABLE customer", "does not read"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT load_extension('x')", "load_extension"),
        ("SELECT nmae FROM customer", "customer.name"),
        ("", "no statement"),
    ] {
        let refused = check(statement);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.out.contains("refused: "), "{refused:?}");
        assert!(refused.out.contains(reason), "{refused:?}");
    }
    let none = place.run(&["server", "sql", "--check", "SELECT 1"]);
    none.failed_saying("--check needs one database");
}

#[test]
fn what_is_wrong_with_a_database_is_said_without_its_password() {
    let place = shop();
    place.write("not-a.db", "this is no database, whatever its name says");
    place.write("notes.txt", "neither is this");
    place.write("empty.csv", "");
    let ask = |address: &str| place.run(&["ask", "--db", address, "How many?"]);
    for (address, words) in [
        ("nothing.db", "there is no file nothing.db"),
        ("not-a.db", "not-a"),
        ("notes.txt", "notes.txt"),
        ("empty.csv", "the database `empty` cannot be opened"),
        ("oracle://host/x", "no kind of database that is known"),
    ] {
        ask(address).failed_saying(words);
    }
    for address in [
        "postgres://ada:hush-hush@127.0.0.1:1/shop",
        "mysql://ada:hush-hush@127.0.0.1:1/shop",
    ] {
        let outcome = ask(address);
        outcome.failed_saying("shop");
        let all = format!("{outcome:?}");
        assert!(!all.contains("hush-hush"), "{all}");
    }
    let twice = place.run(&[
        "ask",
        "--db",
        "a=customer.csv",
        "--semantics",
        "b=x.yaml",
        "How many?",
    ]);
    twice.failed_saying("--semantics b=x.yaml");
}

#[test]
fn databases_of_the_configuration_are_named_and_held_to_their_rules() {
    let place = shop();
    let configuration = "[databases.people]\nurl = \"customer.csv\"\n\
                         [databases.people.rules.rows]\ncustomer = \"city = 'Paris'\"\n";
    place.write("ropewalk.toml", configuration);
    let answer = place.json(&[
        "ask",
        "--db",
        "people",
        "--json",
        "How many customers are there?",
    ]);
    let quote = answer["citations"][0]["quote"].as_str().unwrap();
    assert!(quote.ends_with('2'), "{answer}");
    let doctor: Outcome = place.run(&["doctor"]);
    assert!(
        doctor
            .out
            .contains("ok     database people: SQLite, 1 tables"),
        "{doctor:?}"
    );
}

#[test]
fn figures_with_names_are_computed_as_they_are_defined() {
    let place = shop();
    let layer = "metrics:\n  - {name: revenue, definition: All that was paid, formula: SUM(amount), \
                 from: sale, synonyms: [turnover]}\n";
    place.write("shop.yaml", layer);
    let answer = place.json(&[
        "ask",
        "--db",
        "shop=sale.jsonl",
        "--semantics",
        "shop.yaml",
        "--json",
        "What is our turnover?",
    ]);
    assert!(
        answer["answer"].as_str().unwrap().contains("34.5"),
        "{answer}"
    );
    place.write(
        "bad.yaml",
        "metrics:\n  - {name: x, definition: y, formula: nothing(1), from: sale}\n",
    );
    let bad = place.run(&[
        "ask",
        "--db",
        "sale.jsonl",
        "--semantics",
        "bad.yaml",
        "How many?",
    ]);
    bad.failed_saying("metric `x`");
    place.write(
        "old.yaml",
        "metrics:\n  - {name: x, definition: y, formula: SUM(amonut), from: sale}\n",
    );
    let old = place.run(&[
        "ask",
        "--db",
        "sale.jsonl",
        "--semantics",
        "old.yaml",
        "How many?",
    ]);
    old.failed_saying("sale.amount");
}

#[test]
fn tables_are_described_by_what_is_seen_of_them() {
    let place = shop();
    let told = place.run(&["server", "sql", "--db", "shop=customer.csv", "--describe"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.contains("shop.customer: "), "{told:?}");
}

#[test]
fn an_answer_that_is_approved_is_given_again() {
    let place = shop();
    let ask = |more: &[&str], question: &str| {
        let mut arguments = vec!["ask", "--db", "customer.csv"];
        arguments.extend(more);
        arguments.push(question);
        place.run(&arguments)
    };
    let kept = ask(&["--keep"], "How many customers are there?");
    assert!(
        kept.err.contains("kept as an example of `customer`"),
        "{kept:?}"
    );
    let run = place.run(&[
        "run",
        "sql-analyst",
        "--db",
        "customer.csv",
        "--json",
        "-i",
        "question=how many customers are there",
    ]);
    assert!(run.out.contains("\"how\":\"example\""), "{run:?}");
    let nothing = ask(&["--keep"], "Why is the sky blue over there?");
    assert!(nothing.err.contains("nothing is kept"), "{nothing:?}");
}

#[test]
fn the_server_is_measured_on_questions_whose_answers_are_known() {
    let place = Place::new();
    let questions = "{\"db_id\": \"shop\", \"question\": \"How many sales are there?\", \"query\": \"SELECT count(*) FROM sale\"}\n";
    place.write("set/questions.jsonl", questions);
    let tables = r#"[{"db_id": "shop", "table_names_original": ["sale"], "table_names": ["sale"],
        "column_names_original": [[-1, "*"], [0, "id"]], "column_names": [[-1, "*"], [0, "id"]],
        "column_types": ["text", "number"], "primary_keys": [1], "foreign_keys": []}]"#;
    place.write("set/tables.json", tables);
    let measured = place.json(&["eval", "sql", "set", "--json"]);
    assert_eq!(measured["guard"]["false_rejects"], 0, "{measured}");
    assert_eq!(measured["linking"]["recall@10"], 100.0, "{measured}");
    assert_eq!(measured["linking"]["all@5"], 100.0, "{measured}");
    let table = place.run(&["eval", "sql", "set"]);
    assert!(table.out.contains("guard.false_rejects"), "{table:?}");
    place
        .run(&["eval", "sql", "nowhere"])
        .failed_saying("nowhere");
}
