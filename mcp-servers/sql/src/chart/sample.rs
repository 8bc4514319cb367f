//! Which marks are drawn when there are more than anybody could see.
//!
//! The same rows always give the same sample.

/// As many marks are drawn as they are.
pub(super) const MOST: usize = 10_000;
/// As many are left of more.
pub(super) const LEFT: usize = 2_000;

/// Of values in the order of time: the first, the last, and of each stretch in between the lowest
/// and the highest.
pub(super) fn stretches(values: &[Option<f64>], most: usize) -> Vec<usize> {
    let count = values.len();
    if count <= most.max(4) {
        return (0..count).collect();
    }
    let stretches = (most.max(4) - 2) / 2;
    let mut kept = vec![0, count - 1];
    for stretch in 0..stretches {
        let from = stretch * count / stretches;
        let to = (stretch + 1) * count / stretches;
        let known = || {
            let inside = values.iter().enumerate().skip(from).take(to - from);
            inside.filter_map(|(place, value)| value.map(|value| (place, value)))
        };
        let low = known().min_by(|one, other| one.1.total_cmp(&other.1));
        let high = known().max_by(|one, other| one.1.total_cmp(&other.1));
        kept.extend([low, high].into_iter().flatten().map(|(place, _)| place));
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

/// Of points without an order: any, each as likely as the other, and those at the edges.
pub(super) fn scattered(points: &[(f64, f64)], most: usize) -> Vec<usize> {
    let count = points.len();
    if count <= most {
        return (0..count).collect();
    }
    let edge = |of: fn(&(f64, f64)) -> f64, sign: f64| {
        let all = points.iter().enumerate();
        all.min_by(|one, other| (sign * of(one.1)).total_cmp(&(sign * of(other.1))))
            .map(|(place, _)| place)
    };
    let edges = [
        Some(0),
        Some(count - 1),
        edge(|point| point.0, 1.0),
        edge(|point| point.0, -1.0),
        edge(|point| point.1, 1.0),
        edge(|point| point.1, -1.0),
    ];
    let room = most.saturating_sub(edges.len());
    // Reservoir sampling: the n-th point takes the place of another with a chance of room / n.
    let mut kept: Vec<usize> = (0..room).collect();
    let mut state = 0x5EED_u64;
    for place in room..count {
        let chosen = (random(&mut state) % (place as u64 + 1)) as usize;
        if let Some(slot) = kept.get_mut(chosen) {
            *slot = place;
        }
    }
    kept.extend(edges.into_iter().flatten());
    kept.sort_unstable();
    kept.dedup();
    kept
}

/// SplitMix64: a few lines, and good enough to choose by.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_first_last_lowest_and_highest_stay(
            values in prop::collection::vec(prop::option::of(-1e6..1e6), 1..3000),
            most in 4_usize..500,
        ) {
            let kept = stretches(&values, most);
            prop_assert!(kept.len() <= most.max(4));
            prop_assert!(kept.is_sorted());
            prop_assert_eq!(kept.first(), Some(&0));
            prop_assert_eq!(kept.last(), Some(&(values.len() - 1)));
            let of = |places: &mut dyn Iterator<Item = usize>| {
                let known: Vec<f64> = places.filter_map(|place| values[place]).collect();
                (known.iter().copied().fold(f64::INFINITY, f64::min),
                 known.iter().copied().fold(f64::NEG_INFINITY, f64::max))
            };
            prop_assert_eq!(of(&mut kept.iter().copied()), of(&mut (0..values.len())));
        }

        #[test]
        fn the_edges_of_a_cloud_stay(
            points in prop::collection::vec((-1e6..1e6, -1e6..1e6), 1..3000),
            most in 10_usize..500,
        ) {
            let kept = scattered(&points, most);
            prop_assert!(kept.len() <= most);
            prop_assert_eq!(&kept, &scattered(&points, most));
            let turned = |place: usize| {
                let (x, y) = points[place];
                [x, -x, y, -y]
            };
            let most_of = |places: &mut dyn Iterator<Item = usize>| {
                places.map(turned).fold([f64::NEG_INFINITY; 4], |most, one| {
                    std::array::from_fn(|way| most[way].max(one[way]))
                })
            };
            prop_assert_eq!(most_of(&mut kept.iter().copied()), most_of(&mut (0..points.len())));
        }
    }

    #[test]
    fn a_sample_comes_from_everywhere() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|n| (f64::from(n), 0.0)).collect();
        let kept = scattered(&points, 1000);
        for tenth in 0..10 {
            let inside = kept.iter().filter(|place| **place / 1000 == tenth).count();
            assert!((60..=140).contains(&inside), "{inside} of tenth {tenth}");
        }
    }
}
