//! What cannot be normalized: an error that says what is allowed, and a panic with the same words where burn panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::quantization::QuantScheme;
use burn::tensor::{DType, Device, Tensor};
use lrn_jit_burn::{ForwardError, LocalResponseNormConfig};

use crate::own::{config, random};

/// What a panic says.
fn panics<R>(work: impl FnOnce() -> R) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(work)) else { panic!("no panic") };
    *panic.downcast::<String>().expect("words")
}

#[test]
fn parameters() {
    let wrong = [
        (LocalResponseNormConfig::new(0), "size must be at least 1, got 0"),
        (config(5, f64::NAN, 0.75, 1.0), "alpha must be a finite number, got NaN"),
        (config(5, 1.0, f64::NEG_INFINITY, 1.0), "beta must be a finite number, got -inf"),
        (config(5, 1.0, 0.75, f64::INFINITY), "k must be a finite number, got inf"),
    ];
    for (config, words) in wrong {
        assert_eq!(config.try_init().expect_err(words).to_string(), words);
        assert_eq!(panics(|| config.init()), words);
    }
}

#[test]
fn a_rank_without_channels() {
    let (norm, words) = (config(5, 2.0, 0.75, 1.0).init(), "the shape must have rank 2 or more, got rank 1 ([4])");
    for device in [Device::flex(), Device::flex().autodiff()] {
        let x = Tensor::<1>::ones([4], &device);
        assert_eq!(norm.try_forward(x.clone()).expect_err(words).to_string(), words);
        assert_eq!(panics(|| norm.forward(x)), words);
    }
}

#[test]
fn quantized_elements() {
    let norm = config(5, 2.0, 0.75, 1.0).init();
    let x = random([2, 8, 32], DType::F32, &Device::flex()).quantize_dynamic(&QuantScheme::default());
    let error = norm.try_forward(x.clone()).expect_err("quantized");
    assert_eq!(error, ForwardError::Type { dtype: x.dtype() });
    assert!(error.to_string().starts_with("the elements must be f64, f32, f16 or bf16, got QFloat("), "{error}");
    assert_eq!(panics(|| norm.forward(x)), error.to_string());
}

/// Of burn's other backends the cheapest to build: it records operations and runs none.
#[test]
fn another_backend() {
    let (norm, device) = (config(5, 2.0, 0.75, 1.0).init(), Device::capture());
    let graph = device.capture_scope(|scope| {
        let x = Tensor::<3>::ones([1, 4, 2], &device);
        let error = norm.try_forward(x.clone()).expect_err("elsewhere");
        assert!(matches!(error, ForwardError::Device { .. }), "{error}");
        let words = "compiled LRN runs on burn's CPU backend Flex, but the tensor is on Capture(";
        assert!(error.to_string().starts_with(words), "{error}");
        assert_eq!(panics(|| norm.forward(x)), error.to_string());
        scope.complete([], [])
    });
    assert!(graph.is_ok());
}
