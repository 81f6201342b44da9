//! Arithmetic on arrays of `L` floats. The compiler makes each function one vector instruction, if it is inlined where wide
//! vectors are allowed (`lrn_jit::vectorized`).

use std::array::from_fn;

pub type Lanes<const L: usize> = [f32; L];

#[inline(always)]
pub fn splat<const L: usize>(value: f32) -> Lanes<L> {
    [value; L]
}

#[inline(always)]
pub fn add<const L: usize>(a: Lanes<L>, b: Lanes<L>) -> Lanes<L> {
    from_fn(|i| a[i] + b[i])
}

#[inline(always)]
pub fn sub<const L: usize>(a: Lanes<L>, b: Lanes<L>) -> Lanes<L> {
    from_fn(|i| a[i] - b[i])
}

#[inline(always)]
pub fn mul<const L: usize>(a: Lanes<L>, b: Lanes<L>) -> Lanes<L> {
    from_fn(|i| a[i] * b[i])
}

#[inline(always)]
pub fn div<const L: usize>(a: Lanes<L>, b: Lanes<L>) -> Lanes<L> {
    from_fn(|i| a[i] / b[i])
}

/// a·b + c.
#[inline(always)]
pub fn fma<const L: usize>(a: Lanes<L>, b: Lanes<L>, c: Lanes<L>) -> Lanes<L> {
    from_fn(|i| a[i].mul_add(b[i], c[i]))
}

/// The larger of 0 and a, a NaN where a is one.
#[inline(always)]
pub fn at_least_zero<const L: usize>(a: Lanes<L>) -> Lanes<L> {
    a.map(|a| if 0.0 > a { 0.0 } else { a })
}

/// Applies an integer function to each lane's number and bits.
#[inline(always)]
pub fn bits<const L: usize>(a: &Lanes<L>, f: impl Fn(usize, u32) -> u32) -> Lanes<L> {
    from_fn(|i| f32::from_bits(f(i, a[i].to_bits())))
}

#[inline(always)]
pub fn sqrt<const L: usize>(a: Lanes<L>) -> Lanes<L> {
    from_fn(|i| a[i].sqrt())
}
