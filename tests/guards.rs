//! The suite can fail: the ruler that judges golden and special cases rejects kernels that are wrong in the usual ways.

mod common;

use common::golden::{Golden, cases};
use common::measure::{measure, ulp, within};
use common::rng::{Data, Rng};
use lrn_jit::{Backend, Convention};

use common::case::Settings;

/// The tolerance of the golden and special tests, generously.
const LIMIT: f64 = 16.0;

/// The formula in f64, with everything that a kernel can get wrong left open.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    before: usize,
    after: usize,
    divisor: f64,
    alpha: f64,
    beta: f64,
    k: f64,
    /// Whether sums run along the channels in f32: add the new tap, subtract the old one.
    running: bool,
}

impl Kernel {
    fn torch(settings: &Settings) -> Self {
        let &Settings { size, alpha, beta, k, .. } = settings;
        Self { before: size / 2, after: (size - 1) / 2, divisor: size as f64, alpha, beta, k, running: false }
    }

    fn run(&self, x: &[f32], shape: &[usize], axis: isize) -> Vec<f32> {
        let Self { before, after, divisor, alpha, beta, k, running } = *self;
        let axis = axis.rem_euclid(shape.len() as isize) as usize;
        let (channels, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let mut y = vec![0.0; x.len()];
        for column in 0..x.len() / channels {
            let at = |c: usize| (column / inner * channels + c) * inner + column % inner;
            let mut sum = 0.0f32;
            (0..after.min(channels)).for_each(|c| sum += x[at(c)] * x[at(c)]);
            for c in 0..channels {
                let window = c.saturating_sub(before)..channels.min(c + after + 1);
                let mut exact: f64 = window.map(|j| f64::from(x[at(j)]).powi(2)).sum();
                if running {
                    if c + after < channels {
                        sum += x[at(c + after)] * x[at(c + after)];
                    }
                    if c > before {
                        sum -= x[at(c - before - 1)] * x[at(c - before - 1)];
                    }
                    exact = sum.into();
                }
                y[at(c)] = (f64::from(x[at(c)]) * (k + alpha / divisor * exact).powf(-beta)) as f32;
            }
        }
        y
    }
}

/// Golden cases in which every part of the formula shows.
fn strong() -> Vec<Golden> {
    let strong = |golden: &Golden| {
        let Settings { size, alpha, beta, k, .. } = golden.settings;
        let channels = golden.shape[golden.axis.rem_euclid(golden.shape.len() as isize) as usize];
        !golden.is_special()
            && alpha >= 1.0
            && beta != 0.0
            && size > 1
            && channels > 1
            && !golden.x.is_empty()
            && k < 14.0
    };
    let strong: Vec<_> = cases().into_iter().filter(strong).collect();
    assert!(strong.len() > 35, "{}", strong.len());
    strong
}

/// Runs a wrong kernel on the strong cases: how many there are that `applies` to, and the names of those that it passes.
fn passes(applies: impl Fn(&Golden) -> bool, wrong: impl Fn(&Golden) -> Vec<f32>) -> (usize, Vec<String>) {
    let (mut count, mut passed) = (0, vec![]);
    for golden in strong().into_iter().filter(applies) {
        count += 1;
        passed.extend(within(&wrong(&golden), &golden.y64, LIMIT).is_ok().then_some(golden.name));
    }
    (count, passed)
}

fn run(kernel: Kernel, golden: &Golden) -> Vec<f32> {
    kernel.run(&golden.x, &golden.shape, golden.axis)
}

const NONE: [String; 0] = [];

#[test]
fn the_right_kernel_passes() {
    for golden in strong() {
        let y = run(Kernel::torch(&golden.settings), &golden);
        within(&y, &golden.y64, 0.500_001).unwrap_or_else(|error| panic!("{}: {error}", golden.name));
    }
}

#[test]
fn identity_is_rejected() {
    let (count, passed) = passes(|_| true, |golden| golden.x.clone());
    assert!(count > 35);
    assert_eq!(passed, NONE);
}

#[test]
fn a_mirrored_window_is_rejected() {
    // Even sizes whose window is not the whole tensor anyway.
    let even = |golden: &Golden| golden.settings.size.is_multiple_of(2) && !golden.name.ends_with("over_c");
    let mirrored = |golden: &Golden| {
        let right = Kernel::torch(&golden.settings);
        run(Kernel { before: right.after, after: right.before, ..right }, golden)
    };
    let (count, passed) = passes(even, mirrored);
    assert!(count > 8, "{count}");
    assert_eq!(passed, NONE);
    // This library's own even windows, by ONNX's rule where torch's is asked for.
    let onnx = |golden: &Golden| {
        let settings = Settings { convention: Convention::Onnx, ..golden.settings.clone() };
        settings.layer(Backend::Jit, golden.axis).forward(&golden.x, &golden.shape).unwrap()
    };
    assert_eq!(passes(even, onnx).1, NONE);
}

#[test]
fn a_window_one_tap_off_is_rejected() {
    let within_channels = |golden: &Golden| {
        !golden.name.contains("over_c") && golden.settings.size < 30 && golden.name != "openvino_iota"
    };
    for (before, after) in [(1, 0), (0, 1)] {
        let wider = |golden: &Golden| {
            let right = Kernel::torch(&golden.settings);
            run(Kernel { before: right.before + before, after: right.after + after, ..right }, golden)
        };
        let (count, passed) = passes(within_channels, wider);
        assert!(count > 25, "{count}");
        assert!(passed.iter().all(|name| name == "tflite_r20_half"), "{passed:?}");
    }
}

#[test]
fn a_wrong_divisor_is_rejected() {
    let no_divisor = |golden: &Golden| run(Kernel { divisor: 1.0, ..Kernel::torch(&golden.settings) }, golden);
    assert_eq!(passes(|_| true, no_divisor).1, NONE);
    let one_more = |golden: &Golden| {
        let right = Kernel::torch(&golden.settings);
        run(Kernel { divisor: right.divisor + 1.0, ..right }, golden)
    };
    assert_eq!(passes(|_| true, one_more).1, NONE);
}

#[test]
fn a_clipped_divisor_is_rejected() {
    // As count_include_pad=False would have it: alpha over the taps that are there. Interior channels are right.
    let clipped = |golden: &Golden| {
        let right = Kernel::torch(&golden.settings);
        let axis = golden.axis.rem_euclid(golden.shape.len() as isize) as usize;
        let channels = golden.shape[axis];
        let mut y = run(right, golden);
        let divisor = channels.min(right.after + 1) as f64;
        let edge = run(Kernel { divisor, ..right }, golden);
        let inner: usize = golden.shape[axis + 1..].iter().product();
        for i in (0..y.len()).filter(|i| (i / inner).is_multiple_of(channels)) {
            y[i] = edge[i];
        }
        y
    };
    assert_eq!(passes(|_| true, clipped).1, NONE);
}

#[test]
fn a_wrong_beta_alpha_or_k_is_rejected() {
    let beta = |golden: &Golden| {
        let right = Kernel::torch(&golden.settings);
        run(Kernel { beta: right.beta + 1e-3, ..right }, golden)
    };
    assert_eq!(passes(|_| true, beta).1, NONE);
    let alpha = |golden: &Golden| {
        let right = Kernel::torch(&golden.settings);
        run(Kernel { alpha: right.alpha * 1.001, ..right }, golden)
    };
    assert_eq!(passes(|_| true, alpha).1, NONE);
    let k = |golden: &Golden| {
        let right = Kernel::torch(&golden.settings);
        run(Kernel { k: right.k * 1.001, ..right }, golden)
    };
    // Where k is 0 or far below the squares it does not show.
    let (count, passed) = passes(|golden| golden.settings.k >= 0.5, k);
    assert!(count > 25, "{count}");
    assert_eq!(passed, NONE);
}

#[test]
fn running_sums_are_rejected() {
    let running = |golden: &Golden| run(Kernel { running: true, ..Kernel::torch(&golden.settings) }, golden);
    let (count, passed) = passes(|golden| golden.name.starts_with("mixed_"), running);
    assert_eq!((count, passed), (5, vec![]));
    // With values of one size they pass: only mixed ones show them.
    let golden = strong().into_iter().find(|golden| golden.name == "onednn_n7").unwrap();
    assert!(within(&running(&golden), &golden.y64, LIMIT).is_ok());
    // One NaN ruins all that follow.
    let shape = [1, 40];
    let mut x: Vec<f32> = Data::Plain.draw(40, 1);
    x[10] = f32::NAN;
    let settings = Settings::torch(5, 1.0, 0.75, 1.0);
    let y = Kernel { running: true, ..Kernel::torch(&settings) }.run(&x, &shape, 1);
    assert_eq!(y.iter().filter(|y| y.is_nan()).count(), 40 - 8);
    let y = settings.layer(Backend::Jit, 1).forward(&x, &shape).unwrap();
    assert_eq!(y.iter().filter(|y| y.is_nan()).count(), 5);
}

/// Random data at strong alpha, seen by the library's own reference: a thousandth of beta shows in every recipe.
#[test]
fn a_wrong_beta_shows_on_random_data() {
    let rng = &mut Rng::new(3);
    for beta in [0.25, 0.5, 0.75, 1.0, 0.6, 1.3, 2.0, 3.0, 5.0, -0.5, -1.0] {
        let shape = [2, 24, 9];
        let x = Data::Plain.draw(shape.iter().product(), rng.next());
        let run = |beta, backend| Settings::torch(5, 10.0, beta, 1.0).layer(backend, 1).forward(&x, &shape).unwrap();
        let exact = common::measure::widen(&run(beta, Backend::Reference));
        within(&run(beta, Backend::Jit), &exact, LIMIT).unwrap_or_else(|error| panic!("beta {beta}: {error}"));
        assert!(within(&run(beta + 1e-3, Backend::Jit), &exact, LIMIT).is_err(), "beta {beta}");
    }
}

#[test]
fn the_ruler_says_no() {
    assert_eq!(ulp(1.0, 1.0), 0.0);
    assert_eq!(ulp(f32::from_bits(0x3f80_0003), 1.0), 3.0);
    assert_eq!(ulp(-1.0, 1.0), f64::from(1 << 24));
    assert_eq!(ulp(1e-45, 0.0), 1.0);
    assert_eq!(ulp(-0.0, 0.0), 0.0);
    assert_eq!(ulp(0.0, 1.0), f64::from(1 << 23));
    assert!(ulp(1.0, 0.0) > 1e30);
    for (got, exact) in [
        (f32::NAN, 1.0),
        (1.0, f64::NAN),
        (f32::INFINITY, f64::NAN),
        (f32::NAN, f64::INFINITY),
        (f32::NEG_INFINITY, f64::INFINITY),
        (f32::MAX, f64::INFINITY),
    ] {
        assert_eq!(ulp(got, exact), f64::INFINITY, "{got} for {exact}");
    }
    assert!(ulp(f32::INFINITY, 1.0) > 1e30);
    assert_eq!(ulp(f32::INFINITY, 1e60), 0.0);
    assert_eq!(ulp(f32::NAN, f64::NAN), 0.0);
    let errors = measure(&[1.0, 2.0, f32::NAN], &[1.0, 2.0, 3.0]);
    assert_eq!((errors.max, errors.at, errors.mean()), (f64::INFINITY, 2, f64::INFINITY));
    assert!(within(&[f32::NAN], &[1.0], 1e30).is_err());
}
