//! The calls that compute: what C passed, as slices, goes to the layer. Written once, for every element type. Exported here: forward.

use std::ffi::c_void;

use lrn_jit::{Element, LocalResponseNorm};

use crate::executor::{Executor, with_executor};
use crate::layer::Layer;
use crate::memory::{Input, Output, axes, reference};
use crate::status::{Failure, Status, border};

/// How a tensor lies in its buffer: the element with index (i0, i1, ...) is the buffer's element
/// `offset + i0*strides[0] + i1*strides[1] + ...`
///
/// Strides and offset count elements, not bytes. A stride may be negative or, of an input, 0.
#[repr(C)]
pub struct Layout {
    /// One stride for each axis of the shape; NULL: without gaps, the last axis innermost.
    pub strides: *const isize,
    /// The element at index 0.
    pub offset: usize,
}

/// Which derivative.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Derivative {
    /// Of (x, grad_y).
    Backward,
    /// Of (x, v).
    Jvp,
    /// Of (x, grad_y, v).
    DoubleBackward,
}

/// What is common to all calls: a shape, and who runs the work.
pub(crate) struct Call<'a> {
    shape: &'a [usize],
    executor: &'a dyn lrn_jit::Executor,
}

/// A layer of some element type. Unsafe methods: each buffer is NULL or as long as it says, and nobody else uses what is written.
pub(crate) trait Calls: Send + Sync {
    unsafe fn forward(&self, call: &Call<'_>, x: Input, y: Output) -> Result<(), Failure>;
    unsafe fn in_place(&self, call: &Call<'_>, x: Output) -> Result<(), Failure>;
    unsafe fn forward_strided(
        &self,
        call: &Call<'_>,
        x: (Input, &lrn_jit::Layout<'_>),
        y: (Output, &lrn_jit::Layout<'_>),
    ) -> Result<(), Failure>;
    unsafe fn derivative(
        &self,
        call: &Call<'_>,
        which: Derivative,
        inputs: &[Input],
        output: Output,
    ) -> Result<(), Failure>;
}

// SAFETY (of all): the trait's; and that an output is apart from the inputs is checked before there is a slice of it.
impl<E: Element> Calls for LocalResponseNorm<E> {
    unsafe fn forward(&self, call: &Call<'_>, x: Input, y: Output) -> Result<(), Failure> {
        if y.is(x) {
            return unsafe { self.in_place(call, y) };
        }
        y.check_apart::<E>(&[x])?;
        let (x, y) = unsafe { (x.slice::<E>()?, y.uninit::<E>()?) };
        self.with_executor(call.executor).forward_uninit(x, call.shape, y)?;
        Ok(())
    }

    unsafe fn in_place(&self, call: &Call<'_>, x: Output) -> Result<(), Failure> {
        let x = unsafe { x.slice::<E>()? };
        Ok(self.with_executor(call.executor).forward_in_place(x, call.shape)?)
    }

    unsafe fn forward_strided(
        &self,
        call: &Call<'_>,
        (x, x_layout): (Input, &lrn_jit::Layout<'_>),
        (y, y_layout): (Output, &lrn_jit::Layout<'_>),
    ) -> Result<(), Failure> {
        y.check_apart::<E>(&[x])?;
        // Of y only what the layout says is written, and nothing is read.
        let (x, y) = unsafe { (x.slice::<E>()?, y.slice::<E>()?) };
        Ok(self.with_executor(call.executor).forward_strided(x, x_layout, y, y_layout)?)
    }

    unsafe fn derivative(
        &self,
        call: &Call<'_>,
        which: Derivative,
        inputs: &[Input],
        output: Output,
    ) -> Result<(), Failure> {
        output.check_apart::<E>(inputs)?;
        let layer = self.with_executor(call.executor);
        let input = |index: usize| unsafe { inputs[index].slice::<E>() };
        // Only written, and all of it.
        let output = unsafe { output.slice::<E>()? };
        match which {
            Derivative::Backward => layer.backward_into(input(0)?, input(1)?, call.shape, output)?,
            Derivative::Jvp => layer.jvp_into(input(0)?, input(1)?, call.shape, output)?,
            Derivative::DoubleBackward => {
                layer.double_backward_into(input(0)?, input(1)?, input(2)?, call.shape, output)?
            }
        }
        Ok(())
    }
}

/// From C's arguments to a call.
///
/// # Safety
///
/// Each pointer is NULL or to what its type says: a layer, `rank` extents, an executor.
pub(crate) unsafe fn call(
    layer: *const Layer,
    (shape, rank): (*const usize, usize),
    executor: *const Executor,
    work: impl FnOnce(&dyn Calls, &Call<'_>) -> Result<(), Failure>,
) -> Status {
    border(|| {
        // SAFETY: the caller's.
        unsafe {
            let layer = reference("layer", layer)?;
            let shape = axes("shape", shape, rank)?;
            with_executor(executor, |executor| work(&*layer.calls, &Call { shape, executor }))
        }
    })
}

/// Normalizes x into y, both of `shape` (`rank` extents), without gaps, the last axis innermost. Lengths are in bytes, as malloc is told
/// and sizeof tells, and must be those of the shape. y need not be initialized. y may be x, of the same length, which
/// normalizes where it lies; otherwise the two must not overlap. `executor` may be NULL. On an error y is untouched.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_forward(
    layer: *const Layer,
    shape: *const usize,
    rank: usize,
    x: *const c_void,
    x_bytes: usize,
    y: *mut c_void,
    y_bytes: usize,
    executor: *const Executor,
) -> Status {
    let x = Input { what: "input", data: x, bytes: x_bytes };
    let y = Output { what: "output", data: y, bytes: y_bytes };
    // SAFETY: the caller's.
    unsafe { call(layer, (shape, rank), executor, |layer, call| layer.forward(call, x, y)) }
}

/// Normalizes x where it lies: the same bits as lrn_jit_forward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_forward_in_place(
    layer: *const Layer,
    shape: *const usize,
    rank: usize,
    x: *mut c_void,
    x_bytes: usize,
    executor: *const Executor,
) -> Status {
    let x = Output { what: "input", data: x, bytes: x_bytes };
    // SAFETY: the caller's.
    unsafe { call(layer, (shape, rank), executor, |layer, call| layer.in_place(call, x)) }
}

/// Normalizes elements of x that lie as `x_layout` says into elements of y that lie as `y_layout` says (NULL: without gaps, from the
/// buffer's first element). Lengths are those of the whole buffers, in bytes; no layout may leave its buffer, and the buffers
/// must not overlap. Elements of y outside its layout stay as they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lrn_jit_forward_strided(
    layer: *const Layer,
    shape: *const usize,
    rank: usize,
    x: *const c_void,
    x_bytes: usize,
    x_layout: *const Layout,
    y: *mut c_void,
    y_bytes: usize,
    y_layout: *const Layout,
    executor: *const Executor,
) -> Status {
    let x = Input { what: "input", data: x, bytes: x_bytes };
    let y = Output { what: "output", data: y, bytes: y_bytes };
    let strided = |layer: &dyn Calls, call: &Call<'_>| {
        // SAFETY: the caller's.
        unsafe {
            let x_layout = layout("the input's", call.shape, x_layout)?;
            let y_layout = layout("the output's", call.shape, y_layout)?;
            layer.forward_strided(call, (x, &x_layout), (y, &y_layout))
        }
    };
    // SAFETY: the caller's.
    unsafe { call(layer, (shape, rank), executor, strided) }
}

/// C's layout of a shape.
///
/// # Safety
///
/// Each pointer is NULL or to what its type says: a layout, one stride for each axis.
unsafe fn layout<'a>(whose: &str, shape: &'a [usize], layout: *const Layout) -> Result<lrn_jit::Layout<'a>, Failure> {
    let contiguous = lrn_jit::Layout::contiguous(shape);
    if layout.is_null() {
        return Ok(contiguous);
    }
    // SAFETY: the caller's.
    let layout = unsafe { reference(whose, layout)? };
    if layout.strides.is_null() {
        return Ok(contiguous.at(layout.offset));
    }
    // SAFETY: the caller's.
    let strides = unsafe { axes("strides", layout.strides, shape.len())? };
    Ok(lrn_jit::Layout::strided(shape, strides).at(layout.offset))
}
