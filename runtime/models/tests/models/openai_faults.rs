//! The openai engine against an endpoint that fails in every way it can. Whatever it does: no
//! hang, no call that was not made, no count that was told and lost, and an error that says what
//! happened.

use std::time::Duration;

use ropewalk_core::message::{ChatReply, Usage};
use ropewalk_models::engine::EngineError;
use ropewalk_models::openai::OpenAiConfig;
use serde_json::{Value, json};

use crate::endpoint::{
    Act, Endpoint, ask, end, engine, hi, json_answer, listen, piece, sse, stream_head, streamed,
};

/// Much longer than any of these takes, much shorter than a hang.
const TOO_LONG: Duration = Duration::from_secs(30);

/// One request to an endpoint with this script, its outcome, what was shown, and how often it was
/// asked.
async fn outcome(
    scripts: Vec<Vec<Act>>,
    change: impl FnOnce(&mut OpenAiConfig),
) -> (Result<ChatReply, EngineError>, String, usize) {
    let endpoint = Endpoint::start(scripts).await;
    let mut config = OpenAiConfig {
        max_retries: 2,
        first_token_timeout: 10,
        idle_timeout: 10,
        ..endpoint.config()
    };
    change(&mut config);
    let engine = engine(config);
    let (outcome, shown) = tokio::time::timeout(TOO_LONG, listen(&engine, ask()))
        .await
        .expect("it hangs");
    (outcome, shown, endpoint.seen().len())
}

fn send(parts: &[&[u8]]) -> Act {
    Act::Send(parts.concat())
}

fn event(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

fn word() -> Vec<u8> {
    event(&piece(json!({"content": "word"})))
}

fn counts() -> Vec<u8> {
    event(&json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}))
}

fn counted() -> Usage {
    Usage {
        input_tokens: 9,
        output_tokens: 4,
        ..Usage::default()
    }
}

fn busy(status: u16, headers: &str) -> Vec<Act> {
    let body = json!({"error": {"message": "busy"}});
    vec![Act::Send(json_answer(status, headers, &body))]
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let nothing: Vec<Act> = vec![Act::Reset];
    let after_the_head = vec![Act::Send(stream_head()), Act::Reset];
    let in_the_stream = streamed(&[json!({"error": {"message": "overloaded", "code": 503}})]);
    for script in [
        busy(429, "retry-after: 0\r\n"),
        busy(429, ""),
        busy(500, ""),
        busy(503, "retry-after-ms: 1\r\n"),
        nothing,
        after_the_head,
        in_the_stream,
    ] {
        let (outcome, shown, asked) = outcome(vec![script.clone(), hi()], |_| {}).await;
        assert_eq!(outcome.unwrap().text, "hi", "{script:?}");
        assert_eq!((shown.as_str(), asked), ("hi", 2), "{script:?}");
    }
}

#[tokio::test]
async fn what_broke_off_after_its_beginning_is_not_tried_again() {
    let reset = vec![send(&[&stream_head(), &word(), &counts()]), Act::Reset];
    let half = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let chunk = [word(), counts()].concat();
    let size = format!("{:x}\r\n", chunk.len());
    let half_a_chunk = vec![send(&[
        half.as_bytes(),
        size.as_bytes(),
        &chunk,
        b"\r\n40\r\ndata: {\"cho",
    ])];
    let too_short = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n",
        chunk.len() + 100
    );
    let less_than_promised = vec![send(&[too_short.as_bytes(), &chunk])];
    let half_an_event = vec![send(&[
        &stream_head(),
        &word(),
        &counts(),
        b"data: {\"choi",
    ])];
    for script in [reset, half_a_chunk, less_than_promised, half_an_event] {
        let (outcome, shown, asked) = outcome(vec![script.clone(), hi()], |_| {}).await;
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, EngineError::BrokeOff { .. }),
            "{script:?}: {error}"
        );
        assert_eq!((shown.as_str(), asked), ("word", 1));
        assert_eq!(error.usage(), counted(), "{error}");
    }
}

#[tokio::test]
async fn a_reply_that_is_whole_is_kept_whatever_follows() {
    let whole = [stream_head(), word(), event(&end("stop")), counts()].concat();
    let quick = |config: &mut OpenAiConfig| config.idle_timeout = 1;
    for after in [
        vec![],
        vec![Act::Reset],
        vec![Act::Hold],
        vec![Act::Send(b"data: [DO".to_vec())],
        vec![Act::Send(b"data: {\"cho".to_vec()), Act::Reset],
        vec![Act::Repeat(
            b": still here\n\n".to_vec(),
            Duration::from_millis(20),
        )],
    ] {
        let mut script = vec![Act::Send(whole.clone())];
        script.extend(after.clone());
        let (outcome, shown, asked) = outcome(vec![script], quick).await;
        let reply = outcome.unwrap_or_else(|error| panic!("{after:?}: {error}"));
        assert_eq!(
            (reply.text.as_str(), shown.as_str(), asked),
            ("word", "word", 1)
        );
        assert_eq!(reply.usage, counted(), "{after:?}");
    }
}

#[tokio::test]
async fn counts_are_kept_wherever_they_come() {
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 4});
    let with = |mut event: Value| {
        event["usage"] = usage.clone();
        event
    };
    let word = piece(json!({"content": "word"}));
    for events in [
        vec![with(word.clone()), end("stop")],
        vec![word.clone(), with(end("stop"))],
        vec![word.clone(), end("stop"), with(json!({"choices": []}))],
        vec![
            with(word.clone()),
            end("stop"),
            json!({"choices": [], "usage": null}),
        ],
        vec![
            with(word.clone()),
            end("stop"),
            json!({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}),
        ],
    ] {
        let (outcome, ..) = outcome(vec![streamed(&events)], |_| {}).await;
        assert_eq!(outcome.unwrap().usage, counted(), "{events:?}");
    }
    // A failure that counts, and one that was tried again.
    let failing = with(json!({"error": {"message": "out of memory", "code": 507}}));
    let (first, _, asked) = outcome(vec![streamed(&[word.clone(), failing.clone()])], |_| {}).await;
    let error = first.unwrap_err();
    assert_eq!((error.usage(), asked), (counted(), 1), "{error}");
    let (again, _, asked) = outcome(vec![streamed(&[failing]), hi()], |_| {}).await;
    assert_eq!((again.unwrap().usage, asked), (counted(), 2));
    let (none, ..) = outcome(vec![hi()], |_| {}).await;
    assert_eq!(none.unwrap().usage, Usage::default());
}

#[tokio::test]
async fn a_call_that_is_sent_twice_is_one_call() {
    let call = |rest: Value| piece(json!({"tool_calls": [rest]}));
    let first = call(json!({"index": 0, "id": "a", "function": {"name": "t", "arguments": ""}}));
    let more = |text: &str| call(json!({"index": 0, "function": {"arguments": text}}));
    let whole = json!({"index": 0, "id": "a", "function": {"name": "t", "arguments": "{\"x\":1}"}});
    let elsewhere =
        json!({"index": 1, "id": "a", "function": {"name": "t", "arguments": "{\"x\":1}"}});
    let unplaced = json!({"id": "a", "function": {"name": "t", "arguments": "{\"x\":1}"}});
    for again in [
        vec![call(whole.clone())],
        vec![call(whole.clone()), call(whole.clone())],
        vec![call(elsewhere)],
        vec![call(unplaced)],
        vec![more("{\"x\":1}")],
        vec![
            json!({"choices": [{"index": 0, "message": {"tool_calls": [whole]}, "finish_reason": "tool_calls"}]}),
        ],
    ] {
        let mut events = vec![first.clone(), more("{\"x\""), more(":1}")];
        events.extend(again.clone());
        events.push(end("tool_calls"));
        let (outcome, ..) = outcome(vec![streamed(&events)], |_| {}).await;
        let calls = outcome.unwrap().calls;
        assert_eq!(calls.len(), 1, "{again:?}: {calls:?}");
        assert_eq!(calls[0].arguments, json!({"x": 1}), "{again:?}");
    }
}

#[tokio::test]
async fn what_is_not_the_protocol_is_named_so() {
    let html =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>hello"
            .to_vec();
    let bad_event = [stream_head(), b"data: {\"choices\": oops}\n\n".to_vec()].concat();
    let late_bad_event = [stream_head(), word(), b"data: not json\n\n".to_vec()].concat();
    let wrong_shape = [stream_head(), b"data: [1, 2]\n\n".to_vec()].concat();
    let packed = [
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n"
            .to_vec(),
        // The start of a gzip member; a bomb would go on for long.
        vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
    ]
    .concat();
    let empty =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n".to_vec();
    for (bytes, shown) in [
        (html, ""),
        (bad_event, ""),
        (late_bad_event, "word"),
        (wrong_shape, ""),
        (packed, ""),
        (empty, ""),
    ] {
        let script = vec![Act::Send(bytes), Act::Hold];
        let quick = |config: &mut OpenAiConfig| config.idle_timeout = 1;
        let (outcome, was_shown, asked) = outcome(vec![script], quick).await;
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, EngineError::NotTheProtocol { .. }),
            "{error}"
        );
        assert_eq!((was_shown.as_str(), asked), (shown, 1), "{error}");
    }
}

#[tokio::test]
async fn a_bomb_of_compressed_nothing_is_not_unpacked() {
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n";
    let script = vec![
        Act::Send(head.to_vec()),
        Act::Repeat(vec![0; 65536], Duration::ZERO),
    ];
    let (outcome, ..) = outcome(vec![script], |_| {}).await;
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("gzip"), "{error}");
}

#[tokio::test]
async fn what_has_no_end_is_cut() {
    let endless_line = vec![
        Act::Send([stream_head(), b"data: ".to_vec()].concat()),
        Act::Repeat(vec![b'x'; 1 << 20], Duration::ZERO),
    ];
    let endless_body = vec![
        Act::Send(stream_head()),
        Act::Repeat(word().repeat(10_000), Duration::ZERO),
    ];
    for script in [endless_line, endless_body] {
        let (outcome, _, asked) = outcome(vec![script], |_| {}).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, EngineError::BrokeOff { .. }), "{error}");
        assert!(error.to_string().contains("MiB"), "{error}");
        assert_eq!(asked, 1);
    }
    let endless_refusal = vec![
        Act::Send(b"HTTP/1.1 400 Bad\r\ncontent-type: text/plain\r\n\r\n".to_vec()),
        Act::Repeat(vec![b'x'; 1 << 16], Duration::ZERO),
    ];
    let (refused, ..) = outcome(vec![endless_refusal], |_| {}).await;
    let error = refused.unwrap_err();
    assert!(
        matches!(error, EngineError::Refused { status: 400, .. }),
        "{error}"
    );
    assert!(error.to_string().len() < 2_000);
    let endless_head = vec![
        Act::Send(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Act::Repeat(b"x-flood: yes\r\n".repeat(1_000), Duration::ZERO),
    ];
    let (flooded, ..) = outcome(vec![endless_head], |config| config.max_retries = 0).await;
    let error = flooded.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn silence_is_cut_where_it_falls_and_counts_are_kept() {
    let quick = |config: &mut OpenAiConfig| {
        config.first_token_timeout = 1;
        config.idle_timeout = 1;
    };
    let pings = Act::Repeat(b": ping\n\n".to_vec(), Duration::from_millis(30));
    let cases = [
        (vec![Act::Hold], "first token", Usage::default()),
        (
            vec![Act::Send(stream_head()), pings.clone()],
            "first token",
            Usage::default(),
        ),
        (
            vec![send(&[&stream_head(), &counts()]), Act::Hold],
            "first token",
            counted(),
        ),
        (
            vec![send(&[&stream_head(), &word(), &counts()]), Act::Hold],
            "idle_timeout",
            counted(),
        ),
    ];
    for (script, expected, usage) in cases {
        let (outcome, _, asked) = outcome(vec![script], quick).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, EngineError::TimedOut { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!((error.usage(), asked), (usage, 1), "{error}");
    }
    // One that never falls silent, and never ends.
    let drip = vec![send(&[&stream_head(), &word(), &counts()]), pings];
    let bounded = |config: &mut OpenAiConfig| config.total_timeout = 1;
    let (dripped, shown, _) = outcome(vec![drip], bounded).await;
    let error = dripped.unwrap_err();
    assert!(error.to_string().contains("total_timeout"), "{error}");
    assert_eq!((error.usage(), shown.as_str()), (counted(), "word"));
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let elsewhere = Endpoint::start(vec![hi()]).await;
    let headers = format!("location: {}/chat/completions\r\n", elsewhere.base);
    let redirect = vec![Act::Send(json_answer(307, &headers, &json!({})))];
    let (outcome, ..) = outcome(vec![redirect], |_| {}).await;
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, EngineError::Refused { status: 307, .. }),
        "{error}"
    );
    assert!(elsewhere.seen().is_empty(), "the key goes nowhere else");
}

#[tokio::test]
async fn a_conversation_that_is_too_long_is_told_with_its_numbers() {
    let openai = json!({"error": {"code": "context_length_exceeded", "message":
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."}});
    let llama = json!({"error": {"code": 400, "type": "exceed_context_size_error",
        "message": "the request exceeds the available context size", "n_prompt_tokens": 9001, "n_ctx": 8192}});
    for script in [
        vec![Act::Send(json_answer(400, "", &openai))],
        vec![Act::Send(json_answer(400, "", &llama))],
        streamed(&[openai]),
    ] {
        let (outcome, _, asked) = outcome(vec![script], |_| {}).await;
        let error = outcome.unwrap_err();
        let EngineError::TooLong {
            prompt, context, ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((prompt, context, asked), (Some(9001), Some(8192), 1));
    }
}

#[tokio::test]
async fn a_stream_without_an_end_mark_is_whole_when_it_says_so() {
    let text = sse(&[piece(json!({"content": "hi"})), end("stop")]);
    let without = text.replace("data: [DONE]\n\n", "");
    let script = vec![send(&[&stream_head(), without.as_bytes()])];
    let (outcome, ..) = outcome(vec![script], |_| {}).await;
    assert_eq!(outcome.unwrap().text, "hi");
}
