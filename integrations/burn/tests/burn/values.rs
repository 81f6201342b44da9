//! Results, in terms of the unit in the last place of each type.

use burn::tensor::{DType, Device, Tensor, TensorData};
use lrn_jit_burn::{LocalResponseNorm, LocalResponseNormConfig};

use crate::own::{DTYPES, cases, config, copied, elements, own, random, same_bits, ulps};

/// The largest error in units in the last place: the power's 2.5, and beta times the roundings of the sum before it (in f64 also
/// burn's own); F16 and BF16 are rounded once.
const ALLOWED: [(DType, f64); 4] = [(DType::F64, 8.0), (DType::F32, 6.0), (DType::F16, 0.51), (DType::BF16, 0.501)];

/// burn-nn's module in f64 judges every type.
fn check<const D: usize>(config: &LocalResponseNormConfig, norm: &LocalResponseNorm, shape: [usize; D]) {
    let device = Device::flex();
    for (dtype, allowed) in ALLOWED {
        let x = random(shape, dtype, &device);
        let y = norm.forward(x.clone());
        assert_eq!((y.dims(), y.dtype(), y.device()), (shape, dtype, device.clone()));
        let error = ulps(&y, &own(config).forward(copied(&x, DType::F64, &device)));
        assert!(error <= allowed, "{config:?} {dtype:?} {shape:?}: {error} ulp");
    }
}

#[test]
fn of_burns_own_module_they_are_the_same() {
    for config in cases() {
        let norm = config.init();
        check(&config, &norm, [2, 13, 5, 7]);
        check(&config, &norm, [3, 8, 9]);
        check(&config, &norm, [1, 3, 2, 3, 4]);
        check(&config, &norm, [2, 1, 3]);
    }
}

/// What must not pass: the identity, a mirrored window, another divisor.
#[test]
fn wrong_layers_are_noticed() {
    let case = config(4, 10.0, 0.75, 1.0);
    let x = random([2, 13, 5], DType::F32, &Device::flex());
    let y = case.init().forward(x.clone());
    let mirrored = own(&case).forward(x.clone().flip([1])).flip([1]);
    let undivided = own(&config(4, 40.0, 0.75, 1.0)).forward(x.clone());
    assert!(ulps(&y, &own(&case).forward(x.clone())) < 10.0);
    for wrong in [x, mirrored, undivided] {
        assert!(ulps(&y, &wrong) > 1e5);
    }
}

/// By hand: of size 2, channel 0 sees 0 and 1, as ONNX and burn have it. torch's window sees −1 and 0, and gives 2 first.
#[test]
fn the_extra_tap_of_an_even_window_comes_after() {
    let case = config(2, 1.0, 1.0, 0.0);
    let x = Tensor::<3>::from_data(TensorData::from([[[1f64], [2.0], [4.0]]]), (&Device::flex(), DType::F64));
    for y in [case.init().forward(x.clone()), own(&case).forward(x)] {
        for (y, expected) in elements(&y).into_iter().zip([0.4, 0.2, 0.5]) {
            assert!((y - expected).abs() < 1e-15, "{y} for {expected}");
        }
    }
}

/// burn-nn's module asks for rank 3.
#[test]
fn rank_2_is_that_of_planes_of_one_element() {
    let norm = config(5, 2.0, 0.75, 0.5).init();
    for dtype in DTYPES {
        let x = random([4, 6], dtype, &Device::flex());
        let planes = norm.forward(x.clone().unsqueeze_dim::<3>(2)).squeeze_dim::<2>(2);
        assert!(same_bits(&norm.forward(x), &planes), "{dtype:?}");
    }
}

#[test]
fn empty_tensors_come_back_empty() {
    let norm = config(5, 2.0, 0.75, 0.5).init();
    for shape in [[0, 3, 2], [2, 0, 3], [2, 3, 0]] {
        let y = norm.forward(Tensor::<3>::zeros(shape, &Device::flex()));
        assert_eq!((y.dims(), elements(&y).len()), (shape, 0));
    }
}
