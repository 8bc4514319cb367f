//! The Responses API: items out, events back.

use ropewalk_core::message::{ChatRequest, FinishReason, Message, Sampling, Usage};
use ropewalk_core::tool::ToolOutcome;
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use ropewalk_models::openai::{Api, Dialect, OpenAi, OpenAiConfig};
use serde_json::{Value, json};

use crate::endpoint::{Act, Endpoint, ask, engine, json_answer, listen, streamed, tool};

fn responses(endpoint: &Endpoint) -> OpenAi {
    engine(OpenAiConfig {
        api: Api::Responses,
        dialect: Some(Dialect::OpenAi),
        ..endpoint.config()
    })
}

fn text(delta: &str) -> Value {
    json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": delta})
}

fn completed(output: Value) -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "output": output,
        "usage": {"input_tokens": 20, "input_tokens_details": {"cached_tokens": 8},
                  "output_tokens": 6, "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 26}}})
}

fn usage() -> Usage {
    Usage {
        input_tokens: 20,
        output_tokens: 6,
        cached_tokens: 8,
        cost_micros: 0,
    }
}

#[tokio::test]
async fn a_conversation_goes_out_as_items_and_comes_back_as_events() {
    let reasoning =
        json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"});
    let call = |arguments: &str| {
        json!({"type": "function_call", "id": "fc_1", "call_id": "call_a",
        "name": "docs_search", "arguments": arguments, "status": "completed"})
    };
    let events = [
        json!({"type": "response.created", "response": {"status": "in_progress", "usage": null}}),
        json!({"type": "response.reasoning_summary_text.delta", "delta": "Let me look."}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": reasoning}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": call("")}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{\"q\":\"rope\","}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "\"n\":null}"}),
        json!({"type": "response.function_call_arguments.done", "output_index": 1, "arguments": "{\"q\":\"rope\",\"n\":null}"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": call("{\"q\":\"rope\",\"n\":null}")}),
        json!({"type": "response.something.new", "delta": "?"}),
        completed(json!([reasoning, call("{\"q\":\"rope\",\"n\":null}")])),
    ];
    let answer = [
        text("It is "),
        text("here."),
        completed(
            json!([{"type": "message", "content": [{"type": "output_text", "text": "It is here."}]}]),
        ),
    ];
    let endpoint = Endpoint::start(vec![streamed(&events), streamed(&answer)]).await;
    let engine = responses(&endpoint);
    let schema = json!({"type": "object", "properties": {"q": {"type": "string"}, "n": {"type": "integer"}}, "required": ["q"]});
    let mut request = ChatRequest {
        messages: vec![
            Message::System {
                text: "Be kind.".into(),
            },
            Message::User {
                text: "Where?".into(),
            },
        ],
        tools: vec![tool("docs.search", schema.clone())],
        response_schema: Some(
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
        ),
        sampling: Sampling {
            temperature: Some(0.2),
            max_tokens: Some(99),
            logprobs: Some(3),
            ..Sampling::default()
        },
        thinking: Some(true),
        ..ChatRequest::default()
    };
    let reply = engine
        .chat(request.clone(), DeltaSink::none())
        .await
        .unwrap();
    assert_eq!(reply.thinking.as_deref(), Some("Let me look."));
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    assert_eq!(reply.usage, usage());
    assert_eq!(reply.calls.len(), 1);
    let (name, arguments) = (&reply.calls[0].name, &reply.calls[0].arguments);
    assert_eq!(
        (name.as_str(), arguments),
        ("docs.search", &json!({"q": "rope"}))
    );

    let sent = endpoint.body(0);
    assert!(endpoint.seen()[0].head.starts_with("POST /v1/responses "));
    let expected = json!({"model": "test-model", "store": false, "stream": true, "temperature": 0.2,
        "max_output_tokens": 99, "top_logprobs": 3,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "reasoning": {"effort": "medium", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "reply", "strict": false, "schema": {"type": "object", "additionalProperties": {"type": "string"}}}},
        "tools": [{"type": "function", "name": "docs_search", "strict": true, "parameters": {
            "type": "object", "additionalProperties": false, "required": ["q", "n"],
            "properties": {"q": {"type": "string"}, "n": {"type": ["integer", "null"]}}}}],
        "input": [{"type": "message", "role": "system", "content": "Be kind."},
                  {"type": "message", "role": "user", "content": "Where?"}]});
    assert_eq!(sent, expected);

    request.messages.push(Message::Assistant {
        text: String::new(),
        calls: reply.calls,
    });
    request.messages.push(Message::Tool {
        call_id: "call_a".into(),
        name: "docs.search".into(),
        outcome: ToolOutcome::Ok {
            text: "in the shed".into(),
            structured: None,
        },
    });
    let (second, shown) = listen(&engine, request).await;
    assert_eq!(
        (second.unwrap().text.as_str(), shown.as_str()),
        ("It is here.", "It is here.")
    );
    let input = endpoint.body(1)["input"].clone();
    let expected = json!([
        {"type": "message", "role": "system", "content": "Be kind."},
        {"type": "message", "role": "user", "content": "Where?"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "call_a", "name": "docs_search", "arguments": "{\"q\":\"rope\"}"},
        {"type": "function_call_output", "call_id": "call_a", "output": "in the shed"}
    ]);
    assert_eq!(input, expected);
}

#[tokio::test]
async fn replies_that_end_otherwise_say_how() {
    let incomplete = |reason: &str| {
        json!({"type": "response.incomplete", "response": {"status": "incomplete",
        "incomplete_details": {"reason": reason}, "usage": {"input_tokens": 20, "output_tokens": 6,
        "input_tokens_details": {"cached_tokens": 8}}}})
    };
    for (reason, expected) in [
        ("max_output_tokens", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
    ] {
        let endpoint = Endpoint::start(vec![streamed(&[text("Hel"), incomplete(reason)])]).await;
        let reply = responses(&endpoint)
            .chat(ask(), DeltaSink::none())
            .await
            .unwrap();
        assert_eq!((reply.text.as_str(), reply.finish), ("Hel", expected));
        assert_eq!(reply.usage, usage());
    }
    let failed = json!({"type": "response.failed", "response": {"status": "failed",
        "error": {"code": "server_error", "message": "it broke"},
        "usage": {"input_tokens": 20, "output_tokens": 6, "input_tokens_details": {"cached_tokens": 8}}}});
    let too_long = json!({"type": "error", "code": "context_length_exceeded",
        "message": "Your input exceeds the context window of this model."});
    let endpoint = Endpoint::start(vec![
        streamed(&[text("Hel"), failed]),
        streamed(&[too_long]),
        streamed(&[text("Hel")]),
    ])
    .await;
    let engine = responses(&endpoint);
    let error = engine.chat(ask(), DeltaSink::none()).await.unwrap_err();
    assert!(error.to_string().contains("500: it broke"), "{error}");
    assert_eq!(error.usage(), usage());
    let error = engine.chat(ask(), DeltaSink::none()).await.unwrap_err();
    assert!(matches!(error, EngineError::TooLong { .. }), "{error}");
    let error = engine.chat(ask(), DeltaSink::none()).await.unwrap_err();
    assert!(matches!(error, EngineError::BrokeOff { .. }), "{error}");
}

#[tokio::test]
async fn a_reply_in_one_piece_is_understood() {
    let body = json!({"object": "response", "status": "completed", "error": null,
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "hi",
            "logprobs": [{"token": "hi", "logprob": -0.1, "top_logprobs": []}]}]},
            {"type": "function_call", "call_id": "a", "name": "t", "arguments": "{}"}],
        "usage": {"input_tokens": 20, "output_tokens": 6, "input_tokens_details": {"cached_tokens": 8}}});
    let endpoint = Endpoint::json(vec![(200, body), (200, json!({"status": "ok"}))]).await;
    let engine = responses(&endpoint);
    let (reply, shown) = listen(&engine, ask()).await;
    let reply = reply.unwrap();
    assert_eq!((reply.text.as_str(), shown.as_str()), ("hi", "hi"));
    assert_eq!((reply.calls.len(), reply.logprobs.len()), (1, 1));
    assert_eq!(reply.usage, usage());
    let error = engine.chat(ask(), DeltaSink::none()).await.unwrap_err();
    assert!(
        matches!(error, EngineError::NotTheProtocol { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn what_the_protocol_has_no_word_for_is_told() {
    let endpoint = Endpoint::start(vec![vec![Act::Hold]]).await;
    let request = ChatRequest {
        sampling: Sampling {
            stop: vec!["END".into()],
            ..Sampling::default()
        },
        ..ask()
    };
    let error = responses(&endpoint)
        .chat(request, DeltaSink::none())
        .await
        .unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("stop texts") && said.contains("api = \"chat\""),
        "{said}"
    );
    assert!(endpoint.seen().is_empty());
}

#[tokio::test]
async fn summaries_of_thinking_that_are_refused_are_done_without() {
    let refusal = json!({"error": {"param": "reasoning.summary", "message":
        "Your organization must be verified to generate reasoning summaries."}});
    let refuse = vec![Act::Send(json_answer(400, "", &refusal))];
    let endpoint =
        Endpoint::start(vec![refuse, streamed(&[text("hi"), completed(json!([]))])]).await;
    let request = ChatRequest {
        thinking: Some(true),
        ..ask()
    };
    responses(&endpoint)
        .chat(request, DeltaSink::none())
        .await
        .unwrap();
    assert_eq!(endpoint.body(1)["reasoning"], json!({"effort": "medium"}));
}
