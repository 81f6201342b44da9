//! Models to test with, built as tract's importers build them, and how they are run.

use tract_nnef::tract_core::ops::math::max;
use tract_onnx::prelude::*;
use tract_onnx_opl::lrn::Lrn;

/// AlexNet's parameters, but for an alpha that LRN is far from the identity with.
pub const LRN: Lrn = Lrn { alpha: 2.0, beta: 0.75, bias: 1.0, size: 5 };

/// A model of one input, whose outputs are those that `wire` gives.
pub fn model(
    fact: TypedFact,
    wire: impl FnOnce(&mut TypedModel, OutletId) -> TractResult<TVec<OutletId>>,
) -> TractResult<TypedModel> {
    let mut model = TypedModel::default();
    let x = model.add_source("x", fact)?;
    let outputs = wire(&mut model, x)?;
    model.select_output_outlets(&outputs)?;
    Ok(model)
}

/// A model that is LRN alone, or LRN behind a ReLU.
pub fn lrn_model(datum: DatumType, shape: &[usize], lrn: Lrn, behind_relu: bool) -> TractResult<TypedModel> {
    model(datum.fact(shape), |model, x| {
        let x = if behind_relu { relu(model, "relu", x)? } else { x };
        model.wire_node("lrn", lrn, &[x])
    })
}

/// max(x, 0), as tract makes it of ONNX's `Relu`.
pub fn relu(model: &mut TypedModel, name: &str, x: OutletId) -> TractResult<OutletId> {
    bounded(model, name, x, 0.0)
}

/// max(x, bound).
pub fn bounded(model: &mut TypedModel, name: &str, x: OutletId, bound: f32) -> TractResult<OutletId> {
    let fact = model.outlet_fact(x)?.clone();
    let bound = tensor0(bound).cast_to_dt(fact.datum_type)?.into_owned().broadcast_into_rank(fact.rank())?;
    let bound = model.add_const(format!("{name}.bound"), bound)?;
    Ok(model.wire_node(name, max(), &[x, bound])?[0])
}

/// What a model makes of an input.
pub fn run(model: &TypedModel, input: &Tensor) -> TractResult<TVec<TValue>> {
    model.clone().into_runnable()?.run(tvec!(input.clone().into_tvalue()))
}

/// The one output of a model as f64.
pub fn output(model: &TypedModel, input: &Tensor) -> TractResult<Vec<f64>> {
    numbers(&run(model, input)?[0])
}

/// A tensor's elements as f64.
pub fn numbers(tensor: &Tensor) -> TractResult<Vec<f64>> {
    Ok(tensor.cast_to::<f64>()?.try_as_plain_ram()?.as_slice::<f64>()?.to_vec())
}

/// Numbers of both signs, of magnitudes from 2⁻³ to 2³, that repeat only after a while.
pub fn numbers_of(shape: &[usize], seed: u64) -> TractResult<Tensor> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let elements: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            let sign = if next() < 0.5 { -1.0 } else { 1.0 };
            sign * (next() * 6.0 - 3.0).exp2()
        })
        .collect();
    Tensor::from_shape(shape, &elements)
}

/// The names of the operators that a model's output takes, in order, without inputs and constants.
pub fn operators(model: &TypedModel) -> TractResult<Vec<String>> {
    let names = model.eval_order()?.into_iter().map(|id| model.node(id).op().name().to_string());
    Ok(names.filter(|name| name != "Source" && name != "Const").collect())
}

/// Asserts that every number is within `relative` of what it should be.
#[track_caller]
pub fn assert_close(actual: &[f64], expected: &[f64], relative: f64) {
    assert_eq!(actual.len(), expected.len());
    for (i, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let error = (actual - expected).abs();
        assert!(error <= relative * expected.abs(), "element {i}: {actual:e} for {expected:e}, {relative:e} allowed");
    }
}
