//! BM25 as a sparse vector: words and neighbouring word pairs with their saturated frequencies.
//! The store multiplies a query's weights by the corpus' inverse document frequency, so a sparse
//! search gives exact BM25 (Robertson and Zaragoza, 2009) over what the collection really holds.

use std::collections::BTreeMap;

use ropewalk_embed::terms;

use crate::store::SparseVector;

/// Saturation of a term's frequency.
pub const K1: f32 = 1.2;
/// How much a document's length counts.
pub const B: f32 = 0.75;
/// Weight of a pair of neighbouring words beside its words.
pub const PAIR_WEIGHT: f32 = 0.4;

/// A text as BM25 sees it: stemmed words in order, without stop words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms(Vec<String>);

/// Cuts a text into terms, as [`terms()`] does.
pub fn analyse(text: &str) -> Terms {
    Terms(terms(text))
}

impl Terms {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sparse vector of a document, in a corpus whose documents have `average` terms.
    pub fn document(&self, average: f32) -> SparseVector {
        let mut weights = BTreeMap::new();
        self.weigh(&mut weights, self.words(), self.len(), average);
        let pairs = self.len().saturating_sub(1);
        self.weigh(&mut weights, self.pairs(), pairs, (average - 1.0).max(1.0));
        sparse(weights)
    }

    fn weigh(
        &self,
        weights: &mut BTreeMap<u32, f32>,
        ids: impl Iterator<Item = u32>,
        length: usize,
        average: f32,
    ) {
        let mut counts: BTreeMap<u32, f32> = BTreeMap::new();
        for id in ids {
            *counts.entry(id).or_default() += 1.0;
        }
        let norm = K1 * (1.0 - B + B * length as f32 / average.max(1.0));
        for (id, count) in counts {
            *weights.entry(id).or_default() += count * (K1 + 1.0) / (count + norm);
        }
    }

    /// The sparse vector of a query: how often each word occurs, and each pair once.
    pub fn query(&self) -> SparseVector {
        let mut weights: BTreeMap<u32, f32> = BTreeMap::new();
        for id in self.words() {
            *weights.entry(id).or_default() += 1.0;
        }
        for id in self.pairs() {
            weights.insert(id, PAIR_WEIGHT);
        }
        sparse(weights)
    }

    /// The ids of the words, in order, with repetitions.
    pub fn words(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|word| hash(&[word]))
    }

    fn pairs(&self) -> impl Iterator<Item = u32> {
        self.0.windows(2).map(|pair| match pair {
            [first, second] => hash(&[first, " ", second]),
            _ => 0,
        })
    }
}

fn sparse(weights: BTreeMap<u32, f32>) -> SparseVector {
    SparseVector {
        indices: weights.keys().copied().collect(),
        values: weights.values().copied().collect(),
    }
}

/// FNV-1a, 32 bits: the same on every machine and in every version, which stored vectors need.
/// Two words in a million collide now and then; a collision only lends a document a stray term.
fn hash(parts: &[&str]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The most a query can score, and what its words weigh: what a score is measured against.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryScale {
    /// Words of the query and their inverse document frequency.
    pub idf: BTreeMap<u32, f32>,
    /// Upper bound of the BM25 score of the words (pairs come on top).
    pub upper: f32,
}

impl QueryScale {
    /// From the frequency of each word; `documents` is the size of the corpus. A word the corpus
    /// does not have counts as the rarest possible.
    pub fn new(terms: &Terms, documents: u64, known: &BTreeMap<u32, f32>) -> Self {
        let unseen = idf(documents, 0);
        let mut upper = 0.0;
        let mut weights = BTreeMap::new();
        for id in terms.words() {
            let idf = known.get(&id).copied().unwrap_or(unseen);
            upper += idf * (K1 + 1.0);
            weights.insert(id, idf);
        }
        Self {
            idf: weights,
            upper,
        }
    }

    /// Share of the query's information that a document holds, 0 to 1.
    pub fn coverage(&self, document: &SparseVector) -> f32 {
        let total: f32 = self.idf.values().sum();
        if total <= 0.0 {
            return 0.0;
        }
        let present = |id: &u32| document.indices.binary_search(id).is_ok();
        let covered: f32 = self
            .idf
            .iter()
            .filter(|(id, _)| present(id))
            .map(|(_, idf)| idf)
            .sum();
        covered / total
    }
}

/// Inverse document frequency as Qdrant computes it.
pub fn idf(documents: u64, holding: u64) -> f32 {
    let (documents, holding) = (documents as f64, holding as f64);
    (((documents - holding + 0.5) / (holding + 0.5)) + 1.0).ln() as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(text: &str) -> Vec<String> {
        analyse(text).0
    }

    #[test]
    fn words_are_split_lowered_stopped_and_stemmed() {
        assert_eq!(
            terms("The Running of getUserName2 in snake_case!"),
            ["run", "get", "user", "name2", "snake", "case"]
        );
        assert_eq!(
            terms("COVID-19 isn't über"),
            ["covid", "19", "isn", "t", "über"]
        );
        assert!(terms("of the and").is_empty());
    }

    #[test]
    fn a_document_of_average_length_has_the_textbook_weights() {
        // One word, tf 2, length 2, average 2: 2 * 2.2 / (2 + 1.2).
        let vector = analyse("ropes ropes").document(2.0);
        assert!(
            vector
                .values
                .iter()
                .any(|value| (value - 1.375).abs() < 1e-6),
            "{vector:?}"
        );
        assert_eq!(vector.indices.len(), 2, "the word and the pair");
    }

    #[test]
    fn queries_count_words_and_weigh_pairs_less() {
        let vector = analyse("rope rope walk").query();
        let mut values = vector.values.clone();
        values.sort_by(f32::total_cmp);
        assert_eq!(values, [PAIR_WEIGHT, PAIR_WEIGHT, 1.0, 2.0]);
    }

    #[test]
    fn coverage_is_the_share_of_information() {
        let query = analyse("rope walk");
        let mut known = BTreeMap::new();
        let ids: Vec<u32> = query.words().collect();
        known.insert(ids[0], 3.0);
        known.insert(ids[1], 1.0);
        let scale = QueryScale::new(&query, 100, &known);
        assert!((scale.coverage(&analyse("a rope").document(1.0)) - 0.75).abs() < 1e-6);
        assert!((scale.upper - 8.8).abs() < 1e-5);
    }

    proptest! {
        #[test]
        fn vectors_are_sorted_distinct_and_finite(text in "\\PC{0,200}", average in 0.0_f32..500.0) {
            let vector = analyse(&text).document(average);
            prop_assert!(vector.indices.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(vector.indices.len(), vector.values.len());
            prop_assert!(vector.values.iter().all(|value| value.is_finite() && *value > 0.0));
        }
    }
}
