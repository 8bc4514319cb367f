//! Which passages have the words of a question, by BM25 (Robertson and Zaragoza, "The Probabilistic
//! Relevance Framework: BM25 and Beyond", 2009).

use std::collections::{HashMap, HashSet};

use ropewalk_embed::terms;

/// How soon more of the same word counts for less.
const K1: f32 = 1.2;
/// How much long passages are held back.
const B: f32 = 0.75;

/// Words that make a question one, and say nothing about its answer.
const ASKING: [&str; 27] = [
    "what", "which", "who", "whom", "whose", "when", "where", "why", "how", "do", "doe", "did",
    "has", "have", "had", "been", "be", "from", "about", "he", "she", "him", "her", "his", "they",
    "them", "s",
];

/// The stems of passages, kept by slot.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    numbers: HashMap<Box<str>, u32>,
    /// By number of the word: slots that have it and how often.
    postings: Vec<Vec<(u32, u32)>>,
    /// By slot: the numbers of its words, sorted.
    had: Vec<Box<[u32]>>,
    /// By slot: how many words it has, repeated ones counted.
    lengths: Vec<u32>,
    /// All lengths together.
    total: u64,
    /// Slots that are in use.
    count: usize,
}

/// The words of a question: those that are in passages, each once, and how much each tells.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    words: Vec<(u32, f32)>,
    /// What the words that are in no passage would tell.
    unknown: f32,
}

impl Words {
    /// Reads the text of the passage in a slot, which was empty.
    pub(super) fn put(&mut self, slot: u32, text: &str) {
        let mut counts: HashMap<u32, u32> = HashMap::new();
        let mut length = 0_u32;
        for term in terms(text) {
            length = length.saturating_add(1);
            let next = self.numbers.len() as u32;
            let number = *self.numbers.entry(term.into_boxed_str()).or_insert(next);
            if number == next {
                self.postings.push(Vec::new());
            }
            let count = counts.entry(number).or_default();
            *count = count.saturating_add(1);
        }
        for (number, count) in &counts {
            if let Some(postings) = self.postings.get_mut(*number as usize) {
                postings.push((slot, *count));
            }
        }
        let mut had: Vec<u32> = counts.into_keys().collect();
        had.sort_unstable();
        let at = slot as usize;
        if self.had.len() <= at {
            self.had.resize_with(at.saturating_add(1), Box::default);
            self.lengths.resize(at.saturating_add(1), 0);
        }
        if let (Some(place), Some(long)) = (self.had.get_mut(at), self.lengths.get_mut(at)) {
            *place = had.into_boxed_slice();
            *long = length;
        }
        self.total = self.total.saturating_add(u64::from(length));
        self.count = self.count.saturating_add(1);
    }

    /// Empties a slot.
    pub(super) fn remove(&mut self, slot: u32) {
        let at = slot as usize;
        let (Some(had), Some(length)) = (self.had.get_mut(at), self.lengths.get_mut(at)) else {
            return;
        };
        for number in std::mem::take(had) {
            if let Some(postings) = self.postings.get_mut(number as usize) {
                postings.retain(|(other, _)| *other != slot);
            }
        }
        self.total = self.total.saturating_sub(u64::from(std::mem::take(length)));
        self.count = self.count.saturating_sub(1);
    }

    /// What a question asks for.
    pub(super) fn asked(&self, question: &str) -> Asked {
        let mut seen = HashSet::new();
        let mut words = Vec::new();
        let mut unknown = 0.0;
        for term in terms(question) {
            if ASKING.contains(&term.as_str()) || !seen.insert(term.clone()) {
                continue;
            }
            let postings = self
                .numbers
                .get(term.as_str())
                .and_then(|number| Some((*number, self.postings.get(*number as usize)?)));
            match postings {
                Some((number, postings)) if !postings.is_empty() => {
                    words.push((number, self.telling(postings.len())));
                }
                _ => unknown += self.telling(0),
            }
        }
        Asked { words, unknown }
    }

    /// How much a word tells that so many passages have: its inverse document frequency.
    fn telling(&self, passages: usize) -> f32 {
        let (all, passages) = (self.count as f32, passages as f32);
        (1.0 + (all - passages + 0.5) / (passages + 0.5)).ln()
    }

    /// The score of each slot, 0 where it has none of the words.
    pub(super) fn scores(&self, asked: &Asked) -> Vec<f32> {
        let mut scores = vec![0.0_f32; self.had.len()];
        let average = (self.total as f32 / self.count.max(1) as f32).max(1.0);
        for (number, telling) in &asked.words {
            for (slot, count) in self.postings.get(*number as usize).into_iter().flatten() {
                let at = *slot as usize;
                let (Some(score), Some(length)) = (scores.get_mut(at), self.lengths.get(at)) else {
                    continue;
                };
                let count = *count as f32;
                let long = 1.0 - B + B * *length as f32 / average;
                *score += telling * count * (K1 + 1.0) / (count + K1 * long);
            }
        }
        scores
    }

    fn has(&self, slot: u32, number: u32) -> bool {
        self.had
            .get(slot as usize)
            .is_some_and(|had| had.binary_search(&number).is_ok())
    }

    /// The words of a question that a passage leaves open, and which share of it they are.
    pub(super) fn open(&self, asked: &Asked, slot: u32) -> (Asked, f32) {
        let words: Vec<(u32, f32)> = asked
            .words
            .iter()
            .copied()
            .filter(|(number, _)| !self.has(slot, *number))
            .collect();
        let left: f32 = words.iter().map(|(_, telling)| telling).sum::<f32>() + asked.unknown;
        let all: f32 = asked.words.iter().map(|(_, telling)| telling).sum::<f32>() + asked.unknown;
        let share = if all > 0.0 { left / all } else { 0.0 };
        let unknown = asked.unknown;
        (Asked { words, unknown }, share)
    }

    /// Which share of the words of a question a passage has, by how much they tell.
    pub(super) fn covered(&self, asked: &Asked, slot: u32) -> f32 {
        let all: f32 = asked.words.iter().map(|(_, telling)| telling).sum::<f32>() + asked.unknown;
        let had: f32 = asked
            .words
            .iter()
            .filter(|(number, _)| self.has(slot, *number))
            .map(|(_, telling)| telling)
            .sum();
        if all > 0.0 { had / all } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_tell_more_and_what_is_removed_is_found_no_more() {
        let mut words = Words::default();
        words.put(0, "The director of the film was born in Oslo");
        words.put(1, "The film was made in Bergen");
        words.put(2, "A film about a film about films");
        let asked = words.asked("Which film was made by the director from Oslo in Kyoto?");
        let scores = words.scores(&asked);
        assert!(scores[0] > scores[1] && scores[1] > scores[2] && scores[2] > 0.0);
        let (open, share) = words.open(&asked, 0);
        assert!(share > 0.0 && share < 1.0);
        assert!(words.covered(&open, 1) > 0.0);
        assert!(words.covered(&open, 2) == 0.0);
        words.remove(0);
        let asked = words.asked("director Oslo");
        assert!(words.scores(&asked).iter().all(|score| *score == 0.0));
        assert!(words.covered(&asked, 1) == 0.0);
        // As if it had never been there.
        let mut fresh = Words::default();
        fresh.put(0, "The film was made in Bergen");
        fresh.put(1, "A film about a film about films");
        let asked = fresh.asked("a film in Bergen");
        let again = words.asked("a film in Bergen");
        assert_eq!(fresh.scores(&asked), words.scores(&again)[1..]);
    }
}
