//! What every store must do. A store passes when [`check`] returns.

use std::sync::Arc;

use ropewalk_core::event::{
    EVENT_VERSION, EffectOutcome, EffectRequest, Event, Origin, RunOutcome,
};
use ropewalk_core::graph::bundle::Bundle;
use ropewalk_core::graph::signature::Signature;
use ropewalk_core::interrupt::{Interrupt, InterruptKind, Reply};
use ropewalk_core::message::{ChatReply, FinishReason, Usage};
use serde_json::{Value, json};

use super::{Durability, ListQuery, RunState, Stamped, Store, StoreError};
use crate::run_id::RunId;

/// What a store did that it must not, or did not that it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store does not conform: {0}")]
pub struct Nonconforming(String);

impl From<StoreError> for Nonconforming {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

type Checked = Result<(), Nonconforming>;

fn must(holds: bool, what: &str) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Nonconforming(what.to_owned()))
    }
}

/// A log in the making.
struct Log {
    run: RunId,
    seq: u64,
}

impl Log {
    fn stamp(&mut self, event: Event) -> Stamped {
        let seq = self.seq;
        self.seq += 1;
        Stamped {
            run: self.run,
            seq,
            at_ms: 1_000 + seq,
            event,
        }
    }

    fn start(run: RunId, forked: Option<Origin>) -> (Self, Stamped) {
        let mut log = Self {
            run,
            seq: forked.as_ref().map_or(0, |origin| origin.seq),
        };
        let event = Event::RunStarted {
            version: EVENT_VERSION,
            graph: "g".to_owned(),
            signature: Signature::default(),
            bundle: Box::new(Bundle::default()),
            inputs: Arc::default(),
            engine: "scripted".to_owned(),
            tools: Vec::new(),
            outside: Vec::new(),
            forked,
        };
        let first = log.stamp(event);
        (log, first)
    }
}

fn note(text: &str, value: Value) -> Event {
    Event::EffectEnded {
        slot: text.to_owned(),
        outcome: EffectOutcome::Value {
            value: Arc::new(value),
        },
    }
}

fn raised(id: &str) -> Event {
    Event::InterruptRaised {
        id: id.to_owned(),
        interrupt: Interrupt {
            kind: InterruptKind::Human,
            path: id.to_owned(),
            question: "May it?".to_owned(),
            proposal: None,
            schema: None,
            who: None,
            call: None,
            reasons: Vec::new(),
        },
    }
}

/// Puts a fresh store through everything that runs rely on.
///
/// # Errors
/// What the store does wrong.
pub async fn check(store: &dyn Store) -> Result<(), Nonconforming> {
    keeps_events_in_order(store).await?;
    keeps_large_and_strange_values(store).await?;
    refuses_what_does_not_follow(store).await?;
    lets_one_work_at_a_time(store).await?;
    counts_and_lists(store).await?;
    keeps_questions_and_answers(store).await?;
    forks_share_their_past(store).await?;
    removes(store).await?;
    caches(store).await
}

async fn keeps_events_in_order(store: &dyn Store) -> Checked {
    let run = RunId::generate();
    must(
        store.events(run).await == Err(StoreError::NoRun(run)),
        "a run that does not exist has a log",
    )?;
    let _claim = store.claim(run).await?;
    let (mut log, first) = Log::start(run, None);
    let mut all = vec![first.clone()];
    store.append(Durability::Process, vec![first]);
    for index in 0..300 {
        let event = log.stamp(note(&format!("e{index}"), json!(index)));
        all.push(event.clone());
        let durability = match index % 3 {
            0 => Durability::Process,
            _ => Durability::Full,
        };
        store.append(durability, vec![event]);
    }
    store.flush(run).await?;
    must(
        store.events(run).await? == all,
        "events are lost, changed or out of order",
    )?;
    let last: Vec<Stamped> = all.get(290..).unwrap_or_default().to_vec();
    must(
        store.events_from(run, 290).await? == last,
        "a part of a log is not the part asked for",
    )?;
    must(
        store.latest_snapshot(run).await?.is_none(),
        "there is a snapshot that nobody took",
    )?;
    for seq in [100, 200] {
        let snapshot = json!({"at": seq, "text": "long ".repeat(9_000)});
        store.snapshot(run, seq, snapshot.clone());
        store.flush(run).await?;
        must(
            store.latest_snapshot(run).await? == Some((seq, snapshot)),
            "the latest snapshot is not the last one taken",
        )?;
    }
    must(
        store.events(run).await? == all,
        "a snapshot changes the log",
    )
}

async fn keeps_large_and_strange_values(store: &dyn Store) -> Checked {
    let run = RunId::generate();
    let _claim = store.claim(run).await?;
    let (mut log, first) = Log::start(run, None);
    let long = "a long text, ".repeat(20_000);
    let list: Vec<Value> = (0..3_000)
        .map(|n| json!({"n": n, "t": "x".repeat(n % 90)}))
        .collect();
    let values = [
        json!(null),
        json!(long),
        json!(list),
        json!({"$blob": "not one", "b": 1}),
        json!({"$blob": "00"}),
        json!({"$pieces": [1]}),
        json!({"$quoted": {"$blob": long}}),
        json!({"deep": {"deeper": {"text": long, "list": list}}}),
        json!("\u{0}\u{1f600}\""),
        json!(u64::MAX),
        json!(-1.5e300),
    ];
    let mut all = vec![first];
    all.extend(values.into_iter().map(|value| log.stamp(note("v", value))));
    store.append(Durability::Process, all.clone());
    store.flush(run).await?;
    must(
        store.events(run).await? == all,
        "a value did not come back as it was",
    )
}

async fn refuses_what_does_not_follow(store: &dyn Store) -> Checked {
    let run = RunId::generate();
    let claim = store.claim(run).await?;
    let (mut log, first) = Log::start(run, None);
    store.append(Durability::Process, vec![first.clone()]);
    log.seq = 5;
    store.append(Durability::Process, vec![log.stamp(note("hole", json!(1)))]);
    must(store.flush(run).await.is_err(), "a log may have a hole")?;
    log.seq = 1;
    store.append(Durability::Process, vec![log.stamp(note("late", json!(1)))]);
    must(
        store.flush(run).await.is_err(),
        "a log goes on after a hole",
    )?;
    drop(claim);
    let _claim = store.claim(run).await?;
    log.seq = 1;
    store.append(Durability::Process, vec![log.stamp(note("next", json!(1)))]);
    store.flush(run).await?;
    must(
        store.events(run).await?.len() == 2,
        "a new worker cannot go on",
    )?;
    store.append(Durability::Process, vec![first]);
    must(store.flush(run).await.is_err(), "a run can begin twice")
}

async fn lets_one_work_at_a_time(store: &dyn Store) -> Checked {
    let run = RunId::generate();
    let claim = store.claim(run).await?;
    must(
        matches!(store.claim(run).await, Err(StoreError::Busy(busy)) if busy == run),
        "two may work on one run",
    )?;
    let (_, first) = Log::start(run, None);
    store.append(Durability::Process, vec![first]);
    store.flush(run).await?;
    must(
        store.summary(run).await?.state == RunState::Running,
        "a claimed run is not running",
    )?;
    must(
        store.remove(run).await.is_err(),
        "a run can be removed while it is worked on",
    )?;
    drop(claim);
    must(
        store.summary(run).await?.state == RunState::Interrupted,
        "a run that nobody works on is running",
    )?;
    let _again = store.claim(run).await?;
    Ok(())
}

async fn counts_and_lists(store: &dyn Store) -> Checked {
    let run = RunId::generate();
    let _claim = store.claim(run).await?;
    let (mut log, first) = Log::start(run, None);
    let asked = log.stamp(Event::EffectStarted {
        slot: "m".to_owned(),
        key: "k".to_owned(),
        repeatable: true,
        request: EffectRequest::Model {
            engine: "scripted".to_owned(),
            request: Default::default(),
        },
    });
    let replied = log.stamp(Event::EffectEnded {
        slot: "m".to_owned(),
        outcome: EffectOutcome::Reply {
            reply: ChatReply {
                text: "yes".to_owned(),
                thinking: None,
                calls: Vec::new(),
                finish: FinishReason::Stop,
                usage: Usage {
                    input_tokens: 7,
                    output_tokens: 5,
                    cached_tokens: 0,
                    cost_micros: 0,
                },
                logprobs: Vec::new(),
                abstained: false,
                engine: None,
                passed_over: Vec::new(),
            },
        },
    });
    let ended = log.stamp(Event::RunEnded {
        outcome: RunOutcome::Completed {
            outputs: Arc::default(),
        },
    });
    store.append(Durability::Process, vec![first, asked, replied, ended]);
    store.flush(run).await?;
    let summary = store.summary(run).await?;
    must(
        (summary.model_calls, summary.tokens, summary.events) == (1, 12, 4),
        "calls, tokens or events are not counted",
    )?;
    must(
        summary.state == RunState::Completed,
        "a run that ended is not completed",
    )?;
    must(
        summary.updated_ms == 1_003,
        "the time of the last event is not kept",
    )?;
    let latest = store
        .list(ListQuery {
            limit: 1,
            ..ListQuery::default()
        })
        .await?;
    must(
        latest.first().map(|summary| summary.run) == Some(run) && latest.len() == 1,
        "the latest run is not listed first",
    )?;
    let completed = store
        .list(ListQuery {
            state: Some(RunState::Completed),
            before: None,
            limit: 100,
        })
        .await?;
    must(
        completed
            .iter()
            .all(|summary| summary.state == RunState::Completed)
            && completed.iter().any(|summary| summary.run == run),
        "listing by state is wrong",
    )?;
    let before = store
        .list(ListQuery {
            state: None,
            before: Some(run),
            limit: 100,
        })
        .await?;
    must(
        !before.is_empty() && before.iter().all(|summary| summary.run < run),
        "the next page of a list is wrong",
    )
}

async fn keeps_questions_and_answers(store: &dyn Store) -> Checked {
    let run = RunId::generate();
    let _claim = store.claim(run).await?;
    let (mut log, first) = Log::start(run, None);
    let events = vec![first, log.stamp(raised("a")), log.stamp(raised("b"))];
    store.append(Durability::Process, events);
    store.flush(run).await?;
    must(
        store.summary(run).await?.waiting == 2,
        "open questions are not counted",
    )?;
    let escalated = log.stamp(Event::InterruptAnswered {
        id: "a".to_owned(),
        reply: Reply::Escalate {
            to: "the boss".to_owned(),
            note: String::new(),
        },
    });
    let answered = log.stamp(Event::InterruptAnswered {
        id: "b".to_owned(),
        reply: Reply::Approve,
    });
    store.append(Durability::Process, vec![escalated, answered]);
    store.flush(run).await?;
    let open = store.open_interrupts(Some(run)).await?;
    let who = open.first().and_then(|open| open.interrupt.who.as_deref());
    must(
        open.len() == 1 && who == Some("the boss") && store.summary(run).await?.waiting == 1,
        "an escalated question is not open to another",
    )?;
    must(
        store
            .open_interrupts(None)
            .await?
            .iter()
            .any(|open| open.run == run),
        "open questions of all runs leave one out",
    )?;
    store.answer(run, "a", &Reply::Approve).await?;
    let reply = Reply::Reply { value: json!(1) };
    store.answer(run, "a", &reply).await?;
    must(
        store.take_answers(run).await? == [("a".to_owned(), reply)],
        "an answer cannot be replaced before it is taken",
    )?;
    must(
        store.take_answers(run).await?.is_empty(),
        "an answer is taken twice",
    )?;
    let nobody = RunId::generate();
    must(
        store.answer(nobody, "a", &Reply::Approve).await == Err(StoreError::NoRun(nobody)),
        "a run that does not exist takes an answer",
    )
}

async fn forks_share_their_past(store: &dyn Store) -> Checked {
    let run = RunId::generate();
    let claim = store.claim(run).await?;
    let (mut log, first) = Log::start(run, None);
    let large = json!("shared ".repeat(9_000));
    let mut events = vec![first, log.stamp(raised("q"))];
    events.extend((0..5).map(|_| log.stamp(note("n", large.clone()))));
    store.append(Durability::Process, events.clone());
    store.flush(run).await?;
    drop(claim);
    let fork = RunId::generate();
    let claim = store.claim(fork).await?;
    let origin = Origin {
        run: run.to_string(),
        seq: 4,
    };
    let (mut forked, first) = Log::start(fork, Some(origin));
    let own = vec![first, forked.stamp(note("own", json!(1)))];
    store.append(Durability::Process, own.clone());
    store.flush(fork).await?;
    drop(claim);
    let past = events
        .iter()
        .take(4)
        .cloned()
        .map(|event| Stamped { run: fork, ..event });
    let expected: Vec<Stamped> = past.chain(own).collect();
    let restamped = |events: Vec<Stamped>| -> Vec<Stamped> {
        events
            .into_iter()
            .map(|event| Stamped { run: fork, ..event })
            .collect()
    };
    must(
        restamped(store.events(fork).await?) == expected,
        "a fork does not share its past",
    )?;
    let summary = store.summary(fork).await?;
    must(
        summary.forked_from == Some(run) && summary.waiting == 1 && summary.events == 6,
        "a fork's summary leaves out its past",
    )?;
    must(
        store.open_interrupts(Some(fork)).await?.len() == 1,
        "a question of the past is not open in the fork",
    )?;
    // The past stays while a fork needs it.
    store.remove(run).await?;
    must(
        store.events(run).await == Err(StoreError::NoRun(run)),
        "a removed run is still there",
    )?;
    must(
        restamped(store.events(fork).await?) == expected,
        "a fork lost its past",
    )?;
    store.remove(fork).await?;
    must(
        store.events(fork).await.is_err(),
        "a removed fork is still there",
    )
}

async fn removes(store: &dyn Store) -> Checked {
    let run = RunId::generate();
    let claim = store.claim(run).await?;
    let (mut log, first) = Log::start(run, None);
    let ended = log.stamp(Event::RunEnded {
        outcome: RunOutcome::Completed {
            outputs: Arc::default(),
        },
    });
    store.append(Durability::Process, vec![first, ended]);
    store.flush(run).await?;
    must(
        store.remove_ended_before(900).await? == 0,
        "a run is removed before its time",
    )?;
    drop(claim);
    must(
        store.remove_ended_before(u64::MAX / 4).await? >= 1,
        "an old run is not removed",
    )?;
    must(
        store.summary(run).await.is_err(),
        "a run that was removed is listed",
    )?;
    let nobody = RunId::generate();
    must(
        store.remove(nobody).await == Err(StoreError::NoRun(nobody)),
        "a run that does not exist can be removed",
    )
}

async fn caches(store: &dyn Store) -> Checked {
    must(
        store.cached("k", 0).await?.is_none(),
        "the cache is not empty",
    )?;
    store.cache("k", &json!({"a": 1}), 100).await?;
    must(
        store.cached("k", 99).await? == Some(json!({"a": 1})),
        "a cached result is lost",
    )?;
    must(
        store.cached("k", 100).await?.is_none(),
        "a cached result outlives its time",
    )?;
    store.cache("k", &json!(2), 200).await?;
    must(
        store.cached("k", 100).await? == Some(json!(2)),
        "a cached result is not renewed",
    )
}
