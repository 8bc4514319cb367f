//! Values that look nearly like a text, by the trigrams that they share.

use std::collections::HashMap;

use strsim::normalized_damerau_levenshtein;

use crate::words::fold;

/// Trigrams that more values have than this tell nothing.
const COMMON: usize = 20_000;

/// Longest text that a value may be near to, in bytes: values of the index are shorter.
const LONGEST: usize = 1_000;

/// How alike two texts must be.
const ALIKE: f64 = 0.7;

/// The values by their trigrams.
#[derive(Debug, Clone, Default)]
pub(super) struct Trigrams {
    places: HashMap<[char; 3], Vec<u32>>,
}

impl Trigrams {
    pub(super) fn insert(&mut self, place: u32, folded: &str) {
        for trigram in trigrams(folded) {
            self.places.entry(trigram).or_default().push(place);
        }
    }

    /// Values near a folded text, with scores below those of values that it names. `value` gives
    /// the folded text of a value.
    pub(super) fn near(
        &self,
        folded: &str,
        limit: usize,
        value: impl Fn(u32) -> Option<String>,
    ) -> Vec<(u32, f32)> {
        if folded.len() > LONGEST {
            return Vec::new();
        }
        let sought = trigrams(folded);
        let mut shared: HashMap<u32, usize> = HashMap::new();
        for trigram in &sought {
            let places = self.places.get(trigram).map_or(&[][..], Vec::as_slice);
            for place in places.iter().filter(|_| places.len() <= COMMON) {
                let count = shared.entry(*place).or_default();
                *count = count.saturating_add(1);
            }
        }
        let enough = sought.len().div_ceil(3).max(1);
        let mut shared: Vec<(u32, usize)> = shared
            .into_iter()
            .filter(|(_, count)| *count >= enough)
            .collect();
        shared.sort_by(|one, two| two.1.cmp(&one.1).then(one.0.cmp(&two.0)));
        shared.truncate(limit.saturating_mul(8));
        let mut near: Vec<(u32, f32)> = shared
            .into_iter()
            .filter_map(|(place, _)| Some((place, alike(folded, &value(place)?)?)))
            .collect();
        near.sort_by(|one, two| two.1.total_cmp(&one.1).then(one.0.cmp(&two.0)));
        near.truncate(limit);
        near
    }
}

/// How alike a text and a value are: letters changed, or words that are only a part of the value.
#[expect(clippy::cast_possible_truncation, reason = "a score needs no more")]
fn alike(sought: &str, value: &str) -> Option<f32> {
    let spelt = normalized_damerau_levenshtein(sought, value);
    let within = format!(" {value} ").contains(&format!(" {sought} "));
    let part = if within && sought.len() >= 3 {
        let share = sought.chars().count() as f64 / value.chars().count().max(1) as f64;
        share.mul_add(0.3, 0.6)
    } else {
        0.0
    };
    let score = (spelt * 0.9).max(part);
    (spelt >= ALIKE || part > 0.0).then_some(score as f32)
}

fn trigrams(text: &str) -> Vec<[char; 3]> {
    let folded = fold(text);
    let letters: Vec<char> = [' ']
        .into_iter()
        .chain(folded.chars())
        .chain([' '])
        .collect();
    let mut all: Vec<[char; 3]> = letters
        .windows(3)
        .filter_map(|window| window.try_into().ok())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}
