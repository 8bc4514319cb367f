//! Weights sixteen rows at a time.
//!
//! A tile holds sixteen rows of a matrix over the whole inner dimension `k`. Four consecutive
//! values of one row lie in one lane of 32 bits, so that `vpdpbusd` multiplies four inputs with
//! sixteen rows at once. The numbers are those of the file, bit for bit: nothing is quantised
//! again, and a tile takes as many bytes as the rows took (padded to cache lines).
//!
//! - [`q8_0`], [`q4_k`], [`q6_k`]: ggml's quantised kinds.
//! - [`float`]: f32, f16 and bf16.

pub mod float;
pub mod q4_k;
pub mod q6_k;
pub mod q8_0;

/// Rows in a tile.
pub const ROWS: usize = 16;

/// Lines that are asked for before they are needed, where a single row of inputs waits for memory
/// and nothing else.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 48;

/// One cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Line(pub [u8; 64]);

impl Line {
    /// Nothing but zeros.
    pub const ZERO: Line = Line([0; 64]);

    /// Its byte `j` of lane `row`.
    pub(super) fn byte(&self, row: usize, j: usize) -> u8 {
        self.0.get(row * 4 + j).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, row: usize, j: usize, value: u8) {
        if let Some(byte) = self.0.get_mut(row * 4 + j) {
            *byte = value;
        }
    }
}

/// Lays out one tile from up to sixteen rows of blocks of `B` bytes, each of which goes into `L`
/// lines.
pub(super) fn pack_blocks<const B: usize, const L: usize>(
    rows: &[&[u8]],
    tile: &mut [Line],
    pack: impl Fn(&[u8; B], usize, &mut [Line; L]),
) {
    tile.fill(Line::ZERO);
    for (row, bytes) in rows.iter().enumerate().take(ROWS) {
        let blocks = bytes.as_chunks::<B>().0.iter();
        for (block, lines) in blocks.zip(tile.as_chunks_mut::<L>().0) {
            pack(block, row, lines);
        }
    }
}

/// `T` tiles that are walked together, `L` lines at a time.
#[cfg(target_arch = "x86_64")]
struct Groups<'a, const L: usize, const T: usize> {
    tiles: [&'a [Line]; T],
    groups: [&'a [[Line; L]]; T],
    /// Groups that all tiles have.
    count: usize,
}

#[cfg(target_arch = "x86_64")]
impl<'a, const L: usize, const T: usize> Groups<'a, L, T> {
    #[inline(always)]
    fn new(tiles: [&'a [Line]; T]) -> Self {
        let groups = tiles.map(|tile| tile.as_chunks::<L>().0);
        let count = groups.iter().map(|groups| groups.len()).min().unwrap_or(0);
        Self {
            tiles,
            groups,
            count,
        }
    }

    /// One group of each tile.
    #[inline(always)]
    fn at(&self, index: usize) -> [&'a [Line; L]; T] {
        self.groups
            .map(|groups| groups.get(index).unwrap_or(const { &[Line::ZERO; L] }))
    }

    /// Asks for the lines that follow `line` of a group after some more.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn soon(&self, index: usize, line: usize) {
        for tile in self.tiles {
            if let Some(line) = tile.get(index * L + line + AHEAD) {
                super::lanes::soon(line);
            }
        }
    }
}

/// The half-precision number at `index` of a line (32 to a line).
pub(super) fn half_at(line: &Line, index: usize) -> half::f16 {
    let (halves, _) = line.0.as_chunks::<2>();
    let bytes = halves.get(index).copied().unwrap_or_default();
    half::f16::from_le_bytes(bytes)
}

pub(super) fn set_half(line: &mut Line, index: usize, value: half::f16) {
    let (halves, _) = line.0.as_chunks_mut::<2>();
    if let Some(bytes) = halves.get_mut(index) {
        *bytes = value.to_le_bytes();
    }
}

/// The two halves of a line.
#[cfg(target_arch = "x86_64")]
pub(super) fn split(line: &Line) -> [&[u8; 32]; 2] {
    let (low, high) = line.0.split_at(32);
    match (low.first_chunk(), high.first_chunk()) {
        (Some(low), Some(high)) => [low, high],
        _ => [&[0; 32]; 2],
    }
}
