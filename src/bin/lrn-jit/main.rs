//! The tool `lrn-jit`: runs Local Response Normalization on files and on pictures, shows what was compiled, measures it and checks it.
//!
//! One file a subcommand. [`arguments`] holds the options that describe a layer, [`failure`] how a run can end badly. All
//! output goes through a writer, so that a closed pipe ends a run instead of panicking.

#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod check;
mod failure;
mod image;
mod npy;
mod output;
mod progress;
mod rivals;
mod run;
mod show;
mod task;
mod values;
mod windows;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use failure::Failure;

/// Local Response Normalization, compiled for its parameters.
///
/// y = x · (k + alpha/size · Σ x²)^(−beta), summed over the neighbouring channels, or over neighbours along any axes.
#[derive(Parser)]
#[command(name = "lrn-jit", version, max_term_width = 110, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Below the tool's help.
const EXAMPLES: &str = "\
Examples:
  lrn-jit run activations.npy normalized.npy --size 5
  lrn-jit image photo.jpg even.png
  lrn-jit show --size 5 --beta 0.6 --clif | less
  lrn-jit bench --quick
  lrn-jit check --seconds 5
  lrn-jit completions bash > ~/.local/share/bash-completion/completions/lrn-jit

Exit codes: 0 all went well; 1 a check found a wrong answer; 2 something was
wrong with what was asked for.";

#[derive(Subcommand)]
enum Command {
    #[command(mut_args(bench::adjust))]
    Bench(bench::Arguments),
    Check(check::Arguments),
    Image(image::Arguments),
    Run(run::Arguments),
    Show(show::Arguments),
    /// Prints a shell's completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = match Arguments::try_parse() {
        Ok(arguments) => execute(arguments.command, &mut out),
        Err(error) => failure::usage(&error, &mut out),
    };
    failure::exit_code(result.and_then(|()| out.flush().map_err(Failure::from)))
}

fn execute(command: Command, out: &mut impl io::Write) -> Result<(), Failure> {
    match command {
        Command::Bench(arguments) => bench::execute(&arguments, out),
        Command::Check(arguments) => check::execute(&arguments, out),
        Command::Image(arguments) => image::execute(&arguments, out),
        Command::Run(arguments) => run::execute(&arguments, out),
        Command::Show(arguments) => show::execute(&arguments, out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "lrn-jit", &mut script);
            Ok(out.write_all(&script)?)
        }
    }
}
