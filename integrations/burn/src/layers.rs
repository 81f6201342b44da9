//! [`Layers`]: a compiled layer for each type of element, and how tensors of the backend Flex go through it.

use std::sync::{Arc, OnceLock};

use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, TensorData, bf16, f16};
use lrn_jit::{BuildError, CurrentRayon, Layout, LocalResponseNorm, LrnConfig, OnExecutor};

/// Layers of one configuration, each built when it is first needed. Clones share them.
#[derive(Debug, Clone)]
pub struct Layers(Arc<Slots>);

#[derive(Debug)]
struct Slots {
    config: LrnConfig,
    f64: OnceLock<LocalResponseNorm<f64>>,
    f32: OnceLock<LocalResponseNorm<f32>>,
    f16: OnceLock<LocalResponseNorm<f16>>,
    bf16: OnceLock<LocalResponseNorm<bf16>>,
}

/// Calls a function of `Layers` for the element type of a tensor.
macro_rules! for_type {
    ($dtype:expr, $layers:ident.$function:ident($($argument:expr),*), else $other:expr) => {
        match $dtype {
            DType::F64 => $layers.$function::<f64>($($argument),*),
            DType::F32 => $layers.$function::<f32>($($argument),*),
            DType::F16 => $layers.$function::<f16>($($argument),*),
            DType::BF16 => $layers.$function::<bf16>($($argument),*),
            _ => $other,
        }
    };
}

impl Layers {
    pub(crate) fn new(config: LrnConfig) -> Self {
        let (f64, f32, f16, bf16) = Default::default();
        Self(Arc::new(Slots { config, f64, f32, f16, bf16 }))
    }

    /// Builds the layer of a type, unless it is there; false for a type that has none.
    pub(crate) fn build(&self, dtype: DType) -> Result<bool, BuildError> {
        for_type!(dtype, self.build_for(), else Ok(false))
    }

    fn build_for<E: Float>(&self) -> Result<bool, BuildError> {
        let slot = E::slot(&self.0);
        if slot.get().is_none() {
            slot.get_or_init({
                let layer = self.0.config.build_for()?;
                || layer
            });
        }
        Ok(true)
    }

    /// Normalizes a tensor: where it lies, if nothing else reads it.
    ///
    /// # Panics
    ///
    /// Unless the layer of the tensor's type was built, and the tensor has rank 2 or more.
    pub(crate) fn forward(&self, x: FlexTensor) -> FlexTensor {
        for_type!(x.dtype(), self.forward_of(x), else unreachable!("no layer of this type was built"))
    }

    /// The gradient with respect to `x`, given that with respect to the output, of the same shape and type.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub(crate) fn backward(&self, x: &FlexTensor, grad: &FlexTensor) -> FlexTensor {
        for_type!(x.dtype(), self.backward_of(x, grad), else unreachable!("no layer of this type was built"))
    }

    fn forward_of<E: Float>(&self, mut x: FlexTensor) -> FlexTensor {
        let layer = self.layer::<E>();
        let layout = x.layout().clone();
        let shape = layout.shape().to_vec();
        if let Some((start, end)) = layout.contiguous_offsets()
            && let Some(storage) = x.try_storage_mut::<E>()
        {
            layer.forward_in_place(&mut storage[start..end], &shape).expect(CHECKED);
            return x;
        }
        let y = match x.as_slice::<E>() {
            Some(x) => layer.forward(x, &shape).expect(CHECKED),
            None => {
                let mut y = vec![E::default(); layout.num_elements()];
                let view = Layout::strided(&shape, layout.strides()).at(layout.start_offset());
                layer.forward_strided(x.storage(), &view, &mut y, &Layout::contiguous(&shape)).expect(CHECKED);
                y
            }
        };
        FlexTensor::from_data(TensorData::new(y, shape))
    }

    fn backward_of<E: Float>(&self, x: &FlexTensor, grad: &FlexTensor) -> FlexTensor {
        let shape = x.layout().shape().to_vec();
        let (x, grad) = (x.to_contiguous(), grad.to_contiguous());
        let slices = x.as_slice::<E>().zip(grad.as_slice());
        let (x, grad) = slices.expect("contiguous tensors of one type are slices");
        let grad_x = self.layer::<E>().backward(x, grad, &shape).expect(CHECKED);
        FlexTensor::from_data(TensorData::new(grad_x, shape))
    }

    fn layer<E: Float>(&self) -> OnExecutor<'_, E> {
        E::slot(&self.0).get().expect("a layer is built before it is used").with_executor(&CurrentRayon)
    }
}

/// Why the library's errors do not occur here.
const CHECKED: &str = "the module checks the rank, and the backend that a tensor lies within its storage";

/// An element type of both burn and the library.
trait Float: lrn_jit::Element + burn::tensor::Element + bytemuck::Pod {
    fn slot(slots: &Slots) -> &OnceLock<LocalResponseNorm<Self>>;
}

macro_rules! floats {
    ($($float:ident),*) => {$(
        impl Float for $float {
            fn slot(slots: &Slots) -> &OnceLock<LocalResponseNorm<Self>> {
                &slots.$float
            }
        }
    )*};
}

floats!(f64, f32, f16, bf16);
