//! What a check has met: plans by recipe, boundary and layout, types and tasks, axes and ranks, and how far from f64 they came.

use std::collections::BTreeMap;
use std::io::{self, Write};

use lrn_jit::plan::Plan;
use lrn_jit::{Boundary, Region};

use super::drawing::Drawn;
use crate::arguments::NumberName;
use crate::task::TaskName;

/// How what windows extend over lies in memory, as far as it makes a difference to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// Neighbouring channels side by side.
    Last,
    /// Rows shorter than a vector of any host.
    ShortRows,
    /// Longer ones.
    Planes,
    /// Windows over several axes.
    Boxes,
}

impl Layout {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Last, "last"), (Self::ShortRows, "inner 2-15"), (Self::Planes, "planes"), (Self::Boxes, "boxes")];

    /// Of a plan where so many elements lie inside the axes of the windows.
    pub fn of(plan: &Plan, inner: usize) -> Self {
        match inner {
            _ if plan.axes > 1 => Self::Boxes,
            0 | 1 => Self::Last,
            2..16 => Self::ShortRows,
            _ => Self::Planes,
        }
    }
}

/// Of one kind of plan and layout, or of one type and task.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entry {
    pub cases: usize,
    /// Those with a ReLU before the layer.
    pub activated: usize,
    /// Those with windows over several axes.
    pub boxed: usize,
    pub elements: usize,
    /// Outputs that were compared to f64.
    pub judged: usize,
    /// The largest distance, and the largest share of what is allowed, in ulp.
    pub worst: f64,
    pub share: f64,
}

impl Entry {
    /// One more output that was compared.
    pub fn judged(&mut self, error: f64, allowed: f64) {
        self.judged += 1;
        self.worst = self.worst.max(error);
        if allowed > 0.0 {
            self.share = self.share.max(error / allowed);
        }
    }

    fn merge(self, other: Self) -> Self {
        Self {
            cases: self.cases + other.cases,
            activated: self.activated + other.activated,
            boxed: self.boxed + other.boxed,
            elements: self.elements + other.elements,
            judged: self.judged + other.judged,
            worst: self.worst.max(other.worst),
            share: self.share.max(other.share),
        }
    }
}

/// All of it.
#[derive(Debug, Default)]
pub struct Tally {
    plans: BTreeMap<(String, bool), BTreeMap<Layout, Entry>>,
    kinds: BTreeMap<(NumberName, TaskName), Entry>,
    /// Cases of windows over so many axes, named as such, by rank.
    regions: BTreeMap<usize, [usize; RANKS]>,
}

/// The highest rank that is drawn.
const RANKS: usize = 6;

impl Tally {
    /// Adds a case.
    pub fn add(&mut self, recipe: &str, layout: Layout, drawn: &Drawn, entry: Entry) {
        let wraps = drawn.case.settings.boundary == Boundary::Wrap;
        let plan = self.plans.entry((recipe.to_string(), wraps)).or_default().entry(layout).or_default();
        *plan = plan.merge(entry);
        let kind = self.kinds.entry((drawn.dtype, drawn.task)).or_default();
        *kind = kind.merge(entry);
        if drawn.region != Region::AcrossChannels {
            self.regions.entry(drawn.axes().len()).or_default()[drawn.case.shape.len() - 1] += 1;
        }
    }

    pub fn cases(&self) -> usize {
        self.all().cases
    }

    fn all(&self) -> Entry {
        self.kinds.values().copied().fold(Entry::default(), Entry::merge)
    }

    /// One line a family of recipes or, in `full`, a recipe and boundary; and the totals.
    pub fn print(&self, full: bool, out: &mut impl Write) -> io::Result<()> {
        let mut rows: BTreeMap<String, BTreeMap<Layout, Entry>> = BTreeMap::new();
        for ((recipe, wraps), entries) in &self.plans {
            let beyond = if *wraps { "wrap" } else { "zero" };
            let row = rows.entry(if full { format!("{recipe}, {beyond}") } else { family(recipe).into() }).or_default();
            for (&layout, &entry) in entries {
                let sum = row.entry(layout).or_default();
                *sum = sum.merge(entry);
            }
        }
        let width = rows.keys().map(|name| name.chars().count()).max().unwrap_or(0).max("recipe".len());
        write!(out, "{:width$}", "recipe")?;
        Layout::ALL.iter().try_for_each(|(_, name)| write!(out, "{name:>11}"))?;
        writeln!(out, "{:>11}{:>12}", "worst ulp", "of allowed")?;
        for (name, row) in &rows {
            write!(out, "{name:width$}")?;
            for (layout, _) in Layout::ALL {
                write!(out, "{:>11}", row.get(&layout).map_or(0, |entry| entry.cases))?;
            }
            row.values().copied().fold(Entry::default(), Entry::merge).print_errors(out)?;
        }
        self.print_kinds(out)?;
        self.print_regions(out)?;
        let Entry { elements, judged, worst, share, .. } = self.all();
        let variants: usize = self.plans.values().map(BTreeMap::len).sum();
        writeln!(
            out,
            "\n{variants} kinds of plan and layout; {elements} numbers by their bits, {judged} of them by f64 as well:"
        )?;
        writeln!(out, "at most {} ulp off, at most {:.0} % of what is allowed there", ulps(worst), 100.0 * share)
    }
}

impl Tally {
    /// One line a type and task.
    fn print_kinds(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "\n{:6}{:10}", "type", "task")?;
        let head = ["cases", "with ReLU", "in boxes", "numbers", "by f64", "worst ulp"];
        head.iter().try_for_each(|name| write!(out, "{name:>11}"))?;
        writeln!(out, "{:>12}", "of allowed")?;
        for ((dtype, task), entry) in &self.kinds {
            let Entry { cases, activated, boxed, elements, judged, .. } = entry;
            write!(out, "{:6}{:10}{cases:>11}{activated:>11}{boxed:>11}", dtype.name(), task.name())?;
            write!(out, "{elements:>11}{judged:>11}")?;
            entry.print_errors(out)?;
        }
        Ok(())
    }

    /// One line a number of axes.
    fn print_regions(&self, out: &mut impl Write) -> io::Result<()> {
        if self.regions.is_empty() {
            return Ok(());
        }
        write!(out, "\n{:16}", "windows over")?;
        (1..=RANKS).try_for_each(|rank| write!(out, "{:>11}", format!("rank {rank}")))?;
        for (axes, cases) in &self.regions {
            let name = match axes {
                0 => "no axis".into(),
                1 => "1 axis".into(),
                axes => format!("{axes} axes"),
            };
            write!(out, "\n{name:16}")?;
            cases.iter().try_for_each(|count| write!(out, "{count:>11}"))?;
        }
        writeln!(out)
    }
}

impl Entry {
    /// The last two columns of a table.
    fn print_errors(&self, out: &mut impl Write) -> io::Result<()> {
        let &Self { judged, worst, share, .. } = self;
        if judged > 0 {
            writeln!(out, "{:>11}{:>10.0} %", ulps(worst), 100.0 * share)
        } else {
            writeln!(out, "{:>11}{:>12}", "–", "–")
        }
    }
}

/// A distance: of what nearly cancels it can be large.
fn ulps(distance: f64) -> String {
    if distance < 1e6 { format!("{distance:.2}") } else { format!("{distance:.1e}") }
}

/// A recipe's name without its variants, guard and summation.
fn family(recipe: &str) -> &str {
    recipe.split([',', '(']).next().unwrap_or(recipe).trim_end()
}
