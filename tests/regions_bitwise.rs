//! Windows over several axes: the JIT, at every width, and the interpreter give the same bits, of every number, task, beta, kind of
//! window and set of axes; wherever the boxes lie, in place or not, whole or in tiles, strided or not.

mod common;

use std::collections::BTreeMap;

use common::compare::Task;
use common::draw::{self, Class};
use common::measure::difference;
use common::pool::{Habit, Pool};
use common::real::Real;
use common::rng::{Data, Rng};
use half::{bf16, f16};
use lrn_jit::{
    Activation, Backend, Boundary, Convention, Element, Layout, LocalResponseNorm, LrnConfig, Serial, Width,
};

/// The layers to compare: every width that the host has.
fn compiled<E: Element>(config: &LrnConfig) -> Vec<LocalResponseNorm<E>> {
    let build = |width| config.clone().backend(Backend::Jit).width(width).build_for::<E>().ok();
    [Width::W128, Width::W256, Width::W512].into_iter().filter_map(build).collect()
}

fn interpreter<E: Element>(config: &LrnConfig) -> LocalResponseNorm<E> {
    config.clone().backend(Backend::Interpreter).build_for().unwrap()
}

/// A shape of a rank whose tensor is small, and the axes of its windows, two at least.
fn space(rng: &mut Rng, rank: usize) -> (Vec<usize>, Vec<isize>) {
    let mut room = rng.pick(&[60, 700, 4000]);
    let mut shape = vec![1; rank];
    for _ in 0..rank {
        let axis = rng.below(rank);
        if shape[axis] == 1 {
            let most = rng.pick(&[4, 9, 40, 200]);
            shape[axis] = rng.between(1, room.min(most));
            room = (room / shape[axis]).max(1);
        }
    }
    // Rows of whole cache lines have their last sums added by kernels, if windows are short.
    if rng.one_in(3) {
        shape[rank - 1] = 16 * rng.between(1, 3);
    }
    let count = rng.between(2, rank);
    let mut axes: Vec<isize> = (0..rank as isize).collect();
    (0..rank).for_each(|i| axes.swap(i, i + rng.below(rank - i)));
    axes.truncate(count);
    axes.iter_mut().for_each(|axis| {
        if rng.one_in(2) {
            *axis -= rank as isize
        }
    });
    (shape, axes)
}

fn same_bits<E: Real>(rounds: usize, seed: u64) {
    let rng = &mut Rng::new(seed);
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    for round in 0..rounds {
        let class = Class {
            beta: draw::BETAS[round % draw::BETAS.len()],
            at_least_k: rng.one_in(2),
            long: rng.one_in(3),
            boundary: rng.pick(&[Boundary::Zero, Boundary::Zero, Boundary::Wrap]),
        };
        let settings = draw::settings(rng, class);
        let (shape, axes) = space(rng, 2 + round % 5);
        let activation = rng.pick(&[Activation::Identity, Activation::Relu]);
        let config = settings.config().input_activation(activation).over_axes(&axes);
        let data = Data::ALL[round % Data::ALL.len()];
        let elements = shape.iter().product();
        let inputs: [Vec<E>; 3] = std::array::from_fn(|_| data.draw(elements, rng.next()));
        let layers = compiled::<E>(&config);
        let interpreter = interpreter::<E>(&config);
        for task in Task::ALL {
            let run = |layer: &LocalResponseNorm<E>| {
                task.run(layer.with_executor(&Serial), &inputs[..task.inputs()], &shape).unwrap()
            };
            let expected = run(&interpreter);
            for layer in &layers {
                let got = run(layer);
                if let Some(at) = difference(&got, &expected) {
                    panic!(
                        "{} {task}, {}: {:e} instead of {:e} at {at} of {shape:?}, axes {axes:?}; {data:?}, \
                         {activation:?}, {settings:?}",
                        E::NAME,
                        layer.backend(),
                        got[at],
                        expected[at],
                    );
                }
                let summed = if class.long { "block sums" } else { "doubling" };
                for key in [
                    format!("{task}, {summed}, {:?}", class.boundary),
                    format!("{task}, rank {}, {} axes", shape.len(), axes.len()),
                    format!("{task}, {activation:?}, bound {}", class.at_least_k),
                ] {
                    *met.entry(key).or_default() += 1;
                }
                let outermost = axes.iter().map(|&axis| axis.rem_euclid(shape.len() as isize) as usize).min().unwrap();
                let lines = shape[outermost + 1..].iter().product::<usize>().is_multiple_of(16);
                if lines && (2..=3).contains(&settings.size) && class.boundary == Boundary::Zero {
                    *met.entry(format!("{task}, taps added by kernels")).or_default() += 1;
                }
            }
        }
    }
    // Two ways to sum on two boundaries; ranks 2 to 6 with 2 to as many axes; two activations with and without a bound.
    // And short windows over rows of whole cache lines.
    assert_eq!(met.len(), 5 * (4 + 15 + 4 + 1), "{met:#?}");
    assert!(met.values().all(|&count| count >= 4), "{met:#?}");
}

#[test]
fn f32_bits() {
    same_bits::<f32>(1200, 61);
}

#[test]
fn f64_bits() {
    same_bits::<f64>(600, 62);
}

#[test]
fn f16_bits() {
    same_bits::<f16>(600, 63);
}

#[test]
fn bf16_bits() {
    same_bits::<bf16>(600, 64);
}

/// Slabs too large to be worked on whole are cut into tiles with margins. In place they are not; nor is a small slab.
fn the_same_in_tiles<E: Real>(seed: u64) {
    let rng = &mut Rng::new(seed);
    for (shape, axes, size) in [
        (&[2, 401, 499][..], &[1, 2][..], 5),
        (&[500, 611], &[0, 1], 31),
        (&[1, 300, 9, 101], &[1, 3], 9),
        (&[30, 61, 90, 2], &[0, 1, 2], 3),
        (&[700, 300], &[-1, -2], 150),
        (&[2, 300, 480], &[1, 2], 3),
        (&[3, 130, 4, 320], &[1, 3], 4),
    ] {
        let config = LrnConfig::new(size).alpha(3.0).over_axes(axes);
        let elements = shape.iter().product();
        let inputs: [Vec<E>; 3] = std::array::from_fn(|_| Data::Finite.draw(elements, rng.next()));
        let interpreter = interpreter::<E>(&config);
        for layer in compiled::<E>(&config) {
            let mut whole = inputs[0].clone();
            layer.forward_in_place(&mut whole, shape).unwrap();
            let tiled = layer.forward(&inputs[0], shape).unwrap();
            assert_eq!(difference(&tiled, &whole), None, "{shape:?} {axes:?} {size}");
            let expected = interpreter.forward(&inputs[0], shape).unwrap();
            assert_eq!(difference(&tiled, &expected), None, "{shape:?} {axes:?} {size}");
            let threads = layer.with_executor(&Pool::new(Habit::Threads, 3)).forward(&inputs[0], shape).unwrap();
            assert_eq!(difference(&threads, &whole), None, "{shape:?} {axes:?} {size}");
            let gradient = layer.backward(&inputs[0], &inputs[1], shape).unwrap();
            let expected = interpreter.backward(&inputs[0], &inputs[1], shape).unwrap();
            assert_eq!(difference(&gradient, &expected), None, "{shape:?} {axes:?} {size}");
        }
    }
}

#[test]
fn tiles_change_nothing() {
    the_same_in_tiles::<f32>(65);
    the_same_in_tiles::<f16>(66);
}

/// Rows of vectors, an index each: kernels make the sums of a later row, whatever the rows' ends and the slab's.
fn the_same_in_rows_of_vectors<E: Real>(seed: u64) {
    let rng = &mut Rng::new(seed);
    for lanes in [4, 8, 16] {
        for (count, rows, length) in
            [(2, 1, 16), (1, 2, 17), (3, 3, 16), (1, 4, 20), (2, 5, 31), (1, 9, 16), (2, 60, 33), (1, 300, 56)]
        {
            let shape = [count, rows, length, lanes];
            let size = rng.between(2, 4);
            let convention = rng.pick(&[Convention::Torch, Convention::Onnx, Convention::Symmetric]);
            let activation = rng.pick(&[Activation::Identity, Activation::Relu]);
            let config = LrnConfig::new(size).convention(convention).alpha(3.0).over_axes(&[1, 2]);
            let config = config.input_activation(activation);
            let elements = shape.iter().product();
            for data in Data::ALL {
                let x: Vec<E> = data.draw(elements, rng.next());
                let expected = interpreter::<E>(&config).forward(&x, &shape).unwrap();
                for layer in compiled::<E>(&config) {
                    let what = format!("{} {shape:?} {data:?} {config:?}", layer.backend());
                    assert_eq!(difference(&layer.forward(&x, &shape).unwrap(), &expected), None, "{what}");
                    let mut y = x.clone();
                    layer.forward_in_place(&mut y, &shape).unwrap();
                    assert_eq!(difference(&y, &expected), None, "in place: {what}");
                    let pool = Pool::new(Habit::Threads, 2);
                    let y = layer.with_executor(&pool).forward(&x, &shape).unwrap();
                    assert_eq!(difference(&y, &expected), None, "two threads: {what}");
                }
            }
        }
    }
}

#[test]
fn rows_of_vectors_change_nothing() {
    the_same_in_rows_of_vectors::<f32>(68);
    the_same_in_rows_of_vectors::<f64>(69);
}

/// Views with gaps, flipped and permuted, have the bits of a contiguous copy: the order of the axes is the tensor's, not memory's.
#[test]
fn strided_views_have_the_same_bits() {
    let rng = &mut Rng::new(67);
    for round in 0..200 {
        let (shape, axes) = space(rng, 2 + round % 4);
        let size = rng.pick(&[2, 3, 4, 5, 20]);
        let config = LrnConfig::new(size).alpha(2.0).over_axes(&axes);
        let layer = config.build().unwrap();
        let rank = shape.len();
        // Memory has the axes in another order, with gaps, some backwards.
        let mut order: Vec<usize> = (0..rank).collect();
        (0..rank).for_each(|i| order.swap(i, i + rng.below(rank - i)));
        let layout = |rng: &mut Rng| {
            let (mut strides, mut offset, mut next) = (vec![0isize; rank], 0, 1isize);
            for &axis in &order {
                strides[axis] = next;
                next *= shape[axis] as isize + rng.below(2) as isize;
                if rng.one_in(4) {
                    offset += strides[axis] * (shape[axis] as isize - 1);
                    strides[axis] = -strides[axis];
                }
            }
            (strides, offset as usize, next as usize)
        };
        let ((from, first, length), (to, start, room)) = (layout(rng), layout(rng));
        let x: Vec<f32> = Data::Finite.draw(length, rng.next());
        let mut y = vec![f32::NAN; room];
        let (x_layout, y_layout) = (Layout::strided(&shape, &from).at(first), Layout::strided(&shape, &to).at(start));
        layer.forward_strided(&x, &x_layout, &mut y, &y_layout).unwrap();
        let indices = || {
            (0..shape.iter().product::<usize>()).map(|mut rest| {
                let mut index = vec![0; rank];
                for axis in (0..rank).rev() {
                    index[axis] = rest % shape[axis];
                    rest /= shape[axis];
                }
                index
            })
        };
        let place = |index: &[usize], strides: &[isize], first: usize| {
            (first as isize + index.iter().zip(strides).map(|(&i, s)| i as isize * s).sum::<isize>()) as usize
        };
        let packed: Vec<f32> = indices().map(|index| x[place(&index, &from, first)]).collect();
        let got: Vec<f32> = indices().map(|index| y[place(&index, &to, start)]).collect();
        let expected = layer.forward(&packed, &shape).unwrap();
        assert_eq!(difference(&got, &expected), None, "{shape:?} {axes:?} {from:?} {to:?}");
    }
}
