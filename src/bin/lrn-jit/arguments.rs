//! The options that describe a layer, shared by the subcommands.

use clap::{Args, ValueEnum};
use lrn_jit::{Activation, Backend, Boundary, Convention, LrnConfig, Number, Width};

use crate::windows::WindowArguments;

/// A layer on the command line.
#[derive(Args, Debug, Clone)]
pub struct LayerArguments {
    /// Channels of the window, or its extent along every axis (for tensorflow: 2·depth_radius + 1).
    #[arg(long, value_name = "N")]
    pub size: usize,
    /// Weight of the squares; divided by the size, once for each axis of the windows, except by tensorflow [default: the
    /// convention's].
    #[arg(long, value_name = "A", allow_hyphen_values = true)]
    pub alpha: Option<f64>,
    /// The exponent [default: the convention's].
    #[arg(long, value_name = "B", allow_hyphen_values = true)]
    pub beta: Option<f64>,
    /// The additive constant, also called bias; 1 for caffe --within, whatever is given [default: the convention's].
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    pub k: Option<f64>,
    /// Whose rules for even sizes, divisor and defaults hold.
    #[arg(long, value_enum, value_name = "NAME", default_value_t = ConventionName::Torch)]
    pub convention: ConventionName,
    #[command(flatten)]
    pub windows: WindowArguments,
    /// What lies beyond the first and the last channel, or beyond the edges of every axis.
    #[arg(long, value_enum, value_name = "NAME", default_value_t = BoundaryName::Zero)]
    pub boundary: BoundaryName,
    /// Who computes.
    #[arg(long, value_enum, value_name = "NAME", default_value_t = BackendName::Auto)]
    pub backend: BackendName,
    /// Bits of compiled code's vectors: the bits of results do not depend on it. auto: $LRN_JIT_WIDTH, else the widest that the
    /// processor runs well.
    #[arg(long, value_enum, value_name = "BITS", default_value_t = WidthName::Auto)]
    pub width: WidthName,
}

impl LayerArguments {
    /// The configuration these options describe.
    pub fn config(&self) -> LrnConfig {
        self.windows.of(self.parameters())
    }

    /// The same with windows along the channels, on axis 1.
    pub fn parameters(&self) -> LrnConfig {
        let mut config = LrnConfig::new(self.size)
            .convention(self.convention.into())
            .boundary(self.boundary.into())
            .width(self.width.into());
        if let Some(alpha) = self.alpha {
            config = config.alpha(alpha);
        }
        if let Some(beta) = self.beta {
            config = config.beta(beta);
        }
        // Caffe's windows within channels have no k, however their axes are named later.
        let ignored = self.windows.within.is_some() && self.convention == ConventionName::Caffe;
        if let Some(k) = self.k.filter(|_| !ignored) {
            config = config.k(k);
        }
        match self.backend.into() {
            Some(backend) => config.backend(backend),
            None => config,
        }
    }
}

/// What is done to the input first, on the command line.
#[derive(Args, Debug, Clone, Copy)]
pub struct InputArguments {
    /// Normalizes max(x, 0): a ReLU in the same pass over memory.
    #[arg(long)]
    pub relu: bool,
}

impl From<InputArguments> for Activation {
    fn from(arguments: InputArguments) -> Self {
        if arguments.relu { Self::Relu } else { Self::Identity }
    }
}

/// An element type by name.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NumberName {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
    /// Half precision, computed in f32.
    F16,
    /// The upper half of an f32, computed in f32.
    Bf16,
}

impl NumberName {
    pub const ALL: [Self; 4] = [Self::F32, Self::F64, Self::F16, Self::Bf16];

    pub fn name(self) -> &'static str {
        Number::from(self).name()
    }
}

impl From<NumberName> for Number {
    fn from(name: NumberName) -> Self {
        match name {
            NumberName::F32 => Self::F32,
            NumberName::F64 => Self::F64,
            NumberName::F16 => Self::F16,
            NumberName::Bf16 => Self::Bf16,
        }
    }
}

/// Evaluates an expression in which a name stands for the type of a [`NumberName`].
macro_rules! for_number {
    ($number:expr, $element:ident => $value:expr) => {
        for_number!($number, $element => $value, F32 f32, F64 f64, F16 half::f16, Bf16 half::bf16)
    };
    ($number:expr, $element:ident => $value:expr, $($name:ident $type:ty),*) => {
        match $number {
            $($crate::arguments::NumberName::$name => {
                type $element = $type;
                $value
            })*
        }
    };
}
pub(crate) use for_number;

/// A convention by name.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConventionName {
    /// PyTorch: even sizes take their extra tap before; alpha 1e-4, beta 0.75, k 1.
    Torch,
    /// ONNX: the extra tap after; alpha 1e-4, beta 0.75, k 1.
    Onnx,
    /// TensorFlow: odd sizes, alpha undivided; alpha 1, beta 0.5, k 1.
    Tensorflow,
    /// Caffe: odd sizes; alpha 1, beta 0.75, k 1.
    Caffe,
    /// cuDNN: the extra tap after; alpha 1e-4, beta 0.75, k 2.
    Cudnn,
    /// oneDNN: n − 1 taps for even n; alpha 1/8192, beta 0.75, k 1.
    Onednn,
    /// n/2 taps on both sides; alpha 1e-4, beta 0.75, k 1.
    Symmetric,
}

impl From<ConventionName> for Convention {
    fn from(name: ConventionName) -> Self {
        match name {
            ConventionName::Torch => Self::Torch,
            ConventionName::Onnx => Self::Onnx,
            ConventionName::Tensorflow => Self::TensorFlow,
            ConventionName::Caffe => Self::Caffe,
            ConventionName::Cudnn => Self::Cudnn,
            ConventionName::Onednn => Self::OneDnn,
            ConventionName::Symmetric => Self::Symmetric,
        }
    }
}

/// A boundary by name.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundaryName {
    /// Zeros, as in every framework.
    Zero,
    /// What lies at the other end, as on a ring.
    Wrap,
}

impl From<BoundaryName> for Boundary {
    fn from(name: BoundaryName) -> Self {
        match name {
            BoundaryName::Zero => Self::Zero,
            BoundaryName::Wrap => Self::Wrap,
        }
    }
}

/// A width by name.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum WidthName {
    /// 512 with AVX-512 of Ice Lake, Zen 4 or later, else 256 with AVX2, else 128.
    Auto,
    /// Four numbers at a time.
    #[value(name = "128")]
    W128,
    /// Eight, with AVX2 or AVX-512.
    #[value(name = "256")]
    W256,
    /// Sixteen, with AVX-512.
    #[value(name = "512")]
    W512,
}

impl From<WidthName> for Width {
    fn from(name: WidthName) -> Self {
        match name {
            WidthName::Auto => Self::Auto,
            WidthName::W128 => Self::W128,
            WidthName::W256 => Self::W256,
            WidthName::W512 => Self::W512,
        }
    }
}

/// A backend by name.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendName {
    /// Compiled code where the host can, else the interpreter.
    Auto,
    /// Compiled code, or an error.
    Jit,
    /// A kernel that is not specialized.
    Generic,
    /// The same plan over arrays: the same bits as jit.
    Interpreter,
    /// The formula in f64: slow.
    Reference,
}

impl From<BackendName> for Option<Backend> {
    fn from(name: BackendName) -> Self {
        match name {
            BackendName::Auto => None,
            BackendName::Jit => Some(Backend::Jit),
            BackendName::Generic => Some(Backend::Generic),
            BackendName::Interpreter => Some(Backend::Interpreter),
            BackendName::Reference => Some(Backend::Reference),
        }
    }
}
