//! What is wrong is a status and a text that names what was given and what is allowed; outputs stay as they were.

#[allow(dead_code, reason = "shared with tests that use other parts")]
mod handles;

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use handles::{Built, Configuration, any_constant, last_error, names, result};
use lrn_jit_c::calls::*;
use lrn_jit_c::config::*;
use lrn_jit_c::derivatives::*;
use lrn_jit_c::executor::{Executor, Task};
use lrn_jit_c::layer::*;
use lrn_jit_c::memory::MAX_RANK;
use lrn_jit_c::status::Status;

const SHAPE: [usize; 2] = [2, 3];

fn layer() -> Built {
    Configuration::new(5).build(Type::F32).expect("a layer")
}

#[track_caller]
fn null_of(status: Status, what: &str) {
    names(result(status), Status::NullPointer, &[what, "must not be NULL"]);
}

#[test]
fn null_configurations() {
    let none = null_mut();
    unsafe {
        null_of(lrn_jit_config_set_alpha(none, 1.0), "config");
        null_of(lrn_jit_config_set_beta(none, 1.0), "config");
        null_of(lrn_jit_config_set_k(none, 1.0), "config");
        null_of(lrn_jit_config_set_convention(none, any_constant(0)), "config");
        null_of(lrn_jit_config_set_window(none, 1, 1, 1.0), "config");
        null_of(lrn_jit_config_set_boundary(none, any_constant(0)), "config");
        null_of(lrn_jit_config_set_input_activation(none, any_constant(0)), "config");
        null_of(lrn_jit_config_set_channel_axis(none, 1), "config");
        null_of(lrn_jit_config_set_across_channels(none), "config");
        null_of(lrn_jit_config_set_within_channel(none, 2), "config");
        null_of(lrn_jit_config_set_axes(none, null(), 0), "config");
        null_of(lrn_jit_config_set_backend(none, any_constant(0)), "config");
        null_of(lrn_jit_config_set_width(none, 0), "config");
        let config = Configuration::new(5);
        null_of(lrn_jit_config_set_axes(config.0, null(), 1), "axes");
        null_of(lrn_jit_build(config.0, any_constant(0), null_mut()), "layer");
        let mut layer = std::ptr::dangling_mut();
        null_of(lrn_jit_build(null(), any_constant(0), &raw mut layer), "config");
        assert!(layer.is_null());
        lrn_jit_config_free(none);
    }
}

#[test]
fn null_layers_shapes_and_buffers() {
    let (one, mut two) = ([1.0f32; 6], [7.0f32; 6]);
    let (x, y) = (one.as_ptr().cast::<c_void>(), two.as_mut_ptr().cast::<c_void>());
    let (no_x, no_y, serial, bytes) = (null(), null_mut(), null(), 24);
    let (layer, shape) = (layer(), SHAPE.as_ptr());
    let lrn = layer.0.cast_const();
    unsafe {
        for (lrn, shape, x, y, what) in [
            (null(), shape, x, y, "layer"),
            (lrn, null(), x, y, "shape"),
            (lrn, shape, no_x, y, "input"),
            (lrn, shape, x, no_y, "output"),
        ] {
            null_of(lrn_jit_forward(lrn, shape, 2, x, bytes, y, bytes, serial), what);
            let status = lrn_jit_forward_strided(lrn, shape, 2, x, bytes, null(), y, bytes, null(), serial);
            null_of(status, what);
            null_of(lrn_jit_jvp(lrn, shape, 2, x, bytes, x, bytes, y, bytes, serial), what);
            let what = if what == "output" { "grad_x" } else { what };
            null_of(lrn_jit_backward(lrn, shape, 2, x, bytes, x, bytes, y, bytes, serial), what);
            null_of(lrn_jit_double_backward(lrn, shape, 2, x, bytes, x, bytes, x, bytes, y, bytes, serial), what);
        }
        null_of(lrn_jit_backward(lrn, shape, 2, x, bytes, no_x, bytes, y, bytes, serial), "grad_y");
        null_of(lrn_jit_jvp(lrn, shape, 2, x, bytes, no_x, bytes, y, bytes, serial), "v");
        null_of(lrn_jit_double_backward(lrn, shape, 2, x, bytes, no_x, bytes, x, bytes, y, bytes, serial), "grad_y");
        null_of(lrn_jit_double_backward(lrn, shape, 2, x, bytes, x, bytes, no_x, bytes, y, bytes, serial), "v");
        null_of(lrn_jit_forward_in_place(null(), shape, 2, y, bytes, serial), "layer");
        null_of(lrn_jit_forward_in_place(lrn, null(), 2, y, bytes, serial), "shape");
        null_of(lrn_jit_forward_in_place(lrn, shape, 2, no_y, bytes, serial), "input");
        for text in [lrn_jit_layer_name, lrn_jit_layer_backend, lrn_jit_layer_plan] {
            assert!(text(null()).is_null());
            assert!(last_error().contains("layer must not be NULL"));
        }
        lrn_jit_layer_free(null_mut());
    }
    assert_eq!(two, [7.0; 6]);
}

#[test]
fn constants_that_are_none() {
    let config = Configuration::new(5);
    for number in [-1, 7, i32::MAX, i32::MIN] {
        let status = unsafe { lrn_jit_config_set_convention(config.0, any_constant(number)) };
        names(result(status), Status::Argument, &["convention", "0 to 6", &number.to_string()]);
        let status = unsafe { lrn_jit_config_set_boundary(config.0, any_constant(number)) };
        names(result(status), Status::Argument, &["boundary", "0 to 1", &number.to_string()]);
        let status = unsafe { lrn_jit_config_set_input_activation(config.0, any_constant(number)) };
        names(result(status), Status::Argument, &["activation", "0 to 1", &number.to_string()]);
        let status = unsafe { lrn_jit_config_set_backend(config.0, any_constant(number)) };
        names(result(status), Status::Argument, &["backend", "0 to 4", &number.to_string()]);
        names(config.build_as(number), Status::Argument, &["type", "0 to 3", &number.to_string()]);
    }
    let status = unsafe { lrn_jit_config_set_width(config.0, 64) };
    names(result(status), Status::Argument, &["width", "128, 256 or 512", "64"]);
    // None of it was taken.
    assert!(config.build(Type::F32).is_ok());
}

#[test]
fn parameters_that_make_no_layer() {
    names(Configuration::new(0).build(Type::F32), Status::Config, &["size must be at least 1, got 0"]);
    let config = Configuration::new(4);
    unsafe {
        lrn_jit_config_set_convention(config.0, any_constant(Convention::Caffe as i32));
        names(config.build(Type::F64), Status::Config, &["caffe", "odd", "got 4"]);
        lrn_jit_config_set_convention(config.0, any_constant(Convention::Torch as i32));
        lrn_jit_config_set_beta(config.0, f64::NAN);
        names(config.build(Type::F16), Status::Config, &["beta", "finite", "NaN"]);
        lrn_jit_config_set_beta(config.0, 1.0);
        lrn_jit_config_set_within_channel(config.0, 4);
        names(config.build(Type::Bf16), Status::Config, &["1, 2 or 3 axes", "got 4"]);
        lrn_jit_config_set_axes(config.0, [2, 2].as_ptr(), 2);
        names(config.build(Type::F32), Status::Config, &["axis 2 is named twice"]);
        let status = lrn_jit_config_set_axes(config.0, [0; MAX_RANK + 1].as_ptr(), MAX_RANK + 1);
        names(result(status), Status::Argument, &["axes", "at most 64", "got 65"]);
        lrn_jit_config_set_across_channels(config.0);
        lrn_jit_config_set_window(config.0, 1, 1, 0.0);
        names(config.build(Type::F32), Status::Config, &["divisor", "not be 0"]);
    }
}

#[test]
fn shapes_and_lengths() {
    let layer = layer();
    let (x, mut y) = ([1.0f32; 6], [7.0f32; 6]);
    names(layer.forward(&[6], &x, &mut y), Status::Shape, &["rank 2 or more", "rank 1", "[6]"]);
    names(layer.forward(&[], &x, &mut y), Status::Shape, &["rank 2 or more", "rank 0"]);
    names(layer.forward(&[usize::MAX, 3], &x, &mut y), Status::Shape, &["more elements than memory"]);
    names(layer.forward(&[1; MAX_RANK + 1], &x, &mut y), Status::Argument, &["shape", "at most 64", "got 65"]);
    names(layer.forward(&[2, 4], &x, &mut y), Status::Length, &["input has 6 elements", "[2, 4] has 8"]);
    names(layer.forward(&SHAPE, &x, &mut y[..5]), Status::Length, &["output has 5 elements", "[2, 3] has 6"]);
    names(layer.in_place(&SHAPE, &mut y[1..]), Status::Length, &["input has 5 elements", "[2, 3] has 6"]);
    names(layer.backward(&SHAPE, &x, &x[1..], &mut y), Status::Length, &["grad_y has 5 elements"]);
    names(layer.backward(&SHAPE, &x, &x, &mut y[..4]), Status::Length, &["grad_x has 4 elements"]);
    names(layer.jvp(&SHAPE, &x, &x[..2], &mut y), Status::Length, &["v has 2 elements"]);
    names(layer.double_backward(&SHAPE, [&x, &x, &x[..3]], &mut y), Status::Length, &["v has 3 elements"]);
    assert_eq!(y, [7.0; 6]);

    let config = Configuration::new(5);
    unsafe { lrn_jit_config_set_channel_axis(config.0, 5) };
    let far = config.build(Type::F32).expect("a layer");
    names(far.forward(&SHAPE, &x, &mut y), Status::Shape, &["channel axis 5", "rank 2", "-2 to 1"]);
}

/// Lengths are bytes: a buffer of another type is too short or too long, or no whole number of elements.
#[test]
fn bytes_and_addresses() {
    let double = Configuration::new(5).build(Type::F64).expect("a layer");
    let (x, mut y) = ([1.0f32; 6], [7.0f32; 6]);
    names(double.forward(&SHAPE, &x, &mut y), Status::Length, &["input has 3 elements", "has 6"]);
    names(double.forward(&SHAPE, &x[..5], &mut y), Status::Argument, &["input has 20 bytes", "of 8 bytes"]);
    let layer = layer();
    let bytes = [0u8; 28];
    let odd = bytes.as_ptr().align_offset(4) + 1;
    let at_odd = &bytes[odd..][..24];
    let mut aligned = [0.0f32; 6];
    let mut call = |x: *const u8, x_bytes| {
        let y = aligned.as_mut_ptr().cast();
        result(unsafe { lrn_jit_forward(layer.0, SHAPE.as_ptr(), 2, x.cast(), x_bytes, y, 24, null()) })
    };
    names(call(at_odd.as_ptr(), 24), Status::Argument, &["input", "multiple of 4 bytes"]);
    names(call(at_odd.as_ptr(), usize::MAX - 3), Status::Argument, &["input", "more than"]);
    names(call(null(), usize::MAX - 3), Status::Argument, &["input", "more than"]);
    let status =
        unsafe { lrn_jit_forward_in_place(layer.0, SHAPE.as_ptr(), 2, y.as_mut_ptr().cast(), usize::MAX - 3, null()) };
    names(result(status), Status::Argument, &["input", "more than"]);
}

#[test]
fn overlapping_buffers() {
    let layer = layer();
    let mut buffer: Vec<f32> = (0..18u8).map(f32::from).collect();
    let before = buffer.clone();
    let start = buffer.as_mut_ptr();
    let at = |element: usize| unsafe { start.add(element).cast::<c_void>() };
    let forward = |x: usize, y: usize| {
        result(unsafe { lrn_jit_forward(layer.0, SHAPE.as_ptr(), 2, at(x), 24, at(y), 24, null()) })
    };
    for (x, y) in [(0, 1), (1, 0), (0, 5), (5, 0)] {
        names(forward(x, y), Status::Overlap, &["output must not overlap input", "24 bytes"]);
    }
    let strided = |x: usize, y: usize| {
        let (shape, no) = (SHAPE.as_ptr(), null());
        result(unsafe { lrn_jit_forward_strided(layer.0, shape, 2, at(x), 24, no, at(y), 24, no, null()) })
    };
    for (x, y) in [(0, 0), (0, 5)] {
        names(strided(x, y), Status::Overlap, &["output must not overlap input"]);
    }
    let backward = |x: usize, g: usize, dx: usize| {
        result(unsafe { lrn_jit_backward(layer.0, SHAPE.as_ptr(), 2, at(x), 24, at(g), 24, at(dx), 24, null()) })
    };
    names(backward(0, 6, 0), Status::Overlap, &["grad_x must not overlap input"]);
    names(backward(0, 6, 6), Status::Overlap, &["grad_x must not overlap grad_y"]);
    names(backward(0, 6, 11), Status::Overlap, &["grad_x must not overlap grad_y"]);
    let shape = SHAPE.as_ptr();
    let unequal = unsafe { lrn_jit_forward(layer.0, shape, 2, at(0), 24, at(0), 20, null()) };
    names(result(unequal), Status::Overlap, &["24", "20"]);
    assert_eq!(buffer, before);

    // Beside one another is not overlapping; the same inputs twice, and the same buffer in place, are fine.
    forward(0, 6).expect("apart");
    backward(0, 0, 12).expect("apart");
    forward(0, 0).expect("in place");
    assert_eq!(buffer[..6], buffer[6..12]);
}

#[test]
fn layouts() {
    let layer = layer();
    let (x, mut y) = ([1.0f32; 6], [7.0f32; 6]);
    let layout = |strides: &'static [isize; 2], offset| Layout { strides: strides.as_ptr(), offset };
    let wide = layout(&[4, 1], 0);
    let result = layer.strided(&SHAPE, (&x, &raw const wide), (&mut y, null()));
    names(result, Status::Length, &["input", "element 0 to element 6", "6"]);
    let flipped = layout(&[-3, 1], 2);
    let result = layer.strided(&SHAPE, (&x, null()), (&mut y, &raw const flipped));
    names(result, Status::Length, &["output", "element -1 to element 4"]);
    let broadcast = layout(&[3, 0], 0);
    let result = layer.strided(&SHAPE, (&x, null()), (&mut y, &raw const broadcast));
    names(result, Status::Overlap, &["lie upon one another", "axis 1"]);
    let far = layout(&[isize::MAX, isize::MAX], 1);
    let result = layer.strided(&SHAPE, (&x, &raw const far), (&mut y, null()));
    names(result, Status::Shape, &["input", "further than an address"]);
    let beyond = Layout { strides: null(), offset: 1 };
    let result = layer.strided(&SHAPE, (&x, &raw const beyond), (&mut y, null()));
    names(result, Status::Length, &["input", "element 1 to element 6"]);
    assert_eq!(y, [7.0; 6]);
    layer.strided(&SHAPE, (&x, &raw const broadcast), (&mut y, null())).expect("an input may be broadcast");
}

unsafe extern "C" fn never(_: *mut c_void, _: usize, _: Task, _: *mut c_void) {
    unreachable!("a wrong executor was called");
}

#[test]
fn executors() {
    let layer = layer();
    let (x, mut y) = ([1.0f32; 6], [7.0f32; 6]);
    let mut call = |executor: &Executor| layer.forward_on(&SHAPE, &x, &mut y, executor);
    let none = Executor { threads: 4, run: None, context: null_mut() };
    names(call(&none), Status::NullPointer, &["the executor's run must not be NULL"]);
    let no_threads = Executor { threads: 0, run: Some(never), context: null_mut() };
    names(call(&no_threads), Status::Argument, &["threads", "1 or more", "got 0"]);
    // Of so few elements nothing is handed out.
    call(&Executor { threads: 4, run: Some(never), context: null_mut() }).expect("a small tensor");
}

/// A width that the host lacks, where there is one.
#[test]
fn widths_that_are_not_there() {
    let config = Configuration::new(5);
    unsafe { lrn_jit_config_set_width(config.0, 512) };
    let rust = lrn_jit::LrnConfig::new(5).width(lrn_jit::Width::W512).build();
    match (config.build(Type::F32), rust) {
        (Ok(_), Ok(_)) => {}
        (Err((status, text)), Err(error)) => assert_eq!((status, text), (Status::Compile, error.to_string())),
        (c, rust) => panic!("C: {:?}, Rust: {rust:?}", c.map(|_| ())),
    }
}
