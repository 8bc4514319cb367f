//! Where to begin: the passages that fit best by themselves, and those that are about what the
//! question names.

use std::collections::BTreeSet;

use super::Index;
use super::hops::Question;

/// Passages that fit best.
const BEST: usize = 6;
/// Passages about one thing that the question names.
const ABOUT: usize = 8;
/// A name in so few passages leads to all of them.
const RARE: usize = 3;
/// Beginnings altogether: each costs an embedding.
const SEEDS: usize = 12;
/// How much it counts towards being a beginning that a passage names what the question names.
const NAMES: f32 = 0.3;

/// The slots to begin at, the best first.
pub(super) fn of(index: &Index, question: &Question) -> Vec<u32> {
    let mut seeds: BTreeSet<u32> = BTreeSet::new();
    let fits = |slot: u32| question.fit(slot);
    let all = (0..index.slots.len() as u32).filter(|slot| fits(*slot) > 0.0);
    seeds.extend(best(index, all, BEST, &fits));
    for name in &question.names {
        let about = index.names.about(*name);
        seeds.extend(best(index, about.iter().copied(), ABOUT, &fits));
        let named = index.names.named(*name);
        if named.len() <= RARE {
            seeds.extend(named);
        }
    }
    let worth = |slot: u32| {
        let about = question.is_about(index, slot);
        question.fit(slot) + f32::from(u8::from(about)) + NAMES * question.names_in(index, slot)
    };
    best(index, seeds.into_iter(), SEEDS, &worth)
}

/// The best so many; those that are alike in the order of sources.
pub(super) fn best(
    index: &Index,
    slots: impl Iterator<Item = u32>,
    count: usize,
    worth: &dyn Fn(u32) -> f32,
) -> Vec<u32> {
    let mut slots: Vec<(f32, u32)> = slots.map(|slot| (worth(slot), slot)).collect();
    let order = |slot: u32| index.at(slot).map(|slot| (&slot.source, slot.number));
    let better = |left: &(f32, u32), right: &(f32, u32)| {
        let worth = right.0.total_cmp(&left.0);
        worth.then_with(|| order(left.1).cmp(&order(right.1)))
    };
    if slots.len() > count && count > 0 {
        slots.select_nth_unstable_by(count.saturating_sub(1), better);
        slots.truncate(count);
    }
    slots.sort_by(better);
    slots.truncate(count);
    slots.into_iter().map(|(_, slot)| slot).collect()
}
