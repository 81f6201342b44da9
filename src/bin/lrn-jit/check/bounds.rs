//! Running error analysis: a kernel's number as an exact value and how far from it the kernel's may be.
//!
//! An operation passes on the errors of its operands, and adds its rounding: u of the result's magnitude, and the smallest
//! subnormal, of which half can be lost where results are not normal. Nothing is known of what overflows, or divides by
//! something near 0. The analysis is itself done in f64: of kernels that compute in f64 the exact value has an error like
//! theirs.

/// A number of a kernel's is within `error` of `value`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounded {
    pub value: f64,
    pub error: f64,
}

impl Bounded {
    pub const ZERO: Self = Self { value: 0.0, error: 0.0 };
    pub const UNKNOWN: Self = Self { value: 0.0, error: f64::INFINITY };

    pub fn exact(value: f64) -> Self {
        if value.is_finite() { Self { value, error: 0.0 } } else { Self::UNKNOWN }
    }

    pub fn is_known(self) -> bool {
        self.error < f64::INFINITY
    }

    fn magnitude(self) -> f64 {
        self.value.abs() + self.error
    }
}

/// The numbers that a kernel computes in.
#[derive(Debug, Clone, Copy)]
pub struct Lane {
    /// The largest relative error of a rounding.
    pub u: f64,
    /// The smallest number.
    pub tiny: f64,
    /// Between these a number is far enough from both ends.
    smallest: f64,
    pub largest: f64,
    /// Exponents and precision, for the unit of the last place.
    exponents: (f64, f64),
    precision: f64,
}

/// The largest relative changes of a base and of its power that say something.
const LARGEST_CHANGE: f64 = 1e-2;

impl Lane {
    pub fn new(precision: i32, exponents: (i32, i32)) -> Self {
        let two = |exponent: i32| f64::from(exponent).exp2();
        Self {
            u: two(-precision),
            tiny: two(exponents.0 - precision + 1),
            smallest: two(exponents.0 + 2),
            largest: two(exponents.1 - 1),
            exponents: (exponents.0.into(), exponents.1.into()),
            precision: precision.into(),
        }
    }

    /// The unit in the last place of a number.
    pub fn unit(&self, value: f64) -> f64 {
        let (low, high) = self.exponents;
        (value.abs().log2().floor().clamp(low, high) - self.precision + 1.0).exp2()
    }

    /// Whether a number is normal.
    pub fn is_normal(&self, value: f64) -> bool {
        value.is_finite() && value.abs() >= self.smallest / 4.0
    }

    /// A result that is rounded once.
    fn rounded(&self, value: f64, error: f64) -> Bounded {
        let magnitude = value.abs() + error;
        if magnitude == 0.0 {
            Bounded::ZERO
        } else if magnitude < self.largest {
            Bounded { value, error: error + self.u * magnitude + self.tiny }
        } else {
            Bounded::UNKNOWN
        }
    }

    /// A parameter, rounded to a number.
    pub fn constant(&self, value: f64) -> Bounded {
        self.rounded(value, 0.0)
    }

    pub fn mul(&self, a: Bounded, b: Bounded) -> Bounded {
        self.rounded(a.value * b.value, product_error(a, b))
    }

    pub fn fma(&self, a: Bounded, b: Bounded, c: Bounded) -> Bounded {
        let product = a.value * b.value;
        // A product far beyond all numbers does not come back by an addition.
        if product.abs() < self.largest || product == 0.0 {
            self.rounded(product + c.value, product_error(a, b) + c.error)
        } else {
            Bounded::UNKNOWN
        }
    }

    pub fn div(&self, a: Bounded, b: Bounded) -> Bounded {
        if b.value.abs() < self.smallest || b.error > LARGEST_CHANGE * b.value.abs() {
            return Bounded::UNKNOWN;
        }
        let value = a.value / b.value;
        self.rounded(value, (a.error + value.abs() * b.error) / (b.value.abs() - b.error))
    }

    /// A sum of products in whatever order, with at most `depth` roundings on the way of one to the sum.
    pub fn sum(&self, depth: f64, products: impl Iterator<Item = (f64, Bounded, Bounded)>) -> Bounded {
        let (mut value, mut magnitude, mut error, mut count) = (0.0, 0.0, 0.0, 0.0);
        for (times, a, b) in products {
            value += times * (a.value * b.value);
            magnitude += times * (a.magnitude() * b.magnitude());
            error += times * product_error(a, b);
            count += times;
        }
        if magnitude == 0.0 {
            Bounded::ZERO
        } else if magnitude < self.largest {
            Bounded { value, error: error + depth * self.u * magnitude + count * self.tiny }
        } else {
            Bounded::UNKNOWN
        }
    }

    /// x·d^(−beta) by a recipe that errs by at most so many ulp for positive normal d and normal results.
    pub fn power(&self, x: Bounded, d: Bounded, beta: f64, ulp: f64) -> Bounded {
        // An error of d changes the power beta times; a tenth more, for what is not linear.
        let change = 1.1 * beta.abs() * d.error / d.value;
        let good = (self.smallest..self.largest).contains(&d.value) && d.error < LARGEST_CHANGE * d.value;
        if !good || change >= LARGEST_CHANGE {
            return Bounded::UNKNOWN;
        }
        let power = d.value.powf(-beta);
        let value = x.value * power;
        if x == Bounded::ZERO && (self.smallest..self.largest).contains(&power) {
            return Bounded::ZERO;
        }
        // The recipes' steps are made for |x| up to the root of the largest number, and for normal numbers.
        let normal = self.is_normal(x.value) && self.is_normal(value);
        let reach = if normal { (1.5 * self.exponents.1).min(1000.0) } else { 0.75 * self.exponents.1 };
        if power.log2().abs() > reach || x.magnitude() > self.largest / 4.0 {
            return Bounded::UNKNOWN;
        }
        let passed = x.error * power * (1.0 + change) + value.abs() * change;
        // Where x or a step of the recipe is not normal, some of the smallest numbers, as large as the steps left make them.
        let error = passed + ulp * self.unit(value) + 8.0 * self.tiny * power.max(1.0);
        if value.abs() + error < self.largest { Bounded { value, error } } else { Bounded::UNKNOWN }
    }
}

/// How far from the exact product that of two numbers may be.
fn product_error(a: Bounded, b: Bounded) -> f64 {
    a.value.abs() * b.error + b.value.abs() * a.error + a.error * b.error
}

#[cfg(test)]
mod tests {
    use super::*;

    const F32: Lane = Lane {
        u: 1.0 / (1u32 << 24) as f64,
        tiny: f32::from_bits(1) as f64,
        smallest: 4.0 * f32::MIN_POSITIVE as f64,
        largest: (1u128 << 126) as f64,
        exponents: (-126.0, 127.0),
        precision: 24.0,
    };

    /// What f32 computes is within the bounds, and they are no wider than they have to be.
    #[test]
    fn bounds_hold_and_are_near() {
        let lane = Lane::new(24, (-126, 127));
        assert_eq!((lane.u, lane.tiny, lane.smallest, lane.largest), (F32.u, F32.tiny, F32.smallest, F32.largest));
        let values = [1.0f32, -3.1, 1e-3, 7e8, 1e-38, -2e-40, 0.3];
        for a in values {
            for b in values {
                let [x, y] = [a, b].map(|value| Bounded::exact(value.into()));
                for (got, bounded) in [
                    (a * b, lane.mul(x, y)),
                    (a / b, lane.div(x, y)),
                    (a.mul_add(b, 0.1), lane.fma(x, y, Bounded::exact(0.1f32.into()))),
                    (a * a + b * b, lane.sum(3.0, [(1.0, x, x), (1.0, y, y)].into_iter())),
                ] {
                    if bounded.is_known() {
                        assert!((f64::from(got) - bounded.value).abs() <= bounded.error, "{a} {b} {got} {bounded:?}");
                        assert!(bounded.error <= 4.0 * lane.unit(bounded.value), "{a} {b} {bounded:?}");
                    }
                }
            }
        }
        let known = lane.mul(Bounded::exact(3.1), Bounded::exact(2.7));
        assert!(known.is_known() && !lane.mul(known, Bounded::exact(f64::NAN)).is_known());
        assert!(!lane.mul(Bounded::exact(1e30), Bounded::exact(1e10)).is_known());
        assert!(!lane.div(known, Bounded::exact(0.0)).is_known());
    }
}
