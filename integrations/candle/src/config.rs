//! [`LocalResponseNormConfig`]: the parameters as candle-nn writes its own, a struct of public fields.

use lrn_jit::{Activation, Convention, LrnConfig};

/// Parameters of a [`LocalResponseNorm`](crate::LocalResponseNorm) but for its size. The default is that of
/// `torch.nn.LocalResponseNorm`.
///
/// All numbers are given here, so a convention's own defaults do not count: for those, and for what is not here, build from an
/// [`LrnConfig`] with [`LocalResponseNorm::new`](crate::LocalResponseNorm::new).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalResponseNormConfig {
    /// The weight of the sum of squares, divided as the convention says (torch: by the size). Default 1e-4.
    pub alpha: f64,
    /// The exponent. Default 0.75.
    pub beta: f64,
    /// The additive constant, also called bias. Default 1.
    pub k: f64,
    /// Which channels an even window takes in, which sizes are allowed, and what alpha is divided by. Default
    /// [`Convention::Torch`].
    pub convention: Convention,
    /// The axis of the channels; negative counts from the end: −1 for NHWC. Default 1.
    pub channel_axis: isize,
    /// `Some(dims)`: windows within a channel over the last `dims` axes, 1 to 3, instead of across channels. Default `None`.
    pub within_channel: Option<usize>,
    /// What is done to the input in the same pass: [`Activation::Relu`] for LRN(max(x, 0)). Gradients include it. Default
    /// [`Activation::Identity`].
    pub input_activation: Activation,
}

impl Default for LocalResponseNormConfig {
    fn default() -> Self {
        Self {
            alpha: 1e-4,
            beta: 0.75,
            k: 1.0,
            convention: Convention::Torch,
            channel_axis: 1,
            within_channel: None,
            input_activation: Activation::Identity,
        }
    }
}

impl LocalResponseNormConfig {
    /// The same for `size`, as the library writes it.
    pub(crate) fn with_size(self, size: usize) -> LrnConfig {
        let Self { alpha, beta, k, convention, channel_axis, within_channel, input_activation } = self;
        let config = LrnConfig::new(size)
            .convention(convention)
            .alpha(alpha)
            .beta(beta)
            .k(k)
            .channel_axis(channel_axis)
            .input_activation(input_activation);
        match within_channel {
            Some(dims) => config.within_channel(dims),
            None => config,
        }
    }
}
