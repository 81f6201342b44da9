//! What goes wrong is a typed error whose message names what was given and what is allowed; and what goes right without
//! saying: defaults, and the order of a builder's calls.

use std::mem::MaybeUninit;

use lrn_jit::{
    Backend, Boundary, BuildError, ConfigError, Convention, LocalResponseNorm, LrnConfig, ShapeError, Window,
};

/// The longest window allowed.
const MAX_SIZE: usize = isize::MAX as usize / 4;

fn config_error(config: &LrnConfig) -> ConfigError {
    match config.build() {
        Err(BuildError::Config(error)) => error,
        other => panic!("not a configuration error: {other:?}"),
    }
}

/// Every part must be in the message.
#[track_caller]
fn names(message: impl ToString, parts: &[&str]) {
    let message = message.to_string();
    for part in parts {
        assert!(message.contains(part), "“{message}” does not name “{part}”");
    }
}

fn window(before: usize, after: usize, divisor: f64) -> LrnConfig {
    LrnConfig::window(Window { before, after, divisor })
}

#[test]
fn size_zero() {
    for convention in [Convention::Torch, Convention::Onnx, Convention::TensorFlow, Convention::Caffe] {
        let error = config_error(&LrnConfig::new(0).convention(convention));
        assert_eq!(error, ConfigError::ZeroSize, "{convention}");
        names(error, &["size", "at least 1", "got 0"]);
    }
    names(LocalResponseNorm::new(0).unwrap_err(), &["size", "at least 1", "got 0"]);
}

#[test]
fn sizes_beyond_any_memory() {
    for size in [MAX_SIZE + 1, usize::MAX - 1, usize::MAX] {
        for convention in [Convention::Torch, Convention::OneDnn, Convention::Caffe] {
            let error = config_error(&LrnConfig::new(size).convention(convention));
            assert_eq!(error, ConfigError::SizeTooLarge { size, max: MAX_SIZE });
            names(error, &["size", &size.to_string(), "at most", &MAX_SIZE.to_string()]);
        }
    }
    assert_eq!(LrnConfig::new(MAX_SIZE).build().unwrap().size(), MAX_SIZE);
    let too_large = config_error(&LrnConfig::tensorflow(usize::MAX));
    assert_eq!(too_large, ConfigError::SizeTooLarge { size: usize::MAX, max: MAX_SIZE });
}

#[test]
fn raw_windows_do_not_overflow() {
    for (before, after) in
        [(usize::MAX, 0), (0, usize::MAX), (usize::MAX, usize::MAX), (usize::MAX / 2 + 1, usize::MAX / 2 + 1)]
    {
        let error = config_error(&window(before, after, 1.0));
        assert_eq!(error, ConfigError::SizeTooLarge { size: usize::MAX, max: MAX_SIZE }, "{before} {after}");
    }
    let error = config_error(&window(MAX_SIZE, 0, 1.0));
    assert_eq!(error, ConfigError::SizeTooLarge { size: MAX_SIZE + 1, max: MAX_SIZE });
    assert!(window(MAX_SIZE - 1, 0, 1.0).build().is_ok());
}

#[test]
fn numbers_that_are_none() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let bad = [
            ("alpha", LrnConfig::new(5).alpha(value)),
            ("beta", LrnConfig::new(5).beta(value)),
            ("k", LrnConfig::new(5).k(value)),
            ("divisor", window(1, 1, value)),
        ];
        for (expected, config) in bad {
            let error = config_error(&config);
            names(&error, &[expected, "finite", &value.to_string()]);
            let ConfigError::NotFinite { name, value: given } = error else { panic!("{error:?}") };
            assert_eq!((name, given.to_bits()), (expected, value.to_bits()));
        }
    }
}

#[test]
fn finite_numbers_are_allowed() {
    for value in [0.0, -0.0, -1.0, 1e300, -1e300, f64::MIN_POSITIVE, 5e-324] {
        for config in [LrnConfig::new(4).alpha(value), LrnConfig::new(4).beta(value), LrnConfig::new(4).k(value)] {
            config.build().unwrap();
        }
    }
    window(1, 2, -3.0).build().unwrap();
}

#[test]
fn divisor_zero() {
    for zero in [0.0, -0.0] {
        let error = config_error(&window(2, 2, zero));
        assert_eq!(error, ConfigError::ZeroDivisor);
        names(error, &["divisor", "not be 0"]);
    }
}

#[test]
fn even_sizes_where_the_system_has_none() {
    for convention in [Convention::Caffe, Convention::TensorFlow] {
        for size in [2, 4, 1000] {
            let error = config_error(&LrnConfig::new(size).convention(convention));
            assert_eq!(error, ConfigError::EvenSize { convention: convention.name(), size });
            names(error, &[convention.name(), "odd", &size.to_string()]);
        }
        LrnConfig::new(3).convention(convention).build().unwrap();
    }
    for convention in
        [Convention::Torch, Convention::Onnx, Convention::Cudnn, Convention::OneDnn, Convention::Symmetric]
    {
        LrnConfig::new(4).convention(convention).build().unwrap();
    }
}

#[test]
fn defaults_of_every_convention() {
    let own = Convention::Window(Window { before: 3, after: 1, divisor: 2.0 });
    for (convention, alpha, beta, k) in [
        (Convention::Torch, 1e-4, 0.75, 1.0),
        (Convention::Onnx, 1e-4, 0.75, 1.0),
        (Convention::TensorFlow, 1.0, 0.5, 1.0),
        (Convention::Caffe, 1.0, 0.75, 1.0),
        (Convention::Cudnn, 1e-4, 0.75, 2.0),
        (Convention::OneDnn, 1.0 / 8192.0, 0.75, 1.0),
        (Convention::Symmetric, 1e-4, 0.75, 1.0),
        (own, 1e-4, 0.75, 1.0),
    ] {
        let lrn = LrnConfig::new(5).convention(convention).build().unwrap();
        assert_eq!((lrn.alpha(), lrn.beta(), lrn.k()), (alpha, beta, k), "{convention}");
        assert_eq!((lrn.size(), lrn.convention(), lrn.channel_axis()), (5, convention, 1));
    }
    let lrn = LocalResponseNorm::new(7).unwrap();
    assert_eq!((lrn.size(), lrn.alpha(), lrn.beta(), lrn.k()), (7, 1e-4, 0.75, 1.0));
    assert_eq!((lrn.convention(), lrn.channel_axis()), (Convention::Torch, 1));
}

#[test]
fn tensorflow_counts_by_radius() {
    for (depth_radius, size) in [(0, 1), (1, 3), (5, 11)] {
        let lrn = LrnConfig::tensorflow(depth_radius).build().unwrap();
        assert_eq!((lrn.size(), lrn.alpha(), lrn.beta(), lrn.k()), (size, 1.0, 0.5, 1.0));
        assert_eq!((lrn.plan().before, lrn.plan().after), (depth_radius, depth_radius));
    }
    // Undivided: d = 0 + 1·3·1 = 3 in the middle.
    let y = LrnConfig::tensorflow(1).k(0.0).beta(1.0).build().unwrap().forward(&[1.0; 3], &[1, 3]).unwrap();
    assert_eq!(y, [0.5, 1.0 / 3.0, 0.5]);
}

/// Every order of the same calls builds the same layer.
#[test]
fn what_is_explicit_beats_a_default_in_any_order() {
    type Set = fn(LrnConfig) -> LrnConfig;
    let sets: [Set; 4] =
        [|c| c.alpha(3.0), |c| c.beta(0.25), |c| c.k(7.0), |c| c.convention(Convention::Caffe).channel_axis(-1)];
    let mut configs = vec![];
    for order in 0..256 {
        let order = [order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6];
        if (0..4).all(|i| order.contains(&i)) {
            configs.push(order.iter().fold(LrnConfig::new(5), |config, &i| sets[i](config)));
        }
    }
    assert_eq!(configs.len(), 24);
    for config in &configs {
        assert_eq!(*config, configs[0]);
    }
    let lrn = configs[0].build().unwrap();
    assert_eq!((lrn.alpha(), lrn.beta(), lrn.k(), lrn.channel_axis()), (3.0, 0.25, 7.0, -1));
    assert_eq!(lrn.convention(), Convention::Caffe);

    // A value that equals some default is explicit all the same, and the last call of a setter counts.
    let lrn =
        LrnConfig::new(5).alpha(1e-4).convention(Convention::Caffe).convention(Convention::Cudnn).build().unwrap();
    assert_eq!((lrn.alpha(), lrn.k()), (1e-4, 2.0));
    let lrn = LrnConfig::new(5).alpha(1e-4).convention(Convention::Caffe).build().unwrap();
    assert_eq!((lrn.alpha(), lrn.k()), (1e-4, 1.0));
    assert_eq!(LrnConfig::new(5).k(3.0).k(4.0).build().unwrap().k(), 4.0);

    // A raw window brings its own size.
    let own = Convention::Window(Window { before: 1, after: 0, divisor: 1.0 });
    assert_eq!(LrnConfig::new(9).convention(own).build().unwrap().size(), 2);
}

/// The four ways forward must agree on an error, and leave their output alone.
#[track_caller]
fn refused(lrn: &LocalResponseNorm, length: usize, shape: &[usize], expected: &ShapeError, parts: &[&str]) {
    let x: Vec<f32> = (0..length).map(|i| i as f32 + 1.0).collect();
    assert_eq!(lrn.forward(&x, shape).as_ref(), Err(expected));
    names(expected, parts);

    let mut y = vec![-7.0; length];
    assert_eq!(lrn.forward_into(&x, shape, &mut y).as_ref(), Err(expected));
    assert!(y.iter().all(|&y| y == -7.0));

    let mut y = vec![MaybeUninit::new(-7.0f32); length];
    assert_eq!(lrn.forward_uninit(&x, shape, &mut y).map(|_| ()).as_ref(), Err(expected));
    // SAFETY: initialized above.
    assert!(y.iter().all(|y| unsafe { y.assume_init() } == -7.0));

    let mut y = x.clone();
    assert_eq!(lrn.forward_in_place(&mut y, shape).as_ref(), Err(expected));
    assert_eq!(x, y);
}

fn layers(config: &LrnConfig) -> Vec<LocalResponseNorm> {
    let backends = [Backend::Interpreter, Backend::Generic, Backend::GenericPowf, Backend::Reference];
    let asked = backends.map(|backend| config.clone().backend(backend));
    asked.iter().chain([config]).map(|config| config.build().unwrap()).collect()
}

#[test]
fn ranks_zero_and_one() {
    for lrn in layers(&LrnConfig::new(3).channel_axis(0)) {
        refused(&lrn, 1, &[], &ShapeError::Rank { rank: 0, shape: vec![] }, &["rank 2 or more", "rank 0"]);
        for extent in [4, 0] {
            let error = ShapeError::Rank { rank: 1, shape: vec![extent] };
            refused(&lrn, extent, &[extent], &error, &["rank 2 or more", "rank 1", &format!("[{extent}]")]);
        }
    }
}

#[test]
fn channel_axes_out_of_range() {
    for axis in [2, 3, -3, -4, isize::MAX, isize::MIN] {
        for lrn in layers(&LrnConfig::new(3).channel_axis(axis)) {
            let error = ShapeError::ChannelAxis { axis, rank: 2 };
            refused(&lrn, 6, &[2, 3], &error, &[&axis.to_string(), "rank 2", "-2 to 1"]);
            refused(&lrn, 0, &[0, 3], &error, &[&axis.to_string()]);
        }
    }
    for axis in [-2, -1, 0, 1] {
        let lrn = LrnConfig::new(3).channel_axis(axis).build().unwrap();
        assert!(lrn.forward(&[1.0; 6], &[2, 3]).is_ok(), "{axis}");
    }
}

#[test]
fn inputs_of_another_length() {
    for lrn in layers(&LrnConfig::new(3)) {
        for actual in [0, 1, 23, 25, 48] {
            let shape = vec![2, 3, 4];
            let error = ShapeError::Length { what: "input", actual, expected: 24, shape: shape.clone() };
            refused(&lrn, actual, &shape, &error, &["input", &actual.to_string(), "24", "[2, 3, 4]"]);
        }
        let error = ShapeError::Length { what: "input", actual: 1, expected: 0, shape: vec![2, 0, 4] };
        refused(&lrn, 1, &[2, 0, 4], &error, &["input", "[2, 0, 4]"]);
    }
}

#[test]
fn outputs_of_another_length() {
    let shape = [2, 3, 4];
    let x = [1.0; 24];
    for lrn in layers(&LrnConfig::new(3)) {
        for actual in [0, 1, 23, 25, 48] {
            let error = ShapeError::Length { what: "output", actual, expected: 24, shape: shape.to_vec() };
            names(&error, &["output", &actual.to_string(), "24", "[2, 3, 4]"]);
            let mut y = vec![-7.0; actual];
            assert_eq!(lrn.forward_into(&x, &shape, &mut y), Err(error.clone()));
            assert!(y.iter().all(|&y| y == -7.0));
            let mut y = vec![MaybeUninit::new(-7.0f32); actual];
            assert_eq!(lrn.forward_uninit(&x, &shape, &mut y).map(|_| ()), Err(error));
            // SAFETY: initialized above.
            assert!(y.iter().all(|y| unsafe { y.assume_init() } == -7.0));
        }
    }
}

#[test]
fn shapes_beyond_any_memory() {
    let half = 1 << (usize::BITS / 2);
    for lrn in layers(&LrnConfig::new(3)) {
        for shape in
            [[half, half, 1], [1, half, half], [usize::MAX, 2, 1], [2, usize::MAX, 2], [1, isize::MAX as usize, 1]]
        {
            let error = ShapeError::Overflow { shape: shape.to_vec() };
            refused(&lrn, 4, &shape, &error, &["memory", &format!("{shape:?}")]);
        }
    }
}

/// An extent of 0 makes the tensor empty, however large the others are.
#[test]
fn empty_tensors_come_back_empty() {
    for boundary in [Boundary::Zero, Boundary::Wrap] {
        for size in [1, 4, 40] {
            for lrn in layers(&LrnConfig::new(size).boundary(boundary)) {
                for shape in
                    [[0, 3, 4], [2, 0, 4], [2, 3, 0], [0, 0, 0], [usize::MAX, 0, usize::MAX], [0, usize::MAX, 2]]
                {
                    assert_eq!(lrn.forward(&[], &shape), Ok(vec![]), "{shape:?}");
                    assert_eq!(lrn.forward_into(&[], &shape, &mut []), Ok(()));
                    assert_eq!(lrn.forward_uninit(&[], &shape, &mut []).map(|y| y.len()), Ok(0));
                    assert_eq!(lrn.forward_in_place(&mut [], &shape), Ok(()));
                }
            }
        }
    }
}
