//! The C interface from Rust: handles that free themselves, and calls on slices.

use std::ffi::{CStr, c_char, c_void};
use std::mem::{MaybeUninit, size_of_val};
use std::ptr::{null, null_mut};

use lrn_jit_c::calls::{Layout, lrn_jit_forward, lrn_jit_forward_in_place, lrn_jit_forward_strided};
use lrn_jit_c::config::{Config, lrn_jit_config_free, lrn_jit_config_new};
use lrn_jit_c::derivatives::{lrn_jit_backward, lrn_jit_double_backward, lrn_jit_jvp};
use lrn_jit_c::executor::Executor;
use lrn_jit_c::layer::{Layer, Type, lrn_jit_build, lrn_jit_layer_free};
use lrn_jit_c::status::{Status, lrn_jit_last_error};

/// A configuration, freed with its owner.
pub struct Configuration(pub *mut Config);

/// A layer, likewise.
pub struct Built(pub *mut Layer);

// SAFETY: the header says that any number of threads may use a layer.
unsafe impl Sync for Built {}

impl Configuration {
    pub fn new(size: usize) -> Self {
        Self(lrn_jit_config_new(size))
    }

    /// As `Type`, or any other number.
    pub fn build_as(&self, number: i32) -> Result<Built, (Status, String)> {
        let mut layer = null_mut();
        let status = unsafe { lrn_jit_build(self.0, any_constant::<Type>(number), &raw mut layer) };
        assert_eq!(layer.is_null(), status != Status::Ok);
        result(status).map(|()| Built(layer))
    }

    pub fn build(&self, number: Type) -> Result<Built, (Status, String)> {
        self.build_as(number as i32)
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        unsafe { lrn_jit_config_free(self.0) };
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        unsafe { lrn_jit_layer_free(self.0) };
    }
}

/// Any int as a constant, as C can pass it.
pub fn any_constant<T>(number: i32) -> MaybeUninit<T> {
    assert_eq!(size_of::<T>(), size_of::<i32>());
    let mut constant = MaybeUninit::<T>::uninit();
    unsafe { constant.as_mut_ptr().cast::<i32>().write(number) };
    constant
}

/// The text of this thread's last failure.
pub fn last_error() -> String {
    text(lrn_jit_last_error())
}

pub fn text(text: *const c_char) -> String {
    unsafe { CStr::from_ptr(text) }.to_str().expect("UTF-8").into()
}

/// A status, with the text if it is none of success.
pub fn result(status: Status) -> Result<(), (Status, String)> {
    if status == Status::Ok { Ok(()) } else { Err((status, last_error())) }
}

/// What is checked of an error: its code, and what its text names.
#[track_caller]
pub fn names<T>(result: Result<T, (Status, String)>, status: Status, parts: &[&str]) {
    let Err((given, text)) = result else { panic!("no error, but {status:?} expected") };
    assert_eq!(given, status, "{text}");
    for part in parts {
        assert!(text.contains(part), "“{text}” does not name “{part}”");
    }
}

fn input<E>(x: &[E]) -> (*const c_void, usize) {
    (x.as_ptr().cast(), size_of_val(x))
}

fn output<E>(y: &mut [E]) -> (*mut c_void, usize) {
    (y.as_mut_ptr().cast(), size_of_val(y))
}

impl Built {
    pub fn forward<E>(&self, shape: &[usize], x: &[E], y: &mut [E]) -> Result<(), (Status, String)> {
        self.forward_on(shape, x, y, null())
    }

    pub fn forward_on<E>(
        &self,
        shape: &[usize],
        x: &[E],
        y: &mut [E],
        executor: *const Executor,
    ) -> Result<(), (Status, String)> {
        let ((x, x_bytes), (y, y_bytes)) = (input(x), output(y));
        result(unsafe { lrn_jit_forward(self.0, shape.as_ptr(), shape.len(), x, x_bytes, y, y_bytes, executor) })
    }

    pub fn in_place<E>(&self, shape: &[usize], x: &mut [E]) -> Result<(), (Status, String)> {
        let (x, bytes) = output(x);
        result(unsafe { lrn_jit_forward_in_place(self.0, shape.as_ptr(), shape.len(), x, bytes, null()) })
    }

    pub fn strided<E>(
        &self,
        shape: &[usize],
        (x, x_layout): (&[E], *const Layout),
        (y, y_layout): (&mut [E], *const Layout),
    ) -> Result<(), (Status, String)> {
        let ((x, x_bytes), (y, y_bytes)) = (input(x), output(y));
        let (extents, rank) = (shape.as_ptr(), shape.len());
        result(unsafe {
            lrn_jit_forward_strided(self.0, extents, rank, x, x_bytes, x_layout, y, y_bytes, y_layout, null())
        })
    }

    pub fn backward<E>(&self, shape: &[usize], x: &[E], g: &[E], dx: &mut [E]) -> Result<(), (Status, String)> {
        let ((x, x_bytes), (g, g_bytes), (dx, dx_bytes)) = (input(x), input(g), output(dx));
        let (extents, rank) = (shape.as_ptr(), shape.len());
        result(unsafe { lrn_jit_backward(self.0, extents, rank, x, x_bytes, g, g_bytes, dx, dx_bytes, null()) })
    }

    pub fn jvp<E>(&self, shape: &[usize], x: &[E], v: &[E], y: &mut [E]) -> Result<(), (Status, String)> {
        let ((x, x_bytes), (v, v_bytes), (y, y_bytes)) = (input(x), input(v), output(y));
        let (extents, rank) = (shape.as_ptr(), shape.len());
        result(unsafe { lrn_jit_jvp(self.0, extents, rank, x, x_bytes, v, v_bytes, y, y_bytes, null()) })
    }

    pub fn double_backward<E>(
        &self,
        shape: &[usize],
        [x, g, v]: [&[E]; 3],
        dx: &mut [E],
    ) -> Result<(), (Status, String)> {
        let ((x, x_bytes), (g, g_bytes), (v, v_bytes), (dx, dx_bytes)) = (input(x), input(g), input(v), output(dx));
        let (extents, rank) = (shape.as_ptr(), shape.len());
        result(unsafe {
            lrn_jit_double_backward(self.0, extents, rank, x, x_bytes, g, g_bytes, v, v_bytes, dx, dx_bytes, null())
        })
    }
}
