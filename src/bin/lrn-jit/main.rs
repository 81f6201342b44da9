//! The tool `lrn-jit`: runs Local Response Normalization on files, shows what was compiled, measures it and checks it.
//!
//! One file a subcommand. [`arguments`] holds the options that describe a layer, [`failure`] how a run can end badly. All
//! output goes through a writer, so that a closed pipe ends a run instead of panicking.

mod arguments;
mod bench;
mod check;
mod failure;
mod rivals;
mod show;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use failure::Failure;

/// Local Response Normalization, compiled for its parameters.
///
/// y = x · (k + alpha/size · Σ x²)^(−beta), summed over the neighbouring channels.
#[derive(Parser)]
#[command(name = "lrn-jit", version, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(mut_args(bench::adjust))]
    Bench(bench::Arguments),
    Check(check::Arguments),
    Show(show::Arguments),
    /// Prints a shell's completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    // Wrong arguments end here: clap explains them and exits with code 2.
    let arguments = Arguments::parse();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = match arguments.command {
        Command::Bench(arguments) => bench::execute(&arguments, &mut out),
        Command::Check(arguments) => check::execute(&arguments, &mut out),
        Command::Show(arguments) => show::execute(&arguments, &mut out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut self::Arguments::command(), "lrn-jit", &mut script);
            out.write_all(&script).map_err(Failure::from)
        }
    };
    failure::exit_code(result.and_then(|()| out.flush().map_err(Failure::from)))
}
