//! A list of engines: who answers, and when the next one is not asked.

use std::sync::Arc;

use ropewalk_core::message::Usage;
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use ropewalk_models::fallback::Fallback;
use ropewalk_models::openai::OpenAiConfig;
use serde_json::json;

use crate::endpoint::{
    Act, Endpoint, ask, end, engine, hi, json_answer, listen, piece, sse, stream_head, streamed,
};

fn status(status: u16) -> Vec<Act> {
    vec![Act::Send(json_answer(
        status,
        "",
        &json!({"error": {"message": "no"}}),
    ))]
}

fn too_long() -> Vec<Act> {
    let error = json!({"error": {"code": "context_length_exceeded", "message":
        "This model's maximum context length is 100 tokens. However, your messages resulted in 150 tokens."}});
    vec![Act::Send(json_answer(400, "", &error))]
}

/// Engines of these scripts, by the names `first`, `second` and so on, with these contexts.
async fn list(scripts: Vec<(Vec<Act>, Option<u64>)>) -> (Fallback, Vec<Endpoint>) {
    let mut engines: Vec<Arc<dyn Engine>> = Vec::new();
    let mut endpoints = Vec::new();
    for ((script, context), name) in scripts.into_iter().zip(["first", "second", "third"]) {
        let endpoint = Endpoint::start(vec![script]).await;
        engines.push(Arc::new(engine(OpenAiConfig {
            model: name.into(),
            context_tokens: context,
            first_token_timeout: 1,
            ..endpoint.config()
        })));
        endpoints.push(endpoint);
    }
    (Fallback::new(engines), endpoints)
}

#[tokio::test]
async fn the_next_one_answers_where_one_cannot() {
    let closed = vec![Act::Reset];
    let silent = vec![Act::Hold];
    let html =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\nhi".to_vec();
    for script in [
        status(503),
        status(429),
        closed,
        silent,
        too_long(),
        vec![Act::Send(html)],
    ] {
        let (fallback, endpoints) = list(vec![(script.clone(), None), (hi(), None)]).await;
        let answered = fallback.answer(ask(), &DeltaSink::none()).await;
        let answered = answered.unwrap_or_else(|error| panic!("{script:?}: {error}"));
        assert_eq!(answered.engine, "openai:second");
        assert_eq!(
            (answered.reply.text.as_str(), answered.failures.len()),
            ("hi", 1)
        );
        assert_eq!(endpoints[1].seen().len(), 1);
        let (outcome, shown) = listen(&fallback, ask()).await;
        assert_eq!(
            (outcome.unwrap().text.as_str(), shown.as_str()),
            ("hi", "hi")
        );
    }
}

#[tokio::test]
async fn what_another_would_refuse_as_well_is_told_at_once() {
    for refusal in [status(400), status(401), status(404)] {
        let (fallback, endpoints) = list(vec![(refusal, None), (hi(), None)]).await;
        let error = fallback.chat(ask(), DeltaSink::none()).await.unwrap_err();
        assert!(matches!(error, EngineError::Refused { .. }), "{error}");
        assert!(endpoints[1].seen().is_empty());
    }
}

#[tokio::test]
async fn nobody_is_asked_after_something_was_shown() {
    let events = sse(&[piece(json!({"content": "half a "}))]);
    let cut = [
        stream_head(),
        events.replace("data: [DONE]\n\n", "").into_bytes(),
    ]
    .concat();
    let script = vec![Act::Send(cut)];
    let (fallback, endpoints) = list(vec![(script.clone(), None), (hi(), None)]).await;
    let (outcome, shown) = listen(&fallback, ask()).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, EngineError::BrokeOff { .. }), "{error}");
    assert_eq!(shown, "half a ");
    assert!(endpoints[1].seen().is_empty());
    // Where nobody listens nothing was shown.
    let reply = fallback.chat(ask(), DeltaSink::none()).await.unwrap();
    assert_eq!(reply.text, "hi");
}

#[tokio::test]
async fn a_context_that_is_no_longer_is_passed_over() {
    let (fallback, endpoints) = list(vec![
        (too_long(), Some(100)),
        (hi(), Some(120)),
        (hi(), Some(1_000)),
    ])
    .await;
    assert_eq!(fallback.info().context_tokens, Some(1_000));
    let answered = fallback.answer(ask(), &DeltaSink::none()).await.unwrap();
    assert_eq!(answered.engine, "openai:third");
    assert!(endpoints[1].seen().is_empty());
}

#[tokio::test]
async fn every_failure_is_told_when_all_fail_and_costs_add_up() {
    let (fallback, _) = list(vec![(status(503), None), (too_long(), None)]).await;
    let error = fallback.chat(ask(), DeltaSink::none()).await.unwrap_err();
    let said = error.to_string();
    for part in ["openai:first", "503", "openai:second", "150 tokens of 100"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(error.another_may_answer());
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 1});
    let failing = streamed(&[json!({"usage": usage, "error": {"message": "no", "code": 500}})]);
    let counted = streamed(&[
        piece(json!({"content": "hi"})),
        end("stop"),
        json!({"usage": usage}),
    ]);
    let (fallback, _) = list(vec![(failing, None), (counted, None)]).await;
    let reply = fallback.chat(ask(), DeltaSink::none()).await.unwrap();
    let both = Usage {
        input_tokens: 10,
        output_tokens: 2,
        ..Usage::default()
    };
    assert_eq!(reply.usage, both);
    let empty = Fallback::new(Vec::new());
    let error = empty.chat(ask(), DeltaSink::none()).await.unwrap_err();
    assert!(error.to_string().contains("empty"), "{error}");
}
