//! Where graphs run in these tests: scripted replies, functions, one tool, a store in memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ropewalk_core::event::Event;
use ropewalk_core::graph::compile_text;
use ropewalk_core::graph::ir::Graph;
use ropewalk_core::graph::library::Empty;
use ropewalk_core::interrupt::Reply;
use ropewalk_core::policy::{Exposure, Judgement, Verdict};
use ropewalk_core::tool::{Permission, ToolCall, ToolHints, ToolOutcome, ToolSpec};
use ropewalk_engine::definitions::Definitions;
use ropewalk_engine::run::{self, Resumed, RunEnd, RunError, RunOptions, RunResult};
use ropewalk_engine::services::{FunctionCall, Functions, Meanwhile, OneEngine, Services, Tools};
use ropewalk_engine::store::memory::MemoryStore;
use ropewalk_engine::store::{Stamped, Store};
use ropewalk_engine::{RunId, Unanswered};
use ropewalk_models::scripted::{Scripted, ScriptedReply};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// What was called, in order.
#[derive(Debug, Default)]
pub struct Calls(Mutex<Vec<String>>);

impl Calls {
    pub fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self, what: &str) -> usize {
        self.all().iter().filter(|call| *call == what).count()
    }
}

pub struct Place {
    pub services: Services,
    pub store: Arc<dyn Store>,
    pub calls: Arc<Calls>,
    pub at_once: Arc<AtomicUsize>,
    pub events: Arc<Mutex<Vec<Stamped>>>,
}

/// `srv__ask` needs permission, `srv__read` does not; both say what they were given.
struct TwoTools(Arc<Calls>);

#[async_trait]
impl Tools for TwoTools {
    fn tools(&self) -> Vec<ToolSpec> {
        let tool = |name: &str, read_only| ToolSpec {
            name: name.to_owned(),
            description: "A tool for tests.".to_owned(),
            input_schema: json!({"type": "object"}),
            output_schema: None,
            hints: ToolHints {
                read_only,
                ..ToolHints::default()
            },
        };
        vec![tool("srv__ask", false), tool("srv__read", true)]
    }

    fn judge(&self, call: &ToolCall, _: &Exposure) -> Judgement {
        match call.name.as_str() {
            "srv__ask" => Permission::Ask.into(),
            _ => Permission::Allow.into(),
        }
    }

    fn how_to_allow(&self, _: &ToolCall, _: &Verdict) -> String {
        "allow it".to_owned()
    }

    async fn call(
        &self,
        call: &ToolCall,
        key: &str,
        _: &CancellationToken,
        _: Meanwhile,
    ) -> ToolOutcome {
        assert_eq!(key.len(), 32, "every effect has a key");
        self.0.note(format!("{} {}", call.name, call.arguments));
        ToolOutcome::Ok {
            text: format!("done {}", call.arguments),
            structured: Some(json!({"given": call.arguments})),
        }
    }
}

/// Replies by what is asked: `WHEN => TEXT`.
pub fn script(rules: &[(&str, &str)]) -> Vec<ScriptedReply> {
    let rule = |(when, text): &(&str, &str)| ScriptedReply {
        text: (*text).to_owned(),
        when: Some((*when).to_owned()),
        ..ScriptedReply::default()
    };
    rules.iter().map(rule).collect()
}

impl Place {
    pub fn new() -> Self {
        Self::with(Vec::new())
    }

    pub fn with(replies: Vec<ScriptedReply>) -> Self {
        let calls = Arc::new(Calls::default());
        let at_once = Arc::new(AtomicUsize::new(0));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let services = Services {
            engines: Arc::new(OneEngine(Arc::new(Scripted::new(replies)))),
            tools: Arc::new(TwoTools(Arc::clone(&calls))),
            functions: Arc::new(functions(&calls, &at_once)),
            store: Some(Arc::clone(&store)),
        };
        Self {
            services,
            store,
            calls,
            at_once,
            events: Arc::default(),
        }
    }

    pub fn options(&self) -> RunOptions {
        let events = Arc::clone(&self.events);
        RunOptions {
            unanswered: Unanswered::Suspend,
            on_event: Some(Arc::new(move |stamped: &Stamped| {
                events.lock().unwrap().push(stamped.clone());
            })),
            ..RunOptions::default()
        }
    }

    pub async fn run(&self, graph: &Arc<Graph>, inputs: Value) -> RunEnd {
        let inputs = inputs.as_object().cloned().unwrap_or_default();
        run::start(&self.services, graph, &inputs, self.options())
            .await
            .unwrap()
    }

    pub async fn outputs(&self, graph: &Arc<Graph>, inputs: Value) -> Map<String, Value> {
        match self.run(graph, inputs).await.result {
            RunResult::Completed { outputs } => (*outputs).clone(),
            other => panic!("{other:?}"),
        }
    }

    pub async fn resume(&self, run: RunId) -> Result<RunEnd, RunError> {
        run::resume(&self.services, run, Resumed::AsRecorded, self.options()).await
    }

    pub async fn answer(&self, run: RunId, id: Option<&str>, reply: Reply) -> Result<(), RunError> {
        run::answer(&*self.store, run, id, &reply).await.map(|_| ())
    }

    pub fn happened(&self) -> Vec<Event> {
        let events = self.events.lock().unwrap();
        events.iter().map(|stamped| stamped.event.clone()).collect()
    }
}

pub fn graph(text: &str) -> Arc<Graph> {
    let compiled = compile_text("test.yaml", text, &Empty);
    compiled.graph.unwrap_or_else(|| {
        let problems = compiled.diagnostics.iter().map(ToString::to_string);
        panic!("{}", problems.collect::<Vec<_>>().join("\n"))
    })
}

/// A graph whose one node is an agent with all tools.
pub fn agent_graph(budget: &str) -> Arc<Graph> {
    let folder = tempfile::tempdir().unwrap();
    let agents = folder.path().join("agents");
    std::fs::create_dir_all(&agents).unwrap();
    let agent = "---\nname: helper\ndescription: helps\n---\nHelp.\n";
    std::fs::write(agents.join("helper.md"), agent).unwrap();
    let text = format!(
        "
name: helped
channels: {{said: string, report: object}}
nodes:
  help:
    agent: {{name: helper, prompt: Do it.}}
    budget: {budget}
    writes: {{said: result, report: details}}
"
    );
    let file = folder.path().join("helped.yaml");
    std::fs::write(&file, text).unwrap();
    let compiled = Definitions::new(Vec::new())
        .compile(file.to_str().unwrap())
        .unwrap();
    compiled
        .graph
        .unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

/// A reply that asks for calls: name and number.
pub fn calls(names: &[(&str, u64)]) -> ScriptedReply {
    let calls = names.iter().enumerate().map(|(index, (name, n))| ToolCall {
        id: format!("c{index}"),
        name: (*name).to_owned(),
        arguments: json!({"n": n}),
    });
    ScriptedReply {
        calls: calls.collect(),
        ..ScriptedReply::default()
    }
}

/// A reply that says something.
pub fn says(text: &str) -> ScriptedReply {
    ScriptedReply {
        text: text.to_owned(),
        ..ScriptedReply::default()
    }
}

fn functions(calls: &Arc<Calls>, at_once: &Arc<AtomicUsize>) -> Functions {
    let [noted, flaky, effects, waits] = [0; 4].map(|_| Arc::clone(calls));
    let running = Arc::clone(at_once);
    Functions::new()
        .with("note", move |arguments| {
            noted.note(format!("note {}", Value::Object(arguments.clone())));
            Ok(Value::Object(arguments))
        })
        .with("fail", |_| Err("it never works".to_owned()))
        // Fails as often as `times` says, by name.
        .with_effect("flaky", false, move |call: FunctionCall| {
            let calls = Arc::clone(&flaky);
            async move {
                let name = call.arguments["name"].as_str().unwrap().to_owned();
                calls.note(&name);
                let times = call.arguments["times"].as_u64().unwrap();
                if (calls.count(&name) as u64) <= times {
                    return Err("not yet".to_owned());
                }
                Ok(json!(calls.count(&name)))
            }
        })
        .with_effect("touch", false, move |call: FunctionCall| {
            let calls = Arc::clone(&effects);
            async move {
                calls.note(format!(
                    "touch {}",
                    call.arguments["name"].as_str().unwrap()
                ));
                Ok(json!("touched"))
            }
        })
        .with_async("wait", move |call: FunctionCall| {
            let (running, calls) = (Arc::clone(&running), Arc::clone(&waits));
            async move {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                calls.note(format!("at once {now}"));
                let ms = call.arguments["ms"].as_u64().unwrap();
                // Leaves the count also when it is dropped on the way.
                let _left = Leaves(running);
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(call.arguments["ms"].clone())
            }
        })
}

struct Leaves(Arc<AtomicUsize>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
