//! Polynomials fitted when a layer is constructed.
//!
//! The power recipes need Q with `constant + g·Q(g) ≈ (center+g)^p` on an interval, to a relative error: `W(g)·Q(g) ≈ V(g)` with
//! W = g·(center+g)^(−p) and V = 1 − constant·(center+g)^(−p). The Q of the smallest degree whose error stays under a target
//! is found by the second algorithm of Remez:
//!
//! 1. Q of n coefficients is sought that misses V by ±E at n + 1 points in turn: n + 1 linear equations for Q and E.
//! 2. On a grid, every stretch in which the error keeps its sign gives its largest error's place as a new point.
//! 3. Again, until the largest error is E.
//!
//! All of it is f64. The coefficients are rounded to f32 last; [`Fit::error`] includes that. The constant's own rounding is not
//! fitted, for where g is 0 no Q makes good for it, and there the error would change its sign twice: who calls chooses a center
//! for which it does not count.

/// Most coefficients tried.
const MAX_COEFFICIENTS: usize = 20;
/// Points of the grid on which errors are looked for.
const GRID: usize = 192;
/// Exchanges after which a fit is good enough: convergence is quadratic.
const EXCHANGES: usize = 4;

/// The polynomial `constant + g·Q(g)`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fit {
    /// Its value at g = 0.
    pub(crate) constant: f32,
    /// Coefficients of Q, lowest degree first.
    pub(crate) coefficients: Vec<f32>,
    /// The largest relative error.
    pub(crate) error: f64,
}

/// The smallest Q with `constant + g·Q(g) ≈ (center+g)^exponent` for `low ≤ center + g ≤ high`, to a relative error of
/// `target`. The constant is `center^exponent`, rounded.
pub(crate) fn power(exponent: f64, center: f64, (low, high): (f64, f64), target: f64) -> Fit {
    let constant = center.powf(exponent);
    let inverse = move |g: f64| (center + g).powf(-exponent);
    let value = move |g: f64| 1.0 - constant * inverse(g);
    let problem = Problem::new((low - center, high - center), |g| g * inverse(g), value);
    let (coefficients, error) = problem.fit(target);
    Fit { constant: constant as f32, coefficients, error }
}

/// The smallest Q of an odd number of coefficients, the last of them negative, with `1 + g·Q(g) ≈ (1+g)^exponent`: the sum is −∞ where g is
/// +∞. The last one is −1, which need not be multiplied by, where that will do: others make good for it.
pub(crate) fn negative_at_infinity(exponent: f64, (low, high): (f64, f64), target: f64) -> Fit {
    let weight = move |g: f64| g * (1.0 + g).powf(-exponent);
    let value = move |g: f64| 1.0 - (1.0 + g).powf(-exponent);
    let problem = |degree: i32, last: f64| {
        let rest = move |g: f64| value(g) - last * g.powi(degree) * weight(g);
        Problem::new((low - 1.0, high - 1.0), weight, rest)
    };
    let fits = (2..MAX_COEFFICIENTS).step_by(2).flat_map(|free| {
        [(free, Some(-1.0)), (free + 1, None)].map(|(free, last)| {
            let problem = problem(free as i32, last.unwrap_or(0.0));
            let (mut coefficients, error) = problem.rounded(&problem.remez(free));
            coefficients.extend(last.map(|last| last as f32));
            Fit { constant: 1.0, coefficients, error }
        })
    });
    let negative = |fit: &Fit| fit.coefficients.last().is_some_and(|&last| last < 0.0);
    let mut fits = fits.filter(negative);
    let mut best = fits.next().expect("one ends in −1");
    while best.error > target {
        let Some(next) = fits.next() else { break };
        best = next;
    }
    best
}

/// Grid points g, with what is sought: `weight(g)·Q(g) ≈ value(g)`.
struct Problem {
    g: Vec<f64>,
    value: Vec<f64>,
    weight: Vec<f64>,
}

impl Problem {
    fn new((low, high): (f64, f64), weight: impl Fn(f64) -> f64, value: impl Fn(f64) -> f64) -> Self {
        // Chebyshev spacing: dense towards the ends, where errors change quickest.
        let g = (0..GRID).map(|i| {
            let u = -((i as f64 + 0.5) * std::f64::consts::PI / GRID as f64).cos();
            0.5 * (low + high) + 0.5 * (high - low) * u
        });
        let g: Vec<f64> = g.collect();
        // The weight changes its sign with g. Errors of the best fit alternate where it does not.
        let of = |function: &dyn Fn(f64) -> f64| g.iter().map(|&g| function(g) * g.signum()).collect();
        let (weight, value) = (of(&weight), of(&value));
        Self { g, value, weight }
    }

    /// The Q of the smallest degree whose error is at most `target`.
    fn fit(&self, target: f64) -> (Vec<f32>, f64) {
        // An interpolation's error is a few times the best: find the degree with it, then do the work once.
        let mut count = 1;
        while count < MAX_COEFFICIENTS && self.error(&self.interpolate(count)) > 2.0 * target {
            count += 1;
        }
        let mut best = self.remez(count);
        while count < MAX_COEFFICIENTS && self.error(&best) > target {
            count += 1;
            best = self.remez(count);
        }
        self.rounded(&best)
    }

    /// The same polynomial of f32, and its error.
    fn rounded(&self, q: &[f64]) -> (Vec<f32>, f64) {
        let coefficients: Vec<f32> = q.iter().map(|&c| c as f32).collect();
        let rounded: Vec<f64> = coefficients.iter().map(|&c| f64::from(c)).collect();
        let error = self.error(&rounded);
        (coefficients, error)
    }

    /// The largest error on the grid.
    fn error(&self, q: &[f64]) -> f64 {
        (0..GRID).map(|i| self.error_at(q, i).abs()).fold(0.0, f64::max)
    }

    fn error_at(&self, q: &[f64], i: usize) -> f64 {
        let value = q.iter().rev().fold(0.0, |sum, c| sum * self.g[i] + c);
        value * self.weight[i] - self.value[i]
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

    /// One equation: weighted powers of g, the miss allowed (if any), and the value.
    fn row(&self, i: usize, count: usize, turn: Option<f64>) -> Vec<f64> {
        let powers = std::iter::successors(Some(self.weight[i]), |power| Some(power * self.g[i])).take(count);
        powers.chain(turn).chain([self.value[i]]).collect()
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

    /// The polynomial's own error, and at most half an ulp of every coefficient's term.
    fn allowed(fit: &Fit, largest: f64) -> f64 {
        let terms = fit.coefficients.iter().enumerate();
        let terms: f64 = terms.map(|(j, &c)| f64::from(c.abs()) * largest.powi(j as i32 + 1)).sum();
        TARGET + terms / f64::from(1 << 24)
    }

    #[test]
    fn every_root_meets_the_target() {
        for exponent in [-0.25, -0.5, -0.75] {
            let fit = power(exponent, 1.0, (0.84, 1.16), TARGET);
            assert!(fit.error <= 1.2 * allowed(&fit, 0.16), "exponent {exponent}: {fit:?}");
            assert!(fit.coefficients.len() <= 8 && fit.constant == 1.0, "exponent {exponent}: {fit:?}");
        }
    }

    #[test]
    fn odd_polynomials_meet_the_target_and_end_below_zero() {
        let target = 3.5 * TARGET;
        for (exponent, range, count) in
            [(-0.75, (0.931, 1.021), 5), (-0.5, (0.981, 1.042), 3), (-0.25, (0.846, 1.079), 5)]
        {
            let fit = negative_at_infinity(exponent, range, target);
            assert!(fit.error <= target && fit.coefficients.len() == count, "exponent {exponent}: {fit:?}");
            assert!(fit.coefficients[count - 1] < 0.0, "exponent {exponent}: {fit:?}");
            // The error is that of all coefficients, the last one as well.
            for g in [range.0 - 1.0, 0.3 * (range.0 - 1.0), range.1 - 1.0] {
                let q = fit.coefficients.iter().rev().fold(0.0, |sum, &c| sum * g + f64::from(c));
                let error = (1.0 + g * q) * (1.0 + g).powf(-exponent) - 1.0;
                assert!(error.abs() <= 1.1 * target, "exponent {exponent} at {g}: {error:e}");
            }
        }
    }

    #[test]
    fn every_moderate_exponent_meets_the_target() {
        for i in 1..=80 {
            let beta = f64::from(i) / 10.0 + 0.003;
            // A center whose power is a float.
            let center = 0.9f64.powf(-beta);
            let center = f64::from(center as f32).powf(-1.0 / beta);
            for (exponent, center, range, largest) in [(-beta, center, (0.5, 1.0), 0.4), (beta, 1.0, (1.0, 2.0), 1.0)] {
                let fit = power(exponent, center, range, TARGET);
                assert!(fit.error <= allowed(&fit, largest), "exponent {exponent}: {fit:?}");
            }
        }
    }

    #[test]
    fn the_exchange_beats_interpolation() {
        let problem = Problem::new((-0.164, 0.16), |g| g, |g| g.ln_1p());
        let (best, through) = (problem.error(&problem.remez(6)), problem.error(&problem.interpolate(6)));
        assert!(best < 0.7 * through, "{best:e} against {through:e}");
    }

    #[test]
    fn a_wrong_exponent_is_seen() {
        let fit = power(-0.6, 1.0, (0.5, 1.0), TARGET);
        let q: Vec<f64> = fit.coefficients.iter().map(|&c| f64::from(c)).collect();
        let inverse = |g: f64| (1.0 + g).powf(0.601);
        let other = Problem::new((-0.5, 0.0), |g| g * inverse(g), |g| 1.0 - inverse(g));
        assert!(other.error(&q) > 100.0 * TARGET);
    }
}
