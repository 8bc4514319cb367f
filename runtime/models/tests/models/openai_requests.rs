//! What the openai engine asks for, in each dialect, and how it asks again when refused.

use ropewalk_core::message::{ChatRequest, Grammar, Message, Sampling};
use ropewalk_core::tool::ToolOutcome;
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use ropewalk_models::openai::{Dialect, OpenAiConfig};
use serde_json::{Value, json};

use crate::endpoint::{Act, Endpoint, ask, end, engine, hi, json_answer, piece, streamed, tool};

fn all_of_sampling() -> Sampling {
    Sampling {
        temperature: Some(0.2),
        top_p: Some(0.9),
        top_k: Some(40),
        min_p: Some(0.05),
        repetition_penalty: Some(1.1),
        presence_penalty: Some(0.3),
        logprobs: Some(2),
        seed: Some(7),
        max_tokens: Some(50),
        stop: vec!["END".into()],
    }
}

/// The body that a request comes to in a dialect.
async fn body(dialect: Dialect, request: ChatRequest) -> Value {
    let endpoint = Endpoint::start(vec![hi()]).await;
    let config = OpenAiConfig {
        dialect: Some(dialect),
        ..endpoint.config()
    };
    engine(config)
        .chat(request, DeltaSink::none())
        .await
        .unwrap();
    endpoint.body(0)
}

#[tokio::test]
async fn sampling_goes_by_the_names_that_the_dialect_knows() {
    let common = json!({"temperature": 0.2, "top_p": 0.9, "presence_penalty": 0.3, "seed": 7,
                        "logprobs": true, "top_logprobs": 2, "stop": ["END"]});
    let cuts = json!({"top_k": 40, "min_p": 0.05});
    for (dialect, own, limit) in [
        (Dialect::OpenAi, json!({}), "max_completion_tokens"),
        (Dialect::Gemini, json!({}), "max_tokens"),
        (Dialect::Ollama, json!({}), "max_tokens"),
        (
            Dialect::Vllm,
            json!({"repetition_penalty": 1.1}),
            "max_tokens",
        ),
        (
            Dialect::LlamaCpp,
            json!({"repeat_penalty": 1.1}),
            "max_tokens",
        ),
        (
            Dialect::Compatible,
            json!({"repetition_penalty": 1.1, "repeat_penalty": 1.1}),
            "max_tokens",
        ),
    ] {
        let request = ChatRequest {
            sampling: all_of_sampling(),
            ..ask()
        };
        let sent = body(dialect, request).await;
        let mut expected = common.as_object().unwrap().clone();
        expected.extend(own.as_object().unwrap().clone());
        if !own.as_object().unwrap().is_empty() {
            expected.extend(cuts.as_object().unwrap().clone());
        }
        expected.insert(limit.to_owned(), json!(50));
        let known = ["model", "messages", "stream", "stream_options"];
        let rest: serde_json::Map<String, Value> = sent
            .as_object()
            .unwrap()
            .iter()
            .filter(|(field, _)| !known.contains(&field.as_str()))
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect();
        assert_eq!(Value::Object(rest), Value::Object(expected), "{dialect:?}");
    }
}

#[tokio::test]
async fn thinking_goes_by_effort_or_by_template() {
    for (dialect, thinking, field, value) in [
        (Dialect::OpenAi, true, "reasoning_effort", json!("medium")),
        (Dialect::OpenAi, false, "reasoning_effort", json!("none")),
        (Dialect::Gemini, false, "reasoning_effort", json!("none")),
        (
            Dialect::Vllm,
            false,
            "chat_template_kwargs",
            json!({"enable_thinking": false, "thinking": false}),
        ),
    ] {
        let request = ChatRequest {
            thinking: Some(thinking),
            ..ask()
        };
        let sent = body(dialect, request).await;
        assert_eq!(sent[field], value, "{dialect:?}: {sent}");
    }
}

#[tokio::test]
async fn a_grammar_is_sent_or_refused_before_anything_is() {
    let lark = ChatRequest {
        grammar: Some(Grammar::Lark("start: \"a\"".into())),
        ..ask()
    };
    let sent = body(Dialect::Vllm, lark.clone()).await;
    assert_eq!(sent["structured_outputs"]["grammar"], "start: \"a\"");
    let endpoint = Endpoint::start(vec![hi()]).await;
    let config = OpenAiConfig {
        dialect: Some(Dialect::LlamaCpp),
        ..endpoint.config()
    };
    let error = engine(config)
        .chat(lark, DeltaSink::none())
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::BadRequest { .. }), "{error}");
    assert!(error.to_string().contains("GBNF"), "{error}");
    assert!(endpoint.seen().is_empty());
}

fn optional() -> Value {
    json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
           "properties": {"a": {"type": "string"}, "n": {"$ref": "#/$defs/n"}},
           "required": ["a"],
           "$defs": {"n": {"type": "integer", "format": "uint32", "minimum": 0}}})
}

#[tokio::test]
async fn schemas_go_in_the_words_of_the_dialect_and_nulls_come_back_out() {
    let request = ChatRequest {
        tools: vec![
            tool("t", optional()),
            tool("none", json!({"type": "object"})),
        ],
        response_schema: Some(optional()),
        ..ask()
    };
    let call = json!({"index": 0, "id": "a", "function": {"name": "t",
                      "arguments": "{\"a\":\"x\",\"n\":null}"}});
    let answer = streamed(&[
        piece(json!({"content": "{\"a\": \"x\", \"n\": null}"})),
        piece(json!({"tool_calls": [call]})),
        end("tool_calls"),
    ]);
    let endpoint = Endpoint::start(vec![answer]).await;
    for (dialect, number) in [
        (Dialect::OpenAi, 0),
        (Dialect::Compatible, 1),
        (Dialect::Gemini, 2),
    ] {
        let config = OpenAiConfig {
            dialect: Some(dialect),
            ..endpoint.config()
        };
        let reply = engine(config)
            .chat(request.clone(), DeltaSink::none())
            .await
            .unwrap();
        let sent = endpoint.body(number);
        let function = &sent["tools"][0]["function"];
        let answer = &sent["response_format"]["json_schema"];
        match dialect {
            Dialect::OpenAi => {
                let strict = json!({"type": "object", "properties": {
                    "a": {"type": "string"}, "n": {"type": ["integer", "null"], "minimum": 0}},
                    "required": ["a", "n"], "additionalProperties": false});
                assert_eq!(
                    (&function["parameters"], &function["strict"]),
                    (&strict, &json!(true))
                );
                assert_eq!(
                    (&answer["schema"], &answer["strict"]),
                    (&strict, &json!(true))
                );
                assert_eq!(reply.calls[0].arguments, json!({"a": "x"}));
                assert_eq!(reply.text, "{\"a\":\"x\"}");
            }
            _ => {
                let plain = json!({"type": "object", "properties": {
                    "a": {"type": "string"}, "n": {"type": "integer", "minimum": 0}},
                    "required": ["a"]});
                assert_eq!(function["parameters"], plain, "{dialect:?}");
                assert_eq!(answer["schema"], plain);
                assert!(function.get("strict").is_none());
                assert_eq!(
                    reply.calls[0].arguments,
                    json!({"a": "x", "n": null}),
                    "as it came"
                );
            }
        }
        let bare = &sent["tools"][1]["function"];
        let has = bare.get("parameters").is_some();
        assert_eq!(has, dialect != Dialect::Gemini, "{bare}");
    }
}

#[tokio::test]
async fn a_schema_that_is_refused_goes_in_weaker_forms_and_that_is_remembered() {
    let refuse = |text: &str| {
        vec![Act::Send(json_answer(
            400,
            "",
            &json!({"error": {"message": text}}),
        ))]
    };
    let whole = "'response_format.type' must be 'text' or 'json_object'";
    let endpoint = Endpoint::start(vec![
        refuse(whole),
        refuse("response_format is not available for this model"),
        hi(),
    ])
    .await;
    let engine = engine(endpoint.config());
    let request = ChatRequest {
        messages: vec![
            Message::System {
                text: "Be kind.".into(),
            },
            Message::User {
                text: "hello".into(),
            },
        ],
        response_schema: Some(optional()),
        ..ChatRequest::default()
    };
    for _ in 0..2 {
        let reply = engine
            .chat(request.clone(), DeltaSink::none())
            .await
            .unwrap();
        assert_eq!(reply.text, "hi");
    }
    let kinds: Vec<Value> = (0..4)
        .map(|number| endpoint.body(number)["response_format"]["type"].clone())
        .collect();
    assert_eq!(
        kinds,
        [
            json!("json_schema"),
            json!("json_object"),
            json!(null),
            json!(null)
        ]
    );
    assert!(endpoint.body(1)["response_format"]["schema"].is_object());
    for number in 1..4 {
        let messages = endpoint.body(number)["messages"].clone();
        let first = messages[0]["content"].as_str().unwrap();
        assert!(
            first.starts_with("Be kind.") && first.contains("\"uint32\""),
            "{first}"
        );
        assert_eq!(messages.as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_fault_of_validation_is_a_refusal_and_no_failure_of_the_endpoint() {
    let error = json!({"error": {"message": "1 validation error: {'loc': ('body', 'response_format', 'type')}"}});
    let refusal = vec![Act::Send(json_answer(500, "", &error))];
    let endpoint = Endpoint::start(vec![refusal, hi()]).await;
    let config = OpenAiConfig {
        breaker_failures: 1,
        ..endpoint.config()
    };
    let request = ChatRequest {
        response_schema: Some(optional()),
        ..ask()
    };
    let reply = engine(config)
        .chat(request, DeltaSink::none())
        .await
        .unwrap();
    assert_eq!((reply.text.as_str(), endpoint.seen().len()), ("hi", 2));
}

#[tokio::test]
async fn tools_that_are_refused_are_described_in_words() {
    let refusal =
        json!({"error": {"message": "Invalid schema for function 't': unsupported keyword"}});
    let refuse = vec![Act::Send(json_answer(400, "", &refusal))];
    let endpoint = Endpoint::start(vec![refuse, hi()]).await;
    let request = ChatRequest {
        tools: vec![tool("t", optional())],
        ..ask()
    };
    engine(endpoint.config())
        .chat(request, DeltaSink::none())
        .await
        .unwrap();
    let function = endpoint.body(1)["tools"][0]["function"].clone();
    assert_eq!(
        function["parameters"],
        json!({"type": "object", "properties": {}})
    );
    assert!(function["description"].as_str().unwrap().contains("uint32"));
}

#[tokio::test]
async fn fields_that_are_not_known_are_left_out_and_what_is_not_accepted_is_not_remembered() {
    let refuse = |text: &str| {
        vec![Act::Send(json_answer(
            400,
            "",
            &json!([{"error": {"code": 400, "message": text}}]),
        ))]
    };
    let unknown =
        "Unknown name \"top_k\": Cannot find field. Unknown name \"min_p\": Cannot find field.";
    let endpoint = Endpoint::start(vec![
        refuse(unknown),
        refuse("the moon is full"),
        hi(),
        hi(),
    ])
    .await;
    let engine = engine(endpoint.config());
    let request = ChatRequest {
        sampling: all_of_sampling(),
        ..ask()
    };
    let error = engine
        .chat(request.clone(), DeltaSink::none())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("the moon is full"), "{error}");
    let without = endpoint.body(1);
    assert!(without.get("top_k").is_none() && without.get("min_p").is_none());
    assert_eq!(without["temperature"], 0.2);
    engine.chat(request, DeltaSink::none()).await.unwrap();
    assert_eq!(
        endpoint.body(2)["top_k"],
        40,
        "the form that led to no reply is forgotten"
    );
}

#[tokio::test]
async fn a_models_own_thinking_goes_back_with_its_calls() {
    let call = json!({"index": 0, "id": "a", "function": {"name": "t", "arguments": "{}"},
                      "extra_content": {"google": {"thought_signature": "c2ln"}}});
    let answer = streamed(&[
        piece(json!({"reasoning_content": "I should look."})),
        piece(json!({"tool_calls": [call]})),
        end("tool_calls"),
    ]);
    let endpoint = Endpoint::start(vec![answer, hi(), hi()]).await;
    let engine = engine(endpoint.config());
    let mut request = ChatRequest {
        tools: vec![tool("t", json!({"type": "object"}))],
        ..ask()
    };
    let reply = engine
        .chat(request.clone(), DeltaSink::none())
        .await
        .unwrap();
    request.messages.push(Message::Assistant {
        text: reply.text,
        calls: reply.calls,
    });
    request.messages.push(Message::Tool {
        call_id: "a".into(),
        name: "t".into(),
        outcome: ToolOutcome::Ok {
            text: "done".into(),
            structured: None,
        },
    });
    engine
        .chat(request.clone(), DeltaSink::none())
        .await
        .unwrap();
    let turn = endpoint.body(1)["messages"][1].clone();
    assert_eq!(turn["reasoning_content"], "I should look.");
    let signature = &turn["tool_calls"][0]["extra_content"]["google"]["thought_signature"];
    assert_eq!(signature, "c2ln");
    // The same ids in another conversation are not the same turn.
    request.messages[0] = Message::User {
        text: "other".into(),
    };
    engine.chat(request, DeltaSink::none()).await.unwrap();
    assert!(
        endpoint.body(2)["messages"][1]
            .get("reasoning_content")
            .is_none()
    );
}

#[tokio::test]
async fn log_probabilities_are_read() {
    let token = |token: &str, logprob: f64| {
        json!({"token": token, "logprob": logprob, "bytes": null,
        "top_logprobs": [{"token": "x", "logprob": -3.0}, {"token": token, "logprob": logprob}]})
    };
    let event = json!({"choices": [{"index": 0, "delta": {"content": "hi"},
                       "logprobs": {"content": [token("h", -0.5), token("i", -1.5)]}}]});
    let endpoint = Endpoint::start(vec![streamed(&[event, end("stop")])]).await;
    let reply = engine(endpoint.config())
        .chat(ask(), DeltaSink::none())
        .await
        .unwrap();
    let tokens: Vec<(&str, f32)> = reply
        .logprobs
        .iter()
        .map(|token| (token.token.as_str(), token.logprob))
        .collect();
    assert_eq!(tokens, [("h", -0.5), ("i", -1.5)]);
    assert_eq!(
        reply.logprobs[0].top[0],
        ("h".to_owned(), -0.5),
        "the likeliest first"
    );
}

#[tokio::test]
async fn an_endpoint_may_be_asked_not_to_stream_and_given_fields_of_its_own() {
    let body = json!({"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}],
                      "usage": {"prompt_tokens": 3, "completion_tokens": 1,
                                "prompt_tokens_details": {"cached_tokens": 2}}});
    let endpoint = Endpoint::json(vec![(200, body)]).await;
    let mut config = OpenAiConfig {
        stream: false,
        ..endpoint.config()
    };
    config.extra.insert("service_tier".into(), json!("flex"));
    let reply = engine(config).chat(ask(), DeltaSink::none()).await.unwrap();
    assert_eq!(
        (reply.usage.input_tokens, reply.usage.cached_tokens),
        (3, 2)
    );
    let sent = endpoint.body(0);
    assert_eq!(
        (&sent["stream"], &sent["service_tier"]),
        (&json!(false), &json!("flex"))
    );
    assert!(sent.get("stream_options").is_none());
}

#[tokio::test]
async fn an_answer_that_is_no_object_is_asked_for_in_words_where_only_objects_are_taken() {
    let list = json!({"type": "array", "items": {"type": "string"}});
    let request = ChatRequest {
        response_schema: Some(list.clone()),
        ..ask()
    };
    let sent = body(Dialect::OpenAi, request.clone()).await;
    assert!(sent.get("response_format").is_none(), "{sent}");
    let said = sent["messages"][0]["content"].as_str().unwrap();
    assert!(said.contains(&list.to_string()), "{said}");
    let sent = body(Dialect::Vllm, request).await;
    assert_eq!(sent["response_format"]["json_schema"]["schema"], list);
}
