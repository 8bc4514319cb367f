//! Readings tried on the database: those with the same answer support each other, and one without
//! any answer is hardly what was meant.

use tokio_util::sync::CancellationToken;

use crate::database::{Cell, Rows};
use crate::measure::same;
use crate::parse::write::Ties;
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
                        Some(ties) => tied(ties, source, cancel).await?,
                        None => false,
                    };
                    let weight =
                        candidate.weight * plausible(&rows) * if tied { TIED } else { 1.0 };
                    let same = groups
                        .iter_mut()
                        .find(|(other, _, _, _)| same(other, &rows, false));
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

/// Whether the last row that is shown is no more first than one that is not shown, and another.
async fn tied(
    ties: &Ties,
    source: &Source,
    cancel: &CancellationToken,
) -> Result<bool, SourceError> {
    let rows = match source.rows(&ties.sql, source.limits(), cancel).await {
        Ok(Answered { rows, .. }) => rows.rows,
        Err(error) if error.is_cancelled() => return Err(error),
        Err(_) => return Ok(false),
    };
    // Where there are no more rows than are shown, none is left out.
    let more = u64::try_from(rows.len()).is_ok_and(|count| count > ties.shown);
    Ok(match rows.as_slice() {
        [.., last, next] if more => {
            let (last, next) = (
                last.split_at_checked(ties.keys),
                next.split_at_checked(ties.keys),
            );
            last.zip(next)
                .is_some_and(|((key, shown), (other, others))| key == other && shown != others)
        }
        _ => false,
    })
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
