//! The error of every power recipe against f64, given d: a dense sample by default, every positive normal f32 in the
//! ignored tests (`cargo test --release --lib accuracy -- --ignored --nocapture` prints what docs/NUMERICS.md quotes).

use super::power;
use crate::interpreter::ArrayLanes;
use crate::jit::host::vectorized;
use crate::number::Number;
use crate::plan::{LEAST_K, Power};

const LANES: usize = 64;

/// Positive normal floats.
const NORMAL: std::ops::Range<u32> = 0x0080_0000..0x7f80_0000;

/// The distance of `got` from `exact` in units of the last place of the f32 nearest to `exact`.
fn ulp(got: f32, exact: f64) -> f64 {
    let exponent = exact.abs().log2().floor().max(-126.0) as i32;
    let unit = f64::from(exponent - 23).exp2();
    (f64::from(got) - exact).abs() / unit
}

/// The largest error over `bits`, where it occurs, and how many normal results there were.
fn worst(power: &Power, beta: f64, bits: impl Iterator<Item = u32>) -> (f64, f32, u64) {
    let mut worst = (0.0, 0.0, 0);
    let mut bits = bits.peekable();
    let mut seed = 0x9e37_79b9_u32;
    while bits.peek().is_some() {
        let mut d = [1.0; LANES];
        let mut x = [1.0; LANES];
        for (d, x) in d.iter_mut().zip(&mut x) {
            let Some(bits) = bits.next() else { break };
            *d = f32::from_bits(bits);
            // Mantissas of x from a generator, x in ±[1, 2), so that results are normal where d^(−beta) is.
            seed = seed.wrapping_mul(0x2c1b_3c6d).wrapping_add(0x297a_2d39);
            *x = f32::from_bits(0x3f80_0000 | seed >> 9 | seed << 31);
        }
        let y = vectorized(|| power::apply(&mut ArrayLanes::<f32, LANES>::default(), power, x, d));
        for i in 0..LANES {
            let exact = f64::from(x[i]) * f64::from(d[i]).powf(-beta);
            if (f64::from(f32::MIN_POSITIVE)..f64::from(f32::MAX)).contains(&exact.abs()) {
                let error = ulp(y[i], exact);
                worst.2 += 1;
                if error.is_nan() {
                    return (f64::INFINITY, d[i], worst.2);
                }
                if error > worst.0 {
                    (worst.0, worst.1) = (error, d[i]);
                }
            }
        }
    }
    worst
}

fn check(beta: f64, bits: impl Iterator<Item = u32> + Clone) {
    check_recipe(Number::F32, beta, bits);
}

fn check_recipe(number: Number, beta: f64, bits: impl Iterator<Item = u32> + Clone) {
    for least in [Some(LEAST_K), Some(1.0), None] {
        let power = Power::new(beta, least, number);
        let known = move |&bits: &u32| least.is_none_or(|least| f64::from(f32::from_bits(bits)) >= least);
        let (error, at, results) = worst(&power, beta, bits.clone().filter(known));
        println!(
            "{number} beta {beta:>6} {:>8} {results:>11} results: {error:.3} ulp at d = {at:e}; stated {}",
            format!("{:?}", power.guard),
            power.max_ulp()
        );
        assert!(results > 100 && error <= power.max_ulp(), "beta {beta}, {:?}: {error} ulp at d = {at:e}", power.guard);
    }
}

/// A stride that is odd and visits all mantissas and binades unevenly.
fn sample(stride: usize) -> impl Iterator<Item = u32> + Clone {
    NORMAL.step_by(stride)
}

#[test]
fn the_ruler_measures() {
    assert_eq!(ulp(1.0, 1.0), 0.0);
    assert_eq!(ulp(f32::from_bits(0x3f80_0003), 1.0), 3.0);
    assert_eq!(ulp(0.0, 1.0), f64::from(1 << 23));
    assert_eq!(ulp(f32::INFINITY, 1.0), f64::INFINITY);
    // A wrong beta is seen.
    assert!(worst(&Power::new(0.75, Some(1.0), Number::F32), 0.7501, sample(100_003)).0 > 100.0);
}

#[test]
fn fixed_recipes_on_a_dense_sample() {
    for beta in [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, -0.5, -1.0, -2.0, 1.25, 1.75, 2.75, 3.25, 3.5] {
        check(beta, sample(1009));
    }
}

/// Before they are rounded to an element, of which a fiftieth is stated as an error at most.
#[test]
fn recipes_of_halves_on_a_dense_sample() {
    for number in [Number::F16, Number::Bf16] {
        for beta in [0.25, 0.5, 0.75, 1.0, 1.5, -0.5, 2.75, 3.25, 0.6, 5.0] {
            check_recipe(number, beta, sample(1009));
        }
    }
}

#[test]
fn arbitrary_betas_on_a_dense_sample() {
    for i in -100..=99 {
        check(f64::from(i) / 25.0 + 0.0037, sample(40_009));
    }
    for beta in [
        0.999, 0.961, 0.959, 1e-3, 1.0000001, 3.4999, 3.999, 4.5, 5.0, -5.0, 6.5, 12.0, -13.9, 20.7, 31.7, 33.3, 100.0,
        1e4, 1e7,
    ] {
        check(beta, sample(40_009).chain(0x3f7f_0000..0x3f81_0000));
    }
}

/// Beyond the normal results, too: 0 and ∞ where the exact result is far beyond, never another sign.
#[test]
fn large_betas_end_in_zero_and_infinity() {
    for i in 0..600 {
        let beta = 0.3 + f64::from(i) / 17.0;
        for (beta, least) in [(beta, None), (-beta, None), (beta, Some(LEAST_K)), (beta, Some(1.0)), (-beta, Some(1.0))]
        {
            let power = Power::new(beta, least, Number::F32);
            for bits in sample(9_000_011) {
                let d = f32::from_bits(bits);
                if least.is_some_and(|least| f64::from(d) < least) {
                    continue;
                }
                for x in [1.0f32, -1e-30, 1e18] {
                    let [y] = power::apply(&mut ArrayLanes::<f32, 1>::default(), &power, [x], [d]);
                    let exact = f64::from(x) * f64::from(d).powf(-beta);
                    let right = match exact.abs() {
                        small if small < 1e-46 => y == 0.0,
                        large if large > 1e39 => y.is_infinite(),
                        _ => y.is_finite() || exact.abs() > 3.4e38,
                    };
                    assert!(right && y.is_sign_negative() == (x < 0.0), "{x:e}·{d:e}^−{beta}: {y:e}, not {exact:e}");
                }
            }
        }
    }
}

#[test]
#[ignore = "four thousand betas"]
fn arbitrary_betas_more_densely() {
    for i in -1000..1000 {
        check(f64::from(i) / 160.0 + 0.0037, sample(40_009));
    }
    // Normal results lie in fewer and fewer binades.
    for i in 0..1000 {
        let beta = 6.0037 + f64::from(i) * 0.026;
        for beta in [beta, -beta] {
            check(beta, sample(40_009).chain((0x3f00_0000..0x4080_0000).step_by(501)));
        }
    }
}

#[test]
#[ignore = "every positive normal f32: minutes"]
fn fixed_recipes_on_every_normal() {
    for beta in [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.5, 3.75] {
        check(beta, NORMAL);
    }
}
