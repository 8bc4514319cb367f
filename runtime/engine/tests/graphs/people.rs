//! Questions to people: asked, left open, answered days later by another process.

use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::interrupt::{InterruptKind, Reply};
use ropewalk_engine::run::{RunError, RunResult};
use serde_json::{Value, json};

use crate::place::{Place, agent_graph, calls, graph, says};

const REVIEW: &str = "
name: review
channels: {draft: object, final: any, how: string, other: string}
input: [draft]
nodes:
  ask:
    human:
      ask: \"Is {{ draft.title }} good?\"
      propose: draft
      schema: {type: object, required: [title]}
      who: the editor
    writes: {final: result, how: details.decision}
  beside: {function: {name: touch, arguments: {name: beside}}, writes: other}
  after: {function: {name: touch, arguments: {name: after}}, writes: other}
start: [ask, beside]
edges: [\"ask, beside -> after\"]
";

fn draft() -> Value {
    json!({"draft": {"title": "Ropes"}})
}

#[tokio::test]
async fn a_run_goes_on_where_it_can_and_then_waits() {
    let place = Place::new();
    let end = place.run(&graph(REVIEW), draft()).await;
    assert!(matches!(end.result, RunResult::Suspended { .. }), "{end:?}");
    assert_eq!(place.calls.all(), ["touch beside"]);
    let open = place.store.open_interrupts(Some(end.run)).await.unwrap();
    let question = &open[0].interrupt;
    assert_eq!(
        (question.question.as_str(), question.who.as_deref()),
        ("Is Ropes good?", Some("the editor"))
    );
    // Nothing has been answered: resuming asks the same, and does nothing twice.
    let again = place.resume(end.run).await.unwrap();
    assert!(matches!(again.result, RunResult::Suspended { .. }));
    assert_eq!(
        place.store.open_interrupts(Some(end.run)).await.unwrap(),
        open
    );

    let bad = Reply::Edit {
        value: json!({"name": "x"}),
    };
    let error = place.answer(end.run, None, bad).await.unwrap_err();
    assert!(
        matches!(error, RunError::Unfit(_)) && error.to_string().contains("title"),
        "{error}"
    );
    assert!(
        place
            .answer(end.run, Some("nobody"), Reply::Approve)
            .await
            .is_err()
    );

    place.answer(end.run, None, Reply::Approve).await.unwrap();
    let end = place.resume(end.run).await.unwrap();
    let RunResult::Completed { outputs } = end.result else {
        panic!("{end:?}")
    };
    assert_eq!(
        (&outputs["final"], &outputs["how"]),
        (&json!({"title": "Ropes"}), &json!("approve"))
    );
    assert_eq!(place.calls.all(), ["touch beside", "touch after"]);
    let over = place.resume(end.run).await.unwrap_err();
    assert!(matches!(over, RunError::Completed(_)), "{over}");
}

#[tokio::test]
async fn every_kind_of_answer_is_understood() {
    for (reply, final_value) in [
        (
            Reply::Edit {
                value: json!({"title": "Knots"}),
            },
            Some(json!({"title": "Knots"})),
        ),
        (
            Reply::Reply {
                value: json!({"title": "Other"}),
            },
            Some(json!({"title": "Other"})),
        ),
        (
            Reply::Reject {
                reason: "too short".to_owned(),
            },
            None,
        ),
    ] {
        let place = Place::new();
        let end = place.run(&graph(REVIEW), draft()).await;
        place.answer(end.run, Some("ask"), reply).await.unwrap();
        match place.resume(end.run).await.unwrap().result {
            RunResult::Completed { outputs } => {
                assert_eq!(Some(&outputs["final"]), final_value.as_ref())
            }
            RunResult::Failed { node, error } => {
                assert!(final_value.is_none());
                assert_eq!((node.as_str(), error.kind), ("ask", ErrorKind::Denied));
                assert_eq!(error.message, "too short");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_escalated_question_waits_for_somebody_else() {
    let place = Place::new();
    let end = place.run(&graph(REVIEW), draft()).await;
    let reply = Reply::Escalate {
        to: "the owner".to_owned(),
        note: String::new(),
    };
    place.answer(end.run, None, reply).await.unwrap();
    let end = place.resume(end.run).await.unwrap();
    assert!(matches!(end.result, RunResult::Suspended { .. }));
    let open = place.store.open_interrupts(Some(end.run)).await.unwrap();
    assert_eq!(open[0].interrupt.who.as_deref(), Some("the owner"));
    place.answer(end.run, None, Reply::Approve).await.unwrap();
    let end = place.resume(end.run).await.unwrap();
    assert!(matches!(end.result, RunResult::Completed { .. }), "{end:?}");
}

#[tokio::test]
async fn a_tool_that_asks_waits_for_permission_and_runs_as_it_is_edited() {
    let text = "
name: asks
channels: {given: object}
nodes:
  call: {tool: {name: srv__ask, arguments: {n: 1}}, writes: {given: result.given}}
";
    for (reply, given) in [
        (Reply::Approve, Some(json!({"n": 1}))),
        (
            Reply::Edit {
                value: json!({"n": 2}),
            },
            Some(json!({"n": 2})),
        ),
        (
            Reply::Reply {
                value: json!({"given": {"n": 3}}),
            },
            Some(json!({"n": 3})),
        ),
        (
            Reply::Reject {
                reason: String::new(),
            },
            None,
        ),
    ] {
        let place = Place::new();
        let end = place.run(&graph(text), json!({})).await;
        assert!(place.calls.all().is_empty());
        let open = place.store.open_interrupts(Some(end.run)).await.unwrap();
        assert_eq!(open[0].interrupt.kind, InterruptKind::Approval);
        place.answer(end.run, None, reply.clone()).await.unwrap();
        match place.resume(end.run).await.unwrap().result {
            RunResult::Completed { outputs } => assert_eq!(Some(&outputs["given"]), given.as_ref()),
            RunResult::Failed { error, .. } => {
                assert!(given.is_none());
                assert!(
                    error.message.contains("refused to run `srv__ask`"),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
        let called = usize::from(matches!(reply, Reply::Approve | Reply::Edit { .. }));
        assert_eq!(place.calls.all().len(), called);
    }
}

/// An agent in the middle of its work: what it had done is not done again, and what a person
/// changed is what the model sees.
#[tokio::test]
async fn an_agent_waits_for_permission_in_the_middle_of_its_work() {
    let edited = ropewalk_models::scripted::ScriptedReply {
        expect_text: Some("not that one".to_owned()),
        ..says("All done.")
    };
    let replies = vec![
        calls(&[("srv__read", 1)]),
        calls(&[("srv__ask", 2), ("srv__ask", 3)]),
        edited,
    ];
    let place = Place::with(replies);
    let end = place.run(&agent_graph("{}"), json!({})).await;
    assert!(matches!(end.result, RunResult::Suspended { .. }), "{end:?}");
    let open = place.store.open_interrupts(Some(end.run)).await.unwrap();
    assert_eq!(open.len(), 2, "both calls are asked about at once");
    let edit = Reply::Edit {
        value: json!({"n": 20}),
    };
    place
        .answer(end.run, Some(&open[0].id), edit)
        .await
        .unwrap();
    let still = place.resume(end.run).await.unwrap();
    assert!(
        matches!(still.result, RunResult::Suspended { .. }),
        "{still:?}"
    );
    let no = Reply::Reject {
        reason: "not that one".to_owned(),
    };
    place.answer(end.run, None, no).await.unwrap();
    let end = place.resume(end.run).await.unwrap();
    let RunResult::Completed { outputs } = &end.result else {
        panic!("{end:?}")
    };
    assert_eq!(outputs["said"], json!("All done."));
    assert_eq!(
        place.calls.all(),
        ["srv__read {\"n\":1}", "srv__ask {\"n\":20}"]
    );
    assert_eq!(outputs["report"]["model_calls"], json!(3));
}
