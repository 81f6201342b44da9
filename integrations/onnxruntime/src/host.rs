//! Those of the runtime's functions that are used, behind types: [`Status`], [`Attributes`], [`Input`].

use std::ffi::CStr;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use ort_sys::{
    ONNXTensorElementDataType, OrtApi, OrtKernelContext, OrtKernelInfo, OrtLoggingLevel, OrtStatusPtr,
    OrtTensorTypeAndShapeInfo, OrtValue, os_char,
};

use lrn_jit::{Element, Number};

use crate::error::Error;

/// A status of the runtime that says what went wrong, and is freed in the end.
pub struct Status {
    api: &'static OrtApi,
    raw: NonNull<ort_sys::OrtStatus>,
}

impl Status {
    /// What the runtime said.
    pub fn message(&self) -> String {
        // SAFETY: the status is alive, and so is its message, which ends with a zero.
        unsafe { CStr::from_ptr((self.api.GetErrorMessage)(self.raw.as_ptr())) }.to_string_lossy().into_owned()
    }

    /// The status itself, for the runtime to free.
    pub fn into_raw(self) -> OrtStatusPtr {
        let raw = self.raw.as_ptr();
        std::mem::forget(self);
        OrtStatusPtr(raw)
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        // SAFETY: it is ours, and freed here alone.
        unsafe { (self.api.ReleaseStatus)(self.raw.as_ptr()) };
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

/// A returned status as a result.
pub fn check(api: &'static OrtApi, status: OrtStatusPtr) -> Result<(), Error> {
    NonNull::new(status.0).map_or(Ok(()), |raw| Err(Error::Host(Status { api, raw })))
}

/// The runtime's name of an element type.
pub const fn element_type(number: Number) -> ONNXTensorElementDataType {
    match number {
        Number::F32 => ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
        Number::F64 => ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
        Number::F16 => ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
        Number::Bf16 => ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
        _ => panic!("a type of elements that ONNX does not know"),
    }
}

/// The attributes of a node, and its logger.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    pub api: &'static OrtApi,
    pub info: &'a OrtKernelInfo,
}

impl Attributes<'_> {
    /// An integer, if it is there.
    pub fn integer(self, name: &'static CStr) -> Result<Option<i64>, Error> {
        let mut value = 0;
        // SAFETY: the name ends with a zero, and the value has room.
        let status = unsafe { (self.api.KernelInfoGetAttribute_int64)(self.info, name.as_ptr(), &mut value) };
        self.found(status, name, "an integer").map(|found| found.then_some(value))
    }

    /// A float, if it is there.
    pub fn float(self, name: &'static CStr) -> Result<Option<f32>, Error> {
        let mut value = 0.0;
        // SAFETY: the name ends with a zero, and the value has room.
        let status = unsafe { (self.api.KernelInfoGetAttribute_float)(self.info, name.as_ptr(), &mut value) };
        self.found(status, name, "a float").map(|found| found.then_some(value))
    }

    /// Whether reading an attribute succeeded. The runtime gives the same status for one that is not there and one of another
    /// type: what can be read as anything else is there.
    fn found(self, status: OrtStatusPtr, name: &'static CStr, expected: &'static str) -> Result<bool, Error> {
        let is = |status| check(self.api, status).is_ok();
        if is(status) {
            return Ok(true);
        }
        let (api, info, text) = (self.api, self.info, name.as_ptr());
        let (mut float, mut integer, mut size) = (0.0, 0, 0);
        // SAFETY: the name ends with a zero, values have room, and with null for a string or a list only its size is given.
        let other = unsafe {
            is((api.KernelInfoGetAttribute_float)(info, text, &mut float))
                || is((api.KernelInfoGetAttribute_int64)(info, text, &mut integer))
                || is((api.KernelInfoGetAttribute_string)(info, text, ptr::null_mut(), &mut size))
                || is((api.KernelInfoGetAttributeArray_float)(info, text, ptr::null_mut(), &mut size))
                || is((api.KernelInfoGetAttributeArray_int64)(info, text, ptr::null_mut(), &mut size))
        };
        if other { Err(Error::AttributeType { name: name.to_string_lossy(), expected }) } else { Ok(false) }
    }

    /// The node's name, if the model gives it one.
    pub fn node_name(self) -> Option<String> {
        let mut size = 0;
        // SAFETY: with null only the size is given, and then there is room for as much.
        let name = unsafe {
            check(self.api, (self.api.KernelInfo_GetNodeName)(self.info, ptr::null_mut(), &mut size)).ok()?;
            let mut name = vec![0u8; size];
            check(self.api, (self.api.KernelInfo_GetNodeName)(self.info, name.as_mut_ptr().cast(), &mut size)).ok()?;
            name
        };
        let name = CStr::from_bytes_until_nul(&name).ok()?;
        (!name.is_empty()).then(|| name.to_string_lossy().into_owned())
    }

    /// Writes a line to the session's log. A log that cannot be written to is no reason to fail.
    pub fn log(self, level: OrtLoggingLevel, message: &CStr) {
        const NOWHERE: os_char = 0;
        let mut logger = ptr::null();
        // SAFETY: the logger lives as long as the session, and all texts end with a zero.
        unsafe {
            if check(self.api, (self.api.KernelInfo_GetLogger)(self.info, &mut logger)).is_ok() {
                let function = c"LRN".as_ptr();
                let status = (self.api.Logger_LogMessage)(logger, level, message.as_ptr(), &NOWHERE, 0, function);
                let _ = check(self.api, status);
            }
        }
    }
}

/// What a kernel is given for one run.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub api: &'static OrtApi,
    pub raw: &'a OrtKernelContext,
}

impl<'a> Context<'a> {
    /// The one input and its shape.
    ///
    /// # Safety
    ///
    /// The input is a tensor of `E`.
    pub unsafe fn input<E: Element>(self) -> Result<(&'a [E], Vec<usize>), Error> {
        let mut value = ptr::null();
        // SAFETY: the context is alive.
        check(self.api, unsafe { (self.api.KernelContext_GetInput)(self.raw, 0, &mut value) })?;
        if value.is_null() {
            return Err(Error::NoInput);
        }
        let shape = self.shape(value)?;
        let data = self.data::<E>(value.cast_mut(), "the input")?;
        // SAFETY: the runtime's tensors have all elements of their shape, contiguous, and nobody writes to an input of a node
        // that has not run; the address was checked.
        Ok((unsafe { std::slice::from_raw_parts(data.as_ptr(), shape.iter().product()) }, shape))
    }

    /// Has the runtime allocate the one output.
    ///
    /// # Safety
    ///
    /// The output is a tensor of `E`, and this is called once for each run.
    pub unsafe fn output<E: Element>(self, shape: &[usize]) -> Result<&'a mut [MaybeUninit<E>], Error> {
        let dims: Vec<_> = shape.iter().map(|&dim| dim as i64).collect();
        let mut value = ptr::null_mut();
        let context = ptr::from_ref(self.raw).cast_mut();
        // SAFETY: there are as many dimensions as said. The context is the runtime's own, which changes it behind our reference
        // to nothing.
        let status = unsafe { (self.api.KernelContext_GetOutput)(context, 0, dims.as_ptr(), dims.len(), &mut value) };
        check(self.api, status)?;
        let data = self.data::<MaybeUninit<E>>(value, "the output")?;
        // SAFETY: the runtime allocated as many elements, and lets no output share memory with an input unless its operator
        // allows that, which ours does not; the address was checked.
        Ok(unsafe { std::slice::from_raw_parts_mut(data.as_ptr(), shape.iter().product()) })
    }

    fn shape(self, value: *const OrtValue) -> Result<Vec<usize>, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: the value is alive.
        check(self.api, unsafe { (self.api.GetTensorTypeAndShape)(value, &mut raw) })?;
        let info = TypeAndShape { api: self.api, raw };
        let mut rank = 0;
        // SAFETY: the information is alive.
        check(self.api, unsafe { (self.api.GetDimensionsCount)(info.raw, &mut rank) })?;
        let mut dims = vec![0i64; rank];
        // SAFETY: there is room for as many dimensions as said.
        check(self.api, unsafe { (self.api.GetDimensions)(info.raw, dims.as_mut_ptr(), rank) })?;
        // A tensor's dimensions are not negative.
        Ok(dims.into_iter().map(|dim| usize::try_from(dim).unwrap_or(0)).collect())
    }

    /// Where a tensor's elements are. Of an empty one that may be nowhere.
    fn data<T>(self, value: *mut OrtValue, what: &'static str) -> Result<NonNull<T>, Error> {
        let mut data = ptr::null_mut();
        // SAFETY: the value is alive.
        check(self.api, unsafe { (self.api.GetTensorMutableData)(value, &mut data) })?;
        let data = NonNull::new(data.cast::<T>()).unwrap_or(NonNull::dangling());
        if data.is_aligned() { Ok(data) } else { Err(Error::Alignment { what, align: align_of::<T>() }) }
    }
}

/// Information on a tensor that is ours to free.
struct TypeAndShape {
    api: &'static OrtApi,
    raw: *mut OrtTensorTypeAndShapeInfo,
}

impl Drop for TypeAndShape {
    fn drop(&mut self) {
        // SAFETY: it is ours, and freed here alone.
        unsafe { (self.api.ReleaseTensorTypeAndShapeInfo)(self.raw) };
    }
}
