//! Runs of shipped graphs: a scripted engine, a shelf of passages in place of a server, a log.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ropewalk_core::event::{EffectOutcome, EffectRequest, Event};
use ropewalk_core::graph::ir::Graph;
use ropewalk_core::message::{ChatReply, ChatRequest, Message};
use ropewalk_core::policy::{Exposure, Judgement, Verdict};
use ropewalk_core::tool::{Permission, ToolCall, ToolHints, ToolOutcome, ToolSpec};
use ropewalk_engine::definitions::Definitions;
use ropewalk_engine::run::{self, RunEnd, RunOptions, RunResult};
use ropewalk_engine::services::{Functions, Meanwhile, OneEngine, Services, Tools};
use ropewalk_engine::store::Stamped;
use ropewalk_engine::store::memory::MemoryStore;
use ropewalk_models::engine::{DeltaSink, Engine, EngineError, EngineInfo};
use ropewalk_models::scripted::{Scripted, ScriptedReply};
use serde_json::{Map, Value, json};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

/// The definitions as they stand in the repository.
pub fn definitions() -> Definitions {
    Definitions::new(vec![Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()])
}

pub fn graph(name: &str) -> Arc<Graph> {
    let compiled = definitions().compile(name).unwrap();
    compiled
        .graph
        .unwrap_or_else(|| panic!("{name}: {:?}", compiled.diagnostics))
}

/// A reply to every request with these words in it; no words are in every request.
pub fn to(words: &str, text: &str) -> ScriptedReply {
    ScriptedReply {
        text: text.to_owned(),
        when: Some(words.to_owned()),
        ..ScriptedReply::default()
    }
}

/// The same with data.
pub fn to_data(words: &str, data: &Value) -> ScriptedReply {
    to(words, &data.to_string())
}

/// A search, for every request with these words in it.
pub fn searches(words: &str, query: &str) -> ScriptedReply {
    ScriptedReply {
        calls: vec![ToolCall {
            id: format!("search {query}"),
            name: "vector__search".to_owned(),
            arguments: json!({ "query": query }),
        }],
        ..to(words, "")
    }
}

/// Passages by a word of the query that finds them.
pub type Passages = Vec<(&'static str, &'static str, &'static str)>;

/// A place to search: each passage is a word that finds it, an id and a quote.
#[derive(Default)]
pub struct Shelf {
    pub passages: Passages,
    /// Searches wait until so many are under way.
    pub meet: Option<Barrier>,
}

#[async_trait]
impl Tools for Shelf {
    fn tools(&self) -> Vec<ToolSpec> {
        let spec = |name: &str| ToolSpec {
            name: name.to_owned(),
            description: "A tool for tests.".to_owned(),
            input_schema: json!({"type": "object"}),
            output_schema: None,
            hints: ToolHints {
                read_only: true,
                ..ToolHints::default()
            },
        };
        vec![spec("vector__search"), spec("vector__read")]
    }

    fn judge(&self, _: &ToolCall, _: &Exposure) -> Judgement {
        Permission::Allow.into()
    }

    fn how_to_allow(&self, _: &ToolCall, _: &Verdict) -> String {
        String::new()
    }

    async fn call(
        &self,
        call: &ToolCall,
        _: &str,
        _: &CancellationToken,
        _: Meanwhile,
    ) -> ToolOutcome {
        if let Some(meet) = &self.meet {
            meet.wait().await;
        }
        let query = call.arguments["query"].as_str().unwrap();
        let hit = |(_, id, quote): &(&str, &str, &str)| {
            let citation =
                json!({"id": id, "source": "a.md", "title": "A", "quote": quote, "score": 0.5});
            json!({"citation": citation, "scores": {"fused": 0.5}})
        };
        let found = self.passages.iter();
        let found = found.filter(|(word, _, _)| query.contains(word));
        let result = json!({"collection": "documents", "hits": found.map(hit).collect::<Vec<_>>()});
        ToolOutcome::Ok {
            text: result.to_string(),
            structured: Some(result),
        }
    }
}

/// An engine whose calls with certain words wait until so many of them are under way.
struct Meeting {
    inner: Scripted,
    meet: Option<(&'static str, Barrier)>,
}

#[async_trait]
impl Engine for Meeting {
    fn info(&self) -> &EngineInfo {
        self.inner.info()
    }

    async fn chat(
        &self,
        request: ChatRequest,
        deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        if let Some((words, barrier)) = &self.meet
            && request.messages.iter().any(|it| said(it).contains(words))
        {
            barrier.wait().await;
        }
        self.inner.chat(request, deltas).await
    }
}

/// What a run works with.
pub struct Bench {
    pub services: Services,
}

impl Bench {
    pub fn new(replies: Vec<ScriptedReply>) -> Self {
        Self::with(replies, None, Shelf::default())
    }

    pub fn with(
        replies: Vec<ScriptedReply>,
        meet: Option<(&'static str, Barrier)>,
        shelf: Shelf,
    ) -> Self {
        let engine = Meeting {
            inner: Scripted::new(replies),
            meet,
        };
        Self {
            services: Services {
                engines: Arc::new(OneEngine(Arc::new(engine))),
                tools: Arc::new(shelf),
                functions: Arc::new(Functions::new()),
                store: Some(Arc::new(MemoryStore::new())),
            },
        }
    }

    pub async fn run(&self, name: &str, inputs: Value) -> Ran {
        let Value::Object(inputs) = inputs else {
            panic!("inputs are an object");
        };
        let (options, events) = listening();
        let graph = graph(name);
        let running = run::start(&self.services, &graph, &inputs, options);
        let limit = std::time::Duration::from_secs(60);
        let end = tokio::time::timeout(limit, running).await.unwrap().unwrap();
        Ran::new(end, &events)
    }

    pub async fn resume(&self, run: ropewalk_engine::RunId) -> Ran {
        let (options, events) = listening();
        let graph = run::Resumed::AsRecorded;
        let end = run::resume(&self.services, run, graph, options)
            .await
            .unwrap();
        Ran::new(end, &events)
    }
}

type Events = Arc<Mutex<Vec<Stamped>>>;

fn listening() -> (RunOptions, Events) {
    let events: Events = Arc::default();
    let kept = Arc::clone(&events);
    let options = RunOptions {
        on_event: Some(Arc::new(move |event: &Stamped| {
            kept.lock().unwrap().push(event.clone());
        })),
        ..RunOptions::default()
    };
    (options, events)
}

/// What a run came to, and how.
#[derive(Debug)]
pub struct Ran {
    pub end: RunEnd,
    events: Vec<Stamped>,
}

impl Ran {
    fn new(end: RunEnd, events: &Events) -> Self {
        let events = events.lock().unwrap().clone();
        Self { end, events }
    }

    pub fn outputs(&self) -> &Map<String, Value> {
        match &self.end.result {
            RunResult::Completed { outputs } => outputs,
            other => panic!("{other:?}"),
        }
    }

    pub fn output(&self, name: &str) -> &Value {
        self.outputs()
            .get(name)
            .unwrap_or_else(|| panic!("no `{name}` in {:?}", self.outputs()))
    }

    /// Nodes of the graph itself that ran, in the order they ended; one that ran twice is there
    /// twice.
    pub fn nodes(&self) -> Vec<&str> {
        let ended = self.events.iter().filter_map(|it| match &it.event {
            Event::NodeEnded { path, .. } => Some(path.as_str()),
            _ => None,
        });
        let own = ended.filter(|path| !path.contains('/'));
        own.map(|path| path.split('#').next().unwrap()).collect()
    }

    fn requests(&self) -> impl Iterator<Item = &EffectRequest> {
        self.events.iter().filter_map(|it| match &it.event {
            Event::EffectStarted { request, .. } => Some(request),
            _ => None,
        })
    }

    pub fn model_calls(&self) -> usize {
        let calls = self.requests();
        calls
            .filter(|it| matches!(it, EffectRequest::Model { .. }))
            .count()
    }

    /// What was searched for, in order.
    pub fn queries(&self) -> Vec<&str> {
        let calls = self.requests().filter_map(|it| match it {
            EffectRequest::Tool { call } => call.arguments["query"].as_str(),
            _ => None,
        });
        calls.collect()
    }

    /// The prompts that models were given, system prompts left out.
    pub fn prompts(&self) -> Vec<&str> {
        let requests = self.requests().filter_map(|it| match it {
            EffectRequest::Model { request, .. } => request.messages.last(),
            _ => None,
        });
        requests.map(said).collect()
    }

    /// How many calls of models failed.
    pub fn failed_calls(&self) -> usize {
        let failed = self.events.iter().filter(|it| {
            matches!(
                &it.event,
                Event::EffectEnded {
                    outcome: EffectOutcome::Failed { .. },
                    ..
                }
            )
        });
        failed.count()
    }
}

fn said(message: &Message) -> &str {
    match message {
        Message::System { text } | Message::User { text } | Message::Assistant { text, .. } => text,
        Message::Tool { outcome, .. } => outcome.text(),
    }
}
