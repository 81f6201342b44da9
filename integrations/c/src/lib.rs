//! The C interface of [`lrn_jit`]: `include/lrn_jit.h` is made of this crate by cbindgen, doc comments included.
//!
//! ```c
//! lrn_jit_config *config = lrn_jit_config_new(5);
//! lrn_jit_layer *layer = NULL;
//! if (lrn_jit_build(config, LRN_JIT_TYPE_F32, &layer) ||
//!     lrn_jit_forward(layer, shape, 4, x, sizeof x, y, sizeof y, NULL))
//!     fprintf(stderr, "%s\n", lrn_jit_last_error());
//! ```
//!
//! Nothing is computed here. A call goes through three rooms:
//!
//! 1. [`status`]: the border. A panic ends there, an error becomes a code and this thread's text.
//! 2. [`memory`]: pointers and lengths become slices, or an error: NULL, unaligned, not a whole number of elements,
//!    overlapping. The only reading of C's memory.
//! 3. [`calls`]: the slices go to the layer. Written once for every element type.
//!
//! What C must keep to, as no library can check it, is said at the top of the header: a pointer that is not NULL is valid for
//! as many elements as are said to be there; a handle is one that this library made and has not freed; what a call writes
//! nobody else uses meanwhile.

#![deny(missing_docs, unsafe_op_in_unsafe_fn)]
#![allow(clippy::missing_safety_doc, reason = "the same for all functions: said above, and in the header, once")]

// In the header's order.
pub mod config;

pub mod layer;

pub mod calls;

pub mod derivatives;

pub mod executor;

pub mod memory;

pub mod status;

use std::ffi::{CStr, c_char};

/// The version, with the NUL that C wants.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The version of the library, as `0.1.0`. Static.
#[unsafe(no_mangle)]
pub extern "C" fn lrn_jit_version() -> *const c_char {
    CStr::from_bytes_with_nul(VERSION.as_bytes()).unwrap_or_default().as_ptr()
}
