//! What "size n" means in each system: which channels the window takes in, what alpha is divided by, and the defaults.
//!
//! All agree on odd n; for even n they do not (integer division):
//!
//! | convention | window | divisor | alpha, beta, k |
//! | --- | --- | --- | --- |
//! | [`Torch`](Convention::Torch) | c − n/2 … c + (n−1)/2 | n | 1e-4, 0.75, 1 |
//! | [`Onnx`](Convention::Onnx) | c − (n−1)/2 … c + n/2 | n | 1e-4, 0.75, 1 |
//! | [`TensorFlow`](Convention::TensorFlow) | c − r … c + r, n = 2r+1; even n is an error | 1 | 1, 0.5, 1 |
//! | [`Caffe`](Convention::Caffe) | odd n only | n | 1, 0.75, 1 |
//! | [`Cudnn`](Convention::Cudnn) | c − (n−1)/2 … c + n/2 | n | 1e-4, 0.75, 2 |
//! | [`OneDnn`](Convention::OneDnn) | c − (n−1)/2 … c + (n−1)/2 | n | 1/8192, 0.75, 1 |
//! | [`Symmetric`](Convention::Symmetric) | c − n/2 … c + n/2 | n | 1e-4, 0.75, 1 |

use std::fmt;

use crate::error::ConfigError;

/// The channels that count for an output: from `c − before` to `c + after`, alpha divided by `divisor`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Taps before the channel itself.
    pub before: usize,
    /// Taps after the channel itself.
    pub after: usize,
    /// What alpha is divided by; finite and not 0.
    pub divisor: f64,
}

/// Whose rules a size and the defaults follow. The module page has the table.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Convention {
    /// `torch.nn.LocalResponseNorm`: an even window takes its extra tap before the channel.
    #[default]
    Torch,
    /// The ONNX operator `LRN`: an even window takes its extra tap after the channel.
    Onnx,
    /// `tf.nn.local_response_normalization`: size 2·depth_radius + 1, alpha undivided; an even size is an error.
    TensorFlow,
    /// Caffe's `LRN` layer across channels: odd sizes only.
    Caffe,
    /// `cudnnLRNCrossChannelForward`: an even window takes its extra tap after the channel; k defaults to 2.
    Cudnn,
    /// oneDNN: an even size n has n − 1 taps, still divided by n. Its API has no defaults; these are benchdnn's.
    OneDnn,
    /// size/2 taps on both sides, so an even size n has n + 1 taps, divided by n (the torch.js page, ncnn).
    Symmetric,
    /// A window of one's own; the defaults are torch's.
    Window(Window),
}

/// A convention's parameters where the caller names none.
pub(crate) struct Defaults {
    pub(crate) alpha: f64,
    pub(crate) beta: f64,
    pub(crate) k: f64,
}

impl Convention {
    /// The name used in messages and on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Torch => "torch",
            Self::Onnx => "onnx",
            Self::TensorFlow => "tensorflow",
            Self::Caffe => "caffe",
            Self::Cudnn => "cudnn",
            Self::OneDnn => "onednn",
            Self::Symmetric => "symmetric",
            Self::Window(_) => "window",
        }
    }

    pub(crate) const fn defaults(&self) -> Defaults {
        let (alpha, beta, k) = match self {
            Self::Torch | Self::Onnx | Self::Symmetric | Self::Window(_) => (1e-4, 0.75, 1.0),
            Self::TensorFlow => (1.0, 0.5, 1.0),
            Self::Caffe => (1.0, 0.75, 1.0),
            Self::Cudnn => (1e-4, 0.75, 2.0),
            Self::OneDnn => (1.0 / 8192.0, 0.75, 1.0),
        };
        Defaults { alpha, beta, k }
    }

    /// The window of a size of at least 1.
    pub(crate) fn window(&self, size: usize) -> Result<Window, ConfigError> {
        let (half, rest) = (size / 2, (size - 1) / 2);
        let (before, after) = match self {
            Self::Torch => (half, rest),
            Self::Onnx | Self::Cudnn => (rest, half),
            Self::OneDnn => (rest, rest),
            Self::Symmetric => (half, half),
            Self::TensorFlow | Self::Caffe if size.is_multiple_of(2) => {
                return Err(ConfigError::EvenSize { convention: self.name(), size });
            }
            Self::TensorFlow | Self::Caffe => (half, half),
            Self::Window(window) => return Ok(*window),
        };
        let divisor = if *self == Self::TensorFlow { 1.0 } else { size as f64 };
        Ok(Window { before, after, divisor })
    }
}

impl fmt::Display for Convention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taps(convention: Convention, size: usize) -> (usize, usize, f64) {
        let Window { before, after, divisor } = convention.window(size).unwrap();
        (before, after, divisor)
    }

    #[test]
    fn even_windows_follow_their_system() {
        assert_eq!(taps(Convention::Torch, 4), (2, 1, 4.0));
        assert_eq!(taps(Convention::Onnx, 4), (1, 2, 4.0));
        assert_eq!(taps(Convention::Cudnn, 4), (1, 2, 4.0));
        assert_eq!(taps(Convention::OneDnn, 4), (1, 1, 4.0));
        assert_eq!(taps(Convention::Symmetric, 4), (2, 2, 4.0));
        for convention in [Convention::Caffe, Convention::TensorFlow] {
            let error = ConfigError::EvenSize { convention: convention.name(), size: 4 };
            assert_eq!(convention.window(4), Err(error));
        }
    }

    #[test]
    fn odd_windows_agree_but_for_tensorflows_divisor() {
        use Convention::{Caffe, Cudnn, OneDnn, Onnx, Symmetric, TensorFlow, Torch};
        for convention in [Torch, Onnx, Caffe, Cudnn, OneDnn, Symmetric] {
            assert_eq!(taps(convention, 5), (2, 2, 5.0), "{convention}");
            assert_eq!(taps(convention, 1), (0, 0, 1.0), "{convention}");
        }
        assert_eq!(taps(TensorFlow, 5), (2, 2, 1.0));
    }
}
