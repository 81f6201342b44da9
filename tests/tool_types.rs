//! `lrn-jit run` beyond plain f32: other types, gradients, a ReLU, bf16, in place. The library's bits, and one line for what cannot
//! be.
#![cfg(feature = "cli")]

mod common;

use std::fs;

use common::rng::Rng;
use common::tool::{Folder, Layout, Outcome, Stored, header, run, tool};
use half::{bf16, f16};
use lrn_jit::{Activation, Element, LrnConfig};

const SHAPE: [usize; 4] = [3, 9, 5, 7];
const LAYER: &str = "--size 5 --alpha 2 --k 0.5";

fn layer() -> LrnConfig {
    LrnConfig::new(5).alpha(2.0).k(0.5)
}

fn draw<E>(shape: &[usize], seed: u64, of: impl Fn(f64) -> E) -> Vec<E> {
    let mut rng = Rng::new(seed);
    (0..shape.iter().product()).map(|_| of(rng.unit() * 6.0 - 3.0)).collect()
}

fn layouts() -> impl Iterator<Item = Layout> {
    let layout = |number: u8| Layout { fortran: number & 1 > 0, big_endian: number & 2 > 0, version: 1 + number % 3 };
    (0..4).map(layout)
}

/// `lrn-jit run` in a folder, with names and options separated by blanks.
fn run_in(folder: &Folder, arguments: &str) -> Outcome {
    let path = |word: &str| if word.ends_with(".npy") { folder.path(word).into_os_string() } else { word.into() };
    tool(std::iter::once("run".into()).chain(arguments.split_whitespace().map(path)))
}

#[track_caller]
fn refused(folder: &Folder, arguments: &str, words: &[&str]) {
    let before: Vec<_> = folder.names().into_iter().map(|name| (fs::read(folder.path(&name)).unwrap(), name)).collect();
    run_in(folder, arguments).is_refused(words);
    let after: Vec<_> = folder.names().into_iter().map(|name| (fs::read(folder.path(&name)).unwrap(), name)).collect();
    assert!(before == after, "{arguments}: {:?}", folder.names());
}

/// Output and gradient of a type in every layout, on several axes, with and without a ReLU.
fn check<E: Element + Stored>(test: &str, of: fn(f64) -> E) {
    let folder = Folder::new(test);
    let (x, g) = (draw(&SHAPE, 1, of), draw(&SHAPE, 2, of));
    for (axis, relu) in [(1, false), (-1, true), (2, false), (0, true)] {
        let input = if relu { Activation::Relu } else { Activation::Identity };
        let layer = layer().channel_axis(axis).input_activation(input).build_for::<E>().unwrap();
        let (y, dx) = (layer.forward(&x, &SHAPE).unwrap(), layer.backward(&x, &g, &SHAPE).unwrap());
        for layout in layouts() {
            // The gradient's bytes may lie the other way round.
            let grad = Layout { big_endian: axis == 1, version: 2, ..layout };
            folder.write("x.npy", &layout.file_of(&SHAPE, &x));
            folder.write("g.npy", &grad.file_of(&SHAPE, &g));
            let options = format!("{LAYER} --channel-axis={axis}{}", if relu { " --relu" } else { "" });
            let read = |name: &str| fs::read(folder.path(name)).unwrap();
            run_in(&folder, &format!("x.npy y.npy {options}")).succeeds();
            assert!(read("y.npy") == layout.file_of(&SHAPE, &y), "{layout:?} {options}");
            let outcome = run_in(&folder, &format!("x.npy both.npy --grad g.npy --grad-output dx.npy {options}"));
            outcome.succeeds();
            for word in ["both.npy", "dx.npy", "g.npy", &format!("float{}", 8 * size_of::<E>())] {
                assert!(outcome.out.contains(word), "{word}: {}", outcome.out);
            }
            assert!(read("both.npy") == read("y.npy") && read("dx.npy") == layout.file_of(&SHAPE, &dx), "{layout:?}");
            // The gradient alone.
            run_in(&folder, &format!("x.npy --grad g.npy --grad-output alone.npy {options}")).succeeds();
            assert!(read("alone.npy") == read("dx.npy"), "{layout:?} {options}");
            assert_eq!(folder.names(), ["alone.npy", "both.npy", "dx.npy", "g.npy", "x.npy", "y.npy"]);
        }
    }
}

#[test]
fn double_precision() {
    check("f64", |value| value);
}

#[test]
fn half_precision() {
    check("f16", f16::from_f64);
}

#[test]
fn single_precision() {
    check("f32", |value| value as f32);
}

/// Several chunks of an odd number of halves; strips; threads.
#[test]
fn large_files_are_taken_in_chunks() {
    let folder = Folder::new("chunks-of-types");
    for (shape, threads) in [([97, 15, 81, 43], 1), ([97, 15, 81, 43], 2), ([1, 4201, 41, 51], 1)] {
        let (x, g) = (draw(&shape, 3, f16::from_f64), draw(&shape, 4, f16::from_f64));
        let layer = layer().build_for::<f16>().unwrap();
        folder.write("x.npy", &Layout::PLAIN.file_of(&shape, &x));
        folder.write("g.npy", &Layout::PLAIN.file_of(&shape, &g));
        let options = format!("{LAYER} --threads {threads}");
        run_in(&folder, &format!("x.npy y.npy --grad g.npy --grad-output dx.npy {options}")).succeeds();
        for (name, expected) in
            [("y.npy", layer.forward(&x, &shape).unwrap()), ("dx.npy", layer.backward(&x, &g, &shape).unwrap())]
        {
            assert!(
                fs::read(folder.path(name)).unwrap() == Layout::PLAIN.file_of(&shape, &expected),
                "{name} {shape:?}"
            );
        }
    }
}

#[test]
fn single_precision_as_bf16() {
    let folder = Folder::new("bf16");
    let [x, g] = [1, 2].map(|seed| draw(&SHAPE, seed, |value| value as f32));
    let [short, grad] = [&x, &g].map(|of| of.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>());
    let layer = layer().input_activation(Activation::Relu).build_for::<bf16>().unwrap();
    let (y, dx) = (layer.forward(&short, &SHAPE).unwrap(), layer.backward(&short, &grad, &SHAPE).unwrap());
    for layout in layouts() {
        // Fortran order has the channels elsewhere, not other bits.
        folder.write("x.npy", &layout.file(&SHAPE, &x));
        folder.write("g.npy", &layout.file(&SHAPE, &g));
        let options = format!("{LAYER} --compute bf16 --relu --threads 2");
        let outcome = run_in(&folder, &format!("x.npy y.npy --grad g.npy --grad-output dx.npy {options}"));
        outcome.succeeds();
        assert!(outcome.out.contains("as bf16"), "{}", outcome.out);
        for (name, expected) in [("y.npy", &y), ("dx.npy", &dx)] {
            let expected: Vec<f32> = expected.iter().map(|y| y.to_f32()).collect();
            assert!(fs::read(folder.path(name)).unwrap() == layout.file(&SHAPE, &expected), "{name} {layout:?}");
        }
    }
    for (name, file) in [
        ("f8.npy", Layout::PLAIN.file_of(&[1, 2], &[1.0f64; 2])),
        ("f2.npy", Layout::PLAIN.file_of(&[1, 2], &[f16::ONE; 2])),
    ] {
        folder.write(name, &file);
        let holds = if name == "f8.npy" { "float64" } else { "float16" };
        refused(
            &folder,
            &format!("{name} out.npy --size 5 --compute bf16"),
            &["--compute bf16", "float32", name, holds],
        );
    }
}

#[test]
fn in_place() {
    let folder = Folder::new("in-place");
    // Several chunks: none may be overwritten before it is read.
    let shape = [90, 8, 64, 64];
    let [x, g] = [3, 4].map(|seed| draw(&shape, seed, |value| value as f32));
    let layer = layer().build().unwrap();
    let y = Layout::PLAIN.file(&shape, &layer.forward(&x, &shape).unwrap());
    let dx = Layout::PLAIN.file(&shape, &layer.backward(&x, &g, &shape).unwrap());
    let write = || {
        folder.write("x.npy", &Layout::PLAIN.file(&shape, &x));
        folder.write("g.npy", &Layout::PLAIN.file(&shape, &g));
    };
    let read = |name: &str| fs::read(folder.path(name)).unwrap();
    write();
    run_in(&folder, &format!("x.npy --in-place {LAYER}")).succeeds();
    assert!(read("x.npy") == y);
    // Every input is the place of an output.
    write();
    run_in(&folder, &format!("x.npy --in-place --grad g.npy --grad-output g.npy {LAYER}")).succeeds();
    assert!(read("x.npy") == y && read("g.npy") == dx);
    write();
    run_in(&folder, &format!("x.npy g.npy --grad g.npy --grad-output x.npy {LAYER}")).succeeds();
    assert!(read("x.npy") == dx && read("g.npy") == y);
    // Its own gradient.
    write();
    run_in(&folder, &format!("x.npy --grad x.npy --grad-output g.npy {LAYER}")).succeeds();
    assert!(read("g.npy") == Layout::PLAIN.file(&shape, &layer.backward(&x, &x, &shape).unwrap()));
    assert_eq!(folder.names(), ["g.npy", "x.npy"]);

    let mut permissions = fs::metadata(folder.path("x.npy")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(folder.path("x.npy"), permissions).unwrap();
    refused(&folder, "x.npy --in-place --size 5", &["cannot write", "x.npy", "read-only"]);
}

#[test]
fn gradients_that_do_not_fit() {
    let folder = Folder::new("unfitting");
    let fortran = Layout { fortran: true, ..Layout::PLAIN };
    folder.write("x.npy", &Layout::PLAIN.file(&[2, 3, 4], &[1.0; 24]));
    folder.write("shape.npy", &Layout::PLAIN.file(&[2, 4, 3], &[1.0; 24]));
    folder.write("rank.npy", &Layout::PLAIN.file(&[24], &[1.0; 24]));
    folder.write("type.npy", &Layout::PLAIN.file_of(&[2, 3, 4], &[1.0f64; 24]));
    folder.write("order.npy", &fortran.file(&[2, 3, 4], &[1.0; 24]));
    folder.write("text.npy", b"no array");
    folder.write(
        "int.npy",
        &[header(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }"), vec![0; 4]].concat(),
    );
    let with = |grad: &str| format!("x.npy y.npy --size 5 --grad {grad} --grad-output dx.npy");
    for (grad, words) in [
        ("shape.npy", &["shape.npy", "(2, 4, 3)", "(2, 3, 4)"][..]),
        ("rank.npy", &["rank.npy", "(24,)", "(2, 3, 4)"]),
        ("type.npy", &["type.npy", "float64", "float32"]),
        ("order.npy", &["order.npy", "Fortran order", "C order"]),
        ("text.npy", &["text.npy", "not a .npy file"]),
        ("int.npy", &["int.npy", "int32", "allowed are float32"]),
        ("none.npy", &["none.npy", "No such file"]),
    ] {
        refused(&folder, &with(grad), words);
    }
    // Both options or neither; somewhere for results to go.
    for (arguments, words) in [
        ("x.npy y.npy --size 5 --grad x.npy", &["--grad-output", "lrn-jit run --help"][..]),
        ("x.npy y.npy --size 5 --grad-output dx.npy", &["--grad <G.npy>", "lrn-jit run --help"]),
        ("x.npy --size 5", &["OUT.npy", "lrn-jit run --help"]),
        ("x.npy --size 5 --in-place y.npy", &["--in-place", "OUT.npy", "lrn-jit run --help"]),
        ("x.npy y.npy --size 5 --grad x.npy --grad-output y.npy", &["same file", "y.npy"]),
        ("x.npy --in-place --size 5 --grad shape.npy --grad-output x.npy", &["shape.npy"]),
        ("x.npy --in-place --size 5 --grad x.npy --grad-output x.npy", &["same file", "x.npy"]),
        (
            "x.npy y.npy --size 5 --grad x.npy --grad-output none/dx.npy",
            &["cannot write", "none/dx.npy", "no directory"],
        ),
        ("x.npy y.npy --size 0 --grad x.npy --grad-output dx.npy", &["size", "at least 1"]),
    ] {
        refused(&folder, arguments, words);
    }
    // The same place by another name.
    let (x, other) = (folder.path("x.npy"), folder.path(".").join("y.npy"));
    let options = format!("--size 5 --grad {0} --grad-output {1}", x.display(), other.display());
    run(&x, &folder.path("y.npy"), &options).is_refused(&["same file"]);
    assert!(!folder.path("y.npy").exists());
}

#[test]
fn empty_tensors_of_every_type() {
    let folder = Folder::new("empty-types");
    for layout in layouts() {
        for file in [
            layout.file_of::<f64>(&[0, 3, 4], &[]),
            layout.file_of::<f16>(&[2, 0, 3], &[]),
            layout.file(&[1, 1, 0], &[]),
        ] {
            folder.write("x.npy", &file);
            run_in(&folder, "x.npy y.npy --size 5 --grad x.npy --grad-output dx.npy --relu").succeeds();
            assert!(
                fs::read(folder.path("y.npy")).unwrap() == file && fs::read(folder.path("dx.npy")).unwrap() == file
            );
        }
    }
}

/// A write that fails leaves what was there, of both outputs.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_both() {
    use common::tool::{command, limit, outcome};
    let folder = Folder::new("full-types");
    let shape = [30, 8, 64, 64];
    folder.write("x.npy", &Layout::PLAIN.file(&shape, &draw(&shape, 3, |value| value as f32)));
    for bytes in [0, 100, 1 << 20] {
        for name in ["y.npy", "dx.npy"] {
            folder.write(name, b"old");
        }
        let [x, y, dx] = ["x.npy", "y.npy", "dx.npy"].map(|name| folder.path(name));
        let mut command = command(["run", "--size", "5", "--grad"]);
        command.arg(&x).arg("--grad-output").arg(&dx).arg(&x).arg(&y);
        limit(&mut command, libc::RLIMIT_FSIZE, bytes);
        outcome(command).is_refused(&["cannot write", "File too large"]);
        assert!(fs::read(y).unwrap() == b"old" && fs::read(dx).unwrap() == b"old");
        assert_eq!(folder.names(), ["dx.npy", "x.npy", "y.npy"]);
    }
}
