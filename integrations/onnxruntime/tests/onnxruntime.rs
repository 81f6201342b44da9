//! The library in the real ONNX Runtime: each test runs a file of Python tests in an environment of its own.
//!
//! The environment is made once, in `target/lrn-jit-onnxruntime`, of the packages in `requirements.txt`. Without Python or
//! packages these tests fail and say so.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

/// Runs a command; its output is the failure's text.
fn call(command: &mut Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{command:?} failed ({})\n{out}\n{err}", done.status);
    println!("{out}");
}

/// The library that cargo built with these tests: it lies beside them.
fn library() -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let name = format!("{}lrn_jit_onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let path = test.with_file_name(name);
    assert!(path.exists(), "cargo did not build {}", path.display());
    path
}

/// Python with the packages of `requirements.txt`.
fn python(here: &Path) -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
        let folder = target.join("lrn-jit-onnxruntime").join("venv");
        let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
        let (wanted, installed) = (here.join("requirements.txt"), folder.join("installed.txt"));
        let wanted_text = fs::read(&wanted).expect("requirements.txt is there");
        if fs::read(&installed).is_ok_and(|text| text == wanted_text) {
            return python;
        }
        call(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        call(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
                .arg(wanted),
        );
        fs::write(installed, wanted_text).expect("the environment can be written to");
        python
    })
}

fn pytest(file: &str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = python(here);
    let scratch = python.ancestors().nth(3).expect("the environment is in a folder").join(file);
    fs::create_dir_all(&scratch).expect("the target folder can be written to");
    call(
        Command::new(python)
            .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir"])
            .arg(here)
            .arg(here.join("tests").join(file))
            .current_dir(&scratch)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("ONNX_HOME", &scratch)
            .env("LRN_JIT_LIBRARY", library()),
    );
}

#[test]
fn values() {
    pytest("test_values.py");
}

#[test]
fn errors() {
    pytest("test_errors.py");
}

#[test]
fn lifetimes() {
    pytest("test_lifetimes.py");
}

#[test]
fn rewritten_models() {
    pytest("test_rewrite.py");
}

#[test]
fn the_node_and_model_tests_of_onnx() {
    pytest("test_onnx_suite.py");
}
