//! [`Error`], and [`border`]: how errors and panics become statuses of the runtime.

use std::any::Any;
use std::borrow::Cow;
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lrn_jit::{BuildError, ShapeError};
use ort_sys::{OrtApi, OrtErrorCode, OrtStatusPtr};
use thiserror::Error;

use crate::host::Status;

/// What can go wrong.
#[derive(Debug, Error)]
pub enum Error {
    /// One of the runtime's own functions failed.
    #[error("{}", .0.message())]
    Host(Status),
    /// An attribute is of another type than the operator's.
    #[error("LRN: the attribute {name} must be {expected}, but is of another type")]
    AttributeType { name: Cow<'static, str>, expected: &'static str },
    /// The one attribute without a default is not there.
    #[error("LRN: the attribute size is missing: an integer of at least 1")]
    NoSize,
    /// No number of channels.
    #[error("LRN: the attribute size must be at least 1, got {0}")]
    Size(i64),
    /// No layer can be built from the attributes.
    #[error("LRN: {0}")]
    Build(#[from] BuildError),
    /// The input is not a tensor for LRN.
    #[error("LRN: {0}")]
    Shape(#[from] ShapeError),
    /// The node has no input.
    #[error("LRN: the input is missing")]
    NoInput,
    /// The runtime was given a tensor between two addresses of its type.
    #[error("LRN: {what} begins at an address that is not a multiple of {align} bytes")]
    Alignment { what: &'static str, align: usize },
    /// Any of these, and which node of the model it is about.
    #[error("{error} (node {node})")]
    Node { node: String, error: Box<Error> },
    /// The runtime lacks functions that are needed.
    #[error("lrn-jit needs ONNX Runtime 1.{} or later", ort_sys::ORT_API_VERSION)]
    OldRuntime,
    /// A defect of this library.
    #[error("LRN: internal error (please report it): {0}")]
    Panic(String),
}

impl Error {
    /// A panic's message.
    pub fn of_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Self::Panic(text.unwrap_or("a panic without a message").into())
    }

    fn code(&self) -> OrtErrorCode {
        match self {
            Self::Node { error, .. } => error.code(),
            Self::Panic(_) | Self::OldRuntime | Self::Build(BuildError::Compile(_)) => OrtErrorCode::ORT_FAIL,
            _ => OrtErrorCode::ORT_INVALID_ARGUMENT,
        }
    }

    /// As a status, which the runtime frees.
    fn into_status(self, api: &OrtApi) -> OrtStatusPtr {
        let (code, text) = match self {
            Self::Host(status) => return status.into_raw(),
            error => (error.code(), error.to_string().replace('\0', " ")),
        };
        let text = CString::new(text).unwrap_or_default();
        // SAFETY: the text ends with a zero; the runtime copies it.
        unsafe { (api.CreateStatus)(code, text.as_ptr()) }
    }
}

/// Does the work of a function that the runtime calls: null if it succeeds, else a status. No panic leaves it.
pub fn border(api: &OrtApi, work: impl FnOnce() -> Result<(), Error>) -> OrtStatusPtr {
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(Error::of_panic(&*payload)));
    result.map_or_else(|error| error.into_status(api), |()| OrtStatusPtr::default())
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    fn text_of(work: impl FnOnce() -> Result<(), Error>) -> Option<(OrtErrorCode, String)> {
        let api = Box::leak(Box::new(ort_sys::stub::api()));
        let OrtStatusPtr(status) = border(api, work);
        if status.is_null() {
            return None;
        }
        // SAFETY: the stub made the status just now.
        let error = unsafe { ort_sys::stub::Error::consume_sys(status) };
        Some((error.code, error.message().into()))
    }

    #[test]
    fn success_is_null() {
        assert_eq!(text_of(|| Ok(())), None);
    }

    #[test]
    fn errors_are_statuses() {
        let (code, text) = text_of(|| Err(Error::Size(-3))).unwrap();
        assert_eq!(code, OrtErrorCode::ORT_INVALID_ARGUMENT);
        assert_eq!(text, "LRN: the attribute size must be at least 1, got -3");
    }

    #[test]
    fn panics_are_statuses_whatever_they_carry() {
        type Work = fn() -> Result<(), Error>;
        let panics: [(Work, &str); 4] = [
            (|| panic!("plain"), "plain"),
            (|| panic!("with {}", 7), "with 7"),
            (|| panic!("a zero: \0, and more"), "a zero:  , and more"),
            (|| panic_any(7), "a panic without a message"),
        ];
        for (work, expected) in panics {
            let (code, text) = text_of(work).unwrap();
            assert_eq!(code, OrtErrorCode::ORT_FAIL);
            assert_eq!(text, format!("LRN: internal error (please report it): {expected}"));
        }
    }
}
