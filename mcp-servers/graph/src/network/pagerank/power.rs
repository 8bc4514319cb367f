//! All mass at once: Page, Brin, Motwani and Winograd, "The PageRank Citation Ranking" (1999), with
//! mass that starts over at the seeds. Each round settles a part of what waits on every node and
//! moves the rest along its edges, so that what waits shrinks by the damping each time.

use super::{Score, Walk};
use crate::network::layer::id;
use crate::network::snapshot::Snapshot;
use crate::network::weights::{Scale, Weights};

/// How many edges, each way round, a graph may have for all of them to be looked at each time.
const MOST: usize = 1 << 19;

/// Edges with their weights, by node. An edge weighs the same either way round, so that the row of
/// a node says as well what comes in.
#[derive(Debug)]
pub(in crate::network) struct Matrix {
    weights: Weights,
    offsets: Vec<u32>,
    edges: Vec<(u32, f32)>,
    /// Weight of all edges of a node.
    totals: Vec<f64>,
}

impl Matrix {
    /// The edges of a graph, unless they are too many.
    pub(in crate::network) fn new(snapshot: &Snapshot, weights: Weights) -> Option<Self> {
        let entities = snapshot.uses().iter().map(|uses| *uses as usize);
        if entities.sum::<usize>() > MOST / 2 {
            return None;
        }
        let scale = Scale::new(snapshot, weights);
        let nodes = snapshot.nodes();
        let mut offsets = Vec::with_capacity(nodes.saturating_add(1));
        let mut edges = Vec::new();
        let mut totals = Vec::with_capacity(nodes);
        offsets.push(0);
        for node in 0..id(nodes) {
            // What is gone is led to by nothing, but its rows are still there.
            let gone = match snapshot.as_passage(node) {
                None => snapshot.uses_of(node) == 0,
                Some(passage) => !snapshot.alive(passage),
            };
            let mut total = 0u64;
            if !gone {
                snapshot.edges(node, |edge| {
                    let weight = round(scale.weight(node, &edge));
                    total = total.saturating_add(weight as u64);
                    edges.push((edge.to, weight));
                });
            }
            offsets.push(id(edges.len()));
            totals.push(total as f64);
            if edges.len() > MOST.saturating_mul(2) {
                return None;
            }
        }
        Some(Self {
            weights,
            offsets,
            edges,
            totals,
        })
    }

    pub(in crate::network) fn is_of(&self, weights: Weights) -> bool {
        self.weights == weights
    }
}

/// A weight as a whole number that a short float holds, so that a sum of them is exact.
fn round(weight: u64) -> f32 {
    weight as f32
}

/// All mass, as floats count it: whole numbers up to here are added without rounding, so that their
/// sums have no order, and faster than as integers.
const WHOLE: f64 = (1u64 << 52) as f64;

/// What a whole number here is of the mass that is counted elsewhere.
const SHIFT: u32 = 8;

/// The nearest whole number of one that is not above `WHOLE`: beyond it, floats have no fractions.
fn whole(mass: f64) -> f64 {
    (mass + WHOLE) - WHOLE
}

pub(super) fn power(matrix: &Matrix, seeds: &[(u32, u64)], walk: &Walk) -> Vec<Score> {
    let damping = walk.damping();
    let nodes = matrix.totals.len();
    let mut settled = vec![0f64; nodes];
    let mut waiting = vec![0f64; nodes];
    for (node, share) in seeds {
        if let Some(waiting) = waiting.get_mut(*node as usize) {
            *waiting += (*share >> SHIFT) as f64;
        }
    }
    // What a unit of weight carries away from each node.
    let mut shares = vec![0f64; nodes];
    let mut left: f64 = waiting.iter().sum();
    while left > (walk.rest() >> SHIFT) as f64 {
        let stays = settled.iter_mut().zip(&waiting).zip(&mut shares);
        for (((settled, mass), share), total) in stays.zip(&matrix.totals) {
            // A walk that cannot go on stays.
            let on = if *total > 0.0 {
                whole(mass * damping)
            } else {
                0.0
            };
            *settled += mass - on;
            *share = if on > 0.0 { on / total } else { 0.0 };
        }
        let mut sum = 0.0;
        for (mass, range) in waiting.iter_mut().zip(matrix.offsets.windows(2)) {
            let [start, end] = range else { continue };
            let row = matrix.edges.get(*start as usize..*end as usize);
            let gifts = row.unwrap_or_default().iter().map(|(from, weight)| {
                let share = shares.get(*from as usize).copied().unwrap_or(0.0);
                whole(share * f64::from(*weight))
            });
            *mass = gifts.sum::<f64>();
            sum += *mass;
        }
        // So little is left that it is lost in rounding.
        if sum >= left {
            break;
        }
        left = sum;
    }
    let counted = |mass: f64| (mass as u64) << SHIFT;
    let masses = settled.into_iter().zip(waiting);
    let scores = (0u32..).zip(masses).map(|(node, masses)| Score {
        node,
        settled: counted(masses.0),
        waiting: counted(masses.1),
    });
    scores
        .filter(|score| score.settled > 0 || score.waiting > 0)
        .collect()
}
