//! The measuring: contestants take turns, round after round, so that what disturbs the machine disturbs all alike, and each
//! keeps its fastest run. What they are given, and how answers are compared, is here too.

use std::hint::black_box;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lrn_jit::{Backend, CurrentRayon, LocalResponseNorm};

use super::cases::Case;
use crate::failure::Failure;
use crate::rivals::Rival;

/// A turn ends after this much, or after `RUNS`: it takes some ten runs until a last-level cache holds tensors of which one is not read
/// by everybody.
const TURN: Duration = Duration::from_millis(15);
const RUNS: usize = 16;

/// Something that is timed, on what all who compete share.
pub trait Run<F> {
    /// What has to be done before every run and is not timed.
    fn prepare(&self, _case: usize, _on: &mut F) {}

    fn run(&self, case: usize, on: &mut F) -> Result<(), Failure>;
}

/// A way to compute a case.
pub enum Runner {
    Layer(LocalResponseNorm),
    InPlace(LocalResponseNorm),
    Rival(Box<dyn Rival>),
    Memcpy,
}

impl Runner {
    /// What has to be done before every run and is not timed.
    fn prepare(&self, x: &[f32], y: &mut [f32]) {
        if let Self::InPlace(_) = self {
            y.copy_from_slice(x);
        }
    }

    fn run(&self, case: &Case, x: &[f32], y: &mut [f32]) -> Result<(), Failure> {
        let (x, y) = (black_box(x), black_box(y));
        match self {
            Self::Layer(layer) => layer.forward_into(x, &case.shape, y)?,
            Self::InPlace(layer) => layer.forward_in_place(y, &case.shape)?,
            Self::Rival(rival) => rival.run(case.slabs, x, y),
            Self::Memcpy => y.copy_from_slice(x),
        }
        black_box(y);
        Ok(())
    }

    /// Computes a case once, to be judged. What is not written stays NaN.
    pub fn answer(&self, case: &Case, x: &[f32], y: &mut [f32]) -> Result<(), Failure> {
        y.fill(f32::NAN);
        self.prepare(x, y);
        self.run(case, x, y)
    }
}

/// Cases, and what they are computed on.
pub struct Field<'a> {
    pub cases: &'a [Case],
    pub buffers: &'a mut Buffers,
}

impl Run<Field<'_>> for Runner {
    fn prepare(&self, case: usize, on: &mut Field<'_>) {
        let (x, y, _) = on.buffers.of(&on.cases[case]);
        self.prepare(x, y);
    }

    fn run(&self, case: usize, on: &mut Field<'_>) -> Result<(), Failure> {
        let case = &on.cases[case];
        let (x, y, _) = on.buffers.of(case);
        self.run(case, x, y)
    }
}

/// Somebody who competes in a case.
pub struct Contestant<W, R = Runner> {
    pub case: usize,
    pub who: W,
    runner: R,
    best: Duration,
}

impl<W, R> Contestant<W, R> {
    pub fn new(case: usize, who: W, runner: R) -> Self {
        Self { case, who, runner, best: Duration::MAX }
    }

    /// ns per element of the fastest run.
    pub fn time(&self, elements: usize) -> f64 {
        self.best.as_secs_f64() * 1e9 / elements as f64
    }

    /// Runs a few times; the first, for the caches, is not timed.
    fn turn<F>(&mut self, on: &mut F) -> Result<(), Failure>
    where
        R: Run<F>,
    {
        let Self { case, runner, .. } = self;
        runner.prepare(*case, on);
        runner.run(*case, on)?;
        let turn = Instant::now();
        for _ in 0..RUNS {
            runner.prepare(*case, on);
            let start = Instant::now();
            runner.run(*case, on)?;
            self.best = self.best.min(start.elapsed());
            if turn.elapsed() > TURN {
                break;
            }
        }
        Ok(())
    }
}

/// An input, and room for an output and for what it should be.
pub struct Buffers {
    pub x: Vec<f32>,
    pub y: Vec<f32>,
    pub expected: Vec<f32>,
}

impl Buffers {
    /// For the largest of some cases.
    pub fn new(cases: &[Case]) -> Self {
        let longest = cases.iter().map(Case::elements).max().unwrap_or(0);
        Self { x: input(longest), y: vec![0.0; longest], expected: vec![0.0; longest] }
    }

    /// Those of a case: x, y, expected.
    pub fn of(&mut self, case: &Case) -> (&[f32], &mut [f32], &mut [f32]) {
        let length = case.elements();
        (&self.x[..length], &mut self.y[..length], &mut self.expected[..length])
    }
}

/// Begins rounds until `budget` is spent, and gives their number. `between` is told before each how much of the budget is
/// spent, and the round's number.
pub fn rounds<W, R: Run<F>, F>(
    contestants: &mut [Contestant<W, R>],
    on: &mut F,
    budget: Duration,
    mut between: impl FnMut(f64, usize),
) -> Result<usize, Failure> {
    let start = Instant::now();
    let mut rounds = 0;
    while rounds == 0 || start.elapsed() < budget {
        between(start.elapsed().as_secs_f64() / budget.as_secs_f64(), rounds + 1);
        for contestant in &mut *contestants {
            contestant.turn(on)?;
        }
        rounds += 1;
    }
    Ok(rounds)
}

/// What the interpreter makes of a case: compiled code is held to its bits.
pub fn interpret(case: &Case, x: &[f32], expected: &mut [f32]) -> Result<(), Failure> {
    let interpreter = case.config.clone().backend(Backend::Interpreter).build()?;
    Ok(interpreter.with_executor(&CurrentRayon).forward_into(x, &case.shape, expected)?)
}

/// Fails unless these are the bits that were expected.
pub fn same_bits(case: &Case, y: &[f32], expected: &[f32]) -> Result<(), Failure> {
    if y.iter().zip(expected).all(|(a, b)| same(*a, *b)) {
        return Ok(());
    }
    Err(Failure::Wrong(format!("{}: the compiled code's bits are not the interpreter's", case.title())))
}

/// The same bits; any NaN is any NaN.
pub fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

/// Activations between −100 and 100: with AlexNet's alpha of 1e-4, y/x is then about 0.8. No value is 0 or subnormal.
fn input(elements: usize) -> Vec<f32> {
    activations().take(elements).collect()
}

/// The same without end.
pub fn activations() -> impl Iterator<Item = f32> {
    let mut state = 1u32;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // 23 random bits and a half: odd multiples of 2^-24.
        ((f64::from(state >> 9) + 0.5) / f64::from(1u32 << 22) - 1.0) as f32 * 100.0
    })
}

/// A bar on stderr, if that is a terminal: a third of it for checking, the rest for measuring.
pub struct Progress(ProgressBar);

impl Progress {
    pub fn new() -> Self {
        // indicatif draws nothing where stderr is no terminal.
        let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// What has this index of `count` is being checked.
    pub fn checking(&self, index: usize, count: usize, title: &str) {
        self.say(index as f64 / count as f64 / 3.0, format!("checking {title}"));
    }

    /// A round is being begun, when `share` of the budget is spent.
    pub fn round(&self, share: f64, round: usize) {
        self.say((1.0 + 2.0 * share) / 3.0, format!("round {round}"));
    }

    fn say(&self, share: f64, message: String) {
        self.0.set_position((1000.0 * share) as u64);
        self.0.set_message(message);
    }

    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}
