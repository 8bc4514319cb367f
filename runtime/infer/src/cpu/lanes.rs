//! Loads and stores of 16 lanes that cannot leave their array.
//!
//! All of it needs AVX-512F; the functions can only be called where that is enabled.

#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    __m128i, __m256i, __m512, __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch,
    _mm256_loadu_si256, _mm512_load_si512, _mm512_loadu_ps, _mm512_storeu_ps,
};

use half::f16;

use super::tile::Line;

/// Loads 64 bytes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn line(line: &Line) -> __m512i {
    // SAFETY: a line is 64 bytes at an address that divides by 64.
    unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
}

/// Loads 16 numbers.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn floats(values: &[f32; 16]) -> __m512 {
    // SAFETY: the array has 64 bytes; the load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

/// Loads 16 half-precision numbers as they are.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn halves(values: &[f16; 16]) -> __m256i {
    // SAFETY: the array has 32 bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// Loads 32 bytes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn bytes32(values: &[u8; 32]) -> __m256i {
    // SAFETY: the array has 32 bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// Loads 16 bytes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn bytes16(values: &[u8; 16]) -> __m128i {
    // SAFETY: the array has 16 bytes; the load needs no alignment.
    unsafe { _mm_loadu_si128(values.as_ptr().cast()) }
}

/// Stores 16 numbers.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(values: &mut [f32; 16], lanes: __m512) {
    // SAFETY: the array has 64 bytes; the store needs no alignment.
    unsafe { _mm512_storeu_ps(values.as_mut_ptr(), lanes) }
}

/// Asks for a line that is needed soon.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn soon(line: &Line) {
    _mm_prefetch::<_MM_HINT_T0>(line.0.as_ptr().cast());
}
