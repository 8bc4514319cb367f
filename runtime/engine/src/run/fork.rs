//! Runs that share the past of others, and answers that are left for runs.

use ropewalk_core::event::{EVENT_VERSION, Event, Origin};
use ropewalk_core::interrupt::Reply;
use ropewalk_core::secret;

use super::RunError;
use crate::journal::header::{self, Told};
use crate::journal::now_ms;
use crate::journal::past::Keep;
use crate::run_id::RunId;
use crate::store::{Durability, OpenInterrupt, Stamped, Store};

/// Makes a new run that shares the past of another up to a place in its log. It stands still
/// until it is resumed.
///
/// # Errors
/// When there is no such run or place.
pub async fn fork(store: &dyn Store, run: RunId, at: u64) -> Result<RunId, RunError> {
    let mut events = store.events(run).await?;
    let count = events.len() as u64;
    if at == 0 || at > count {
        return Err(RunError::NoEvent {
            run,
            seq: at,
            events: count,
        });
    }
    events.truncate(usize::try_from(at).unwrap_or(usize::MAX));
    let Told { header, .. } = header::read(None, events, Keep::ToGoOn)
        .map_err(|problem| RunError::Log { run, problem })?;
    let fork = RunId::generate();
    let _claim = store.claim(fork).await?;
    let stamp = |seq, event| Stamped {
        run: fork,
        seq,
        at_ms: now_ms(),
        event,
    };
    let first = Event::RunStarted {
        version: EVENT_VERSION,
        graph: header.graph,
        signature: header.signature,
        bundle: Box::new(header.bundle),
        inputs: header.inputs,
        engine: header.engine,
        tools: Vec::new(),
        outside: header.outside.into_iter().collect(),
        forked: Some(Origin {
            run: run.to_string(),
            seq: at,
        }),
    };
    let second = Event::Suspended {
        reason: format!("forked from {run} at event {at}"),
    };
    store.append(
        Durability::Full,
        vec![stamp(at, first), stamp(at + 1, second)],
    );
    store.flush(fork).await?;
    Ok(fork)
}

/// Leaves an answer to an open question; the run takes it when it is resumed.
///
/// # Errors
/// When there is no such run or question, or the answer does not fit.
pub async fn answer(
    store: &dyn Store,
    run: RunId,
    id: Option<&str>,
    reply: &Reply,
) -> Result<OpenInterrupt, RunError> {
    let open = store.open_interrupts(Some(run)).await?;
    let found = match id {
        Some(id) => open.iter().find(|open| open.id == id),
        // With one question open, it is that one.
        None => open.first().filter(|_| open.len() == 1),
    };
    let Some(found) = found else {
        let ids: Vec<&str> = open.iter().map(|open| open.id.as_str()).collect();
        let problem = match (id, ids.is_empty()) {
            (_, true) => "asks nothing now; resume it to go on".to_owned(),
            (None, false) => format!("asks several questions, name one: {}", ids.join(", ")),
            (Some(id), false) => format!("does not ask `{id}`; it asks: {}", ids.join(", ")),
        };
        return Err(RunError::NotAsked { run, problem });
    };
    let cleaned = secret::redactor().cleaned(reply);
    let reply = cleaned.as_ref().unwrap_or(reply);
    found.interrupt.check(reply)?;
    store.answer(run, &found.id, reply).await?;
    Ok(found.clone())
}
