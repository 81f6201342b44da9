//! Graphs: what is replaced and fused, what is not, and what else stays as it was.

use lrn_jit_tract::{CompiledLrn, accelerate};
use tract_nnef::tract_core::floats::FloatPrecisionTranslator;
use tract_nnef::tract_core::ops::math::{add, max};
use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx_opl::lrn::Lrn;

use crate::models::{LRN, assert_close, bounded, lrn_model, model, numbers, numbers_of, operators, output, relu, run};

const SHAPE: [usize; 4] = [2, 8, 5, 5];

fn f32_model(wire: impl FnOnce(&mut TypedModel, OutletId) -> TractResult<TVec<OutletId>>) -> TractResult<TypedModel> {
    model(f32::fact(SHAPE), wire)
}

/// Accelerates a model before and after optimization, checks that all outputs stay and that there is nothing to do a second time,
/// and gives how many operators were replaced and the operators before optimization.
fn accelerated(model: &TypedModel) -> TractResult<(usize, Vec<String>)> {
    let input = numbers_of(&SHAPE, 7)?;
    let expected = run(model, &input)?;
    let mut before = model.clone();
    let mut after = model.clone().into_optimized()?;
    let replaced = accelerate(&mut before)?;
    assert_eq!(accelerate(&mut after)?, replaced);
    for model in [&mut before, &mut after] {
        assert_eq!(accelerate(model)?, 0);
    }
    for model in [&before, &before.clone().into_optimized()?, &after, &after.clone().into_optimized()?] {
        let outputs = run(model, &input)?;
        assert_eq!(outputs.len(), expected.len());
        for (output, expected) in outputs.iter().zip(&expected) {
            assert_close(&numbers(output)?, &numbers(expected)?, 2e-6);
        }
    }
    Ok((replaced, operators(&before)?))
}

#[test]
fn models_without_lrn_stay_as_they_are() -> TractResult<()> {
    let mut model = f32_model(|model, x| Ok(tvec!(relu(model, "relu", x)?)))?;
    let text = format!("{model:?}");
    assert_eq!(accelerate(&mut model)?, 0);
    assert_eq!(format!("{model:?}"), text);
    Ok(())
}

#[test]
fn every_lrn_is_replaced_and_each_relu_before_one_fused() -> TractResult<()> {
    // LRN reads LRN, a ReLU's output or a sum.
    let model = f32_model(|model, x| {
        let first = model.wire_node("first", LRN, &[x])?[0];
        let second = model.wire_node("second", Lrn { size: 4, ..LRN }, &[first])?[0];
        let relu = relu(model, "relu", second)?;
        let third = model.wire_node("third", LRN, &[relu])?[0];
        let sum = model.wire_node("sum", add(), &[third, x])?[0];
        model.wire_node("fourth", Lrn { beta: 0.5, ..LRN }, &[sum])
    })?;
    let operators = accelerated(&model)?;
    assert_eq!(
        operators,
        (4, ["CompiledLrn", "CompiledLrn", "CompiledReluLrn", "Add", "CompiledLrn"].map(String::from).into())
    );
    Ok(())
}

#[test]
fn a_relu_is_fused_whichever_side_its_zero_is_on() -> TractResult<()> {
    let model = f32_model(|model, x| {
        let zero = model.add_const("zero", Tensor::zero::<f32>(&[1, 1, 1, 1])?)?;
        let relu = model.wire_node("relu", max(), &[zero, x])?[0];
        model.wire_node("lrn", LRN, &[relu])
    })?;
    assert_eq!(accelerated(&model)?, (1, vec!["CompiledReluLrn".into()]));
    Ok(())
}

#[test]
fn a_relu_that_others_read_stays() -> TractResult<()> {
    let read_twice = f32_model(|model, x| {
        let relu = relu(model, "relu", x)?;
        let lrn = model.wire_node("lrn", LRN, &[relu])?[0];
        model.wire_node("sum", add(), &[lrn, relu])
    })?;
    assert_eq!(accelerated(&read_twice)?, (1, ["Max", "CompiledLrn", "Add"].map(String::from).into()));
    let read_by_two = f32_model(|model, x| {
        let relu = relu(model, "relu", x)?;
        let lrn = model.wire_node("lrn", LRN, &[relu])?[0];
        Ok(tvec!(lrn, model.wire_node("other", Lrn { size: 3, ..LRN }, &[relu])?[0]))
    })?;
    assert_eq!(accelerated(&read_by_two)?.0, 2);
    let also_an_output = f32_model(|model, x| {
        let relu = relu(model, "relu", x)?;
        Ok(tvec!(relu, model.wire_node("lrn", LRN, &[relu])?[0]))
    })?;
    assert_eq!(accelerated(&also_an_output)?, (1, ["Max", "CompiledLrn"].map(String::from).into()));
    Ok(())
}

#[test]
fn what_is_not_a_relu_stays() -> TractResult<()> {
    let another_bound = f32_model(|model, x| {
        let bounded = bounded(model, "bounded", x, 0.25)?;
        model.wire_node("lrn", LRN, &[bounded])
    })?;
    assert_eq!(accelerated(&another_bound)?, (1, ["Max", "CompiledLrn"].map(String::from).into()));
    let broadcast = model(f32::fact([1, 8, 1]), |model, x| {
        let zeros = model.add_const("zeros", Tensor::zero::<f32>(&[3, 8, 2])?)?;
        let larger = model.wire_node("larger", max(), &[x, zeros])?[0];
        model.wire_node("lrn", LRN, &[larger])
    })?;
    let mut accelerated = broadcast.clone();
    assert_eq!(accelerate(&mut accelerated)?, 1);
    assert_eq!(operators(&accelerated)?, ["Max", "CompiledLrn"]);
    let input = numbers_of(&[1, 8, 1], 1)?;
    assert_close(&output(&accelerated, &input)?, &output(&broadcast, &input)?, 2e-6);
    Ok(())
}

/// The input is normalized where it lies only if nothing else reads it.
#[test]
fn inputs_that_others_read_are_left_alone() -> TractResult<()> {
    let model = f32_model(|model, x| {
        let x = bounded(model, "bounded", x, -1.0)?;
        let lrn = model.wire_node("lrn", LRN, &[x])?[0];
        Ok(tvec!(lrn, x, model.wire_node("sum", add(), &[lrn, x])?[0]))
    })?;
    assert_eq!(accelerated(&model)?.0, 1);
    let mut alone = f32_model(|model, x| model.wire_node("lrn", LRN, &[x]))?;
    accelerate(&mut alone)?;
    let input = numbers_of(&SHAPE, 2)?.into_tvalue();
    let copy = input.clone().into_tensor();
    alone.into_runnable()?.run(tvec!(input.clone()))?;
    assert_eq!(*input, copy);
    Ok(())
}

#[test]
fn names_labels_and_facts_stay() -> TractResult<()> {
    let mut model = lrn_model(DatumType::F32, &SHAPE, LRN, true)?;
    model.set_outlet_label(model.outputs[0], "normalized".into())?;
    accelerate(&mut model)?;
    let [output] = model.outputs[..] else { panic!("{:?}", model.outputs) };
    assert_eq!(model.outlet_label(output), Some("normalized"));
    assert_eq!(model.node(output.node).name, "lrn");
    assert_eq!(*model.outlet_fact(output)?, f32::fact(SHAPE));
    model.check_edges()?;
    Ok(())
}

#[test]
fn parameters_that_make_no_layer_are_an_error_that_names_the_node() -> TractResult<()> {
    for (lrn, what) in [
        (Lrn { size: 0, ..LRN }, "size must be at least 1, got 0"),
        (Lrn { alpha: f32::NAN, ..LRN }, "alpha must be a finite number, got NaN"),
    ] {
        let mut model = f32_model(|model, x| {
            let x = model.wire_node("good", LRN, &[x])?[0];
            model.wire_node("bad", lrn, &[x])
        })?;
        let text = format!("{model:?}");
        let error = accelerate(&mut model).unwrap_err();
        assert_eq!(error.downcast_ref::<lrn_jit::BuildError>().map(ToString::to_string).as_deref(), Some(what));
        assert!(format!("{error:#}").contains("bad"), "{error:#}");
        assert_eq!(format!("{model:?}"), text);
    }
    Ok(())
}

#[test]
fn what_tract_could_not_run_stays() -> TractResult<()> {
    for fact in [i32::fact([1, 4]), f32::fact([4])] {
        let mut model = model(fact, |model, x| model.wire_node("lrn", LRN, &[x]))?;
        assert_eq!(accelerate(&mut model)?, 0);
        assert_eq!(operators(&model)?, ["Lrn"]);
    }
    Ok(())
}

#[test]
fn an_operator_refuses_what_it_cannot_normalize() {
    let op = CompiledLrn::new(LRN, false);
    for (fact, what) in [(i32::fact([1, 4]), "f16, f32 or f64, got I32"), (f32::fact([4]), "rank 2 or more, got 4")] {
        let error = op.output_facts(&[&fact]).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let error = op.eval_out_of_plan(tvec!(tensor1(&[1f32, 2.0]).into_tvalue())).unwrap_err().to_string();
    assert!(error.contains("rank 2 or more, got rank 1"), "{error}");
}

#[test]
fn operators_are_equal_by_their_parameters() {
    let op = CompiledLrn::new(LRN, true);
    assert_eq!(op, op.clone());
    assert_eq!(op, CompiledLrn::new(LRN, true));
    assert_ne!(op, CompiledLrn::new(LRN, false));
    assert_ne!(op, CompiledLrn::new(Lrn { size: 3, ..LRN }, true));
    let [a, b, own]: [Box<dyn TypedOp>; 3] = [op.clone().into(), CompiledLrn::new(LRN, true).into(), LRN.into()];
    assert!(a == b && a != own);
    let text = format!("{op:?}");
    assert!(text.contains("size: 5") && text.contains("relu: true"), "{text}");
}

#[test]
fn a_symbol_may_stand_for_the_batch() -> TractResult<()> {
    let mut model = TypedModel::default();
    let batch = model.symbols.sym("N");
    let x = model.add_source("x", f32::fact([batch.to_dim(), 8.to_dim(), 3.to_dim()]))?;
    let relu = relu(&mut model, "relu", x)?;
    let lrn = model.wire_node("lrn", LRN, &[relu])?;
    model.select_output_outlets(&lrn)?;
    let mut accelerated = model.clone().into_optimized()?;
    assert_eq!(accelerate(&mut accelerated)?, 1);
    assert_eq!(operators(&accelerated)?, ["CompiledReluLrn"]);
    for n in [1, 4] {
        let input = numbers_of(&[n, 8, 3], 9)?;
        assert_close(&output(&accelerated, &input)?, &output(&model, &input)?, 2e-6);
    }
    Ok(())
}

/// A layer of another type is built when it is met.
#[test]
fn an_accelerated_model_may_be_translated_to_halves() -> TractResult<()> {
    let mut model = lrn_model(DatumType::F32, &SHAPE, LRN, true)?;
    accelerate(&mut model)?;
    let input = numbers_of(&SHAPE, 4)?.cast_to::<f16>()?.into_owned();
    let widened = input.cast_to::<f32>()?;
    let expected = output(&model, &widened)?;
    model.transform(&FloatPrecisionTranslator::new(DatumType::F32, DatumType::F16))?;
    let outputs = run(&model, &input)?;
    assert_eq!(outputs[0].datum_type(), DatumType::F16);
    // One rounding apart.
    assert_close(&numbers(&outputs[0])?, &expected, f64::powi(2.0, -11));
    Ok(())
}

/// Conv → Relu → LRN → MaxPool, from ONNX: as it is read, decluttered or optimized.
#[test]
fn a_model_from_onnx() -> TractResult<()> {
    let onnx = tract_onnx::onnx();
    let read = onnx.model_for_proto_model(&alexnet_begin())?.with_input_fact(0, f32::fact([1, 3, 19, 19]).into())?;
    let input = numbers_of(&[1, 3, 19, 19], 11)?;
    let own = read.clone().into_optimized()?;
    let expected = output(&own, &input)?;
    let typed = read.clone().into_typed()?;
    for mut model in [typed.clone(), typed.into_decluttered()?, own] {
        assert_eq!(accelerate(&mut model)?, 1);
        let operators = operators(&model)?;
        assert!(operators.contains(&"CompiledReluLrn".into()), "{operators:?}");
        assert!(!operators.iter().any(|name| name.contains("Max") && !name.contains("Pool")), "{operators:?}");
        assert_close(&output(&model.into_optimized()?, &input)?, &expected, 1e-5);
    }
    Ok(())
}

fn alexnet_begin() -> pb::ModelProto {
    let int = |name: &str, i| pb::AttributeProto { name: name.into(), i, r#type: 2, ..Default::default() };
    let float = |name: &str, f| pb::AttributeProto { name: name.into(), f, r#type: 1, ..Default::default() };
    let ints = |name: &str, ints: &[i64]| pb::AttributeProto {
        name: name.into(),
        ints: ints.into(),
        r#type: 7,
        ..Default::default()
    };
    let node = |op: &str, inputs: &[&str], output: &str, attribute: Vec<_>| pb::NodeProto {
        op_type: op.into(),
        name: output.into(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        attribute,
        ..Default::default()
    };
    let tensor = pb::type_proto::Tensor { elem_type: 1, shape: None };
    let tensor = pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..Default::default() };
    let value =
        |name: &str| pb::ValueInfoProto { name: name.into(), r#type: Some(tensor.clone()), ..Default::default() };
    let weights: Vec<f32> = (0..16 * 3 * 3 * 3).map(|i| ((i * 37 % 101) as f32 - 50.0) / 60.0).collect();
    let weights = pb::TensorProto {
        name: "w".into(),
        dims: vec![16, 3, 3, 3],
        data_type: 1,
        float_data: weights,
        ..Default::default()
    };
    let graph = pb::GraphProto {
        name: "begin".into(),
        node: vec![
            node("Conv", &["x", "w"], "conv", vec![ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2])]),
            node("Relu", &["conv"], "relu", vec![]),
            node("LRN", &["relu"], "lrn", vec![int("size", 5), float("alpha", 0.1), float("beta", 0.75)]),
            node("MaxPool", &["lrn"], "y", vec![ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2])]),
        ],
        initializer: vec![weights],
        input: vec![value("x")],
        output: vec![value("y")],
        ..Default::default()
    };
    let opset = pb::OperatorSetIdProto { domain: String::new(), version: 13 };
    pb::ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() }
}
