//! Tensors that are not contiguous: the bits of a contiguous copy. Tensors that others hold: left alone.

use burn::backend::{BackendTensor, DispatchTensorKind};
use burn::tensor::{DType, Device, Tensor};

use crate::own::{DTYPES, config, copied, elements, random, same_bits, with_gradient};

/// A name and a view.
type View = (&'static str, Tensor<4>);

/// Views that are not contiguous from the start of their storage.
fn views(dtype: DType) -> Vec<View> {
    let x = random([6, 10, 12, 14], dtype, &Device::flex());
    let row = random([1, 10, 1, 14], dtype, &Device::flex());
    vec![
        ("rows and columns swapped", x.clone().swap_dims(2, 3)),
        ("channels and rows swapped", x.clone().swap_dims(1, 2)),
        ("NHWC as NCHW", x.clone().permute([0, 3, 1, 2])),
        ("all axes reversed", x.clone().permute([3, 2, 1, 0])),
        ("later images", x.clone().narrow(0, 2, 3)),
        ("middle channels", x.clone().narrow(1, 3, 5)),
        ("middle of the planes", x.clone().slice([0..6, 0..10, 1..10, 2..13])),
        ("middle of everything, permuted", x.clone().slice([1..5, 2..9, 3..8, 3..11]).permute([0, 3, 1, 2])),
        ("one column", x.clone().narrow(3, 5, 1)),
        ("flipped channels", x.clone().flip([1])),
        ("flipped everything, permuted", x.clone().flip([0, 1, 2, 3]).permute([0, 3, 1, 2])),
        ("broadcast batch and rows", row.expand([4, 10, 12, 14])),
        ("broadcast channels", x.clone().narrow(1, 4, 1).expand([6, 9, 12, 14])),
        ("all one element", x.slice([1..2, 1..2, 1..2, 1..2]).expand([2, 7, 3, 5])),
    ]
}

#[test]
fn forward_has_the_bits_of_a_contiguous_copy() {
    for case in [config(5, 2.0, 0.75, 0.5), config(4, 2.0, 0.6, 1.0)] {
        let norm = case.init();
        for dtype in DTYPES {
            for (name, view) in views(dtype) {
                let copy = copied(&view, dtype, &Device::flex());
                assert!(same_bits(&norm.forward(view), &norm.forward(copy)), "{name} {dtype:?}");
            }
        }
    }
}

/// The gradient comes back through a view of what it is asked for.
#[test]
fn gradients_have_the_bits_of_contiguous_copies() {
    let norm = config(5, 2.0, 0.75, 0.5).init();
    let device = Device::flex().autodiff();
    for dtype in DTYPES {
        for (name, view) in views(dtype) {
            let w = random(view.dims(), dtype, &Device::flex());
            let [y, gradient] = with_gradient(|x| norm.forward(x), &view, &w, &device);
            let through = |x: Tensor<4>| norm.forward(x.swap_dims(1, 3)).swap_dims(1, 3);
            let [y_through, gradient_through] =
                with_gradient(through, &view.swap_dims(1, 3), &w.swap_dims(1, 3), &device);
            assert!(same_bits(&y_through.swap_dims(1, 3), &y), "{name} {dtype:?}");
            assert!(same_bits(&gradient_through.swap_dims(1, 3), &gradient), "{name} {dtype:?}");
        }
    }
}

/// A tensor is normalized where it lies only if nobody else holds it, in whatever shape.
#[test]
fn tensors_that_others_hold_are_left_alone() {
    let norm = config(5, 2.0, 0.75, 0.5).init();
    for dtype in DTYPES {
        let x = random([2, 8, 5], dtype, &Device::flex());
        let before = elements(&x);
        let y = norm.forward(x.clone());
        assert_ne!(elements(&y), before);
        norm.forward(x.clone().reshape([2, 4, 10]));
        norm.forward(x.clone().narrow(0, 1, 1));
        assert_eq!(elements(&x), before, "{dtype:?}");
        // The last holder's, and of a part of it.
        let part = copied(&x.clone().narrow(0, 1, 1), dtype, &Device::flex());
        assert!(same_bits(&norm.forward((x.clone() + 0.0).narrow(0, 1, 1)), &norm.forward(part)), "{dtype:?}");
        assert!(same_bits(&norm.forward(x), &y), "{dtype:?}");
    }
}

/// Where a tensor's storage begins.
fn address<const D: usize>(x: &Tensor<D>) -> *const u8 {
    match x.clone().into_dispatch().kind {
        DispatchTensorKind::Flex(BackendTensor::Float(x)) => x.bytes().as_ptr(),
        _ => panic!("not on Flex"),
    }
}

#[test]
fn the_last_holders_memory_is_taken() {
    let norm = config(5, 2.0, 0.75, 0.5).init();
    for dtype in DTYPES {
        let x = random([2, 8, 5], dtype, &Device::flex());
        let (place, held) = (address(&x), x.clone());
        assert_ne!(address(&norm.forward(x)), place);
        assert_eq!(address(&norm.forward(held)), place);
    }
}
