//! Entities that are written like a name: all keys are looked through, so that no index has to be
//! kept for a question that is asked only where a name is unknown.

use std::collections::BinaryHeap;

use rusqlite::Transaction;

use super::super::super::view::Near;
use super::super::fault::Fault;
use crate::name::Key;

/// Keys less alike are not told.
const LEAST_LIKENESS: f64 = 0.2;

/// The entities most like a name.
pub(in super::super) fn near(
    moment: &Transaction<'_>,
    name: &str,
    limit: usize,
) -> Result<Vec<Near>, Fault> {
    let Some(wanted) = Key::of(name) else {
        return Ok(Vec::new());
    };
    let likeness = Likeness::new(wanted.as_str());
    let mut best: BinaryHeap<Candidate> = BinaryHeap::new();
    let mut keys = moment.prepare_cached("SELECT key FROM entities")?;
    let mut rows = keys.query([])?;
    let mut grams = Vec::new();
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        let alike = likeness.with(key, &mut grams);
        // The worst of the best is on top.
        let worst = best.peek().filter(|_| best.len() >= limit);
        let beaten = worst.is_some_and(|worst| {
            worst.likeness > alike || (worst.likeness >= alike && worst.key.as_str() <= key)
        });
        if alike < LEAST_LIKENESS || beaten {
            continue;
        }
        best.push(Candidate {
            likeness: alike,
            key: key.to_owned(),
        });
        if best.len() > limit {
            best.pop();
        }
    }
    let best = best.into_sorted_vec().into_iter();
    Ok(best
        .map(|found| Near {
            key: Key::stored(found.key),
            likeness: found.likeness,
        })
        .collect())
}

/// Greater is less alike.
#[derive(PartialEq)]
struct Candidate {
    likeness: f64,
    key: String,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let likeness = other.likeness.total_cmp(&self.likeness);
        likeness.then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// How alike keys are: the share of runs of three bytes that they have in common (Dice), with
/// blanks before and after each word, so that neither the order of words nor a letter more or less
/// matters much.
struct Likeness {
    grams: Vec<u32>,
}

/// Longer keys are looked at no further.
const LONGEST: usize = 256;

impl Likeness {
    fn new(key: &str) -> Self {
        let mut grams = Vec::new();
        cut(key, &mut grams);
        Self { grams }
    }

    fn with(&self, key: &str, grams: &mut Vec<u32>) -> f64 {
        let longer = key.len().min(LONGEST).max(self.grams.len()) as f64;
        let shorter = key.len().min(LONGEST).min(self.grams.len()) as f64;
        // Each has about as many runs as bytes.
        if shorter * 2.0 / (longer + shorter) < LEAST_LIKENESS / 2.0 {
            return 0.0;
        }
        cut(key, grams);
        let all = self.grams.len().saturating_add(grams.len());
        let mut mine = self.grams.iter().peekable();
        let mut shared = 0_u32;
        for gram in grams.iter() {
            while mine.next_if(|own| *own < gram).is_some() {}
            if mine.next_if(|own| *own == gram).is_some() {
                shared = shared.saturating_add(1);
            }
        }
        2.0 * f64::from(shared) / all.max(1) as f64
    }
}

/// The runs of a key, sorted.
fn cut(key: &str, grams: &mut Vec<u32>) {
    grams.clear();
    let mut run = 0x20_u32;
    for byte in key.bytes().take(LONGEST).chain([b' ']) {
        run = ((run << 8) | u32::from(byte)) & 0x00ff_ffff;
        // Neither the first byte alone nor two words at a time.
        if run >> 8 != 0x20 && (run >> 8) & 0xff != 0x20 {
            grams.push(run);
        }
    }
    grams.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_alike_is_near() {
        let likeness = Likeness::new("jon smithe");
        let with = |key: &str| likeness.with(key, &mut Vec::new());
        assert!((with("jon smithe") - 1.0).abs() < 1e-9);
        assert!(with("john smith") > with("joan miller"));
        assert!(with("smithe jon") > 0.9);
        assert!(with("smith") > LEAST_LIKENESS);
        assert!(with("quetzal") < LEAST_LIKENESS);
        assert!(with("") < LEAST_LIKENESS);
    }
}
