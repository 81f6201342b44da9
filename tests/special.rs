//! Special values, as torch has them, for every recipe of beta: jit and interpreter, channels first and last, short and
//! long windows.

mod common;

use common::case::Settings;
use common::measure::{assert_same, ulp, widen, within};
use common::rng::{Data, Rng};
use lrn_jit::Backend;

const BACKENDS: [Backend; 2] = [Backend::Jit, Backend::Interpreter];

/// One beta at least of every recipe.
const BETAS: [f64; 27] = [
    0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.5, 0.1, 0.6, 0.97, 1.3, 2.7, 3.3, -0.25,
    -0.5, -1.0, -1.5, -3.0, -5.0, -7.5,
];
/// Unrolled and from block sums.
const SIZES: [usize; 4] = [1, 5, 16, 17];

const CHANNELS: usize = 41;
const INNER: usize = 7;
const SHAPE: [usize; 3] = [1, CHANNELS, INNER];

fn is_integer(beta: f64) -> bool {
    beta.fract() == 0.0
}

/// Runs [1, CHANNELS, INNER] on both backends, channels first, then permuted to channels last: all the same bits.
fn run(settings: &Settings, x: &[f32]) -> Vec<f32> {
    let expected = settings.layer(Backend::Interpreter, 1).forward(x, &SHAPE).unwrap();
    // Kept, so that the layer with channels last shares its code.
    let jit = settings.layer(Backend::Jit, 1);
    assert_same(&jit.forward(x, &SHAPE).unwrap(), &expected, &format!("{settings:?}"));
    let permuted = |x: &[f32]| -> Vec<f32> { (0..x.len()).map(|i| x[i % CHANNELS * INNER + i / CHANNELS]).collect() };
    for backend in BACKENDS {
        let y = settings.layer(backend, -1).forward(&permuted(x), &[INNER, CHANNELS]).unwrap();
        assert_same(&y, &permuted(&expected), &format!("{settings:?}, {backend}, channels last"));
    }
    expected
}

/// Which outputs of the column of channel `from` have it in their window, by torch's rule.
fn reaches(size: usize, from: usize, to: usize) -> bool {
    from + size / 2 >= to && from <= to + (size - 1) / 2
}

/// Plain data without zeros.
fn plain(seed: u64) -> Vec<f32> {
    let x = Data::Plain.draw(CHANNELS * INNER, seed);
    x.into_iter().map(|x| if x == 0.0 { 1.0 } else { x }).collect()
}

/// Puts `value` at channel 20, position 3, and checks the outputs it reaches; all others keep their bits.
fn with_value(settings: &Settings, value: f32, judge: impl Fn(f32, f32) -> Result<(), String>) {
    let mut x = plain(1);
    let undisturbed = run(settings, &x);
    x[20 * INNER + 3] = value;
    let y = run(settings, &x);
    for (i, (&y, &before)) in y.iter().zip(&undisturbed).enumerate() {
        let (channel, position) = (i / INNER, i % INNER);
        if position == 3 && reaches(settings.size, 20, channel) {
            judge(x[i], y).unwrap_or_else(|error| panic!("{settings:?}, channel {channel}: {error}"));
        } else {
            assert_same(
                &[y],
                &[before],
                &format!("{settings:?}: channel {channel}, position {position} is not reached"),
            );
        }
    }
}

/// Every beta and size, with parameters under which d ≥ k is known and under which it is not.
fn each(mut judge: impl FnMut(Settings)) {
    for beta in BETAS {
        for size in SIZES {
            for k in [1.0, 0.0] {
                judge(Settings::torch(size, 1.0, beta, k));
            }
        }
    }
}

#[test]
fn an_infinite_base_gives_zero_and_infinity_over_it_nan() {
    each(|settings| {
        for infinity in [f32::INFINITY, f32::NEG_INFINITY] {
            with_value(&settings, infinity, |x, y| {
                // x/∞ is a zero of x's sign; a negative beta turns it over.
                let expected = match (settings.beta > 0.0, x.is_infinite()) {
                    (true, true) => f32::NAN,
                    (true, false) => 0f32.copysign(x),
                    (false, _) => f32::INFINITY.copysign(x),
                };
                let same = y.to_bits() == expected.to_bits() || y.is_nan() && expected.is_nan();
                same.then_some(()).ok_or(format!("{y:e} for {x:e}, not {expected:e}"))
            });
        }
    });
}

#[test]
fn nan_gives_nan() {
    each(|settings| {
        for nan in [f32::NAN, -f32::NAN] {
            with_value(&settings, nan, |_, y| y.is_nan().then_some(()).ok_or(format!("{y:e}")));
        }
    });
}

#[test]
fn squares_that_overflow_act_as_an_infinite_base() {
    each(|settings| {
        for huge in [2e19, -3e38] {
            with_value(&settings, huge, |x, y| {
                let expected = if settings.beta > 0.0 { 0.0f32 } else { f32::INFINITY };
                (y == expected.copysign(x)).then_some(()).ok_or(format!("{y:e} for {x:e}"))
            });
        }
    });
}

#[test]
fn zero_over_a_zero_base_is_nan() {
    for beta in BETAS {
        for size in SIZES {
            let settings = Settings::torch(size, 1.0, beta, 0.0);
            for zero in [0.0f32, -0.0] {
                let mut x = vec![zero; CHANNELS * INNER];
                let y = run(&settings, &x);
                let right = |y: f32| if beta > 0.0 { y.is_nan() } else { y == 0.0 };
                assert!(y.iter().copied().all(right), "{settings:?}: {:e}", y[0]);
                // One value: it alone and those it reaches are what the formula says.
                x[20 * INNER + 3] = 1.5;
                let y = run(&settings, &x);
                let own = 1.5 * (1.0 / size as f64 * 2.25).powf(-beta);
                for (i, &y) in y.iter().enumerate() {
                    match i {
                        // The base is rounded twice or thrice, and that counts beta times.
                        143 => assert!(ulp(y, own) <= 5.0 + 1.5 * beta.abs(), "{settings:?}: {y:e} for {own:e}"),
                        _ if i % INNER == 3 && reaches(size, 20, i / INNER) => assert_eq!(y, 0.0, "{settings:?}"),
                        _ => assert!(right(y), "{settings:?}: {y:e}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_subnormal_base_is_right() {
    let rng = &mut Rng::new(4);
    for beta in BETAS {
        for size in SIZES {
            // k is a float, and the squares vanish beside it, so that d is k exactly.
            for bits in [1u32, 3, 1000, 123_456, 0x003f_ffff, 0x007f_ffff] {
                let k = f64::from(f32::from_bits(bits));
                let x: Vec<f32> =
                    (0..CHANNELS * INNER).map(|_| rng.bell() * 10f32.powi(-4 - rng.below(9) as i32)).collect();
                let settings = Settings::torch(size, 1e-40, beta, k);
                let exact: Vec<f64> = x.iter().map(|&x| f64::from(x) * k.powf(-beta)).collect();
                let result = within(&run(&settings, &x), &exact, 5.0);
                result.unwrap_or_else(|error| panic!("{settings:?}: {error}"));
            }
        }
    }
}

#[test]
fn a_negative_base_gives_nan_unless_beta_is_an_integer() {
    for beta in BETAS {
        for size in SIZES {
            for settings in [Settings::torch(size, 1e-4, beta, -1.5), Settings::torch(size, -1e-4, beta, -0.75)] {
                let mut x = plain(2);
                x[5] = 0.0;
                let y = run(&settings, &x);
                if is_integer(beta) {
                    let exact = widen(&settings.layer(Backend::Reference, 1).forward(&x, &SHAPE).unwrap());
                    within(&y, &exact, 6.0).unwrap_or_else(|error| panic!("{settings:?}: {error}"));
                } else {
                    assert!(y.iter().all(|y| y.is_nan()), "{settings:?}: {:e}", y[0]);
                }
            }
        }
    }
}

#[test]
fn beta_0_copies() {
    for (k, alpha) in [(1.0, 1.0), (0.0, 0.0), (-1.0, 1e30)] {
        for data in Data::ALL {
            let x = data.draw(CHANNELS * INNER, 3);
            assert_same(&run(&Settings::torch(5, alpha, 0.0, k), &x), &x, &format!("{data:?}"));
        }
    }
}

#[test]
fn alpha_0_is_one_multiplication() {
    for beta in BETAS {
        for k in [1.0f64, 2.0, 0.3, 14.2] {
            for data in Data::ALL {
                let x = data.draw(CHANNELS * INNER, 3);
                let factor = k.powf(-beta) as f32;
                let expected: Vec<f32> = x.iter().map(|x| x * factor).collect();
                assert_same(&run(&Settings::torch(5, 0.0, beta, k), &x), &expected, &format!("beta {beta}, k {k}"));
            }
        }
    }
}

/// Large values beside small ones: a sum that was ever subtracted from would be all error.
#[test]
fn mixed_magnitudes_stay_right() {
    let rng = &mut Rng::new(5);
    let mut worst = 0.0f64;
    for beta in BETAS {
        for size in [3, 5, 17, 64] {
            let x: Vec<f32> = (0..CHANNELS * INNER)
                .map(|_| if rng.one_in(20) { rng.pick(&[1e4, -1e4]) } else { 1e-3 * rng.bell() })
                .collect();
            let settings = Settings::torch(size, 1.0, beta, 1e-6);
            let exact = widen(&settings.layer(Backend::Reference, 1).forward(&x, &SHAPE).unwrap());
            // The sum's own error counts beta times.
            let limit = 5.0 + 3.0 * beta.abs();
            let errors = within(&run(&settings, &x), &exact, limit);
            let errors = errors.unwrap_or_else(|error| panic!("{settings:?}: {error}"));
            println!("beta {beta:5}, size {size:2}: largest {:6.3} ulp, mean {:.3}", errors.max, errors.mean());
            worst = worst.max(errors.max / limit);
        }
    }
    println!("at most {worst:.3} of the limit");
}
