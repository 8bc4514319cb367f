//! BM25F (Robertson, Zaragoza and Taylor, 2004): frequencies of a word in several fields are
//! weighted and added before they saturate.

use std::collections::{BTreeSet, HashMap};

use crate::terms::terms;

/// Saturation of a word's weighted frequency.
const K1: f32 = 1.2;

/// What a field counts beside the others.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// What a word counts in it.
    pub weight: f32,
    /// How much its length takes from that, 0 to 1.
    pub length: f32,
}

/// For each word the texts that have it, with its weighted frequency there.
#[derive(Debug, Clone, Default)]
pub struct FieldIndex {
    places: HashMap<String, Vec<(usize, f32)>>,
    texts: usize,
}

impl FieldIndex {
    /// Reads texts of `N` fields each, cut into [`terms`].
    #[must_use]
    pub fn new<const N: usize>(texts: &[[Vec<String>; N]], fields: &[Field; N]) -> Self {
        let count = texts.len().max(1) as f32;
        let mut averages = [0.0; N];
        for text in texts {
            for (average, words) in averages.iter_mut().zip(text) {
                *average += words.len() as f32 / count;
            }
        }
        let mut places: HashMap<String, Vec<(usize, f32)>> = HashMap::new();
        for (index, text) in texts.iter().enumerate() {
            let mut frequencies: HashMap<&str, f32> = HashMap::new();
            for ((words, average), field) in text.iter().zip(averages).zip(fields) {
                let longer = words.len() as f32 / average.max(1.0);
                let share = field.weight / (1.0 - field.length + field.length * longer);
                for word in words {
                    *frequencies.entry(word).or_default() += share;
                }
            }
            for (word, frequency) in frequencies {
                let entry = places.entry(word.to_owned()).or_default();
                entry.push((index, frequency));
            }
        }
        Self {
            places,
            texts: texts.len(),
        }
    }

    /// How well each text fits a request; 0 where they share no word.
    #[must_use]
    pub fn scores(&self, request: &str) -> Vec<f32> {
        let mut scores = vec![0.0; self.texts];
        // In order, so that the sums are the same every time.
        let words: BTreeSet<String> = terms(request).into_iter().collect();
        for places in words.iter().filter_map(|word| self.places.get(word)) {
            let (all, having) = (self.texts as f32, places.len() as f32);
            let rarity = (1.0 + (all - having + 0.5) / (having + 0.5)).ln();
            for (index, frequency) in places {
                if let Some(score) = scores.get_mut(*index) {
                    *score += rarity * frequency / (frequency + K1);
                }
            }
        }
        scores
    }
}

/// Brings scores to the range 0 to 1, so that those of different kinds can be added: the best
/// becomes 1, the worst 0; all become 0 where they are equal and say nothing.
pub fn to_unit_range(scores: &mut [f32]) {
    let least = scores.iter().copied().fold(f32::INFINITY, f32::min);
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let range = most - least;
    for score in scores {
        *score = if range > 0.0 {
            (*score - least) / range
        } else {
            0.0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, FieldIndex, to_unit_range};
    use crate::terms::terms;

    #[test]
    fn a_word_counts_more_in_a_field_of_more_weight_and_when_it_is_rare() {
        let fields = [
            Field {
                weight: 2.0,
                length: 0.3,
            },
            Field {
                weight: 1.0,
                length: 0.6,
            },
        ];
        let texts = [
            [terms("orders"), terms("customer price day")],
            [terms("customers"), terms("orders price day")],
            [terms("days"), terms("price price price")],
        ];
        let index = FieldIndex::new(&texts, &fields);
        let scores = index.scores("customers");
        assert!(scores[1] > scores[0] && scores[2] == 0.0, "{scores:?}");
        let scores = index.scores("the price of an order");
        assert!(scores[0] > scores[2], "{scores:?}");
        assert_eq!(index.scores("unheard of"), [0.0; 3]);
    }

    #[test]
    fn scores_are_brought_to_one_range() {
        let mut scores = [1.0, 3.0, 2.0];
        to_unit_range(&mut scores);
        assert_eq!(scores, [0.0, 1.0, 0.5]);
        let mut same = [7.0, 7.0];
        to_unit_range(&mut same);
        assert_eq!(same, [0.0, 0.0]);
    }
}
