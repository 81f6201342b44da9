//! Special values, as torch has them, for every recipe of beta: jit and interpreter, channels first and last, short and
//! long windows.

mod common;

use common::case::Settings;
use common::compare::BACKENDS;
use common::measure::{assert_same, ulp, widen, within};
use common::real::Real;
use common::rng::{Data, Rng};
use half::{bf16, f16};
use lrn_jit::Backend;
use lrn_jit::plan::Formula;

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
fn run<E: Real>(settings: &Settings, x: &[E]) -> Vec<E> {
    let expected = settings.layer(Backend::Interpreter, 1).forward(x, &SHAPE).unwrap();
    // Kept, so that the layer with channels last shares its code.
    let jit = settings.layer(Backend::Jit, 1);
    assert_same(&jit.forward(x, &SHAPE).unwrap(), &expected, &format!("{settings:?}"));
    let permuted = |x: &[E]| -> Vec<E> { (0..x.len()).map(|i| x[i % CHANNELS * INNER + i / CHANNELS]).collect() };
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
fn plain<E: Real>(seed: u64) -> Vec<E> {
    let x: Vec<E> = Data::Plain.draw(CHANNELS * INNER, seed);
    x.into_iter().map(|x| if x.value() == 0.0 { E::near(1.0) } else { x }).collect()
}

/// Puts `value` at channel 20, position 3, and checks the outputs it reaches; all others keep their bits.
fn with_value<E: Real>(settings: &Settings, value: f64, judge: impl Fn(f64, f64) -> Result<(), String>) {
    let mut x = plain::<E>(1);
    let undisturbed = run(settings, &x);
    x[20 * INNER + 3] = E::near(value);
    let y = run(settings, &x);
    for (i, (&y, &before)) in y.iter().zip(&undisturbed).enumerate() {
        let (channel, position) = (i / INNER, i % INNER);
        if position == 3 && reaches(settings.size, 20, channel) {
            let judged = judge(x[i].value(), y.value());
            judged.unwrap_or_else(|error| panic!("{} {settings:?}, channel {channel}: {error}", E::NAME));
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

/// A test of every number.
macro_rules! of_all_numbers {
    ($test:ident) => {{
        $test::<f32>();
        $test::<f64>();
        $test::<f16>();
        $test::<bf16>();
    }};
}

/// ∞ and a square that overflows as one: x over it is a zero of x's sign; a negative beta turns it over.
fn over_infinity(settings: &Settings, x: f64) -> f64 {
    if settings.beta > 0.0 { 0f64.copysign(x) } else { f64::INFINITY.copysign(x) }
}

fn an_infinite_base<E: Real>() {
    each(|settings| {
        for infinity in [f64::INFINITY, f64::NEG_INFINITY] {
            with_value::<E>(&settings, infinity, |x, y| {
                if settings.beta > 0.0 && x.is_infinite() {
                    return y.is_nan().then_some(()).ok_or(format!("{y:e} for {x:e}, not NaN"));
                }
                let expected = over_infinity(&settings, x);
                (y.to_bits() == expected.to_bits()).then_some(()).ok_or(format!("{y:e} for {x:e}, not {expected:e}"))
            });
        }
    });
}

#[test]
fn an_infinite_base_gives_zero_and_infinity_over_it_nan() {
    of_all_numbers!(an_infinite_base);
}

fn nan<E: Real>() {
    each(|settings| {
        for nan in [f64::NAN, -f64::NAN] {
            with_value::<E>(&settings, nan, |_, y| y.is_nan().then_some(()).ok_or(format!("{y:e}")));
        }
    });
}

#[test]
fn nan_gives_nan() {
    of_all_numbers!(nan);
}

fn overflowing_squares<E: Real>(values: [f64; 2]) {
    each(|settings| {
        for huge in values {
            with_value::<E>(&settings, huge, |x, y| {
                let expected = over_infinity(&settings, x);
                (y == expected).then_some(()).ok_or(format!("{y:e} for {x:e}"))
            });
        }
    });
}

#[test]
fn squares_that_overflow_act_as_an_infinite_base() {
    overflowing_squares::<f32>([2e19, -3e38]);
    overflowing_squares::<bf16>([2e19, -3e38]);
    overflowing_squares::<f64>([1.4e154, -1e308]);
}

/// Halves are squared and summed in f32.
#[test]
fn squares_of_f16_do_not_overflow() {
    for size in SIZES {
        let x = vec![f16::near(3000.0); CHANNELS * INNER];
        let y = run(&Settings::torch(size, 1.0, 0.5, 1.0), &x);
        // In the middle all taps are there: d = 1 + 3000².
        let expected = f16::near(3000.0 / (1.0f64 + 9e6).sqrt());
        assert_eq!(y[20 * INNER], expected, "size {size}");
        assert!(y.iter().all(|y| y.value().is_finite() && y.value() >= expected.value()));
        let largest = vec![f16::MAX; CHANNELS * INNER];
        let y = run(&Settings::torch(size, 1.0, 0.5, 1.0), &largest);
        assert_eq!(y[20 * INNER], f16::near(1.0), "size {size}");
    }
}

/// Where d is 1: zeros keep their sign, and subnormals are not flushed.
fn small_values<E: Real>() {
    for beta in BETAS {
        for size in SIZES {
            let settings = Settings::torch(size, 1e-40, beta, 1.0);
            let small = [0.0, -0.0].into_iter().chain(E::SPECIAL[2..9].iter().copied().filter(|x| x.abs() < 1e-5));
            let small: Vec<E> = small.map(E::near).collect();
            let x: Vec<E> = (0..CHANNELS * INNER).map(|i| small[i % small.len()]).collect();
            let y = run(&settings, &x);
            let layer = settings.layer::<E>(Backend::Interpreter, 1);
            let Formula::Normalize { power, .. } = &layer.plan().formula else { panic!("{settings:?} has a window") };
            let stated = power.max_ulp().ceil() as u64;
            for (x, y) in x.iter().zip(&y) {
                // A power that is some ulp beside 1 does not show in a half.
                let exactly = size_of::<E>() == 2;
                let apart = x.bits().abs_diff(y.bits());
                assert!(apart <= if exactly { 0 } else { stated }, "{} {settings:?}: {y:e} for {x:e}", E::NAME);
            }
        }
    }
}

#[test]
fn zeros_keep_their_sign_and_subnormals_are_kept() {
    of_all_numbers!(small_values);
}

fn zeros_over_zero<E: Real>() {
    for beta in BETAS {
        for size in SIZES {
            for zero in [0.0, -0.0] {
                let y = run(&Settings::torch(size, 1.0, beta, 0.0), &[E::near(zero); CHANNELS * INNER]);
                let right = |y: f64| if beta > 0.0 { y.is_nan() } else { y == 0.0 };
                assert!(y.iter().all(|y| right(y.value())), "{} beta {beta}, size {size}: {:e}", E::NAME, y[0]);
            }
        }
    }
}

#[test]
fn zeros_over_a_zero_base_are_nan() {
    of_all_numbers!(zeros_over_zero);
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
                let mut x = plain::<f32>(2);
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
            let x: Vec<f32> = data.draw(CHANNELS * INNER, 3);
            assert_same(&run(&Settings::torch(5, alpha, 0.0, k), &x), &x, &format!("{data:?}"));
        }
    }
}

#[test]
fn alpha_0_is_one_multiplication() {
    for beta in BETAS {
        for k in [1.0f64, 2.0, 0.3, 14.2] {
            for data in Data::ALL {
                let x: Vec<f32> = data.draw(CHANNELS * INNER, 3);
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
