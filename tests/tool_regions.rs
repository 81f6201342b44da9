//! `lrn-jit run` and `show` with windows over any axes: the library's bits, files of every order, type and size, and one line for what
//! cannot be.
#![cfg(feature = "cli")]

mod common;

use std::fs;

use common::rng::Rng;
use common::tool::{Folder, Layout, Outcome, Stored, run, tool};
use half::{bf16, f16};
use lrn_jit::{Activation, Boundary, Convention, Element, LrnConfig};

const LAYER: &str = "--alpha 2 --k 0.5";

fn layer(size: usize) -> LrnConfig {
    LrnConfig::new(size).alpha(2.0).k(0.5)
}

fn draw<E>(shape: &[usize], seed: u64, of: impl Fn(f64) -> E) -> Vec<E> {
    let mut rng = Rng::new(seed);
    (0..shape.iter().product()).map(|_| of(rng.unit() * 6.0 - 3.0)).collect()
}

/// `lrn-jit run` in a folder, with names and options separated by blanks; `''` is an empty one.
fn run_in(folder: &Folder, arguments: &str) -> Outcome {
    let path = |word: &str| match word {
        "''" => "".into(),
        name if name.ends_with(".npy") => folder.path(name).into_os_string(),
        word => word.into(),
    };
    tool(std::iter::once("run".into()).chain(arguments.split_whitespace().map(path)))
}

/// The axes of a Fortran-order file, and its elements, as the library sees them: the shape the other way round.
fn reversed(shape: &[usize], axes: &[isize]) -> (Vec<usize>, Vec<isize>) {
    let rank = shape.len() as isize;
    let axis = |&axis: &isize| rank - 1 - if axis < 0 { axis + rank } else { axis };
    (shape.iter().rev().copied().collect(), axes.iter().map(axis).collect())
}

/// C-order elements of `shape` in Fortran order, and back where `shape` is the other way round.
fn transposed<E: Copy>(shape: &[usize], x: &[E]) -> Vec<E> {
    let rank = shape.len();
    let strides: Vec<usize> = (0..rank).map(|axis| shape[axis + 1..].iter().product()).collect();
    let place = |mut rest: usize| -> usize {
        (0..rank)
            .map(|axis| {
                let index = rest % shape[axis];
                rest /= shape[axis];
                index * strides[axis]
            })
            .sum()
    };
    (0..x.len()).map(|at| x[place(at)]).collect()
}

/// Output and gradient of a type, in either order and byte order, over some axes.
fn check<E: Element + Stored>(test: &str, of: fn(f64) -> E) {
    let folder = Folder::new(test);
    let cases: [(&[usize], &[isize], &str); 8] = [
        (&[2, 3, 9, 11], &[2, 3], "--within 2"),
        (&[2, 3, 9, 11], &[-1], "--within 1"),
        (&[2, 5, 4, 6, 3], &[2, 3, 4], "--within 3"),
        (&[3, 8, 7, 5], &[1, 3], "--axes 3,1"),
        (&[6, 4, 5, 3], &[0, -3, 2], "--axes=0,-3,2"),
        (&[5, 7, 9, 4], &[1, 2], "--axes=-3,-2"),
        (&[31], &[0], "--axes 0"),
        (&[4, 6], &[], "--axes ''"),
    ];
    for (number, (shape, axes, windows)) in cases.into_iter().enumerate() {
        let size = [3, 4, 5][number % 3];
        let relu = number % 2 == 1;
        let input = if relu { Activation::Relu } else { Activation::Identity };
        let config = |axes: &[isize]| layer(size).over_axes(axes).input_activation(input).build_for::<E>().unwrap();
        let (x, g) = (draw(shape, 1, of), draw(shape, 2, of));
        for number in 0..4 {
            let layout = Layout { fortran: number & 1 > 0, big_endian: number & 2 > 0, version: 1 };
            let (y, dx) = if layout.fortran {
                let (there, over) = reversed(shape, axes);
                let [x, g] = [&x, &g].map(|of| transposed(shape, of));
                let layer = config(&over);
                let back = |y: &[E]| transposed(&there, y);
                (back(&layer.forward(&x, &there).unwrap()), back(&layer.backward(&x, &g, &there).unwrap()))
            } else {
                let layer = config(axes);
                (layer.forward(&x, shape).unwrap(), layer.backward(&x, &g, shape).unwrap())
            };
            folder.write("x.npy", &layout.file_of(shape, &x));
            folder.write("g.npy", &Layout { big_endian: false, ..layout }.file_of(shape, &g));
            let options = format!("--size {size} {LAYER} {windows}{}", if relu { " --relu" } else { "" });
            let read = |name: &str| fs::read(folder.path(name)).unwrap();
            let outcome = run_in(&folder, &format!("x.npy y.npy --grad g.npy --grad-output dx.npy {options}"));
            outcome.succeeds();
            assert!(read("y.npy") == layout.file_of(shape, &y), "{layout:?} {shape:?} {options}");
            assert!(read("dx.npy") == layout.file_of(shape, &dx), "{layout:?} {shape:?} {options}");
            // Which of several axes is summed first is said where it is not the plan's last.
            assert_eq!(outcome.out.contains("\norder "), layout.fortran && axes.len() > 1, "{}", outcome.out);
            run_in(&folder, &format!("x.npy --in-place {options} --threads 2")).succeeds();
            assert!(read("x.npy") == layout.file_of(shape, &y), "{layout:?} {shape:?} {options}");
        }
    }
}

#[test]
fn single_precision() {
    check("regions-f32", |value| value as f32);
}

#[test]
fn double_precision() {
    check("regions-f64", |value| value);
}

#[test]
fn half_precision() {
    check("regions-f16", f16::from_f64);
}

/// Fortran order is summed the other way round: the same but for rounding.
#[test]
fn either_order_is_near_the_other() {
    let folder = Folder::new("regions-orders");
    let shape = [2, 3, 17, 19];
    let x = draw(&shape, 5, |value| value as f32);
    let y = layer(5).within_channel(2).build().unwrap().forward(&x, &shape).unwrap();
    let layout = Layout { fortran: true, ..Layout::PLAIN };
    folder.write("x.npy", &layout.file(&shape, &x));
    let outcome = run_in(&folder, &format!("x.npy y.npy --size 5 {LAYER} --within 2"));
    outcome.succeeds();
    assert!(outcome.out.contains("windows over the axes 2, 3"), "{}", outcome.out);
    assert!(outcome.out.contains("summed along axis 2 first"), "{}", outcome.out);
    let file = fs::read(folder.path("y.npy")).unwrap();
    let there: Vec<f32> =
        file[file.len() - 4 * x.len()..].chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    let back = transposed(&[19, 17, 3, 2], &there);
    assert!(back.iter().zip(&y).all(|(a, b)| (a - b).abs() <= 8.0 * f32::EPSILON * b.abs()));
}

/// Several chunks of whole slabs, the last one shorter; slabs that take more than a chunk; strips of their columns.
#[test]
fn large_files_are_taken_in_chunks() {
    let folder = Folder::new("regions-chunks");
    for (shape, axes, windows, threads) in [
        (&[97, 16, 41, 43][..], &[2, 3][..], "--within 2", 1),
        (&[97, 16, 41, 43], &[2, 3], "--within 2", 3),
        (&[5, 11, 41, 43], &[1, 2], "--axes 1,2", 2),
        // A slab of 6 MB, whole: nothing is inside it.
        (&[2, 1100, 1403], &[1, 2], "--within 2", 2),
        // Slabs of 11 MB, whose columns are cut.
        (&[2, 50, 10, 5600], &[1, 2], "--axes=-3,-2", 1),
        (&[2, 50, 10, 5600], &[1, 2], "--axes=-3,-2", 2),
        (&[3, 2_000_001], &[], "--axes ''", 2),
    ] {
        let (x, g) = (draw(shape, 3, |value| value as f32), draw(shape, 4, |value| value as f32));
        let layer = layer(5).over_axes(axes).build().unwrap();
        folder.write("x.npy", &Layout::PLAIN.file(shape, &x));
        folder.write("g.npy", &Layout::PLAIN.file(shape, &g));
        let options = format!("--size 5 {LAYER} {windows} --threads {threads}");
        run_in(&folder, &format!("x.npy y.npy --grad g.npy --grad-output dx.npy {options}")).succeeds();
        for (name, expected) in
            [("y.npy", layer.forward(&x, shape).unwrap()), ("dx.npy", layer.backward(&x, &g, shape).unwrap())]
        {
            assert!(
                fs::read(folder.path(name)).unwrap() == Layout::PLAIN.file(shape, &expected),
                "{name} {shape:?} {options}"
            );
        }
    }
}

#[test]
fn every_option_reaches_the_library() {
    let folder = Folder::new("regions-options");
    let shape = [2, 4, 9, 7];
    let x = draw(&shape, 6, |value| value as f32);
    folder.write("x.npy", &Layout::PLAIN.file(&shape, &x));
    for (options, config) in [
        ("--size 4 --alpha 2 --convention onnx", LrnConfig::new(4).alpha(2.0).convention(Convention::Onnx)),
        ("--size 5 --convention tensorflow", LrnConfig::new(5).convention(Convention::TensorFlow)),
        ("--size 5 --convention caffe", LrnConfig::new(5).convention(Convention::Caffe)),
        // Caffe's windows within channels take k = 1.
        ("--size 5 --convention caffe --k 3", LrnConfig::new(5).convention(Convention::Caffe)),
        ("--size 13 --alpha 2 --boundary wrap", LrnConfig::new(13).alpha(2.0).boundary(Boundary::Wrap)),
        ("--size 40 --alpha 200 --beta 1", LrnConfig::new(40).alpha(200.0).beta(1.0)),
    ] {
        let y = config.clone().within_channel(2).build().unwrap().forward(&x, &shape).unwrap();
        let outcome = run_in(&folder, &format!("x.npy y.npy --within 2 {options}"));
        outcome.succeeds();
        assert!(outcome.out.contains(", windows over the axes 2, 3\n"), "{}", outcome.out);
        assert!(fs::read(folder.path("y.npy")).unwrap() == Layout::PLAIN.file(&shape, &y), "{options}");
    }
    // Over axes that are named Caffe's k counts.
    let y = LrnConfig::new(5).convention(Convention::Caffe).k(3.0).over_axes(&[2, 3]);
    let y = y.build().unwrap().forward(&x, &shape).unwrap();
    run_in(&folder, "x.npy y.npy --axes 2,3 --size 5 --convention caffe --k 3").succeeds();
    assert!(fs::read(folder.path("y.npy")).unwrap() == Layout::PLAIN.file(&shape, &y));
    for (windows, said) in [
        ("--axes 1", "windows along axis 1\n"),
        ("--within 1", "windows along axis 3\n"),
        ("--axes=-1,0", "windows over the axes 0, 3\n"),
        ("--axes ''", "each element its own window\n"),
        ("", "channels on axis 1\n"),
    ] {
        let outcome = run_in(&folder, &format!("x.npy y.npy --size 3 {windows}"));
        outcome.succeeds();
        assert!(outcome.out.contains(said), "{windows}: {}", outcome.out);
    }
}

#[test]
fn single_precision_as_bf16() {
    let folder = Folder::new("regions-bf16");
    let shape = [2, 3, 8, 9];
    let [x, g] = [1, 2].map(|seed| draw(&shape, seed, |value| value as f32));
    let [short, grad] = [&x, &g].map(|of| of.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>());
    let layer = layer(3).within_channel(2).build_for::<bf16>().unwrap();
    folder.write("x.npy", &Layout::PLAIN.file(&shape, &x));
    folder.write("g.npy", &Layout::PLAIN.file(&shape, &g));
    let options = format!("--size 3 {LAYER} --within 2 --compute bf16");
    run_in(&folder, &format!("x.npy y.npy --grad g.npy --grad-output dx.npy {options}")).succeeds();
    for (name, expected) in
        [("y.npy", layer.forward(&short, &shape).unwrap()), ("dx.npy", layer.backward(&short, &grad, &shape).unwrap())]
    {
        let expected: Vec<f32> = expected.iter().map(|y| y.to_f32()).collect();
        assert!(fs::read(folder.path(name)).unwrap() == Layout::PLAIN.file(&shape, &expected), "{name}");
    }
}

#[test]
fn empty_tensors_and_scalars() {
    let folder = Folder::new("regions-empty");
    for (shape, windows) in [
        (&[0, 3, 4][..], "--within 2"),
        (&[2, 0, 3], "--axes 0,2"),
        (&[2, 3, 0], "--axes ''"),
        (&[0], "--within 1"),
        (&[0, usize::MAX / 4, 9], "--within 3"),
    ] {
        for fortran in [false, true] {
            let file = Layout { fortran, ..Layout::PLAIN }.file(shape, &[]);
            folder.write("x.npy", &file);
            run_in(&folder, &format!("x.npy y.npy --size 5 {windows}")).succeeds();
            assert!(fs::read(folder.path("y.npy")).unwrap() == file, "{shape:?}");
        }
    }
    folder.write("x.npy", &Layout::PLAIN.file(&[], &[3.0]));
    run_in(&folder, &format!("x.npy y.npy --size 5 {LAYER} --axes ''")).succeeds();
    let y = layer(5).over_axes(&[]).build().unwrap().forward(&[3.0], &[]).unwrap();
    assert!(fs::read(folder.path("y.npy")).unwrap() == Layout::PLAIN.file(&[], &y));
}

#[test]
fn axes_that_are_not_there() {
    let folder = Folder::new("regions-refused");
    let fortran = Layout { fortran: true, ..Layout::PLAIN };
    folder.write("x.npy", &Layout::PLAIN.file(&[2, 6, 3, 5], &[1.5; 180]));
    folder.write("f.npy", &fortran.file(&[2, 6, 3, 5], &[1.5; 180]));
    folder.write("line.npy", &Layout::PLAIN.file(&[5], &[1.5; 5]));
    folder.write("dot.npy", &Layout::PLAIN.file(&[], &[1.5]));
    let before = folder.names();
    for (name, options, words) in [
        ("x.npy", "--within 0", &["--within", "0 is not in 1..=3", "lrn-jit run --help"][..]),
        ("x.npy", "--within 4", &["--within", "4 is not in 1..=3"]),
        ("x.npy", "--within two", &["--within", "two"]),
        ("line.npy", "--within 2", &["shape (5,)", "rank 1", "2 or more"]),
        ("dot.npy", "--within 1", &["shape ()", "rank 0", "1 or more"]),
        ("dot.npy", "--axes 0", &["axis 0", "shape ()", "none"]),
        ("x.npy", "--axes 4", &["axis 4", "(2, 6, 3, 5)", "-4 to 3"]),
        ("f.npy", "--axes 0,4", &["axis 4", "(2, 6, 3, 5)", "-4 to 3"]),
        ("x.npy", "--axes=-5,1", &["axis -5", "(2, 6, 3, 5)", "-4 to 3"]),
        ("x.npy", "--axes=-9223372036854775808", &["axis -9223372036854775808", "-4 to 3"]),
        ("x.npy", "--axes 1,1", &["axis 1 is named twice", "once"]),
        ("x.npy", "--axes 1,-3", &["axis -3", "(2, 6, 3, 5)", "twice", "once"]),
        ("f.npy", "--axes 1,-3", &["axis -3", "(2, 6, 3, 5)", "twice", "once"]),
        ("x.npy", "--axes 1,", &["--axes", "integers with commas"]),
        ("x.npy", "--axes 1;2", &["--axes", "integers with commas"]),
        ("x.npy", "--axes 99999999999999999999", &["--axes", "integers with commas"]),
        ("x.npy", "--within 2 --axes 2,3", &["--within", "--axes", "cannot be used with"]),
        ("x.npy", "--within 2 --channel-axis 1", &["--within", "--channel-axis", "cannot be used with"]),
        ("x.npy", "--axes 2 --channel-axis=-1", &["--axes", "--channel-axis", "cannot be used with"]),
    ] {
        run(&folder.path(name), &folder.path("out.npy"), &format!("--size 5 {options}")).is_refused(words);
        assert_eq!(folder.names(), before);
    }
}

fn shown(arguments: &str) -> String {
    let words = arguments.split_whitespace().map(|word| if word == "''" { "" } else { word });
    let outcome = tool(["show"].into_iter().chain(words));
    outcome.succeeds();
    outcome.out
}

#[test]
fn show_says_the_windows_and_shows_their_code() {
    for (windows, said) in [
        ("--within 2", "windows over the last 2 axes"),
        ("--within 1", "windows along the last axis"),
        ("--axes=-1,0", "windows over the axes -1, 0"),
        ("--axes 2", "windows along axis 2"),
        ("--axes ''", "each element its own window"),
    ] {
        for dtype in ["f32", "f64", "f16", "bf16"] {
            let text = shown(&format!("--size 5 --relu --dtype {dtype} {windows}"));
            let first = text.lines().next().unwrap();
            assert!(first.ends_with(&format!(", {said}, {dtype}")) && first.contains("max(x, 0)"), "{first}");
            assert!(text.contains("function") && text.contains("base: d = k + a·Σ"), "{text}");
        }
        assert!(shown(&format!("--size 5 {windows} --clif")).starts_with("; LocalResponseNorm(5, "));
    }
    // Alpha is divided for each axis.
    for (windows, a) in [("--within 1", "3.0·Σx²"), ("--within 2", "1.0·Σx²"), ("--axes ''", "9.0·Σx²")] {
        let plan = shown(&format!("--size 3 --alpha 9 --plan {windows}"));
        assert!(plan.contains(a) && plan.lines().count() == 5, "{plan}");
    }
    assert!(shown("--size 3 --within 2 --plan").contains("i−1 … i+1 along each of 2 axes"));
    assert!(!shown("--size 5 --channel-axis 2").lines().next().unwrap().contains("axis"));
    tool(["show", "--size", "5", "--within", "4"]).is_refused(&["--within", "1..=3", "lrn-jit show --help"]);
    tool(["show", "--size", "5", "--axes", "2,2"]).is_refused(&["axis 2 is named twice", "lrn-jit show --help"]);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn show_prints_assembly_of_the_same_parts() {
    let headings = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.trim().strip_prefix("; — ").map(String::from)).collect()
    };
    for layer in ["--size 3 --within 2", "--size 20 --within 2 --beta 0.6", "--size 5 --axes 0,2 --beta 1"] {
        let (clif, assembly) = (shown(&format!("{layer} --clif")), shown(&format!("{layer} --asm")));
        assert!(headings(&clif).len() > 2 && headings(&assembly) == headings(&clif), "{layer}");
        assert!(assembly.contains("ret"), "{assembly}");
    }
}
