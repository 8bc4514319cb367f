//! Retries, timeouts, caches, and what follows a failure.

use ropewalk_core::event::Event;
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_engine::run::RunResult;
use serde_json::json;

use crate::place::{Place, graph, script};

#[tokio::test]
async fn a_failure_that_passes_is_tried_again() {
    let place = Place::new();
    let graph = graph(
        "
name: retry
channels: {n: integer}
nodes:
  try:
    function: {name: flaky, arguments: {name: a, times: 2}}
    retry: {attempts: 3, backoff: 0.02}
    writes: n
",
    );
    assert_eq!(place.outputs(&graph, json!({})).await["n"], json!(3));
    let waits: Vec<u64> = place
        .happened()
        .iter()
        .filter_map(|event| match event {
            Event::NodeRetried { wait_ms, .. } => Some(*wait_ms),
            _ => None,
        })
        .collect();
    assert!(
        waits.len() == 2 && (10..=20).contains(&waits[0]),
        "{waits:?}"
    );
    assert!((20..=40).contains(&waits[1]), "{waits:?}");
}

#[tokio::test]
async fn a_failure_for_good_ends_the_run_and_names_the_node() {
    let place = Place::new();
    let graph = graph(
        "
name: fails
channels: {n: integer}
nodes:
  first: {set: {n: '1'}}
  second: {function: {name: flaky, arguments: {name: a, times: 1}}, writes: n}
edges: [first -> second]
",
    );
    let end = place.run(&graph, json!({})).await;
    let RunResult::Failed { node, error } = &end.result else {
        panic!("{end:?}")
    };
    assert_eq!((node.as_str(), error.kind), ("second", ErrorKind::Function));
    // Resuming tries what failed once more, and nothing else.
    let end = place.resume(end.run).await.unwrap();
    assert_eq!(
        end.result,
        RunResult::Completed {
            outputs: json!({"n": 2}).as_object().unwrap().clone().into()
        }
    );
    assert_eq!(place.calls.all(), ["a", "a"]);
}

#[tokio::test]
async fn an_edge_for_errors_leads_on() {
    let place = Place::new();
    let graph = graph(
        "
name: rescued
channels: {what: string, said: string}
nodes:
  try:
    function: fail
    on_error: {do: fail, writes: {said: error.message}}
  rescue: {set: {what: \"'rescued'\"}}
  rest: {set: {what: \"'went on'\"}}
edges:
  - {from: try, to: rescue, on: error}
  - try -> rest
",
    );
    let outputs = place.outputs(&graph, json!({})).await;
    assert_eq!(outputs["what"], json!("rescued"));
    assert_eq!(outputs["said"], json!("`fail`: it never works"));
}

#[tokio::test]
async fn on_error_skips_or_continues() {
    for (action, what) in [("skip", json!(null)), ("continue", json!("went on"))] {
        let place = Place::new();
        let graph = graph(&format!(
            "
name: soft
channels: {{what: string}}
nodes:
  try: {{function: fail, on_error: {action}}}
  rest: {{set: {{what: \"'went on'\"}}}}
edges: [try -> rest]
"
        ));
        assert_eq!(place.outputs(&graph, json!({})).await["what"], what);
    }
}

#[tokio::test]
async fn what_takes_too_long_is_given_up() {
    let place = Place::new();
    let graph = graph(
        "
name: slow
channels: {kind: string}
nodes:
  wait:
    function: {name: wait, arguments: {ms: 60000}}
    timeout: 0.1
    on_error: {do: continue, writes: {kind: error.kind}}
",
    );
    assert_eq!(
        place.outputs(&graph, json!({})).await["kind"],
        json!("timeout")
    );
}

#[tokio::test]
async fn a_cached_result_is_taken_until_it_is_old() {
    let place = Place::with(script(&[("say", "a word")]));
    let graph = graph(
        "
name: cached
channels: {n: integer, said: string}
input: [n]
nodes:
  say: {model: {prompt: \"say {{ n }}\"}, cache: {ttl: 60}, writes: said}
",
    );
    for (n, calls) in [(1, 1), (1, 1), (2, 2)] {
        place.outputs(&graph, json!({"n": n})).await;
        let asked = place.happened();
        let asked = asked
            .iter()
            .filter(|event| matches!(event, Event::EffectStarted { .. }));
        assert_eq!(asked.count(), calls);
    }
}

#[tokio::test]
async fn a_reply_that_breaks_its_schema_is_mended() {
    let schema = "{type: object, required: [n], properties: {n: {type: integer}}}";
    let text = format!(
        "
name: typed
channels: {{n: integer}}
nodes:
  ask:
    model: {{prompt: how many, schema: {schema}}}
    writes: {{n: result.n}}
"
    );
    let place = Place::with(script(&[
        ("does not fit the schema", "```json\n{\"n\": 7}\n```"),
        ("how many", "seven"),
    ]));
    assert_eq!(place.outputs(&graph(&text), json!({})).await["n"], json!(7));
    let place = Place::with(script(&[("how many", "seven")]));
    let end = place.run(&graph(&text), json!({})).await;
    let RunResult::Failed { error, .. } = end.result else {
        panic!("{end:?}")
    };
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.details.unwrap().to_string().contains("seven"));
}

#[tokio::test]
async fn inputs_that_do_not_fit_are_refused_before_anything_runs() {
    let place = Place::new();
    let graph =
        graph("name: g\nchannels: {n: integer}\ninput: [n]\nnodes: {a: {set: {n: n + 1}}}\n");
    for (inputs, told) in [
        (json!({}), "`n` is missing"),
        (json!({"n": "x"}), "`n`"),
        (json!({"n": 1, "m": 2}), "`m` is none of its inputs"),
    ] {
        let inputs = inputs.as_object().unwrap();
        let started = ropewalk_engine::run::start(&place.services, &graph, inputs, place.options());
        let error = started.await.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    assert!(place.happened().is_empty());
}
