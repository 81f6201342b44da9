//! What C gets is what Rust gets, bit for bit: every type, every setting, forward (also in place and strided) and all derivatives.

#[allow(dead_code, reason = "shared with tests that use other parts")]
mod handles;

use half::{bf16, f16};
use handles::{Configuration, any_constant, text};
use lrn_jit::{Element, LrnConfig, Window};
use lrn_jit_c::calls::Layout;
use lrn_jit_c::config::*;
use lrn_jit_c::layer::{Type, lrn_jit_layer_backend, lrn_jit_layer_name, lrn_jit_layer_plan};
use lrn_jit_c::lrn_jit_version;
use lrn_jit_c::status::Status;

/// An element that numbers are made into, and whose bits are compared.
trait Number: Element {
    const TYPE: Type;
    fn from_f64(value: f64) -> Self;
    fn bits(self) -> u64;
}

macro_rules! numbers {
    ($($number:ident: $type:ident, $from:expr;)*) => {$(
        impl Number for $number {
            const TYPE: Type = Type::$type;
            fn from_f64(value: f64) -> Self {
                $from(value)
            }
            fn bits(self) -> u64 {
                self.to_bits().into()
            }
        }
    )*};
}

numbers! {
    f32: F32, |value| value as f32;
    f64: F64, |value| value;
    f16: F16, f16::from_f64;
    bf16: Bf16, bf16::from_f64;
}

/// Numbers between −4 and 4, in no order.
fn numbers<E: Number>(seed: u64, length: usize) -> Vec<E> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        E::from_f64((state >> 11) as f64 / (1u64 << 50) as f64 - 4.0)
    };
    (0..length).map(|_| next()).collect()
}

#[track_caller]
fn same<E: Number>(ours: &[E], theirs: &[E], what: &str) {
    assert_eq!(ours.len(), theirs.len());
    let differs = ours.iter().zip(theirs).position(|(a, b)| a.bits() != b.bits());
    assert_eq!(differs, None, "{what}, {}", E::NAME);
}

const SHAPE: [usize; 4] = [2, 7, 5, 6];

/// Every call of a configuration, beside Rust's.
fn check<E: Number>(config: &Configuration, rust: &LrnConfig, what: &str) {
    let layer = config.build(E::TYPE).expect(what);
    let lrn = rust.build_for::<E>().expect(what);
    let length = SHAPE.iter().product();
    let [x, g, v] = [1, 2, 3].map(|seed| numbers::<E>(seed, length));
    let mut y = numbers::<E>(9, length);

    let expected = lrn.forward(&x, &SHAPE).expect(what);
    assert!(expected.iter().zip(&x).any(|(y, x)| y.bits() != x.bits()), "{what}: nothing was done");
    layer.forward(&SHAPE, &x, &mut y).expect(what);
    same(&y, &expected, what);

    let mut y = x.clone();
    layer.in_place(&SHAPE, &mut y).expect(what);
    same(&y, &expected, what);

    // Into every second column of an output twice as wide, rows upside down.
    let mut wide = numbers::<E>(4, 2 * length);
    let mut rust_wide = wide.clone();
    let strides = [420, 60, -12, 2];
    let layout = Layout { strides: strides.as_ptr(), offset: 49 };
    layer.strided(&SHAPE, (&x, std::ptr::null()), (&mut wide, &raw const layout)).expect(what);
    let rust_layout = lrn_jit::Layout::strided(&SHAPE, &strides).at(49);
    lrn.forward_strided(&x, &lrn_jit::Layout::contiguous(&SHAPE), &mut rust_wide, &rust_layout).expect(what);
    same(&wide, &rust_wide, what);

    // An offset alone.
    let tail = Layout { strides: std::ptr::null(), offset: length };
    layer.strided(&SHAPE, (&x, std::ptr::null()), (&mut wide, &raw const tail)).expect(what);
    same(&wide[length..], &expected, what);

    layer.backward(&SHAPE, &x, &g, &mut y).expect(what);
    same(&y, &lrn.backward(&x, &g, &SHAPE).expect(what), what);
    layer.jvp(&SHAPE, &x, &v, &mut y).expect(what);
    same(&y, &lrn.jvp(&x, &v, &SHAPE).expect(what), what);
    layer.double_backward(&SHAPE, [&x, &g, &v], &mut y).expect(what);
    same(&y, &lrn.double_backward(&x, &g, &v, &SHAPE).expect(what), what);

    let texts = unsafe { [lrn_jit_layer_name(layer.0), lrn_jit_layer_backend(layer.0), lrn_jit_layer_plan(layer.0)] };
    let rust_texts = [lrn.to_string(), lrn.backend().to_string(), lrn.plan().to_string()];
    assert_eq!(texts.map(text), rust_texts, "{what}");
}

/// A setting, in C and in Rust, over alpha 2 and k 0.5, with which windows count.
fn setting(what: &str, set: impl Fn(*mut Config) -> Status, rust: impl Fn(LrnConfig) -> LrnConfig) {
    let config = Configuration::new(5);
    unsafe {
        assert_eq!(lrn_jit_config_set_alpha(config.0, 2.0), Status::Ok);
        assert_eq!(lrn_jit_config_set_k(config.0, 0.5), Status::Ok);
    }
    assert_eq!(set(config.0), Status::Ok, "{what}");
    let rust = rust(LrnConfig::new(5).alpha(2.0).k(0.5));
    check::<f32>(&config, &rust, what);
    check::<f64>(&config, &rust, what);
    check::<f16>(&config, &rust, what);
    check::<bf16>(&config, &rust, what);
}

#[test]
fn numbers_and_windows() {
    setting("as it is", |_| Status::Ok, |rust| rust);
    setting("beta", |config| unsafe { lrn_jit_config_set_beta(config, 1.3) }, |rust| rust.beta(1.3));
    let window = lrn_jit::Convention::Window(Window { before: 3, after: 0, divisor: 2.0 });
    let set = |config| unsafe { lrn_jit_config_set_window(config, 3, 0, 2.0) };
    setting("window", set, |rust| rust.convention(window));
    let wrap = |config| unsafe { lrn_jit_config_set_boundary(config, any_constant(Boundary::Wrap as i32)) };
    setting("wrap", wrap, |rust| rust.boundary(lrn_jit::Boundary::Wrap));
}

#[test]
fn regions() {
    let set = |config| unsafe { lrn_jit_config_set_channel_axis(config, -1) };
    setting("channels last", set, |rust| rust.channel_axis(-1));
    let set = |config| unsafe { lrn_jit_config_set_within_channel(config, 2) };
    setting("within a channel", set, |rust| rust.within_channel(2));
    let set = |config| unsafe { lrn_jit_config_set_axes(config, [-3, 3].as_ptr(), 2) };
    setting("axes", set, |rust| rust.over_axes(&[-3, 3]));
    let set = |config| unsafe { lrn_jit_config_set_axes(config, std::ptr::null(), 0) };
    setting("no axes", set, |rust| rust.over_axes(&[]));
    let back = |config| unsafe {
        lrn_jit_config_set_within_channel(config, 1);
        lrn_jit_config_set_across_channels(config)
    };
    setting("across channels again", back, |rust| rust.within_channel(1).across_channels());
}

#[test]
fn relu_is_fused_forward_and_backward() {
    let set = |config| unsafe { lrn_jit_config_set_input_activation(config, any_constant(Activation::Relu as i32)) };
    setting("ReLU", set, |rust| rust.input_activation(lrn_jit::Activation::Relu));
}

#[test]
fn widths_and_backends() {
    for (bits, width) in [(0, lrn_jit::Width::Auto), (128, lrn_jit::Width::W128)] {
        let set = move |config| unsafe { lrn_jit_config_set_width(config, bits) };
        setting(&format!("width {bits}"), set, |rust| rust.width(width));
    }
    use lrn_jit::Backend as Rust;
    for (backend, rust_backend) in [
        (Backend::Interpreter, Rust::Interpreter),
        (Backend::Generic, Rust::Generic),
        (Backend::GenericPowf, Rust::GenericPowf),
        (Backend::Reference, Rust::Reference),
    ] {
        let set = move |config| unsafe { lrn_jit_config_set_backend(config, any_constant(backend as i32)) };
        setting(&format!("{backend:?}"), set, |rust| rust.backend(rust_backend));
    }
}

#[test]
fn conventions_with_their_defaults() {
    use lrn_jit::Convention as Rust;
    for (convention, rust_convention) in [
        (Convention::Torch, Rust::Torch),
        (Convention::Onnx, Rust::Onnx),
        (Convention::Tensorflow, Rust::TensorFlow),
        (Convention::Caffe, Rust::Caffe),
        (Convention::Cudnn, Rust::Cudnn),
        (Convention::Onednn, Rust::OneDnn),
        (Convention::Symmetric, Rust::Symmetric),
    ] {
        let odd_only = matches!(convention, Convention::Tensorflow | Convention::Caffe);
        let size = if odd_only { 3 } else { 4 };
        let config = Configuration::new(size);
        let status = unsafe { lrn_jit_config_set_convention(config.0, any_constant(convention as i32)) };
        assert_eq!(status, Status::Ok);
        check::<f64>(&config, &LrnConfig::new(size).convention(rust_convention), &format!("{convention:?}"));
    }
}

/// A layer outlives its configuration, and an empty tensor needs no memory.
#[test]
fn lifetimes_and_nothing() {
    let config = Configuration::new(5);
    let layer = config.build(Type::F32).expect("a layer");
    drop(config);
    let (mut y, x) = ([0.0; 4], [1.0f32; 4]);
    layer.forward(&[1, 4], &x, &mut y).expect("a shape");
    let expected = LrnConfig::new(5).build().expect("a layer").forward(&x, &[1, 4]).expect("a shape");
    assert_eq!(y.to_vec(), expected);

    let (shape, null) = ([0usize, 4], std::ptr::null_mut());
    let status =
        unsafe { lrn_jit_c::calls::lrn_jit_forward(layer.0, shape.as_ptr(), 2, null, 0, null, 0, std::ptr::null()) };
    assert_eq!(status, Status::Ok);
}

#[test]
fn the_version_is_this_crates() {
    assert_eq!(text(lrn_jit_version()), env!("CARGO_PKG_VERSION"));
}
