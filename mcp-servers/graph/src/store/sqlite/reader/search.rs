//! Passages by their words.

use rusqlite::{Transaction, params};

use super::super::super::view::{Found, PassageRef};
use super::super::fault::Fault;

/// Passages with some of the stems, best first. All that have the score of the last one are looked
/// at, so that the order of equal ones is theirs and not the one they came in.
pub(in super::super) fn search(
    moment: &Transaction<'_>,
    stems: &[String],
    limit: usize,
) -> Result<Vec<Found>, Fault> {
    let mut wanted: Vec<&String> = stems.iter().filter(|stem| !stem.is_empty()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    let quoted = wanted
        .iter()
        .map(|stem| format!("\"{}\"", stem.replace('"', "\"\"").replace('\0', "")));
    let question = quoted.collect::<Vec<_>>().join(" OR ");
    let mut found =
        moment.prepare_cached("SELECT rowid, bm25(words) FROM words WHERE words MATCH ?1")?;
    let found = found.query_map([question], |row| Ok((row.get(1)?, row.get(0)?)))?;
    // SQLite's BM25 is below zero, and the best is the least.
    let mut found: Vec<(f64, i64)> = found.collect::<Result<_, _>>()?;
    if found.len() > limit {
        let (_, last, _) =
            found.select_nth_unstable_by(limit.saturating_sub(1), |a, b| a.0.total_cmp(&b.0));
        let last = last.0;
        found.retain(|(score, _)| *score <= last);
    }
    let mut place = moment.prepare_cached(
        "SELECT source, number FROM passages JOIN documents ON documents.id = document
         WHERE passages.id = ?1",
    )?;
    let mut best = Vec::with_capacity(found.len());
    for (score, id) in found {
        let at = place.query_row(params![id], |row| {
            Ok(PassageRef {
                source: row.get(0)?,
                number: row.get(1)?,
            })
        })?;
        best.push(Found { at, score: -score });
    }
    best.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.at.cmp(&b.at)));
    best.truncate(limit);
    Ok(best)
}
