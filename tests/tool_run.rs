//! `lrn-jit run`: the library's bits for every layout of a file, and output that appears whole or not at all.
#![cfg(feature = "cli")]

mod common;

use std::fs;

use common::rng::Rng;
use common::tool::{Folder, Layout, header, run, run_command};
use lrn_jit::{Backend, Boundary, Convention, LrnConfig};

fn input(shape: &[usize], seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..shape.iter().product()).map(|_| (rng.unit() * 6.0 - 3.0) as f32).collect()
}

fn layouts() -> impl Iterator<Item = Layout> {
    [(false, false), (false, true), (true, false), (true, true)].into_iter().map(|(fortran, big_endian)| Layout {
        fortran,
        big_endian,
        version: 1 + 2 * u8::from(fortran),
    })
}

/// Runs the tool on `shape` in every layout; its file must be the library's, byte for byte.
#[track_caller]
fn check(test: &str, shape: &[usize], options: &str, config: &LrnConfig) {
    let folder = Folder::new(test);
    let x = input(shape, 7);
    let y = config.build().unwrap().forward(&x, shape).unwrap();
    let changed = x.iter().zip(&y).filter(|(x, y)| (*x - *y).abs() > 0.01).count();
    assert!(changed * 2 > x.len(), "the layer does too little to be seen");
    for layout in layouts() {
        let file = folder.write("in.npy", &layout.file(shape, &x));
        run(&file, &folder.path("out.npy"), options).succeeds();
        let got = fs::read(folder.path("out.npy")).unwrap();
        assert!(got == layout.file(shape, &y), "{shape:?} {layout:?} {options}");
        assert_eq!(folder.names(), ["in.npy", "out.npy"]);
    }
}

fn layer(size: usize) -> LrnConfig {
    LrnConfig::new(size).alpha(2.0).k(0.5)
}

#[test]
fn every_axis_of_every_layout() {
    let options = "--size 5 --alpha 2 --k 0.5 --channel-axis";
    let shapes: [&[usize]; 5] = [&[2, 12, 5, 7], &[3, 4, 6, 10], &[1, 6, 33], &[40, 9], &[2, 3, 4, 5, 6]];
    for shape in shapes {
        let rank = shape.len() as isize;
        for axis in -rank..rank {
            check("axes", shape, &format!("{options}={axis}"), &layer(5).channel_axis(axis));
        }
    }
}

/// Several chunks of slabs, the last one shorter; strips of one slab, the last one narrower than a vector; of two.
#[test]
fn large_files_are_taken_in_chunks() {
    for (shape, threads) in [
        ([97, 16, 41, 43], 1),
        ([97, 16, 41, 43], 3),
        ([1, 2100, 40, 50], 1),
        ([2, 2800, 35, 43], 1),
        ([1, 4200, 40, 50], 2),
    ] {
        let options = format!("--size 5 --alpha 2 --k 0.5 --threads {threads}");
        check("chunks", &shape, &options, &layer(5));
    }
    check("chunks", &[20001, 3, 40], "--size=4 --alpha=2 --k=.5 --channel-axis=-1", &layer(4).channel_axis(2));
}

#[test]
fn every_option_reaches_the_library() {
    let shape = [3, 9, 5, 5];
    for (options, config) in [
        ("--size=5 --alpha=-1e-3 --k -7 --beta=-2", layer(5).alpha(-1e-3).k(-7.0).beta(-2.0)),
        ("--size 5 --alpha -1e-1 --beta -0.5", layer(5).alpha(-1e-1).beta(-0.5).k(1.0)),
        ("--size 4 --alpha 2 --k .5 --convention torch", layer(4)),
        ("--size 4 --alpha 2 --k .5 --convention onnx", layer(4).convention(Convention::Onnx)),
        ("--size 4 --alpha 2 --convention cudnn", LrnConfig::new(4).alpha(2.0).convention(Convention::Cudnn)),
        ("--size 4 --alpha 2 --convention onednn", LrnConfig::new(4).alpha(2.0).convention(Convention::OneDnn)),
        ("--size 4 --alpha 2 --convention symmetric", LrnConfig::new(4).alpha(2.0).convention(Convention::Symmetric)),
        ("--size 5 --convention tensorflow", LrnConfig::new(5).convention(Convention::TensorFlow)),
        ("--size 5 --convention caffe", LrnConfig::new(5).convention(Convention::Caffe)),
        ("--size 13 --alpha 2 --k .5 --boundary wrap", layer(13).boundary(Boundary::Wrap)),
        ("--size 13 --alpha 2 --k .5 --boundary zero", layer(13)),
        ("--size 40 --alpha 20", LrnConfig::new(40).alpha(20.0)),
        ("--size 5 --alpha 2 --k .5 --backend jit", layer(5).backend(Backend::Jit)),
        ("--size 5 --alpha 2 --k .5 --backend interpreter", layer(5).backend(Backend::Interpreter)),
        ("--size 5 --alpha 2 --k .5 --backend generic", layer(5).backend(Backend::Generic)),
        ("--size 5 --alpha 2 --k .5 --backend reference", layer(5).backend(Backend::Reference)),
    ] {
        check("options", &shape, options, &config);
    }
}

#[test]
fn the_photograph_and_its_report() {
    let folder = Folder::new("photograph");
    let photograph = common::golden::path("data/conv1.npy");
    let outcome = run(&photograph, &folder.path("out.npy"), "--size 5");
    outcome.succeeds();
    for word in ["(1, 96, 27, 27)", "backend ", "plan ", "compiled ", " ms", "GB/s", "out.npy"] {
        assert!(outcome.out.contains(word), "{word:?} is missing:\n{}", outcome.out);
    }
    let (shape, x) = common::golden::read::<f32>("data/conv1.npy");
    let y = LrnConfig::new(5).build().unwrap().forward(&x, &shape).unwrap();
    let bytes = fs::read(folder.path("out.npy")).unwrap();
    let expected: Vec<u8> = y.iter().flat_map(|y| y.to_le_bytes()).collect();
    assert!(bytes.ends_with(&expected));
    // What numpy wrote before the elements stays.
    assert!(fs::read(photograph).unwrap().starts_with(&bytes[..bytes.len() - expected.len()]));
}

#[test]
fn headers_of_all_versions_and_habits() {
    let folder = Folder::new("headers");
    let (shape, x) = ([2, 3, 4], input(&[2, 3, 4], 1));
    let y = layer(3).build().unwrap().forward(&x, &shape).unwrap();
    let bytes = |x: &[f32]| -> Vec<u8> { x.iter().flat_map(|x| x.to_le_bytes()).collect() };
    for version in [1, 2, 3] {
        for text in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 4), }",
            "{\"shape\":(2,3,4),\"fortran_order\":False,\"descr\":\"<f4\"}",
            "{ 'fortran_order' : False , 'shape' : ( 2 , 3 , 4 , ) , 'descr' : '<f4' }",
        ] {
            let header = header(version, text);
            let file = folder.write("in.npy", &[&header[..], &bytes(&x)].concat());
            run(&file, &folder.path("out.npy"), "--size 3 --alpha 2 --k 0.5").succeeds();
            assert!(
                fs::read(folder.path("out.npy")).unwrap() == [&header[..], &bytes(&y)].concat(),
                "{version} {text}"
            );
        }
    }
}

#[test]
fn empty_tensors() {
    let folder = Folder::new("empty");
    for shape in [&[0, 3, 4][..], &[2, 0, 3], &[2, 3, 0], &[0, 0], &[0, usize::MAX / 4, 9]] {
        for layout in layouts() {
            let file = folder.write("in.npy", &layout.file(shape, &[]));
            run(&file, &folder.path("out.npy"), "--size 5").succeeds();
            assert!(fs::read(folder.path("out.npy")).unwrap() == layout.file(shape, &[]), "{shape:?}");
        }
    }
}

#[test]
fn a_file_can_be_its_own_output() {
    let folder = Folder::new("itself");
    // Several chunks: none may be overwritten before it is read.
    let (shape, x) = ([90, 8, 64, 64], input(&[90, 8, 64, 64], 3));
    let file = folder.write("a.npy", &Layout::PLAIN.file(&shape, &x));
    run(&file, &file, "--size 5 --alpha 2 --k 0.5").succeeds();
    let y = layer(5).build().unwrap().forward(&x, &shape).unwrap();
    assert!(fs::read(&file).unwrap() == Layout::PLAIN.file(&shape, &y));
    assert_eq!(folder.names(), ["a.npy"]);
}

#[cfg(unix)]
#[test]
fn links_stay_and_permissions_are_a_fresh_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("links");
    let file = folder.write("in.npy", &Layout::PLAIN.file(&[2, 3, 4], &input(&[2, 3, 4], 1)));
    let (target, link) = (folder.write("target.npy", b"old"), folder.path("link.npy"));
    std::os::unix::fs::symlink("target.npy", &link).unwrap();
    run(&file, &link, "--size 5").succeeds();
    assert!(link.is_symlink() && fs::metadata(&target).unwrap().len() == fs::metadata(&file).unwrap().len());
    run(&file, &folder.path("fresh.npy"), "--size 5").succeeds();
    // `in.npy` was made as any file is.
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(folder.path("fresh.npy")), mode(file));
}

/// A write that fails, however far it came, leaves what was there and nothing else.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_what_was_there() {
    use std::process::Command;
    let folder = Folder::new("full");
    let shape = [90, 8, 64, 64];
    let file = folder.write("in.npy", &Layout::PLAIN.file(&shape, &input(&shape, 3)));
    // What a file may grow to: nothing, part of the header, part of the elements.
    for bytes in [0, 100, 1 << 20, 9 << 20] {
        for old in [None, Some("old")] {
            let output = folder.path("out.npy");
            let _ = fs::remove_file(&output);
            old.iter().for_each(|old| fs::write(&output, old).unwrap());
            let mut command = run_command(&file, &output, "--size 5");
            common::tool::limit(&mut command, libc::RLIMIT_FSIZE, bytes);
            common::tool::outcome(command).is_refused(&["cannot write", "out.npy", "File too large"]);
            assert_eq!(fs::read_to_string(&output).ok().as_deref(), old);
            assert_eq!(folder.names().len(), 1 + old.iter().len());
        }
    }
    // And a disk that is truly full, where the system lets us mount one.
    let disk = folder.path("disk");
    fs::create_dir(&disk).unwrap();
    let script = "mount -t tmpfs -o size=1m none \"$1\" && echo old > \"$1/out.npy\" && echo mounted || exit 9
        \"$0\" run \"$2\" \"$1/out.npy\" --size 5; echo $?; ls -A \"$1\"; cat \"$1/out.npy\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_lrn-jit")])
        .arg(&disk)
        .arg(&file);
    match command.output() {
        Ok(output) if output.stdout.starts_with(b"mounted") => {
            assert_eq!(String::from_utf8(output.stdout).unwrap(), "mounted\n2\nout.npy\nold\n");
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(error.contains("No space left on device") && error.lines().count() == 1, "{error}");
        }
        _ => eprintln!("no file system could be mounted: a full disk was not tried"),
    }
}
