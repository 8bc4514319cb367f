//! Keys and values of attention, in pages of [`PAGE`] tokens.
//!
//! A page holds the keys and values of all layers, in half precision. Keys lie as attention reads
//! them: for sixteen tokens, the first number of each, then the second of each; values lie token
//! after token.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// Tokens of a page.
pub const PAGE: usize = 32;
/// Tokens whose keys lie interleaved.
pub const BLOCK: usize = 16;

/// Sizes of what is kept for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvShape {
    /// Layers.
    pub layers: usize,
    /// Heads of keys and values in a layer.
    pub heads: usize,
    /// Numbers of a head.
    pub head: usize,
}

impl KvShape {
    /// Bytes of a page.
    pub fn page_bytes(self) -> usize {
        self.page() * 2
    }

    fn page(self) -> usize {
        self.layers * self.heads * self.span()
    }

    /// Numbers of one head of one layer in a page: keys, then values.
    fn span(self) -> usize {
        self.head * PAGE * 2
    }
}

/// Keys and values of up to [`PAGE`] consecutive tokens.
#[derive(Debug, Clone)]
pub struct Page {
    shape: KvShape,
    numbers: Vec<f16>,
}

/// Keys and values of one head in a page.
#[derive(Debug, Clone, Copy)]
pub struct HeadPage<'a> {
    /// `[block][number][token of the block]`.
    pub keys: &'a [f16],
    /// `[token][number]`.
    pub values: &'a [f16],
}

impl Page {
    /// An empty page.
    pub fn new(shape: KvShape) -> Self {
        Self {
            shape,
            numbers: vec![f16::ZERO; shape.page()],
        }
    }

    /// Writes keys and values of one token in one layer: the numbers of all heads in a row.
    pub fn write(&mut self, layer: usize, slot: usize, keys: &[f32], values: &[f32]) {
        let KvShape { heads, head, .. } = self.shape;
        let span = self.shape.span();
        let mut narrow = vec![f16::ZERO; head];
        let layers = self.numbers.chunks_exact_mut(heads * span);
        let Some(numbers) = layers.into_iter().nth(layer) else {
            return;
        };
        let of_heads = keys.chunks_exact(head).zip(values.chunks_exact(head));
        for (numbers, (keys, values)) in numbers.chunks_exact_mut(span).zip(of_heads) {
            let (to_keys, to_values) = numbers.split_at_mut(head * PAGE);
            narrow.convert_from_f32_slice(keys);
            let block = to_keys.chunks_exact_mut(head * BLOCK).nth(slot / BLOCK);
            let places = block
                .into_iter()
                .flat_map(|block| block.chunks_exact_mut(BLOCK));
            for (place, key) in places.zip(&narrow) {
                if let Some(to) = place.get_mut(slot % BLOCK) {
                    *to = *key;
                }
            }
            if let Some(to) = to_values.chunks_exact_mut(head).nth(slot) {
                to.convert_from_f32_slice(values);
            }
        }
    }

    /// What one head of one layer reads.
    pub fn head(&self, layer: usize, head: usize) -> HeadPage<'_> {
        let span = self.shape.span();
        let from = (layer * self.shape.heads + head) * span;
        let numbers = self.numbers.get(from..from + span).unwrap_or_default();
        let (keys, values) = numbers.split_at(numbers.len() / 2);
        HeadPage { keys, values }
    }
}
