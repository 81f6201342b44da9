//! A window over one axis has the bits of one across channels on that axis, whatever it is called; and the corners: size 1, no axis,
//! beta 0, alpha 0, windows larger than the tensor.

mod common;

use common::boxes::Boxes;
use common::case::Settings;
use common::compare::Task;
use common::draw::{self, BETAS, Class};
use common::gradients::Judge;
use common::measure::{assert_same, ulp_of};
use common::real::Real;
use common::rng::{Data, Rng};
use half::{bf16, f16};
use lrn_jit::{Activation, Backend, Boundary, Convention, LrnConfig, Region, Serial, Window};

/// Both layers give the same of random tensors, in every task.
fn assert_equal<E: Real>(rng: &mut Rng, shape: &[usize], [a, b]: [&LrnConfig; 2], what: &str) {
    let [left, right] = [a, b].map(|config| config.build_for::<E>().unwrap());
    for task in Task::ALL {
        let draw = |rng: &mut Rng| Data::Rare.draw(shape.iter().product(), rng.next());
        let inputs: Vec<Vec<E>> = (0..task.inputs()).map(|_| draw(rng)).collect();
        let [left, right] =
            [&left, &right].map(|layer| task.run(layer.with_executor(&Serial), &inputs, shape).unwrap());
        assert_same(&left, &right, &format!("{task}, {what}, {shape:?}: {a:?} and {b:?}"));
    }
}

fn settings(rng: &mut Rng, round: usize) -> Settings {
    let class = Class {
        beta: BETAS[round % BETAS.len()],
        at_least_k: rng.one_in(2),
        long: rng.one_in(3),
        boundary: rng.pick(&[Boundary::Zero, Boundary::Wrap]),
    };
    let input = rng.pick(&[Activation::Identity, Activation::Relu]);
    Settings { input, ..draw::settings(rng, class) }
}

fn one_axis_is_the_channel_axis<E: Real>(seed: u64, step: usize) {
    let rng = &mut Rng::new(seed);
    for round in (0..BETAS.len()).step_by(step) {
        let mut settings = settings(rng, round);
        let rank = rng.between(2, 6);
        let shape: Vec<usize> = (0..rank).map(|_| rng.between(1, 7)).collect();
        let axis = rng.below(rank) as isize;
        let from_end = axis - rank as isize;
        let channels = settings.config().channel_axis(axis);
        let config = settings.config().over_axes(&[rng.pick(&[axis, from_end])]);
        assert_equal::<E>(rng, &shape, [&config, &channels], "over one axis");
        // What was asked for first does not matter, nor does a channel axis that nobody asks for.
        let config = settings.config().within_channel(3).channel_axis(40).over_axes(&[axis]);
        assert_equal::<E>(rng, &shape, [&config, &channels], "over one axis");
        if settings.convention == Convention::Caffe {
            settings.k = 1.0;
        }
        let channels = settings.config().channel_axis(-1);
        assert_equal::<E>(rng, &shape, [&settings.config().within_channel(1), &channels], "within a channel");
        let back = settings.config().within_channel(2).channel_axis(-1).across_channels();
        assert_eq!(back, channels);
    }
}

#[test]
fn a_window_over_one_axis_is_one_across_channels() {
    one_axis_is_the_channel_axis::<f32>(91, 1);
    one_axis_is_the_channel_axis::<f64>(92, 4);
    one_axis_is_the_channel_axis::<f16>(93, 4);
    one_axis_is_the_channel_axis::<bf16>(94, 4);
}

/// Axes in any order and counted from either end; of extent 1, they change the divisor alone.
#[test]
fn the_same_axes_are_the_same_windows() {
    let rng = &mut Rng::new(95);
    let shape = [3, 4, 5, 6];
    let settings = Settings::torch(4, 3.0, 0.75, 1.0);
    let boxes = settings.config().over_axes(&[1, 2, 3]);
    for axes in [[3, 2, 1], [-1, 1, -2], [2, -3, 3]] {
        assert_equal::<f32>(rng, &shape, [&boxes, &settings.config().over_axes(&axes)], "axes in another order");
    }
    assert_equal::<f32>(rng, &shape, [&boxes, &settings.config().within_channel(3)], "the last three axes");
    // alpha over 4 is exact, so that one more axis, of one index, is alpha four times as large.
    let flat = settings.config().alpha(12.0).over_axes(&[1, 3]);
    assert_equal::<f32>(rng, &[3, 4, 1, 6], [&flat, &settings.config().alpha(48.0).over_axes(&[1, 2, 3])], "one index");
}

/// A window of its own element alone is the same over any axes that have the same divisor, also on tensors of rank 0 and 1.
#[test]
fn windows_of_one_tap() {
    let rng = &mut Rng::new(96);
    for beta in [0.5, 0.75, 3.0, 0.6, -0.5] {
        for boundary in [Boundary::Zero, Boundary::Wrap] {
            for input in [Activation::Identity, Activation::Relu] {
                let config = Settings { boundary, input, ..Settings::torch(1, 2.0, beta, 1.5) }.config();
                for shape in [&[2, 3, 4, 5][..], &[60, 1, 2, 3]] {
                    for axes in [&[][..], &[0], &[1, 2], &[3, 2, 1, 0]] {
                        assert_equal::<f32>(rng, shape, [&config.clone().over_axes(axes), &config], "size 1");
                    }
                    assert_equal::<f16>(rng, shape, [&config.clone().within_channel(3), &config], "size 1");
                }
                // No axes: the size and its divisor do not count.
                let any = Settings { boundary, input, ..Settings::torch(6, 2.0, beta, 1.5) }.config().over_axes(&[]);
                assert_equal::<f64>(rng, &[4, 9], [&any, &config], "no axes");
                let lrn = any.build().unwrap();
                assert_eq!((lrn.plan().axes, lrn.plan().before, lrn.plan().after), (1, 0, 0));
                let x: Vec<f32> = Data::Plain.draw(24, 5);
                let y = config.build().unwrap().forward(&x, &[24, 1]).unwrap();
                for shape in [&[24][..], &[4, 6], &[2, 1, 3, 4]] {
                    assert_same(&lrn.forward(&x, shape).unwrap(), &y, &format!("{shape:?}"));
                }
                assert_same(&lrn.forward(&x[..1], &[]).unwrap(), &y[..1], &"rank 0");
                let mut own = x[..1].to_vec();
                lrn.forward_in_place(&mut own, &[]).unwrap();
                assert_same(&own, &y[..1], &"rank 0 in place");
            }
        }
    }
}

/// A convention's raw window with no axes: neither its taps nor its divisor count, not even where they would be refused.
#[test]
fn no_axes_need_no_window() {
    let window = Window { before: 2, after: 7, divisor: 0.0 };
    let lrn = LrnConfig::window(window).alpha(1.0).beta(1.0).k(1.0).over_axes(&[]).build().unwrap();
    assert_eq!(lrn.forward(&[1.0f32, 3.0], &[2]).unwrap(), [0.5, 0.3]);
    // So with sizes that a convention refuses.
    let lrn = LrnConfig::new(4).convention(Convention::TensorFlow).beta(1.0).over_axes(&[]).build().unwrap();
    assert_eq!(lrn.forward(&[1.0f32, 3.0], &[2]).unwrap(), [0.5, 0.3]);
}

#[test]
fn beta_0_copies_and_alpha_0_multiplies() {
    for (shape, region) in [
        (&[3, 4, 5, 6][..], Region::WithinChannel { dims: 2 }),
        (&[60], Region::WithinChannel { dims: 1 }),
        (&[5, 1, 6, 2], Region::Axes(vec![0, 2, 3])),
        (&[20, 3], Region::Axes(vec![])),
    ] {
        let boxes = Boxes { shape: shape.to_vec(), region };
        let length = shape.iter().product();
        for (data, size) in Data::ALL.into_iter().zip([1, 3, 4, 40]) {
            let x: Vec<f32> = data.draw(length, 7);
            for (alpha, beta, k) in
                [(1e30, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, 0.75, 2.0), (0.0, 0.6, 14.2), (1e-60, 2.0, 0.3)]
            {
                let settings = Settings::torch(size, alpha, beta, k);
                let factor = if beta == 0.0 { 1.0 } else { k.powf(-beta) as f32 };
                let expected: Vec<f32> = x.iter().map(|x| x * factor).collect();
                for backend in [Backend::Jit, Backend::Interpreter] {
                    let layer = boxes.config(&settings).backend(backend).build().unwrap();
                    let what = format!("{backend}, {boxes:?}, {settings:?}");
                    assert_same(&layer.forward(&x, shape).unwrap(), &expected, &what);
                    let dx = layer.backward(&vec![f32::NAN; length], &x, shape).unwrap();
                    assert_same(&dx, &expected, &what);
                    let ddx = layer.double_backward(&x, &x, &x, shape).unwrap();
                    assert!(ddx.iter().all(|&ddx| ddx == 0.0), "{what}");
                }
            }
        }
    }
}

/// Windows over the whole tensor, and far beyond it: clipped, every element has the same base; on a ring each element counts as often
/// as the window meets it.
fn windows_larger_than_the_tensor<E: Real + common::measure::Places>() {
    let rng = &mut Rng::new(97);
    for shape in [&[2, 3, 4][..], &[7, 5], &[1, 1, 9], &[3, 1, 2, 5]] {
        let axes: Vec<isize> = (0..shape.len() as isize).collect();
        let length: usize = shape.iter().product();
        let x: Vec<E> = (0..length).map(|_| E::near(rng.between(1, 3) as f64)).collect();
        let sum: f64 = x.iter().map(|x| x.value() * x.value()).sum();
        for half in [9, 12, 100, 1_000_000] {
            let rings = shape.iter().all(|extent| (2 * half + 1) % extent == 0);
            let times: f64 = shape.iter().map(|extent| ((2 * half + 1) / extent) as f64).product();
            for (boundary, times) in [(Boundary::Zero, 1.0), (Boundary::Wrap, times)] {
                if boundary == Boundary::Wrap && !rings {
                    continue;
                }
                let window = Window { before: half, after: half, divisor: 1.0 };
                let config = LrnConfig::window(window).alpha(0.5).beta(0.75).k(1.0).boundary(boundary).over_axes(&axes);
                let y = config.build_for::<E>().unwrap().forward(&x, shape).unwrap();
                for (&x, &y) in x.iter().zip(&y) {
                    let exact = x.value() * (1.0 + 0.5 * times * sum).powf(-0.75);
                    let error = ulp_of::<E>(y.value(), exact);
                    assert!(error <= 5.0, "{} {shape:?}, {half}, {boundary:?}: {y:e}, not {exact:e}", E::NAME);
                }
            }
        }
    }
}

#[test]
fn windows_may_be_larger_than_the_tensor() {
    windows_larger_than_the_tensor::<f32>();
    windows_larger_than_the_tensor::<f64>();
    windows_larger_than_the_tensor::<f16>();
    windows_larger_than_the_tensor::<bf16>();
}

/// Rings have no edges: what is moved around moves with its results.
#[test]
fn rings_have_no_edges() {
    let rng = &mut Rng::new(98);
    for size in [3, 4, 9, 20] {
        let settings = Settings { boundary: Boundary::Wrap, ..Settings::torch(size, 2.0, 0.75, 1.0) };
        let boxes = Boxes::over(&[3, 7, 5, 6], &[1, -2]);
        // Small whole numbers, so that no order of a sum matters.
        let x: Vec<f32> = (0..630).map(|_| rng.between(0, 9) as f32 - 4.0).collect();
        let layer = boxes.config(&settings).build().unwrap();
        let y = layer.forward(&x, &boxes.shape).unwrap();
        let (down, along) = (rng.between(1, 6), rng.between(1, 4));
        let moved = |x: &[f32]| -> Vec<f32> {
            let from = |index: Vec<usize>| {
                let (row, column) = ((index[1] + down) % 7, (index[2] + along) % 5);
                x[((index[0] * 7 + row) * 5 + column) * 6 + index[3]]
            };
            boxes.indices().into_iter().map(from).collect()
        };
        assert_same(&layer.forward(&moved(&x), &boxes.shape).unwrap(), &moved(&y), &format!("size {size}"));
    }
}

/// Caffe's convention within a channel knows no k; over axes, and across channels, it does.
#[test]
fn caffe_has_no_k_within_a_channel() {
    let config = LrnConfig::new(3).convention(Convention::Caffe).k(7.0);
    assert_eq!(config.clone().within_channel(2).build().unwrap().k(), 1.0);
    assert_eq!(config.clone().over_axes(&[-1, -2]).build().unwrap().k(), 7.0);
    assert_eq!(config.build().unwrap().k(), 7.0);
    let torch = LrnConfig::new(3).k(7.0).within_channel(2).build().unwrap();
    assert_eq!((torch.k(), torch.region()), (7.0, &Region::WithinChannel { dims: 2 }));
    let judge: Judge = Boxes::within(&[3, 3], 2)
        .judge(&Settings { convention: Convention::Caffe, ..Settings::torch(3, 1.0, 0.75, 7.0) });
    assert_eq!(judge.k, 1.0);
}
