//! [`Layer`]: the border. Python's words become the library's, and its errors Python's.

use half::{bf16, f16};
use lrn_jit::{Activation, Boundary, BuildError, Convention, LrnConfig};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::compute::{Error, Layers, Task};
use crate::memory::Memory;
use crate::threads::Threads;

/// A layer for elements of one type.
#[pyclass(frozen, module = "lrn_jit._native")]
pub(crate) struct Layer(Typed);

enum Typed {
    F32(Layers<f32>),
    F64(Layers<f64>),
    F16(Layers<f16>),
    Bf16(Layers<bf16>),
}

/// The same expression for whichever type it is.
macro_rules! each {
    ($typed:expr, $layers:ident => $work:expr) => {
        match $typed {
            Typed::F32($layers) => $work,
            Typed::F64($layers) => $work,
            Typed::F16($layers) => $work,
            Typed::Bf16($layers) => $work,
        }
    };
}

#[pymethods]
impl Layer {
    /// Compiles a layer for elements of type `dtype`. What is None has the convention's default; windows extend along the channel
    /// axis unless `within` or `axes` says otherwise.
    #[new]
    #[pyo3(signature = (dtype, size, alpha=None, beta=None, k=None, *, convention="torch", boundary="zero", relu=false, axis=1, within=None, axes=None))]
    #[allow(clippy::too_many_arguments, reason = "a constructor with names in Python")]
    fn new(
        py: Python<'_>,
        dtype: &str,
        size: usize,
        alpha: Option<f64>,
        beta: Option<f64>,
        k: Option<f64>,
        convention: &str,
        boundary: &str,
        relu: bool,
        axis: isize,
        within: Option<usize>,
        axes: Option<Vec<isize>>,
    ) -> PyResult<Self> {
        let mut config = LrnConfig::new(size)
            .convention(named(&CONVENTIONS, "convention", convention)?)
            .boundary(named(&BOUNDARIES, "boundary", boundary)?)
            .input_activation(if relu { Activation::Relu } else { Activation::Identity })
            .channel_axis(axis);
        if let Some(alpha) = alpha {
            config = config.alpha(alpha);
        }
        if let Some(beta) = beta {
            config = config.beta(beta);
        }
        if let Some(k) = k {
            config = config.k(k);
        }
        if let Some(dims) = within {
            config = config.within_channel(dims);
        }
        if let Some(axes) = axes {
            config = config.over_axes(&axes);
        }
        let typed = py.detach(|| {
            Ok(Some(match dtype {
                "float32" => Typed::F32(Layers::new(config)?),
                "float64" => Typed::F64(Layers::new(config)?),
                "float16" => Typed::F16(Layers::new(config)?),
                "bfloat16" => Typed::Bf16(Layers::new(config)?),
                _ => return Ok(None),
            }))
        });
        let unknown = || PyTypeError::new_err(format!("no layer is for elements of type {dtype}: {DTYPES}"));
        typed.map_err(|error: BuildError| raised(Error::Build(error)))?.map(Self).ok_or_else(unknown)
    }

    /// Computes one task of tensors of a shape, on at most so many threads and without the GIL. `addresses` and `strides` (in
    /// elements) are those of the inputs and, last, of the output.
    ///
    /// Nothing is known here of what lies at an address. The caller answers for it: aligned elements of this layer's type at every
    /// index, which nobody changes meanwhile; an output that may be written and is one of the inputs or shares no element with them.
    fn run(
        &self,
        py: Python<'_>,
        task: &str,
        shape: Vec<usize>,
        addresses: Vec<usize>,
        strides: Vec<Vec<isize>>,
        threads: usize,
    ) -> PyResult<()> {
        let Some(task) = Task::from_name(task) else {
            return Err(PyValueError::new_err(format!("no task is called {task:?}")));
        };
        let operands = task.inputs() + 1;
        if addresses.len() != operands || strides.len() != operands {
            return Err(PyValueError::new_err(format!(
                "{task:?} takes {operands} addresses and as many strides, the output's last"
            )));
        }
        if strides.iter().any(|strides| strides.len() != shape.len()) {
            return Err(PyValueError::new_err(format!("each operand needs {} strides", shape.len())));
        }
        let operands = addresses.into_iter().zip(&strides);
        let operands: Vec<_> = operands.map(|(address, strides)| Memory { address, shape: &shape, strides }).collect();
        let (&output, inputs) = operands.split_last().expect("an output at least");
        let executor = &Threads(threads);
        #[allow(unsafe_code, reason = "memory that Python owns")]
        // SAFETY: the caller answers for all of it; see above.
        let done = py.detach(|| each!(&self.0, layers => unsafe { layers.run(task, inputs, output, executor) }));
        done.map_err(raised)
    }

    /// Taps of the window along each axis.
    #[getter]
    fn size(&self) -> usize {
        each!(&self.0, layers => layers.layer().size())
    }

    /// The weight of the squares, before the divisor.
    #[getter]
    fn alpha(&self) -> f64 {
        each!(&self.0, layers => layers.layer().alpha())
    }

    /// The exponent.
    #[getter]
    fn beta(&self) -> f64 {
        each!(&self.0, layers => layers.layer().beta())
    }

    /// The additive constant.
    #[getter]
    fn k(&self) -> f64 {
        each!(&self.0, layers => layers.layer().k())
    }

    /// What computes, and why.
    #[getter]
    fn backend(&self) -> String {
        each!(&self.0, layers => layers.layer().backend().to_string())
    }

    /// What was decided before code was made.
    #[getter]
    fn plan(&self) -> String {
        each!(&self.0, layers => layers.layer().plan().to_string())
    }
}

const DTYPES: &str = "there are float32, float64, float16 and bfloat16";

const CONVENTIONS: [(&str, Convention); 7] = [
    ("torch", Convention::Torch),
    ("onnx", Convention::Onnx),
    ("tensorflow", Convention::TensorFlow),
    ("caffe", Convention::Caffe),
    ("cudnn", Convention::Cudnn),
    ("onednn", Convention::OneDnn),
    ("symmetric", Convention::Symmetric),
];

const BOUNDARIES: [(&str, Boundary); 2] = [("zero", Boundary::Zero), ("wrap", Boundary::Wrap)];

/// The value of a name.
fn named<T: Copy>(values: &[(&str, T)], what: &str, name: &str) -> PyResult<T> {
    let names = || values.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = values.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
    found.ok_or_else(|| PyValueError::new_err(format!("{what} must be one of {}, got {name:?}", names())))
}

/// The library's errors, as Python's.
fn raised(error: Error) -> PyErr {
    match error {
        Error::Build(BuildError::Compile(error)) => PyRuntimeError::new_err(error.to_string()),
        error => PyValueError::new_err(error.to_string()),
    }
}
