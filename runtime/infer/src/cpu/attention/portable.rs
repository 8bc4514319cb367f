//! Attention to a page in plain Rust: for machines without AVX-512, and to check the other by.

use super::super::elementwise::exp;
use super::{AttentionShape, Queries};
use crate::kv::{BLOCK, HeadPage, PAGE};

/// Takes in what the rows see of a page whose first token is at `start`.
pub(super) fn see(shape: AttentionShape, start: usize, page: HeadPage<'_>, seen: &mut Queries) {
    let head = shape.head;
    for index in 0..super::ROWS {
        let position = seen.positions.get(index).copied().flatten();
        let mut scores = [0.0_f32; PAGE];
        let mut visible = [false; PAGE];
        let blocks = page
            .keys
            .chunks_exact(head * BLOCK)
            .zip(scores.as_chunks_mut::<BLOCK>().0);
        for (keys, scores) in blocks {
            for (keys, numbers) in keys.as_chunks::<BLOCK>().0.iter().zip(&seen.numbers) {
                let query = numbers.get(index).copied().unwrap_or_default();
                for (score, key) in scores.iter_mut().zip(keys) {
                    *score += query * key.to_f32();
                }
            }
        }
        for (slot, sees) in visible.iter_mut().enumerate() {
            *sees = Queries::sees(shape, position, start + slot);
        }
        let (Some(highest), Some(weight), Some(sums)) = (
            seen.highest.get_mut(index),
            seen.weights.get_mut(index),
            seen.sums.get_mut(index * head..(index + 1) * head),
        ) else {
            return;
        };
        let in_sight = scores.iter().zip(visible).filter(|(_, sees)| *sees);
        let top = in_sight.fold(*highest, |top, (score, _)| top.max(*score));
        let fade = exp(*highest - top);
        *highest = top;
        *weight *= fade;
        sums.iter_mut().for_each(|sum| *sum *= fade);
        let values = page.values.chunks_exact(head);
        for ((score, sees), values) in scores.iter().zip(visible).zip(values) {
            if sees {
                let share = exp(score - top);
                *weight += share;
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += share * value.to_f32();
                }
            }
        }
    }
}
