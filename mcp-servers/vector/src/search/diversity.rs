//! Results that do not all say the same.

use super::Found;

/// Maximal marginal relevance (Carbonell and Goldstein, 1998): each next result is the one whose
/// score outweighs its likeness to those already taken.
pub(super) fn diversified(
    mut rest: Vec<Found>,
    vector: &str,
    diversity: f32,
    limit: usize,
) -> Vec<Found> {
    let weight = diversity.clamp(0.0, 1.0);
    let best = rest
        .first()
        .map_or(1.0, |found| found.score)
        .abs()
        .max(f32::EPSILON);
    let mut taken: Vec<Found> = Vec::new();
    while taken.len() < limit && !rest.is_empty() {
        let value = |found: &Found| {
            let alike = taken.iter().filter_map(|other| {
                let (a, b) = (
                    found.point.dense.get(vector)?,
                    other.point.dense.get(vector)?,
                );
                Some(ropewalk_embed::cosine(a, b))
            });
            (1.0 - weight) * found.score / best - weight * alike.fold(0.0, f32::max)
        };
        let next = rest
            .iter()
            .enumerate()
            .max_by(|(i, a), (j, b)| value(a).total_cmp(&value(b)).then(j.cmp(i)))
            .map(|(index, _)| index);
        match next {
            Some(index) => taken.push(rest.remove(index)),
            None => break,
        }
    }
    taken
}
