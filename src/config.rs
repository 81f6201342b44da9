//! [`LrnConfig`]: what a layer is built from. Validation and the resolving of defaults live here; what each system's
//! convention means, in [`convention`](crate::convention).

use crate::activation::Activation;
use crate::backend::Backend;
use crate::convention::{Convention, Window};
use crate::element::Element;
use crate::error::{BuildError, ConfigError};
use crate::layer::LocalResponseNorm;
use crate::region::Region;
use crate::width::Width;

/// The longest window: four of them still fit a signed index.
pub(crate) const MAX_SIZE: usize = isize::MAX as usize / 4;

/// What a tap beyond the first or the last channel reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Boundary {
    /// Zero, as in every framework: the window is clipped to the channels. The divisor stays.
    #[default]
    Zero,
    /// The channel at index modulo C, as on a ring; a channel counts as often as the window, wider than C, meets it.
    Wrap,
}

/// A builder for [`LocalResponseNorm`]. What is set explicitly beats the convention's default, in whatever order.
///
/// ```
/// use lrn_jit::{Convention, LrnConfig};
///
/// let lrn = LrnConfig::new(5).alpha(5e-4).k(2.0).build()?;
/// assert_eq!(lrn.to_string(), "LocalResponseNorm(5, alpha=0.0005, beta=0.75, k=2.0)");
///
/// let lrn = LrnConfig::new(5).k(1.5).convention(Convention::Caffe).build()?;
/// assert_eq!((lrn.alpha(), lrn.k()), (1.0, 1.5));
/// # Ok::<(), lrn_jit::BuildError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a configuration does nothing until it is built"]
pub struct LrnConfig {
    size: usize,
    convention: Convention,
    alpha: Option<f64>,
    beta: Option<f64>,
    k: Option<f64>,
    boundary: Boundary,
    input: Activation,
    channel_axis: isize,
    region: Region,
    backend: Option<Backend>,
    width: Width,
}

impl LrnConfig {
    /// A layer over `size` neighbouring channels in [PyTorch's convention](Convention::Torch), with its defaults:
    /// alpha 1e-4, beta 0.75, k 1, channel axis 1, zeros beyond the edges.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            convention: Convention::Torch,
            alpha: None,
            beta: None,
            k: None,
            boundary: Boundary::Zero,
            input: Activation::Identity,
            channel_axis: 1,
            region: Region::AcrossChannels,
            backend: None,
            width: Width::Auto,
        }
    }

    /// `tf.nn.local_response_normalization`: size 2·`depth_radius` + 1, alpha undivided, TensorFlow's defaults.
    pub fn tensorflow(depth_radius: usize) -> Self {
        Self::new(depth_radius.saturating_mul(2).saturating_add(1)).convention(Convention::TensorFlow)
    }

    /// A layer over any window; [`Convention::Window`] has the defaults.
    pub fn window(window: Window) -> Self {
        let size = window.before.saturating_add(window.after).saturating_add(1);
        Self::new(size).convention(Convention::Window(window))
    }

    /// Whose rules and defaults hold. [`Convention::Window`] replaces the size as well.
    pub fn convention(mut self, convention: Convention) -> Self {
        self.convention = convention;
        self
    }

    /// The weight of the squares, divided by the window's divisor. Any finite number.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = Some(alpha);
        self
    }

    /// The exponent. Any finite number.
    pub fn beta(mut self, beta: f64) -> Self {
        self.beta = Some(beta);
        self
    }

    /// The additive constant, also called bias. Any finite number.
    pub fn k(mut self, k: f64) -> Self {
        self.k = Some(k);
        self
    }

    /// What taps beyond the edges read.
    pub fn boundary(mut self, boundary: Boundary) -> Self {
        self.boundary = boundary;
        self
    }

    /// What is done to x before it is normalized, in the same pass over memory: the layer computes LRN(activation(x)), and its
    /// gradients include it. Default [`Activation::Identity`].
    pub fn input_activation(mut self, activation: Activation) -> Self {
        self.input = activation;
        self
    }

    /// The axis of the channels; negative counts from the end (−1 for channels-last tensors). Default 1.
    pub fn channel_axis(mut self, axis: isize) -> Self {
        self.channel_axis = axis;
        self
    }

    /// Windows along the channel axis: the default.
    pub fn across_channels(mut self) -> Self {
        self.region = Region::AcrossChannels;
        self
    }

    /// Windows within a channel, over the last `dims` axes, 1 to 3: a box of `size` in each, alpha divided by size^dims. An even
    /// size lies about its element on every axis as the convention says. (Caffe's `WITHIN_CHANNEL` ignores k and takes 1, so
    /// [`Convention::Caffe`] does here, too.)
    ///
    /// ```
    /// use lrn_jit::{Convention, LrnConfig};
    ///
    /// let lrn = LrnConfig::new(3).convention(Convention::Caffe).within_channel(2).build()?;
    /// let y = lrn.forward(&[1.0; 2 * 3 * 8 * 8], &[2, 3, 8, 8])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn within_channel(mut self, dims: usize) -> Self {
        self.region = Region::WithinChannel { dims };
        self
    }

    /// Windows over any axes, negative from the end, in any order: the general form of the other two, as OpenVINO has it. Alpha
    /// is divided by the divisor once for each axis. Over no axes each element is its own window: x / (k + alpha·x²)^beta.
    pub fn over_axes(mut self, axes: &[isize]) -> Self {
        self.region = Region::Axes(axes.to_vec());
        self
    }

    /// Insists on a backend. Without this the JIT runs, or where the host cannot, the interpreter.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Insists on a width of the vectors of compiled code; the bits of results do not depend on it. Default
    /// [`Width::Auto`]; a width that the host lacks is an error.
    pub fn width(mut self, width: Width) -> Self {
        self.width = width;
        self
    }

    /// Validates, compiles, and gives the layer.
    ///
    /// # Errors
    ///
    /// [`BuildError::Config`] for parameters that make no sense; [`BuildError::Compile`] only where
    /// [`Backend::Jit`] or a [`width`](Self::width) was asked for and cannot be had.
    pub fn build(&self) -> Result<LocalResponseNorm, BuildError> {
        self.build_for::<f32>()
    }

    /// [`build`](Self::build) for elements of type `E`.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_for<E: Element>(&self) -> Result<LocalResponseNorm<E>, BuildError> {
        LocalResponseNorm::from_parameters(self.resolve()?)
    }

    /// Validates and fills in the convention's defaults.
    pub(crate) fn resolve(&self) -> Result<Parameters, ConfigError> {
        let defaults = self.convention.defaults();
        let alpha = self.alpha.unwrap_or(defaults.alpha);
        let beta = self.beta.unwrap_or(defaults.beta);
        let k = self.k.unwrap_or(defaults.k);
        let size = match self.convention {
            Convention::Window(window) => window.before.saturating_add(window.after).saturating_add(1),
            _ => self.size,
        };
        if size == 0 {
            return Err(ConfigError::ZeroSize);
        }
        if size > MAX_SIZE {
            return Err(ConfigError::SizeTooLarge { size, max: MAX_SIZE });
        }
        self.region.check()?;
        let window = match self.region.axes() {
            0 => Window { before: 0, after: 0, divisor: 1.0 },
            _ => self.convention.window(size)?,
        };
        for (name, value) in [("alpha", alpha), ("beta", beta), ("k", k), ("divisor", window.divisor)] {
            if !value.is_finite() {
                return Err(ConfigError::NotFinite { name, value });
            }
        }
        if window.divisor == 0.0 {
            return Err(ConfigError::ZeroDivisor);
        }
        let spatial = matches!(self.region, Region::WithinChannel { .. });
        let k = if spatial && self.convention == Convention::Caffe { defaults.k } else { k };
        let width = match (self.width, std::env::var_os(Width::VARIABLE)) {
            (Width::Auto, Some(value)) => {
                let name = value.to_string_lossy();
                Width::from_name(&name).ok_or_else(|| ConfigError::WidthVariable { value: name.into_owned() })?
            }
            (width, _) => width,
        };
        Ok(Parameters {
            size,
            alpha,
            beta,
            k,
            window,
            convention: self.convention,
            boundary: self.boundary,
            input: self.input,
            channel_axis: self.channel_axis,
            region: self.region.clone(),
            backend: self.backend,
            width,
        })
    }
}

/// A valid configuration, with nothing left open.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parameters {
    pub(crate) size: usize,
    pub(crate) alpha: f64,
    pub(crate) beta: f64,
    pub(crate) k: f64,
    pub(crate) window: Window,
    pub(crate) convention: Convention,
    pub(crate) boundary: Boundary,
    pub(crate) input: Activation,
    pub(crate) channel_axis: isize,
    pub(crate) region: Region,
    pub(crate) backend: Option<Backend>,
    pub(crate) width: Width,
}

impl Parameters {
    /// What a sum of squares is multiplied with: alpha over the divisor of all axes.
    pub(crate) fn weight(&self) -> f64 {
        let axes = self.region.axes().max(1);
        let divisor: f64 = (0..axes).map(|_| self.window.divisor).product();
        // No product that vanished makes a NaN of it.
        if self.alpha == 0.0 { 0.0 } else { self.alpha / divisor }
    }
}
