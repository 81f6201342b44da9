//! Running the tool `lrn-jit`, and the .npy files it is run on.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder of a test's own, gone when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The names of what is in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let entry = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(&self.0).unwrap().map(entry).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a run of the tool ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Outcome {
    #[track_caller]
    pub fn succeeds(&self) {
        assert!(self.code == Some(0) && self.err.is_empty(), "{self:?}");
    }

    /// Exit code 2, nothing on standard output, and one line that says what was wrong, with all of `words`.
    #[track_caller]
    pub fn is_refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        let line = self.err.strip_prefix("lrn-jit: ").and_then(|line| line.strip_suffix('\n'));
        let line = line.unwrap_or_else(|| panic!("{self:?}"));
        assert!(!line.chars().any(char::is_control) && !line.contains("panicked"), "{self:?}");
        for word in words {
            assert!(line.contains(word), "{word:?} is missing: {line}");
        }
    }
}

/// The tool, not yet run.
pub fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lrn-jit"));
    command.args(arguments).stdin(Stdio::null()).env("NO_COLOR", "1");
    command
}

pub fn outcome(mut command: Command) -> Outcome {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

pub fn tool<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Outcome {
    outcome(command(arguments))
}

/// `lrn-jit run input output` and options, separated by blanks.
pub fn run(input: &Path, output: &Path, options: &str) -> Outcome {
    outcome(run_command(input, output, options))
}

pub fn run_command(input: &Path, output: &Path, options: &str) -> Command {
    let mut command = command(["run"]);
    command.arg(input).arg(output).args(options.split_whitespace());
    command
}

/// A .npy file: how its elements lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub fortran: bool,
    pub big_endian: bool,
    /// 1, 2 or 3.
    pub version: u8,
}

impl Layout {
    pub const PLAIN: Self = Self { fortran: false, big_endian: false, version: 1 };

    /// The file of an array whose elements `x` are given in C order.
    pub fn file(self, shape: &[usize], x: &[f32]) -> Vec<u8> {
        self.file_of(shape, x)
    }

    /// The same of any type.
    pub fn file_of<E: Stored>(self, shape: &[usize], x: &[E]) -> Vec<u8> {
        let extents: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
        let (order, fortran) = (if self.big_endian { '>' } else { '<' }, if self.fortran { "True" } else { "False" });
        let descr = format!("{order}f{}", size_of::<E>());
        let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({extents}), }}");
        let mut file = header(self.version, &text);
        let x = if self.fortran { fortran_order(shape, x) } else { x.to_vec() };
        file.extend(x.iter().flat_map(|x| x.bytes(self.big_endian)));
        file
    }
}

/// What a file can hold.
pub trait Stored: Copy + Default {
    fn bytes(self, big_endian: bool) -> Vec<u8>;
}

macro_rules! stored {
    ($($element:ty),*) => {$(
        impl Stored for $element {
            fn bytes(self, big_endian: bool) -> Vec<u8> {
                if big_endian { self.to_be_bytes().to_vec() } else { self.to_le_bytes().to_vec() }
            }
        }
    )*};
}

stored!(f32, f64, half::f16);

/// A header around its dictionary's text, padded as numpy does.
pub fn header(version: u8, text: &str) -> Vec<u8> {
    let before = if version == 1 { 10 } else { 12 };
    let length = (before + text.len() + 1).next_multiple_of(64) - before;
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend(u16::try_from(length).unwrap().to_le_bytes()),
        _ => bytes.extend(u32::try_from(length).unwrap().to_le_bytes()),
    }
    bytes.extend(text.bytes());
    bytes.resize(before + length - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// The elements in Fortran order: element by element, by index, so that no trick of the tool's is shared.
fn fortran_order<E: Stored>(shape: &[usize], x: &[E]) -> Vec<E> {
    let mut reordered = vec![E::default(); x.len()];
    for (at, &x) in x.iter().enumerate() {
        let (mut rest, mut place, mut indices) = (at, 0, vec![0; shape.len()]);
        for axis in (0..shape.len()).rev() {
            indices[axis] = rest % shape[axis];
            rest /= shape[axis];
        }
        for axis in (0..shape.len()).rev() {
            place = place * shape[axis] + indices[axis];
        }
        reordered[place] = x;
    }
    reordered
}

/// Limits the address space of a child, in bytes.
#[cfg(unix)]
pub fn limit(command: &mut Command, resource: libc::__rlimit_resource_t, bytes: u64) {
    use std::os::unix::process::CommandExt as _;
    let limits = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    let set = move || {
        // SAFETY: between fork and exec: both calls are async-signal-safe and get values of this closure's own.
        // A file that grows too large gives an error instead of a signal.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            if libc::setrlimit(resource, &raw const limits) == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        }
    };
    // SAFETY: as above; nothing is allocated unless the call fails.
    unsafe { command.pre_exec(set) };
}
