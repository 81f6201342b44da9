//! The ruler: how far a result is from the exact one. `tests/guards.rs` shows that it can say no.

use super::real::Real;

/// The distance of `got` from `exact` in units of the last place of the f32 nearest to `exact`. NaN and infinity must be met
/// by themselves, else the distance is infinite; what is too large for an f32 counts as infinity, and vice versa.
pub fn ulp(got: f32, exact: f64) -> f64 {
    ulp_of::<f32>(got.into(), exact)
}

/// The same of an element of any type, widened.
pub fn ulp_of<T: Places>(got: f64, exact: f64) -> f64 {
    let (bits, smallest) = T::PLACES;
    let beyond = f64::from(1 - smallest).exp2() * 2.0;
    if exact.is_nan() || exact.is_infinite() {
        let same = got.is_nan() && exact.is_nan() || got == exact;
        return if same { 0.0 } else { f64::INFINITY };
    }
    if got.is_nan() {
        return f64::INFINITY;
    }
    let exact = exact.clamp(-beyond, beyond);
    let exponent = exact.abs().log2().floor().clamp(smallest.into(), f64::from(1 - smallest));
    (got.clamp(-beyond, beyond) - exact).abs() / (exponent - f64::from(bits)).exp2()
}

/// Whether a result is normal in f32.
pub fn is_normal(exact: f64) -> bool {
    (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&exact.abs())
}

/// The largest and the mean distance over a tensor, and where the largest is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    pub max: f64,
    pub at: usize,
    /// Over the normal results.
    pub sum: f64,
    pub normal: usize,
}

impl Errors {
    pub fn mean(&self) -> f64 {
        self.sum / (self.normal.max(1)) as f64
    }
}

/// Measures all of `got` against `exact`.
pub fn measure(got: &[f32], exact: &[f64]) -> Errors {
    assert_eq!(got.len(), exact.len());
    let mut errors = Errors { max: 0.0, at: 0, sum: 0.0, normal: 0 };
    for (i, (&got, &exact)) in got.iter().zip(exact).enumerate() {
        let error = ulp(got, exact);
        if error > errors.max {
            (errors.max, errors.at) = (error, i);
        }
        if is_normal(exact) {
            errors.sum += error;
            errors.normal += 1;
        }
    }
    errors
}

/// Fails, saying where, unless every element lies within `limit` ulp.
pub fn within(got: &[f32], exact: &[f64], limit: f64) -> Result<Errors, String> {
    let errors = measure(got, exact);
    let Errors { max, at, .. } = errors;
    if max <= limit {
        Ok(errors)
    } else {
        Err(format!("{max} ulp (limit {limit}) at {at}: {:e} instead of {:e}", got[at], exact[at]))
    }
}

/// A type whose last place is a unit.
pub trait Places {
    /// Bits behind the leading one, and the exponent of the smallest normal number.
    const PLACES: (i32, i32);
}

impl Places for f32 {
    const PLACES: (i32, i32) = (23, -126);
}

impl Places for f64 {
    const PLACES: (i32, i32) = (52, -1022);
}

impl Places for half::f16 {
    const PLACES: (i32, i32) = (10, -14);
}

impl Places for half::bf16 {
    const PLACES: (i32, i32) = (7, -126);
}

/// A unit of `T`'s last place at a magnitude.
pub fn place<T: Places>(magnitude: f64) -> f64 {
    let (bits, smallest) = T::PLACES;
    (magnitude.abs().log2().floor().max(smallest.into()) - f64::from(bits)).exp2()
}

/// Errors in units of the last place of a scale; where the scale is 0 the result has to be 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaled {
    pub max: f64,
    pub at: usize,
    /// Over the elements whose scale is not 0.
    pub sum: f64,
    pub count: usize,
}

impl Scaled {
    pub fn mean(&self) -> f64 {
        self.sum / (self.count.max(1)) as f64
    }
}

/// Measures results of type `T`, widened, against exact ones, by the scale of what was summed.
pub fn scaled<T: Places>(got: &[f64], exact: &[f64], scale: &[f64]) -> Scaled {
    assert!(got.len() == exact.len() && got.len() == scale.len());
    let mut errors = Scaled { max: 0.0, at: 0, sum: 0.0, count: 0 };
    for i in 0..got.len() {
        let distance = (got[i] - exact[i]).abs();
        let error = match scale[i] {
            0.0 if distance == 0.0 => continue,
            0.0 => f64::INFINITY,
            scale => distance / place::<T>(scale),
        };
        // A NaN is as far as can be.
        let error = if error.is_nan() { f64::INFINITY } else { error };
        if error > errors.max {
            (errors.max, errors.at) = (error, i);
        }
        errors.sum += error;
        errors.count += 1;
    }
    errors
}

/// The same bits; any NaN is any NaN.
pub fn same<E: Real>(a: E, b: E) -> bool {
    a.bits() == b.bits() || a.value().is_nan() && b.value().is_nan()
}

/// The first place where two tensors differ in bits.
pub fn difference<E: Real>(a: &[E], b: &[E]) -> Option<usize> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).position(|(&a, &b)| !same(a, b))
}

/// Panics, saying where and of what, if two tensors differ in bits.
#[track_caller]
pub fn assert_same<E: Real>(a: &[E], b: &[E], what: &dyn std::fmt::Display) {
    if let Some(at) = difference(a, b) {
        let (a, b) = (a[at], b[at]);
        panic!("{} {what}: at {at}: {a:e} and {b:e} ({:#x} and {:#x})", E::NAME, a.bits(), b.bits());
    }
}

/// Every element as f64.
pub fn widen(elements: &[f32]) -> Vec<f64> {
    elements.iter().map(|&element| element.into()).collect()
}
