//! [`Value`]: what the tool has to know about an element type beside what the library does.

use std::fmt::{Debug, LowerExp};

use half::slice::HalfBitsSliceExt as _;
use half::{bf16, f16};
use lrn_jit::Element;

/// An element type.
pub trait Value: Element + Debug + LowerExp + PartialEq {
    /// Bits of the mantissa, of which the first is not stored.
    const PRECISION: i32;
    /// The exponents of the smallest and of the largest normal numbers.
    const EXPONENTS: (i32, i32);

    /// The nearest element.
    fn nearest(value: f64) -> Self;
    /// Its value.
    fn value(self) -> f64;
    /// Its bits.
    fn bits(self) -> u64;
    /// The element of these bits.
    fn of_bits(bits: u64) -> Self;
    /// Memory as elements.
    fn view(words: &mut [u64]) -> &mut [Self];
    /// Between one byte order and the other.
    fn swap(elements: &mut [Self]);

    /// The same bits; any NaN is any NaN.
    fn same(self, other: Self) -> bool {
        self.bits() == other.bits() || self.value().is_nan() && other.value().is_nan()
    }
}

/// Words of memory that hold so many elements.
pub fn words<E: Value>(elements: usize) -> usize {
    elements.div_ceil(size_of::<u64>() / size_of::<E>())
}

macro_rules! values {
    ($($element:ident as $bits:ident: $precision:literal, $exponents:expr, |$value:ident| $nearest:expr, |$words:ident| $view:expr;)*) => {$(
        impl Value for $element {
            const PRECISION: i32 = $precision;
            const EXPONENTS: (i32, i32) = $exponents;

            fn nearest($value: f64) -> Self {
                $nearest
            }

            fn value(self) -> f64 {
                self.into()
            }

            fn bits(self) -> u64 {
                self.to_bits().into()
            }

            fn of_bits(bits: u64) -> Self {
                Self::from_bits(bits as $bits)
            }

            fn view($words: &mut [u64]) -> &mut [Self] {
                $view
            }

            fn swap(elements: &mut [Self]) {
                for element in elements {
                    *element = Self::from_bits(element.to_bits().swap_bytes());
                }
            }
        }
    )*};
}

values! {
    f32 as u32: 24, (-126, 127), |value| value as f32, |words| bytemuck::cast_slice_mut(words);
    f64 as u64: 53, (-1022, 1023), |value| value, |words| bytemuck::cast_slice_mut(words);
    f16 as u16: 11, (-14, 15), |value| f16::from_f64(value),
        |words| bytemuck::cast_slice_mut::<u64, u16>(words).reinterpret_cast_mut();
    bf16 as u16: 8, (-126, 127), |value| bf16::from_f64(value),
        |words| bytemuck::cast_slice_mut::<u64, u16>(words).reinterpret_cast_mut();
}
