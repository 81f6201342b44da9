//! How a plan reads when it is printed.

use std::fmt;

use super::{Formula, Fraction, Guard, Plan, Power, Summation};
use crate::config::Boundary;
use crate::number::Number;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In as few digits as tell it from other numbers of the format.
        let number = |value: f64| {
            if self.number == Number::F64 { format!("{value:?}") } else { format!("{:?}", value as f32) }
        };
        match &self.formula {
            Formula::Copy => write!(f, "y = x (beta is 0)"),
            Formula::Scale { factors } => {
                write!(f, "y = x")?;
                factors.iter().try_for_each(|&factor| write!(f, " · {}", number(factor)))?;
                write!(f, " (alpha is 0)")
            }
            Formula::Normalize { summation, a, k, power } => {
                let beyond = match self.boundary {
                    Boundary::Zero => "zero",
                    Boundary::Wrap => "wrap",
                };
                let (before, after) = (self.before, self.after);
                let along = match self.axes {
                    1 => format!("c−{before} … c+{after}"),
                    axes => format!("i−{before} … i+{after} along each of {axes} axes, the last first"),
                };
                writeln!(f, "window: {along}, beyond the edges {beyond}, summed {summation}")?;
                writeln!(f, "base:   d = {} + {}·Σx², {}", number(*k), number(*a), power.guard)?;
                write!(f, "power:  {power}, at most {:.1} ulp", power.max_ulp())
            }
        }
    }
}

impl fmt::Display for Summation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unrolled { taps } => write!(f, "by doubling, {taps} taps unrolled"),
            Self::Cumulative => write!(f, "from block sums"),
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtLeastK => "never below k: only +∞ and NaN are guarded against",
            Self::Any => "any value: zero, negative, subnormal, infinite and NaN are guarded against",
            Self::Magnitude => "any value, its sign set aside",
        })
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "y = x")?;
        let step = if self.whole > 0 { "/d" } else { "·d" };
        write!(f, "{}", step.repeat(usize::from(self.whole.unsigned_abs())))?;
        match &self.fraction {
            Fraction::None => Ok(()),
            Fraction::SquareRoot { divide } => write!(f, "{}√d", if *divide { "/" } else { "·" }),
            Fraction::Root(root) => {
                write!(f, "·d^−{} (bit estimate, degree {})", root.beta(), root.coefficients.len())
            }
            Fraction::Fitted(fitted) => {
                write!(f, "·d^{} (fitted, degree {}", -fitted.beta, fitted.coefficients.len())?;
                match fitted.squarings {
                    0 => {}
                    1 => f.write_str(", squared once")?,
                    times => write!(f, ", squared {times} times")?,
                }
                f.write_str(")")
            }
            Fraction::Wide(wide) => {
                write!(f, "·2^(−{}·log2 d)", wide.beta_high + wide.beta_low)
            }
        }
    }
}
