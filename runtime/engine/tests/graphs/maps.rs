//! The same work for every item of a list.

use std::sync::atomic::Ordering;

use ropewalk_core::event::Event;
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_engine::run::RunResult;
use serde_json::json;

use crate::place::{Place, graph};

fn mapped(more: &str, each: &str) -> String {
    format!(
        "
name: mapped
channels: {{items: array, out: array, failed_ones: array}}
input: [items]
output: [out, failed_ones]
nodes:
  all:
    map:
      over: items
      each: {each}
{more}
    writes: {{out: result, failed_ones: failed}}
"
    )
}

#[tokio::test]
async fn no_more_at_once_than_allowed_and_results_in_order() {
    let place = Place::new();
    let each = "{function: {name: wait, arguments: {ms: \"{{ item }}\"}}}";
    let graph = graph(&mapped("      concurrency: 3", each));
    let items = json!([90, 10, 50, 5, 70, 20, 1]);
    let outputs = place.outputs(&graph, json!({"items": items})).await;
    assert_eq!(outputs["out"], items);
    assert!(place.calls.all().contains(&"at once 3".to_owned()));
    assert!(!place.calls.all().contains(&"at once 4".to_owned()));
    assert_eq!(place.at_once.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn enough_successes_are_enough() {
    let each =
        "{function: {name: flaky, arguments: {name: \"f{{ index }}\", times: \"{{ item }}\"}}}";
    for (share, works) in [("0.5", true), ("0.9", false), ("1", false)] {
        let place = Place::new();
        let graph = graph(&mapped(&format!("      min_success: {share}"), each));
        let end = place.run(&graph, json!({"items": [0, 1, 0, 0]})).await;
        match end.result {
            RunResult::Completed { outputs } => {
                assert!(works, "{share}");
                assert_eq!(outputs["out"], json!([1, 1, 1]));
                assert_eq!(outputs["failed_ones"][0]["index"], json!(1));
            }
            RunResult::Failed { error, .. } => {
                assert!(!works, "{share}");
                assert_eq!(error.kind, ErrorKind::Part);
                assert!(error.message.contains("not yet"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_deadline_goes_on_with_what_is_done() {
    let place = Place::new();
    let each = "{function: {name: wait, arguments: {ms: \"{{ item }}\"}}}";
    let graph = graph(&mapped("      min_success: 0.5\n      deadline: 0.3", each));
    let outputs = place
        .outputs(&graph, json!({"items": [10, 60000, 20, 30]}))
        .await;
    assert_eq!(outputs["out"], json!([10, 20, 30]));
    assert_eq!(outputs["failed_ones"][0]["error"]["kind"], json!("timeout"));
    assert_eq!(
        place.at_once.load(Ordering::SeqCst),
        0,
        "what was late is ended"
    );
}

#[tokio::test]
async fn a_straggler_gets_a_second_copy() {
    let place = Place::new();
    // The first call of the slow item never ends in time; a second one would take as long: what
    // is seen is that there is one.
    let each = "{function: {name: wait, arguments: {ms: \"{{ item }}\"}}}";
    let graph = graph(&mapped("      hedge: {factor: 3, after: 0.1}", each));
    place
        .outputs(&graph, json!({"items": [10, 10, 10, 10, 900]}))
        .await;
    assert_eq!(place.calls.all().len(), 6, "{:?}", place.calls.all());
    assert_eq!(place.at_once.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_may_not_be_done_twice_gets_no_second_copy() {
    let place = Place::new();
    let each = "{function: {name: touch, arguments: {name: \"t{{ item }}\"}}}";
    let graph = graph(&mapped("      hedge: {factor: 1.1}", each));
    place
        .outputs(&graph, json!({"items": [1, 2, 3, 4, 5, 6]}))
        .await;
    for item in 1..=6 {
        assert_eq!(place.calls.count(&format!("touch t{item}")), 1);
    }
}

#[tokio::test]
async fn an_empty_list_is_no_work() {
    let place = Place::new();
    let graph = graph(&mapped("", "{function: fail}"));
    let outputs = place.outputs(&graph, json!({"items": []})).await;
    assert_eq!(outputs["out"], json!([]));
}

#[tokio::test]
async fn work_that_ends_at_once_is_held_to_the_same() {
    let place = Place::new();
    let each = "{function: {name: note, arguments: {n: \"{{ item }}\", at: \"{{ index }}\"}}}";
    let items: Vec<u64> = (0..300).map(|n| n * 7 % 300).collect();
    let graph = graph(&mapped("      concurrency: 2", each));
    let outputs = place.outputs(&graph, json!({"items": items})).await;
    let expected: Vec<_> = (0..300)
        .map(|at| json!({"n": items[at], "at": at}))
        .collect();
    assert_eq!(outputs["out"], json!(expected));
    let ended = place.happened();
    let ended = ended
        .iter()
        .filter(|event| matches!(event, Event::ItemEnded { .. }));
    assert_eq!(ended.count(), 300);
    let place = Place::new();
    let fails = crate::place::graph(&mapped("", "{function: fail}"));
    let end = place.run(&fails, json!({"items": items})).await;
    let RunResult::Failed { error, .. } = end.result else {
        panic!("{end:?}")
    };
    assert!(error.message.contains("1 of 300 items failed"), "{error}");
}
