//! [`Double`]: numbers of 106 bits as unevaluated sums of two f64, and d^(−beta) in them: what recipes of f64 are judged by.
//!
//! Sums and products by Dekker and Knuth, T. J. Dekker, *A floating-point technique for extending the available precision*,
//! 1971. Logarithms by the series of artanh, powers of 2 by that of e^t, both to where terms vanish: the relative error is some
//! 2^−100 of a logarithm, and |beta·log2 d| times as much of a power.

use std::f64::consts::SQRT_2;

/// High and low part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Double(pub(super) f64, pub(super) f64);

/// Terms of the series of artanh.
const LOGARITHM_TERMS: usize = 24;
/// Terms of the series of e^t, |t| ≤ ln 2/128.
const EXPONENTIAL_TERMS: usize = 16;

const LN_2: Double = Double(std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17);

/// a + b, where |a| ≥ |b|.
fn ordered_sum(a: f64, b: f64) -> Double {
    let sum = a + b;
    Double(sum, b - (sum - a))
}

impl Double {
    /// a + b.
    pub(super) fn sum(a: f64, b: f64) -> Self {
        let sum = a + b;
        let part = sum - a;
        Self(sum, (a - (sum - part)) + (b - part))
    }

    /// a·b.
    pub(super) fn product(a: f64, b: f64) -> Self {
        let product = a * b;
        Self(product, a.mul_add(b, -product))
    }

    pub(super) fn add(self, other: Self) -> Self {
        let (high, low) = (Self::sum(self.0, other.0), Self::sum(self.1, other.1));
        let middle = ordered_sum(high.0, high.1 + low.0);
        ordered_sum(middle.0, middle.1 + low.1)
    }

    pub(super) fn multiply(self, other: Self) -> Self {
        let product = Self::product(self.0, other.0);
        ordered_sum(product.0, product.1 + self.0.mul_add(other.1, self.1 * other.0))
    }

    /// Times a number.
    pub(super) fn times(self, factor: f64) -> Self {
        self.multiply(Self(factor, 0.0))
    }

    pub(super) fn divide(self, other: Self) -> Self {
        let first = self.0 / other.0;
        let rest = self.add(other.times(-first));
        let second = rest.0 / other.0;
        let rest = rest.add(other.times(-second));
        ordered_sum(first, second).add(Self(rest.0 / other.0, 0.0))
    }
}

/// The coefficients of the series.
pub(super) struct Powers {
    /// 1, 1/3, 1/5, …
    odd: Vec<Double>,
    /// 1, 1, 1/2, 1/6, …
    factorials: Vec<Double>,
    two_over_ln_2: Double,
}

impl Powers {
    pub(super) fn new() -> Self {
        let one = Double(1.0, 0.0);
        let odd = (0..LOGARITHM_TERMS).map(|i| one.divide(Double(2.0 * i as f64 + 1.0, 0.0))).collect();
        let mut factorials = vec![one];
        for i in 1..EXPONENTIAL_TERMS {
            factorials.push(factorials[i - 1].divide(Double(i as f64, 0.0)));
        }
        Self { odd, factorials, two_over_ln_2: Double(2.0, 0.0).divide(LN_2) }
    }

    /// The sum of coefficients times powers of x.
    fn series(coefficients: &[Double], x: Double) -> Double {
        let (last, rest) = coefficients.split_last().expect("a coefficient");
        rest.iter().rev().fold(*last, |sum, coefficient| sum.multiply(x).add(*coefficient))
    }

    /// i and log2 m, where d = 2^i·m is positive and normal, and m lies between √½ and √2.
    fn log2(&self, d: f64) -> (f64, Double) {
        let mut i = (d.to_bits() >> 52) as f64 - 1023.0;
        let mut m = f64::from_bits(d.to_bits() & ((1 << 52) - 1) | 1023 << 52);
        if m > SQRT_2 {
            (m, i) = (m / 2.0, i + 1.0);
        }
        let s = Double(m - 1.0, 0.0).divide(Double::sum(2.0, m - 1.0));
        let series = Self::series(&self.odd, s.multiply(s));
        (i, series.multiply(s).multiply(self.two_over_ln_2))
    }

    /// n and e, about 1, where d^(−beta) = 2^n·e.
    pub(super) fn power(&self, d: f64, beta: f64) -> (f64, Double) {
        let (i, log2) = self.log2(d);
        let exponent = Double::product(i, -beta).add(log2.times(-beta));
        let n = exponent.0.round();
        let t = exponent.add(Double(-n, 0.0)).multiply(LN_2).times(1.0 / 64.0);
        let root = Self::series(&self.factorials, t);
        (n, (0..6).fold(root, |e, _| e.multiply(e)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_right_to_some_ninety_bits() {
        let powers = Powers::new();
        assert_eq!(powers.power(8.0, 2.0), (-6.0, Double(1.0, 0.0)));
        for i in 1..2000u64 {
            let d = f64::from_bits((i * 0x000f_ffff_1234_5677) & !(1 << 63) | 1 << 52);
            if !d.is_normal() {
                continue;
            }
            // (d^−¾)⁴·d³ = 1.
            let (n, e) = powers.power(d, 0.75);
            let (m, f) = powers.power(d, -3.0);
            let square = e.multiply(e);
            let rest = square.multiply(square).multiply(f).add(Double(-(4.0 * n + m).exp2().recip(), 0.0));
            assert!(rest.0.abs() < 2f64.powi(-88), "{d:e}: {:e}", rest.0);
            let (n, e) = powers.power(d, 0.6);
            let simple = d.powf(-0.6);
            assert!((n.exp2() * e.0 / simple - 1.0).abs() < 4.0 * f64::EPSILON, "{d:e}");
        }
    }
}
