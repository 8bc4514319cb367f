//! Groups of known graphs, and what must hold of any.

use proptest::prelude::*;

use super::leiden::{leiden, louvain};
use super::weighted::Weighted;

/// Zachary's karate club, from 1.
const KARATE: &str = "2-1 3-1 3-2 4-1 4-2 4-3 5-1 6-1 7-1 7-5 7-6 8-1 8-2 8-3 8-4 9-1 9-3 10-3 11-1
    11-5 11-6 12-1 13-1 13-4 14-1 14-2 14-3 14-4 17-6 17-7 18-1 18-2 20-1 20-2 22-1 22-2 26-24 26-25
    28-3 28-24 28-25 29-3 30-24 30-27 31-2 31-9 32-1 32-25 32-26 32-29 33-3 33-9 33-15 33-16 33-19
    33-21 33-23 33-24 33-30 33-31 33-32 34-9 34-10 34-14 34-15 34-16 34-19 34-20 34-21 34-23 34-24
    34-27 34-28 34-29 34-30 34-31 34-32 34-33";

fn karate() -> Weighted {
    let pairs = KARATE.split_whitespace().map(|pair| {
        let (one, other) = pair.split_once('-').unwrap();
        let node = |text: &str| text.parse::<u32>().unwrap() - 1;
        (node(one), node(other), 1)
    });
    let pairs: Vec<_> = pairs.collect();
    assert_eq!(pairs.len(), 78);
    Weighted::new(34, pairs)
}

#[test]
fn the_karate_club_falls_apart_as_it_is_known_to() {
    let graph = karate();
    let levels = leiden(&graph, 1.0);
    let best = graph.modularity(levels.last().unwrap());
    assert!((best - 0.4198).abs() < 1e-4, "{best}");
    assert!(best >= graph.modularity(&louvain(&graph, 1_024)));
}

#[test]
fn cliques_on_a_ring_are_groups() {
    let mut pairs = Vec::new();
    for clique in 0..8u32 {
        for one in 0..5 {
            for other in one + 1..5 {
                pairs.push((clique * 5 + one, clique * 5 + other, 1));
            }
        }
        pairs.push((clique * 5, (clique + 1) % 8 * 5 + 1, 1));
    }
    let graph = Weighted::new(40, pairs);
    let top = leiden(&graph, 1.0).pop().unwrap();
    let expected: Vec<u32> = (0..40).map(|node| node / 5).collect();
    assert_eq!(top, expected);
}

/// Whether all nodes of each group reach each other within it.
fn connected(graph: &Weighted, of: &[u32]) -> bool {
    let mut seen = vec![false; of.len()];
    let mut groups = std::collections::BTreeSet::new();
    for start in 0..of.len() {
        if seen[start] {
            continue;
        }
        if !groups.insert(of[start]) {
            return false;
        }
        let mut stack = vec![start];
        while let Some(node) = stack.pop() {
            if std::mem::replace(&mut seen[node], true) {
                continue;
            }
            let edges = graph.of_node(u32::try_from(node).unwrap()).iter();
            let next = edges.map(|(to, _)| *to as usize);
            stack.extend(next.filter(|to| of[*to] == of[start]));
        }
    }
    true
}

proptest! {
    #[test]
    fn groups_hold_together_and_levels_are_within_each_other(
        pairs in prop::collection::vec((0u32..40, 0u32..40, 1u32..50), 0..160),
        resolution in 0.2f64..3.0,
    ) {
        let graph = Weighted::new(40, pairs);
        let levels = leiden(&graph, resolution);
        prop_assert!(!levels.is_empty());
        for level in &levels {
            prop_assert_eq!(level.len(), 40);
            prop_assert!(connected(&graph, level));
        }
        for pair in levels.windows(2) {
            let mut above = std::collections::BTreeMap::new();
            for (fine, coarse) in pair[0].iter().zip(&pair[1]) {
                prop_assert_eq!(above.entry(*fine).or_insert(*coarse), coarse);
            }
        }
    }

    #[test]
    fn groups_are_worth_what_the_older_algorithm_finds_or_more(
        pairs in prop::collection::vec((0u32..40, 0u32..40, 1u32..50), 1..160),
    ) {
        let graph = Weighted::new(40, pairs);
        let levels = leiden(&graph, 1.0);
        let top = graph.modularity(levels.last().unwrap());
        let older = graph.modularity(&louvain(&graph, 1_024));
        prop_assert!(top >= older - 1e-9, "{top} for {older}");
    }
}
