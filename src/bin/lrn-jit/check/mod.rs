//! `lrn-jit check`: random configurations on this machine, compiled code against the interpreter and against f64.
//!
//! [`drawing`] draws the cases, [`exact`] says what is right and how far from it is still good, [`tally`] counts what was met.

mod drawing;
mod exact;
mod tally;

use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use lrn_jit::{Backend, CurrentRayon, LocalResponseNorm};

use crate::failure::Failure;
use crate::rivals::Slabs;
use drawing::case::Case;
use drawing::measure::{difference, ulp};
use tally::{Layout, Tally};

/// Checks compiled code on this machine: random layers and tensors, the same bits as the interpreter, and as close to the
/// formula in f64 as stated.
///
/// Prints how many layers ran of each recipe, by how their channels lie (last; inner extent under 16; planes), how far from
/// f64 the worst number was, and what share that is of what was allowed there (an error of the base counts beta times).
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
    let mut wrong = None;
    loop {
        let case = drawing::case(seed, number);
        if let Err(difference) = check(&case, &mut tally, &mut sabotage)? {
            let flag = if arguments.sabotage { " --sabotage" } else { "" };
            wrong = Some(format!("{difference}; reproduce: lrn-jit check --seed {seed} --case {number}{flag}"));
            break;
        }
        number += 1;
        if arguments.case.is_some() || start.elapsed() >= limit {
            break;
        }
        progress.say(start.elapsed(), tally.cases());
    }
    progress.end();
    if arguments.case.is_some() {
        writeln!(out, "{}", drawing::case(seed, number - u64::from(wrong.is_none())))?;
    }
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

/// Runs a case every way there is; the inner error is a difference.
fn check(case: &Case, tally: &mut Tally, sabotage: &mut bool) -> Result<Result<(), String>, Failure> {
    let interpreter = case.settings.config().channel_axis(case.axis).backend(Backend::Interpreter).build()?;
    let layers = case.settings.compiled::<f32>(case.axis);
    let Some((_, jit)) = layers.last() else { return Err(Failure::input("this host cannot run compiled code")) };
    let (x, shape) = (case.x::<f32>(), &case.shape);
    let expected = interpreter.forward(&x, shape)?;
    let mut y = jit.forward(&x, shape)?;
    if *sabotage && let Some(y) = y.iter_mut().find(|y| !y.is_nan()) {
        *y = f32::from_bits(y.to_bits() ^ 1);
        *sabotage = false;
    }
    for (_, other) in &layers[..layers.len() - 1] {
        if let Some(at) = difference(&other.forward(&x, shape)?, &y) {
            let (one, two) = (other.backend(), jit.backend());
            return Ok(Err(format!(
                "{jit}, shape {shape:?}: at {at}, x = {:e}, other bits by {one} than by {two}",
                x[at]
            )));
        }
    }
    let mut in_place = x.clone();
    jit.forward_in_place(&mut in_place, shape)?;
    let threads = jit.with_executor(&CurrentRayon).forward(&x, shape)?;
    for (how, y) in [("", &y), (" in place", &in_place), (" on threads", &threads)] {
        if let Some(at) = difference(y, &expected) {
            let (y, expected) = (y[at], expected[at]);
            return Ok(Err(format!(
                "{jit}, shape {shape:?}: at {at}, x = {:e}, jit{how} gives {y:e} ({:#010x}), the interpreter {expected:e} ({:#010x})",
                x[at],
                y.to_bits(),
                expected.to_bits()
            )));
        }
    }
    Ok(judge(case, jit, &x, &y, tally))
}

/// Compares to f64, column by column.
fn judge(case: &Case, jit: &LocalResponseNorm, x: &[f32], y: &[f32], tally: &mut Tally) -> Result<(), String> {
    let rank = case.shape.len() as isize;
    let axis = if case.axis < 0 { case.axis + rank } else { case.axis };
    let slabs = Slabs::new(&case.shape, axis as usize);
    let Slabs { outer, channels, inner } = slabs;
    let entry = tally.enter(&drawing::coverage::recipe(jit.plan()), case.settings.boundary, Layout::of(slabs));
    entry.elements += x.len();
    for slab in 0..outer {
        for position in 0..inner {
            let at = |channel: usize| (slab * channels + channel) * inner + position;
            let column: Vec<f32> = (0..channels).map(|channel| x[at(channel)]).collect();
            for (channel, expected) in exact::column(jit, &column).into_iter().enumerate() {
                let Some(exact::Expectation { value, ulp: allowed }) = expected else { continue };
                let at = at(channel);
                let error = ulp(y[at], value);
                entry.judged(error, allowed);
                if error > allowed {
                    return Err(format!(
                        "{jit}, shape {:?}: at {at}, x = {:e}, jit gives {:e} and f64 {value:e}: {error:.2} ulp, allowed {allowed:.2}",
                        case.shape, x[at], y[at]
                    ));
                }
            }
        }
    }
    Ok(())
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
