//! However a stream is written and cut, it reads the same; cut short, it is never another reply.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use ropewalk_core::message::ChatReply;
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use ropewalk_models::openai::{Api, OpenAi, OpenAiConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::endpoint::{ask, end, engine, piece, stream_head};

/// An engine, and the pieces of bytes that its endpoint answers with next.
struct Bench {
    runtime: Runtime,
    engine: OpenAi,
    next: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Bench {
    fn new(api: Api) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let next: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let answers = next.clone();
        let base_url = runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                loop {
                    let (mut socket, _) = listener.accept().await.unwrap();
                    let pieces = answers.lock().unwrap().clone();
                    tokio::spawn(async move {
                        let mut request = vec![0; 65536];
                        let _ = socket.read(&mut request).await;
                        for piece in pieces {
                            let _ = socket.write_all(&piece).await;
                            tokio::task::yield_now().await;
                        }
                        let _ = socket.shutdown().await;
                    });
                }
            });
            format!("http://{address}/v1")
        });
        let config = OpenAiConfig {
            base_url,
            model: "m".into(),
            api,
            max_retries: 0,
            breaker_failures: 0,
            ..OpenAiConfig::default()
        };
        Self {
            runtime,
            engine: engine(config),
            next,
        }
    }

    fn reply(&self, pieces: Vec<Vec<u8>>) -> Result<ChatReply, EngineError> {
        let mut answer = vec![stream_head()];
        answer.extend(pieces);
        *self.next.lock().unwrap() = answer;
        self.runtime
            .block_on(self.engine.chat(ask(), DeltaSink::none()))
    }
}

/// Words, thinking and two calls, in pieces.
fn chat_events() -> Vec<Value> {
    let call = |rest: Value| piece(json!({"tool_calls": [rest]}));
    vec![
        piece(json!({"role": "assistant", "content": ""})),
        piece(json!({"reasoning_content": "hm, »ö«"})),
        piece(json!({"content": "Zwölf "})),
        piece(json!({"content": "Boxer\n\"jagen\" 🥊"})),
        call(json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": ""}})),
        call(json!({"index": 0, "function": {"arguments": "{\"x\":"}})),
        call(json!({"index": 1, "id": "b", "function": {"name": "two", "arguments": "{}"}})),
        call(json!({"index": 0, "function": {"arguments": "\"é\"}"}})),
        end("tool_calls"),
        json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}),
    ]
}

fn responses_events() -> Vec<Value> {
    let item = |arguments: &str| {
        json!({"type": "function_call", "id": "fc", "call_id": "a",
                                        "name": "one", "arguments": arguments})
    };
    vec![
        json!({"type": "response.created", "response": {"usage": null}}),
        json!({"type": "response.output_text.delta", "output_index": 0, "delta": "Zwölf "}),
        json!({"type": "response.output_text.delta", "output_index": 0, "delta": "Boxer 🥊"}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": item("")}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{\"x\":"}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "1}"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": item("{\"x\":1}")}),
        json!({"type": "response.completed", "response": {"status": "completed",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "Zwölf Boxer 🥊"}]},
                       item("{\"x\":1}")],
            "usage": {"input_tokens": 7, "output_tokens": 5}}}),
    ]
}

/// How one event is written.
#[derive(Debug, Clone)]
struct Manner {
    ending: &'static str,
    space: bool,
    before: &'static str,
    name: bool,
}

fn manner() -> impl Strategy<Value = Manner> {
    (
        prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        any::<bool>(),
        prop_oneof![
            Just(""),
            Just(": comment"),
            Just("id: 7"),
            Just("retry: 10"),
            Just("odd")
        ],
        any::<bool>(),
    )
        .prop_map(|(ending, space, before, name)| Manner {
            ending,
            space,
            before,
            name,
        })
}

fn written(events: &[Value], manners: &[Manner], done: bool) -> Vec<u8> {
    let mut text = String::new();
    let mut datas: Vec<String> = events.iter().map(Value::to_string).collect();
    datas.extend(done.then(|| "[DONE]".to_owned()));
    for (at, data) in datas.iter().enumerate() {
        let Manner {
            ending,
            space,
            before,
            name,
        } = &manners[at % manners.len()];
        if !before.is_empty() {
            text += &format!("{before}{ending}");
        }
        if *name {
            text += &format!("event: message{ending}");
        }
        let space = if *space { " " } else { "" };
        text += &format!("data:{space}{data}{ending}{ending}");
    }
    text.into_bytes()
}

fn cut(bytes: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for size in sizes {
        let (head, tail) = rest.split_at((*size).min(rest.len()));
        pieces.push(head.to_vec());
        rest = tail;
    }
    pieces.push(rest.to_vec());
    pieces
}

#[test]
fn a_stream_reads_the_same_however_it_is_written_and_cut() {
    for (api, events, done) in [
        (Api::Chat, chat_events(), true),
        (Api::Responses, responses_events(), false),
    ] {
        let bench = Bench::new(api);
        let plain = Manner {
            ending: "\n",
            space: true,
            before: "",
            name: false,
        };
        let whole = written(&events, std::slice::from_ref(&plain), done);
        let expected = bench.reply(vec![whole]).unwrap();
        assert_eq!(
            (expected.usage.input_tokens, expected.usage.output_tokens),
            (7, 5)
        );
        assert!(expected.text.starts_with("Zwölf Boxer") && !expected.calls.is_empty());
        let strategy = (
            proptest::collection::vec(manner(), 1..4),
            proptest::collection::vec(1_usize..90, 0..40),
        );
        let config = ProptestConfig::with_cases(100);
        proptest!(config, |((manners, sizes) in strategy)| {
            let bytes = written(&events, &manners, done);
            let reply = bench.reply(cut(&bytes, &sizes));
            prop_assert_eq!(reply.map_err(|error| error.to_string()), Ok(expected.clone()));
        });
    }
}

#[test]
fn a_stream_cut_short_is_an_error_or_the_same_reply() {
    for (api, events, done) in [
        (Api::Chat, chat_events(), true),
        (Api::Responses, responses_events(), false),
    ] {
        let bench = Bench::new(api);
        let plain = Manner {
            ending: "\n",
            space: true,
            before: "",
            name: false,
        };
        let whole = written(&events, &[plain], done);
        let expected = bench.reply(vec![whole.clone()]).unwrap();
        let mut same = 0;
        for length in 0..whole.len() {
            if let Ok(mut reply) = bench.reply(vec![whole[..length].to_vec()]) {
                same += 1;
                // Counts come last and may be what is missing.
                reply.usage = expected.usage;
                assert_eq!(reply, expected, "cut after {length} bytes");
            }
        }
        assert!(same < whole.len() / 3, "most cuts are errors");
    }
}
