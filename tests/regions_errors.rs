//! What goes wrong with windows over any axes: typed errors with their text, whatever is computed, outputs untouched; and shapes that
//! are empty, of rank 0 or 1, or larger than any memory.

mod common;

use std::mem::MaybeUninit;

use common::compare::Task;
use lrn_jit::{
    Activation, Backend, Boundary, BuildError, ConfigError, Convention, Layout, LocalResponseNorm, LrnConfig, Region,
    Serial, ShapeError, Window,
};

/// What a builder says of a configuration.
#[track_caller]
fn refuses(config: &LrnConfig, expected: ConfigError, text: &str) {
    for backend in [Backend::Jit, Backend::Interpreter, Backend::Generic, Backend::GenericPowf, Backend::Reference] {
        let error = config.clone().backend(backend).build().unwrap_err();
        assert_eq!(error, BuildError::Config(expected.clone()));
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(config.build_for::<f64>().unwrap_err(), BuildError::Config(expected));
}

#[test]
fn windows_within_channels_have_one_to_three_axes() {
    for dims in [0, 4, 5, usize::MAX] {
        let text = format!("a window within channels extends over 1, 2 or 3 axes, got {dims}");
        refuses(&LrnConfig::new(3).within_channel(dims), ConfigError::SpatialDims { dims }, &text);
    }
    for dims in 1..=3 {
        let lrn = LrnConfig::new(3).within_channel(dims).build().unwrap();
        assert_eq!((lrn.region(), lrn.plan().axes), (&Region::WithinChannel { dims }, dims));
    }
    // Another region afterwards, and nothing is wrong.
    LrnConfig::new(3).within_channel(9).over_axes(&[1]).build().unwrap();
}

#[test]
fn axes_are_named_once() {
    for (axes, axis) in [(&[1, 1][..], 1), (&[0, 2, 3, 2], 2), (&[-1, 5, -1, 5], -1), (&[isize::MIN; 3], isize::MIN)] {
        let text = format!("a window extends over each axis once, but axis {axis} is named twice");
        refuses(&LrnConfig::new(3).over_axes(axes), ConfigError::RepeatedAxis { axis }, &text);
    }
    for axes in [&[][..], &[0], &[0, -1], &[5, 1, 0, 3], &[isize::MAX, isize::MIN]] {
        let lrn = LrnConfig::new(3).over_axes(axes).build().unwrap();
        assert_eq!(lrn.region(), &Region::Axes(axes.to_vec()));
    }
}

/// What is wrong with a size is so over any axes; but none needs no window.
#[test]
fn other_errors_are_the_same_over_any_axes() {
    let max = isize::MAX as usize / 4;
    let spread: [fn(LrnConfig) -> LrnConfig; 3] =
        [|c| c.within_channel(2), |c| c.over_axes(&[0, 2, -1]), |c| c.over_axes(&[1])];
    for spread in spread {
        refuses(&spread(LrnConfig::new(0)), ConfigError::ZeroSize, "size must be at least 1, got 0");
        let error = ConfigError::SizeTooLarge { size: max + 1, max };
        refuses(&spread(LrnConfig::new(max + 1)), error, &format!("size must be at most {max}, got {}", max + 1));
        for convention in [Convention::Caffe, Convention::TensorFlow] {
            let name = convention.name();
            let error = ConfigError::EvenSize { convention: name, size: 4 };
            let text = format!("the {name} convention takes odd sizes only, got 4");
            refuses(&spread(LrnConfig::new(4).convention(convention)), error, &text);
        }
        let window = Window { before: 1, after: 1, divisor: 0.0 };
        let text = "the divisor of a window must not be 0";
        refuses(&spread(LrnConfig::window(window)), ConfigError::ZeroDivisor, text);
    }
    // A k that Caffe ignores has to be a number all the same.
    let config = LrnConfig::new(3).convention(Convention::Caffe).k(f64::INFINITY).within_channel(2);
    let error = ConfigError::NotFinite { name: "k", value: f64::INFINITY };
    refuses(&config, error, "k must be a finite number, got inf");
}

/// Layers that compute alike, of every backend.
fn layers(config: &LrnConfig) -> Vec<LocalResponseNorm> {
    let backends = [Backend::Jit, Backend::Interpreter, Backend::Generic, Backend::GenericPowf, Backend::Reference];
    backends.map(|backend| config.clone().backend(backend).build().unwrap()).into()
}

/// Every task agrees on an error and its text, and leaves its output alone.
#[track_caller]
fn refused(config: &LrnConfig, length: usize, shape: &[usize], expected: &ShapeError, text: &str) {
    assert_eq!(expected.to_string(), text);
    for lrn in layers(config) {
        let x: Vec<f32> = (0..length).map(|i| i as f32 + 1.0).collect();
        for task in Task::ALL {
            let inputs = vec![x.clone(); task.inputs()];
            let on = lrn.with_executor(&Serial);
            assert_eq!(task.run(on, &inputs, shape).as_ref(), Err(expected), "{task}");
            let mut y = if task == Task::InPlace { x.clone() } else { vec![-7.0; length] };
            let before = y.clone();
            assert_eq!(task.run_into(on, &inputs, shape, &mut y).as_ref(), Err(expected), "{task}");
            assert_eq!(y, before, "{task}");
        }
        let mut y = vec![MaybeUninit::new(-7.0f32); length];
        assert_eq!(lrn.forward_uninit(&x, shape, &mut y).map(|_| ()).as_ref(), Err(expected));
        // SAFETY: initialized above.
        assert!(y.iter().all(|y| unsafe { y.assume_init() } == -7.0));
        if shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent)) == Some(length) {
            let (layout, mut y) = (Layout::contiguous(shape), vec![-7.0; length]);
            assert_eq!(lrn.forward_strided(&x, &layout, &mut y, &layout).as_ref(), Err(expected));
            assert!(y.iter().all(|&y| y == -7.0));
        }
    }
}

#[test]
fn shapes_of_too_few_axes() {
    for (dims, shape) in [(1, &[][..]), (2, &[]), (2, &[4]), (3, &[4]), (3, &[2, 3]), (3, &[0, 3]), (2, &[0])] {
        let (rank, length) = (shape.len(), shape.iter().product());
        let error = ShapeError::SpatialRank { dims, rank, shape: shape.to_vec() };
        let text = format!(
            "the shape must have rank {dims} or more for windows over its last {dims} axes, got rank {rank} ({shape:?})"
        );
        refused(&LrnConfig::new(3).within_channel(dims), length, shape, &error, &text);
        // Also where each element is its own window.
        refused(&LrnConfig::new(1).within_channel(dims), length, shape, &error, &text);
        refused(&LrnConfig::new(3).beta(0.0).within_channel(dims), length, shape, &error, &text);
    }
}

#[test]
fn axes_that_a_shape_does_not_have() {
    for (axes, axis) in
        [(&[0, 3][..], 3), (&[-4], -4), (&[2, 0, isize::MAX], isize::MAX), (&[isize::MIN, 1], isize::MIN), (&[5, 7], 5)]
    {
        let error = ShapeError::Axis { axis, shape: vec![2, 3, 4] };
        let text = format!("axis {axis} is out of range for the shape [2, 3, 4]: allowed are -3 to 2");
        for config in [LrnConfig::new(3), LrnConfig::new(1), LrnConfig::new(3).alpha(0.0)] {
            refused(&config.over_axes(axes), 24, &[2, 3, 4], &error, &text);
        }
    }
    let error = ShapeError::Axis { axis: 0, shape: vec![] };
    let text = "axis 0 is out of range for the shape []: it has none";
    refused(&LrnConfig::new(3).over_axes(&[0]), 1, &[], &error, text);
}

#[test]
fn axes_that_are_one_in_a_shape() {
    for (axes, axis, shape) in [
        (&[1, -2][..], -2, &[2, 3, 4][..]),
        (&[-1, 0, 2], 2, &[2, 3, 4]),
        (&[0, 1, -2], -2, &[5, 6]),
        (&[-1, 0], 0, &[9]),
    ] {
        let error = ShapeError::RepeatedAxis { axis, shape: shape.to_vec() };
        let text = format!("axis {axis} of the shape {shape:?} is named twice, counted from either end");
        for size in [1, 3, 20] {
            refused(&LrnConfig::new(size).over_axes(axes), shape.iter().product(), shape, &error, &text);
        }
        // In a shape of another rank they are two.
        let other = vec![2; shape.len() + axes.len()];
        LrnConfig::new(3).over_axes(axes).build().unwrap().forward(&vec![1.0; 1 << other.len()], &other).unwrap();
    }
}

#[test]
fn tensors_of_another_length() {
    for config in
        [LrnConfig::new(3).within_channel(2), LrnConfig::new(4).over_axes(&[0, 1, 2]), LrnConfig::new(3).over_axes(&[])]
    {
        for actual in [0, 1, 23, 25, 48] {
            let shape = vec![2, 3, 4];
            let error = ShapeError::Length { what: "input", actual, expected: 24, shape: shape.clone() };
            let text = format!("input has {actual} elements, but the shape [2, 3, 4] has 24");
            refused(&config, actual, &shape, &error, &text);
        }
        for lrn in layers(&config) {
            let x = [1.0f32; 24];
            for (task, what) in [(Task::Backward, "grad_y"), (Task::Jvp, "v"), (Task::DoubleBackward, "v")] {
                let mut inputs = vec![x.to_vec(); task.inputs()];
                inputs.last_mut().unwrap().pop();
                let error = ShapeError::Length { what, actual: 23, expected: 24, shape: vec![2, 3, 4] };
                let mut y = [-7.0f32; 24];
                let result = task.run_into(lrn.with_executor(&Serial), &inputs, &[2, 3, 4], &mut y);
                assert_eq!(result, Err(error), "{task}");
                assert_eq!(y, [-7.0; 24], "{task}");
            }
            for task in [Task::Forward, Task::Backward, Task::Jvp, Task::DoubleBackward] {
                for actual in [0, 23, 25] {
                    let inputs = vec![x.to_vec(); task.inputs()];
                    let what = if matches!(task, Task::Forward | Task::Jvp) { "output" } else { "grad_x" };
                    let error = ShapeError::Length { what, actual, expected: 24, shape: vec![2, 3, 4] };
                    let mut y = vec![-7.0f32; actual];
                    let result = task.run_into(lrn.with_executor(&Serial), &inputs, &[2, 3, 4], &mut y);
                    assert_eq!(result, Err(error), "{task}");
                    assert!(y.iter().all(|&y| y == -7.0), "{task}");
                }
            }
        }
    }
}

#[test]
fn shapes_beyond_any_memory() {
    let half = 1 << (usize::BITS / 2);
    let configs = [
        LrnConfig::new(3).within_channel(1),
        LrnConfig::new(3).within_channel(3),
        LrnConfig::new(1).within_channel(2),
        LrnConfig::new(3).over_axes(&[0, 2]),
        LrnConfig::new(3).over_axes(&[]),
    ];
    for config in configs {
        for shape in
            [[half, half, 1], [1, half, half], [usize::MAX, 2, 1], [2, usize::MAX, 2], [1, 1, isize::MAX as usize]]
        {
            let error = ShapeError::Overflow { shape: shape.to_vec() };
            let text = format!("the shape {shape:?} has more elements than memory can hold");
            refused(&config, 4, &shape, &error, &text);
        }
    }
}

/// An extent of 0 makes the tensor empty, however large the others are, with windows over it or not.
#[test]
fn empty_tensors_come_back_empty() {
    let shapes = [
        [0, 3, 4],
        [2, 0, 4],
        [2, 3, 0],
        [0, 0, 0],
        [usize::MAX, 0, usize::MAX],
        [0, usize::MAX, usize::MAX],
        [usize::MAX, usize::MAX, 0],
    ];
    let spread: [fn(LrnConfig) -> LrnConfig; 7] = [
        |c| c.within_channel(1),
        |c| c.within_channel(2),
        |c| c.within_channel(3),
        |c| c.over_axes(&[0, 2]),
        |c| c.over_axes(&[1, 0]),
        |c| c.over_axes(&[2, 0, 1]),
        |c| c.over_axes(&[]),
    ];
    for boundary in [Boundary::Zero, Boundary::Wrap] {
        for size in [1, 4, 40] {
            for spread in spread {
                for lrn in layers(&spread(LrnConfig::new(size).boundary(boundary).input_activation(Activation::Relu))) {
                    for shape in shapes {
                        for task in Task::ALL {
                            let (inputs, on) = (vec![vec![]; task.inputs()], lrn.with_executor(&Serial));
                            assert_eq!(task.run(on, &inputs, &shape), Ok(vec![]), "{task} {shape:?}");
                            assert_eq!(task.run_into(on, &inputs, &shape, &mut []), Ok(()), "{task} {shape:?}");
                        }
                        assert_eq!(lrn.forward_uninit(&[], &shape, &mut []).map(|y| y.len()), Ok(0));
                        let error = ShapeError::Length { what: "input", actual: 1, expected: 0, shape: shape.to_vec() };
                        assert_eq!(lrn.forward(&[1.0], &shape), Err(error));
                    }
                    for shape in [[0, 3, 4], [2, 0, 4], [2, 3, 0]] {
                        let layout = Layout::contiguous(&shape);
                        assert_eq!(lrn.forward_strided(&[], &layout, &mut [], &layout), Ok(()), "{shape:?}");
                    }
                }
            }
        }
    }
}

/// Ranks that windows across channels have no use for.
#[test]
fn ranks_zero_and_one() {
    let x = [1.0f32, 2.0, 3.0];
    for lrn in layers(&LrnConfig::new(3).alpha(3.0).beta(1.0).within_channel(1)) {
        assert_eq!(lrn.forward(&x, &[3]).unwrap(), [1.0 / 6.0, 2.0 / 15.0, 3.0 / 14.0]);
        assert_eq!(lrn.forward(&[], &[0]).unwrap(), []);
    }
    for lrn in layers(&LrnConfig::new(3).alpha(1.0).beta(1.0).over_axes(&[])) {
        assert_eq!(lrn.forward(&x, &[3]).unwrap(), [0.5, 0.4, 0.3]);
        assert_eq!(lrn.forward(&x[2..], &[]).unwrap(), [0.3]);
        // dy/dx of x/(1 + x²) is (1 − x²)/(1 + x²)².
        let dx = lrn.backward(&x[..2], &[1.0, 1.0], &[2]).unwrap();
        assert!(dx[0] == 0.0 && (dx[1] + 0.12).abs() < 1e-7, "{dx:?}");
        let layout = Layout::contiguous(&[]);
        let mut y = [0.0];
        lrn.forward_strided(&x[2..], &layout, &mut y, &layout).unwrap();
        assert_eq!(y, [0.3]);
    }
}
