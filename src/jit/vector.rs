//! Vectors of f32 and f64 as x86-64 has them, for code that moves lanes: what a window along a row takes.
//!
//! Methods are inlined into functions that were compiled for the vector's instructions; none may be called elsewhere, which is what
//! makes all of them `unsafe`.
#![allow(clippy::undocumented_unsafe_blocks, reason = "each passes on what its method asks for")]

use std::arch::x86_64 as x86;

/// A vector.
///
/// # Safety
///
/// All methods need the processor to have the vector's instructions.
pub trait Vector: Copy {
    type Number: Copy;
    const LANES: usize;
    /// Some of the lanes.
    type Mask: Copy;
    /// How to put lanes behind.
    type Shift: Copy;

    unsafe fn zero() -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn square(self) -> Self;
    /// What is negative is 0; a NaN stays.
    unsafe fn positive(self) -> Self;
    /// Lanes `from..to`.
    unsafe fn mask(from: usize, to: usize) -> Self::Mask;
    /// `x` is readable in all lanes.
    unsafe fn load(x: *const Self::Number) -> Self;
    /// `x` is readable in the lanes of the mask; the others are zeros.
    unsafe fn load_masked(x: *const Self::Number, mask: Self::Mask) -> Self;
    /// `to` is writable in all lanes.
    unsafe fn store(self, to: *mut Self::Number);
    /// By at most [`LANES`](Self::LANES).
    unsafe fn shift(by: usize) -> Self::Shift;
    /// What stood earlier: the last lanes of the vector before, then the first of `self`. `kept` is, of the vector before, what
    /// this takes (zeros are zeros), and becomes the same of `self`.
    unsafe fn behind(self, kept: &mut Self, shift: Self::Shift) -> Self;
}

/// The vectors of a number.
pub trait InVectors: Copy {
    /// AVX-512, and of half the width; AVX2.
    type Wide: Vector<Number = Self>;
    type Half: Vector<Number = Self>;
    type Narrow: Vector<Number = Self>;
}

impl InVectors for f32 {
    type Wide = Lanes<x86::__m512>;
    type Half = Lanes<x86::__m256>;
    type Narrow = x86::__m256;
}

impl InVectors for f64 {
    type Wide = Lanes<x86::__m512d>;
    type Half = Lanes<x86::__m256d>;
    type Narrow = x86::__m256d;
}

/// Vectors with AVX-512's masks and shuffles of two vectors.
#[derive(Clone, Copy)]
pub struct Lanes<V>(V);

macro_rules! avx512 {
    ($($vector:ident: $lanes:literal $number:ident, $mask:ident, $indices:ident, $zero:ident $set:ident $add:ident $max:ident $mul:ident
       $load:ident $load_masked:ident $store:ident $from_first:ident $shuffle:ident;)*) => {$(
        impl Vector for Lanes<x86::$vector> {
            type Number = $number;
            const LANES: usize = $lanes;
            type Mask = x86::$mask;
            /// Whence each lane comes: the first are those of the vector before.
            type Shift = x86::$indices;

            #[inline(always)]
            unsafe fn zero() -> Self {
                unsafe { Self(x86::$zero()) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                unsafe { Self(x86::$add(self.0, other.0)) }
            }

            #[inline(always)]
            unsafe fn square(self) -> Self {
                unsafe { Self(x86::$mul(self.0, self.0)) }
            }

            #[inline(always)]
            unsafe fn positive(self) -> Self {
                unsafe { Self(x86::$max(Self::zero().0, self.0)) }
            }

            #[inline(always)]
            unsafe fn mask(from: usize, to: usize) -> Self::Mask {
                (((1u32 << to) - 1) & !((1u32 << from) - 1)) as Self::Mask
            }

            #[inline(always)]
            unsafe fn load(x: *const $number) -> Self {
                unsafe { Self(x86::$load(x)) }
            }

            #[inline(always)]
            unsafe fn load_masked(x: *const $number, mask: Self::Mask) -> Self {
                unsafe { Self(x86::$load_masked(mask, x)) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut $number) {
                unsafe { x86::$store(to, self.0) }
            }

            #[inline(always)]
            unsafe fn shift(by: usize) -> Self::Shift {
                unsafe { $from_first($lanes - by as i32) }
            }

            #[inline(always)]
            unsafe fn behind(self, kept: &mut Self, shift: Self::Shift) -> Self {
                let before = std::mem::replace(kept, self);
                unsafe { Self(x86::$shuffle(before.0, shift, self.0)) }
            }
        }
    )*};
}

#[rustfmt::skip]
avx512! {
    __m512: 16 f32, __mmask16, __m512i, _mm512_setzero_ps _mm512_set1_ps _mm512_add_ps _mm512_max_ps _mm512_mul_ps
        _mm512_loadu_ps _mm512_maskz_loadu_ps _mm512_storeu_ps sixteen_from _mm512_permutex2var_ps;
    __m256: 8 f32, __mmask8, __m256i, _mm256_setzero_ps _mm256_set1_ps _mm256_add_ps _mm256_max_ps _mm256_mul_ps
        _mm256_loadu_ps _mm256_maskz_loadu_ps _mm256_storeu_ps eight_from _mm256_permutex2var_ps;
    __m512d: 8 f64, __mmask8, __m512i, _mm512_setzero_pd _mm512_set1_pd _mm512_add_pd _mm512_max_pd _mm512_mul_pd
        _mm512_loadu_pd _mm512_maskz_loadu_pd _mm512_storeu_pd eight_long_from _mm512_permutex2var_pd;
    __m256d: 4 f64, __mmask8, __m256i, _mm256_setzero_pd _mm256_set1_pd _mm256_add_pd _mm256_max_pd _mm256_mul_pd
        _mm256_loadu_pd _mm256_maskz_loadu_pd _mm256_storeu_pd four_long_from _mm256_permutex2var_pd;
}

#[inline(always)]
unsafe fn sixteen_from(first: i32) -> x86::__m512i {
    unsafe {
        let lanes = x86::_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        x86::_mm512_add_epi32(lanes, x86::_mm512_set1_epi32(first))
    }
}

#[inline(always)]
unsafe fn eight_from(first: i32) -> x86::__m256i {
    unsafe {
        let lanes = x86::_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        x86::_mm256_add_epi32(lanes, x86::_mm256_set1_epi32(first))
    }
}

#[inline(always)]
unsafe fn eight_long_from(first: i32) -> x86::__m512i {
    unsafe {
        let lanes = x86::_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
        x86::_mm512_add_epi64(lanes, x86::_mm512_set1_epi64(first.into()))
    }
}

#[inline(always)]
unsafe fn four_long_from(first: i32) -> x86::__m256i {
    unsafe {
        let lanes = x86::_mm256_setr_epi64x(0, 1, 2, 3);
        x86::_mm256_add_epi64(lanes, x86::_mm256_set1_epi64x(first.into()))
    }
}

macro_rules! avx2 {
    ($($vector:ident: $lanes:literal $number:ident, $zero:ident $set:ident $add:ident $max:ident $mul:ident $load:ident $load_masked:ident
       $store:ident $between:ident $turn:ident $blend:ident;)*) => {$(
        impl Vector for x86::$vector {
            type Number = $number;
            const LANES: usize = $lanes;
            type Mask = x86::__m256i;
            /// Whence each lane comes when a vector is turned, and which come from the vector before.
            type Shift = (x86::__m256i, Self);

            #[inline(always)]
            unsafe fn zero() -> Self {
                unsafe { x86::$zero() }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                unsafe { x86::$add(self, other) }
            }

            #[inline(always)]
            unsafe fn square(self) -> Self {
                unsafe { x86::$mul(self, self) }
            }

            #[inline(always)]
            unsafe fn positive(self) -> Self {
                unsafe { x86::$max(Self::zero(), self) }
            }

            #[inline(always)]
            unsafe fn mask(from: usize, to: usize) -> Self::Mask {
                unsafe { $between(from as i32, to as i32) }
            }

            #[inline(always)]
            unsafe fn load(x: *const $number) -> Self {
                unsafe { x86::$load(x) }
            }

            #[inline(always)]
            unsafe fn load_masked(x: *const $number, mask: Self::Mask) -> Self {
                unsafe { x86::$load_masked(x, mask) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut $number) {
                unsafe { x86::$store(to, self) }
            }

            #[inline(always)]
            unsafe fn shift(by: usize) -> Self::Shift {
                unsafe {
                    // Pairs of f32 are turned as an f64 is.
                    let each = 8 / $lanes;
                    let lanes = x86::_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
                    let by = x86::_mm256_set1_epi32(each * by as i32);
                    // An index counts by its last three bits.
                    let turn = x86::_mm256_sub_epi32(lanes, by);
                    (turn, std::mem::transmute::<x86::__m256i, Self>(x86::_mm256_cmpgt_epi32(by, lanes)))
                }
            }

            #[inline(always)]
            unsafe fn behind(self, kept: &mut Self, (turn, earlier): Self::Shift) -> Self {
                unsafe {
                    let turned = $turn(self, turn);
                    let before = std::mem::replace(kept, turned);
                    x86::$blend(turned, before, earlier)
                }
            }
        }
    )*};
}

#[rustfmt::skip]
avx2! {
    __m256: 8 f32, _mm256_setzero_ps _mm256_set1_ps _mm256_add_ps _mm256_max_ps _mm256_mul_ps _mm256_loadu_ps _mm256_maskload_ps
        _mm256_storeu_ps between turn _mm256_blendv_ps;
    __m256d: 4 f64, _mm256_setzero_pd _mm256_set1_pd _mm256_add_pd _mm256_max_pd _mm256_mul_pd _mm256_loadu_pd _mm256_maskload_pd
        _mm256_storeu_pd between_long turn_long _mm256_blendv_pd;
}

#[inline(always)]
unsafe fn between(from: i32, to: i32) -> x86::__m256i {
    unsafe {
        let lanes = x86::_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let less = x86::_mm256_cmpgt_epi32(x86::_mm256_set1_epi32(from), lanes);
        x86::_mm256_andnot_si256(less, x86::_mm256_cmpgt_epi32(x86::_mm256_set1_epi32(to), lanes))
    }
}

#[inline(always)]
unsafe fn between_long(from: i32, to: i32) -> x86::__m256i {
    unsafe { between(2 * from, 2 * to) }
}

#[inline(always)]
unsafe fn turn(x: x86::__m256, lanes: x86::__m256i) -> x86::__m256 {
    unsafe { x86::_mm256_permutevar8x32_ps(x, lanes) }
}

#[inline(always)]
unsafe fn turn_long(x: x86::__m256d, lanes: x86::__m256i) -> x86::__m256d {
    unsafe { x86::_mm256_castps_pd(turn(x86::_mm256_castpd_ps(x), lanes)) }
}
