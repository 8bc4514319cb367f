//! BM25F over the fields of a tool (Robertson, Zaragoza and Taylor, 2004): frequencies of a word
//! in several fields are weighted and added before they saturate.

use std::collections::{BTreeSet, HashMap};

use ropewalk_embed::terms;

/// Saturation of a word's weighted frequency.
const K1: f32 = 1.2;

/// What each field counts, and how much its length does: name, description, parameters.
const WEIGHTS: [f32; FIELDS] = [2.0, 1.0, 0.5];
const LENGTHS: [f32; FIELDS] = [0.3, 0.6, 0.7];

const FIELDS: usize = 3;

/// The words of a tool.
pub(super) struct Fields([Vec<String>; FIELDS]);

impl Fields {
    pub(super) fn new(name: &str, description: &str, parameters: &str) -> Self {
        Self([terms(name), terms(description), terms(parameters)])
    }
}

/// For each word the tools that have it, with its weighted frequency there.
pub(super) struct WordIndex {
    places: HashMap<String, Vec<(usize, f32)>>,
    tools: usize,
}

impl WordIndex {
    pub(super) fn new(tools: &[Fields]) -> Self {
        let count = tools.len().max(1) as f32;
        let mut averages = [0.0; FIELDS];
        for tool in tools {
            for (average, words) in averages.iter_mut().zip(&tool.0) {
                *average += words.len() as f32 / count;
            }
        }
        let mut places: HashMap<String, Vec<(usize, f32)>> = HashMap::new();
        for (index, tool) in tools.iter().enumerate() {
            let mut frequencies: HashMap<&str, f32> = HashMap::new();
            let fields = tool.0.iter().zip(averages).zip(WEIGHTS.iter().zip(LENGTHS));
            for ((words, average), (weight, length)) in fields {
                let longer = words.len() as f32 / average.max(1.0);
                let share = weight / (1.0 - length + length * longer);
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
            tools: tools.len(),
        }
    }

    /// How well each tool fits a request; 0 where they share no word.
    pub(super) fn scores(&self, request: &str) -> Vec<f32> {
        let mut scores = vec![0.0; self.tools];
        // In order, so that the sums are the same every time.
        let words: BTreeSet<String> = terms(request).into_iter().collect();
        for places in words.iter().filter_map(|word| self.places.get(word)) {
            let (all, having) = (self.tools as f32, places.len() as f32);
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
