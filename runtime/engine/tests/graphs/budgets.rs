//! What runs may spend.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::interrupt::{InterruptKind, Reply};
use ropewalk_core::message::Usage;
use ropewalk_core::policy::{Exposure, Judgement, Verdict};
use ropewalk_core::tool::{Permission, ToolCall, ToolHints, ToolOutcome, ToolSpec};
use ropewalk_engine::run::RunResult;
use ropewalk_engine::services::{Meanwhile, Tools};
use ropewalk_host::sampling::Foreseen;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::place::{Place, agent_graph, calls, graph, says, script};

fn three_calls(budget: &str) -> String {
    format!(
        "
name: spends
channels: {{a: string, b: string, c: string}}
nodes:
  a: {{model: {{prompt: say a}}, writes: a}}
  b: {{model: {{prompt: say b}}, writes: b}}
  c: {{model: {{prompt: say c}}, writes: c}}
edges: [a -> b -> c]
budget: {budget}
"
    )
}

#[tokio::test]
async fn a_call_beyond_the_budget_is_not_made() {
    let place = Place::with(script(&[("say", "word")]));
    let end = place
        .run(&graph(&three_calls("{model_calls: 2}")), json!({}))
        .await;
    let RunResult::Failed { node, error } = end.result else {
        panic!("{end:?}")
    };
    assert_eq!((node.as_str(), error.kind), ("c", ErrorKind::Budget));
    assert!(error.message.contains("model_calls"), "{error}");
}

#[tokio::test]
async fn a_person_may_grant_more_and_the_run_goes_on_where_it_was() {
    let place = Place::with(script(&[("say", "word")]));
    let text = three_calls("{model_calls: 1, on_exceed: ask}");
    let mut end = place.run(&graph(&text), json!({})).await;
    for _ in 0..2 {
        assert!(matches!(end.result, RunResult::Suspended { .. }), "{end:?}");
        let open = place.store.open_interrupts(Some(end.run)).await.unwrap();
        assert_eq!(open[0].interrupt.kind, InterruptKind::Budget);
        let nothing = Reply::Edit {
            value: json!("much"),
        };
        assert!(place.answer(end.run, None, nothing).await.is_err());
        place
            .answer(end.run, None, Reply::Edit { value: json!(1) })
            .await
            .unwrap();
        end = place.resume(end.run).await.unwrap();
    }
    assert!(matches!(end.result, RunResult::Completed { .. }), "{end:?}");
    assert_eq!(place.store.summary(end.run).await.unwrap().model_calls, 3);
}

#[tokio::test]
async fn a_node_has_a_budget_of_its_own_and_graphs_in_graphs_are_bounded() {
    let place = Place::with(script(&[("say", "word")]));
    let text = "
name: own
channels: {out: array, items: {type: array, default: [1, 2, 3]}, kind: string}
nodes:
  all:
    map: {over: items, concurrency: 1, each: {model: {prompt: say}}}
    budget: {model_calls: 2}
    on_error: {do: continue, writes: {kind: error.kind}}
    writes: out
  nested:
    map: {over: items, each: {map: {over: items, each: {model: {prompt: say}}}}}
    on_error: {do: continue, writes: {kind: error.kind}}
edges: [all -> nested]
budget: {depth: 1}
";
    let outputs = place.outputs(&graph(text), json!({})).await;
    assert_eq!(
        (&outputs["kind"], &outputs["out"]),
        (&json!("part"), &json!(null))
    );
    let summaries = place.store.list(Default::default()).await.unwrap();
    assert!(summaries.is_empty() || summaries[0].model_calls == 2);
}

#[tokio::test]
async fn an_agent_ends_with_what_it_has_when_its_budget_degrades() {
    let replies = vec![
        calls(&[("srv__read", 1)]),
        calls(&[("srv__read", 2)]),
        says("As far as I got."),
    ];
    let place = Place::with(replies);
    let graph = agent_graph("{tool_calls: 1, on_exceed: degrade}");
    let outputs = place.outputs(&graph, json!({})).await;
    assert_eq!(outputs["said"], json!("As far as I got."));
    assert_eq!(place.calls.all().len(), 1);
    let place = Place::with(vec![calls(&[("srv__read", 1)])]);
    let graph = agent_graph("{model_calls: 1, on_exceed: degrade}");
    let outputs = place.outputs(&graph, json!({})).await;
    assert_eq!(outputs["report"]["stop"], json!("budget"));
    let place = Place::with(vec![calls(&[("srv__read", 1)])]);
    let end = place.run(&agent_graph("{model_calls: 1}"), json!({})).await;
    let RunResult::Failed { error, .. } = end.result else {
        panic!("{end:?}")
    };
    assert_eq!(error.kind, ErrorKind::Budget);
}

#[tokio::test]
async fn working_time_is_bounded_and_waiting_for_a_person_is_not_working() {
    let place = Place::with(script(&[("say", "word")]));
    let slow = "
name: slow
channels: {a: string, b: string}
nodes:
  wait: {function: {name: wait, arguments: {ms: 60}}}
  ask: {human: {ask: go on?}, writes: b}
  a: {model: {prompt: say a}, writes: a}
edges: [wait -> ask -> a]
budget: {wall_time: LIMIT}
";
    for (limit, works) in [("0.03", false), ("30", true)] {
        let graph = graph(&slow.replace("LIMIT", limit));
        let end = place.run(&graph, json!({})).await;
        place
            .answer(
                end.run,
                None,
                Reply::Reply {
                    value: json!("yes"),
                },
            )
            .await
            .unwrap();
        let end = place.resume(end.run).await.unwrap();
        match end.result {
            RunResult::Completed { .. } => assert!(works),
            RunResult::Failed { error, .. } => {
                assert!(!works && error.message.contains("wall_time"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// `srv__write` has a model complete three things of 100 tokens each, and says how many it got.
struct Writes;

#[async_trait]
impl Tools for Writes {
    fn tools(&self) -> Vec<ToolSpec> {
        vec![ToolSpec {
            name: "srv__write".to_owned(),
            description: "A tool for tests.".to_owned(),
            input_schema: json!({"type": "object"}),
            output_schema: None,
            hints: ToolHints {
                read_only: true,
                ..ToolHints::default()
            },
        }]
    }

    fn judge(&self, _: &ToolCall, _: &Exposure) -> Judgement {
        Permission::Allow.into()
    }

    fn how_to_allow(&self, _: &ToolCall, _: &Verdict) -> String {
        "allow it".to_owned()
    }

    async fn call(
        &self,
        _: &ToolCall,
        _: &str,
        _: &CancellationToken,
        meanwhile: Meanwhile,
    ) -> ToolOutcome {
        let foreseen = Foreseen {
            engine: "scripted".to_owned(),
            tokens: 60,
            free: false,
        };
        let mut written = 0;
        for _ in 0..3 {
            if let Err(reason) = meanwhile.payer.book(&foreseen) {
                assert!(reason.contains("budget"), "{reason}");
                continue;
            }
            written += 1;
            let usage = Usage {
                input_tokens: 60,
                output_tokens: 40,
                ..Usage::default()
            };
            meanwhile
                .payer
                .paid("scripted", usage, Duration::from_millis(1));
        }
        ToolOutcome::Ok {
            text: String::new(),
            structured: Some(json!({"written": written})),
        }
    }
}

#[tokio::test]
async fn what_servers_have_completed_is_on_the_budget_of_their_call() {
    let text = |budget: &str| {
        format!(
            "
name: writes
channels: {{a: object, b: object, kind: string}}
nodes:
  a: {{tool: srv__write, writes: a}}
  b: {{tool: srv__write, writes: b}}
  c: {{model: {{prompt: say}}, on_error: {{do: continue, writes: {{kind: error.kind}}}}}}
edges: [a -> b -> c]
budget: {budget}
"
        )
    };
    for (budget, first, second, fails) in [
        ("{model_calls: 7}", 3, 3, false),
        ("{model_calls: 5}", 3, 2, true),
        // Four of 100 tokens fit into 459; a fifth would begin with 60 more, a few still fit.
        ("{tokens: 459}", 3, 1, false),
        ("{tokens: 460, on_exceed: ask}", 3, 2, true),
    ] {
        let mut place = Place::with(script(&[("say", "word")]));
        place.services.tools = Arc::new(Writes);
        let end = place.run(&graph(&text(budget)), json!({})).await;
        let RunResult::Completed { outputs } = &end.result else {
            // A call of the run's own asks, as its budget says.
            assert!(budget.contains("ask"), "{end:?}");
            continue;
        };
        assert_eq!(outputs["a"]["written"], json!(first), "{budget}");
        assert_eq!(outputs["b"]["written"], json!(second), "{budget}");
        let kind = if fails { json!("budget") } else { json!(null) };
        assert_eq!(outputs["kind"], kind, "{budget}");
        let summary = place.store.summary(end.run).await.unwrap();
        let calls = first + second + u64::from(!fails);
        assert_eq!(summary.model_calls, calls, "{budget}");
    }
}
