//! Polynomials fitted when a layer is constructed.
//!
//! The power recipes need Q with `1 + g·Q(g) ≈ (1+g)^p` on an interval around 0. [`power_of_one_plus`] finds the Q of
//! the smallest degree whose relative error stays under a target, by the second algorithm of Remez:
//!
//! 1. Q of n coefficients is sought that misses `((1+g)^p − 1)/g` by ±E/W at n + 1 points in turn, with the weight
//!    W = |g|/(1+g)^p that makes E the relative error of the whole: n + 1 linear equations for Q and E.
//! 2. On a grid, every stretch in which the error keeps its sign gives its largest error's place as a new point.
//! 3. Again, until the largest error is E.
//!
//! All of it is f64. The coefficients are rounded to f32 last; [`Fit::error`] includes that.

/// Most coefficients tried.
const MAX_COEFFICIENTS: usize = 14;
/// Points of the grid on which errors are looked for.
const GRID: usize = 192;
/// Exchanges after which a fit is good enough: convergence is quadratic.
const EXCHANGES: usize = 4;

/// Coefficients of Q, lowest degree first, and the largest relative error of `1 + g·Q(g)`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fit {
    pub(crate) coefficients: Vec<f32>,
    pub(crate) error: f64,
}

/// The smallest Q with `1 + g·Q(g) ≈ (1+g)^exponent` for `low ≤ g ≤ high` (low < 0 < high) to a relative error of `target`.
pub(crate) fn power_of_one_plus(exponent: f64, (low, high): (f64, f64), target: f64) -> Fit {
    let problem = Problem::new(exponent, low, high);
    // An interpolation's error is a few times the best: find the degree with it, then do the work once.
    let mut count = 1;
    while count < MAX_COEFFICIENTS && problem.error(&problem.interpolate(count)) > 2.0 * target {
        count += 1;
    }
    let mut best = problem.remez(count);
    while count < MAX_COEFFICIENTS && problem.error(&best) > target {
        count += 1;
        best = problem.remez(count);
    }
    let coefficients: Vec<f32> = best.into_iter().map(|c| c as f32).collect();
    let rounded: Vec<f64> = coefficients.iter().map(|&c| f64::from(c)).collect();
    Fit { coefficients, error: problem.error(&rounded) }
}

/// Grid points g with the function to approximate and its weight.
struct Problem {
    g: Vec<f64>,
    function: Vec<f64>,
    weight: Vec<f64>,
}

impl Problem {
    fn new(exponent: f64, low: f64, high: f64) -> Self {
        // Chebyshev spacing: dense towards the ends, where errors change quickest.
        let g = (0..GRID).map(|i| {
            let u = -((i as f64 + 0.5) * std::f64::consts::PI / GRID as f64).cos();
            0.5 * (low + high) + 0.5 * (high - low) * u
        });
        let g: Vec<f64> = g.map(|g| if g == 0.0 { f64::MIN_POSITIVE } else { g }).collect();
        let log = |g: &f64| exponent * g.ln_1p();
        let function = g.iter().map(|g| log(g).exp_m1() / g).collect();
        let weight = g.iter().map(|g| g.abs() / log(g).exp()).collect();
        Self { g, function, weight }
    }

    /// The largest relative error on the grid.
    fn error(&self, q: &[f64]) -> f64 {
        (0..GRID).map(|i| self.error_at(q, i).abs()).fold(0.0, f64::max)
    }

    fn error_at(&self, q: &[f64], i: usize) -> f64 {
        let value = q.iter().rev().fold(0.0, |sum, c| sum * self.g[i] + c);
        (value - self.function[i]) * self.weight[i]
    }

    /// `count` grid points spread like Chebyshev nodes.
    fn spread(count: usize) -> Vec<usize> {
        (0..count).map(|i| (2 * i + 1) * GRID / (2 * count)).collect()
    }

    /// The polynomial through the function at `count` points.
    fn interpolate(&self, count: usize) -> Vec<f64> {
        let rows = Self::spread(count).into_iter().map(|i| self.row(i, count, None)).collect();
        solve(rows)
    }

    /// The polynomial of `count` coefficients with the least largest error.
    fn remez(&self, count: usize) -> Vec<f64> {
        let mut points = Self::spread(count + 1);
        let mut q = Vec::new();
        for _ in 0..EXCHANGES {
            let rows = points.iter().enumerate();
            let rows = rows.map(|(turn, &i)| self.row(i, count, Some(if turn % 2 == 0 { 1.0 } else { -1.0 })));
            q = solve(rows.collect());
            q.truncate(count);
            match self.exchange(&q, count + 1) {
                Some(next) if next != points => points = next,
                _ => break,
            }
        }
        q
    }

    /// One equation: powers of g, the miss allowed (if any), and the function.
    fn row(&self, i: usize, count: usize, turn: Option<f64>) -> Vec<f64> {
        let powers = std::iter::successors(Some(1.0), |power| Some(power * self.g[i])).take(count);
        let miss = turn.map(|sign| sign / self.weight[i].max(1e-9));
        powers.chain(miss).chain([self.function[i]]).collect()
    }

    /// The place of the largest error in each stretch of one sign; `None` where there are fewer stretches than `wanted`.
    fn exchange(&self, q: &[f64], wanted: usize) -> Option<Vec<usize>> {
        let mut peaks: Vec<(usize, f64)> = Vec::new();
        for i in 0..GRID {
            let error = self.error_at(q, i);
            match peaks.last_mut() {
                Some((place, peak)) if peak.signum() == error.signum() => {
                    if error.abs() > peak.abs() {
                        (*place, *peak) = (i, error);
                    }
                }
                _ => peaks.push((i, error)),
            }
        }
        while peaks.len() > wanted {
            // Signs must keep alternating, so only an end may go: the smaller one.
            let first_is_smaller = peaks[0].1.abs() < peaks[peaks.len() - 1].1.abs();
            peaks.remove(if first_is_smaller { 0 } else { peaks.len() - 1 });
        }
        (peaks.len() == wanted).then(|| peaks.into_iter().map(|(place, _)| place).collect())
    }
}

/// Solves a square system given as rows with the right-hand side last, by elimination with row pivoting.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let count = rows.len();
    for column in 0..count {
        let size = |row: &Vec<f64>| row[column].abs();
        let pivot = (column..count).max_by(|&a, &b| size(&rows[a]).total_cmp(&size(&rows[b])));
        rows.swap(column, pivot.unwrap_or(column));
        let (top, below) = rows.split_at_mut(column + 1);
        let top = &top[column];
        for row in below {
            let factor = row[column] / top[column];
            for (value, above) in row.iter_mut().zip(top).skip(column) {
                *value -= factor * above;
            }
        }
    }
    let mut solution = vec![0.0; count];
    for i in (0..count).rev() {
        let known: f64 = (i + 1..count).map(|j| rows[i][j] * solution[j]).sum();
        solution[i] = (rows[i][count] - known) / rows[i][i];
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fifth of an ulp in the worst binade.
    const TARGET: f64 = 0.2 / (1u64 << 24) as f64;
    const THIRD: (f64, f64) = (-1.0 / 3.0, 1.0 / 3.0);

    #[test]
    fn every_exponent_up_to_two_meets_the_target() {
        for i in -200..=200 {
            let exponent = f64::from(i) / 100.0;
            let fit = power_of_one_plus(exponent, THIRD, TARGET);
            // The polynomial's own error, and at most half an ulp of every coefficient's term.
            let terms = fit.coefficients.iter().enumerate();
            let terms: f64 = terms.map(|(j, &c)| f64::from(c.abs()) * THIRD.1.powi(j as i32 + 1)).sum();
            let least = (1.0 + THIRD.0).powf(exponent).min((1.0 + THIRD.1).powf(exponent));
            let allowed = TARGET + terms / f64::from(1 << 24) / least;
            assert!(fit.error <= allowed, "exponent {exponent}: {fit:?}");
            assert!(fit.coefficients.len() <= 12, "exponent {exponent}: {fit:?}");
        }
    }

    #[test]
    fn the_exchange_beats_interpolation() {
        let problem = Problem::new(-0.75, -0.164, 0.16);
        let (best, through) = (problem.error(&problem.remez(6)), problem.error(&problem.interpolate(6)));
        assert!(best < 0.7 * through, "{best:e} against {through:e}");
    }

    #[test]
    fn a_wrong_exponent_is_seen() {
        let fit = power_of_one_plus(-0.6, THIRD, TARGET);
        let wide: Vec<f64> = fit.coefficients.iter().map(|&c| f64::from(c)).collect();
        assert!(Problem::new(-0.601, THIRD.0, THIRD.1).error(&wide) > 100.0 * TARGET);
    }
}
