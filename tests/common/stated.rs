//! How far a result over boxes may be off: as far as the plan says its power is, and as roundings of its sums can be.

use lrn_jit::Boundary;
use lrn_jit::plan::{Formula, Plan, Summation};

use super::boxes::Boxes;
use super::measure::{Places, same, ulp_of};
use super::real::Real;

/// How many roundings there are at most between the elements and d: of a square, along each axis on the way of one square into
/// the sum, of the weights, and of the last sum.
fn roundings(plan: &Plan, boxes: &Boxes) -> f64 {
    let Formula::Normalize { summation, .. } = plan.formula else { panic!("{plan:?} has a window") };
    let taps = plan.before + plan.after + 1;
    let along = |axis: usize| match summation {
        Summation::Unrolled { .. } => taps.ilog2() + taps.count_ones() - 1,
        Summation::Cumulative if plan.boundary == Boundary::Zero => taps.min(boxes.shape[axis]) as u32,
        Summation::Cumulative => taps as u32,
    };
    3.0 + boxes.windows().into_iter().map(|axis| f64::from(along(axis))).sum::<f64>()
}

/// How many roundings of `E` an element may be off: those of halves are of the numbers that they are computed in.
pub fn stated<E>(plan: &Plan, boxes: &Boxes) -> f64 {
    let Formula::Normalize { power, .. } = &plan.formula else { panic!("{plan:?} has a window") };
    let in_lanes = power.max_ulp() + power.beta.abs() * roundings(plan, boxes);
    // The judge computes in f64 itself: a rounded d, a power or four of a quarter, products.
    if size_of::<E>() == 8 { in_lanes + power.beta.abs() + 7.0 } else { in_lanes }
}

/// Checks a result of x; gives the share of what it may err.
pub fn check<E: Real + Places>((x, got): (E, E), exact: f64, stated: f64, what: &dyn Fn() -> String) -> f64 {
    let what = || format!("{}, x = {x:e}: {got:e}, not {exact:e}; {}", E::NAME, what());
    if size_of::<E>() == 2 {
        // The nearest element or the one beside it.
        let nearest = E::near(exact);
        let (apart, zeros) = (got.bits().abs_diff(nearest.bits()), got.value() == 0.0 && nearest.value() == 0.0);
        assert!(same(got, nearest) || zeros || apart <= 1 && !got.value().is_nan(), "{}", what());
        return f64::from(u8::from(!same(got, nearest) && !zeros));
    }
    let error = ulp_of::<E>(got.value(), exact);
    // A subnormal x can lose its places on the way to a result that has more of them.
    let subnormal = x.value() != 0.0 && x.value().abs() < E::SMALLEST;
    assert!(error <= stated || subnormal && error.is_finite(), "{error} ulp ({stated} allowed), {}", what());
    if subnormal { 0.0 } else { error / stated }
}
