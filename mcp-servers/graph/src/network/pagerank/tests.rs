//! Both ways to walk against the definition, worked out in floats on a full table.

use proptest::prelude::*;

use super::power::{Matrix, power};
use super::push::push;
use super::{ONE, Score, Walk};
use crate::network::snapshot::Snapshot;
use crate::network::tests::{graph, piece, said, saying};
use crate::network::weights::Scale;

/// Where a walk stands in the end: x = (1 - d) s + d P x, repeated until it does not change.
fn by_definition(snapshot: &Snapshot, seeds: &[(u32, u64)], walk: &Walk) -> Vec<f64> {
    let scale = Scale::new(snapshot, walk.weights);
    let nodes = snapshot.nodes();
    let mut table = vec![vec![0.0; nodes]; nodes];
    for (node, row) in (0u32..).zip(&mut table) {
        snapshot.edges(node, |edge| {
            row[edge.to as usize] += scale.weight(node, &edge) as f64;
        });
        let total: f64 = row.iter().sum();
        if total == 0.0 {
            row[node as usize] = 1.0;
        } else {
            row.iter_mut().for_each(|weight| *weight /= total);
        }
    }
    let mut start = vec![0.0; nodes];
    for (node, share) in seeds {
        start[*node as usize] += *share as f64 / ONE as f64;
    }
    let mut scores = start.clone();
    for _ in 0..2_000 {
        let mut next: Vec<f64> = start
            .iter()
            .map(|mass| mass * (1.0 - walk.damping))
            .collect();
        for (row, mass) in table.iter().zip(&scores) {
            for (next, weight) in next.iter_mut().zip(row) {
                *next += walk.damping * mass * weight;
            }
        }
        scores = next;
    }
    scores
}

/// No node is further off than the bound that is given out, and nothing is lost.
fn agrees(scores: &[Score], exact: &[f64]) -> Result<(), TestCaseError> {
    let part = |mass: u64| mass as f64 / ONE as f64;
    let error: f64 = scores.iter().map(|score| part(score.waiting)).sum();
    let mut all = vec![0.0; exact.len()];
    for score in scores {
        all[score.node as usize] = part(score.settled) + part(score.waiting);
    }
    let sum: f64 = all.iter().sum();
    prop_assert!((sum - 1.0).abs() < 1e-9, "adds up to {}", sum);
    for (found, exact) in all.iter().zip(exact) {
        prop_assert!(
            (found - exact).abs() <= error + 1e-6,
            "{found} for {exact}, within {error}"
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn both_ways_are_within_their_bounds(
        passages in prop::collection::vec("[a-f](,[a-f]){0,4}", 1..8),
        statements in prop::collection::vec(("[a-h]", "[a-h]"), 1..6),
        seeds in prop::collection::vec((any::<prop::sample::Index>(), 1u32..9), 1..4),
        damping in 0.0f64..0.95,
        tolerance in prop::sample::select(&[1e-2, 1e-4, 1e-7][..]),
    ) {
        let texts: Vec<&str> = passages.iter().map(String::as_str).collect();
        let statements = statements.iter().map(|(one, other)| said(one, "knows", other, None));
        let snapshot = graph(vec![piece("one", &texts), saying("two", statements.collect())]);
        let named: Vec<_> = seeds
            .iter()
            .map(|(at, weight)| {
                let node = u32::try_from(at.index(snapshot.nodes())).unwrap();
                (snapshot.name(node), f64::from(*weight))
            })
            .collect();
        let (seeds, unknown) = snapshot.seeds(&named);
        prop_assert!(unknown.is_empty());
        let walk = Walk { damping, tolerance, error: tolerance, ..Walk::default() };
        let exact = by_definition(&snapshot, &seeds, &walk);
        let scale = Scale::new(&snapshot, walk.weights);
        agrees(&push(&snapshot, &scale, &seeds, &walk), &exact)?;
        let matrix = Matrix::new(&snapshot, walk.weights).unwrap();
        let scores = power(&matrix, &seeds, &walk);
        agrees(&scores, &exact)?;
        let waiting: u64 = scores.iter().map(|score| score.waiting).sum();
        prop_assert!(waiting <= walk.rest());
    }
}
