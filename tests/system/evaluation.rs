//! `ropewalk eval` on data sets small enough to check by hand.

use crate::program::Place;

fn dataset(place: &Place) {
    let corpus = [
        (
            "1",
            "Hemp",
            "Hemp is a plant whose fibres make strong rope.",
        ),
        ("2", "Steel", "Steel cable carries bridges and lifts."),
        ("3", "Whale", "Whales are mammals that live in the sea."),
    ];
    let lines: Vec<String> = corpus
        .iter()
        .map(|(id, title, text)| {
            serde_json::json!({"_id": id, "title": title, "text": text}).to_string()
        })
        .collect();
    place.write("set/corpus.jsonl", lines.join("\n"));
    let queries = "{\"_id\": \"a\", \"text\": \"fibres for strong rope\"}\n\
                   {\"_id\": \"b\", \"text\": \"mammals of the ocean\"}\n";
    place.write("set/queries.jsonl", queries);
    place.write(
        "set/qrels.tsv",
        "query-id\tcorpus-id\tscore\na\t1\t1\nb\t3\t1\n",
    );
}

#[test]
fn the_three_legs_are_measured() {
    let place = Place::new();
    dataset(&place);
    for extra in [&[][..], &["--chunk"][..]] {
        let mut arguments = vec!["eval", "retrieval", "set", "--json"];
        arguments.extend(extra);
        let result = place.json(&arguments);
        for leg in ["dense", "bm25", "hybrid"] {
            assert_eq!(result[leg]["ndcg@10"], 100.0, "{leg}: {result}");
            for key in ["recall@2", "recall@5", "recall@10", "mrr@10"] {
                assert_eq!(result[leg][key], 100.0, "{leg} {key}: {result}");
            }
        }
    }
    let table = place.run(&["eval", "retrieval", "set"]);
    assert!(
        table.out.contains("nDCG@10") && table.out.contains("hybrid"),
        "{table:?}"
    );
}

#[test]
fn broken_sets_are_named() {
    let place = Place::new();
    place
        .run(&["eval", "retrieval", "none"])
        .failed_saying("none: there is no such folder");
    dataset(&place);
    place.write("set/queries.jsonl", "{\"_id\": \"a\"}\n");
    place
        .run(&["eval", "retrieval", "set"])
        .failed_saying("queries.jsonl: line 1");
    dataset(&place);
    place.write("set/qrels.tsv", "a\t9\t1\n");
    place
        .run(&["eval", "retrieval", "set"])
        .failed_saying("`9`, which is not in the corpus");
}

#[test]
fn tool_search_is_measured() {
    let place = Place::new();
    let tools = [
        ("t1", "files.read", "Reads a file from the disk."),
        ("t2", "mail.send", "Sends an e-mail message to somebody."),
        (
            "t3",
            "weather.forecast",
            "Tells the weather of the next days.",
        ),
    ];
    let lines: Vec<String> = tools
        .iter()
        .map(|(id, title, text)| {
            serde_json::json!({"_id": id, "title": title, "text": text,
                "inputSchema": {"type": "object", "properties": {}}})
            .to_string()
        })
        .collect();
    place.write("set/corpus.jsonl", lines.join("\n"));
    place.write(
        "set/queries.jsonl",
        "{\"_id\": \"a\", \"text\": \"will it rain tomorrow?\"}\n\
         {\"_id\": \"b\", \"text\": \"write a mail to Ann\"}\n",
    );
    place.write(
        "set/qrels.tsv",
        "query-id\tcorpus-id\tscore\na\tt3\t1\nb\tt2\t1\n",
    );
    let figures = place.json(&["eval", "tools", "set", "--offered", "1", "--json"]);
    assert_eq!(figures["mrr@10"], 100.0, "{figures}");
    assert_eq!(figures["tools"], 3, "{figures}");
    let (offered, all) = (
        figures["offered_tokens"].as_f64().unwrap(),
        figures["all_tokens"].as_f64().unwrap(),
    );
    assert!(offered > 0.0 && offered < all / 2.0, "{figures}");
    let table = place.run(&["eval", "tools", "set"]);
    assert!(table.out.contains("5 offered: "), "{table:?}");
    place
        .run(&["eval", "tools", "set", "--offered", "0"])
        .failed_saying("--offered 0 offers nothing");
}

/// Two films and who directed them: the answer stands in the second document.
fn films(place: &Place) {
    let corpus = [
        (
            "Harbour Lights",
            "Harbour Lights is a film of 1951, directed by Ada Brandt.",
        ),
        (
            "Ada Brandt",
            "Ada Brandt grew up in Bergen, where she studied law.",
        ),
        (
            "Night Train",
            "Night Train is a film of 1950, directed by Otto Lind.",
        ),
        (
            "Otto Lind",
            "Otto Lind grew up in Malmö, where he studied music.",
        ),
        ("Hemp", "Hemp is a plant whose fibres make strong rope."),
    ];
    let lines = corpus.map(|(title, text)| {
        serde_json::json!({"_id": title, "title": title, "text": text}).to_string()
    });
    place.write("films/corpus.jsonl", lines.join("\n"));
    let question = "Where did the director of Harbour Lights grow up?";
    let query = serde_json::json!({"_id": "q", "text": question}).to_string();
    place.write("films/queries.jsonl", query);
    place.write(
        "films/qrels.tsv",
        "query-id\tcorpus-id\tscore\nq\tHarbour Lights\t1\nq\tAda Brandt\t1\n",
    );
}

#[test]
fn the_graph_is_measured() {
    let place = Place::new();
    films(&place);
    let triples = r#"{"_id": "Ada Brandt", "triples": [["Ada Brandt", "grew up in", "Bergen"], ["x"]]}
{"_id": "nobody"}"#;
    place.write("triples.jsonl", triples);
    for extra in [
        &[][..],
        &["--strip-titles"][..],
        &["--triples", "triples.jsonl"][..],
    ] {
        let mut arguments = vec!["eval", "graph", "films", "--json"];
        arguments.extend(extra);
        let result = place.json(&arguments);
        for key in ["recall@2", "recall@5", "recall@10", "ndcg@10"] {
            assert_eq!(result[key], 100.0, "{extra:?} {key}: {result}");
        }
        for key in ["index_seconds", "query_ms_p95"] {
            assert!(result[key].as_f64() > Some(0.0), "{key}: {result}");
        }
    }
    let told = place.run(&["eval", "graph", "films", "--triples", "triples.jsonl"]);
    assert!(
        told.out.contains("nDCG@10")
            && told.err.contains("not in the corpus are left out: 1")
            && told.err.contains("predicate and object are left out: 1"),
        "{told:?}"
    );
    place.write("triples.jsonl", "[]");
    let arguments = ["eval", "graph", "films", "--triples", "triples.jsonl"];
    place
        .run(&arguments)
        .failed_saying("triples.jsonl: line 1: ");
    place
        .run(&["eval", "graph", "films", "--triples", "none.jsonl"])
        .failed_saying("none.jsonl: cannot be read");
}
