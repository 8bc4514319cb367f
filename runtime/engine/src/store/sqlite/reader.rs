//! Questions to the file.

use ropewalk_core::event::Event;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::super::{ListQuery, OpenInterrupt, RunState, RunSummary, Stamped, StoreError};
use super::blobs::{self, Digest, Missing};
use super::writer::whole;
use super::{Place, state_named, state_word};
use crate::run_id::RunId;

/// Forks of forks whose pasts are put together.
const MOST_FORKS: usize = 1000;

/// The log of a run from one position up to another, the past it shares included.
pub(super) fn events_between(
    connection: &Connection,
    place: &Place,
    run: RunId,
    (from, before): (u64, u64),
) -> Result<Vec<Stamped>, StoreError> {
    let sql = |error: rusqlite::Error| place.error(&error);
    // From the run itself back to the first it shares a past with.
    let mut parts: Vec<(i64, u64)> = Vec::new();
    let first = connection
        .prepare_cached("SELECT key FROM runs WHERE id = ?1 AND hidden = 0")
        .and_then(|mut query| {
            query
                .query_row([run.to_string()], |row| row.get::<_, i64>(0))
                .optional()
        })
        .map_err(sql)?;
    let mut next = Some((first.ok_or(StoreError::NoRun(run))?, before));
    while let Some((key, before)) = next.take() {
        parts.push((key, before));
        if parts.len() > MOST_FORKS {
            break;
        }
        next = connection
            .prepare_cached("SELECT parent, parent_seq FROM runs WHERE key = ?1")
            .and_then(|mut query| {
                query.query_row([key], |row| {
                    let parent: Option<i64> = row.get(0)?;
                    let at: Option<i64> = row.get(1)?;
                    Ok(parent.zip(at))
                })
            })
            .map_err(sql)?
            .map(|(key, at)| (key, u64::try_from(at).unwrap_or(0).min(before)));
    }
    let mut load = |digest: &Digest| blob(connection, digest);
    let mut events = Vec::new();
    for (key, before) in parts.into_iter().rev() {
        let mut query = connection
            .prepare_cached(
                "SELECT seq, at_ms, body FROM events WHERE run = ?1 AND seq >= ?2 AND seq < ?3 \
                 ORDER BY seq",
            )
            .map_err(sql)?;
        let mut rows = query
            .query(params![key, whole(from), whole(before)])
            .map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            let (seq, at_ms, body) = parts_of(row).map_err(sql)?;
            let event = event(&body, &mut load).map_err(|problem| StoreError::Corrupt {
                place: format!("{}: run {run}, event {seq}", place.name()),
                message: format!(
                    "{problem}; other runs can still be read. Fork this one before event {seq}, \
                     or remove it"
                ),
            })?;
            events.push(Stamped {
                run,
                seq,
                at_ms,
                event,
            });
        }
    }
    Ok(events)
}

fn parts_of(row: &Row<'_>) -> Result<(u64, u64, Vec<u8>), rusqlite::Error> {
    let number = |index| -> Result<u64, rusqlite::Error> {
        Ok(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0))
    };
    Ok((number(0)?, number(1)?, row.get(2)?))
}

fn event(
    body: &[u8],
    load: &mut dyn FnMut(&Digest) -> Result<Vec<u8>, Missing>,
) -> Result<Event, Missing> {
    let json = blobs::unpacked(body)?;
    if !json.windows(2).any(|pair| pair == b"\"$") {
        return serde_json::from_slice(&json).map_err(|error| error.to_string());
    }
    let value: Value = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    let whole = blobs::lengthen(value, load)?;
    serde_json::from_value(whole).map_err(|error| error.to_string())
}

fn blob(connection: &Connection, digest: &Digest) -> Result<Vec<u8>, Missing> {
    let found = connection
        .prepare_cached("SELECT data FROM blobs WHERE digest = ?1")
        .and_then(|mut query| {
            query
                .query_row([&digest[..]], |row| row.get::<_, Vec<u8>>(0))
                .optional()
        })
        .map_err(|error| error.to_string())?;
    let packed = found.ok_or_else(|| "a value it refers to is gone".to_owned())?;
    let json = blobs::unpacked(&packed)?.into_owned();
    if blake3::hash(&json).as_bytes() == digest {
        Ok(json)
    } else {
        Err("a value it refers to is damaged".to_owned())
    }
}

/// The latest snapshot of a run. One that cannot be put together is as good as none.
pub(super) fn snapshot(
    connection: &Connection,
    place: &Place,
    run: RunId,
) -> Result<Option<(u64, Value)>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT snapshots.seq, snapshots.body FROM runs \
             LEFT JOIN snapshots ON snapshots.run = runs.key \
             WHERE runs.id = ?1 AND runs.hidden = 0",
        )
        .and_then(|mut query| {
            query
                .query_row([run.to_string()], |row| {
                    let seq: Option<i64> = row.get(0)?;
                    let body: Option<Vec<u8>> = row.get(1)?;
                    Ok(seq.zip(body))
                })
                .optional()
        })
        .map_err(|error| place.error(&error))?;
    let Some((seq, body)) = found.ok_or(StoreError::NoRun(run))? else {
        return Ok(None);
    };
    let mut load = |digest: &Digest| blob(connection, digest);
    let value = blobs::unpacked(&body)
        .and_then(|json| serde_json::from_slice(&json).map_err(|error| error.to_string()))
        .and_then(|value| blobs::lengthen(value, &mut load));
    match value {
        Ok(value) => Ok(Some((u64::try_from(seq).unwrap_or(0), value))),
        Err(problem) => {
            tracing::warn!(%run, problem, "a snapshot cannot be read; the log is read instead");
            Ok(None)
        }
    }
}

const SUMMARY: &str = "SELECT runs.id, runs.graph, runs.state, runs.created_ms, runs.updated_ms, \
     runs.next_seq, runs.waiting, runs.model_calls, runs.tool_calls, runs.tokens, parent.id \
     FROM runs LEFT JOIN runs AS parent ON parent.key = runs.parent";

/// A row of [`SUMMARY`]; `None` for a name that is none.
fn summary_of(place: &Place, row: &Row<'_>) -> Result<Option<RunSummary>, rusqlite::Error> {
    let number = |index| -> Result<u64, rusqlite::Error> {
        Ok(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0))
    };
    let Ok(run) = row.get::<_, String>(0)?.parse::<RunId>() else {
        return Ok(None);
    };
    let state = state_named(&row.get::<_, String>(2)?).unwrap_or(RunState::Failed);
    let state = if state == RunState::Running && !place.is_claimed(run) {
        RunState::Interrupted
    } else {
        state
    };
    let parent: Option<String> = row.get(10)?;
    Ok(Some(RunSummary {
        run,
        graph: row.get(1)?,
        state,
        created_ms: number(3)?,
        updated_ms: number(4)?,
        events: number(5)?,
        waiting: number(6)?,
        model_calls: number(7)?,
        tool_calls: number(8)?,
        tokens: number(9)?,
        forked_from: parent.and_then(|parent| parent.parse().ok()),
    }))
}

pub(super) fn summary(
    connection: &Connection,
    place: &Place,
    run: RunId,
) -> Result<RunSummary, StoreError> {
    let sql = |error: rusqlite::Error| place.error(&error);
    let mut query = connection
        .prepare_cached(&format!("{SUMMARY} WHERE runs.id = ?1 AND runs.hidden = 0"))
        .map_err(sql)?;
    let found = query
        .query_row([run.to_string()], |row| summary_of(place, row))
        .optional()
        .map_err(sql)?;
    found.flatten().ok_or(StoreError::NoRun(run))
}

pub(super) fn list(
    connection: &Connection,
    place: &Place,
    query: ListQuery,
) -> Result<Vec<RunSummary>, StoreError> {
    let sql = |error: rusqlite::Error| place.error(&error);
    let written = query.state.map(state_word);
    let mut statement = connection
        .prepare_cached(&format!(
            "{SUMMARY} WHERE runs.hidden = 0 AND (?1 IS NULL OR runs.state = ?1) \
             AND (?2 IS NULL OR runs.id < ?2) ORDER BY runs.id DESC"
        ))
        .map_err(sql)?;
    let before = query.before.map(|before| before.to_string());
    let mut rows = statement.query(params![written, before]).map_err(sql)?;
    let mut found = Vec::new();
    while found.len() < query.limit
        && let Some(row) = rows.next().map_err(sql)?
    {
        let Some(summary) = summary_of(place, row).map_err(sql)? else {
            continue;
        };
        if query.state.is_none_or(|state| summary.state == state) {
            found.push(summary);
        }
    }
    Ok(found)
}

pub(super) fn open_interrupts(
    connection: &Connection,
    place: &Place,
    run: Option<RunId>,
) -> Result<Vec<OpenInterrupt>, StoreError> {
    let sql = |error: rusqlite::Error| place.error(&error);
    if let Some(run) = run {
        summary(connection, place, run)?;
    }
    let mut query = connection
        .prepare_cached(
            "SELECT runs.id, interrupts.id, interrupts.body FROM interrupts \
             JOIN runs ON runs.key = interrupts.run \
             WHERE (?1 IS NULL OR runs.id = ?1) ORDER BY runs.id, interrupts.id",
        )
        .map_err(sql)?;
    let mut rows = query
        .query(params![run.map(|run| run.to_string())])
        .map_err(sql)?;
    let mut open = Vec::new();
    while let Some(row) = rows.next().map_err(sql)? {
        let (run, id, body): (String, String, String) = (
            row.get(0).map_err(sql)?,
            row.get(1).map_err(sql)?,
            row.get(2).map_err(sql)?,
        );
        let interrupt = serde_json::from_str(&body).map_err(|error| StoreError::Corrupt {
            place: format!("{}: run {run}, question {id}", place.name()),
            message: error.to_string(),
        })?;
        if let Ok(run) = run.parse() {
            open.push(OpenInterrupt { run, id, interrupt });
        }
    }
    Ok(open)
}

pub(super) fn cached(
    connection: &Connection,
    place: &Place,
    key: &str,
    now_ms: u64,
) -> Result<Option<Value>, StoreError> {
    let found = connection
        .prepare_cached("SELECT value FROM cache WHERE key = ?1 AND until_ms > ?2")
        .and_then(|mut query| {
            query
                .query_row(params![key, whole(now_ms)], |row| row.get::<_, String>(0))
                .optional()
        })
        .map_err(|error| place.error(&error))?;
    // A value that cannot be read is made again.
    Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
}
