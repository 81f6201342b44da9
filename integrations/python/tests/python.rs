//! Runs the tests of the Python package: makes an environment with the hosts (environment.py), installs the package into it, and
//! calls pytest (values, errors, threads, torch's own checks, the examples of docstrings) and mypy.

use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a command in the package's folder, and gives what it printed.
fn run(program: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(FOLDER).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

#[test]
fn the_package_installs_and_passes_its_tests_and_its_types_hold() {
    // target/tmp is cargo's for a package's tests.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder in the target folder");
    let folder = target.join("lrn-jit-python");
    let folder = folder.to_str().expect("a target folder whose name is text");
    let python = std::env::var_os("PYTHON").map_or("python3".into(), PathBuf::from);
    let printed = run(&python, &["environment.py", folder]);
    let python = PathBuf::from(printed.lines().last().expect("the environment's interpreter"));

    let pytest = run(&python, &["-m", "pytest", "tests"]);
    assert!(pytest.contains(" passed") && !pytest.contains(" failed"), "{pytest}");
    println!("{pytest}");
    run(&python, &["-m", "pytest", "--doctest-modules", "--pyargs", "lrn_jit"]);
    run(&python, &["-m", "mypy"]);
    // As a user's program is checked: by what is installed.
    run(&python, &["-m", "mypy", "--strict", "--config-file=", "tests/typed.py"]);
}
