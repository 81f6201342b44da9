//! Values, against tract's own operator.

use lrn_jit_tract::{CompiledLrn, accelerate};
use proptest::prelude::*;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::EvalOp;
use tract_onnx_opl::lrn::Lrn;

use crate::models::{LRN, assert_close, lrn_model, numbers, numbers_of, output};

/// Half an ulp of a type, relative.
fn half_ulp(datum: DatumType) -> f64 {
    match datum {
        DatumType::F16 => f64::powi(2.0, -11),
        DatumType::F32 => f64::powi(2.0, -24),
        _ => f64::powi(2.0, -53),
    }
}

/// How far from the formula a kernel may be that computes in `datum`: 2.5 ulp and rounding for the power, and an error of the base
/// (a sum of positive terms, one rounding each) beta times.
fn allowed(datum: DatumType, lrn: &Lrn) -> f64 {
    half_ulp(datum) * (6.2 + f64::from(lrn.beta) * (lrn.size.min(40) + 4) as f64)
}

/// A shape, parameters, and whether a ReLU comes first.
fn cases() -> impl Strategy<Value = (Vec<usize>, Lrn, bool)> {
    let inner = prop::collection::vec(1usize..6, 0..4);
    let shape = (1usize..4, 1usize..40, inner).prop_map(|(n, c, inner)| [vec![n, c], inner].concat());
    let beta = prop_oneof![Just(0.25f32), Just(0.5), Just(0.75), Just(1.0), Just(1.5), Just(2.0), 0.1f32..3.0];
    let lrn = (1usize..20, 0.01f32..10.0, beta, 0.1f32..4.0).prop_map(|(size, alpha, beta, bias)| Lrn {
        alpha,
        beta,
        bias,
        size,
    });
    (shape, lrn, any::<bool>())
}

/// A model's own output, and what it makes of the input once it is accelerated, before or after it is optimized.
fn both_ways(model: &TypedModel, input: &Tensor) -> TractResult<[Vec<f64>; 3]> {
    let own = output(model, input)?;
    let mut before = model.clone();
    assert_eq!(accelerate(&mut before)?, 1);
    let mut after = model.clone().into_optimized()?;
    assert_eq!(accelerate(&mut after)?, 1);
    Ok([own, output(&before.into_optimized()?, input)?, output(&after, input)?])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// tract's operator in f64 judges the compiled one in f64, f32 and f16; in f32 they are compared directly as well.
    #[test]
    fn as_tracts_own((shape, lrn, behind_relu) in cases(), seed in any::<u64>()) {
        let check = || -> TractResult<()> {
            for datum in [DatumType::F64, DatumType::F32, DatumType::F16] {
                let input = numbers_of(&shape, seed)?.cast_to_dt(datum)?.into_owned();
                let widened = input.cast_to::<f64>()?.into_owned();
                let expected = output(&lrn_model(DatumType::F64, &shape, lrn.clone(), behind_relu)?, &widened)?;
                let [own, before, after] = both_ways(&lrn_model(datum, &shape, lrn.clone(), behind_relu)?, &input)?;
                // Computed in f32, halves have but the last rounding's error: of a result so small that it is subnormal, absolute.
                if datum == DatumType::F16 {
                    for (&actual, &expected) in before.iter().zip(&expected) {
                        let rounding = half_ulp(datum) * expected.abs().max(f64::powi(2.0, -14));
                        let error = rounding + allowed(DatumType::F32, &lrn) * expected.abs();
                        assert!((actual - expected).abs() <= error, "{actual:e} for {expected:e}, {error:e} allowed");
                    }
                } else {
                    assert_close(&before, &expected, allowed(datum, &lrn));
                    assert_close(&before, &own, 2.0 * allowed(datum, &lrn));
                }
                assert_eq!(before, after);
            }
            Ok(())
        };
        check().unwrap();
    }
}

/// By hand: channel 0 of size 2 sees 0 and 1, as ONNX has it. torch's window would give 1/(½·1) first.
#[test]
fn the_extra_tap_of_an_even_window_comes_after() -> TractResult<()> {
    let lrn = Lrn { alpha: 1.0, beta: 1.0, bias: 0.0, size: 2 };
    let input = Tensor::from_shape(&[1, 3], &[1f32, 2.0, 4.0])?;
    for outputs in both_ways(&lrn_model(DatumType::F32, &[1, 3], lrn, false)?, &input)? {
        assert_close(&outputs, &[0.4, 0.2, 0.5], 1e-6);
    }
    Ok(())
}

/// What the tests of values allow tells LRN from its neighbours: the identity, another window, another divisor.
#[test]
fn a_wrong_kernel_would_be_seen() -> TractResult<()> {
    let shape = [2, 12, 3];
    let input = numbers_of(&shape, 5)?;
    let right = output(&lrn_model(DatumType::F32, &shape, LRN, false)?, &input)?;
    for wrong in
        [Lrn { size: 4, ..LRN }, Lrn { size: 6, ..LRN }, Lrn { alpha: 1.99, ..LRN }, Lrn { beta: 0.749, ..LRN }]
    {
        let wrong = output(&lrn_model(DatumType::F32, &shape, wrong, false)?, &input)?;
        let worst = right.iter().zip(&wrong).map(|(r, w)| ((r - w) / r).abs()).fold(0.0, f64::max);
        assert!(worst > 100.0 * allowed(DatumType::F32, &LRN), "{worst}");
    }
    let worst = numbers(&input)?.iter().zip(&right).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    assert!(worst > 0.1);
    Ok(())
}

/// tract squares and sums halves in f16: 300² overflows, and what stands beside it becomes 0. Computed in f32 it does not.
#[test]
fn halves_do_not_overflow() -> TractResult<()> {
    let lrn = Lrn { alpha: 1e-4, beta: 0.75, bias: 1.0, size: 3 };
    let input = Tensor::from_shape(&[1, 2], &[300f32, 1.0])?.cast_to::<f16>()?.into_owned();
    let [own, before, after] = both_ways(&lrn_model(DatumType::F16, &[1, 2], lrn, false)?, &input)?;
    assert_eq!(own, [0.0, 0.0]);
    assert_eq!(before, after);
    let d = 1.0f64 + 1e-4 / 3.0 * 90_001.0;
    assert_close(&before, &[300.0 * d.powf(-0.75), d.powf(-0.75)], f64::powi(2.0, -11) + 1e-6);
    Ok(())
}

/// A NaN, behind a fused ReLU as well, touches the outputs whose windows hold it, and no others. tract's `max` makes 0 of it.
#[test]
fn a_nan_stays_where_it_is() -> TractResult<()> {
    let shape = [1, 9];
    let mut input = numbers_of(&shape, 3)?;
    input.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?[2] = f32::NAN;
    let nans = |model: &TypedModel| -> TractResult<Vec<usize>> {
        let outputs = output(model, &input)?;
        Ok((0..outputs.len()).filter(|&i| outputs[i].is_nan()).collect())
    };
    for (behind_relu, own) in [(false, vec![1, 2, 3]), (true, vec![])] {
        let mut model = lrn_model(DatumType::F32, &shape, Lrn { size: 3, ..LRN }, behind_relu)?;
        assert_eq!(nans(&model)?, own);
        accelerate(&mut model)?;
        assert_eq!(nans(&model)?, [1, 2, 3]);
    }
    Ok(())
}

#[test]
fn empty_tensors_stay_empty() -> TractResult<()> {
    for shape in [[0, 4, 3], [2, 4, 0], [2, 0, 3]] {
        let outputs =
            CompiledLrn::new(LRN, true).eval_out_of_plan(tvec!(Tensor::zero::<f32>(&shape)?.into_tvalue()))?;
        assert_eq!(outputs.unwrap()[0].shape(), shape);
    }
    Ok(())
}
