//! A run that is killed, again and again, at any moment: every effect happens exactly once, or a
//! person is asked about the one that may have happened. `ROPEWALK_HEAVY=1` for the full count.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ropewalk_core::event::Event;
use ropewalk_core::graph::Compiled;
use ropewalk_core::graph::compile_text;
use ropewalk_core::graph::definition::GraphDefinition;
use ropewalk_core::graph::diagnostic::Diagnostic;
use ropewalk_core::graph::ir::Graph;
use ropewalk_core::graph::library::{Found, Library};
use ropewalk_core::graph::source::Source;
use ropewalk_core::interrupt::{InterruptKind, Reply};
use ropewalk_core::policy::{Exposure, Judgement, Verdict};
use ropewalk_core::tool::{Permission, ToolCall, ToolHints, ToolOutcome, ToolSpec};
use ropewalk_engine::run::{self, Resumed, RunOptions, RunResult};
use ropewalk_engine::services::{FunctionCall, Functions, Meanwhile, OneEngine, Services, Tools};
use ropewalk_engine::store::sqlite::SqliteStore;
use ropewalk_engine::store::{Durability, ListQuery, Stamped};
use ropewalk_host::audit::{AuditLog, Seen, What};
use ropewalk_models::scripted::{Scripted, ScriptedReply};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// Thirty effects: in three branches, in a map, in a loop and in a subgraph. Those named `append`
/// and the tool leave a line in a file, and a second call would leave a second one.
const GRAPH: &str = r#"
name: thirty
channels:
  log: {type: array, reducer: append}
  sum: {type: number, reducer: sum}
  items: {type: array, default: [1, 2, 3, 4, 5, 6]}
  mapped: array
  part: object
nodes:
  begin: {set: {log: "'begin'"}}
  a1: {function: {name: append, arguments: {name: a1}}, writes: {log: result, sum: "1"}}
  a2: {function: {name: measure, arguments: {name: a2}}, writes: {log: result}}
  a3: {tool: {name: files__append, arguments: {name: a3}}, writes: {log: "result.line"}}
  a4: {model: {prompt: "say a4"}, writes: {log: result}}
  a5: {function: {name: append, arguments: {name: a5}}, writes: {log: result, sum: "2"}}
  b1: {function: {name: measure, arguments: {name: b1}}, writes: {log: result}}
  b2: {function: {name: append, arguments: {name: b2}}, writes: {log: result, sum: "3"}}
  b3: {model: {prompt: "say b3"}, writes: {log: result}}
  b4: {tool: {name: files__append, arguments: {name: b4}}, writes: {log: "result.line"}}
  b5: {function: {name: measure, arguments: {name: b5}}, writes: {log: result}}
  c1: {tool: {name: files__append, arguments: {name: c1}}, writes: {log: "result.line"}}
  c2: {model: {prompt: "say c2"}, writes: {log: result}}
  c3: {function: {name: measure, arguments: {name: c3}}, writes: {log: result}}
  c4: {function: {name: append, arguments: {name: c4}}, writes: {log: result}}
  c5: {function: {name: measure, arguments: {name: c5}}, writes: {log: result}}
  each:
    map:
      over: items
      each: {function: {name: append, arguments: {name: "m{{ item }}"}}}
      concurrency: 3
    writes: mapped
  turn: {model: {prompt: "say turn {{ sum }}"}, writes: {log: result}}
  mark: {function: {name: append, arguments: {name: "turn{{ sum }}"}}, writes: {log: result, sum: "10"}}
  inner: {graph: three, writes: {part: result}}
edges:
  - begin -> a1, b1, c1
  - a1 -> a2 -> a3 -> a4 -> a5 -> each
  - b1 -> b2 -> b3 -> b4 -> b5 -> each
  - c1 -> c2 -> c3 -> c4 -> c5 -> each
  - each -> turn -> mark -> inner
  - {from: mark, to: turn, when: "sum < 36", max_visits: 5}
"#;

const THREE: &str = r#"
name: three
channels: {lines: {type: array, reducer: append}}
output: [lines]
nodes:
  x: {function: {name: append, arguments: {name: x}}, writes: {lines: result}}
  y: {function: {name: measure, arguments: {name: y}}, writes: {lines: result}}
  z: {tool: {name: files__append, arguments: {name: z}}, writes: {lines: "result.line"}}
edges: [x -> y -> z]
"#;

/// Lines that must be there once.
const ONCE: usize = 18;

struct Three;

impl Library for Three {
    fn agent(&self, _: &str) -> Found<Arc<ropewalk_core::definition::AgentDefinition>> {
        Found::No(Vec::new())
    }

    fn prompt(&self, _: &str) -> Found<ropewalk_core::prompt::PromptDefinition> {
        Found::No(Vec::new())
    }

    fn graph(&self, _: &str) -> Found<Result<(GraphDefinition, Source), Vec<Diagnostic>>> {
        Found::Yes(ropewalk_core::graph::yaml::parse("three.yaml", THREE))
    }

    fn tool(&self, _: &str) -> Found<ToolSpec> {
        Found::Unchecked
    }

    fn function(&self, _: &str) -> Found<()> {
        Found::Unchecked
    }

    fn reducer(&self, _: &str) -> Found<()> {
        Found::Unchecked
    }
}

fn graph() -> Arc<Graph> {
    let Compiled { graph, diagnostics } = compile_text("thirty.yaml", GRAPH, &Three);
    graph.unwrap_or_else(|| panic!("{diagnostics:?}"))
}

/// Leaves a line: the effect that must not happen twice.
fn append(folder: &Path, name: &str) -> String {
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("lines"));
    std::thread::sleep(Duration::from_micros(700));
    file.unwrap()
        .write_all(format!("{name}\n").as_bytes())
        .unwrap();
    std::thread::sleep(Duration::from_micros(700));
    format!("{name}!")
}

fn name_of(arguments: &Map<String, Value>) -> String {
    arguments["name"].as_str().unwrap().to_owned()
}

struct Files(std::path::PathBuf);

#[async_trait]
impl Tools for Files {
    fn tools(&self) -> Vec<ToolSpec> {
        vec![ToolSpec {
            name: "files__append".to_owned(),
            description: "Leaves a line.".to_owned(),
            input_schema: json!({"type": "object"}),
            output_schema: None,
            hints: ToolHints::default(),
        }]
    }

    fn judge(&self, _: &ToolCall, _: &Exposure) -> Judgement {
        Permission::Allow.into()
    }

    async fn witness(&self, seen: Seen) -> Result<(), String> {
        let log = AuditLog::new(&self.0);
        let kept = log.append("files", "append", seen);
        kept.map_err(|error| error.to_string())
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
        let line = append(&self.0, &name_of(call.arguments.as_object().unwrap()));
        ToolOutcome::Ok {
            text: String::new(),
            structured: Some(json!({"line": line})),
        }
    }
}

fn services(folder: &Path) -> Services {
    let place = folder.to_owned();
    let functions = Functions::new()
        .with_effect("append", false, move |call: FunctionCall| {
            let place = place.clone();
            async move { Ok(json!(append(&place, &name_of(&call.arguments)))) }
        })
        .with_effect("measure", true, |call: FunctionCall| async move {
            tokio::time::sleep(Duration::from_micros(500)).await;
            Ok(json!(format!("{}!", name_of(&call.arguments))))
        });
    let replies = ["a4", "b3", "c2", "turn"].map(|name| ScriptedReply {
        text: format!("{name}!"),
        when: Some(name.to_owned()),
        ..ScriptedReply::default()
    });
    Services {
        engines: Arc::new(OneEngine(Arc::new(Scripted::new(replies.to_vec())))),
        tools: Arc::new(Files(folder.to_owned())),
        functions: Arc::new(functions),
        store: Some(Arc::new(
            SqliteStore::open(&folder.join("runs.db")).unwrap(),
        )),
    }
}

/// Ends this process as `kill -9` does.
fn die() -> ! {
    let own = std::process::id().to_string();
    let _ = Command::new("kill").args(["-9", &own]).status();
    loop {
        std::thread::park();
    }
}

/// The program that is killed: this test file again, in a process of its own.
#[test]
fn worker() {
    let Some(folder) = std::env::var_os("ROPEWALK_TEST_WORKER") else {
        return;
    };
    let die_at: Option<u64> = std::env::var("ROPEWALK_TEST_DIE_AT")
        .ok()
        .and_then(|at| at.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let services = services(Path::new(&folder));
        let store = services.store.clone().unwrap();
        let options = RunOptions {
            durability: Durability::Process,
            on_event: die_at.map(|at| -> ropewalk_engine::Listener {
                Arc::new(move |stamped: &Stamped| {
                    if stamped.seq == at {
                        die();
                    }
                })
            }),
            ..RunOptions::default()
        };
        let known = store
            .list(ListQuery {
                limit: 1,
                ..ListQuery::default()
            })
            .await
            .unwrap();
        let end = match known.first() {
            Some(known) => run::resume(&services, known.run, Resumed::With(graph()), options).await,
            None => run::start(&services, &graph(), &Map::new(), options).await,
        };
        end.unwrap();
    });
}

fn spawn(folder: &Path, die_at: Option<u64>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["durability::worker", "--exact", "--test-threads=1"])
        .env("ROPEWALK_TEST_WORKER", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(at) = die_at {
        command.env("ROPEWALK_TEST_DIE_AT", at.to_string());
    }
    command.spawn().unwrap()
}

/// How often each line was left.
fn lines(folder: &Path) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(folder.join("lines")).unwrap_or_default();
    let mut lines = BTreeMap::new();
    for line in text.lines() {
        *lines.entry(line.to_owned()).or_insert(0) += 1;
    }
    lines
}

#[derive(Debug, Default)]
struct Finished {
    state: Value,
    asked: usize,
    events: u64,
}

/// Resumes a run until it ends. A question about an effect is answered from what is in the file.
async fn finish(folder: &Path) -> Finished {
    let services = services(folder);
    let store = services.store.clone().unwrap();
    let mut asked = 0;
    for _ in 0..50 {
        let known = store
            .list(ListQuery {
                limit: 2,
                ..ListQuery::default()
            })
            .await
            .unwrap();
        assert!(known.len() <= 1, "two runs: {known:?}");
        let options = RunOptions::default();
        let end = match known.first() {
            None => run::start(&services, &graph(), &Map::new(), options).await,
            Some(known) => {
                match run::resume(&services, known.run, Resumed::With(graph()), options).await {
                    // It had ended before it was killed.
                    Err(run::RunError::Completed(run)) => {
                        let events = store.events(run).await.unwrap();
                        let last = events.last().unwrap();
                        let Event::RunEnded { outcome } = &last.event else {
                            panic!("{last:?}")
                        };
                        let state = serde_json::to_value(outcome).unwrap()["outputs"].clone();
                        return Finished {
                            state,
                            asked,
                            events: events.len() as u64,
                        };
                    }
                    other => other,
                }
            }
        };
        let end = end.unwrap();
        match end.result {
            RunResult::Completed { outputs } => {
                let events = store.summary(end.run).await.unwrap().events;
                return Finished {
                    state: Value::Object((*outputs).clone()),
                    asked,
                    events,
                };
            }
            RunResult::Suspended { .. } => {
                let open = store.open_interrupts(Some(end.run)).await.unwrap();
                assert!(!open.is_empty(), "it waits for nothing");
                let there = lines(folder);
                for question in open {
                    asked += 1;
                    let interrupt = &question.interrupt;
                    assert_eq!(interrupt.kind, InterruptKind::Ambiguous);
                    let name = named(&interrupt.question);
                    let happened = there.contains_key(&name);
                    let is_tool = interrupt.call.is_some();
                    let line = json!(format!("{name}!"));
                    let reply = match (happened, is_tool) {
                        (false, _) => Reply::Approve,
                        (true, true) => Reply::Edit {
                            value: json!({"line": line}),
                        },
                        (true, false) => Reply::Edit { value: line },
                    };
                    run::answer(&*store, end.run, Some(&question.id), &reply)
                        .await
                        .unwrap();
                }
            }
            RunResult::Failed { node, error } => panic!("{node}: {error}"),
        }
    }
    panic!("it never ends");
}

/// The effect that a question names: `append({"name":"a1"}) was begun …`.
fn named(question: &str) -> String {
    let (_, rest) = question
        .split_once("{\"name\":\"")
        .unwrap_or_else(|| panic!("{question}"));
    rest.split_once('"').unwrap().0.to_owned()
}

fn heavy() -> bool {
    std::env::var_os("ROPEWALK_HEAVY").is_some()
}

/// Kills a fresh run, and perhaps its resumption, and finishes it. Returns how often a person was
/// asked.
fn killed(undisturbed: &Value, what: &str, kills: &[&dyn Fn(&Path)]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    for kill in kills {
        kill(folder.path());
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let finished = runtime.block_on(finish(folder.path()));
    let lines = lines(folder.path());
    assert!(
        lines.len() == ONCE && lines.values().all(|count| *count == 1),
        "{what}: {lines:?}"
    );
    assert_eq!(finished.state, *undisturbed, "{what}");
    // Nothing was called that was not decided before, and the log of that is whole but for writes
    // that a kill cut off.
    let log = AuditLog::new(folder.path());
    for flaw in log.verify().unwrap().flaws {
        assert!(flaw.what.contains("cut off"), "{what}: {flaw:?}");
    }
    let decided: BTreeSet<String> = log
        .lines()
        .unwrap()
        .filter(|line| matches!(&line.what, What::Decided(decided) if decided.runs))
        .map(|line| line.arguments["name"].as_str().unwrap().to_owned())
        .collect();
    let called = ["a3", "b4", "c1", "z"].map(str::to_owned);
    assert_eq!(decided, BTreeSet::from(called), "{what}");
    finished.asked
}

#[test]
fn killed_at_any_moment_every_effect_happens_once() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Finished {
        state,
        asked,
        events,
    } = runtime.block_on(finish(folder.path()));
    assert_eq!(asked, 0);
    assert_eq!(lines(folder.path()).len(), ONCE);
    // How long a process takes from its start to the end of the run.
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    spawn(folder.path(), None).wait().unwrap();
    let whole = began.elapsed();

    let mut asked = 0;
    let mut kills = 0;
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut chance = move |most: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % most.max(1)
    };
    let moments = if heavy() { 500 } else { 25 };
    let micros = u64::try_from(whole.as_micros()).unwrap();
    for moment in 0..moments {
        let (first, second) = (chance(micros), chance(micros));
        let after = |micros: u64| {
            move |folder: &Path| {
                let mut child = spawn(folder, None);
                std::thread::sleep(Duration::from_micros(micros));
                let _ = child.kill();
                child.wait().unwrap();
            }
        };
        let what = format!("killed after {first} and {second} µs");
        let (first, second) = (after(first), after(second));
        let twice: [&dyn Fn(&Path); 2] = [&first, &second];
        let times = if moment % 3 == 0 { 2 } else { 1 };
        asked += killed(&state, &what, &twice[..times]);
        kills += times;
    }
    let step = if heavy() { 1 } else { 9 };
    for event in (0..events).step_by(step) {
        let at = |folder: &Path| {
            spawn(folder, Some(event)).wait().unwrap();
        };
        asked += killed(&state, &format!("killed at event {event}"), &[&at]);
        kills += 1;
    }
    println!("{kills} kills of a run of {events} events; a person was asked {asked} times");
}
