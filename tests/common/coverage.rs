//! The coverage table: which recipes met which shapes.

use std::collections::BTreeMap;

use lrn_jit::plan::{FittedRange, Formula, Fraction, Guard, Plan, Power, Staging, Summation};
use lrn_jit::{Boundary, Element, LocalResponseNorm};

use super::rng::Rng;

/// How the channels lie to the window and to the kernel's block of 8 or, for windows over 8 taps, 16 channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// C = 1.
    One,
    /// C < before + 1 + after.
    BelowWindow,
    /// C < block.
    BelowBlock,
    /// As many as the window and the block, or more.
    Interior,
}

/// Everything a shape can be to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// inner where it is less than a vector (1 is channels last), else 4 + inner % 4.
    pub tail: usize,
    pub edge: Edge,
    pub axis0: bool,
}

pub fn places() -> Vec<Place> {
    let mut places = vec![];
    for tail in 1..8 {
        for edge in [Edge::One, Edge::BelowWindow, Edge::BelowBlock, Edge::Interior] {
            places.extend([false, true].map(|axis0| Place { tail, edge, axis0 }));
        }
    }
    places
}

/// The taps of a plan, and the channels of its kernel's block where it has one.
pub fn taps_and_block(plan: &Plan) -> (usize, Option<usize>) {
    let taps = plan.before + plan.after + 1;
    match plan.formula {
        Formula::Normalize { summation: Summation::Cumulative, .. } => (taps, None),
        Formula::Normalize { ref power, .. } => {
            let short = match power.fraction {
                Fraction::Wide(_) => return (taps, Some(4)),
                Fraction::Fitted(_) => false,
                Fraction::Root(_) => power.guard == Guard::AtLeastK,
                Fraction::None | Fraction::SquareRoot { .. } => true,
            };
            (taps, Some(if short && taps > 8 { 16 } else { 8 }))
        }
        _ => (taps, Some(8)),
    }
}

impl Place {
    /// A tensor at this place: channels and inner; none where the plan has no such tensor of modest size.
    pub fn draw(self, rng: &mut Rng, plan: &Plan) -> Option<(usize, usize)> {
        let (taps, block) = taps_and_block(plan);
        let (low, high) = match self.edge {
            Edge::One => (1, 1),
            Edge::BelowWindow => (2, taps.min(48) - 1),
            Edge::BelowBlock => (taps.max(2), block? - 1),
            Edge::Interior => (taps.max(block.unwrap_or(2)), 140),
        };
        if low > high {
            return None;
        }
        let near = [low, low + 1, low + 2, high, high - 1, 2 * low - 1, 2 * low + 1, 7, 9, 15, 16, 17, 31, 33];
        let near = near.map(|channels| if (low..=high.min(2 * low + 33)).contains(&channels) { channels } else { low });
        let inner = match self.tail {
            4 => rng.pick(&[4, 4, 8, 16, 64]),
            5 => rng.pick(&[5, 5, 17, 33, 49, 121]),
            6 => rng.pick(&[6, 6, 10, 18, 34]),
            7 => rng.pick(&[7, 7, 15, 31]),
            short => short,
        };
        Some((rng.pick(&near), inner))
    }

    /// Whether any plan with this recipe has tensors here.
    fn is_reachable(self, recipe: &str) -> bool {
        match self.edge {
            Edge::One | Edge::Interior => true,
            Edge::BelowWindow => recipe.contains("unrolled") || recipe.contains("block sums"),
            // A wide recipe has blocks of 4: only windows of up to 3 taps leave room below them.
            Edge::BelowBlock => !recipe.contains("block sums") && !recipe.contains("wide"),
        }
    }
}

/// What code a layer runs, by name: formula, fraction with its variants, guard, summation.
pub fn recipe<E: Element>(layer: &LocalResponseNorm<E>) -> String {
    match &layer.plan().formula {
        Formula::Copy => "copy".into(),
        Formula::Scale { factors } => format!("scale by {}", factors.len()),
        Formula::Normalize { summation, power, .. } => {
            let summation = match summation {
                Summation::Unrolled { .. } => "unrolled",
                Summation::Cumulative => "block sums",
            };
            let guard = match power.guard {
                Guard::AtLeastK => "d ≥ k",
                Guard::Any => "any d",
                Guard::Magnitude => "|d|",
            };
            format!("{}, {guard}, {summation}", fraction(power))
        }
    }
}

fn fraction(power: &Power) -> String {
    let sign = |positive| if positive { "+" } else { "−" };
    let variant = match &power.fraction {
        Fraction::None => sign(power.whole > 0).to_string() + "steps",
        Fraction::SquareRoot { divide } => sign(*divide).to_string() + "square root",
        Fraction::Root(root) => format!("+{}/4", root.quarters),
        Fraction::Fitted(fitted) => {
            let how = match &fitted.range {
                FittedRange::Bounded { whole } => format!("bounded, {whole} whole"),
                FittedRange::Any(Staging { stages, low, high }) => {
                    format!("{stages} stages{}", if low.or(*high).is_some() { " within a range" } else { "" })
                }
            };
            let (squared, odd) = (fitted.squarings > 0, fitted.odd);
            let squared = if squared { " squared" } else { "" };
            format!("{}fitted{squared}{} ({how})", sign(fitted.beta > 0.0), if odd { " odd" } else { "" })
        }
        Fraction::Wide(wide) => format!("{}wide{}", sign(wide.beta_high > 0.0), if wide.odd { " odd" } else { "" }),
    };
    if power.whole == 0 || power.fraction == Fraction::None { variant } else { variant + " after steps" }
}

/// Every recipe there is.
pub fn all_recipes() -> Vec<String> {
    let mut recipes = vec!["copy".to_string(), "scale by 1".into(), "scale by 2".into()];
    let whole = ["+steps", "−steps", "−square root", "+wide", "−wide"];
    let rooted = ["+1/4", "+1/4 after steps", "+2/4 after steps", "+3/4", "+3/4 after steps"];
    let both = whole.iter().chain(&rooted);
    let mut powers: Vec<_> = both.flat_map(|name| ["d ≥ k", "any d"].map(|guard| format!("{name}, {guard}"))).collect();
    powers.extend(["+2/4, d ≥ k", "+square root, any d", "−square root after steps, d ≥ k"].map(String::from));
    powers.extend((0..5).map(|whole| format!("+fitted (bounded, {whole} whole), d ≥ k")));
    for stages in ["1 stages", "2 stages", "3 stages", "3 stages within a range"] {
        powers.extend(["+fitted", "−fitted"].map(|name| format!("{name} ({stages}), any d")));
    }
    powers.extend((1..=3).map(|stages| format!("−fitted ({stages} stages within a range), d ≥ k")));
    let held = ["+fitted squared (2 stages within a range), d ≥ k", "−fitted (2 stages within a range), any d"];
    powers.extend(held.map(String::from));
    for name in ["+fitted squared", "−fitted squared"] {
        powers.extend(["any d", "d ≥ k"].map(|guard| format!("{name} (3 stages within a range), {guard}")));
        // Integers over 4, odd and even, with the sign of d set aside.
        powers.extend(["", " odd"].map(|odd| format!("{name}{odd} (3 stages within a range), |d|")));
    }
    powers.extend(["+wide, |d|", "−wide, |d|", "+wide odd, |d|", "−wide odd, |d|"].map(String::from));
    recipes.extend(powers.iter().flat_map(|power| ["unrolled", "block sums"].map(|sum| format!("{power}, {sum}"))));
    recipes
}

/// A column of the printed table: its head, and the places that count for it.
type Column = (&'static str, fn(Place) -> bool);

/// How often each recipe met each boundary and place.
#[derive(Default)]
pub struct Table(BTreeMap<(String, bool), BTreeMap<Place, usize>>);

impl Table {
    /// The counts of one recipe and boundary.
    pub fn row(&mut self, recipe: &str, boundary: Boundary) -> &mut BTreeMap<Place, usize> {
        self.0.entry((recipe.to_string(), boundary == Boundary::Wrap)).or_default()
    }

    /// Prints one line a recipe, summed over what is not a column.
    pub fn print(&self) {
        let columns: [Column; 13] = [
            ("inner 1", |p| p.tail == 1),
            ("2", |p| p.tail == 2),
            ("3", |p| p.tail == 3),
            ("4n", |p| p.tail == 4),
            ("4n+1", |p| p.tail == 5),
            ("4n+2", |p| p.tail == 6),
            ("4n+3", |p| p.tail == 7),
            ("C = 1", |p| p.edge == Edge::One),
            ("<window", |p| p.edge == Edge::BelowWindow),
            ("<block", |p| p.edge == Edge::BelowBlock),
            ("interior", |p| p.edge == Edge::Interior),
            ("axis 0", |p| p.axis0),
            ("other", |p| !p.axis0),
        ];
        print!("{:44}{:>6}", "recipe", "beyond");
        columns.iter().for_each(|(name, _)| print!("{name:>9}"));
        println!();
        for ((recipe, wraps), counts) in &self.0 {
            print!("{recipe:44}{:>6}", if *wraps { "wrap" } else { "zero" });
            for (_, holds) in &columns {
                let count: usize = counts.iter().filter(|(place, _)| holds(**place)).map(|(_, count)| count).sum();
                print!("{count:>9}");
            }
            println!();
        }
    }

    /// The cells that were reachable and not reached.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = vec![];
        for recipe in all_recipes() {
            for wraps in [false, true] {
                let counts = self.0.get(&(recipe.clone(), wraps));
                for place in places().into_iter().filter(|place| place.is_reachable(&recipe)) {
                    if counts.and_then(|counts| counts.get(&place)).is_none_or(|&count| count == 0) {
                        missing.push(format!("{recipe}, wraps {wraps}: {place:?}"));
                    }
                }
            }
        }
        missing
    }

    /// Recipes that [`all_recipes`] does not know.
    pub fn unknown(&self) -> Vec<&str> {
        let known = all_recipes();
        self.0.keys().map(|(recipe, _)| recipe.as_str()).filter(|recipe| !known.iter().any(|k| k == recipe)).collect()
    }

    /// Cells that were reached.
    pub fn cells(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }
}
