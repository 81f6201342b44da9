//! How a run can end badly, and the exit code it then has.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::error::ErrorKind;

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

/// What clap has to say: help and version are no failures and go to `out`; wrong arguments become one line.
pub fn usage(error: &clap::Error, out: &mut impl Write) -> Result<(), Failure> {
    let text = error.render();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let colours = io::stdout().is_terminal();
        let written = if colours { write!(out, "{}", text.ansi()) } else { write!(out, "{text}") };
        return Ok(written?);
    }
    let command = crate::Arguments::command();
    let called = std::env::args_os().nth(1).and_then(|name| command.find_subcommand(name));
    let help = match called {
        Some(subcommand) => format!("try 'lrn-jit {} --help'", subcommand.get_name()),
        None => "try 'lrn-jit --help'".into(),
    };
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Err(Failure::input(format_args!("no subcommand was given; {help}")));
    }
    // clap's paragraphs: what is wrong; perhaps tips; usage.
    let text = text.to_string();
    let mut paragraphs = text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut message = paragraphs.next().unwrap_or_default();
    for tip in paragraphs.filter(|paragraph| paragraph.starts_with("tip: ")) {
        message = format!("{message} ({})", tip.replace("tip: ", ""));
    }
    Err(Failure::input(format_args!("{}; {help}", message.strip_prefix("error: ").unwrap_or(&message))))
}

/// Says what went wrong, in one line, and gives the process's exit code.
pub fn exit_code(result: Result<(), Failure>) -> ExitCode {
    let (message, code) = match result {
        Ok(()) | Err(Failure::ClosedPipe) => return ExitCode::SUCCESS,
        Err(Failure::Input(message)) => (message, 2),
        Err(Failure::Wrong(message)) => (message, 1),
    };
    // A file's name can hold anything, even what steers a terminal.
    let line = message.replace(char::is_control, " ");
    // Nobody is left to be told if this fails.
    let _ = io::stderr().write_all(format!("lrn-jit: {line}\n").as_bytes());
    ExitCode::from(code)
}
