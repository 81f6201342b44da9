//! C and C++ programs, compiled by the system's compilers against what install.sh installed, found by pkg-config, and run: plainly,
//! and under valgrind, whose processor has no AVX-512.

mod host;

use std::path::Path;
use std::process::Command;

use host::{Prefix, checked, folder, installer, tool};
use lrn_jit::{Backend, LocalResponseNorm, LrnConfig, Width};

const C: [&str; 5] = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"];
const CPP: [&str; 5] = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror"];

/// A float as C's %a prints it is one of Rust's by its bits: what follows "(" on a line.
fn bits(lines: &str, index: usize) -> Vec<u64> {
    let of_line = |line: &str| line.split('(').nth(index).and_then(|rest| rest.split(')').next()).map(hexadecimal);
    lines.lines().filter(|line| line.contains(" becomes ")).filter_map(of_line).collect()
}

/// The bits of a double that C printed with %a.
fn hexadecimal(text: &str) -> u64 {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.strip_prefix("0x").and_then(|text| text.split_once('p')).expect("%a");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let number = u64::from_str_radix(&format!("{whole}{fraction}"), 16).expect("hexadecimal") as f64;
    let exponent = exponent.parse::<i32>().expect("an exponent") - 4 * fraction.len() as i32;
    let value = number * 2f64.powi(exponent);
    (if negative { -value } else { value }).to_bits()
}

/// What examples/normalize.c computes, computed by the Rust library.
fn check_normalize(said: &str) {
    let shape = [1, 96, 55, 55];
    let x: Vec<f32> = (0..96 * 55 * 55).map(|i| (i * 37 % 401 - 200) as f32).collect();
    let lrn = LrnConfig::new(5).alpha(1e-4).k(2.0).build().expect("a layer");
    let y = lrn.forward(&x, &shape).expect("a shape");
    let grad_x = lrn.backward(&x, &vec![1.0; x.len()], &shape).expect("a shape");
    for (index, expected) in [(1, y), (2, grad_x)] {
        let expected: Vec<_> = expected.iter().step_by(41003).map(|&value| f64::from(value).to_bits()).collect();
        assert_eq!(bits(said, index), expected, "{said}");
    }
    for part in
        [&lrn.to_string(), &lrn.plan().to_string(), "refused: input has 290399 elements", env!("CARGO_PKG_VERSION")]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn the_example_runs() {
    let prefix = Prefix::installed();
    let program = prefix.compile("examples/normalize.c", "normalize", &C);
    let said = prefix.run(&program);
    check_normalize(&said);
    let here = LocalResponseNorm::new(5).expect("a layer");
    assert!(said.contains(&here.backend().to_string()), "{said}");
}

/// The library finds by itself that there is no AVX-512, runs AVX2 code, gives the same bits, and neither leaks nor touches what is
/// not its own.
#[test]
fn the_example_runs_under_valgrind() {
    let prefix = Prefix::installed();
    let program = prefix.compile("examples/normalize.c", "normalize-g", &[&C[..], &["-g"]].concat());
    let mut valgrind = prefix.with_library(tool("valgrind"));
    // "Possibly lost" is what only a pointer into its middle leads to, as to the tables of every Rust map.
    let leaks =
        ["--leak-check=full", "--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect"];
    valgrind.args(["--quiet", "--error-exitcode=9"]).args(leaks).arg(&program);
    let said = checked(valgrind.env_remove(Width::VARIABLE));
    check_normalize(&said);
    let interpreted = LocalResponseNorm::new(5).expect("a layer").backend().backend != Backend::Jit;
    assert!(interpreted || !cfg!(target_arch = "x86_64") || said.contains("256-bit vectors (AVX2)"), "{said}");
}

/// That valgrind's silence means something: it finds a buffer one element short whose length is said to be right.
#[test]
fn valgrind_sees_into_the_library() {
    let prefix = Prefix::installed();
    let program = prefix.compile("tests/host/overrun.c", "overrun", &[&C[..], &["-g"]].concat());
    let mut valgrind = prefix.with_library(tool("valgrind"));
    let output = valgrind.args(["--error-exitcode=9"]).arg(&program).output().expect("valgrind runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{said}");
    assert!(said.contains("Invalid write of size"), "{said}");
}

#[test]
fn the_threads_example_runs() {
    let prefix = Prefix::installed();
    let program = prefix.compile("examples/threads.c", "threads", &[&C[..], &["-fopenmp"]].concat());
    let said = prefix.run(&program);
    assert_eq!(said, "one call, 4 tasks: the same bits\n8 calls at once, 0 failures: the same bits\n",);
}

#[test]
fn the_header_serves_cpp() {
    let prefix = Prefix::installed();
    let program = prefix.compile("tests/host/wrapper.cpp", "wrapper", &[&CPP[..], &["-pedantic"]].concat());
    let said = prefix.run(&program);
    let config = LrnConfig::new(3).channel_axis(-1).convention(lrn_jit::Convention::Onnx);
    let y = config.build_for::<half::f16>().expect("a layer").forward(&[half::f16::ONE; 6], &[2, 3]).expect("a shape");
    let halves: String = y.iter().map(|half| format!("{:04x} ", half.to_bits())).collect();
    assert_eq!(said, format!("{halves}\nthe shape must have rank 2 or more, got rank 1 ([2])\n"));
}

/// The oldest standards that have what the header needs, and every warning.
#[test]
fn the_header_stands_alone() {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/lrn_jit.h");
    let strict = ["-fsyntax-only", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wstrict-prototypes"];
    for standard in ["c99", "c11", "c17"] {
        checked(tool("gcc").args(["-x", "c", &format!("-std={standard}")]).args(strict).arg(&header));
    }
    for standard in ["c++11", "c++20"] {
        checked(tool("g++").args(["-x", "c++", &format!("-std={standard}")]).args(&strict[..5]).arg(&header));
    }
}

/// The library loaded, used and unloaded again and again: nothing of it is left.
#[test]
fn the_library_can_be_unloaded() {
    let prefix = Prefix::installed();
    let program = prefix.compile("tests/host/reload.c", "reload", &[&C[..], &["-ldl"]].concat());
    let said = prefix.run(&program);
    assert!(said.contains("memory is flat"), "{said}");
}

/// Where only the archive is, -llrn_jit_c is the archive.
#[test]
fn the_static_library_links() {
    let prefix = Prefix::installed();
    let (lib, alone) = (prefix.path.join("lib"), prefix.path.join("archive"));
    std::fs::create_dir(&alone).expect("a new folder");
    std::fs::hard_link(lib.join("liblrn_jit_c.a"), alone.join("liblrn_jit_c.a")).expect("an installed archive");
    let libdir = format!("--define-variable=libdir={}", alone.display());
    let libraries = ["--static", "--cflags", "--libs", &libdir];
    let program = prefix.compile_with("examples/normalize.c", "normalize-static", &C, &libraries);
    check_normalize(&checked(&mut Command::new(&program)));
}

#[test]
fn installs_where_it_is_told() {
    // Of libraries that are none: what is tested is where files go.
    let [built, stage] = ["built", "stage"].map(|name| folder().join(name));
    let _ = std::fs::remove_dir_all(&stage);
    std::fs::create_dir_all(&built).expect("a folder");
    for library in ["liblrn_jit_c.so", "liblrn_jit_c.a"] {
        std::fs::write(built.join(library), "").expect("a file");
    }
    checked(installer(&built).env("DESTDIR", &stage).env("PREFIX", "/opt/lrn").env("LIBDIR", "/opt/lrn/lib64"));
    for file in [
        "include/lrn_jit.h",
        "lib64/liblrn_jit_c.a",
        "lib64/liblrn_jit_c.so",
        &format!("lib64/liblrn_jit_c.so.{}", env!("CARGO_PKG_VERSION")),
        "lib64/pkgconfig/lrn-jit.pc",
    ] {
        assert!(stage.join("opt/lrn").join(file).is_file(), "{file}");
    }
    let pkg_config = |options: &[&str]| {
        let mut command = tool("pkg-config");
        checked(command.args(options).arg("lrn-jit").env("PKG_CONFIG_PATH", stage.join("opt/lrn/lib64/pkgconfig")))
    };
    assert_eq!(pkg_config(&["--cflags", "--libs"]).trim(), "-I/opt/lrn/include -L/opt/lrn/lib64 -llrn_jit_c");
    assert_eq!(pkg_config(&["--modversion"]).trim(), env!("CARGO_PKG_VERSION"));

    let output = installer(&built).env("PREFIX", "here").output().expect("a script");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("absolute paths, got here"));
}
