//! Tensors that are not contiguous: the bits of a contiguous copy, result contiguous.

use candle_core::{DType, Module, Result, Tensor, Var};
use lrn_jit_candle::{LocalResponseNormConfig, local_response_norm};

use crate::composed::{Case, random, same_bits};

/// A name and a view.
type View = (&'static str, Tensor);

/// Views of rank 4 that are not contiguous from the start of their storage.
fn views(dtype: DType) -> Result<Vec<View>> {
    let x = random(&[6, 10, 12, 14], dtype)?;
    let row = random(&[1, 10, 1, 14], dtype)?;
    Ok(vec![
        ("rows and columns swapped", x.transpose(2, 3)?),
        ("channels and rows swapped", x.transpose(1, 2)?),
        ("NHWC as NCHW", x.permute((0, 3, 1, 2))?),
        ("all axes reversed", x.permute((3, 2, 1, 0))?),
        ("later images", x.narrow(0, 2, 3)?),
        ("middle channels", x.narrow(1, 3, 5)?),
        ("middle of the planes", x.narrow(2, 1, 9)?.narrow(3, 2, 11)?),
        ("middle of everything, permuted", x.narrow(0, 1, 4)?.narrow(1, 2, 7)?.narrow(3, 3, 8)?.permute((0, 3, 1, 2))?),
        ("one column", x.narrow(3, 5, 1)?),
        ("broadcast batch and rows", row.broadcast_as((4, 10, 12, 14))?),
        ("broadcast channels", x.narrow(1, 4, 1)?.broadcast_as((6, 9, 12, 14))?),
        (
            "all one element",
            x.narrow(0, 1, 1)?.narrow(1, 1, 1)?.narrow(2, 1, 1)?.narrow(3, 1, 1)?.broadcast_as((2, 7, 3, 5))?,
        ),
    ])
}

#[test]
fn forward_has_the_bits_of_a_contiguous_copy() -> Result<()> {
    for case in [Case::torch(5, 2.0, 0.75, 0.5), Case::torch(4, 2.0, 0.6, 1.0)] {
        let norm = case.build()?;
        for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
            for (name, view) in views(dtype)? {
                let y = norm.forward(&view)?;
                assert!(y.is_contiguous());
                assert!(same_bits(&y, &norm.forward(&view.force_contiguous()?)?)?, "{name} {dtype:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn within_channels_too() -> Result<()> {
    let config = LocalResponseNormConfig { alpha: 2.0, within_channel: Some(2), ..Default::default() };
    let norm = local_response_norm(3, config)?;
    for (name, view) in views(DType::F32)? {
        assert!(same_bits(&norm.forward(&view)?, &norm.forward(&view.force_contiguous()?)?)?, "{name}");
    }
    Ok(())
}

#[test]
fn channels_last_is_a_channel_axis() -> Result<()> {
    let case = Case::torch(5, 2.0, 0.75, 0.5);
    let last = local_response_norm(5, LocalResponseNormConfig { channel_axis: -1, ..case.config })?;
    let nhwc = random(&[2, 12, 14, 10], DType::F32)?;
    let y = last.forward(&nhwc)?.permute((0, 3, 1, 2))?;
    assert!(same_bits(&y, &case.build()?.forward(&nhwc.permute((0, 3, 1, 2))?)?)?);
    Ok(())
}

#[test]
fn gradients_have_the_bits_of_contiguous_copies() -> Result<()> {
    let norm = Case::torch(5, 2.0, 0.75, 0.5).build()?;
    for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
        for (name, view) in views(dtype)? {
            let (x, grad_y) = (Var::from_tensor(&view.force_contiguous()?)?, random(view.dims(), dtype)?);
            let grad = |x: &Tensor, of: &Tensor| -> Result<Tensor> {
                let grads = (norm.forward(x)? * &grad_y)?.sum_all()?.backward()?;
                Ok(grads.get(of).expect("a gradient").clone())
            };
            let expected = grad(&x, &x)?;
            // A view of a variable: the gradient comes back through it.
            let swapped = Var::from_tensor(&view.transpose(1, 3)?.force_contiguous()?)?;
            let through = grad(&swapped.transpose(1, 3)?, &swapped)?;
            assert!(same_bits(&through.transpose(1, 3)?, &expected)?, "{name} {dtype:?}");
        }
    }
    Ok(())
}
