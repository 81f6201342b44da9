//! Results, in terms of the unit in the last place of each type.

use candle_core::{DType, Module, ModuleT, Result, Tensor};
use lrn_jit_candle::{
    Activation, Convention, LocalResponseNorm, LocalResponseNormConfig, LrnConfig, local_response_norm,
};

use crate::composed::{Case, cases, random, same_bits, ulps};

/// The largest error in units in the last place: the power's 2.5, and beta times the roundings of the sum before it (in f64 also
/// candle's own); F16 and BF16 are rounded once.
const ALLOWED: [(DType, f64); 4] = [(DType::F64, 8.0), (DType::F32, 6.0), (DType::F16, 0.51), (DType::BF16, 0.501)];

#[test]
fn composed_of_candles_operations_it_is_the_same() -> Result<()> {
    for case in cases() {
        let norm = case.build()?;
        for (dtype, allowed) in ALLOWED {
            for shape in [&[2, 13, 5, 7][..], &[3, 8, 9], &[4, 6], &[1, 3, 2, 3, 4], &[2, 1, 3]] {
                let x = random(shape, dtype)?;
                let y = norm.forward(&x)?;
                assert_eq!((y.dtype(), y.is_contiguous()), (dtype, true));
                let error = ulps(&y, &case.composed(&x.to_dtype(DType::F64)?)?)?;
                assert!(error <= allowed, "{case:?} {dtype:?} {shape:?}: {error} ulp");
            }
        }
    }
    Ok(())
}

/// What must not pass: the identity, a mirrored window, another divisor.
#[test]
fn wrong_layers_are_noticed() -> Result<()> {
    let case = Case::torch(4, 10.0, 0.75, 1.0);
    let x = random(&[2, 13, 5, 7], DType::F32)?;
    let y = case.build()?.forward(&x)?;
    let mirrored = Case { before: case.after, after: case.before, ..case };
    let undivided = Case { divisor: 1.0, ..case };
    for wrong in [x.clone(), mirrored.composed(&x)?, undivided.composed(&x)?] {
        assert!(ulps(&y, &wrong)? > 1e5);
    }
    Ok(())
}

#[test]
fn conventions_choose_window_and_divisor() -> Result<()> {
    let x = random(&[2, 9, 4, 4], DType::F64)?;
    let torch = Case::torch(4, 2.0, 0.75, 1.0);
    let with = |convention| LocalResponseNormConfig { convention, ..torch.config };
    let onnx = Case { config: with(Convention::Onnx), before: 1, after: 2, ..torch };
    let one_dnn = Case { config: with(Convention::OneDnn), before: 1, after: 1, ..torch };
    let tensorflow = Case { config: with(Convention::TensorFlow), divisor: 1.0, ..Case::torch(5, 2.0, 0.75, 1.0) };
    for case in [torch, onnx, one_dnn, Case { config: with(Convention::TensorFlow), ..tensorflow }] {
        let error = ulps(&case.build()?.forward(&x)?, &case.composed(&x)?)?;
        assert!(error <= 6.0, "{case:?}: {error} ulp");
    }
    Ok(())
}

#[test]
fn defaults_are_torchs_and_a_conventions_own_come_with_lrn_config() -> Result<()> {
    let norm = local_response_norm(5, LocalResponseNormConfig::default())?;
    assert_eq!(norm.to_string(), "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)");
    let norm = LocalResponseNorm::new(LrnConfig::tensorflow(2))?;
    assert_eq!(norm.to_string(), "LocalResponseNorm(5, alpha=1.0, beta=0.5, k=1.0)");
    Ok(())
}

#[test]
fn a_relu_before_it_is_fused() -> Result<()> {
    let case = Case::torch(5, 2.0, 0.75, 1.0);
    let fused = LocalResponseNormConfig { input_activation: Activation::Relu, ..case.config };
    for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
        let x = random(&[2, 13, 5, 7], dtype)?;
        let y = local_response_norm(5, fused)?.forward(&x)?;
        assert!(same_bits(&y, &case.build()?.forward(&x.relu()?)?)?, "{dtype:?}");
        assert!(!same_bits(&y, &case.build()?.forward(&x)?)?, "{dtype:?}");
    }
    Ok(())
}

/// Over 3×3 boxes of each plane: a channel of rows, and then of columns, of the squares.
#[test]
fn windows_within_a_channel() -> Result<()> {
    let config = LocalResponseNormConfig { alpha: 4.0, within_channel: Some(2), ..Default::default() };
    let x = random(&[2, 3, 7, 6], DType::F64)?;
    let box_sums = |x: &Tensor| -> Result<Tensor> {
        let mut sums = x.sqr()?;
        for axis in [2, 3] {
            let padded = sums.pad_with_zeros(axis, 1, 1)?;
            let extent = x.dim(axis)?;
            sums = ((padded.narrow(axis, 0, extent)? + padded.narrow(axis, 1, extent)?)?
                + padded.narrow(axis, 2, extent)?)?;
        }
        Ok(sums)
    };
    let expected = (&x * ((box_sums(&x)? * (4.0 / 9.0))? + 1.0)?.powf(-0.75)?)?;
    let error = ulps(&local_response_norm(3, config)?.forward(&x)?, &expected)?;
    assert!(error <= 6.0, "{error} ulp");
    Ok(())
}

#[test]
fn it_is_used_as_any_module() -> Result<()> {
    let norm = Case::torch(5, 2.0, 0.75, 1.0).build()?;
    let x = random(&[2, 13, 5, 7], DType::F32)?;
    let y = norm.forward(&x)?;
    let boxed: Box<dyn Module> = Box::new(norm.clone());
    let functions = [x.apply(&norm)?, norm.forward_t(&x, true)?, x.apply_op1(norm.clone())?, boxed.forward(&x)?];
    for other in functions {
        assert!(same_bits(&other, &y)?);
    }
    Ok(())
}

#[test]
fn empty_tensors_come_back_empty() -> Result<()> {
    let norm = Case::torch(5, 2.0, 0.75, 1.0).build()?;
    for shape in [&[0, 3, 2, 2][..], &[2, 0, 3], &[2, 3, 0]] {
        let y = norm.forward(&Tensor::zeros(shape, DType::F32, &candle_core::Device::Cpu)?)?;
        assert_eq!((y.dims(), y.elem_count()), (shape, 0));
    }
    Ok(())
}
