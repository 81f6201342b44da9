//! What the stages of a task compute, element by element, given the sums of their windows.
//!
//! With c = 2·a·β and d = k + a·Σx²:
//!
//! ```text
//! Forward       y  = x·d^(−β)
//! Jvp           y  = (v − c·x·Σxv/d)·d^(−β)
//! Gradient      r  = g·d^(−β)            h = r·(x/d)
//! Gather        g' = r − c·x·Σh
//! Second        e  = g·d^(−β)/d          p = e·(u − 2a(β+1)·x·Σxu/d)     q = e·x     t = e·Σxu
//! SecondGather  x' = −c·(x·Σp + t + u·Σq)
//! ```
//!
//! No x stands in a denominator, so x = 0 is no special case. With a ReLU before the layer x is max(x, 0), and what leads to or
//! from an x that was cut off is 0.

use super::{Lanes, power, scale};
use crate::activation::Activation;
use crate::plan::{Formula, Plan};
use crate::task::{Stage, Term};

/// The inputs of a stage, its x cut off and its tangent with it, as the plan's activation says.
#[inline(always)]
pub(crate) fn activate<L: Lanes>(lanes: &mut L, plan: &Plan, stage: Stage, inputs: &mut [L::Float]) {
    let (Some(x), tangent) = stage.activated() else { return };
    if plan.input == Activation::Identity || x >= inputs.len() {
        return;
    }
    lanes.part("activation: max(x, 0)");
    if let Some(tangent) = tangent {
        inputs[tangent] = where_positive(lanes, inputs[x], inputs[tangent]);
    }
    let zero = lanes.float(0.0);
    inputs[x] = lanes.max(zero, inputs[x]);
}

/// `value` where x > 0 or NaN, else 0.
#[inline(always)]
fn where_positive<L: Lanes>(lanes: &mut L, x: L::Float, value: L::Float) -> L::Float {
    // max keeps a NaN; 0 − its magnitude is negative, as that of all numbers but 0.
    let zero = lanes.float(0.0);
    let x = lanes.max(zero, x);
    let bits = lanes.to_bits(x);
    let magnitude = lanes.bits(lanes.format().magnitude());
    let magnitude = lanes.and(bits, magnitude);
    let none = lanes.bits(0u64);
    let below = lanes.isub(none, magnitude);
    let keep = lanes.negative(below);
    let value = lanes.to_bits(value);
    let value = lanes.and(value, keep);
    lanes.bits_to_float(value)
}

/// A term of a window's sum, of activated inputs.
#[inline(always)]
pub(crate) fn term<L: Lanes>(lanes: &mut L, term: Term, inputs: &[L::Float]) -> L::Float {
    match term {
        Term::Square(input) => lanes.mul(inputs[input], inputs[input]),
        Term::Product(a, b) => lanes.mul(inputs[a], inputs[b]),
        Term::Plain(input) => inputs[input],
    }
}

/// A sum and a term more.
#[inline(always)]
pub(crate) fn add_term<L: Lanes>(lanes: &mut L, term: Term, inputs: &[L::Float], sum: L::Float) -> L::Float {
    match term {
        Term::Square(input) => lanes.fma(inputs[input], inputs[input], sum),
        Term::Product(a, b) => lanes.fma(inputs[a], inputs[b], sum),
        Term::Plain(input) => lanes.add(sum, inputs[input]),
    }
}

/// The outputs of a stage, in order, from its inputs as they are read and its sums; as many as it has.
#[inline(always)]
pub(crate) fn outputs<L: Lanes>(
    lanes: &mut L,
    plan: &Plan,
    stage: Stage,
    read: &[L::Float],
    sums: &[L::Float],
) -> [L::Float; Stage::MOST.2] {
    let raw = stage.activated().0.map_or(read[0], |x| read[x]);
    let mut inputs = [read[0]; Stage::MOST.0];
    inputs[..read.len()].copy_from_slice(read);
    activate(lanes, plan, stage, &mut inputs[..read.len()]);
    of_activated(lanes, plan, stage, raw, &inputs[..read.len()], sums)
}

/// The same of inputs that were activated; `raw`: x before.
#[inline(always)]
pub(crate) fn of_activated<L: Lanes>(
    lanes: &mut L,
    plan: &Plan,
    stage: Stage,
    raw: L::Float,
    inputs: &[L::Float],
    sums: &[L::Float],
) -> [L::Float; Stage::MOST.2] {
    let (a, k, power) = match &plan.formula {
        Formula::Normalize { a, k, power, .. } => (*a, *k, power),
        _ if stage == Stage::Zero => return [lanes.float(0.0); 3],
        formula => {
            let value = if stage == Stage::Linear { inputs[1] } else { inputs[0] };
            let value = if let Formula::Scale { factors } = formula { scale(lanes, factors, value) } else { value };
            return [value; 3];
        }
    };
    if matches!(stage, Stage::Gather | Stage::SecondGather) {
        return [gather(lanes, plan, stage, raw, (inputs, sums), a * power.beta); 3];
    }
    lanes.part("base: d = k + a·Σ");
    let (a_lane, k) = (lanes.float(a), lanes.float(k));
    let d = lanes.fma(sums[0], a_lane, k);
    let x = inputs[0];
    // What the power is multiplied with. (One power for all stages: it is long code.)
    let v = match stage {
        Stage::Forward => x,
        Stage::Jvp => {
            lanes.part("tangent: v − 2aβ·x·Σxv/d");
            correct(lanes, -2.0 * a * power.beta, inputs[1], x, sums[1], d)
        }
        Stage::Gradient => inputs[1],
        _ => inputs[2],
    };
    let r = power::apply(lanes, power, v, d);
    match stage {
        Stage::Gradient => {
            lanes.part("h = r·(x/d)");
            let part = lanes.div(x, d);
            let h = lanes.mul(r, part);
            [r, h, h]
        }
        Stage::Second => {
            lanes.part("e = r/d; p, q, t");
            let e = lanes.div(r, d);
            let u = correct(lanes, -2.0 * a * (power.beta + 1.0), inputs[1], x, sums[1], d);
            let p = lanes.mul(e, u);
            let q = lanes.mul(e, x);
            let t = lanes.mul(e, sums[1]);
            [p, q, t]
        }
        _ => [r; 3],
    }
}

/// v + factor·x·Σ/d.
#[inline(always)]
fn correct<L: Lanes>(lanes: &mut L, factor: f64, v: L::Float, x: L::Float, sum: L::Float, d: L::Float) -> L::Float {
    let factor = lanes.float(lanes.format().nearest(factor));
    let weight = lanes.mul(x, factor);
    let share = lanes.div(sum, d);
    lanes.fma(weight, share, v)
}

/// The second stages: `ab` is a·β, `raw` x before it was cut off.
#[inline(always)]
fn gather<L: Lanes>(
    lanes: &mut L,
    plan: &Plan,
    stage: Stage,
    raw: L::Float,
    (inputs, sums): (&[L::Float], &[L::Float]),
    ab: f64,
) -> L::Float {
    let factor = lanes.float(lanes.format().nearest(-2.0 * ab));
    let value = if stage == Stage::Gather {
        lanes.part("r − 2aβ·x·Σh");
        let weight = lanes.mul(inputs[2], factor);
        lanes.fma(weight, sums[0], inputs[1])
    } else {
        lanes.part("−2aβ·(x·Σp + t + u·Σq)");
        let value = lanes.fma(inputs[3], sums[0], inputs[2]);
        let value = lanes.fma(inputs[4], sums[1], value);
        lanes.mul(value, factor)
    };
    if plan.input == Activation::Identity { value } else { where_positive(lanes, raw, value) }
}
