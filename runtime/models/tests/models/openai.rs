//! The openai engine against endpoints that behave, stall, lie and break off.

use ropewalk_core::message::{ChatReply, ChatRequest, Delta, FinishReason, Message, Usage};
use ropewalk_core::tool::{ToolCall, ToolHints, ToolOutcome, ToolSpec};
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use ropewalk_models::openai::{OpenAi, OpenAiConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{body_partial_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const KEY: &str = "sk-very-secret-1234";

fn config(base: &str) -> OpenAiConfig {
    OpenAiConfig {
        base_url: format!("{base}/v1"),
        model: "test-model".into(),
        max_retries: 0,
        first_token_timeout: 20,
        idle_timeout: 20,
        ..OpenAiConfig::default()
    }
}

fn engine(config: OpenAiConfig) -> OpenAi {
    OpenAi::with_key(config, Some(KEY.into())).unwrap()
}

fn ask() -> ChatRequest {
    ChatRequest {
        messages: vec![Message::User {
            text: "hello".into(),
        }],
        ..ChatRequest::default()
    }
}

async fn chat(config: OpenAiConfig) -> Result<ChatReply, EngineError> {
    engine(config).chat(ask(), DeltaSink::none()).await
}

/// A stream of `data:` events, closed by `[DONE]`.
fn sse(chunks: &[Value]) -> String {
    let events: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    events + "data: [DONE]\n\n"
}

fn piece(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta}]})
}

fn end(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn stream(body: String) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body, "text/event-stream")
}

fn hello() -> ResponseTemplate {
    stream(sse(&[piece(json!({"content": "hi"})), end("stop")]))
}

async fn serving(responses: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let last = responses.len() - 1;
    for (at, response) in responses.into_iter().enumerate() {
        let mock = Mock::given(method("POST")).and(path("/v1/chat/completions"));
        let mock = mock.respond_with(response);
        let mock = if at == last {
            mock
        } else {
            mock.up_to_n_times(1)
        };
        mock.mount(&server).await;
    }
    server
}

/// A server that answers one connection with these bytes in these pieces, then closes it or,
/// when `hold`, keeps it open.
async fn raw(pieces: Vec<Vec<u8>>, hold: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let pieces = pieces.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 65536];
                let _ = socket.read(&mut request).await;
                for piece in pieces {
                    let _ = socket.write_all(&piece).await;
                    let _ = socket.flush().await;
                    tokio::task::yield_now().await;
                }
                if hold {
                    std::future::pending::<()>().await;
                }
                let _ = socket.shutdown().await;
            });
        }
    });
    format!("http://{address}")
}

fn http(kind: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

#[tokio::test]
async fn text_thinking_and_usage_arrive_and_the_request_is_right() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(header("authorization", format!("Bearer {KEY}").as_str()))
        .and(header("x-team", "ropes"))
        .and(body_partial_json(json!({
            "model": "test-model", "stream": true, "stream_options": {"include_usage": true},
            "max_tokens": 50,
            "messages": [{"role": "user", "content": "hello"}],
            "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
        })))
        .respond_with(stream(sse(&[
            piece(json!({"role": "assistant", "content": ""})),
            piece(json!({"reasoning_content": "hm"})),
            piece(json!({"reasoning": "m"})),
            piece(json!({"content": "Hel"})),
            piece(json!({"content": "lo"})),
            end("length"),
            json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}),
        ])))
        .mount(&server)
        .await;
    let mut config = config(&server.uri());
    config.headers.insert("x-team".into(), "ropes".into());
    config.sampling.max_tokens = Some(50);
    let request = ChatRequest {
        response_schema: Some(json!({"type": "object"})),
        ..ask()
    };
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let reply = engine(config)
        .chat(request, DeltaSink::new(sender))
        .await
        .unwrap();
    assert_eq!(reply.text, "Hello");
    assert_eq!(reply.thinking.as_deref(), Some("hmm"));
    assert_eq!(reply.finish, FinishReason::Length);
    assert_eq!(
        reply.usage,
        Usage {
            input_tokens: 7,
            output_tokens: 2,
            cached_tokens: 0,
            cost_micros: 0,
        }
    );
    let mut text = String::new();
    while let Some(delta) = receiver.recv().await {
        if let Delta::Text { text: more } = delta {
            text += &more;
        }
    }
    assert_eq!(text, "Hello");
}

#[tokio::test]
async fn parallel_calls_in_interleaved_fragments_are_put_together() {
    let call = |index: usize, rest: Value| {
        let mut call = json!({"index": index});
        call.as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        piece(json!({"tool_calls": [call]}))
    };
    let server = serving(vec![stream(sse(&[
        call(
            0,
            json!({"id": "a", "function": {"name": "docs_search", "arguments": ""}}),
        ),
        call(
            1,
            json!({"id": "b", "function": {"name": "plain", "arguments": "{\"x\""}}),
        ),
        call(0, json!({"function": {"arguments": "{\"query\":"}})),
        call(1, json!({"function": {"arguments": ":1}"}})),
        call(0, json!({"function": {"arguments": "\"rope\"}"}})),
        call(
            2,
            json!({"id": "c", "function": {"name": "plain", "arguments": ""}}),
        ),
        call(
            3,
            json!({"id": "d", "function": {"name": "plain", "arguments": "{oops"}}),
        ),
        end("stop"),
    ]))])
    .await;
    let tool = |name: &str| ToolSpec {
        name: name.into(),
        description: String::new(),
        input_schema: json!({"type": "object"}),
        output_schema: None,
        hints: ToolHints::default(),
    };
    let old = ToolCall {
        id: "a".into(),
        name: "docs.search".into(),
        arguments: json!("{bad"),
    };
    let outcome = ToolOutcome::Error {
        message: "no".into(),
    };
    let request = ChatRequest {
        messages: vec![
            Message::User { text: "q".into() },
            Message::Assistant {
                text: String::new(),
                calls: vec![old],
            },
            Message::Tool {
                call_id: "a".into(),
                name: "docs.search".into(),
                outcome,
            },
        ],
        tools: vec![tool("docs.search"), tool("plain")],
        ..ChatRequest::default()
    };
    let reply = engine(config(&server.uri()))
        .chat(request, DeltaSink::none())
        .await
        .unwrap();
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    let calls: Vec<_> = reply
        .calls
        .iter()
        .map(|c| (c.name.as_str(), c.arguments.clone()))
        .collect();
    let expected = [
        ("docs.search", json!({"query": "rope"})),
        ("plain", json!({"x": 1})),
        ("plain", json!({})),
        ("plain", json!("{oops")),
    ];
    assert_eq!(calls, expected);
    assert_ne!(
        reply.calls[0].id, "a",
        "an id of an earlier turn is not used again"
    );
    let sent: Value = server.received_requests().await.unwrap()[0]
        .body_json()
        .unwrap();
    assert_eq!(sent["tools"][0]["function"]["name"], "docs_search");
    assert_eq!(
        sent["messages"][1]["tool_calls"][0]["function"]["name"],
        "docs_search"
    );
    let arguments = sent["messages"][1]["tool_calls"][0]["function"]["arguments"]
        .as_str()
        .unwrap();
    assert!(
        serde_json::from_str::<Value>(arguments)
            .unwrap()
            .is_object()
    );
    assert_eq!(sent["messages"][2]["tool_call_id"], "a");
}

#[tokio::test]
async fn calls_that_share_an_index_are_told_apart_by_id() {
    let call =
        |id: &str| json!({"index": 0, "id": id, "function": {"name": "t", "arguments": "{}"}});
    let server = serving(vec![stream(sse(&[piece(
        json!({"tool_calls": [call("a"), call("b")]}),
    )]))])
    .await;
    assert_eq!(chat(config(&server.uri())).await.unwrap().calls.len(), 2);
}

#[tokio::test]
async fn an_endpoint_that_does_not_stream_is_understood() {
    let body = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"},
                      "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    let server = serving(vec![ResponseTemplate::new(200).set_body_json(body)]).await;
    assert_eq!(chat(config(&server.uri())).await.unwrap().text, "hi");
}

#[tokio::test]
async fn an_endpoint_that_refuses_usage_is_asked_without() {
    let refusal = json!({"error": {"message": "unknown field stream_options"}});
    let refusal = ResponseTemplate::new(400).set_body_json(refusal);
    let server = serving(vec![refusal, hello()]).await;
    let engine = engine(config(&server.uri()));
    for _ in 0..2 {
        assert_eq!(
            engine.chat(ask(), DeltaSink::none()).await.unwrap().text,
            "hi"
        );
    }
    let requests = server.received_requests().await.unwrap();
    let with = requests
        .iter()
        .filter(|r| String::from_utf8_lossy(&r.body).contains("stream_options"));
    assert_eq!(
        (with.count(), requests.len()),
        (1, 3),
        "asked once, then remembered"
    );
}

#[tokio::test]
async fn overload_is_retried_and_retry_after_is_honoured() {
    let busy = |wait: &str| ResponseTemplate::new(429).insert_header("retry-after", wait);
    let server = serving(vec![
        busy("0"),
        ResponseTemplate::new(503).insert_header("retry-after", "0"),
        hello(),
    ])
    .await;
    let patient = |uri: &str| OpenAiConfig {
        max_retries: 2,
        ..config(uri)
    };
    assert_eq!(chat(patient(&server.uri())).await.unwrap().text, "hi");
    assert_eq!(server.received_requests().await.unwrap().len(), 3);

    // Waiting an hour is no answer: told at once instead.
    let server = serving(vec![busy("3600"), hello()]).await;
    let error = chat(patient(&server.uri())).await.unwrap_err();
    assert!(
        matches!(error, EngineError::Refused { status: 429, .. }),
        "{error}"
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn retries_are_counted() {
    let server = serving(vec![
        ResponseTemplate::new(500).insert_header("retry-after", "0"),
    ])
    .await;
    let config = OpenAiConfig {
        max_retries: 3,
        ..config(&server.uri())
    };
    let error = chat(config).await.unwrap_err();
    assert!(
        matches!(error, EngineError::Refused { status: 500, .. }),
        "{error}"
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 4);
}

#[tokio::test]
async fn refusals_say_what_to_do_and_are_not_retried() {
    for (status, hint) in [
        (401, "OPENAI_API_KEY"),
        (404, "test-model"),
        (400, "wrong shape"),
    ] {
        let body = json!({"error": {"message": format!("wrong shape, key {KEY}")}});
        let server = serving(vec![ResponseTemplate::new(status).set_body_json(body)]).await;
        let config = OpenAiConfig {
            max_retries: 3,
            ..config(&server.uri())
        };
        let error = chat(config).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            text.contains(hint) && text.contains(&status.to_string()),
            "{text}"
        );
        assert!(!text.contains(KEY), "the key is repeated: {text}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn html_is_named_as_what_it_is() {
    let page = "<!doctype html><title>Welcome</title>";
    for kind in ["text/html; charset=utf-8", "text/plain"] {
        let response = ResponseTemplate::new(200).set_body_raw(page, kind);
        let error = chat(config(&serving(vec![response]).await.uri()))
            .await
            .unwrap_err();
        assert!(
            matches!(error, EngineError::NotTheProtocol { .. }),
            "{error}"
        );
        let text = error.to_string();
        assert!(
            text.contains(kind) && text.contains("<!doctype html>"),
            "{text}"
        );
    }
    let other = ResponseTemplate::new(200).set_body_json(json!({"status": "ok"}));
    let error = chat(config(&serving(vec![other]).await.uri()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, EngineError::NotTheProtocol { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_error_inside_the_stream_is_told() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n\
                data: {\"error\":{\"message\":\"out of memory\",\"code\":507}}\n\n";
    let server = serving(vec![stream(body.into())]).await;
    let config = OpenAiConfig {
        max_retries: 3,
        ..config(&server.uri())
    };
    let error = chat(config).await.unwrap_err();
    assert!(error.to_string().contains("507: out of memory"), "{error}");
    let tries = server.received_requests().await.unwrap().len();
    assert_eq!(tries, 1, "no second try after text was shown");
}

#[tokio::test]
async fn a_reply_that_ends_early_is_an_error() {
    let cut = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let base = raw(vec![http("text/event-stream", cut)], false).await;
    let error = chat(config(&base)).await.unwrap_err();
    assert!(matches!(error, EngineError::BrokeOff { .. }), "{error}");
}

#[tokio::test]
async fn a_stream_that_ends_before_its_first_piece_is_tried_again() {
    let server = serving(vec![stream(sse(&[])), hello()]).await;
    let patient = OpenAiConfig {
        max_retries: 1,
        ..config(&server.uri())
    };
    assert_eq!(chat(patient).await.unwrap().text, "hi");
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let elsewhere = ResponseTemplate::new(301).insert_header("location", "http://127.0.0.1:1/");
    let server = serving(vec![elsewhere]).await;
    let error = chat(config(&server.uri())).await.unwrap_err();
    assert!(error.to_string().contains("as base_url"), "{error}");
}

#[tokio::test]
async fn garbage_instead_of_http_is_unreachable() {
    let base = raw(vec![b"\x00\x01SSH-2.0 nonsense\r\n\r\n".to_vec()], false).await;
    let error = chat(config(&base)).await.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_host_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for base in [closed.as_str(), "http://no-such-host.invalid"] {
        let error = chat(config(base)).await.unwrap_err();
        assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(base), "{error}");
    }
}

#[tokio::test]
async fn stalls_are_cut_where_they_happen() {
    let cases = [
        (
            vec![],
            "waiting for the first token (`first_token_timeout`)",
        ),
        (
            vec![http("text/event-stream", ": keep-alive\n\n")],
            "waiting for the first token (`first_token_timeout`)",
        ),
        (
            vec![http(
                "text/event-stream",
                "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
            )],
            "waiting for more (`idle_timeout`)",
        ),
    ];
    for (pieces, expected) in cases {
        let base = raw(pieces, true).await;
        let config = OpenAiConfig {
            first_token_timeout: 1,
            idle_timeout: 1,
            ..config(&base)
        };
        let error = chat(config).await.unwrap_err();
        let EngineError::TimedOut {
            waiting_for,
            seconds,
            ..
        } = error
        else {
            panic!("{expected}: {error}");
        };
        assert_eq!((waiting_for, seconds), (expected, 1));
    }
}

#[tokio::test]
async fn a_stream_in_single_bytes_reads_the_same() {
    let body = sse(&[piece(json!({"content": "zwölf"})), end("stop")]);
    let bytes = http("text/event-stream", &body);
    let base = raw(bytes.into_iter().map(|byte| vec![byte]).collect(), false).await;
    assert_eq!(chat(config(&base)).await.unwrap().text, "zwölf");
}

#[test]
fn a_key_is_asked_for_only_where_one_is_needed() {
    let local = OpenAiConfig {
        key_env: None,
        ..config("http://127.0.0.1:1")
    };
    assert!(OpenAi::with_key(local.clone(), None).is_ok());
    let named = OpenAiConfig {
        key_env: Some("MY_KEY".into()),
        ..local
    };
    let error = OpenAi::with_key(named, None).unwrap_err();
    assert!(
        matches!(&error, EngineError::NoKey { variable, .. } if variable == "MY_KEY"),
        "{error}"
    );
    let default = OpenAiConfig {
        model: "m".into(),
        ..OpenAiConfig::default()
    };
    let error = OpenAi::with_key(default, None).unwrap_err();
    assert!(matches!(&error, EngineError::NoKey { .. }), "{error}");
}

#[test]
fn secrets_are_not_in_debug_output() {
    let mut config = config("http://127.0.0.1:1");
    config
        .headers
        .insert("x-token".into(), "header-secret".into());
    let shown = format!("{config:?} {:?}", engine(config.clone()));
    assert!(
        !shown.contains(KEY) && !shown.contains("header-secret"),
        "{shown}"
    );
    assert!(shown.contains("x-token"));
}
