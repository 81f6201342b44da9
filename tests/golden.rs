//! PyTorch's own results (tests/golden/README.md): special values at the same places, and no further from the exact result
//! than PyTorch's float32 is. `--nocapture` prints the numbers of every case.

mod common;

use common::golden::{Golden, cases, read};
use common::measure::{Errors, measure, ulp, within};
use lrn_jit::{Backend, LocalResponseNorm};

const BACKENDS: [Backend; 3] = [Backend::Jit, Backend::Interpreter, Backend::Reference];

/// How far from torch's mean and largest error this library's may be.
const MEAN_RATIO: f64 = 1.2;
const MAX_RATIO: f64 = 1.4;

/// Largest error over the photograph, with torch's default parameters.
const PHOTOGRAPH_ULP: f64 = 4.0;

fn run(golden: &Golden, backend: Backend) -> Vec<f32> {
    golden.settings.layer(backend, golden.axis).forward(&golden.x, &golden.shape).expect("the case's own shape")
}

/// With alpha 0 this library does not look at the window, so a NaN or infinite neighbour does not matter; torch computes
/// 0·∞ and gets NaN. The element itself still does.
const LOOKS_AWAY: &str = "special_alpha0_inf_nan";

#[test]
fn nan_and_infinity_are_where_torch_has_them() {
    let class = |y: f32| {
        if y.is_nan() {
            "NaN"
        } else if y == f32::INFINITY {
            "∞"
        } else if y.is_infinite() {
            "−∞"
        } else {
            ""
        }
    };
    let mut special = 0;
    for golden in cases() {
        for backend in BACKENDS {
            // The reference computes in f64: squares that leave the range of f32 do not leave its own.
            let expected: Vec<f32> = match backend {
                Backend::Reference => golden.y64.iter().map(|&y| y as f32).collect(),
                _ => golden.y.clone(),
            };
            let y = run(&golden, backend);
            assert_eq!(y.len(), expected.len());
            for (i, (&y, &expected)) in y.iter().zip(&expected).enumerate() {
                let name = &golden.name;
                let expected = match name.as_str() {
                    LOOKS_AWAY if backend != Backend::Reference => golden.x[i],
                    _ => expected,
                };
                special += usize::from(!expected.is_finite());
                assert_eq!(class(y), class(expected), "{backend}, {name} at {i}: x = {:e}", golden.x[i]);
            }
        }
    }
    assert!(special > 1000, "{special} values were special");
}

#[test]
fn finite_results_of_special_cases_are_right() {
    for golden in cases().into_iter().filter(Golden::is_special) {
        // In f32 the squares leave the range, which `nan_and_infinity_are_where_torch_has_them` judges; with
        // alpha 0 the window does not count.
        let judged_elsewhere = ["special_overflow", "special_underflow_k0", LOOKS_AWAY].contains(&golden.name.as_str());
        // The base cancels: what is lost is lost in f32's sum, by torch as well.
        let limit = if golden.name.starts_with("special_negative_base") { 150.0 } else { 4.0 };
        for backend in [Backend::Jit, Backend::Interpreter] {
            if !judged_elsewhere {
                let errors = within(&run(&golden, backend), &golden.y64, limit);
                let torch = measure(&golden.y, &golden.y64);
                let name = &golden.name;
                let errors = errors.unwrap_or_else(|error| panic!("{backend}, {name}: {error}"));
                println!("{name:32} {backend:12} largest {:7.3} ulp, torch's {:7.3}", errors.max, torch.max);
            }
        }
    }
}

/// Errors of several cases together.
fn total(errors: &[Errors]) -> (f64, f64) {
    let sum: f64 = errors.iter().map(|errors| errors.sum).sum();
    let normal: usize = errors.iter().map(|errors| errors.normal).sum();
    (sum / normal as f64, errors.iter().fold(0.0, |max, errors| errors.max.max(max)))
}

#[test]
fn as_accurate_as_torch() {
    let cases: Vec<_> = cases().into_iter().filter(|golden| !golden.is_special()).collect();
    let of_torch: Vec<_> = cases.iter().map(|golden| measure(&golden.y, &golden.y64)).collect();
    let (mean, max) = total(&of_torch);
    println!("ulp: mean, largest, torch's mean and largest");
    for backend in [Backend::Jit, Backend::Interpreter] {
        let ours: Vec<_> = cases.iter().map(|golden| measure(&run(golden, backend), &golden.y64)).collect();
        for ((golden, ours), torch) in cases.iter().zip(&ours).zip(&of_torch) {
            let [a, b, c, d] = [ours.mean(), ours.max, torch.mean(), torch.max];
            println!("{:24} {backend:12} {a:7.3} {b:7.3}   {c:7.3} {d:7.3}", golden.name);
        }
        let (our_mean, our_max) = total(&ours);
        let (mean_ratio, max_ratio) = (our_mean / mean, our_max / max);
        println!(
            "all, {backend}: mean {our_mean:.4}, torch's {mean:.4} (ratio {mean_ratio:.3}); \
             largest {our_max:.3}, torch's {max:.3} (ratio {max_ratio:.3})"
        );
        assert!(mean_ratio <= MEAN_RATIO && max_ratio <= MAX_RATIO, "{backend}: {mean_ratio} and {max_ratio}");
    }
}

/// The reference shares nothing with torch, yet both compute in f64: half an ulp is the rounding to f32.
#[test]
fn the_reference_is_torch_in_f64() {
    for golden in cases() {
        let result = within(&run(&golden, Backend::Reference), &golden.y64, 0.500_001);
        result.unwrap_or_else(|error| panic!("{}: {error}", golden.name));
    }
}

#[test]
fn a_photograph() {
    let (shape, x) = read::<f32>("data/conv1.npy");
    assert_eq!(shape, [1, 96, 27, 27]);
    // In f64, window by window: torch's defaults.
    let (channels, inner) = (shape[1], shape[2] * shape[3]);
    let mut exact = vec![0.0; x.len()];
    for c in 0..channels {
        for s in 0..inner {
            let window = c.saturating_sub(2)..channels.min(c + 3);
            let sum: f64 = window.map(|j| f64::from(x[j * inner + s]).powi(2)).sum();
            exact[c * inner + s] = f64::from(x[c * inner + s]) * (1.0 + 1e-4 / 5.0 * sum).powf(-0.75);
        }
    }
    for backend in [Backend::Jit, Backend::Interpreter] {
        let layer = LocalResponseNorm::new(5).unwrap();
        assert_eq!(layer.backend().backend, Backend::Jit);
        let layer =
            if backend == Backend::Jit { layer } else { lrn_jit::LrnConfig::new(5).backend(backend).build().unwrap() };
        let y = layer.forward(&x, &shape).unwrap();
        let errors = within(&y, &exact, PHOTOGRAPH_ULP).unwrap_or_else(|error| panic!("{backend}: {error}"));
        println!(
            "photograph, {backend}: mean {:.4} ulp, largest {:.3} of {} normal results",
            errors.mean(),
            errors.max,
            errors.normal
        );
        assert!(errors.normal > x.len() / 3);
    }
    // As the reference has it, too.
    let reference =
        lrn_jit::LrnConfig::new(5).backend(Backend::Reference).build().unwrap().forward(&x, &shape).unwrap();
    assert!(reference.iter().zip(&exact).all(|(&y, &exact)| ulp(y, exact) <= 0.500_001));
}
