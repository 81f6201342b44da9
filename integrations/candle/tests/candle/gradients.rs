//! Gradients, beside candle's of the composed formula.

use std::process::Command;

use candle_core::{CustomOp1, DType, Error, Module, Result, Tensor, Var};
use lrn_jit_candle::{Activation, LocalResponseNormConfig, local_response_norm};

use crate::composed::{Case, cases, overall, random};

/// The gradient of Σ w·y with respect to x.
fn gradient(x: &Var, y: &Tensor, w: &Tensor) -> Result<Tensor> {
    Ok((y * w)?.sum_all()?.backward()?.get(x).expect("a gradient").clone())
}

#[test]
fn of_candles_autodiff_it_is_the_same() -> Result<()> {
    // Relative to the largest of a gradient. The halves: one rounding of it, and of what it is made from none.
    let allowed = [
        (DType::F64, 8.0 * f64::EPSILON),
        (DType::F32, 8.0 * f32::EPSILON as f64),
        (DType::F16, 0.51 / 1024.0),
        (DType::BF16, 0.501 / 128.0),
    ];
    for case in cases() {
        let norm = case.build()?;
        for (dtype, allowed) in allowed {
            for shape in [&[2, 13, 5, 7][..], &[3, 8, 9], &[4, 6]] {
                let (x, w) = (Var::from_tensor(&random(shape, dtype)?)?, random(shape, dtype)?);
                let wide = Var::from_tensor(&x.to_dtype(DType::F64)?)?;
                let expected = gradient(&wide, &case.composed(&wide)?, &w.to_dtype(DType::F64)?)?;
                let got = gradient(&x, &norm.forward(&x)?, &w)?;
                assert_eq!(got.dtype(), dtype);
                let error = overall(&got, &expected)?;
                assert!(error <= allowed, "{case:?} {dtype:?} {shape:?}: {error:e} > {allowed:e}");
            }
        }
    }
    Ok(())
}

#[test]
fn it_includes_a_fused_relu() -> Result<()> {
    let case = Case::torch(5, 2.0, 0.75, 1.0);
    let fused = local_response_norm(5, LocalResponseNormConfig { input_activation: Activation::Relu, ..case.config })?;
    let (x, w) = (Var::from_tensor(&random(&[2, 13, 5, 7], DType::F64)?)?, random(&[2, 13, 5, 7], DType::F64)?);
    let expected = gradient(&x, &case.composed(&x.relu()?)?, &w)?;
    let error = overall(&gradient(&x, &fused.forward(&x)?, &w)?, &expected)?;
    assert!(error <= 8.0 * f64::EPSILON, "{error:e}");
    Ok(())
}

/// In the midst of a graph: after a product, before a square, twice in a row; the modules are gone when the gradient is taken.
#[test]
fn it_is_chained() -> Result<()> {
    let case = Case::torch(5, 2.0, 0.75, 1.0);
    let x = Var::from_tensor(&random(&[2, 13, 5, 7], DType::F64)?)?;
    let a = random(&[1, 13, 1, 1], DType::F64)?;
    let network = |norm: &dyn Fn(&Tensor) -> Result<Tensor>| norm(&norm(&x.broadcast_mul(&a)?)?)?.sqr()?.sum_all();
    let ours = {
        let norm = case.build()?;
        network(&|x| norm.forward(x))?
    };
    let composed = network(&|x| case.composed(x))?;
    let grad = |loss: &Tensor| Ok::<_, Error>(loss.backward()?.get(&x).expect("a gradient").clone());
    let error = overall(&grad(&ours)?, &grad(&composed)?)?;
    assert!(error <= 16.0 * f64::EPSILON, "{error:e}");
    Ok(())
}

/// Second derivatives, with respect to x and to the gradient that comes in: by way of the operation alone.
#[test]
fn the_gradient_has_a_gradient() -> Result<()> {
    for case in cases() {
        let norm = case.build()?;
        let shape = [2, 9, 4, 3];
        let [x, g] = [0; 2].map(|_| Var::from_tensor(&random(&shape, DType::F64)?));
        let (x, g, v) = (x?, g?, random(&shape, DType::F64)?);
        let grad_x = norm.bwd(&x, &norm.forward(&x)?, &g)?.expect("a gradient");
        let second = (grad_x * &v)?.sum_all()?.backward()?;
        let (by_x, by_g) = (second.get(&x).expect("by x"), second.get(&g).expect("by g"));
        // ⟨v, grad_x⟩ changes along t as the gradients of it say: central differences of the first gradient.
        let t = random(&shape, DType::F64)?;
        let step = 1e-5;
        let along = |sign: f64| -> Result<f64> {
            let x = (x.as_tensor() + (&t * (sign * step))?)?;
            let moved = norm.bwd(&x, &x, &g)?.expect("a gradient");
            (moved * &v)?.sum_all()?.to_scalar()
        };
        let difference = (along(1.0)? - along(-1.0)?) / (2.0 * step);
        let derivative: f64 = (by_x * &t)?.sum_all()?.to_scalar()?;
        assert!(
            (difference - derivative).abs() <= 1e-7 * (1.0 + derivative.abs()),
            "{case:?}: {difference} {derivative}"
        );
        // grad_x is linear in g, so ⟨g, by_g⟩ is ⟨v, grad_x⟩.
        let linear: f64 = (by_g * g.as_tensor())?.sum_all()?.to_scalar()?;
        let value = along(0.0)?;
        assert!((linear - value).abs() <= 1e-12 * (1.0 + value.abs()), "{case:?}: {linear} {value}");
    }
    Ok(())
}

/// candle keeps the graph of gradients where this is set when a thread first takes one; so, in a process of its own.
const KEEP_GRAPH: &str = "CANDLE_GRAD_DO_NOT_DETACH";

#[test]
fn second_derivatives_through_candle() {
    let own = std::env::current_exe().expect("this test");
    let test = "gradients::second_derivatives_where_the_graph_is_kept";
    let output = Command::new(own)
        .args(["--exact", test, "--ignored"])
        .env(KEEP_GRAPH, "1")
        .output()
        .expect("this test starts again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "run by second_derivatives_through_candle, with CANDLE_GRAD_DO_NOT_DETACH=1"]
fn second_derivatives_where_the_graph_is_kept() -> Result<()> {
    for case in cases() {
        let norm = case.build()?;
        let shape = [2, 9, 4, 3];
        let x = Var::from_tensor(&random(&shape, DType::F64)?)?;
        let (w, v) = (random(&shape, DType::F64)?, random(&shape, DType::F64)?);
        // A square before and after: every factor of the chain counts.
        let second = |norm: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<Tensor> {
            let loss = (norm(&x.sqr()?)?.sqr()? * &w)?.sum_all()?;
            let first = loss.backward()?.get(&x).expect("a gradient").clone();
            Ok((first * &v)?.sum_all()?.backward()?.get(&x).expect("a second").clone())
        };
        let error = overall(&second(&|x| norm.forward(x))?, &second(&|x| case.composed(x))?)?;
        assert!(error <= 64.0 * f64::EPSILON, "{case:?}: {error:e}");
    }
    Ok(())
}

#[test]
fn a_third_derivative_is_an_error() -> Result<()> {
    let norm = Case::torch(5, 2.0, 0.75, 1.0).build()?;
    let x = Var::from_tensor(&random(&[2, 9], DType::F64)?)?;
    let first = norm.bwd(&x, &x, &x)?.expect("a gradient");
    let second = first.backward()?.get(&x).expect("a gradient").clone();
    let error = second.backward().expect_err("no third derivative");
    assert!(error.to_string().contains("backward is not supported for local-response-norm-"), "{error}");
    Ok(())
}
