//! Whole runs: a scripted engine, the real host, a real server in this process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ropewalk_core::answer::StopReason;
use ropewalk_core::event::{EffectOutcome, EffectRequest, Event};
use ropewalk_core::interrupt::{Interrupt, Reply};
use ropewalk_core::tool::{ToolCall, ToolOutcome};
use ropewalk_engine::definitions::Definitions;
use ropewalk_engine::report::{RunReport, StepKind};
use ropewalk_engine::run::{self, RunOptions};
use ropewalk_engine::services::{Functions, OneEngine, Services};
use ropewalk_engine::store::Stamped;
use ropewalk_engine::store::memory::MemoryStore;
use ropewalk_engine::{Approver, Unanswered, trace_lines};
use ropewalk_host::{Endpoint, Host, HostOptions};
use ropewalk_mcp_kit::{CallContext, Citation, ServerIdentity, ToolError, ToolMeta, ToolServer};
use ropewalk_models::engine::Engine;
use ropewalk_models::exerciser::Exerciser;
use ropewalk_models::scripted::{Scripted, ScriptedReply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{Barrier, Notify};
use tokio_util::sync::CancellationToken;

#[derive(Deserialize, JsonSchema)]
struct Query {
    query: String,
}

#[derive(Serialize, JsonSchema)]
struct Results {
    citations: Vec<Citation>,
}

fn meta(name: &'static str, read_only: bool) -> ToolMeta {
    ToolMeta {
        read_only,
        idempotent: false,
        ..ToolMeta::reading(name, name, "A tool for tests.")
    }
}

fn found(query: &str) -> Results {
    let citation = Citation {
        id: "p1".to_owned(),
        source: "a.md".to_owned(),
        title: "A".to_owned(),
        span: None,
        quote: format!("About {query}."),
        score: 0.9,
    };
    Results {
        citations: vec![citation],
    }
}

struct Bench {
    host: Arc<Host>,
    writes: Arc<AtomicUsize>,
    started: Arc<AtomicUsize>,
    woken: Arc<AtomicUsize>,
}

/// `meet` returns only when two calls of it run at the same time; `break` fails only once `outlive`
/// runs, which goes on until then.
async fn bench() -> Bench {
    let identity = ServerIdentity {
        name: "fx".to_owned(),
        title: "Fixture".to_owned(),
        version: "1".to_owned(),
        instructions: String::new(),
    };
    let barrier = Arc::new(Barrier::new(2));
    let (sibling_begun, broken) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, breaks) = (Arc::clone(&sibling_begun), Arc::clone(&broken));
    let writes = Arc::new(AtomicUsize::new(0));
    let started = Arc::new(AtomicUsize::new(0));
    let woken = Arc::new(AtomicUsize::new(0));
    let begun = Arc::clone(&started);
    let (counted, cancelled) = (Arc::clone(&writes), Arc::clone(&woken));
    let server = ToolServer::new(identity)
        .tool(meta("search", true), |query: Query, _| async move {
            Ok(found(&query.query))
        })
        .tool(meta("meet", true), move |query: Query, _| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                Ok(found(&query.query))
            }
        })
        .tool(meta("break", true), move |_: Query, _| {
            let (begun, broken) = (Arc::clone(&sibling_begun), Arc::clone(&broken));
            async move {
                begun.notified().await;
                broken.notify_one();
                Err::<Results, _>(ToolError::new("broken", ""))
            }
        })
        .tool(meta("outlive", true), move |query: Query, _| {
            let (begun, broken) = (Arc::clone(&begins), Arc::clone(&breaks));
            async move {
                begun.notify_one();
                broken.notified().await;
                Ok(found(&query.query))
            }
        })
        .tool(
            meta("work", true),
            |query: Query, context: CallContext| async move {
                let half = format!("half of {}", query.query);
                context.progress.report(1.0, Some(2.0), &half);
                // Long enough for the report to go ahead of the result.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(found(&query.query))
            },
        )
        .tool(meta("write", false), move |query: Query, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move { Ok(found(&query.query)) }
        })
        .tool(
            meta("wait", true),
            move |query: Query, context: CallContext| {
                let cancelled = Arc::clone(&cancelled);
                begun.fetch_add(1, Ordering::SeqCst);
                async move {
                    context.cancel.cancelled().await;
                    cancelled.fetch_add(1, Ordering::SeqCst);
                    Ok(found(&query.query))
                }
            },
        );
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(server.serve_io(theirs, CancellationToken::new()));
    let (host, failures) = Host::start(
        vec![("fx".to_owned(), Endpoint::BuiltIn(ours))],
        HostOptions::default(),
    )
    .await;
    assert_eq!(failures, []);
    Bench {
        host: Arc::new(host),
        writes,
        started,
        woken,
    }
}

fn calls(names: &[&str]) -> ScriptedReply {
    let calls = names.iter().enumerate().map(|(number, name)| ToolCall {
        id: format!("c{number}"),
        name: format!("fx__{name}"),
        arguments: json!({"query": format!("q{number}")}),
    });
    ScriptedReply {
        calls: calls.collect(),
        ..ScriptedReply::default()
    }
}

fn says(text: &str) -> ScriptedReply {
    ScriptedReply {
        text: text.to_owned(),
        ..ScriptedReply::default()
    }
}

async fn run(
    bench: &Bench,
    engine: impl Engine + 'static,
    approver: Option<Arc<dyn Approver>>,
    cancel: CancellationToken,
) -> (RunReport, Vec<Stamped>) {
    let compiled = Definitions::new(Vec::new()).compile("assistant").unwrap();
    let graph = compiled
        .graph
        .unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
    let services = Services {
        engines: Arc::new(OneEngine(Arc::new(engine))),
        tools: bench.host.clone(),
        functions: Arc::new(Functions::new()),
        store: Some(Arc::new(MemoryStore::new())),
    };
    let events = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&events);
    let options = RunOptions {
        approver,
        unanswered: Unanswered::Refuse,
        on_event: Some(Arc::new(move |event: &Stamped| {
            kept.lock().unwrap().push(event.clone())
        })),
        cancel,
        ..RunOptions::default()
    };
    let inputs = json!({"question": "Why?"});
    let end = run::start(&services, &graph, inputs.as_object().unwrap(), options)
        .await
        .unwrap();
    let events = events.lock().unwrap().clone();
    let report = RunReport::of(&end, &events);
    if report.answer.stop == StopReason::Answered {
        // The log alone leads to the same answer: no engine, no host.
        let services = Services {
            engines: Arc::new(OneEngine(Arc::new(Scripted::new(Vec::new())))),
            tools: Arc::new(ropewalk_engine::services::NoTools),
            functions: Arc::new(Functions::new()),
            store: None,
        };
        let written: Vec<String> = events
            .iter()
            .map(|it| serde_json::to_string(it).unwrap())
            .collect();
        let read = written
            .iter()
            .map(|it| serde_json::from_str(it).unwrap())
            .collect();
        let again = run::replay(&services, read, None, RunOptions::default())
            .await
            .unwrap();
        assert_eq!(again.result, end.result);
    }
    (report, events)
}

#[tokio::test]
async fn an_answer_with_its_citations_events_and_steps() {
    let bench = bench().await;
    let engine = Scripted::new(vec![calls(&["search"]), says("Because [p1].")]);
    let (report, events) = run(&bench, engine, None, CancellationToken::new()).await;
    assert_eq!(report.answer.stop, StopReason::Answered);
    assert_eq!(report.answer.citations[0].quote, "About q0.");
    let kinds: Vec<StepKind> = report.steps.iter().map(|step| step.kind).collect();
    assert_eq!(kinds, [StepKind::Model, StepKind::Tool, StepKind::Model]);
    assert_eq!(report.steps[1].parent, Some(0));
    assert!(
        events
            .iter()
            .enumerate()
            .all(|(place, event)| event.seq == place as u64)
    );
    assert!(events.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms));
    assert!(matches!(
        events.last().unwrap().event,
        Event::RunEnded { .. }
    ));
    let trace = trace_lines(&report, false).join("\n");
    assert!(
        trace.contains("├─ model scripted") && trace.contains("│  └─ tool fx__search"),
        "{trace}"
    );
}

#[tokio::test]
async fn read_only_calls_of_one_reply_run_at_the_same_time() {
    let bench = bench().await;
    let engine = Scripted::new(vec![calls(&["meet", "meet"]), says("Both met [p1].")]);
    let running = run(&bench, engine, None, CancellationToken::new());
    let (report, _) = tokio::time::timeout(Duration::from_secs(20), running)
        .await
        .unwrap();
    assert_eq!(report.answer.stop, StopReason::Answered);
}

#[tokio::test]
async fn a_failing_call_leaves_its_siblings_alone() {
    let bench = bench().await;
    // The engine fails unless the last result, in the order of the calls, is the expected one.
    for (names, last) in [
        (["outlive", "break"], "broken"),
        (["break", "outlive"], "About q1."),
    ] {
        let told = ScriptedReply {
            expect_text: Some(last.to_owned()),
            ..says("One worked [p1].")
        };
        let engine = Scripted::new(vec![calls(&names), told]);
        let (report, events) = run(&bench, engine, None, CancellationToken::new()).await;
        assert_eq!(
            report.answer.stop,
            StopReason::Answered,
            "{:?}",
            report.answer
        );
        let returned: Vec<bool> = events
            .iter()
            .filter_map(|stamped| match &stamped.event {
                Event::EffectEnded {
                    outcome: EffectOutcome::Tool { outcome },
                    ..
                } => Some(matches!(outcome, ToolOutcome::Ok { .. })),
                _ => None,
            })
            .collect();
        assert_eq!(returned, [false, true], "the failure came first");
        for (step, name) in report.steps[1..3].iter().zip(names) {
            assert_eq!(step.failed, name == "break", "{step:?}");
        }
    }
}

#[tokio::test]
async fn progress_is_logged_between_the_call_and_its_end() {
    let bench = bench().await;
    let engine = Scripted::new(vec![calls(&["work"]), says("Done [p1].")]);
    let (_, events) = run(&bench, engine, None, CancellationToken::new()).await;
    let place = |wanted: fn(&Event) -> bool| events.iter().position(|it| wanted(&it.event));
    let began = place(|event| {
        matches!(
            event,
            Event::EffectStarted {
                request: EffectRequest::Tool { .. },
                ..
            }
        )
    })
    .unwrap();
    let ended = place(|event| {
        matches!(
            event,
            Event::EffectEnded {
                outcome: EffectOutcome::Tool { .. },
                ..
            }
        )
    })
    .unwrap();
    let said: Vec<&str> = events[began..ended]
        .iter()
        .filter_map(|stamped| match &stamped.event {
            Event::EffectProgressed { message, .. } => Some(message.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(said, ["1 of 2: half of q0"]);
}

struct Always(bool);

#[async_trait]
impl Approver for Always {
    async fn ask(&self, _: &Interrupt) -> Option<Reply> {
        Some(if self.0 {
            Reply::Approve
        } else {
            Reply::Reject {
                reason: String::new(),
            }
        })
    }
}

#[tokio::test]
async fn what_changes_things_runs_only_with_permission() {
    let nobody: Option<Arc<dyn Approver>> = None;
    for (approver, writes, told) in [
        (nobody, 0, "or with --yes"),
        (
            Some(Arc::new(Always(false)) as Arc<dyn Approver>),
            0,
            "a person refused",
        ),
        (
            Some(Arc::new(Always(true)) as Arc<dyn Approver>),
            1,
            "citations",
        ),
    ] {
        let bench = bench().await;
        let expect = ScriptedReply {
            expect_text: Some(told.to_owned()),
            ..says("Done.")
        };
        let engine = Scripted::new(vec![calls(&["write"]), expect, says("Done [p1].")]);
        let (report, _) = run(&bench, engine, approver, CancellationToken::new()).await;
        assert_eq!(
            report.answer.stop,
            StopReason::Answered,
            "{:?}",
            report.answer
        );
        assert_eq!(bench.writes.load(Ordering::SeqCst), writes);
    }
}

#[tokio::test]
async fn cancelling_reaches_the_tool_and_ends_with_a_report() {
    let bench = bench().await;
    let engine = Scripted::new(vec![calls(&["wait"])]);
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let started = Arc::clone(&bench.started);
    tokio::spawn(async move {
        while started.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    });
    let (report, _) = run(&bench, engine, None, cancel).await;
    assert_eq!(report.answer.stop, StopReason::Cancelled);
    for _ in 0..200 {
        if bench.woken.load(Ordering::SeqCst) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the tool was never told");
}

#[tokio::test]
async fn a_failing_engine_is_an_answer_too() {
    let bench = bench().await;
    let engine = Scripted::new(vec![calls(&["search"])]);
    let (report, _) = run(&bench, engine, None, CancellationToken::new()).await;
    assert_eq!(report.answer.stop, StopReason::ModelFailed);
    assert!(report.answer.text.contains("only 1 replies") && report.answer.text.contains("[p1]"));
}

#[tokio::test]
async fn the_exerciser_calls_every_tool_once() {
    let identity = ServerIdentity {
        name: "fx".to_owned(),
        title: "Fixture".to_owned(),
        version: "1".to_owned(),
        instructions: String::new(),
    };
    let server = ToolServer::new(identity)
        .tool(meta("one", true), |query: Query, _| async move {
            Ok(found(&query.query))
        })
        .tool(meta("two", true), |query: Query, _| async move {
            Ok(found(&query.query))
        });
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(server.serve_io(theirs, CancellationToken::new()));
    let (host, _) = Host::start(
        vec![("fx".to_owned(), Endpoint::BuiltIn(ours))],
        HostOptions::default(),
    )
    .await;
    let (writes, started, woken) = (Arc::default(), Arc::default(), Arc::default());
    let bench = Bench {
        host: Arc::new(host),
        writes,
        started,
        woken,
    };
    let engine = Exerciser::default();
    let (report, _) = run(&bench, engine, None, CancellationToken::new()).await;
    assert_eq!(report.answer.text, "fx__one: ok\nfx__two: ok");
}
