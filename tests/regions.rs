//! Windows over any axes against the formula in f64, every tap of every box by itself (`tests/common/boxes.rs`): as far off as the
//! plan says its power is, and as roundings of the sums can be; NaN, infinity and zeros at the same places.

mod common;

use std::collections::BTreeSet;

use common::boxes::Boxes;
use common::case::Settings;
use common::draw::{self, BETAS, Class};
use common::gradients::Space;
use common::measure::Places;
use common::real::Real;
use common::rng::{Data, Rng};
use common::stated::{check, stated};
use half::{bf16, f16};
use lrn_jit::plan::Formula;
use lrn_jit::{Activation, Backend, Boundary, Convention, LocalResponseNorm, Window};

/// Taps that a judge is asked to read for one layer.
const WORK: f64 = 100_000.0;

/// What is normalized, of one draw.
struct Draw {
    boxes: Boxes,
    settings: Settings,
    data: Data,
}

/// Settings of a beta with which d is as right as its sums are: nothing cancels, and no square vanishes.
fn draw(rng: &mut Rng, round: usize, beta: f64) -> Draw {
    let boxes = Boxes::draw(rng, 1 + round % 6, 300);
    let at_least_k = !rng.one_in(4);
    let data = if at_least_k { Data::ALL[round / 6 % 4] } else { Data::Plain };
    let (alpha, k) = if at_least_k {
        (rng.pick(&[1e-4, 1.0, 10.0, 300.0]), rng.pick(&[1.0, 2.0, 14.2, 1e-3, 1e-6]))
    } else {
        (rng.pick(&[1.0, 10.0]), 0.0)
    };
    loop {
        let boundary = rng.pick(&[Boundary::Zero, Boundary::Zero, Boundary::Wrap]);
        let class = Class { beta, at_least_k: true, long: rng.one_in(3), boundary };
        let input = rng.pick(&[Activation::Identity, Activation::Identity, Activation::Relu]);
        let (alpha, k) = (alpha * (0.5 + rng.unit()), k * (0.5 + rng.unit()));
        let settings = Settings { alpha, k, input, ..draw::settings(rng, class) };
        if boxes.work(&boxes.judge(&settings)) <= WORK {
            return Draw { boxes, settings, data };
        }
    }
}

/// The formula, with what does not fit the numbers computed with infinite.
fn exact<E: Real>(boxes: &Boxes, settings: &Settings, largest: f64, x: &[E]) -> Vec<f64> {
    let judge = boxes.judge(settings).up_to(largest);
    judge.forward(&x.iter().map(|x| x.value()).collect::<Vec<_>>(), boxes)
}

/// The largest number of what elements are computed in.
fn largest<E>() -> f64 {
    if size_of::<E>() == 8 { f64::MAX } else { f32::MAX.into() }
}

fn is_right<E: Real + Places>(rounds: usize, seed: u64) {
    let rng = &mut Rng::new(seed);
    let betas: Vec<f64> = BETAS.into_iter().filter(|&beta| beta != 0.0).collect();
    let mut met = BTreeSet::new();
    let (mut worst, mut sum, mut numbers, mut special) = (0.0f64, 0.0, 0usize, 0usize);
    for round in 0..rounds {
        let Draw { boxes, settings, data } = draw(rng, round, betas[round % betas.len()]);
        let x: Vec<E> = data.draw(boxes.shape.iter().product(), rng.next());
        let layer: LocalResponseNorm<E> = boxes.config(&settings).build_for().unwrap();
        let y = layer.forward(&x, &boxes.shape).unwrap();
        let stated = stated::<E>(layer.plan(), &boxes);
        let exact_y = exact(&boxes, &settings, largest::<E>(), &x);
        for (i, (&y, &exact)) in y.iter().zip(&exact_y).enumerate() {
            let share = check((x[i], y), exact, stated, &|| format!("at {i}, {data:?}, {boxes:?}, {settings:?}"));
            worst = worst.max(share);
            sum += share;
            numbers += 1;
            special += usize::from(!exact.is_finite() || exact == 0.0);
        }
        // In f64, rounded once: no power of its own to err, as long as one of the largest base stays in f64.
        if size_of::<E>() != 8 && settings.beta.abs() <= 3.0 {
            let judged = boxes.config(&settings).backend(Backend::Reference).build_for().unwrap();
            let judged: Vec<E> = judged.forward(&x, &boxes.shape).unwrap();
            for (i, exact) in exact(&boxes, &settings, f64::MAX, &x).into_iter().enumerate() {
                check((x[i], judged[i]), exact, 0.500_001, &|| format!("reference, {boxes:?}, {settings:?}"));
            }
        }
        met.insert(format!("rank {}, {} axes", boxes.shape.len(), boxes.windows().len()));
        met.insert(format!("{}, {}", settings.convention, settings.size % 2));
        met.insert(format!("{:?}, {:?}", settings.boundary, settings.input));
    }
    println!("{}: {numbers} results, {special} special; largest share of what is stated {worst:.3}", E::NAME);
    if size_of::<E>() == 2 {
        println!("{}: {:.4} % are the nearest", E::NAME, 100.0 - 100.0 * sum / numbers as f64);
        assert!(sum <= 0.001 * numbers as f64, "{sum} of {numbers} are not the nearest");
    }
    assert!(special > numbers / 50, "{special} of {numbers}");
    // Ranks 1 to 6 with no axis to all; eight conventions, six of which have even sizes; two boundaries, two activations.
    assert_eq!(met.len(), 27 + 14 + 4, "{met:#?}");
}

#[test]
fn f32_is_right() {
    is_right::<f32>(800, 71);
}

#[test]
fn f64_is_right() {
    is_right::<f64>(500, 72);
}

#[test]
fn f16_is_right() {
    is_right::<f16>(500, 73);
}

#[test]
fn bf16_is_right() {
    is_right::<bf16>(500, 74);
}

/// Bases that are whole numbers, of all signs: what is NaN, infinite or zero is that by the formula, not by roundings.
fn signs_of_the_base<E: Real + Places>(seed: u64) {
    let rng = &mut Rng::new(seed);
    let (mut negative, mut zero) = (0, 0);
    let betas = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 0.6, 2.7, 5.0, 7.5, -0.5, -0.75, -1.0, -2.0, -0.6];
    for round in 0..300 {
        let boxes = Boxes::draw(rng, 1 + round % 6, 100);
        let size = rng.between(1, 4);
        let window = Window { before: rng.below(size + 1), after: size - 1, divisor: 1.0 };
        let settings = Settings {
            convention: Convention::Window(window),
            boundary: rng.pick(&[Boundary::Zero, Boundary::Wrap]),
            ..Settings::torch(size, rng.pick(&[1.0, -1.0]), betas[round % betas.len()], 0.0 - rng.between(0, 20) as f64)
        };
        let judge = boxes.judge(&settings);
        if boxes.work(&judge) > WORK {
            continue;
        }
        let x: Vec<E> = (0..boxes.shape.iter().product()).map(|_| E::near(rng.between(0, 6) as f64 - 3.0)).collect();
        let layer: LocalResponseNorm<E> = boxes.config(&settings).build_for().unwrap();
        let Formula::Normalize { power, .. } = &layer.plan().formula else { panic!("{settings:?} has a window") };
        // d is exact.
        let stated = power.max_ulp() + if size_of::<E>() == 8 { 2.0 } else { 0.0 };
        let values: Vec<f64> = x.iter().map(|x| x.value()).collect();
        let squares: Vec<f64> = values.iter().map(|x| x * x).collect();
        let y = layer.forward(&x, &boxes.shape).unwrap();
        for (i, (&y, exact)) in y.iter().zip(judge.forward(&values, &boxes)).enumerate() {
            check((x[i], y), exact, stated, &|| format!("at {i}, {boxes:?}, {settings:?}"));
        }
        for taps in (&boxes).taps(&judge) {
            let d = settings.k + settings.alpha * taps.iter().map(|&tap| squares[tap]).sum::<f64>();
            negative += usize::from(d < 0.0);
            zero += usize::from(d == 0.0);
        }
    }
    assert!(negative > 1000 && zero > 100, "{negative} {zero}");
}

#[test]
fn negative_and_zero_bases() {
    signs_of_the_base::<f32>(75);
    signs_of_the_base::<f64>(76);
    signs_of_the_base::<f16>(77);
    signs_of_the_base::<bf16>(78);
}

/// Even sizes lie about their element on every axis as the convention says: found by an impulse.
#[test]
fn even_boxes_lean_as_the_convention_says() {
    for (convention, before, after, taps) in [
        (Convention::Torch, 2, 1, 4),
        (Convention::Onnx, 1, 2, 4),
        (Convention::Cudnn, 1, 2, 4),
        (Convention::OneDnn, 1, 1, 3),
        (Convention::Symmetric, 2, 2, 5),
        (Convention::Window(Window { before: 0, after: 3, divisor: 4.0 }), 0, 3, 4),
    ] {
        let settings = Settings { convention, ..Settings::torch(4, 64.0, 1.0, 1.0) };
        for boxes in [Boxes::within(&[2, 7, 8, 9], 3), Boxes::over(&[8, 9, 3, 7], &[0, -3, 3])] {
            let windows = boxes.windows();
            let layer = boxes.config(&settings).build().unwrap();
            assert_eq!(layer.plan().axes, 3);
            let indices = boxes.indices();
            let center: Vec<usize> = boxes.shape.iter().map(|extent| extent / 2).collect();
            let x: Vec<f32> = indices.iter().map(|index| if *index == center { 2.0 } else { 1.0 }).collect();
            let y = layer.forward(&x, &boxes.shape).unwrap();
            let mut inside = 0;
            for (index, &y) in indices.iter().zip(&y) {
                // The index reads `center` where that is one of its taps.
                let reads = (0..4).all(|axis| {
                    let (here, there) = (index[axis], center[axis]);
                    if windows.contains(&axis) {
                        (here - here.min(before)..=here + after).contains(&there)
                    } else {
                        here == there
                    }
                });
                // alpha over 4³ is 1: d is 1 and the taps within the tensor, and 3 more if the impulse is read.
                let clipped = |axis: &usize| {
                    let (here, extent) = (index[*axis], boxes.shape[*axis]);
                    here.min(before) + 1 + after.min(extent - 1 - here)
                };
                let d = 1 + windows.iter().map(clipped).product::<usize>() + if reads { 3 } else { 0 };
                let expected = if *index == center { 2.0 } else { 1.0 } / d as f32;
                assert_eq!(y, expected, "{convention}, {boxes:?} at {index:?}");
                inside += usize::from(reads);
            }
            assert_eq!(inside, taps * taps * taps, "{convention}");
        }
    }
}
