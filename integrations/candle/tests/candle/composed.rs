//! LRN as a user of candle composes it, and what is compared with it.

use std::cell::RefCell;

use candle_core::{DType, Device, Result, Tensor};
use lrn_jit_candle::{LocalResponseNorm, LocalResponseNormConfig, local_response_norm};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// A layer's parameters, with its window about each channel and what alpha is divided by.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub size: usize,
    pub config: LocalResponseNormConfig,
    pub before: usize,
    pub after: usize,
    pub divisor: f64,
}

impl Case {
    /// torch's window: the extra tap of an even one before the channel.
    pub fn torch(size: usize, alpha: f64, beta: f64, k: f64) -> Self {
        let config = LocalResponseNormConfig { alpha, beta, k, ..Default::default() };
        Self { size, config, before: size / 2, after: (size - 1) / 2, divisor: size as f64 }
    }

    pub fn build(&self) -> Result<LocalResponseNorm> {
        local_response_norm(self.size, self.config)
    }

    /// x · (k + alpha/divisor · Σ x²)^(−beta) over axis 1, of candle's operations.
    pub fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let channels = x.dim(1)?;
        let squares = x.sqr()?.pad_with_zeros(1, self.before, self.after)?;
        let mut sum = squares.narrow(1, 0, channels)?;
        for tap in 1..=self.before + self.after {
            sum = (sum + squares.narrow(1, tap, channels)?)?;
        }
        x * ((sum * (self.config.alpha / self.divisor))? + self.config.k)?.powf(-self.config.beta)?
    }
}

/// Layers that are far from the identity: large alpha, small k, even windows, windows wider than the channels.
pub fn cases() -> Vec<Case> {
    vec![
        Case::torch(5, 1e-4, 0.75, 1.0),
        Case::torch(5, 2.0, 0.75, 0.5),
        Case::torch(4, 10.0, 0.5, 0.1),
        Case::torch(2, 3.0, 1.0, 2.0),
        Case::torch(1, 1.0, 0.6, 1.5),
        Case::torch(9, 5.0, 1.3, 1.0),
        Case::torch(20, 1.0, 0.75, 1.0),
    ]
}

thread_local! {
    /// A test has a thread of its own, and so the same numbers in every run.
    static RANDOM: RefCell<StdRng> = RefCell::new(StdRng::seed_from_u64(5));
}

/// Numbers from −3 to 3.
pub fn random(shape: &[usize], dtype: DType) -> Result<Tensor> {
    let count = shape.iter().product();
    let numbers: Vec<f64> =
        RANDOM.with_borrow_mut(|random| (0..count).map(|_| random.random_range(-3.0..3.0)).collect());
    Tensor::from_vec(numbers, shape, &Device::Cpu)?.to_dtype(dtype)
}

/// All elements, in order.
pub fn elements(x: &Tensor) -> Result<Vec<f64>> {
    x.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
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
pub fn ulps(a: &Tensor, b: &Tensor) -> Result<f64> {
    assert_eq!(a.dims(), b.dims());
    let dtype = a.dtype();
    let errors = elements(a)?.into_iter().zip(elements(b)?).map(|(a, b)| (a - b).abs() / unit(dtype, b));
    Ok(errors.fold(0.0, maximum))
}

/// The largest |a − b|, over the largest |b|: for gradients, which are differences.
pub fn overall(a: &Tensor, b: &Tensor) -> Result<f64> {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (elements(a)?, elements(b)?);
    let scale = b.iter().map(|b| b.abs()).fold(0.0, maximum);
    Ok(a.iter().zip(b).map(|(a, b)| ((a - b) / scale).abs()).fold(0.0, maximum))
}

/// The larger one, or the one that is NaN.
fn maximum(a: f64, b: f64) -> f64 {
    if a >= b || a.is_nan() { a } else { b }
}

/// Whether two tensors have the same shape, type and elements, bit for bit (f32 and f64 hold the others exactly).
pub fn same_bits(a: &Tensor, b: &Tensor) -> Result<bool> {
    let bits = |x: &Tensor| Ok::<Vec<_>, candle_core::Error>(elements(x)?.iter().map(|x| x.to_bits()).collect());
    Ok(a.dims() == b.dims() && a.dtype() == b.dtype() && bits(a)? == bits(b)?)
}
