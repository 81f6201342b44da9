//! [`Real`]: the element types as tests see them: by their values and by their bits.

use std::fmt::LowerExp;

use half::{bf16, f16};
use lrn_jit::Element;

/// An element type.
pub trait Real: Element + PartialEq + LowerExp {
    /// Values that kernels get wrong. The first [`TAME`] leave a sum of squares finite.
    const SPECIAL: [f64; 18];
    /// The smallest normal one.
    const SMALLEST: f64;
    /// Over how many powers of ten values are spread, around 1.
    const DECADES: usize;

    /// The element nearest to a value, or beside it.
    fn near(value: f64) -> Self;
    fn value(self) -> f64;
    fn bits(self) -> u64;
}

/// As many of the special values leave a sum of squares finite.
pub const TAME: usize = 9;

const INFINITE: [f64; 3] = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN];

/// Zeros, nine values, six large ones, and what is not finite.
const fn special(tame: [f64; TAME - 2], large: [f64; 6]) -> [f64; 18] {
    let ([a, b, c, d, e, f, g], [h, i, j, k, l, m], [n, o, p]) = (tame, large, INFINITE);
    [0.0, -0.0, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

macro_rules! real {
    ($($element:ident: $near:expr, $value:expr, $smallest:expr, $decades:literal, $special:expr;)*) => {$(
        impl Real for $element {
            const SPECIAL: [f64; 18] = $special;
            const SMALLEST: f64 = $smallest;
            const DECADES: usize = $decades;

            fn near(value: f64) -> Self {
                $near(value)
            }

            fn value(self) -> f64 {
                $value(self)
            }

            fn bits(self) -> u64 {
                self.to_bits().into()
            }
        }
    )*};
}

/// Of types with the exponents of f32.
const OF_F32: [f64; 18] = special(
    [1e-40, -3e-42, 1e-45, f32::MIN_POSITIVE as f64, -1e-38, 1e-20, -1e-30],
    [1e19, -1.9e19, 2e19, 3e38, -3e38, f32::MAX as f64],
);

real! {
    f32: |value| value as f32, f64::from, f32::MIN_POSITIVE as f64, 8, OF_F32;
    bf16: bf16::from_f64, f64::from, f32::MIN_POSITIVE as f64, 8, OF_F32;
    f16: f16::from_f64, f64::from, 1.0 / 16384.0, 4, special(
        [6e-8, -3e-6, 6.09e-5, 6.104e-5, -1e-3, 1e-4, -2e-7],
        [255.0, -256.5, 3000.0, 6e4, -65504.0, 65504.0],
    );
    f64: |value| value, |value| value, f64::MIN_POSITIVE, 24, special(
        [5e-324, -3e-310, 1e-320, f64::MIN_POSITIVE, -1e-308, 1e-160, -1e-170],
        [1e154, -1.3e154, 2e154, 1e308, -1e308, f64::MAX],
    );
}
