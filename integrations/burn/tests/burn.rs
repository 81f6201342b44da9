//! The module in burn itself: values and gradients against burn-nn's module, views, errors.

use burn::module::Module;
use burn_nn;
use burn_nn::conv::Conv2dConfig;
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Tensor, TensorData};
use lrn_jit_burn::{ForwardError, LocalResponseNorm, LocalResponseNormConfig};
use proptest::prelude::*;

/// AlexNet's parameters, but for an alpha that LRN is far from the identity with.
fn config() -> LocalResponseNormConfig {
    LocalResponseNormConfig::new(5).with_alpha(2.0)
}

fn burns(config: &LocalResponseNormConfig) -> nn::LocalResponseNorm {
    let LocalResponseNormConfig { size, alpha, beta, k } = *config;
    nn::LocalResponseNormConfig { size, alpha, beta, k }.init()
}

/// Numbers of both signs, of magnitudes from 2⁻³ to 2³, that repeat only after a while.
fn numbers_of(shape: [usize; 3], seed: u64) -> TensorData {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 24) as f64
    };
    let elements: Vec<f64> = (0..shape.iter().product())
        .map(|_| (if next() < 0.5 { -1.0 } else { 1.0 }) * (next() * 6.0 - 3.0).exp2())
        .collect();
    TensorData::new(elements, shape)
}

fn tensor(shape: [usize; 3], seed: u64, dtype: DType, device: &Device) -> Tensor<3> {
    Tensor::from_data(numbers_of(shape, seed), (device, dtype))
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Asserts that numbers are equal, but for `relative` of them, or of `scale` if that is more.
#[track_caller]
fn assert_close(actual: &[f64], expected: &[f64], relative: f64, scale: f64) {
    assert_eq!(actual.len(), expected.len());
    for (i, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let allowed = relative * expected.abs().max(scale);
        assert!((actual - expected).abs() <= allowed, "element {i}: {actual:e} for {expected:e}, {allowed:e} allowed");
    }
}

/// Half an ulp of a type, relative.
fn half_ulp(dtype: DType) -> f64 {
    f64::powi(2.0, match dtype {
        DType::F64 => -53,
        DType::F32 => -24,
        DType::F16 => -11,
        _ => -8,
    })
}

/// How far from the formula a kernel may be that computes in `dtype`: 2.6 ulp and rounding for the power, and an error of the base
/// (a sum of positive terms, one rounding each) beta times.
fn allowed(dtype: DType, config: &LocalResponseNormConfig) -> f64 {
    half_ulp(dtype) * (6.2 + config.beta * (config.size.min(30) + 4) as f64)
}

fn cases() -> impl Strategy<Value = ([usize; 3], LocalResponseNormConfig)> {
    let shape = (1usize..4, 1usize..30, 1usize..20).prop_map(|(n, c, s)| [n, c, s]);
    let beta = prop_oneof![Just(0.25), Just(0.5), Just(0.75), Just(1.0), Just(1.5), Just(2.0), 0.1f64..3.0];
    let config = (1usize..20, 0.01f64..10.0, beta, 0.1f64..4.0)
        .prop_map(|(size, alpha, beta, k)| LocalResponseNormConfig { size, alpha, beta, k });
    (shape, config)
}

/// A module's output, and the gradient of ⟨output, weights⟩.
fn with_gradient(
    forward: impl Fn(Tensor<3>) -> Tensor<3>,
    x: &Tensor<3>,
    weights: &Tensor<3>,
    device: &Device,
) -> (Vec<f64>, Vec<f64>) {
    let x = Tensor::<3>::from_data(x.clone().into_data(), (device, x.dtype())).require_grad();
    let weights = Tensor::<3>::from_data(weights.clone().into_data(), (device, weights.dtype()));
    let y = forward(x.clone());
    let gradients = (y.clone() * weights).sum().backward();
    (numbers(y.inner()), numbers(x.grad(&gradients).unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// burn-nn's module in f64 judges every type; values and gradients.
    #[test]
    fn as_burns_own((shape, config) in cases(), seed in any::<u64>()) {
        let device = Device::flex();
        let (lrn, own) = (config.init().unwrap(), burns(&config));
        for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
            let [x, weights] = [1, 2].map(|of| tensor(shape, seed ^ of, dtype, &device));
            let [wide_x, wide_weights] = [&x, &weights].map(|tensor| tensor.clone().cast(DType::F64));
            let tracked = device.clone().autodiff();
            let (expected, expected_grad) = with_gradient(|x| own.forward(x), &wide_x, &wide_weights, &tracked);
            // Halves are computed in f32 and rounded once: of results so small that they are subnormal, absolute.
            let (error, scale) = match dtype {
                DType::F64 => (2.0 * allowed(dtype, &config), 0.0),
                DType::F32 => (allowed(dtype, &config), 0.0),
                DType::F16 => (half_ulp(dtype) + allowed(DType::F32, &config), f64::powi(2.0, -14)),
                _ => (half_ulp(dtype) + allowed(DType::F32, &config), 0.0),
            };
            let output = lrn.forward(x.clone());
            prop_assert_eq!((output.dims(), output.dtype()), (shape, dtype));
            assert_close(&numbers(output), &expected, error, scale);
            // A gradient is a difference: its error is one of its terms, which the largest gradient is the measure of here.
            let (y, grad) = with_gradient(|x| lrn.forward(x), &x, &weights, &tracked);
            assert_close(&y, &expected, error, scale);
            let largest = expected_grad.iter().fold(0.0f64, |largest, grad| largest.max(grad.abs()));
            assert_close(&grad, &expected_grad, 4.0 * error, largest.max(largest_weight(&wide_weights)));
            let balanced = device.clone().autodiff().gradient_checkpointing();
            prop_assert_eq!(with_gradient(|x| lrn.forward(x), &x, &weights, &balanced), (y, grad));
        }
    }
}

fn largest_weight(weights: &Tensor<3>) -> f64 {
    numbers(weights.clone()).into_iter().fold(0.0, |largest, weight| largest.max(weight.abs()))
}

/// By hand: channel 0 of size 2 sees 0 and 1, as ONNX and burn have it. torch's window would give 1/(½·1) first.
#[test]
fn the_extra_tap_of_an_even_window_comes_after() {
    let config = LocalResponseNormConfig { size: 2, alpha: 1.0, beta: 1.0, k: 0.0 };
    let x = Tensor::<3>::from_data(TensorData::new(vec![1f32, 2.0, 4.0], [1, 3, 1]), &Device::flex());
    assert_close(&numbers(config.init().unwrap().forward(x.clone())), &[0.4, 0.2, 0.5], 1e-6, 0.0);
    assert_close(&numbers(burns(&config).forward(x)), &[0.4, 0.2, 0.5], 1e-6, 0.0);
}

/// What the tests allow tells LRN from its neighbours: the identity, another window, another divisor.
#[test]
fn a_wrong_kernel_would_be_seen() {
    let x = tensor([2, 12, 3], 5, DType::F32, &Device::flex());
    let right = numbers(burns(&config()).forward(x.clone()));
    let mut wrongs: Vec<_> = [config().with_alpha(1.99), config().with_beta(0.749), LocalResponseNormConfig { size: 4, ..config() }]
        .map(|wrong| numbers(burns(&wrong).forward(x.clone())))
        .into();
    wrongs.push(numbers(x));
    for wrong in wrongs {
        let worst = right.iter().zip(&wrong).map(|(r, w)| ((r - w) / r).abs()).fold(0.0, f64::max);
        assert!(worst > 100.0 * allowed(DType::F32, &config()), "{worst}");
    }
}

/// Transposed, flipped, cut out, broadcast: the bits of a copy.
#[test]
fn views_need_no_copy() {
    let device = Device::flex();
    let lrn = config().init().unwrap();
    let x = tensor([6, 7, 9], 3, DType::F32, &device);
    let views: [Tensor<3>; 6] = [
        x.clone().swap_dims(1, 2),
        x.clone().swap_dims(0, 2).flip([1]),
        x.clone().slice([1..5, 2..6, 3..8]),
        x.clone().narrow(0, 2, 3),
        x.clone().slice([0..6, 0..7, 4..5]).expand([6, 7, 5]),
        x.flip([0, 2]),
    ];
    for view in views {
        let copy = Tensor::<3>::from_data(view.clone().into_data(), &device);
        assert_eq!(numbers(lrn.forward(view.clone())), numbers(lrn.forward(copy.clone())));
        let weights = copy.clone() * 0.5 + 1.0;
        let tracked = device.clone().autodiff();
        let view_with_gradient = |x: Tensor<3>| lrn.forward(x.swap_dims(1, 2).swap_dims(0, 1)).swap_dims(0, 1).swap_dims(1, 2);
        let copy_with_gradient = |x: Tensor<3>| {
            let x = burns(&config()).forward(x.swap_dims(1, 2).swap_dims(0, 1));
            x.swap_dims(0, 1).swap_dims(1, 2)
        };
        let [(y, grad), (own_y, own_grad)] = [
            with_gradient(view_with_gradient, &copy, &weights, &tracked),
            with_gradient(copy_with_gradient, &copy, &weights, &tracked),
        ];
        assert_close(&y, &own_y, 3e-6, 0.0);
        assert_close(&grad, &own_grad, 3e-6, 1.0);
    }
}

/// A tensor is normalized where it lies only if nobody else has it.
#[test]
fn tensors_that_others_have_are_left_alone() {
    let device = Device::flex();
    let lrn = config().init().unwrap();
    let x = tensor([2, 8, 5], 1, DType::F32, &device);
    let before = numbers(x.clone());
    let shared = numbers(lrn.forward(x.clone()));
    assert_eq!(numbers(x.clone()), before);
    assert_ne!(shared, before);
    // The same memory, seen through another shape.
    let view = x.clone().reshape([2, 4, 10]);
    lrn.forward(view);
    assert_eq!(numbers(x.clone()), before);
    assert_eq!(numbers(lrn.forward(x)), shared);
}

/// A small network: a convolution before, the input read twice, a module of modules.
#[derive(Module, Debug)]
struct Network {
    conv: nn::conv::Conv2d,
    lrn: LocalResponseNorm,
}

impl Network {
    fn forward(&self, x: Tensor<4>, lrn: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<1> {
        let x = relu(self.conv.forward(x));
        let y = lrn(x.clone());
        (lrn(y) * x).powi_scalar(2).sum()
    }
}

#[test]
fn a_network_learns_as_with_burns_own() {
    for device in [Device::flex().autodiff(), Device::flex().autodiff().gradient_checkpointing()] {
        device.seed(7);
        let network = Network { conv: Conv2dConfig::new([3, 12], [3, 3]).init(&device), lrn: config().init().unwrap() };
        let x = Tensor::<4>::random([2, 3, 9, 9], burn::tensor::Distribution::Normal(0.0, 2.0), &device).require_grad();
        let own = burns(&config());
        let [(loss, weight, input), (own_loss, own_weight, own_input)] = [true, false].map(|compiled| {
            let lrn = |x| if compiled { network.lrn.forward(x) } else { own.forward(x) };
            let loss = network.forward(x.clone(), lrn);
            let gradients = loss.backward();
            let weight = network.conv.weight.val().grad(&gradients).unwrap();
            (numbers(loss.inner()), numbers(weight), numbers(x.grad(&gradients).unwrap()))
        });
        let largest = |numbers: &[f64]| numbers.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        assert_close(&loss, &own_loss, 1e-5, 0.0);
        assert_close(&weight, &own_weight, 1e-5, largest(&own_weight));
        assert_close(&input, &own_input, 1e-5, largest(&own_input));
        assert!(largest(&own_weight) > 0.1 && largest(&own_input) > 0.01);
    }
}

#[test]
fn it_reads_as_burns_own() {
    let text = |text: String| text.split_whitespace().collect::<String>();
    assert_eq!(text(config().init().unwrap().to_string()), text(burns(&config()).to_string()));
    assert_eq!(config().init().unwrap().num_params(), 0);
}

#[test]
fn a_module_may_be_shared_between_threads() {
    let lrn = config().init().unwrap();
    let x = |seed| tensor([1, 16, 7], seed, DType::F32, &Device::flex());
    let expected: Vec<_> = (0..4).map(|seed| numbers(lrn.forward(x(seed)))).collect();
    std::thread::scope(|scope| {
        for (seed, expected) in (0..4).zip(&expected) {
            let lrn = &lrn;
            scope.spawn(move || (0..20).for_each(|_| assert_eq!(&numbers(lrn.forward(x(seed))), expected)));
        }
    });
}

#[test]
fn what_cannot_be_normalized_is_an_error() {
    let error = LocalResponseNormConfig::new(0).init().unwrap_err();
    assert_eq!(error.to_string(), "size must be at least 1, got 0");
    let error = config().with_k(f64::INFINITY).init().unwrap_err();
    assert_eq!(error.to_string(), "k must be a finite number, got inf");

    let lrn = config().init().unwrap();
    let error = lrn.try_forward(Tensor::<1>::ones([4], &Device::flex())).unwrap_err();
    assert_eq!(error.to_string(), "the shape must have rank 2 or more, got rank 1 ([4])");
    let elsewhere = Tensor::<3>::ones([1, 4, 2], &Device::ndarray());
    for x in [elsewhere.clone(), Tensor::<3>::ones([1, 4, 2], &Device::ndarray().autodiff())] {
        let error = lrn.try_forward(x).unwrap_err();
        assert!(matches!(error, ForwardError::Device { .. }), "{error}");
        assert!(error.to_string().contains("NdArray"), "{error}");
    }
    let panic = std::panic::catch_unwind(|| lrn.forward(elsewhere)).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("burn's CPU backend Flex"));
}

#[test]
fn empty_tensors_stay_empty() {
    for shape in [[0, 4, 3], [2, 4, 0]] {
        let x = Tensor::<3>::zeros(shape, &Device::flex());
        assert_eq!(config().init().unwrap().forward(x).dims(), shape);
    }
}
