//! Layers: built from a configuration for one element type, and what they say of themselves.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;

use half::{bf16, f16};
use lrn_jit::{BuildError, Element, LrnConfig};

use crate::calls::Calls;
use crate::config::{Config, Constant, constant};
use crate::memory::{exclusive, reference};
use crate::status::{Status, border, border_pointer};

/// The elements of a layer's tensors.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// float
    F32 = 0,
    /// double
    F64 = 1,
    /// IEEE half precision, each the bits of a uint16_t: computed in float, rounded once.
    F16 = 2,
    /// bfloat16, the upper half of a float, each the bits of a uint16_t: computed in float, rounded once.
    Bf16 = 3,
}

impl Constant for Type {
    const WHAT: &'static str = "type";
    const ALL: &'static [Self] = &[Self::F32, Self::F64, Self::F16, Self::Bf16];
}

/// A layer, built. Opaque; never changes, so that any number of threads may use it at once.
pub struct Layer {
    pub(crate) calls: Box<dyn Calls>,
    name: CString,
    backend: CString,
    plan: CString,
}

impl Layer {
    fn new<E: Element>(config: &LrnConfig) -> Result<Self, BuildError> {
        let layer = config.build_for::<E>()?;
        let [name, backend, plan] = [layer.to_string(), layer.backend().to_string(), layer.plan().to_string()]
            .map(|text| CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default());
        Ok(Self { calls: Box::new(layer), name, backend, plan })
    }
}

/// Builds a layer for elements of `type`: validates the configuration, makes code of it and compiles that (about a millisecond; a
/// layer of the same parameters that lives shares its code). The configuration stays the caller's, and may be freed. `*layer` is
/// to be freed by lrn_jit_layer_free; on an error it is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_build(
    config: *const Config,
    r#type: MaybeUninit<Type>,
    layer: *mut *mut Layer,
) -> Status {
    border(|| {
        // SAFETY: the caller's: a place for a pointer, and a configuration that nobody changes.
        let place = unsafe { exclusive("layer", layer)? };
        *place = std::ptr::null_mut();
        let config = &unsafe { reference("config", config)? }.0;
        let built = match constant(r#type)? {
            Type::F32 => Layer::new::<f32>(config),
            Type::F64 => Layer::new::<f64>(config),
            Type::F16 => Layer::new::<f16>(config),
            Type::Bf16 => Layer::new::<bf16>(config),
        };
        *place = Box::into_raw(Box::new(built?));
        Ok(())
    })
}

/// Frees a layer that no call is using; of NULL, nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_layer_free(layer: *mut Layer) {
    if !layer.is_null() {
        border(|| {
            // SAFETY: made by `lrn_jit_build`, and not freed before.
            drop(unsafe { Box::from_raw(layer) });
            Ok(())
        });
    }
}

/// A text of a layer.
///
/// # Safety
///
/// The pointer is NULL or to a layer.
unsafe fn text(layer: *const Layer, text: impl FnOnce(&Layer) -> &CString) -> *const c_char {
    border_pointer(|| {
        // SAFETY: the caller's.
        let layer = unsafe { reference("layer", layer)? };
        Ok(text(layer).as_ptr())
    })
}

/// The layer and its parameters, as torch prints them: `LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)`. UTF-8, the layer's;
/// NULL, with an error, for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_layer_name(layer: *const Layer) -> *const c_char {
    // SAFETY: the caller's.
    unsafe { text(layer, |layer| &layer.name) }
}

/// What computes, and why: `jit: compiled for x86_64, 512-bit vectors (AVX-512)`. UTF-8, the layer's; NULL, with an error, for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_layer_backend(layer: *const Layer) -> *const c_char {
    // SAFETY: the caller's.
    unsafe { text(layer, |layer| &layer.backend) }
}

/// What was decided before code was made, in some lines: window, base, recipe and its error. UTF-8, the layer's; NULL, with an error,
/// for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_layer_plan(layer: *const Layer) -> *const c_char {
    // SAFETY: the caller's.
    unsafe { text(layer, |layer| &layer.plan) }
}
