//! The judge: Local Response Normalization in f64, straight from the formula, sharing no code with what it judges.
//!
//! `y[c] = x[c] · (k + alpha/divisor · Σ x[j]²)^(−beta)`, j from c − before to c + after, each tap read by itself.

use crate::config::{Boundary, Parameters};
use crate::tile::TileEngine;

/// The formula's parameters.
pub(crate) struct Reference {
    parameters: Parameters,
}

impl Reference {
    pub(crate) fn new(parameters: Parameters) -> Self {
        Self { parameters }
    }

    /// One column of channels.
    fn column(&self, x: &[f64]) -> Vec<f64> {
        let Parameters { alpha, beta, k, window, boundary, .. } = self.parameters;
        let channels = x.len();
        let square_sum = |c: usize| -> f64 {
            match boundary {
                Boundary::Zero => {
                    let inside = |j: usize| j + window.before >= c && j <= c.saturating_add(window.after);
                    (0..channels).filter(|&j| inside(j)).map(|j| x[j] * x[j]).sum()
                }
                Boundary::Wrap => {
                    // Channel j is met at c + t for every t in −before ..= after with c + t ≡ j (mod C).
                    let (c, count) = (c as i128, channels as i128);
                    let (first, last) = (c - window.before as i128, c + window.after as i128);
                    let met = |j: i128| (last - j).div_euclid(count) - (first - 1 - j).div_euclid(count);
                    let terms = (0..channels).filter(|&j| met(j as i128) > 0);
                    terms.map(|j| met(j as i128) as f64 * (x[j] * x[j])).sum()
                }
            }
        };
        (0..channels).map(|c| x[c] / (k + alpha / window.divisor * square_sum(c)).powf(beta)).collect()
    }
}

impl TileEngine for Reference {
    fn tile(&self, channels: usize, width: usize, input: &[f32], output: &mut [f32]) {
        for column in 0..width {
            let x: Vec<f64> = (0..channels).map(|c| f64::from(input[c * width + column])).collect();
            for (c, y) in self.column(&x).into_iter().enumerate() {
                output[c * width + column] = y as f32;
            }
        }
    }
}
