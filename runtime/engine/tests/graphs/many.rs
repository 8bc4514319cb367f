//! Many runs at once, and many that wait.

use std::sync::Arc;

use ropewalk_core::interrupt::Reply;
use ropewalk_engine::run::{self, Resumed, RunOptions, RunResult};
use ropewalk_engine::store::sqlite::SqliteStore;
use ropewalk_engine::store::{ListQuery, RunState, Store};
use serde_json::{Map, json};

use crate::place::{Place, graph, script};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_runs_at_once_and_a_thousand_that_wait() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&folder.path().join("runs.db")).unwrap());
    let mut place = Place::with(script(&[("say", "word")]));
    place.services.store = Some(Arc::clone(&store));
    let graph = graph(
        "
name: waits
channels: {n: integer, said: string, answer: string}
input: [n]
nodes:
  touch: {function: {name: touch, arguments: {name: \"run {{ n }}\"}}}
  say: {model: {prompt: say}, writes: said}
  ask: {human: {ask: go on?}, writes: answer}
edges: [touch -> say -> ask]
",
    );
    let mut waiting = Vec::new();
    for batch in 0..10 {
        let runs = (0..100).map(|n| {
            let (services, graph) = (place.services.clone(), Arc::clone(&graph));
            tokio::spawn(async move {
                let inputs = Map::from_iter([("n".to_owned(), json!(batch * 100 + n))]);
                run::start(&services, &graph, &inputs, RunOptions::default())
                    .await
                    .unwrap()
            })
        });
        for end in futures::future::join_all(runs.collect::<Vec<_>>()).await {
            let end = end.unwrap();
            assert!(matches!(end.result, RunResult::Suspended { .. }), "{end:?}");
            waiting.push(end.run);
        }
    }
    let query = ListQuery {
        state: Some(RunState::Suspended),
        before: None,
        limit: 5_000,
    };
    assert_eq!(store.list(query).await.unwrap().len(), 1_000);
    assert_eq!(store.open_interrupts(None).await.unwrap().len(), 1_000);
    let chosen = waiting[437];
    let reply = Reply::Reply {
        value: json!("yes"),
    };
    run::answer(&*store, chosen, None, &reply).await.unwrap();
    let end = run::resume(
        &place.services,
        chosen,
        Resumed::AsRecorded,
        RunOptions::default(),
    );
    let RunResult::Completed { outputs } = end.await.unwrap().result else {
        panic!("not done")
    };
    assert_eq!(
        (&outputs["n"], &outputs["answer"]),
        (&json!(437), &json!("yes"))
    );
    assert_eq!(place.calls.count("touch run 437"), 1);
    assert_eq!(store.list(query).await.unwrap().len(), 999);
}
