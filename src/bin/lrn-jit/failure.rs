//! How a run can end badly, and the exit code it then has.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why a run ended.
#[derive(Debug)]
pub enum Failure {
    /// Something was wrong with what was asked for: one line on stderr, exit code 2.
    Input(String),
    /// The reader of our output went away: no message, exit code 0.
    ClosedPipe,
    /// Everything ran, and the answer is bad (a check found a difference): one line on stderr, exit code 1.
    Wrong(String),
}

impl Failure {
    /// Wrong input, from anything that says what was wrong.
    pub fn input(message: impl fmt::Display) -> Self {
        Self::Input(message.to_string())
    }
}

/// An error while writing to standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ClosedPipe
        } else {
            Self::Input(format!("cannot write to standard output: {error}"))
        }
    }
}

impl From<lrn_jit::BuildError> for Failure {
    fn from(error: lrn_jit::BuildError) -> Self {
        Self::input(error)
    }
}

impl From<lrn_jit::ShapeError> for Failure {
    fn from(error: lrn_jit::ShapeError) -> Self {
        Self::input(error)
    }
}

/// Says what went wrong, in one line, and gives the process's exit code.
pub fn exit_code(result: Result<(), Failure>) -> ExitCode {
    let (message, code) = match result {
        Ok(()) | Err(Failure::ClosedPipe) => return ExitCode::SUCCESS,
        Err(Failure::Input(message)) => (message, 2),
        Err(Failure::Wrong(message)) => (message, 1),
    };
    // Nobody is left to be told if this fails.
    let _ = io::Write::write_all(&mut io::stderr(), format!("lrn-jit: {}\n", message.replace('\n', " ")).as_bytes());
    ExitCode::from(code)
}
