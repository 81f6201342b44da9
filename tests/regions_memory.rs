//! Windows over any axes touch nothing outside their tensors: every buffer ends at, or begins after, a page that kills who touches it
//! (`tests/common/guarded.rs`), and inputs cannot be written.
#![cfg(unix)]

mod common;

use common::boxes::Boxes;
use common::case::Settings;
use common::compare::Task;
use common::draw::{self, BETAS, Class};
use common::guarded::{Guarded, MOST, Places, StridedPlaces};
use common::measure::assert_same;
use common::place;
use common::real::Real;
use common::rng::{Data, Rng};
use half::{bf16, f16};
use lrn_jit::{Activation, Backend, Boundary, LocalResponseNorm};

/// Settings of every `step`th beta on some shapes, in every task; gives how many runs there were.
fn on_any_boxes<E: Real>(seed: u64, step: usize, shapes: usize) -> usize {
    let rng = &mut Rng::new(seed);
    let mut places = Places::new();
    let mut runs = 0;
    for (round, &beta) in BETAS.iter().step_by(step).enumerate() {
        let boundary = if rng.one_in(3) { Boundary::Wrap } else { Boundary::Zero };
        let (long, at_least_k) = (rng.one_in(3), rng.one_in(2));
        let input = if rng.one_in(3) { Activation::Relu } else { Activation::Identity };
        let settings = Settings { input, ..draw::settings(rng, Class { beta, at_least_k, long, boundary }) };
        for shape in 0..shapes {
            let most = rng.pick(&[20, 300, 3000]);
            let boxes = Boxes::draw(rng, 1 + (round + shape) % 6, most);
            let layer: LocalResponseNorm<E> = boxes.config(&settings).backend(Backend::Jit).build_for().unwrap();
            for task in Task::ALL {
                let length = boxes.shape.iter().product();
                let inputs: Vec<_> = (0..task.inputs()).map(|_| Data::Rare.draw(length, rng.next())).collect();
                places.check((task, &layer), (&inputs, &boxes.shape), &format!("{settings:?}, {boxes:?}"));
                runs += 1;
            }
        }
    }
    println!("{}: {runs} runs", E::NAME);
    runs
}

#[test]
fn nothing_outside_is_touched() {
    let runs = on_any_boxes::<f32>(121, 1, 3)
        + on_any_boxes::<f64>(122, 2, 3)
        + on_any_boxes::<f16>(123, 2, 3)
        + on_any_boxes::<bf16>(124, 2, 3);
    assert!(runs > 2400, "{runs}");
}

/// Planes of every small extent: what a vector, a row or a plane that is no multiple of anything could touch.
fn on_small_planes<E: Real>(tasks: &[Task], most: usize) {
    let mut places = Places::new();
    for settings in
        [Settings::torch(3, 1.0, 0.75, 1.0), Settings::torch(4, 1.0, 0.6, 0.0), Settings::torch(20, 1.0, 1.0, 1.0)]
    {
        for axes in [[1, 2], [0, 1]] {
            let layer = settings.config().over_axes(&axes).build_for::<E>().unwrap();
            for height in [1, 2, 3, 5, 9] {
                for width in 1..=most {
                    let shape = [2, height, width];
                    for &task in tasks {
                        let draw = |input| Data::Plain.draw(2 * height * width, (width + input) as u64);
                        let inputs: Vec<_> = (0..task.inputs()).map(draw).collect();
                        places.check((task, &layer), (&inputs, &shape), &format!("{settings:?} {shape:?} {axes:?}"));
                    }
                }
            }
        }
    }
}

#[test]
fn every_small_plane() {
    on_small_planes::<f32>(&Task::ALL, 35);
    on_small_planes::<f64>(&[Task::Forward, Task::Backward], 18);
    on_small_planes::<f16>(&[Task::Forward, Task::InPlace, Task::Backward], 35);
    on_small_planes::<bf16>(&[Task::Forward, Task::DoubleBackward], 35);
}

/// Planes that are cut into tiles: `MOST` elements are worked on whole, so these have a memory of their own.
#[test]
fn tiles_touch_nothing_outside() {
    let rng = &mut Rng::new(125);
    for (shape, axes, size) in [
        (&[1, 363, 371][..], &[1, 2][..], 5),
        (&[2, 367, 401], &[1, 2], 40),
        (&[60, 50, 51], &[0, 1, 2], 3),
        (&[300, 3, 160], &[0, 2], 4),
    ] {
        let length: usize = shape.iter().product();
        assert!(length > MOST);
        let layer = Boxes::over(shape, axes).config(&Settings::torch(size, 1.0, 0.75, 1.0)).build().unwrap();
        let [mut from, mut upstream, mut to] = [(); 3].map(|()| Guarded::new(length * size_of::<f32>()));
        let [x, g]: [Vec<f32>; 2] = [(); 2].map(|()| Data::Rare.draw(length, rng.next()));
        let (y, dx) = (layer.forward(&x, shape).unwrap(), layer.backward(&x, &g, shape).unwrap());
        for at_end in [true, false] {
            from.slice(length, at_end).copy_from_slice(&x);
            upstream.slice(length, at_end).copy_from_slice(&g);
            [&from, &upstream].into_iter().for_each(|place| place.protect(true));
            let (x, g, to) = (from.slice(length, at_end), upstream.slice(length, at_end), to.slice(length, at_end));
            layer.forward_into(x, shape, to).unwrap();
            assert_same(to, &y, &format!("forward, {shape:?} {axes:?} {size}, at end {at_end}"));
            layer.backward_into(x, g, shape, to).unwrap();
            assert_same(to, &dx, &format!("backward, {shape:?} {axes:?} {size}, at end {at_end}"));
            [&from, &upstream].into_iter().for_each(|place| place.protect(false));
            from.slice(length, at_end).copy_from_slice(&to[..]);
            let (own, expected) = (from.slice(length, at_end), layer.forward(to, shape).unwrap());
            layer.forward_in_place(own, shape).unwrap();
            assert_same(own, &expected, &format!("in place, {shape:?} {axes:?} {size}, at end {at_end}"));
        }
    }
}

/// Tensors that are not contiguous, from the first to the last element of their slices.
#[test]
fn nothing_outside_of_strided_tensors_is_touched() {
    let rng = &mut Rng::new(126);
    let mut places = StridedPlaces::new();
    for round in 0..300 {
        let most = rng.pick(&[100, 2000, 20_000]);
        let shape = place::shape(rng, most);
        let axes: Vec<isize> = (0..shape.len() as isize).filter(|_| rng.one_in(2)).collect();
        let settings = Settings::torch([3, 4, 20][round % 3], 1.0, 0.75, 1.0);
        let layer = Boxes::over(&shape, &axes).config(&settings).build().unwrap();
        places.check(rng, &layer, &shape, &format!("axes {axes:?}"));
    }
}
