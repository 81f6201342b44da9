//! Channels on a ring, and windows of every convention, against a loop over every single tap in f64.

mod common;

use common::measure::within;
use common::rng::Rng;
use lrn_jit::{Backend, Boundary, Convention, LrnConfig, Window};

/// `y` of a column of channels, tap by tap: no clipping, no multiplicities, no shared code.
fn tap_by_tap(x: &[f32], window: Window, boundary: Boundary, (alpha, beta, k): (f64, f64, f64)) -> Vec<f64> {
    let count = x.len() as i64;
    let at = |channel: i64| match boundary {
        Boundary::Wrap => f64::from(x[channel.rem_euclid(count) as usize]),
        Boundary::Zero if (0..count).contains(&channel) => f64::from(x[channel as usize]),
        Boundary::Zero => 0.0,
    };
    let output = |c: i64| {
        let taps = c - window.before as i64..=c + window.after as i64;
        let sum: f64 = taps.map(|tap| at(tap) * at(tap)).sum();
        at(c) * (k + alpha / window.divisor * sum).powf(-beta)
    };
    (0..count).map(output).collect()
}

#[test]
fn rings_and_raw_windows_are_what_they_say() {
    let mut rng = Rng::new(7);
    for round in 0..400 {
        let channels = rng.between(1, 40);
        let (before, after) = (rng.between(0, 45), rng.between(0, 45));
        let window = Window { before, after, divisor: 0.5 + 10.0 * rng.unit() };
        let boundary = if round % 2 == 0 { Boundary::Wrap } else { Boundary::Zero };
        let (alpha, beta, k) = (10.0 * rng.unit() + 0.1, [0.75, 0.5, 1.0, 0.6, 1.7][round % 5], 0.1 + rng.unit());
        let x: Vec<f32> = (0..channels).map(|_| rng.bell()).collect();
        let expected = tap_by_tap(&x, window, boundary, (alpha, beta, k));
        for backend in [Backend::Jit, Backend::Interpreter, Backend::Generic, Backend::Reference] {
            let config = LrnConfig::window(window).alpha(alpha).beta(beta).k(k).boundary(boundary);
            let y = config.backend(backend).build().unwrap().forward(&x, &[1, channels]).unwrap();
            let limit = if backend == Backend::Generic { 16.0 } else { 8.0 };
            let case = || format!("{backend}: {window:?}, {boundary:?}, {channels} channels, beta {beta}");
            within(&y, &expected, limit).unwrap_or_else(|error| panic!("{}: {error}", case()));
        }
    }
}

#[test]
fn a_ring_of_few_channels_is_met_many_times() {
    // A thousand million taps over four channels: each counts a quarter of them.
    let x = [1.0f32, 2.0, 3.0, 4.0];
    let lrn = LrnConfig::new(1_000_000_000).alpha(1.0).boundary(Boundary::Wrap).build().unwrap();
    let expected: Vec<f64> = x.iter().map(|&x| f64::from(x) * (1.0f64 + 30.0 / 4.0).powf(-0.75)).collect();
    within(&lrn.forward(&x, &[1, 4]).unwrap(), &expected, 4.0).unwrap();
}

/// Which channels count, by an impulse in one channel and a probe in another.
#[test]
fn even_windows_lean_as_their_system_leans() {
    for (convention, size, before, after) in [
        (Convention::Torch, 4, 2, 1),
        (Convention::Onnx, 4, 1, 2),
        (Convention::Cudnn, 4, 1, 2),
        (Convention::OneDnn, 4, 1, 1),
        (Convention::Symmetric, 4, 2, 2),
        (Convention::TensorFlow, 5, 2, 2),
        (Convention::Caffe, 5, 2, 2),
    ] {
        let lrn = LrnConfig::new(size).convention(convention).alpha(1.0).k(1.0).beta(1.0).build().unwrap();
        let probe = |impulse: usize| {
            let mut x = [0.0f32; 9];
            x[4] = 1.0;
            x[impulse] = 100.0;
            lrn.forward(&x, &[1, 9]).unwrap()[4] < 0.1
        };
        for distance in 1..=4 {
            assert_eq!(probe(4 - distance), distance <= before, "{convention}: {distance} before");
            assert_eq!(probe(4 + distance), distance <= after, "{convention}: {distance} after");
        }
    }
}
