//! The Rust side of a contestant: answers run.py's lines (README.md). Included by each program that is one.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

/// A layer and a tensor to run it on.
pub struct Case {
    /// Batch, channels, height, width, whatever the layout.
    pub shape: [usize; 4],
    pub channels_last: bool,
    pub size: usize,
    pub alpha: f64,
    pub beta: f64,
    pub k: f64,
    /// Over height and width, not across channels.
    pub within: bool,
}

impl Case {
    fn parse(words: &[&str]) -> Result<Self, Box<dyn Error>> {
        let [layout, n, c, h, w, size, alpha, beta, k, region] = words else { return Err("not a case".into()) };
        Ok(Self {
            shape: [n.parse()?, c.parse()?, h.parse()?, w.parse()?],
            channels_last: *layout == "nhwc",
            size: size.parse()?,
            alpha: alpha.parse()?,
            beta: beta.parse()?,
            k: k.parse()?,
            within: *region == "within",
        })
    }

    /// The shape as the tensor lies in memory.
    pub fn extents(&self) -> [usize; 4] {
        let [n, c, h, w] = self.shape;
        if self.channels_last { [n, h, w, c] } else { [n, c, h, w] }
    }

    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A case ready to be run again and again.
pub trait Runner {
    fn run(&mut self);

    /// The last result, in the case's layout.
    fn output(&self) -> Vec<f32>;

    /// What runs, for the record.
    fn implementation(&self) -> String;
}

/// A runner, or the reason why a case is absent.
pub type Prepared = Result<Result<Box<dyn Runner>, &'static str>, Box<dyn Error>>;

/// Answers until the input ends. `output`: how the result's memory is had.
pub fn serve(
    version: &str,
    details: &str,
    output: &str,
    prepare: impl Fn(&Case, Vec<f32>) -> Prepared,
) -> io::Result<()> {
    let mut answers = io::stdout();
    writeln!(answers, r#"{{"version": {version:?}, "details": {details:?}}}"#)?;
    let mut runners: HashMap<String, Box<dyn Runner>> = HashMap::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words[..] {
            ["prepare", id, ref case @ .., source, target] => match ready(case, source, target, &prepare) {
                Ok(Ok(runner)) => {
                    let implementation = runner.implementation();
                    runners.insert(id.into(), runner);
                    format!(r#"{{"implementation": {implementation:?}, "output": {output:?}}}"#)
                }
                Ok(Err(reason)) => format!(r#"{{"absent": {reason:?}}}"#),
                Err(error) => format!(r#"{{"error": {:?}}}"#, error.to_string()),
            },
            ["time", id, seconds] => match (runners.get_mut(id), seconds.parse()) {
                (Some(runner), Ok(seconds)) => measure(&mut **runner, Duration::from_secs_f64(seconds)),
                _ => r#"{"error": "not prepared"}"#.into(),
            },
            _ => break,
        };
        writeln!(answers, "{answer}")?;
    }
    Ok(())
}

fn ready(case: &[&str], source: &str, target: &str, prepare: impl Fn(&Case, Vec<f32>) -> Prepared) -> Prepared {
    let case = Case::parse(case)?;
    let x = read(source.as_ref(), case.elements())?;
    let mut prepared = prepare(&case, x)?;
    if let Ok(runner) = &mut prepared {
        runner.run();
        write(target.as_ref(), &runner.output())?;
    }
    Ok(prepared)
}

/// The fastest call of at least three and at least `least`, after one that is not timed.
fn measure(runner: &mut dyn Runner, least: Duration) -> String {
    runner.run();
    let (mut best, mut runs, begin) = (Duration::MAX, 0, Instant::now());
    while runs < 3 || begin.elapsed() < least {
        let start = Instant::now();
        runner.run();
        best = best.min(start.elapsed());
        runs += 1;
    }
    format!(r#"{{"ns": {}, "runs": {runs}}}"#, best.as_nanos())
}

/// The first `count` floats of a file of little-endian ones.
fn read(path: &Path, count: usize) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let (floats, _) = bytes.as_chunks();
    let floats = floats.get(..count).ok_or("the input file is too short")?;
    Ok(floats.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
}

/// Writes floats, little-endian.
pub fn write(path: &Path, values: &[f32]) -> io::Result<()> {
    fs::write(path, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
}
