//! [`CompiledLrn`]: the operator that a plan evaluates.
//!
//! It holds tract's own operator as its parameters, and a layer for each type of element that it has met: a model may be translated
//! to another precision after it was accelerated.

use std::sync::{Arc, OnceLock};

use lrn_jit::{Activation, BuildError, Convention, Element, Executor, LocalResponseNorm, LrnConfig, Serial};
use tract_linalg::multithread::current_threading_element_threshold;
use tract_nnef::internal::*;
use tract_onnx_opl::lrn::Lrn;

use crate::executor::CurrentTract;

/// The ONNX operator `LRN`, or `LRN(Relu(x))`, compiled for its parameters: tensors of f16, f32 or f64, of rank 2 or more, channels
/// on axis 1.
///
/// Its window is that of ONNX and of tract, c − (size−1)/2 … c + size/2. Two are equal if their parameters are. Clones share the
/// compiled code.
#[derive(Debug, Clone)]
pub struct CompiledLrn {
    lrn: Lrn,
    relu: bool,
    layers: Arc<Layers>,
}

impl CompiledLrn {
    /// The operator that computes `lrn`, or if `relu`, `lrn` of max(x, 0). Nothing is compiled yet.
    #[must_use]
    pub fn new(lrn: Lrn, relu: bool) -> Self {
        Self { lrn, relu, layers: Arc::default() }
    }

    /// tract's operator of the same parameters.
    #[must_use]
    pub fn lrn(&self) -> &Lrn {
        &self.lrn
    }

    /// Whether a ReLU comes first.
    #[must_use]
    pub fn relu(&self) -> bool {
        self.relu
    }

    /// Compiles, for elements of a type that has LRN.
    pub(crate) fn compile(&self, datum: DatumType) -> TractResult<()> {
        dispatch_floatlike!(Self::compile_for(datum)(self))
    }

    fn compile_for<E: Float>(&self) -> TractResult<()> {
        self.layer::<E>()?;
        Ok(())
    }

    fn layer<E: Float>(&self) -> Result<&LocalResponseNorm<E>, BuildError> {
        let slot = E::slot(&self.layers);
        if let Some(layer) = slot.get() {
            return Ok(layer);
        }
        let Lrn { alpha, beta, bias, size } = self.lrn;
        let layer = LrnConfig::new(size)
            .convention(Convention::Onnx)
            .alpha(alpha.into())
            .beta(beta.into())
            .k(bias.into())
            .input_activation(if self.relu { Activation::Relu } else { Activation::Identity })
            .build_for()?;
        Ok(slot.get_or_init(|| layer))
    }

    /// Normalizes a tensor where it lies, or, if others read it as well, a copy of it.
    fn run<E: Float>(&self, input: TValue) -> TractResult<Tensor> {
        let layer = self.layer::<E>()?;
        let executor: &dyn Executor =
            if input.len() < current_threading_element_threshold() { &Serial } else { &CurrentTract };
        let mut tensor = input.into_tensor();
        let shape = TVec::from(tensor.shape());
        let mut elements = tensor.try_as_plain_ram_mut()?;
        layer.with_executor(executor).forward_in_place(elements.as_slice_mut()?, &shape)?;
        Ok(tensor)
    }
}

impl PartialEq for CompiledLrn {
    fn eq(&self, other: &Self) -> bool {
        (&self.lrn, self.relu) == (&other.lrn, other.relu)
    }
}

impl Eq for CompiledLrn {}

impl Op for CompiledLrn {
    fn name(&self) -> StaticName {
        if self.relu { "CompiledReluLrn".into() } else { "CompiledLrn".into() }
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let Lrn { alpha, beta, bias, size } = self.lrn;
        Ok(vec![format!("size={size}, alpha={alpha}, beta={beta}, bias={bias}")])
    }

    op_as_typed_op!();
}

impl EvalOp for CompiledLrn {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let output = dispatch_floatlike!(Self::run(input.datum_type())(self, input))?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for CompiledLrn {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let &[input] = inputs else { bail!("LRN takes one input, got {}", inputs.len()) };
        ensure!(input.datum_type.is_float(), "LRN takes f16, f32 or f64, got {:?}", input.datum_type);
        ensure!(input.rank() >= 2, "LRN takes rank 2 or more, got {:?}", input.shape);
        Ok(tvec!(input.without_value()))
    }

    as_op!();
}

/// A layer for each type of element, built when it is first needed.
#[derive(Debug, Default)]
struct Layers {
    f16: OnceLock<LocalResponseNorm<f16>>,
    f32: OnceLock<LocalResponseNorm<f32>>,
    f64: OnceLock<LocalResponseNorm<f64>>,
}

/// An element type of both tract and the library.
trait Float: Datum + Element {
    fn slot(layers: &Layers) -> &OnceLock<LocalResponseNorm<Self>>;
}

macro_rules! floats {
    ($($float:ident),*) => {$(
        impl Float for $float {
            fn slot(layers: &Layers) -> &OnceLock<LocalResponseNorm<Self>> {
                &layers.$float
            }
        }
    )*};
}

floats!(f16, f32, f64);
