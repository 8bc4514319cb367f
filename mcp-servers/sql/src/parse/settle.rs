//! Readings tried on the database: those with the same answer support each other, and one without
//! any answer is hardly what was meant.

use tokio_util::sync::CancellationToken;

use crate::database::{Cell, Rows};
use crate::parse::{Candidate, Reading};
use crate::source::{Answered, Source, SourceError};

/// Readings that are tried.
const TRIED: usize = 8;

/// What is left of a reading where it is chance who comes first.
const TIED: f32 = 0.7;

/// Readings that weigh less than this share of the best one are not.
const LEAST: f32 = 0.08;

impl Reading {
    /// The reading after its ways have been tried on the database.
    ///
    /// # Errors
    /// When the caller gave up. A way that fails is only left out.
    pub async fn settled(
        self,
        source: &Source,
        cancel: &CancellationToken,
    ) -> Result<Self, SourceError> {
        let Some(best) = self.best else {
            return Ok(self);
        };
        let least = best.weight * LEAST;
        let all: Vec<Candidate> = std::iter::once(best).chain(self.others).collect();
        let mut groups: Vec<(Rows, f32, Vec<usize>, f32)> = Vec::new();
        let mut failed = 0.0;
        for (place, candidate) in all.iter().enumerate().take(TRIED) {
            if candidate.weight < least {
                break;
            }
            match source.rows(&candidate.sql, source.limits(), cancel).await {
                Ok(Answered { rows, .. }) => {
                    let tied = match &candidate.ties {
                        Some(sql) => tied(sql, source, cancel).await?,
                        None => false,
                    };
                    let weight =
                        candidate.weight * plausible(&rows) * if tied { TIED } else { 1.0 };
                    let same = groups
                        .iter_mut()
                        .find(|(other, _, _, _)| same(other, &rows));
                    match same {
                        Some((_, total, places, _)) => {
                            *total += weight;
                            places.push(place);
                        }
                        None => {
                            let plausible = weight / candidate.weight.max(f32::MIN_POSITIVE);
                            groups.push((rows, weight, vec![place], plausible));
                        }
                    }
                }
                Err(error) if error.is_cancelled() => return Err(error),
                Err(error) => {
                    tracing::debug!(sql = candidate.sql, %error, "a reading does not run");
                    failed += candidate.weight;
                }
            }
        }
        let total: f32 = groups.iter().map(|(_, weight, _, _)| weight).sum::<f32>() + failed * 0.5;
        let best = groups
            .into_iter()
            .max_by(|one, two| one.1.total_cmp(&two.1));
        let Some((_, weight, places, plausible)) = best else {
            let mut reading = Self::of(all);
            reading.confidence = 0.0;
            reading.sql = None;
            reading
                .doubts
                .push("the database can carry out no reading".to_owned());
            return Ok(reading);
        };
        let mut all: Vec<Option<Candidate>> = all.into_iter().map(Some).collect();
        let first = places
            .first()
            .and_then(|place| all.get_mut(*place))
            .and_then(Option::take);
        let Some(best) = first else {
            return Ok(Self::default());
        };
        let share = if total > 0.0 { weight / total } else { 0.0 };
        let confidence = best.weight * plausible * share;
        Ok(Self::with(
            confidence,
            best,
            all.into_iter().flatten().collect(),
        ))
    }
}

/// Whether the last row that is shown is no more first than the next one.
async fn tied(sql: &str, source: &Source, cancel: &CancellationToken) -> Result<bool, SourceError> {
    match source.rows(sql, source.limits(), cancel).await {
        Ok(Answered { rows, .. }) => Ok(match rows.rows.as_slice() {
            [.., one, two] => one == two,
            _ => false,
        }),
        Err(error) if error.is_cancelled() => Err(error),
        Err(_) => Ok(false),
    }
}

/// How likely an answer is one that somebody asks for.
fn plausible(rows: &Rows) -> f32 {
    let empty = |cell: &Cell| cell.is_null();
    if rows.rows.is_empty() {
        return 0.5;
    }
    if rows.rows.iter().flatten().all(empty) {
        return 0.25;
    }
    match rows.rows.as_slice() {
        [row] if row.iter().all(|cell| cell.as_i64() == Some(0)) => 0.6,
        _ => 1.0,
    }
}

/// Whether two answers hold the same rows, in the same order.
fn same(one: &Rows, two: &Rows) -> bool {
    let sorted = |rows: &Rows| {
        let mut texts: Vec<String> = rows.rows.iter().map(|row| format!("{row:?}")).collect();
        texts.sort();
        texts
    };
    one.columns.len() == two.columns.len()
        && one.rows.len() == two.rows.len()
        && sorted(one) == sorted(two)
}
