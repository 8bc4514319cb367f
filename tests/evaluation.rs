//! `ropewalk eval retrieval` on a data set small enough to check by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod program;

use program::Place;

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
