//! [`Lane`]: f32 and f64, the numbers that are computed with.

use std::fmt::Debug;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Shl, Shr, Sub};

use crate::arithmetic::format::{F32, F64, Format};
use crate::jit::InVectors;

/// A floating-point number and its bits.
pub trait Lane:
    InVectors
    + Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// An integer of as many bits.
    type Bits: Copy
        + BitAnd<Output = Self::Bits>
        + BitOr<Output = Self::Bits>
        + BitXor<Output = Self::Bits>
        + Shl<u8, Output = Self::Bits>
        + Shr<u8, Output = Self::Bits>;

    /// The format, as recipes see it.
    const FORMAT: &'static Format;

    /// The number nearest to a value.
    fn nearest(value: f64) -> Self;
    /// Its value.
    fn value(self) -> f64;
    /// a·b + c, rounded once.
    fn fused(self, b: Self, c: Self) -> Self;
    /// Its square root.
    fn root(self) -> Self;
    /// Its power, as the system's library has it.
    fn power(self, exponent: Self) -> Self;
    /// The low bits of `bits`.
    fn low_bits(bits: u64) -> Self::Bits;
    /// Its bits.
    fn bits(self) -> Self::Bits;
    /// The number of these bits.
    fn of_bits(bits: Self::Bits) -> Self;
    /// a + b, wrapping.
    fn wrapping_add(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// a − b, wrapping.
    fn wrapping_sub(a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// a >> count, filling with the sign.
    fn arithmetic_shift(a: Self::Bits, count: u8) -> Self::Bits;
    /// A signed integer, rounded.
    fn of_int(a: Self::Bits) -> Self;
}

macro_rules! lane {
    ($($float:ident: $bits:ident, $format:ident;)*) => {$(
        #[rustfmt::skip]
        impl Lane for $float {
            type Bits = $bits;
            const FORMAT: &'static Format = &$format;

            #[inline(always)] fn nearest(value: f64) -> Self { value as $float }
            #[inline(always)] fn value(self) -> f64 { f64::from(self) }
            #[inline(always)] fn fused(self, b: Self, c: Self) -> Self { self.mul_add(b, c) }
            #[inline(always)] fn root(self) -> Self { self.sqrt() }
            #[inline(always)] fn power(self, exponent: Self) -> Self { self.powf(exponent) }
            #[inline(always)] fn low_bits(bits: u64) -> $bits { bits as $bits }
            #[inline(always)] fn bits(self) -> $bits { self.to_bits() }
            #[inline(always)] fn of_bits(bits: $bits) -> Self { Self::from_bits(bits) }
            #[inline(always)] fn wrapping_add(a: $bits, b: $bits) -> $bits { a.wrapping_add(b) }
            #[inline(always)] fn wrapping_sub(a: $bits, b: $bits) -> $bits { a.wrapping_sub(b) }
            #[inline(always)] fn arithmetic_shift(a: $bits, count: u8) -> $bits { (a.cast_signed() >> count).cast_unsigned() }
            #[inline(always)] fn of_int(a: $bits) -> Self { a.cast_signed() as $float }
        }
    )*};
}

lane! {
    f32: u32, F32;
    f64: u64, F64;
}
