//! Gradients where it is easy to go wrong: x = 0, NaN and infinity, the relu's mask, empty tensors and slices of the wrong
//! length.

mod common;

use common::case::Settings;
use common::derivative::{Derivative, Inputs, layer};
use common::draw;
use common::gradients::{Judge, Slabs};
use common::measure::{place, scaled, widen};
use common::rng::Rng;
use lrn_jit::{Activation, Backend, Boundary, Convention, Element, LocalResponseNorm, LrnConfig, ShapeError};

const BACKENDS: [Backend; 2] = [Backend::Jit, Backend::Interpreter];

/// How many units of the last place of the scale an f32 result may be off where settings are plain ones.
const LIMIT: f64 = 8.0;

fn tensor(rng: &mut Rng, length: usize) -> Vec<f32> {
    (0..length).map(|_| rng.bell()).collect()
}

fn inputs(rng: &mut Rng, length: usize) -> Inputs<f32> {
    Inputs { x: tensor(rng, length), g: tensor(rng, length), v: tensor(rng, length) }
}

/// With alpha or beta 0 the gradient is a multiple of grad_y, and x is read by nothing.
fn is_inert(settings: &Settings) -> bool {
    settings.alpha == 0.0 || settings.beta == 0.0
}

/// Through y/x or a power of x the gradient would be 0/0 here.
#[test]
fn zeros_in_x_are_no_nan() {
    let rng = &mut Rng::new(21);
    for beta in [0.5, 0.75, 1.0, 0.6, 2.7, 2.0, -0.5] {
        for (size, boundary) in [(1, Boundary::Zero), (4, Boundary::Zero), (5, Boundary::Wrap), (31, Boundary::Zero)] {
            let settings = Settings { boundary, ..Settings::torch(size, 4.0, beta, 0.5) };
            let (judge, slabs) = (Judge::new(&settings, false), Slabs::new(&[2, 40, 5], 1));
            let mut inputs = inputs(rng, 400);
            for all in [false, true] {
                for x in &mut inputs.x {
                    if all || rng.one_in(2) {
                        *x = rng.pick(&[0.0, -0.0]);
                    }
                }
                for backend in BACKENDS {
                    let layer = settings.layer(backend, 1);
                    for derivative in Derivative::ALL {
                        let got = widen(&derivative.run(&layer, &inputs, &[2, 40, 5]));
                        let inputs = inputs.widen();
                        let scale = judge.scale().run(derivative, &inputs, slabs);
                        let errors = scaled::<f32>(&got, &judge.run(derivative, &inputs, slabs), &scale);
                        let Settings { size, beta, .. } = settings;
                        let limit = LIMIT * (1.0 + beta.abs());
                        assert!(errors.max <= limit, "{backend}, {derivative:?}, {size}, {beta}: {errors:?}");
                    }
                }
            }
        }
    }
}

/// Which of the inputs is spoiled.
#[derive(Debug, Clone, Copy)]
enum Which {
    X,
    G,
    V,
}

/// The channels that a derivative of `channel` may read of one of its inputs.
fn reads(judge: &Judge, derivative: Derivative, which: Which, channel: usize, channels: usize) -> Vec<usize> {
    match (derivative, which) {
        (Derivative::Jvp, Which::X | Which::V) => judge.taps(channel, channels),
        (Derivative::Jvp, Which::G) | (Derivative::Backward, Which::V) => vec![],
        (_, Which::G) => judge.holders(channel, channels),
        (_, Which::X | Which::V) => judge.neighbours(channel, channels),
    }
}

/// A NaN or an infinity reaches what reads it and nothing else, bit for bit; and the element itself does not hide a NaN.
fn spoils_only_what_reads_it<E: Element + Into<f64>>(rounds: usize, seed: u64, narrow: impl Fn(f32) -> E) {
    let rng = &mut Rng::new(seed);
    let (mut untouched, mut touched) = (0, 0);
    for _ in 0..rounds {
        let mut settings = draw::tame(rng);
        settings.size = if rng.one_in(2) { settings.size } else { 1 + settings.size % 4 * 2 };
        let channels = rng.pick(&[1, 3, 8, 17, 40, 61, 100]);
        let (outer, inner) = (rng.between(1, 2), rng.pick(&[1, 1, 2, 5, 16, 19]));
        let (shape, slabs) = ([outer, channels, inner], Slabs { outer, channels, inner });
        let judge = Judge::new(&settings, false);
        let clean = inputs(rng, outer * channels * inner);
        let columns: Vec<_> = slabs.columns().collect();
        let column = &columns[rng.below(columns.len())];
        let (channel, value) = (rng.below(channels), rng.pick(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]));
        for backend in BACKENDS {
            let layer = layer::<E>(&settings.config().backend(backend));
            for derivative in Derivative::ALL {
                let expected = derivative.run(&layer, &clean.map(&narrow), &shape);
                for which in [Which::X, Which::G, Which::V] {
                    let mut spoiled = clean.clone();
                    let tensor = match which {
                        Which::X => &mut spoiled.x,
                        Which::G => &mut spoiled.g,
                        Which::V => &mut spoiled.v,
                    };
                    tensor[column[channel]] = value;
                    let got = derivative.run(&layer, &spoiled.map(&narrow), &shape);
                    let mut may = vec![false; got.len()];
                    for c in 0..channels {
                        may[column[c]] = reads(&judge, derivative, which, c, channels).contains(&channel);
                    }
                    for i in 0..got.len() {
                        let (a, b): (f64, f64) = (got[i].into(), expected[i].into());
                        let bits = a.to_bits() == b.to_bits();
                        let what = || {
                            format!(
                                "{backend}, {derivative:?}: {value} in {which:?} at channel {channel} (element {}) of \
                                 {shape:?}: {a:e}, not {b:e} at {i}; {settings:?}",
                                column[channel]
                            )
                        };
                        assert!(may[i] || bits, "{}", what());
                        untouched += usize::from(!may[i]);
                        touched += usize::from(!bits);
                    }
                    let inert = is_inert(&settings);
                    let read = may[column[channel]] && !(inert && matches!(which, Which::X));
                    let seen = !(inert && derivative == Derivative::DoubleBackward);
                    if value.is_nan() && read && seen {
                        let own: f64 = got[column[channel]].into();
                        assert!(own.is_nan(), "{backend}, {derivative:?}: {which:?} hides a NaN, {settings:?}");
                    }
                }
            }
        }
    }
    println!("{touched} elements changed, {untouched} had to stay");
    assert!(touched > 5 * rounds && untouched > 100 * rounds);
}

#[test]
fn nan_and_infinity_stay_in_their_windows_in_f32() {
    spoils_only_what_reads_it::<f32>(150, 22, |x| x);
}

#[test]
fn nan_and_infinity_stay_in_their_windows_in_f64() {
    spoils_only_what_reads_it::<f64>(60, 23, f64::from);
}

/// The relu passes what is above 0 and NaN, as torch's; zeros of either sign and what is below get a gradient of 0.
#[test]
fn the_relu_masks() {
    let rng = &mut Rng::new(24);
    let shape = [3, 24, 7];
    let slabs = Slabs::new(&shape, 1);
    let mut nans = 0;
    for round in 0..60 {
        let settings = draw::tame(rng);
        let mut inputs = inputs(rng, 3 * 24 * 7);
        for x in &mut inputs.x {
            *x = if rng.one_in(3) { rng.pick(&[0.0, -0.0, -1e-40, 1e-40, f32::MIN_POSITIVE]) } else { *x };
        }
        if round % 2 == 0 {
            let at = rng.below(inputs.x.len());
            inputs.x[at] = f32::NAN;
        }
        let judge = Judge::new(&settings, true);
        for backend in BACKENDS {
            let layer: LocalResponseNorm =
                layer(&settings.config().backend(backend).input_activation(Activation::Relu));
            let y = layer.forward(&inputs.x, &shape).unwrap();
            assert!(inputs.x.iter().zip(&y).all(|(&x, &y)| x > 0.0 || x.is_nan() || y == 0.0 || y.is_nan()));
            for derivative in Derivative::ALL {
                let got = derivative.run(&layer, &inputs, &shape);
                let inputs = inputs.widen();
                let exact = judge.run(derivative, &inputs, slabs);
                let scale = judge.scale().run(derivative, &inputs, slabs);
                for i in 0..got.len() {
                    let what = || format!("{backend}, {derivative:?} at {i}, x = {:e}, {settings:?}", inputs.x[i]);
                    if derivative != Derivative::Jvp && inputs.x[i] <= 0.0 {
                        assert!(got[i] == 0.0, "{} passes the mask: {}", got[i], what());
                    }
                    // Where nothing is multiplied by 0, the judge's 0·NaN is no NaN.
                    assert!(
                        got[i].is_nan() == exact[i].is_nan() || is_inert(&settings),
                        "{}, not {}: {}",
                        got[i],
                        exact[i],
                        what()
                    );
                    nans += usize::from(got[i].is_nan());
                    let finite = !got[i].is_nan() && !exact[i].is_nan();
                    let limit = LIMIT * (1.0 + settings.beta.abs()) * place::<f32>(scale[i]);
                    assert!(!finite || (f64::from(got[i]) - exact[i]).abs() <= limit, "{}: {}", got[i], what());
                }
            }
        }
    }
    assert!(nans > 100, "{nans}");
}

#[test]
fn empty_tensors_are_empty() {
    for backend in BACKENDS {
        let layer: LocalResponseNorm = layer(&LrnConfig::new(5).backend(backend));
        let empty = Inputs { x: vec![], g: vec![], v: vec![] };
        for shape in [&[0, 3][..], &[2, 0], &[0, 3, 2], &[2, 0, 3], &[2, 3, 0], &[0, usize::MAX, 2], &[0, 0, 0, 0, 0]] {
            for derivative in Derivative::ALL {
                assert_eq!(derivative.run(&layer, &empty, shape), [0.0f32; 0], "{derivative:?} of {shape:?}");
            }
            layer.backward_into(&[], &[], shape, &mut []).unwrap();
            layer.jvp_into(&[], &[], shape, &mut []).unwrap();
            layer.double_backward_into(&[], &[], &[], shape, &mut []).unwrap();
        }
    }
}

/// Calls every function with slices of these lengths; what each said of them.
fn call(
    layer: &LocalResponseNorm,
    lengths: [usize; 4],
    shape: &[usize],
) -> Vec<(&'static str, Result<(), ShapeError>)> {
    let [x, g, v, out] = lengths.map(|length| vec![1.0f32; length]);
    let mut into = out.clone();
    let results = vec![
        ("backward", layer.backward(&x, &g, shape).map(|_| ())),
        ("backward_into", layer.backward_into(&x, &g, shape, &mut into)),
        ("jvp", layer.jvp(&x, &v, shape).map(|_| ())),
        ("jvp_into", layer.jvp_into(&x, &v, shape, &mut into)),
        ("double_backward", layer.double_backward(&x, &g, &v, shape).map(|_| ())),
        ("double_backward_into", layer.double_backward_into(&x, &g, &v, shape, &mut into)),
    ];
    let failed = results.iter().all(|(name, result)| !name.ends_with("_into") || result.is_err());
    assert!(!failed || into == out, "an output was touched in spite of an error");
    results
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let layer = LocalResponseNorm::new(5).unwrap();
    for (name, result) in call(&layer, [3; 4], &[3]) {
        assert_eq!(result, Err(ShapeError::Rank { rank: 1, shape: vec![3] }), "{name}");
    }
    for (name, result) in call(&layer, [0; 4], &[1 << 32, 1 << 32]) {
        assert_eq!(result, Err(ShapeError::Overflow { shape: vec![1 << 32; 2] }), "{name}");
    }
    let last = LrnConfig::new(5).channel_axis(2).build().unwrap();
    for (name, result) in call(&last, [6; 4], &[2, 3]) {
        assert_eq!(result, Err(ShapeError::ChannelAxis { axis: 2, rank: 2 }), "{name}");
    }
}

#[test]
fn lengths_that_do_not_fit_are_named() {
    let layer = LocalResponseNorm::new(5).unwrap();
    let shape = [1, 3, 2];
    let right = [6; 4];
    assert!(call(&layer, right, &shape).into_iter().all(|(_, result)| result.is_ok()));
    for length in [0, 5, 7, 12] {
        // x, grad_y, v, the output; and which functions have one.
        for (at, what, names) in [
            (0, "input", &["backward", "jvp", "double_backward"][..]),
            (1, "grad_y", &["backward", "double_backward"]),
            (2, "v", &["jvp", "double_backward"]),
            (3, "", &["backward_into", "jvp_into", "double_backward_into"]),
        ] {
            let mut lengths = right;
            lengths[at] = length;
            for (name, result) in call(&layer, lengths, &shape) {
                let takes_it = names.contains(&name) || at < 3 && names.contains(&name.trim_end_matches("_into"));
                if !takes_it {
                    assert_eq!(result, Ok(()), "{name} has no {what}");
                    continue;
                }
                let error = result.unwrap_err();
                let message = error.to_string();
                assert!(message.contains(what) && message.contains(&format!("{length} elements")), "{name}: {message}");
                let ShapeError::Length { what: given, actual, expected, shape: of } = error else {
                    panic!("{name}: {error:?}");
                };
                assert!(given == what || what.is_empty(), "{name}: {given} instead of {what}");
                assert_eq!((actual, expected, &of[..]), (length, 6, &shape[..]), "{name}");
            }
        }
    }
}

/// The layers of an even window, on a ring, at the ends: a tensor too small for any vector.
#[test]
fn single_elements() {
    for (convention, boundary) in [(Convention::Torch, Boundary::Zero), (Convention::Symmetric, Boundary::Wrap)] {
        let settings = Settings { convention, boundary, ..Settings::torch(4, 4.0, 0.75, 1.0) };
        let (judge, slabs) = (Judge::new(&settings, false), Slabs::new(&[1, 1], 1));
        let inputs = Inputs { x: vec![1.5f32], g: vec![-2.0], v: vec![0.25] };
        for backend in BACKENDS {
            for derivative in Derivative::ALL {
                let got = widen(&derivative.run(&settings.layer(backend, 1), &inputs, &[1, 1]));
                let exact = judge.run(derivative, &inputs.widen(), slabs);
                let scale = judge.scale().run(derivative, &inputs.widen(), slabs);
                let errors = scaled::<f32>(&got, &exact, &scale);
                assert!(errors.max <= LIMIT, "{backend}, {derivative:?}: {got:?}, not {exact:?}");
            }
        }
    }
}
