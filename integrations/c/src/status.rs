//! The border: no panic crosses it, and what went wrong is a [`Status`] and a text.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use lrn_jit::{BuildError, CompileError, ShapeError};

/// What became of a call. 0 is success; lrn_jit_last_error says the rest.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All went well.
    Ok = 0,
    /// A pointer is NULL that must not be.
    NullPointer = 1,
    /// An argument has a value that it cannot have: no such constant, an address that is not aligned, a length in bytes that
    /// is no whole number of elements, an executor of no threads.
    Argument = 2,
    /// No layer can be built from these parameters.
    Config = 3,
    /// The backend or the width that was asked for is not to be had on this host.
    Compile = 4,
    /// The shape does not fit the layer: its rank, its axes, or too many elements.
    Shape = 5,
    /// A buffer is not as long as the shape says, or a layout leaves it.
    Length = 6,
    /// Buffers overlap that must not, or elements of an output lie upon one another.
    Overlap = 7,
    /// A defect of this library, worth a report. Outputs may be written in part.
    Internal = 8,
}

/// An error on its way to the border.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    text: String,
}

impl Failure {
    pub(crate) fn new(status: Status, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// A pointer that must not be NULL.
    pub(crate) fn null(what: &str) -> Self {
        Self::new(Status::NullPointer, format!("{what} must not be NULL"))
    }

    fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let message = panic.downcast_ref::<&str>().copied();
        let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        Self::new(Status::Internal, format!("internal error (please report it): {message}"))
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let status = match error {
            BuildError::Config(_) => Status::Config,
            BuildError::Compile(CompileError::Internal { .. }) => Status::Internal,
            _ => Status::Compile,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ShapeError> for Failure {
    fn from(error: ShapeError) -> Self {
        let status = match error {
            ShapeError::Length { .. } | ShapeError::Bounds { .. } => Status::Length,
            ShapeError::Overlap { .. } => Status::Overlap,
            _ => Status::Shape,
        };
        Self::new(status, error.to_string())
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Remembers a failure for this thread; of a thread that is ending, nothing.
fn remember(Failure { status, text }: Failure) -> Status {
    let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    // A thread that is ending has no text: its code is all there is.
    let _ = LAST.try_with(|last| last.replace(text));
    status
}

/// Runs what C called.
pub(crate) fn border(call: impl FnOnce() -> Result<(), Failure>) -> Status {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => Status::Ok,
        Ok(Err(failure)) => remember(failure),
        Err(panic) => remember(Failure::of_panic(&*panic)),
    }
}

/// The same of what gives a pointer: NULL on an error.
pub(crate) fn border_pointer<T>(call: impl FnOnce() -> Result<*const T, Failure>) -> *const T {
    let mut pointer = std::ptr::null();
    border(|| call().map(|given| pointer = given));
    pointer
}

/// What went wrong in this thread's last call that did not succeed, as UTF-8: what was given, and what is allowed. An empty text if
/// none failed. Never NULL. Valid until the thread's next call that fails, or its end; calls that succeed do not change it.
#[unsafe(no_mangle)]
pub extern "C" fn lrn_jit_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(CStr::as_ptr(c""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_error() -> String {
        // SAFETY: a text that lives until this thread's next failure.
        unsafe { CStr::from_ptr(lrn_jit_last_error()) }.to_str().unwrap().into()
    }

    #[test]
    fn a_panic_ends_at_the_border() {
        assert_eq!(last_error(), "");
        assert_eq!(border(|| panic!("number {}", 7)), Status::Internal);
        assert_eq!(last_error(), "internal error (please report it): number 7");
        assert_eq!(border(|| panic!("plain")), Status::Internal);
        assert_eq!(last_error(), "internal error (please report it): plain");
        assert_eq!(border(|| std::panic::panic_any(3)), Status::Internal);
        assert_eq!(last_error(), "internal error (please report it): no message");
        assert!(border_pointer::<u8>(|| panic!("a pointer")).is_null());
        assert_eq!(last_error(), "internal error (please report it): a pointer");
    }

    #[test]
    fn success_leaves_the_text_and_other_threads_have_their_own() {
        assert_eq!(border(|| Err(Failure::null("x"))), Status::NullPointer);
        assert_eq!(border(|| Ok(())), Status::Ok);
        std::thread::spawn(|| assert_eq!(last_error(), "")).join().unwrap();
        assert_eq!(last_error(), "x must not be NULL");
    }

    #[test]
    fn a_text_with_a_nul_is_kept() {
        border(|| Err(Failure::new(Status::Argument, "a\0b")));
        assert_eq!(last_error(), "a\u{fffd}b");
    }
}
