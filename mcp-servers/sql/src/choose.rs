//! The answer among several: statements that may answer a question are run, and what they give and
//! how they are made decides between them. No model has a part in it.
//!
//! Read it in this order:
//! - [`choice`]: each candidate is mended where it fails ([`crate::repair`]) and run; those with the
//!   same rows stand together.
//! - `question`: what the words of the question ask for. `reading`: what a statement does.
//! - `signals`: signs that the one fits the other, and what they weigh.
//!
//! Rows win, not candidates: each candidate adds the exponential of its weight to its rows, so that
//! two that agree count for more than one that looks better, and a little less than two that look
//! as good.

mod question;
mod reading;
mod signals;

use thiserror::Error;

use crate::asked::{Asked, parsed};
use crate::database::{DatabaseError, Rows};
use crate::repair::{Repaired, Unrepaired, repair};
use crate::same::{same, sorts};
use crate::source::{Answered, SourceError};

use question::Asking;
use reading::Reading;
use signals::{View, weigh};

/// Most candidates that are run.
const MOST: usize = 32;

/// The candidate that is taken for the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Which candidate it is, from nought.
    pub index: usize,
    /// The statement, mended where it had to be.
    pub sql: String,
    /// As it was sent, and what it gives, as much as the database allows.
    pub answered: Answered,
    /// The share of candidates that give the same.
    pub agreement: f64,
    /// How probable it is, among these candidates, that these rows are the answer.
    pub confidence: f64,
    /// All candidates, in their order.
    pub considered: Vec<Considered>,
}

impl Choice {
    /// What it gives.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.answered.rows
    }
}

/// A candidate, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Considered {
    /// What was changed, in plain words.
    pub changes: Vec<String>,
    /// What it gave.
    pub outcome: Outcome,
}

/// What a candidate gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// So many rows.
    Rows(usize),
    /// No answer, for this reason.
    Failed(String),
}

/// Why none is chosen.
#[derive(Debug, Error)]
pub enum ChoiceError {
    /// There are none.
    #[error("there is no candidate to choose from; give at least one statement")]
    Nothing,
    /// None has an answer.
    #[error("none of {count} candidates has an answer; the first: {first}")]
    NoAnswer {
        /// How many there are.
        count: usize,
        /// What is wrong with the first.
        first: SourceError,
    },
    /// The database cannot be asked, or nobody waits for it any more.
    #[error(transparent)]
    Database(SourceError),
}

/// The candidate that most probably answers a question. Of those that are as probable it is the
/// first.
///
/// # Errors
/// When none of them has an answer.
pub async fn choice(
    question: &str,
    candidates: &[String],
    asked: &Asked<'_>,
) -> Result<Choice, ChoiceError> {
    let Tried { tried, of } = tried(question, candidates, asked).await?;
    let read = |repaired: &Repaired| match parsed(&repaired.sql, asked.dialect()) {
        Some(query) => Reading::of(&query, asked.schema, &asked.links),
        None => Reading::default(),
    };
    let read: Vec<Option<(&Repaired, Reading)>> = tried
        .iter()
        .map(|tried| {
            tried
                .as_ref()
                .ok()
                .map(|repaired| (repaired, read(repaired)))
        })
        .collect();
    // Each candidate has a voice, those that say the same as well.
    let answered: Vec<(usize, &Repaired, &Reading)> = of
        .iter()
        .enumerate()
        .filter_map(|(index, place)| {
            let (repaired, reading) = read.get(*place)?.as_ref()?;
            Some((index, *repaired, reading))
        })
        .collect();
    let groups = groups(&answered, asked);
    let peers: Vec<(&Reading, &Rows)> = answered
        .iter()
        .map(|(_, repaired, reading)| (*reading, repaired.rows()))
        .collect();
    let asking = Asking::new(question);
    let mut weights = Vec::new();
    for (_, repaired, reading) in &answered {
        weights.push(weigh(&View {
            asking: &asking,
            reading,
            rows: repaired.rows(),
            links: &asked.links,
            peers: &peers,
            candidates: of.len(),
            mended: repaired.mended,
        }));
    }
    let Some(won) = win(&groups, &weights) else {
        return Err(none(tried, of.len()));
    };
    let Some((index, repaired, _)) = answered.get(won.place) else {
        return Err(ChoiceError::Nothing);
    };
    let count = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    let considered = of.iter().filter_map(|place| {
        Some(match tried.get(*place)? {
            Ok(repaired) => Considered {
                changes: repaired.changes.clone(),
                outcome: Outcome::Rows(repaired.rows().rows.len()),
            },
            Err(failed) => Considered {
                changes: failed.changes.clone(),
                outcome: Outcome::Failed(failed.failure.to_string()),
            },
        })
    });
    Ok(Choice {
        index: *index,
        sql: repaired.sql.clone(),
        answered: repaired.answered.clone(),
        agreement: count(won.alike) / count(of.len().max(1)),
        confidence: won.confidence,
        considered: considered.collect(),
    })
}

/// Candidates that were run.
struct Tried {
    /// What came of each statement, each once.
    tried: Vec<Result<Repaired, Unrepaired>>,
    /// Which of them each candidate is.
    of: Vec<usize>,
}

async fn tried(
    question: &str,
    candidates: &[String],
    asked: &Asked<'_>,
) -> Result<Tried, ChoiceError> {
    let mut known: Vec<&str> = Vec::new();
    let (mut tried, mut of) = (Vec::new(), Vec::new());
    for candidate in candidates.iter().take(MOST) {
        let text = candidate.trim().trim_end_matches([';', ' ', '\n']);
        if let Some(place) = known.iter().position(|known| *known == text) {
            of.push(place);
            continue;
        }
        match repair(Some(question), candidate, asked).await {
            Err(failed) if ends_all(&failed.failure) => {
                return Err(ChoiceError::Database(failed.failure));
            }
            outcome => {
                of.push(known.len());
                known.push(text);
                tried.push(outcome);
            }
        }
    }
    Ok(Tried { tried, of })
}

/// Whether no other candidate could have an answer either: one that takes too long or gives too
/// much says nothing of the others.
fn ends_all(failure: &SourceError) -> bool {
    let SourceError::Database { error, .. } = failure else {
        return false;
    };
    matches!(
        error,
        DatabaseError::Cancelled | DatabaseError::Open { .. } | DatabaseError::Locked
    )
}

fn none(tried: Vec<Result<Repaired, Unrepaired>>, count: usize) -> ChoiceError {
    let mut failed = tried.into_iter().filter_map(Result::err);
    match failed.next() {
        Some(first) => ChoiceError::NoAnswer {
            count,
            first: first.failure,
        },
        None => ChoiceError::Nothing,
    }
}

/// Candidates by their rows: those of a group give the same, in the same order where both sort.
fn groups(answered: &[(usize, &Repaired, &Reading)], asked: &Asked<'_>) -> Vec<Vec<usize>> {
    let mut groups: Vec<(Vec<usize>, &Repaired, bool)> = Vec::new();
    for (place, (_, repaired, _)) in answered.iter().enumerate() {
        let sorted = sorts(&repaired.sql, asked.dialect());
        let known = groups.iter_mut().find(|(_, first, first_sorted)| {
            same(first.rows(), repaired.rows(), sorted && *first_sorted)
        });
        match known {
            Some((group, ..)) => group.push(place),
            None => groups.push((vec![place], repaired, sorted)),
        }
    }
    groups.into_iter().map(|(group, ..)| group).collect()
}

/// The group that wins, by the best of its candidates.
struct Won {
    place: usize,
    alike: usize,
    confidence: f64,
}

fn win(groups: &[Vec<usize>], weights: &[f64]) -> Option<Won> {
    let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weight = |place: &usize| weights.get(*place).copied().unwrap_or(f64::NEG_INFINITY);
    let votes = |group: &Vec<usize>| -> f64 {
        group.iter().map(|place| (weight(place) - most).exp()).sum()
    };
    let mut counted: Vec<(f64, &Vec<usize>)> =
        groups.iter().map(|group| (votes(group), group)).collect();
    let all: f64 = counted.iter().map(|(votes, _)| votes).sum();
    // Stable: of groups that weigh the same the first stays first.
    counted.sort_by(|one, other| other.0.total_cmp(&one.0));
    let (votes, group) = counted.first()?;
    let mut best: Option<&usize> = None;
    for place in *group {
        if best.is_none_or(|best| weight(place) > weight(best)) {
            best = Some(place);
        }
    }
    Some(Won {
        place: *best?,
        alike: group.len(),
        confidence: votes / all,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::schema::Schema;
    use crate::schema::made::table;

    /// Singers who sing in concerts.
    pub(crate) fn schema() -> Schema {
        Schema {
            tables: vec![
                table(
                    "concert",
                    &["id", "singer_id", "theme", "year"],
                    &["singer"],
                ),
                table("singer", &["id", "name", "country", "age"], &[]),
            ],
        }
    }
}
