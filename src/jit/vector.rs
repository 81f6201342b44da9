//! Vectors of f32 as x86-64 has them, for code that moves lanes: what a window along a row takes.
//!
//! Methods are inlined into functions that were compiled for the vector's instructions; none may be called elsewhere, which is what
//! makes all of them `unsafe`.
#![allow(clippy::undocumented_unsafe_blocks, reason = "each passes on what its method asks for")]

use std::arch::x86_64 as x86;

/// A vector of f32.
///
/// # Safety
///
/// All methods need the processor to have the vector's instructions.
pub(super) trait Vector: Copy {
    const LANES: usize;
    /// Some of the lanes.
    type Mask: Copy;
    /// How to put lanes behind.
    type Shift: Copy;

    unsafe fn zero() -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// What is negative counts as 0 where `positive` says so; a NaN stays.
    unsafe fn square(self, positive: bool) -> Self;
    /// Lanes `from..to`.
    unsafe fn mask(from: usize, to: usize) -> Self::Mask;
    /// `x` is readable in all lanes.
    unsafe fn load(x: *const f32) -> Self;
    /// `x` is readable in the lanes of the mask; the others are zeros.
    unsafe fn load_masked(x: *const f32, mask: Self::Mask) -> Self;
    /// `to` is writable in all lanes.
    unsafe fn store(self, to: *mut f32);
    /// By at most [`LANES`](Self::LANES).
    unsafe fn shift(by: usize) -> Self::Shift;
    /// What stood earlier: the last lanes of the vector before, then the first of `self`. `kept` is, of the vector before, what
    /// this takes (zeros are zeros), and becomes the same of `self`.
    unsafe fn behind(self, kept: &mut Self, shift: Self::Shift) -> Self;
}

impl Vector for x86::__m512 {
    const LANES: usize = 16;
    type Mask = x86::__mmask16;
    /// Whence each lane comes: 0 to 15 are those of the vector before.
    type Shift = x86::__m512i;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { x86::_mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { x86::_mm512_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn square(self, positive: bool) -> Self {
        unsafe {
            let x = if positive { x86::_mm512_max_ps(Self::zero(), self) } else { self };
            x86::_mm512_mul_ps(x, x)
        }
    }

    #[inline(always)]
    unsafe fn mask(from: usize, to: usize) -> Self::Mask {
        (((1u32 << to) - 1) & !((1u32 << from) - 1)) as u16
    }

    #[inline(always)]
    unsafe fn load(x: *const f32) -> Self {
        unsafe { x86::_mm512_loadu_ps(x) }
    }

    #[inline(always)]
    unsafe fn load_masked(x: *const f32, mask: Self::Mask) -> Self {
        unsafe { x86::_mm512_maskz_loadu_ps(mask, x) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { x86::_mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn shift(by: usize) -> Self::Shift {
        unsafe {
            let lanes = x86::_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            x86::_mm512_add_epi32(lanes, x86::_mm512_set1_epi32(16 - by as i32))
        }
    }

    #[inline(always)]
    unsafe fn behind(self, kept: &mut Self, shift: Self::Shift) -> Self {
        let before = std::mem::replace(kept, self);
        unsafe { x86::_mm512_permutex2var_ps(before, shift, self) }
    }
}

impl Vector for x86::__m256 {
    const LANES: usize = 8;
    type Mask = x86::__m256i;
    /// Whence each lane comes when a vector is turned, and which come from the vector before.
    type Shift = (x86::__m256i, Self);

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { x86::_mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { x86::_mm256_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn square(self, positive: bool) -> Self {
        unsafe {
            let x = if positive { x86::_mm256_max_ps(Self::zero(), self) } else { self };
            x86::_mm256_mul_ps(x, x)
        }
    }

    #[inline(always)]
    unsafe fn mask(from: usize, to: usize) -> Self::Mask {
        unsafe {
            let lanes = x86::_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let less = x86::_mm256_cmpgt_epi32(x86::_mm256_set1_epi32(from as i32), lanes);
            x86::_mm256_andnot_si256(less, x86::_mm256_cmpgt_epi32(x86::_mm256_set1_epi32(to as i32), lanes))
        }
    }

    #[inline(always)]
    unsafe fn load(x: *const f32) -> Self {
        unsafe { x86::_mm256_loadu_ps(x) }
    }

    #[inline(always)]
    unsafe fn load_masked(x: *const f32, mask: Self::Mask) -> Self {
        unsafe { x86::_mm256_maskload_ps(x, mask) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { x86::_mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn shift(by: usize) -> Self::Shift {
        unsafe {
            let lanes = x86::_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let by = x86::_mm256_set1_epi32(by as i32);
            // An index counts by its last three bits.
            let turn = x86::_mm256_sub_epi32(lanes, by);
            (turn, x86::_mm256_castsi256_ps(x86::_mm256_cmpgt_epi32(by, lanes)))
        }
    }

    #[inline(always)]
    unsafe fn behind(self, kept: &mut Self, (turn, earlier): Self::Shift) -> Self {
        unsafe {
            let turned = x86::_mm256_permutevar8x32_ps(self, turn);
            let before = std::mem::replace(kept, turned);
            x86::_mm256_blendv_ps(turned, before, earlier)
        }
    }
}

/// 256 bits with AVX-512 VL: shuffles of two vectors, as at 512.
#[derive(Clone, Copy)]
pub(super) struct Half(x86::__m256);

impl Vector for Half {
    const LANES: usize = 8;
    type Mask = x86::__mmask8;
    /// Whence each lane comes: 0 to 7 are those of the vector before.
    type Shift = x86::__m256i;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(x86::_mm256_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(x86::_mm256_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn square(self, positive: bool) -> Self {
        unsafe { Self(self.0.square(positive)) }
    }

    #[inline(always)]
    unsafe fn mask(from: usize, to: usize) -> Self::Mask {
        (((1u32 << to) - 1) & !((1u32 << from) - 1)) as u8
    }

    #[inline(always)]
    unsafe fn load(x: *const f32) -> Self {
        unsafe { Self(x86::_mm256_loadu_ps(x)) }
    }

    #[inline(always)]
    unsafe fn load_masked(x: *const f32, mask: Self::Mask) -> Self {
        unsafe { Self(x86::_mm256_maskz_loadu_ps(mask, x)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { x86::_mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn shift(by: usize) -> Self::Shift {
        unsafe {
            let lanes = x86::_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            x86::_mm256_add_epi32(lanes, x86::_mm256_set1_epi32(8 - by as i32))
        }
    }

    #[inline(always)]
    unsafe fn behind(self, kept: &mut Self, shift: Self::Shift) -> Self {
        let before = std::mem::replace(kept, self);
        unsafe { Self(x86::_mm256_permutex2var_ps(before.0, shift, self.0)) }
    }
}
