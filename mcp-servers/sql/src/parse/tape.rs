//! Choices made on the way through a question, so that other ways can be gone too.
//!
//! A reader runs straight through and asks the tape wherever there is more than one way. The tape
//! takes the cheapest one and notes the others; runs with each of those follow, cheapest first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Ways that are tried.
const MOST_RUNS: usize = 24;

/// What a way may cost more than the cheapest.
const MOST_COST: f32 = 3.0;

/// The choices of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Tape {
    given: Vec<usize>,
    /// Costs of the ways at each choice so far.
    seen: Vec<Vec<f32>>,
    cost: f32,
}

impl Tape {
    /// The place of the way to take, of ways with these costs, the cheapest of which should be 0.
    pub(super) fn choose(&mut self, costs: &[f32]) -> usize {
        let way = self.given.get(self.seen.len()).copied().unwrap_or(0);
        self.cost += costs.get(way).copied().unwrap_or(0.0);
        self.seen.push(costs.to_vec());
        way
    }

    /// Makes the way that is gone dearer.
    pub(super) fn pay(&mut self, cost: f32) {
        self.cost += cost;
    }
}

struct Open {
    given: Vec<usize>,
    cost: f32,
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Open {}
impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first.
        other.cost.total_cmp(&self.cost)
    }
}

/// What a reader makes of each way, with what the way costs.
pub(super) fn ways<T>(mut run: impl FnMut(&mut Tape) -> T) -> Vec<(T, f32)> {
    let mut open = BinaryHeap::from([Open {
        given: Vec::new(),
        cost: 0.0,
    }]);
    let mut made = Vec::new();
    while let Some(next) = open.pop() {
        if made.len() >= MOST_RUNS {
            break;
        }
        let mut tape = Tape {
            given: next.given.clone(),
            ..Tape::default()
        };
        let result = run(&mut tape);
        for (place, costs) in tape.seen.iter().enumerate().skip(next.given.len()) {
            for (way, cost) in costs.iter().enumerate().skip(1) {
                let mut given = next.given.clone();
                given.resize(place, 0);
                given.push(way);
                let cost = next.cost + cost;
                if cost <= MOST_COST {
                    open.push(Open { given, cost });
                }
            }
        }
        made.push((result, tape.cost));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::ways;

    #[test]
    fn all_ways_are_gone_the_cheapest_first() {
        let made = ways(|tape| {
            let first = tape.choose(&[0.0, 1.0]);
            let second = if first == 0 {
                tape.choose(&[0.0, 0.5, 9.0])
            } else {
                7
            };
            tape.pay(0.1);
            (first, second)
        });
        let results: Vec<_> = made.iter().map(|(result, _)| *result).collect();
        assert_eq!(results, [(0, 0), (0, 1), (1, 7)]);
        assert!((made[1].1 - 0.6).abs() < 1e-6);
    }
}
