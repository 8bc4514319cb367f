//! The sum of a set: one digest is added or taken away at a time, and the order does not matter.
//!
//! It is LtHash: Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing" (1997), with
//! the sizes of Lewi, Kim, Maykov and Weis, "Securing Update Propagation with Homomorphic Hashing"
//! (2019): 1,024 numbers of 16 bits. Sums of fewer bits can be forged.

/// How many numbers a sum has.
const NUMBERS: usize = 1024;

/// The sum of digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum(Vec<u16>);

impl Sum {
    /// The sum of nothing.
    pub(super) fn empty() -> Self {
        Self(vec![0; NUMBERS])
    }

    /// One that was kept; `None` if it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let numbers: Vec<u16> = pairs.iter().copied().map(u16::from_le_bytes).collect();
        (numbers.len() == NUMBERS && rest.is_empty()).then_some(Self(numbers))
    }

    /// As it is kept.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.iter().copied().flat_map(u16::to_le_bytes).collect()
    }

    /// With one more.
    pub(super) fn add(&mut self, digest: &[u8; 32]) {
        self.each(digest, u16::wrapping_add);
    }

    /// With one less.
    pub(super) fn take(&mut self, digest: &[u8; 32]) {
        self.each(digest, u16::wrapping_sub);
    }

    /// What the sum is known by.
    pub(super) fn hash(&self) -> [u8; 32] {
        *blake3::hash(&self.bytes()).as_bytes()
    }

    fn each(&mut self, digest: &[u8; 32], change: fn(u16, u16) -> u16) {
        let mut numbers = vec![0_u8; NUMBERS * 2];
        blake3::Hasher::new()
            .update(digest)
            .finalize_xof()
            .fill(&mut numbers);
        let (pairs, _) = numbers.as_chunks::<2>();
        for (sum, pair) in self.0.iter_mut().zip(pairs) {
            *sum = change(*sum, u16::from_le_bytes(*pair));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_what_is_taken_leaves_nothing() {
        let [a, b, c] = [[1; 32], [2; 32], [3; 32]];
        let mut one = Sum::empty();
        one.add(&a);
        one.add(&b);
        one.add(&c);
        one.take(&b);
        let mut other = Sum::empty();
        other.add(&c);
        other.add(&a);
        assert_eq!(one, other);
        assert_ne!(one.hash(), Sum::empty().hash());
        assert_eq!(Sum::read(&one.bytes()), Some(one.clone()));
        one.take(&a);
        one.take(&c);
        assert_eq!(one.hash(), Sum::empty().hash());
        assert_eq!(Sum::read(&[0; 7]), None);
    }
}
