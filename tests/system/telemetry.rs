//! Traces: sent where the configuration says, in the words of the conventions, and nowhere else.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::program::Place;

/// A collector that keeps every span it is sent.
async fn collector() -> (String, Arc<Mutex<Vec<Span>>>) {
    let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
    let kept = Arc::clone(&spans);
    let take = move |body: Bytes| {
        let kept = Arc::clone(&kept);
        async move {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            let scopes = request
                .resource_spans
                .into_iter()
                .flat_map(|found| found.scope_spans);
            kept.lock()
                .unwrap()
                .extend(scopes.flat_map(|scope| scope.spans));
            Vec::new()
        }
    };
    let app = Router::new().route("/v1/traces", post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}"), spans)
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    let found = span
        .attributes
        .iter()
        .find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        AnyValue::StringValue(text) => Some(text),
        _ => None,
    }
}

const SCRIPT: &str = r#"[
    {"calls": [{"id": "c1", "name": "vector__status", "arguments": {}}]},
    {"text": "It stands well."}
]"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_a_trace_in_which_tools_follow_from_models() {
    let (endpoint, spans) = collector().await;
    let place = Place::new();
    place.write(
        "ropewalk.toml",
        format!("[telemetry]\notlp = \"{endpoint}\"\n"),
    );
    place.write("script.json", SCRIPT);
    let run = tokio::task::spawn_blocking(move || {
        place.run(&[
            "run",
            "assistant",
            "-i",
            "question=How?",
            "--script",
            "script.json",
        ])
    });
    let outcome = run.await.unwrap();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let spans = spans.lock().unwrap();
    let named =
        |name: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name == name).collect() };
    let (run, agent) = (
        named("invoke_workflow assistant"),
        named("invoke_agent answer"),
    );
    let (models, tools) = (named("chat scripted"), named("execute_tool vector__status"));
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(
        (run.len(), agent.len(), models.len(), tools.len()),
        (1, 1, 2, 1),
        "{names:?}"
    );
    assert_eq!(agent[0].parent_span_id, run[0].span_id);
    assert!(
        models
            .iter()
            .chain(&tools)
            .all(|span| span.parent_span_id == agent[0].span_id)
    );
    // The tool follows from the first call of the model, which asked for it.
    let first = models
        .iter()
        .min_by_key(|span| span.start_time_unix_nano)
        .unwrap();
    assert_eq!(tools[0].links[0].span_id, first.span_id);
    assert_eq!(
        attribute(tools[0], "gen_ai.tool.name"),
        Some("vector__status")
    );
    assert_eq!(
        attribute(tools[0], "gen_ai.operation.name"),
        Some("execute_tool")
    );
    assert_eq!(
        attribute(models[0], "gen_ai.request.model"),
        Some("scripted")
    );
    assert!(attribute(run[0], "ropewalk.run").is_some());
}

#[test]
fn a_collector_that_is_not_there_keeps_no_run_from_its_end() {
    let place = Place::new();
    place.write(
        "ropewalk.toml",
        "[telemetry]\notlp = \"http://127.0.0.1:9\"\n",
    );
    place.write(
        "one.yaml",
        "name: one\nchannels: {n: integer}\nnodes: {a: {set: {n: '1'}}}\n",
    );
    let outcome = place.run(&["run", "one.yaml"]);
    assert_eq!(
        (outcome.code, outcome.out.trim()),
        (Some(0), "n: 1"),
        "{outcome:?}"
    );
}
