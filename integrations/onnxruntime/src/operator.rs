//! [`Operator`]: LRN of one element type, as a table of functions that the runtime calls.

use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use lrn_jit::Element;
use ort_sys::{
    ONNXTensorElementDataType, OrtApi, OrtCustomOp, OrtCustomOpInputOutputCharacteristic, OrtKernelContext,
    OrtKernelInfo, OrtMemType, OrtShapeInferContext, OrtStatusPtr,
};

use crate::error::{Error, border};
use crate::host::{Attributes, Context, check, element_type};
use crate::kernel::Kernel;

/// The runtime's table, and behind it what its functions need to know: the runtime passes them the table's address.
#[repr(C)]
pub struct Operator {
    /// First, so that the table's address is the operator's.
    table: OrtCustomOp,
    api: &'static OrtApi,
}

/// A kernel, and whose it is.
struct Instance<E: Element> {
    api: &'static OrtApi,
    kernel: Kernel<E>,
}

impl Operator {
    /// LRN for tensors of `E`.
    pub const fn new<E: Element>(api: &'static OrtApi) -> Self {
        let table = OrtCustomOp {
            version: ort_sys::ORT_API_VERSION,
            CreateKernel: None,
            GetName: Some(name),
            GetExecutionProviderType: Some(any_provider),
            GetInputType: Some(tensor_type::<E>),
            GetInputTypeCount: Some(one),
            GetOutputType: Some(tensor_type::<E>),
            GetOutputTypeCount: Some(one),
            KernelCompute: None,
            KernelDestroy: Some(destroy::<E>),
            GetInputCharacteristic: Some(required),
            GetOutputCharacteristic: Some(required),
            GetInputMemoryType: Some(memory),
            GetVariadicInputMinArity: Some(not_variadic),
            GetVariadicInputHomogeneity: Some(not_variadic),
            GetVariadicOutputMinArity: Some(not_variadic),
            GetVariadicOutputHomogeneity: Some(not_variadic),
            CreateKernelV2: Some(create::<E>),
            KernelComputeV2: Some(compute::<E>),
            InferOutputShapeFn: Some(infer_shape),
            GetStartVersion: Some(first_version),
            GetEndVersion: Some(last_version),
        };
        Self { table, api }
    }

    /// The table, as the runtime takes it.
    pub fn table(&'static self) -> *const OrtCustomOp {
        ptr::from_ref(self).cast()
    }

    /// # Safety
    ///
    /// `table` is what [`table`](Self::table) gave.
    unsafe fn of<'a>(table: *const OrtCustomOp) -> &'a Self {
        // SAFETY: as the caller promises; an operator is never freed while its library is loaded.
        unsafe { &*table.cast() }
    }
}

unsafe extern "system" fn name(_: *const OrtCustomOp) -> *const c_char {
    c"LRN".as_ptr()
}

/// Null: the processor's.
unsafe extern "system" fn any_provider(_: *const OrtCustomOp) -> *const c_char {
    ptr::null()
}

unsafe extern "system" fn tensor_type<E: Element>(_: *const OrtCustomOp, _: usize) -> ONNXTensorElementDataType {
    const { element_type(E::NUMBER) }
}

unsafe extern "system" fn one(_: *const OrtCustomOp) -> usize {
    1
}

unsafe extern "system" fn required(_: *const OrtCustomOp, _: usize) -> OrtCustomOpInputOutputCharacteristic {
    OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_REQUIRED
}

unsafe extern "system" fn memory(_: *const OrtCustomOp, _: usize) -> OrtMemType {
    OrtMemType::OrtMemTypeDefault
}

unsafe extern "system" fn not_variadic(_: *const OrtCustomOp) -> c_int {
    0
}

/// ONNX has had LRN since its first operator set, and never changed what it computes.
unsafe extern "system" fn first_version(_: *const OrtCustomOp) -> c_int {
    1
}

unsafe extern "system" fn last_version(_: *const OrtCustomOp) -> c_int {
    c_int::MAX
}

unsafe extern "system" fn create<E: Element>(
    table: *const OrtCustomOp,
    _: *const OrtApi,
    info: *const OrtKernelInfo,
    kernel: *mut *mut c_void,
) -> OrtStatusPtr {
    // SAFETY: the runtime passes the table that it was given, of an operator of ours.
    let api = unsafe { Operator::of(table) }.api;
    border(api, || {
        // SAFETY: the runtime passes a node's information, alive for this call, and room for a pointer.
        let (info, kernel) = unsafe { (&*info, &mut *kernel) };
        let node = Attributes { api, info };
        let about = |error| match node.node_name() {
            Some(node) => Error::Node { node, error: Box::new(error) },
            None => error,
        };
        let instance = Instance { api, kernel: Kernel::<E>::new(node).map_err(about)? };
        *kernel = Box::into_raw(Box::new(instance)).cast();
        Ok(())
    })
}

unsafe extern "system" fn compute<E: Element>(instance: *mut c_void, context: *mut OrtKernelContext) -> OrtStatusPtr {
    // SAFETY: the runtime passes what `create::<E>` gave it, which `destroy::<E>` has not had yet; several threads may have it at
    // once, and only read it.
    let Instance { api, kernel } = unsafe { &*instance.cast::<Instance<E>>() };
    border(api, || {
        // SAFETY: the runtime passes a context that is alive for this call, of one run, and has matched its tensors' types with
        // those of the table.
        unsafe { kernel.compute(Context { api, raw: &*context }) }
    })
}

unsafe extern "system" fn destroy<E: Element>(instance: *mut c_void) {
    // There is nobody to tell.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the runtime passes what `create::<E>` gave it, and for the last time.
        drop(unsafe { Box::from_raw(instance.cast::<Instance<E>>()) });
    }));
}

/// The output's type and shape are the input's, symbolic dimensions and all.
unsafe extern "system" fn infer_shape(table: *const OrtCustomOp, context: *mut OrtShapeInferContext) -> OrtStatusPtr {
    // SAFETY: the runtime passes the table that it was given, of an operator of ours.
    let api = unsafe { Operator::of(table) }.api;
    border(api, || {
        let mut input = ptr::null_mut();
        // SAFETY: the context is alive for this call.
        check(api, unsafe { (api.ShapeInferContext_GetInputTypeShape)(context, 0, &mut input) })?;
        if input.is_null() {
            return Err(Error::NoInput);
        }
        // SAFETY: the input's information is the context's and lives as long; the runtime copies it.
        check(api, unsafe { (api.ShapeInferContext_SetOutputTypeShape)(context, 0, input) })
    })
}
