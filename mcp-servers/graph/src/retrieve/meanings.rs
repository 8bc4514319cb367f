//! Which passages mean what a question means: the cosine of their vectors.

use rayon::prelude::*;

/// Rows that one thread looks at before it asks for more.
const ROWS: usize = 1024;

/// Unit vectors of passages, kept by slot. A slot without one is like nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Meanings {
    dimensions: usize,
    rows: Vec<f32>,
}

impl Meanings {
    pub(super) fn put(&mut self, slot: u32, vector: &[f32]) {
        if self.dimensions == 0 {
            self.dimensions = vector.len();
        }
        let start = (slot as usize).saturating_mul(self.dimensions);
        let end = start.saturating_add(self.dimensions);
        if vector.len() != self.dimensions {
            return;
        }
        if self.rows.len() < end {
            self.rows.resize(end, 0.0);
        }
        if let Some(row) = self.rows.get_mut(start..end) {
            row.copy_from_slice(vector);
        }
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let start = (slot as usize).saturating_mul(self.dimensions);
        if let Some(row) = self
            .rows
            .get_mut(start..start.saturating_add(self.dimensions))
        {
            row.fill(0.0);
        }
    }

    /// How like a vector each slot is.
    pub(super) fn scores(&self, vector: &[f32]) -> Vec<f32> {
        if self.dimensions == 0 || vector.len() != self.dimensions {
            return Vec::new();
        }
        self.rows
            .par_chunks_exact(self.dimensions)
            .with_min_len(ROWS)
            .map(|row| dot(row, vector))
            .collect()
    }

    /// How like a vector the passage in a slot is.
    pub(super) fn score(&self, slot: u32, vector: &[f32]) -> f32 {
        let start = (slot as usize).saturating_mul(self.dimensions);
        self.rows
            .get(start..start.saturating_add(self.dimensions))
            .filter(|row| row.len() == vector.len())
            .map_or(0.0, |row| dot(row, vector))
    }
}

/// Sixteen sums side by side, which is what a processor adds at once.
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (left, right) = (left.chunks_exact(16), right.chunks_exact(16));
    let rest: f32 = left
        .remainder()
        .iter()
        .zip(right.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (left, right) in left.zip(right) {
        for ((sum, x), y) in sums.iter_mut().zip(left).zip(right) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_scores_highest_and_what_is_removed_is_like_nothing() {
        let unit = |at: usize| {
            let mut vector = vec![0.0_f32; 20];
            vector[at] = 1.0;
            vector
        };
        let mut meanings = Meanings::default();
        assert!(meanings.scores(&unit(1)).is_empty());
        meanings.put(0, &unit(3));
        meanings.put(2, &unit(18));
        assert_eq!(meanings.scores(&unit(18)), [0.0, 0.0, 1.0]);
        assert!(meanings.score(0, &unit(3)) == 1.0 && meanings.score(7, &unit(3)) == 0.0);
        meanings.remove(2);
        assert_eq!(meanings.scores(&unit(18)), [0.0, 0.0, 0.0]);
        meanings.put(1, &[1.0]);
        assert_eq!(meanings.scores(&unit(18)), [0.0, 0.0, 0.0]);
    }
}
