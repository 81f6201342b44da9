//! Who competes, the check of every answer, and what is reported; [`turns`](super::turns) measures.

use std::time::{Duration, Instant};

use lrn_jit::{Backend, CurrentRayon, LocalResponseNorm};

use super::cases::Case;
use super::limits::{Operations, Throughput};
use super::machine::Machine;
use super::report::{Report, Row, Who};
use super::turns::{Buffers, Contestant, Field, Progress, Runner, interpret, rounds, same, same_bits};
use crate::failure::Failure;
use crate::rivals::{generic, monomorphised};

/// How long rounds are begun.
const BUDGET: Duration = Duration::from_secs(30);
const QUICK_BUDGET: Duration = Duration::from_millis(700);
/// Layers built for the median of the compile time.
const BUILDS: usize = 15;
const QUICK_BUILDS: usize = 3;
/// Slabs along the first axis that are compared to the formula, which is slow: all, or the first, the last and one between.
const JUDGED: usize = 3;

/// Verifies and measures.
pub fn run(cases: Vec<Case>, quick: bool) -> Result<Report, Failure> {
    let mut buffers = Buffers::new(&cases);
    let progress = Progress::new();
    let (mut contestants, mut notes) = (vec![], vec![]);
    for (index, case) in cases.iter().enumerate() {
        progress.checking(index, cases.len(), &case.title());
        let (x, y, expected) = buffers.of(case);
        for (who, runner) in enter(case, x, y, expected, &mut notes)? {
            contestants.push(Contestant::new(index, who, runner));
        }
    }

    let budget = if quick { QUICK_BUDGET } else { BUDGET };
    let mut throughput = Throughput::UNKNOWN;
    let field = &mut Field { cases: &cases, buffers: &mut buffers };
    let rounds = rounds(&mut contestants, field, budget, |share, round| {
        progress.round(share, round);
        throughput.improve();
    })?;
    let times = |index: usize, who: Option<Who>| {
        let found = contestants.iter().find(|contestant| contestant.case == index && contestant.who == who)?;
        Some(found.time(cases[index].elements()))
    };
    // All cases have the same width.
    let asked = cases.first().map_or_else(|| lrn_jit::LrnConfig::new(5), |case| case.config.clone());
    let code = asked.build()?.backend().to_string();
    let mut rows = vec![];
    for (index, case) in cases.iter().enumerate() {
        let layer = case.config.build()?;
        let operations = Operations::count(&layer.clif());
        rows.push(Row {
            case: case.clone(),
            layer: layer.to_string(),
            times: Who::ALL.map(|who| times(index, Some(who))),
            memcpy: times(index, None).unwrap_or(f64::NAN),
            operations,
            arithmetic: throughput.limit(operations),
            compile: compile_time(case, if quick { QUICK_BUILDS } else { BUILDS })?,
        });
    }
    progress.end();
    Ok(Report { machine: Machine::this(), code, quick, rounds, throughput, rows, notes })
}

/// All who compute a case, each answer verified; nobody is memcpy.
fn enter(
    case: &Case,
    x: &[f32],
    y: &mut [f32],
    expected: &mut [f32],
    notes: &mut Vec<String>,
) -> Result<Vec<(Option<Who>, Runner)>, Failure> {
    let layer = |backend| case.config.clone().backend(backend).build();
    let (jit, interpreter) = (layer(Backend::Jit)?, layer(Backend::Interpreter)?);
    let mut entered = vec![];
    interpret(case, x, expected)?;
    let tolerance = tolerance(case, &jit);
    if !judge(case, x, expected, tolerance)? {
        let message = format!("{}: the compiled code is more than {tolerance:e} from the formula", case.title());
        // With a sum that cancels, or a base of 0, so may anybody be.
        if jit.alpha() >= 0.0 && jit.k() > 0.0 {
            return Err(Failure::Wrong(message));
        }
        notes.push(message);
    }
    let monomorphised = monomorphised::new(jit.plan()).filter(|rival| rival.covers(case.slabs)).map(Runner::Rival);
    let generic = match generic::new(&jit) {
        Some(rival) => Runner::Rival(rival),
        None => Runner::Layer(layer(Backend::Generic)?),
    };
    let runners = [
        (Some(Who::Jit), Some(Runner::Layer(jit.clone()))),
        (Some(Who::Monomorphised), monomorphised),
        (Some(Who::Generic), Some(generic)),
        (Some(Who::Interpreter), Some(Runner::Layer(interpreter))),
        (None, Some(Runner::Memcpy)),
    ];
    for (who, runner) in runners {
        let Some(runner) = runner else { continue };
        runner.answer(case, x, y)?;
        let good = match who {
            None => true,
            Some(Who::Jit) => {
                same_bits(case, y, expected)?;
                true
            }
            Some(Who::Interpreter) => y.iter().zip(&*expected).all(|(a, b)| same(*a, *b)),
            // What was expected has been judged by the formula, and these are judged by it.
            Some(Who::Monomorphised | Who::Generic) => y.iter().zip(&*expected).all(|(a, b)| near(*a, *b, tolerance)),
        };
        if good {
            entered.push((who, runner));
        } else if let Some(who) = who {
            notes.push(format!("{}: {} is left out: it errs by more than {tolerance:e}", case.title(), who.name()));
        }
    }
    Ok(entered)
}

/// How far from the formula numbers may be, relatively: the power's own roundings, and |beta| times those of the window's sum.
fn tolerance(case: &Case, layer: &LocalResponseNorm) -> f32 {
    let taps = layer.size().min(2 * case.slabs.channels) as f32;
    (16.0 + layer.beta().abs() as f32 * (taps + 6.0)) * f32::EPSILON
}

/// Compares to the formula in f64, on some of the slabs along the first axis.
fn judge(case: &Case, x: &[f32], y: &[f32], tolerance: f32) -> Result<bool, Failure> {
    let reference = case.config.clone().backend(Backend::Reference).build()?;
    let count = case.shape[0];
    let slabs_along_first = case.slabs.outer > 1 && count > JUDGED;
    let (slab, shape, chosen) = if slabs_along_first && case.slabs.outer.is_multiple_of(count) {
        let shape: Vec<usize> = std::iter::once(1).chain(case.shape[1..].iter().copied()).collect();
        (x.len() / count, shape, vec![0, count / 2, count - 1])
    } else {
        (x.len(), case.shape.clone(), vec![0])
    };
    for index in chosen {
        let range = index * slab..(index + 1) * slab;
        let exact = reference.with_executor(&CurrentRayon).forward(&x[range.clone()], &shape)?;
        if !exact.iter().zip(&y[range]).all(|(a, b)| near(*a, *b, tolerance)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Equal but for rounding.
fn near(a: f32, b: f32, tolerance: f32) -> bool {
    same(a, b) || a == b || (a - b).abs() <= tolerance * b.abs() + f32::MIN_POSITIVE
}

/// What compiling for a case takes: `build()`, and what the first call compiles for its kind of tensor, which is what it takes longer
/// than the second one. The median of some layers whose code does not exist yet: alpha differs from all that live. Of a batch
/// the first image is taken: its own time would hide that of compiling.
fn compile_time(case: &Case, builds: usize) -> Result<f64, Failure> {
    let layer = case.config.clone().backend(Backend::Jit).build()?;
    let mut shape = case.shape.clone();
    if case.slabs.outer > 1 && case.slabs.outer.is_multiple_of(shape[0]) {
        shape[0] = 1;
    }
    let x = vec![1.0; shape.iter().product()];
    let mut y = vec![0.0; x.len()];
    let mut times = vec![];
    for build in 0..=builds {
        let other = 1.0 + 1e-3 * (build + 1) as f64;
        let config = match layer.alpha() {
            0.0 => case.config.clone().k(layer.k() * other),
            alpha => case.config.clone().alpha(alpha * other),
        };
        let start = Instant::now();
        let built = config.backend(Backend::Jit).build()?;
        built.forward_into(&x, &shape, &mut y)?;
        let first = start.elapsed();
        let start = Instant::now();
        built.forward_into(&x, &shape, &mut y)?;
        times.push(first.saturating_sub(start.elapsed()).as_secs_f64());
    }
    // The first one is for the caches.
    times.remove(0);
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
