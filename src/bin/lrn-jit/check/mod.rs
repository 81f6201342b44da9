//! `lrn-jit check`: random configurations on this machine, compiled code against the interpreter and against f64.
//!
//! [`drawing`] draws the cases, [`compare`] runs them, [`exact`] says what is right and how far from it is still good, of the elements
//! that [`windows`] hold, by the error analysis of [`bounds`]; [`tally`] counts what was met.

mod bounds;
mod compare;
mod drawing;
mod exact;
mod tally;
mod windows;

use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::arguments::{NumberName, for_number};
use crate::failure::Failure;
use crate::task::TaskName;
use tally::Tally;

/// Checks compiled code on this machine: random layers and tensors of every type, windows along the channels and over any axes,
/// forward and gradients, with and without a ReLU: the same bits as the interpreter, and as close to the formula in f64 as stated.
///
/// Prints how many layers ran of each recipe, by how their channels lie (last; inner extent under 16; planes) or with windows over
/// several axes (boxes), how far from
/// f64 the worst number was, and what share that is of what was allowed there (an error of the base counts beta times); then
/// the same by type and task, in ulp of the type; and how many had windows over how many axes of which rank.
#[derive(Args, Debug)]
pub struct Arguments {
    /// How long.
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// What the cases are drawn from [default: the time].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only this case of the seed: what a failure says.
    #[arg(long, value_name = "I", requires = "seed")]
    case: Option<u64>,
    /// Only this type [default: all].
    #[arg(long, value_enum, value_name = "TYPE")]
    dtype: Option<NumberName>,
    /// Only this: the layer, its gradient, or its derivative times a tangent [default: all].
    #[arg(long, value_enum, value_name = "NAME")]
    task: Option<TaskName>,
    /// A line for every variant of a recipe, with its guard, summation and boundary.
    #[arg(long)]
    table: bool,
    /// Flips the last bit of one output, to see the check fail.
    #[arg(long, hide = true)]
    sabotage: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_string())?;
    if (0.0..=1e6).contains(&seconds) { Ok(seconds) } else { Err("not between 0 and a million".into()) }
}

/// Runs the subcommand.
pub fn execute(arguments: &Arguments, out: &mut impl Write) -> Result<(), Failure> {
    let seed = arguments.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_nanos() as u64 & 0xffff_ffff
    });
    let (start, limit) = (Instant::now(), Duration::from_secs_f64(arguments.seconds));
    let progress = Progress::new(limit);
    let mut tally = Tally::default();
    let mut sabotage = arguments.sabotage;
    let mut number = arguments.case.unwrap_or(0);
    let dtypes = arguments.dtype.map_or(NumberName::ALL.to_vec(), |dtype| vec![dtype]);
    let tasks = arguments.task.map_or(TaskName::ALL.to_vec(), |task| vec![task]);
    let mut wrong = None;
    loop {
        let drawn = drawing::draw(seed, number, &dtypes, &tasks);
        if arguments.case.is_some() {
            writeln!(out, "{drawn}")?;
        }
        let outcome = for_number!(drawn.dtype, E => compare::check::<E>(&drawn, &mut tally, &mut sabotage));
        if let Err(difference) = outcome? {
            let flag = if arguments.sabotage { " --sabotage" } else { "" };
            let (dtype, task) = (drawn.dtype.name(), drawn.task.name());
            wrong = Some(format!(
                "{difference}; reproduce: lrn-jit check --seed {seed} --case {number} --dtype {dtype} --task {task}{flag}"
            ));
            break;
        }
        number += 1;
        if arguments.case.is_some() || start.elapsed() >= limit {
            break;
        }
        progress.say(start.elapsed(), tally.cases());
    }
    progress.end();
    tally.print(arguments.table, out)?;
    let (elapsed, cases) = (start.elapsed().as_secs_f64(), tally.cases());
    let rate = cases as f64 / elapsed;
    writeln!(out, "seed {seed}: {cases} configurations in {elapsed:.1} s, {rate:.0} a second")?;
    match wrong {
        Some(difference) => {
            // The table before the verdict, on whatever they go to.
            out.flush()?;
            Err(Failure::Wrong(difference))
        }
        None => {
            writeln!(out, "no differences: the interpreter's bits everywhere, and within the bound of f64")?;
            Ok(())
        }
    }
}

/// A bar on stderr, if that is a terminal.
struct Progress {
    bar: ProgressBar,
    limit: Duration,
}

impl Progress {
    fn new(limit: Duration) -> Self {
        let bar = ProgressBar::new(1000);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        Self { bar, limit }
    }

    fn say(&self, elapsed: Duration, cases: usize) {
        self.bar.set_position((1000.0 * elapsed.as_secs_f64() / self.limit.as_secs_f64()) as u64);
        self.bar.set_message(format!("{cases} configurations"));
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
