//! Engines over other engines, and engines by name.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use proptest::prelude::*;
use ropewalk_core::message::{
    ChatReply, ChatRequest, Delta, FinishReason, Grammar, Message, TokenLogprob, Usage,
};
use ropewalk_core::tool::{ToolCall, ToolHints, ToolOutcome, ToolSpec};
use ropewalk_embed::Embedder;
use ropewalk_models::choose::{EngineConfig, Resources};
use ropewalk_models::engine::{DeltaSink, Engine, EngineError, EngineInfo};
use ropewalk_models::registry::{Registry, RegistryError};
use ropewalk_models::route::by_request::{ByRequest, RouteConfig};
use ropewalk_models::route::cascade::{Cascade, CascadeConfig};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Says the same to everybody, or fails.
struct Fixed {
    info: EngineInfo,
    reply: Option<ChatReply>,
    asked: Arc<Mutex<Vec<ChatRequest>>>,
}

impl Fixed {
    fn new(id: &str, reply: Option<ChatReply>) -> Self {
        Self {
            info: EngineInfo {
                id: id.to_owned(),
                ..EngineInfo::default()
            },
            reply,
            asked: Arc::default(),
        }
    }

    fn window(mut self, tokens: u64) -> Self {
        self.info.context_tokens = Some(tokens);
        self
    }
}

#[async_trait]
impl Engine for Fixed {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    async fn chat(
        &self,
        request: ChatRequest,
        deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        self.asked.lock().unwrap().push(request);
        // In two pieces, the first of which comes even from a reply that breaks off.
        let text = self.reply.as_ref().map_or("half a", |reply| &reply.text);
        let (a, b) = text.split_at(text.len() / 2);
        deltas.send(Delta::Text { text: a.to_owned() });
        let Some(reply) = &self.reply else {
            return Err(EngineError::BadRequest {
                engine: self.info.id.clone(),
                message: "out of order".to_owned(),
            });
        };
        deltas.send(Delta::Text { text: b.to_owned() });
        Ok(reply.clone())
    }
}

fn says(text: &str) -> ChatReply {
    ChatReply {
        text: text.to_owned(),
        usage: Usage {
            input_tokens: 10,
            output_tokens: 1,
            cached_tokens: 0,
            cost_micros: 3,
        },
        ..ChatReply::default()
    }
}

fn sure(text: &str, probability: f32) -> ChatReply {
    let token = |token: &str| TokenLogprob {
        token: token.to_owned(),
        logprob: probability.ln(),
        top: Vec::new(),
    };
    ChatReply {
        logprobs: text.split(' ').map(token).collect(),
        ..says(text)
    }
}

fn calls(arguments: Value) -> ChatReply {
    ChatReply {
        calls: vec![ToolCall {
            id: "1".to_owned(),
            name: "read".to_owned(),
            arguments,
        }],
        finish: FinishReason::ToolCalls,
        ..says("")
    }
}

fn asks(question: &str) -> ChatRequest {
    let text = question.to_owned();
    ChatRequest {
        messages: vec![Message::User { text }],
        ..ChatRequest::default()
    }
}

fn with_tool(mut request: ChatRequest) -> ChatRequest {
    request.tools = vec![ToolSpec {
        name: "read".to_owned(),
        description: String::new(),
        input_schema: json!({"type": "object", "properties": {"id": {"type": "integer"}},
            "required": ["id"]}),
        output_schema: None,
        hints: ToolHints::default(),
    }];
    request
}

fn cascade(config: Value, stages: Vec<Fixed>) -> Cascade {
    let config: CascadeConfig = serde_json::from_value(config).unwrap();
    let stages = stages
        .into_iter()
        .map(|stage| Arc::new(stage) as Arc<dyn Engine>);
    Cascade::new("c", &config, stages.collect()).unwrap()
}

/// The reply, and the words that a listener heard.
async fn ask(
    engine: &dyn Engine,
    request: ChatRequest,
) -> (Result<ChatReply, EngineError>, String) {
    let (sender, mut deltas) = mpsc::unbounded_channel();
    let reply = engine.chat(request, DeltaSink::new(sender)).await;
    let mut heard = String::new();
    while let Ok(delta) = deltas.try_recv() {
        if let Delta::Text { text } = delta {
            heard.push_str(&text);
        }
    }
    (reply, heard)
}

/// What the first stage says, and why it is passed over, if it is.
async fn verdict(config: Value, first: ChatReply, request: ChatRequest) -> Option<String> {
    let engine = cascade(
        config,
        vec![
            Fixed::new("small", Some(first.clone())),
            Fixed::new("big", Some(says("big words"))),
        ],
    );
    let (reply, heard) = ask(&engine, request).await;
    let reply = reply.unwrap();
    let Some(passed) = reply.passed_over.first() else {
        assert_eq!(
            (reply.engine.as_deref(), heard),
            (Some("small"), first.text.clone())
        );
        assert_eq!(reply.usage, first.usage);
        return None;
    };
    // Nobody hears a word of what was refused, and everything is paid for.
    assert_eq!(
        (reply.engine.as_deref(), heard.as_str()),
        (Some("big"), "big words")
    );
    assert_eq!(reply.usage, first.usage.plus(says("").usage));
    assert_eq!(passed.engine, "small");
    Some(passed.reason.clone())
}

#[tokio::test]
async fn a_cascade_goes_on_when_a_reply_will_not_do() {
    let none = || json!({});
    let schema = ChatRequest {
        response_schema: Some(json!({"type": "object", "required": ["a"]})),
        ..asks("Why?")
    };
    let digits = ChatRequest {
        grammar: Some(Grammar::Regex("[0-9]+".to_owned())),
        ..asks("How many?")
    };
    let tool = || with_tool(asks("Read it."));
    let cut = ChatReply {
        finish: FinishReason::Length,
        ..says("So it")
    };
    let abstains = ChatReply {
        abstained: true,
        ..says("I found nothing")
    };
    for (config, first, request, reason) in [
        (none(), says("So."), asks("Why?"), None),
        (none(), says(" "), asks("Why?"), Some("empty")),
        (none(), says("{\"a\": 1}"), schema.clone(), None),
        (
            none(),
            says("{\"b\": 1}"),
            schema,
            Some("does not fit its schema"),
        ),
        (none(), says("42"), digits.clone(), None),
        (none(), says("many"), digits, Some("not what was asked for")),
        (none(), calls(json!({"id": 1})), tool(), None),
        (
            none(),
            calls(json!({"id": "x"})),
            tool(),
            Some("the arguments of `read`"),
        ),
        (
            none(),
            calls(json!({"id": 1})),
            asks("Why?"),
            Some("not offered"),
        ),
        (none(), cut, asks("Why?"), Some("length limit")),
        (none(), abstains, asks("Why?"), Some("declined")),
        (
            json!({"confidence": 0.5}),
            sure("So it is.", 0.6),
            asks("Why?"),
            None,
        ),
        (
            json!({"confidence": 0.5}),
            sure("So it is.", 0.4),
            asks("Why?"),
            Some("confidence is 0.40"),
        ),
        (json!({"confidence": 0.5}), says("So."), asks("Why?"), None),
        (
            json!({"refuse": ["(?i)as an ai"]}),
            says("As an AI, I"),
            asks("Why?"),
            Some("as an ai"),
        ),
    ] {
        let found = verdict(config, first.clone(), request).await;
        match (reason, &found) {
            (None, None) => {}
            (Some(reason), Some(found)) => assert!(found.contains(reason), "{found}"),
            _ => panic!("{reason:?} {found:?} {first:?}"),
        }
    }
}

#[tokio::test]
async fn confidence_is_asked_for_and_not_shown_to_who_did_not_ask() {
    let small = Fixed::new("small", Some(sure("So.", 0.9)));
    let asked = Arc::clone(&small.asked);
    let engine = cascade(
        json!({"confidence": 0.5}),
        vec![small, Fixed::new("big", None)],
    );
    let reply = ask(&engine, asks("Why?")).await.0.unwrap();
    assert_eq!(reply.logprobs, []);
    assert_eq!(asked.lock().unwrap()[0].sampling.logprobs, Some(0));
    let mut request = asks("Why?");
    request.sampling.logprobs = Some(2);
    let reply = ask(&engine, request).await.0.unwrap();
    assert_eq!(reply.logprobs.len(), 1);
    assert_eq!(asked.lock().unwrap()[1].sampling.logprobs, Some(2));
}

#[tokio::test]
async fn a_doubtful_reply_is_better_than_none() {
    let doubtful = || Fixed::new("small", Some(sure("Perhaps so.", 0.1)));
    let config = json!({"confidence": 0.5});
    let engine = cascade(config.clone(), vec![doubtful(), Fixed::new("big", None)]);
    let (reply, heard) = ask(&engine, asks("Why?")).await;
    let reply = reply.unwrap();
    assert_eq!(reply.text, "Perhaps so.");
    // Not a word is heard of what the last stage had begun to say.
    assert_eq!(heard, "Perhaps so.");
    let reasons: Vec<&str> = reply
        .passed_over
        .iter()
        .map(|it| it.reason.as_str())
        .collect();
    assert!(reasons[0].contains("confidence") && reasons[1].contains("out of order"));
    // An empty one is not.
    let engine = cascade(
        config,
        vec![Fixed::new("small", Some(says(""))), Fixed::new("big", None)],
    );
    assert!(ask(&engine, asks("Why?")).await.0.is_err());
}

#[tokio::test]
async fn a_stage_that_fails_or_is_too_small_is_passed_over() {
    let engine = cascade(
        json!({}),
        vec![
            Fixed::new("broken", None),
            Fixed::new("tiny", Some(says("tiny"))).window(40),
            Fixed::new("big", Some(says("big"))).window(4_000),
        ],
    );
    let (reply, heard) = ask(&engine, asks(&"why ".repeat(100))).await;
    let reply = reply.unwrap();
    assert_eq!((reply.text.as_str(), heard.as_str()), ("big", "big"));
    assert!(reply.passed_over[0].reason.contains("out of order"));
    assert!(
        reply.passed_over[1].reason.contains("room for 40"),
        "{reply:?}"
    );
    // The window of a cascade is the largest, where all are known.
    assert_eq!(engine.info().context_tokens, None);
}

#[test]
fn a_cascade_that_makes_no_sense_is_refused() {
    let wrong = |config: Value, stages: usize| {
        let config: CascadeConfig = serde_json::from_value(config).unwrap();
        let stage = || Arc::new(Fixed::new("a", None)) as Arc<dyn Engine>;
        let stages = (0..stages).map(|_| stage()).collect();
        Cascade::new("c", &config, stages)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(wrong(json!({}), 0).contains("no stages"));
    assert!(wrong(json!({"confidence": 50.0}), 1).contains("from 0 to 1"));
    assert!(wrong(json!({"refuse": ["("]}), 1).contains("in `refuse`"));
}

fn route(config: Value, engines: Vec<Fixed>) -> Result<ByRequest, EngineError> {
    let config: RouteConfig = serde_json::from_value(config).unwrap();
    let engines: BTreeMap<String, Arc<dyn Engine>> = engines
        .into_iter()
        .map(|engine| (engine.info.id.clone(), Arc::new(engine) as Arc<dyn Engine>))
        .collect();
    ByRequest::new("r", &config, engines, Arc::new(Embedder::shipped))
}

fn three() -> Vec<Fixed> {
    ["small", "big", "coder"]
        .map(|id| Fixed::new(id, Some(says(id))))
        .into()
}

async fn chosen(engine: &ByRequest, request: ChatRequest) -> String {
    ask(engine, request).await.0.unwrap().engine.unwrap()
}

#[tokio::test]
async fn rules_are_tried_in_order() {
    let engine = route(
        json!({"default": "small", "rules": [
            {"engine": "coder", "matches": "(?i)\\bfn\\b", "tools": false},
            {"engine": "big", "tools": true},
            {"engine": "big", "schema": true},
            {"engine": "coder", "over_tokens": 200},
        ]}),
        three(),
    )
    .unwrap();
    assert_eq!(chosen(&engine, asks("Why?")).await, "small");
    assert_eq!(chosen(&engine, asks("What does fn mean?")).await, "coder");
    assert_eq!(
        chosen(&engine, with_tool(asks("What does fn mean?"))).await,
        "big"
    );
    let mut schema = asks("Why?");
    schema.response_schema = Some(json!({}));
    assert_eq!(chosen(&engine, schema).await, "big");
    assert_eq!(chosen(&engine, asks(&"why ".repeat(300))).await, "coder");
}

#[tokio::test]
async fn labels_are_chosen_by_likeness_and_an_agent_stays_with_its_engine() {
    let engine = route(
        json!({"default": "small", "classes": {
            "code": {"engine": "coder", "examples": ["Write a Python function that sorts a list",
                "Why does this Rust program not compile?"]},
            "law": {"engine": "big", "examples": ["Is this contract clause enforceable?",
                "What are my rights as a tenant?"]},
        }}),
        three(),
    )
    .unwrap();
    let code = "Write a function in Python that reverses a string";
    assert_eq!(chosen(&engine, asks(code)).await, "coder");
    assert_eq!(
        chosen(&engine, asks("May my landlord end the contract?")).await,
        "big"
    );
    assert_eq!(
        chosen(&engine, asks("How warm is it on the moon?")).await,
        "small"
    );
    // Words that an agent puts in between do not change the label.
    let mut later = asks(code);
    later.messages.extend([
        Message::User {
            text: "[Earlier work] What are my rights as a tenant?".to_owned(),
        },
        Message::Assistant {
            text: String::new(),
            calls: calls(json!({"id": 1})).calls,
        },
        Message::Tool {
            call_id: "1".to_owned(),
            name: "read".to_owned(),
            outcome: ToolOutcome::Error {
                message: "no".to_owned(),
            },
        },
        Message::User {
            text: "This is your last turn. Is this contract enforceable?".to_owned(),
        },
    ]);
    assert_eq!(chosen(&engine, later.clone()).await, "coder");
    later.messages.push(Message::Assistant {
        text: "So.".to_owned(),
        calls: Vec::new(),
    });
    later.messages.push(Message::User {
        text: "And what are my rights as a tenant?".to_owned(),
    });
    assert_eq!(chosen(&engine, later).await, "big");
}

#[tokio::test]
async fn an_engine_that_is_too_small_is_not_chosen() {
    let engines = vec![
        Fixed::new("small", Some(says("small"))).window(50),
        Fixed::new("big", Some(says("big"))).window(4_000),
    ];
    let config = json!({"default": "small", "rules": [{"engine": "big", "tools": true}]});
    let engine = route(config, engines).unwrap();
    assert_eq!(engine.info().context_tokens, Some(4_000));
    let reply = ask(&engine, asks(&"why ".repeat(200))).await.0.unwrap();
    assert_eq!(reply.engine.as_deref(), Some("big"));
    assert_eq!(reply.passed_over.len(), 1);
    assert_eq!(chosen(&engine, asks("Why?")).await, "small");
}

#[test]
fn a_route_that_makes_no_sense_is_refused() {
    let wrong = |config| route(config, three()).err().unwrap().to_string();
    assert!(wrong(json!({"default": "huge"})).contains("no engine `huge`"));
    let rule = json!({"default": "small", "rules": [{"engine": "big"}]});
    assert!(wrong(rule).contains("rule 1 has no condition"));
    let rule = json!({"default": "small", "rules": [{"engine": "big", "matches": "("}]});
    assert!(wrong(rule).contains("in rule 1"));
    let class = json!({"default": "small", "classes": {"code": {"engine": "big"}}});
    assert!(wrong(class).contains("`code` has no examples"));
}

fn registry(default: Value, named: Value) -> Result<Registry, RegistryError> {
    let default: EngineConfig = serde_json::from_value(default).unwrap();
    let named: BTreeMap<String, EngineConfig> = serde_json::from_value(named).unwrap();
    Registry::new(&default, &named, &Resources::shipped("/nowhere"))
}

#[test]
fn engines_are_found_by_their_names() {
    let endpoint = json!({"model": "m", "base_url": "http://127.0.0.1:9/v1", "cheaper": "careful"});
    let registry = registry(
        endpoint,
        json!({
            "careful": {"kind": "cascade", "stages": ["extractive", "big"]},
            "big": {"kind": "openai", "model": "b", "context_tokens": 900,
                "input_price": 1.0, "base_url": "http://127.0.0.1:9/v1"},
            "desk": {"kind": "route", "default": "big", "classes": {
                "code": {"engine": "careful", "examples": ["write a function"]}}},
        }),
    )
    .unwrap();
    let id = |name: Option<&str>| registry.get(name).map(|engine| engine.info().id.clone());
    assert_eq!(id(None).as_deref(), Some("openai:m"));
    for (name, expected) in [
        ("default", "openai:m"),
        ("openai", "openai:m"),
        ("openai:m", "openai:m"),
        ("extractive", "extractive"),
        ("big", "openai:b"),
        ("careful", "cascade:careful"),
        ("desk", "route:desk"),
        ("desk/code", "cascade:careful"),
    ] {
        assert_eq!(id(Some(name)).as_deref(), Some(expected), "{name}");
        assert!(registry.names().contains(&name.to_owned()), "{name}");
    }
    assert_eq!(id(Some("desk/law")), None);
    assert_eq!(id(Some("bigger")), None);
    // What is known before anything is built.
    let big = registry.get(Some("big")).unwrap();
    assert!(!big.is_built() && big.info().charges);
    assert_eq!(big.info().context_tokens, Some(900));
    let cheaper = registry.get(None).unwrap().cheaper().unwrap();
    assert_eq!(
        (cheaper.below, cheaper.engine.info().id.as_str()),
        (0.2, "cascade:careful")
    );
    assert!(registry.reason().contains("a model is configured"));
}

#[tokio::test]
async fn an_engine_is_built_once_however_it_is_reached() {
    let built = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&built);
    let resources = Resources {
        embedder: Arc::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Embedder::shipped()
        }),
        models: "/nowhere".into(),
    };
    let quotes = json!({"quotes": {"kind": "extractive"},
        "twice": {"kind": "cascade", "stages": ["quotes", "quotes"]}});
    let named: BTreeMap<String, EngineConfig> = serde_json::from_value(quotes).unwrap();
    let registry = Registry::new(&EngineConfig::default(), &named, &resources).unwrap();
    assert_eq!(built.load(Ordering::SeqCst), 0);
    let twice = registry.get(Some("twice")).unwrap();
    let reply = twice.chat(asks("Why?"), DeltaSink::none()).await.unwrap();
    assert!(reply.abstained && reply.passed_over.len() == 1, "{reply:?}");
    registry
        .get(Some("quotes"))
        .unwrap()
        .prepare()
        .await
        .unwrap();
    assert_eq!(built.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_wrong_with_one_engine_is_said_when_it_is_asked() {
    let registry = registry(json!({}), json!({"none": {"kind": "cascade"}})).unwrap();
    let none = registry.get(Some("none")).unwrap();
    let error = none.prepare().await.unwrap_err().to_string();
    assert!(
        error.contains("cascade:none") && error.contains("no stages"),
        "{error}"
    );
    let (name, problem) = &registry.problems()[0];
    assert_eq!((name.as_str(), problem), ("none", &error));
    let extractive = registry.prefer("extractive").unwrap();
    assert_eq!(extractive.get(None).unwrap().info().id, "extractive");
    assert!(extractive.reason().contains("asked for"));
    assert!(extractive.prefer("nobody").is_err());
}

#[test]
fn names_that_lead_nowhere_or_in_circles_are_refused() {
    let wrong = |named: Value| registry(json!({}), named).unwrap_err().to_string();
    let unknown = wrong(json!({"a": {"kind": "cascade", "stages": ["b"]}}));
    assert!(
        unknown
            .starts_with("[engines.a]: there is no engine `b`; there are: a, default, extractive"),
        "{unknown}"
    );
    let circle = wrong(json!({
        "a": {"kind": "cascade", "stages": ["b"]},
        "b": {"kind": "fallback", "engines": ["a"]},
    }));
    assert!(circle.contains("a -> b -> a is made of itself"), "{circle}");
    let itself = wrong(json!({"a": {"kind": "extractive", "cheaper": "a"}}));
    assert!(itself.contains("a -> a"), "{itself}");
    assert!(wrong(json!({"openai": {}})).contains("cannot be called that"));
    assert!(wrong(json!({"a/b": {}})).contains("cannot be called that"));
    let share = wrong(json!({"a": {"kind": "extractive", "cheaper_below": 20.0}}));
    assert!(share.contains("from 0 to 1"), "{share}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the stages say, what is heard is the reply that is given, and all usage is summed.
    #[test]
    fn what_is_heard_is_what_is_answered(
        stages in prop::collection::vec((prop::option::of("(|so it is|as an ai)"), any::<bool>()), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let fixed = stages.iter().enumerate().map(|(number, (text, cut))| {
            let reply = text.as_ref().map(|text| ChatReply {
                finish: if *cut { FinishReason::Length } else { FinishReason::Stop },
                ..says(text)
            });
            Fixed::new(&number.to_string(), reply)
        });
        let engine = cascade(json!({"refuse": ["as an ai"]}), fixed.collect());
        let (reply, heard) = runtime.block_on(ask(&engine, asks("Why?")));
        let good = |(text, cut): &(Option<String>, bool)| text.as_deref() == Some("so it is") && !cut;
        let last = stages.len() - 1;
        let answers = stages.iter().take(last).position(good).unwrap_or(last);
        match reply {
            Ok(reply) => {
                let asked = &stages[..=answers];
                let replied = asked.iter().filter(|(text, _)| text.is_some()).count() as u64;
                prop_assert_eq!(reply.usage.input_tokens, 10 * replied);
                prop_assert_eq!(&heard, &reply.text);
                if stages[answers].0.is_some() {
                    prop_assert_eq!(reply.engine, Some(answers.to_string()));
                    prop_assert_eq!(reply.passed_over.len(), answers);
                }
            }
            Err(_) => {
                prop_assert!(stages[last].0.is_none());
                let usable = |(text, _): &(Option<String>, bool)| {
                    text.as_deref().is_some_and(|text| !text.is_empty())
                };
                prop_assert!(!stages[..last].iter().any(usable));
            }
        }
    }
}
