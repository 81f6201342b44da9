//! burn-nn's module, inputs for it, and what is compared with it.

use std::cell::RefCell;

use burn::tensor::{DType, Device, Tensor, TensorData};
use lrn_jit_burn::LocalResponseNormConfig;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

pub const DTYPES: [DType; 4] = [DType::F64, DType::F32, DType::F16, DType::BF16];

/// burn-nn's module of the same parameters.
pub fn own(config: &LocalResponseNormConfig) -> burn_nn::LocalResponseNorm {
    let LocalResponseNormConfig { size, alpha, beta, k } = *config;
    burn_nn::LocalResponseNormConfig { size, alpha, beta, k }.init()
}

pub fn config(size: usize, alpha: f64, beta: f64, k: f64) -> LocalResponseNormConfig {
    LocalResponseNormConfig { size, alpha, beta, k }
}

/// Parameters that LRN is far from the identity with: large alpha, small k, even windows, windows wider than the channels.
pub fn cases() -> Vec<LocalResponseNormConfig> {
    vec![
        config(5, 1e-4, 0.75, 1.0),
        config(5, 2.0, 0.75, 0.5),
        config(4, 10.0, 0.5, 0.1),
        config(2, 3.0, 1.0, 2.0),
        config(1, 1.0, 0.6, 1.5),
        config(9, 5.0, 1.3, 1.0),
        config(20, 1.0, 0.75, 1.0),
    ]
}

thread_local! {
    /// A test has a thread of its own, and so the same numbers in every run.
    static RANDOM: RefCell<StdRng> = RefCell::new(StdRng::seed_from_u64(5));
}

/// Numbers from −3 to 3.
pub fn random<const D: usize>(shape: [usize; D], dtype: DType, device: &Device) -> Tensor<D> {
    let count = shape.iter().product();
    let numbers: Vec<f64> =
        RANDOM.with_borrow_mut(|random| (0..count).map(|_| random.random_range(-3.0..3.0)).collect());
    Tensor::from_data(TensorData::new(numbers, shape), (device, dtype))
}

/// The same elements on another device or of another type, contiguous and without a history.
pub fn copied<const D: usize>(x: &Tensor<D>, dtype: DType, device: &Device) -> Tensor<D> {
    Tensor::from_data(x.clone().into_data(), (device, dtype))
}

/// All elements, in order.
pub fn elements<const D: usize>(x: &Tensor<D>) -> Vec<f64> {
    x.clone().into_data().iter::<f64>().collect()
}

/// The unit in the last place at a number; below the normal numbers it stays the same.
fn unit(dtype: DType, number: f64) -> f64 {
    let (digits, least) = match dtype {
        DType::F64 => (52, -1022),
        DType::F32 => (23, -126),
        DType::F16 => (10, -14),
        DType::BF16 => (7, -126),
        dtype => panic!("{dtype:?} has no units in the last place"),
    };
    let exponent = if number == 0.0 { least } else { (number.abs().log2().floor() as i32).max(least) };
    2f64.powi(exponent - digits)
}

/// The largest |a − b|, in units in the last place of b in the type of a.
pub fn ulps<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let dtype = a.dtype();
    let errors = elements(a).into_iter().zip(elements(b)).map(|(a, b)| (a - b).abs() / unit(dtype, b));
    errors.fold(0.0, maximum)
}

/// The largest |a − b|, over the largest |b|: for gradients, which are differences.
pub fn overall<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (elements(a), elements(b));
    let scale = b.iter().map(|b| b.abs()).fold(0.0, maximum);
    a.iter().zip(b).map(|(a, b)| ((a - b) / scale).abs()).fold(0.0, maximum)
}

/// The larger one, or the one that is NaN.
fn maximum(a: f64, b: f64) -> f64 {
    if a >= b || a.is_nan() { a } else { b }
}

/// Whether two tensors have the same shape, type and elements, bit for bit (f64 holds the others exactly).
pub fn same_bits<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> bool {
    let bits = |x: &Tensor<D>| elements(x).iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    a.dims() == b.dims() && a.dtype() == b.dtype() && bits(a) == bits(b)
}

/// A module's result and the gradient of Σ w·result with respect to x, on a device with gradients; both without history.
pub fn with_gradient<const D: usize>(
    forward: impl Fn(Tensor<D>) -> Tensor<D>,
    x: &Tensor<D>,
    w: &Tensor<D>,
    device: &Device,
) -> [Tensor<D>; 2] {
    let x = copied(x, x.dtype(), device).require_grad();
    let y = forward(x.clone());
    let gradients = (y.clone() * copied(w, w.dtype(), device)).sum().backward();
    [y.inner(), x.grad(&gradients).expect("a gradient")]
}
