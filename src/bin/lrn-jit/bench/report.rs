//! What was measured, as plain data.

use super::cases::Case;
use super::limits::{Operations, Throughput};
use super::machine::Machine;

/// Who computes a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Jit,
    Monomorphised,
    Generic,
    Interpreter,
}

impl Who {
    pub const ALL: [Self; 4] = [Self::Jit, Self::Monomorphised, Self::Generic, Self::Interpreter];

    pub fn name(self) -> &'static str {
        match self {
            Self::Jit => "jit",
            Self::Monomorphised => "monomorphised",
            Self::Generic => "generic",
            Self::Interpreter => "interpreter",
        }
    }
}

/// Everything.
#[derive(Debug, Clone)]
pub struct Report {
    pub machine: Machine,
    /// What the library says about the code it makes.
    pub code: String,
    pub quick: bool,
    pub rounds: usize,
    pub throughput: Throughput,
    pub rows: Vec<Row>,
    /// Who was left out, and why.
    pub notes: Vec<String>,
}

/// One case's numbers.
#[derive(Debug, Clone)]
pub struct Row {
    pub case: Case,
    /// The layer as it prints.
    pub layer: String,
    /// ns per element of the fastest run, in the order of [`Who::ALL`]; none for who does not compete.
    pub times: [Option<f64>; 4],
    /// ns per element of a copy of the tensor.
    pub memcpy: f64,
    pub operations: Operations,
    /// ns per element that the operations take at least.
    pub arithmetic: f64,
    /// Seconds that building the layer takes, the median.
    pub compile: f64,
}

impl Row {
    /// ns per element.
    pub fn time(&self, who: Who) -> Option<f64> {
        self.times[who as usize]
    }

    pub fn jit(&self) -> f64 {
        self.time(Who::Jit).unwrap_or(f64::NAN)
    }

    /// The fastest who needs no code generator.
    pub fn best_rival(&self) -> Option<(Who, f64)> {
        let rivals = Who::ALL[1..].iter().filter_map(|&who| Some((who, self.time(who)?)));
        rivals.min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// How many times as fast as somebody the compiled code is.
    pub fn speedup(&self, who: Who) -> Option<f64> {
        Some(self.time(who)? / self.jit())
    }

    /// Bytes read and written per ns.
    pub fn gigabytes_per_second(&self) -> f64 {
        2.0 * size_of::<f32>() as f64 / self.jit()
    }

    /// After how many calls building the layer has paid, against somebody; none if it never does.
    pub fn pays_after(&self, who: Who) -> Option<f64> {
        let gain = (self.time(who)? - self.jit()) * 1e-9 * self.case.elements() as f64;
        (gain > 0.0).then(|| (self.compile / gain).ceil())
    }
}
