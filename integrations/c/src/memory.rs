//! C's memory: pointers and lengths become references and slices here, or an error that names what is wrong.
//!
//! Checked: NULL (which may be where nothing is), alignment, a whole number of elements, no more than an address space holds, and
//! that an output overlaps nothing. Trusted, as C's contract has it: that the memory is there, and that nobody writes it meanwhile.

use std::ffi::c_void;
use std::mem::{MaybeUninit, align_of, size_of};
use std::slice;

use crate::status::{Failure, Status};

/// The most axes of a shape: a greater rank is an error, and is taken for a length that was put in its place. A limit of the C
/// interface alone.
pub const MAX_RANK: usize = 64;

/// What a pointer points to.
///
/// # Safety
///
/// The pointer is NULL, or valid and not written for `'a`.
pub(crate) unsafe fn reference<'a, T>(what: &str, pointer: *const T) -> Result<&'a T, Failure> {
    aligned::<T>(what, pointer.cast())?;
    // SAFETY: the caller's, and neither NULL nor unaligned.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::null(what))
}

/// The same, for writing.
///
/// # Safety
///
/// The pointer is NULL, or valid and used by nobody else for `'a`.
pub(crate) unsafe fn exclusive<'a, T>(what: &str, pointer: *mut T) -> Result<&'a mut T, Failure> {
    aligned::<T>(what, pointer.cast_const().cast())?;
    // SAFETY: the caller's, and neither NULL nor unaligned.
    unsafe { pointer.as_mut() }.ok_or_else(|| Failure::null(what))
}

/// The extents, strides or numbers of up to [`MAX_RANK`] axes.
///
/// # Safety
///
/// The pointer is NULL, or there are `count` elements, not written for `'a`.
pub(crate) unsafe fn axes<'a, T>(what: &'static str, pointer: *const T, count: usize) -> Result<&'a [T], Failure> {
    if count > MAX_RANK {
        return Err(Failure::new(Status::Argument, format!("{what} can have at most {MAX_RANK} axes, got {count}")));
    }
    let input = Input { what, data: pointer.cast(), bytes: count * size_of::<T>() };
    // SAFETY: the caller's.
    unsafe { input.slice() }
}

/// Elements that are read: so many bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input {
    pub(crate) what: &'static str,
    pub(crate) data: *const c_void,
    pub(crate) bytes: usize,
}

/// Elements that are written, or read and written. They need not be initialized where they are only written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) what: &'static str,
    pub(crate) data: *mut c_void,
    pub(crate) bytes: usize,
}

impl Input {
    /// As elements.
    ///
    /// # Safety
    ///
    /// `data` is NULL, or there are `bytes` bytes of elements, not written for `'a`.
    pub(crate) unsafe fn slice<'a, E>(self) -> Result<&'a [E], Failure> {
        let length = self.elements::<E>()?;
        // SAFETY: the caller's; `elements` checked the rest. Of nothing, the pointer is any that is aligned.
        Ok(if length == 0 { &[] } else { unsafe { slice::from_raw_parts(self.data.cast(), length) } })
    }

    /// How many elements there are.
    fn elements<E>(self) -> Result<usize, Failure> {
        let Self { what, data, bytes } = self;
        let size = size_of::<E>();
        if !bytes.is_multiple_of(size) {
            let text = format!("{what} has {bytes} bytes, no whole number of elements of {size} bytes");
            return Err(Failure::new(Status::Argument, text));
        }
        if bytes > isize::MAX.cast_unsigned() {
            let text = format!("{what} cannot have more than {} bytes, got {bytes}", isize::MAX);
            return Err(Failure::new(Status::Argument, text));
        }
        if bytes > 0 {
            if data.is_null() {
                return Err(Failure::null(what));
            }
            aligned::<E>(what, data)?;
        }
        Ok(bytes / size)
    }
}

impl Output {
    /// The same memory, to be read.
    fn as_input(self) -> Input {
        Input { what: self.what, data: self.data.cast_const(), bytes: self.bytes }
    }

    /// As elements that are not yet initialized.
    ///
    /// # Safety
    ///
    /// `data` is NULL, or there are `bytes` bytes that nobody else uses for `'a`.
    pub(crate) unsafe fn uninit<'a, E>(self) -> Result<&'a mut [MaybeUninit<E>], Failure> {
        let length = self.as_input().elements::<E>()?;
        // SAFETY: the caller's; `elements` checked the rest. Of nothing, the pointer is any that is aligned.
        Ok(if length == 0 { &mut [] } else { unsafe { slice::from_raw_parts_mut(self.data.cast(), length) } })
    }

    /// As elements.
    ///
    /// # Safety
    ///
    /// As [`uninit`](Self::uninit); and the elements are initialized, or only written: any bits are an element.
    pub(crate) unsafe fn slice<'a, E>(self) -> Result<&'a mut [E], Failure> {
        // SAFETY: the caller's; MaybeUninit<E> lies in memory as E does.
        unsafe { self.uninit::<E>().map(|elements| &mut *(std::ptr::from_mut(elements) as *mut [E])) }
    }

    /// Whether an input is the same buffer.
    pub(crate) fn is(self, input: Input) -> bool {
        self.data.cast_const() == input.data && self.bytes == input.bytes
    }

    /// Checks that none of the inputs shares a byte with this, once all of them are elements.
    pub(crate) fn check_apart<E>(self, inputs: &[Input]) -> Result<(), Failure> {
        for buffer in inputs.iter().chain([&self.as_input()]) {
            buffer.elements::<E>()?;
        }
        let start = self.data.addr();
        for input in inputs {
            let other = input.data.addr();
            if start < other.saturating_add(input.bytes) && other < start.saturating_add(self.bytes) {
                let text = format!(
                    "{} must not overlap {}: {} bytes at {start:#x} and {} at {other:#x}",
                    self.what, input.what, self.bytes, input.bytes
                );
                return Err(Failure::new(Status::Overlap, text));
            }
        }
        Ok(())
    }
}

fn aligned<T>(what: &str, data: *const c_void) -> Result<(), Failure> {
    if data.addr().is_multiple_of(align_of::<T>()) {
        return Ok(());
    }
    let text = format!("{what} must lie at a multiple of {} bytes, got {:#x}", align_of::<T>(), data.addr());
    Err(Failure::new(Status::Argument, text))
}
