//! A run broken off after each of its events: whatever the log holds by then, resuming comes to the
//! same end, and does nothing again that had ended.

use std::collections::HashSet;
use std::sync::Arc;

use ropewalk_core::event::{EffectRequest, Event};
use ropewalk_core::interrupt::Reply;
use ropewalk_engine::run::RunResult;
use ropewalk_engine::store::memory::MemoryStore;
use ropewalk_engine::store::{Durability, Stamped, Store};
use serde_json::json;

use crate::place::{Place, agent_graph, calls, graph, says, script};

/// Branches with different joins, a loop with a branch in it, a map, errors that are dealt with.
const WOVEN: &str = "
name: woven
channels:
  log: {type: array, reducer: append}
  turns: {type: integer, reducer: sum, default: 0}
  items: {type: array, default: [1, 2, 3]}
  out: array
  problem: string
nodes:
  begin: {function: {name: touch, arguments: {name: begin}}, writes: {log: \"'begin'\"}}
  left: {function: {name: touch, arguments: {name: left}}, writes: {log: \"'left'\"}}
  right: {model: {prompt: say right}, writes: {log: result}}
  never: {function: {name: touch, arguments: {name: never}}, writes: {log: \"'never'\"}}
  first: {set: {log: \"'first'\"}, join: any}
  step: {function: {name: touch, arguments: {name: \"step {{ turns }}\"}}, writes: {turns: '1', log: \"'step'\"}}
  odd: {function: {name: touch, arguments: {name: \"odd {{ turns }}\"}}, writes: {log: \"'odd'\"}}
  turn: {set: {log: \"'turn'\"}}
  each:
    map: {over: items, each: {function: {name: touch, arguments: {name: \"item {{ item }}\"}}}, concurrency: 2}
    writes: out
  breaks:
    function: fail
    on_error: {do: fail, writes: {problem: error.kind}}
  mend: {function: {name: touch, arguments: {name: mend}}, writes: {log: \"'mend'\"}}
edges:
  - begin -> left, right
  - {from: begin, to: never, when: turns > 5}
  - left, right, never -> first
  - left, right -> step
  - {from: step, to: odd, when: turns % 2 == 1}
  - step, odd -> turn
  - {from: turn, to: step, when: turns < 4, max_visits: 6}
  - turn -> each -> breaks
  - {from: breaks, to: mend, on: error}
";

async fn every_prefix(make: impl Fn() -> Place, graph: &Arc<ropewalk_core::graph::ir::Graph>) {
    let place = make();
    let end = place.run(graph, json!({})).await;
    let RunResult::Completed { outputs } = &end.result else {
        panic!("{end:?}")
    };
    let events = place.store.events(end.run).await.unwrap();
    assert!(events.len() > 8, "{}", events.len());
    for count in 1..events.len() {
        let place = broken_off(&make, &events[..count]).await;
        let ended = ended(&events[..count]);
        let mut end = place.resume(end.run).await.unwrap();
        for _ in 0..20 {
            if !matches!(end.result, RunResult::Suspended { .. }) {
                break;
            }
            // What had begun and not ended is taken for not done: here nothing outside knows it.
            for question in place.store.open_interrupts(Some(end.run)).await.unwrap() {
                place
                    .answer(end.run, Some(&question.id), Reply::Approve)
                    .await
                    .unwrap();
            }
            end = place.resume(end.run).await.unwrap();
        }
        let RunResult::Completed { outputs: again } = &end.result else {
            panic!("after {count} events: {end:?}")
        };
        assert_eq!(again, outputs, "after {count} events");
        let again: Vec<String> = place
            .calls
            .all()
            .into_iter()
            .filter(|call| ended.contains(call))
            .collect();
        assert!(
            again.is_empty(),
            "after {count} events, done again: {again:?}"
        );
    }
}

/// A place whose store holds the beginning of a log.
async fn broken_off(make: impl Fn() -> Place, events: &[Stamped]) -> Place {
    let mut place = make();
    let store = MemoryStore::new();
    let run = events[0].run;
    let claim = store.claim(run).await.unwrap();
    store.append(Durability::Process, events.to_vec());
    store.flush(run).await.unwrap();
    drop(claim);
    place.store = Arc::new(store);
    place.services.store = Some(Arc::clone(&place.store));
    place
}

/// What of the world had been touched for certain.
fn ended(events: &[Stamped]) -> HashSet<String> {
    let mut begun = std::collections::HashMap::new();
    let mut ended = HashSet::new();
    for stamped in events {
        match &stamped.event {
            Event::EffectStarted { slot, request, .. } => {
                let name = match request {
                    EffectRequest::Function { arguments, .. } => {
                        format!("touch {}", arguments["name"].as_str().unwrap())
                    }
                    EffectRequest::Tool { call } => format!("{} {}", call.name, call.arguments),
                    _ => continue,
                };
                begun.insert(slot.clone(), name);
            }
            Event::EffectEnded { slot, .. } => ended.extend(begun.remove(slot)),
            _ => {}
        }
    }
    ended
}

#[tokio::test]
async fn a_woven_graph_comes_to_the_same_end_from_everywhere() {
    every_prefix(
        || Place::with(script(&[("say right", "right")])),
        &graph(WOVEN),
    )
    .await;
}

#[tokio::test]
async fn an_agent_comes_to_the_same_end_from_everywhere() {
    // The engine answers by what is asked, so that it can be asked from anywhere on.
    let replies = || {
        let mut last = says("It is done.");
        let mut second = calls(&[("srv__read", 3)]);
        second.when = Some("{\"n\":2}".to_owned());
        let mut first = calls(&[("srv__read", 1), ("srv__read", 2)]);
        first.when = Some("Do it".to_owned());
        last.when = Some("{\"n\":3}".to_owned());
        vec![last, second, first]
    };
    every_prefix(|| Place::with(replies()), &agent_graph("{}")).await;
}
