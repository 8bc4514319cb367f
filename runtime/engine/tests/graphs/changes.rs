//! Runs that are resumed on a changed graph, forked, or replayed.

use ropewalk_core::event::Event;
use ropewalk_core::interrupt::Reply;
use ropewalk_engine::run::{self, Resumed, RunError, RunResult};
use serde_json::json;

use crate::place::{Place, graph, script};

const GRAPH: &str = "
name: changing
channels: {a: string, b: string, c: string}
nodes:
  first: {function: {name: touch, arguments: {name: first}}, writes: a}
  ask: {human: {ask: go on?}, writes: b}
  last: {model: {prompt: say last}, writes: c}
edges: [first -> ask -> last]
";

#[tokio::test]
async fn what_has_not_begun_may_change() {
    let place = Place::with(script(&[("say", "word"), ("shout", "WORD")]));
    let end = place.run(&graph(GRAPH), json!({})).await;
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
    let changed = graph(&GRAPH.replace("say last", "shout last"));
    let resumed = Resumed::With(changed);
    let end = run::resume(&place.services, end.run, resumed, place.options())
        .await
        .unwrap();
    let RunResult::Completed { outputs } = end.result else {
        panic!("{end:?}")
    };
    assert_eq!(outputs["c"], json!("WORD"));
    assert_eq!(place.calls.all(), ["touch first"]);
}

#[tokio::test]
async fn what_has_begun_may_not_change_and_the_difference_is_shown() {
    let place = Place::with(script(&[("say", "word")]));
    let end = place.run(&graph(GRAPH), json!({})).await;
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
    for (old, new, line) in [
        ("name: first}", "name: second}", "~ node first"),
        ("c: string}", "c: any}", "~ channel c"),
        ("go on?", "really?", "~ node ask"),
    ] {
        let changed = Resumed::With(graph(&GRAPH.replace(old, new)));
        let refused = run::resume(&place.services, end.run, changed, place.options()).await;
        let error = refused.unwrap_err();
        assert!(matches!(error, RunError::Changed { .. }));
        assert!(error.to_string().contains(line), "{error}");
    }
    // The graph it carries is always there.
    let end = place.resume(end.run).await.unwrap();
    assert!(matches!(end.result, RunResult::Completed { .. }), "{end:?}");
}

#[tokio::test]
async fn a_fork_shares_the_past_and_goes_its_own_way() {
    let place = Place::with(script(&[("say", "word")]));
    let end = place.run(&graph(GRAPH), json!({})).await;
    let events = place.store.events(end.run).await.unwrap();
    let asked = events
        .iter()
        .position(|stamped| matches!(stamped.event, Event::InterruptRaised { .. }));
    let at = asked.unwrap() as u64 + 1;
    let fork = run::fork(&*place.store, end.run, at).await.unwrap();
    for (run, said) in [(end.run, "one"), (fork, "two")] {
        place
            .answer(run, None, Reply::Reply { value: json!(said) })
            .await
            .unwrap();
        let end = place.resume(run).await.unwrap();
        let RunResult::Completed { outputs } = end.result else {
            panic!("{end:?}")
        };
        assert_eq!(outputs["b"], json!(said));
    }
    assert_eq!(
        place.calls.all(),
        ["touch first"],
        "the past is shared, not repeated"
    );
    let nowhere = run::fork(&*place.store, end.run, 10_000).await.unwrap_err();
    assert!(nowhere.to_string().contains("no event 10000"), "{nowhere}");
}

#[tokio::test]
async fn a_replay_needs_nothing_and_shows_what_drifts() {
    let place = Place::with(script(&[("say", "word")]));
    let end = place.run(&graph(GRAPH), json!({})).await;
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
    let events = place.store.events(end.run).await.unwrap();
    let bare = Place::new();
    let again = run::replay(&bare.services, events.clone(), None, Default::default())
        .await
        .unwrap();
    assert_eq!(again.result, end.result);
    assert!(bare.calls.all().is_empty());
    for (old, new, told) in [
        (
            "say last",
            "say the last",
            "+      \"text\": \"say the last\"",
        ),
        ("name: first}", "name: 1st}", "+    \"name\": \"1st\""),
        ("writes: c}", "writes: a}", "another result"),
    ] {
        let changed = graph(&GRAPH.replace(old, new));
        let drift = run::replay(
            &bare.services,
            events.clone(),
            Some(changed),
            Default::default(),
        );
        let drift = drift.await.unwrap_err().to_string();
        assert!(drift.contains(told), "{drift}");
    }
}

#[tokio::test]
async fn a_run_that_does_not_exist_is_said_to() {
    let place = Place::new();
    let nobody = ropewalk_engine::RunId::generate();
    let error = place.resume(nobody).await.unwrap_err().to_string();
    assert!(error.contains("there is no run"), "{error}");
}
