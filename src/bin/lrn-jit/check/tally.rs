//! What a check has met: plans by recipe, boundary and layout, and how far from f64 they came.

use std::collections::BTreeMap;
use std::io::{self, Write};

use lrn_jit::Boundary;

use crate::rivals::Slabs;

/// How channels lie in memory, as far as it makes a difference to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// Neighbouring channels side by side.
    Last,
    /// Rows shorter than a vector of any host.
    ShortRows,
    /// Longer ones.
    Planes,
}

impl Layout {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Last, "last"), (Self::ShortRows, "inner 2-15"), (Self::Planes, "planes")];

    pub fn of(slabs: Slabs) -> Self {
        match slabs.inner {
            0 | 1 => Self::Last,
            2..16 => Self::ShortRows,
            _ => Self::Planes,
        }
    }
}

/// Of one kind of plan and layout.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entry {
    pub cases: usize,
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
            elements: self.elements + other.elements,
            judged: self.judged + other.judged,
            worst: self.worst.max(other.worst),
            share: self.share.max(other.share),
        }
    }
}

/// All of it.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<(String, bool), BTreeMap<Layout, Entry>>);

impl Tally {
    /// The entry of a case that begins.
    pub fn enter(&mut self, recipe: &str, boundary: Boundary, layout: Layout) -> &mut Entry {
        let row = self.0.entry((recipe.to_string(), boundary == Boundary::Wrap)).or_default();
        let entry = row.entry(layout).or_default();
        entry.cases += 1;
        entry
    }

    pub fn cases(&self) -> usize {
        self.all().cases
    }

    fn all(&self) -> Entry {
        self.0.values().flat_map(BTreeMap::values).copied().fold(Entry::default(), Entry::merge)
    }

    /// One line a family of recipes or, in `full`, a recipe and boundary; and the totals.
    pub fn print(&self, full: bool, out: &mut impl Write) -> io::Result<()> {
        let mut rows: BTreeMap<String, BTreeMap<Layout, Entry>> = BTreeMap::new();
        for ((recipe, wraps), entries) in &self.0 {
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
            let Entry { judged, worst, share, .. } = row.values().copied().fold(Entry::default(), Entry::merge);
            if judged > 0 {
                writeln!(out, "{worst:>11.2}{:>10.0} %", 100.0 * share)?;
            } else {
                writeln!(out, "{:>11}{:>12}", "–", "–")?;
            }
        }
        let Entry { elements, judged, worst, share, .. } = self.all();
        let variants: usize = self.0.values().map(BTreeMap::len).sum();
        writeln!(
            out,
            "\n{variants} kinds of plan and layout; {elements} numbers by their bits, {judged} of them by f64 as well:"
        )?;
        writeln!(out, "at most {worst:.2} ulp off, at most {:.0} % of what is allowed there", 100.0 * share)
    }
}

/// A recipe's name without its variants, guard and summation.
fn family(recipe: &str) -> &str {
    recipe.split([',', '(']).next().unwrap_or(recipe).trim_end()
}
