//! The other side: C, as its users have it. Installs what this build made into a prefix, and compiles and runs C
//! programs against that by pkg-config alone.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A folder that install.sh filled.
pub struct Prefix {
    /// The folder.
    pub path: PathBuf,
}

impl Prefix {
    /// Installs what this build made into target/lrn-jit-c: once, as debug libraries are large.
    pub fn installed() -> &'static Self {
        static INSTALLED: OnceLock<Prefix> = OnceLock::new();
        INSTALLED.get_or_init(|| {
            let path = folder().join(env!("CARGO_CRATE_NAME"));
            let _ = std::fs::remove_dir_all(&path);
            let built = env::current_exe().expect("a test has a path");
            checked(installer(built.parent().expect("in a folder")).env("PREFIX", &path));
            Self { path }
        })
    }

    /// The program `name` that a source of this crate becomes, with the compiler that is for it.
    pub fn compile(&self, source: &str, name: &str, options: &[&str]) -> PathBuf {
        self.compile_with(source, name, options, &["--cflags", "--libs"])
    }

    /// The same, with what options of pkg-config give.
    pub fn compile_with(&self, source: &str, name: &str, options: &[&str], libraries: &[&str]) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let compiler = if source.extension().is_some_and(|extension| extension == "cpp") { "g++" } else { "gcc" };
        let program = self.path.join(name);
        let mut command = tool(compiler);
        checked(command.args(options).arg(&source).arg("-o").arg(&program).args(self.flags(libraries)));
        program
    }

    /// What pkg-config says.
    pub fn flags(&self, options: &[&str]) -> Vec<String> {
        let mut command = tool("pkg-config");
        command.args(options).arg("lrn-jit").env("PKG_CONFIG_PATH", self.path.join("lib/pkgconfig"));
        checked(&mut command).split_whitespace().map(String::from).collect()
    }

    /// A command that finds the shared library.
    pub fn with_library(&self, mut command: Command) -> Command {
        command.env("LD_LIBRARY_PATH", self.path.join("lib"));
        command
    }

    /// What a program says that must succeed.
    pub fn run(&self, program: &Path) -> String {
        checked(&mut self.with_library(Command::new(program)))
    }
}

/// install.sh, of the libraries in a folder.
pub fn installer(built: &Path) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh"));
    command.arg(built);
    for variable in ["PREFIX", "LIBDIR", "DESTDIR"] {
        command.env_remove(variable);
    }
    command
}

/// Where this crate's tests put what they make: target/lrn-jit-c.
pub fn folder() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().expect("target/tmp lies in target").join("lrn-jit-c")
}

/// A program of Debian's. One that is missing is installed where that is allowed: as root, where there is apt-get.
pub fn tool(name: &str) -> Command {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_there(name) {
        let uid = checked(Command::new("id").arg("-u"));
        assert!(
            uid.trim() == "0" && is_there("apt-get"),
            "{name} is not installed, and these tests need it: sudo apt-get install gcc g++ pkg-config valgrind libc6-dbg"
        );
        let apt = |arguments: &[&str]| {
            Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output()
        };
        let _ = apt(&["update"]);
        // valgrind cannot look into a stripped loader.
        let packages: &[&str] = if name == "valgrind" { &["valgrind", "libc6-dbg"] } else { &[name] };
        let installed = apt(&[&["install", "-y", "--no-install-recommends"], packages].concat());
        assert!(is_there(name), "{name} is not installed, and apt-get could not: {installed:?}");
    }
    Command::new(name)
}

fn is_there(name: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(name).is_file())
}

/// What a command that must succeed says.
#[track_caller]
pub fn checked(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(status.success(), "{command:?}: {status}\n{stdout}\n{stderr}");
    stdout
}
