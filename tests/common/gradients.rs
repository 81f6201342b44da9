//! The judge of gradients: forward, backward, the derivative along a direction and double backward in f64, from the formulas,
//! with each tap read by itself. It shares nothing with the library. `tests/gradient_judge.rs` judges it in turn.
//!
//! With x' = relu(x) or x, W(c) the taps of channel c, a = alpha/divisor and d[c] = k + a·Σ x'[j]² over j ∈ W(c):
//!
//! ```text
//! y[c]   = x'[c]·d[c]^−β
//! dx[i]  = g[i]·d[i]^−β − 2aβ·x'[i]·Σ' e[c]·x'[c]                    with e = g·d^(−β−1)
//! jvp[c] = v[c]·d[c]^−β − 2aβ·x'[c]·d[c]^(−β−1)·S[c]                 with S[c] = Σ x'[j]·v[j] over j ∈ W(c)
//! ddx[i] = −2aβ·{ e[i]·S[i] + v[i]·Σ' e[c]·x'[c] + x'[i]·Σ' e[c]·(v[c] − 2a(β+1)·x'[c]·S[c]/d[c]) }
//! ```
//!
//! Σ' sums over the channels c whose window holds i, each as often as it holds it. A relu masks dx, ddx and v: what has
//! x ≤ 0 is 0 (a NaN passes, as in torch).

use lrn_jit::{Boundary, Convention, Window};

use super::case::Settings;
use super::derivative::{Derivative, Inputs};

/// LRN as its formula has it. Windows are counted out tap by tap: not for sizes of millions.
#[derive(Debug, Clone, PartialEq)]
pub struct Judge {
    pub window: Window,
    pub alpha: f64,
    pub beta: f64,
    pub k: f64,
    pub boundary: Boundary,
    pub relu: bool,
    /// Every number by its magnitude and every minus a plus, d aside: the sum of the magnitudes of all terms.
    magnitudes: bool,
}

/// A tensor as `outer` slabs of `channels` rows of `inner` elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slabs {
    pub outer: usize,
    pub channels: usize,
    pub inner: usize,
}

impl Slabs {
    /// The slabs of a shape; a negative axis counts from the end.
    pub fn new(shape: &[usize], axis: isize) -> Self {
        let axis = axis.rem_euclid(shape.len() as isize) as usize;
        let (outer, inner) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        Self { outer, channels: shape[axis], inner }
    }

    /// The index of each channel of each column.
    pub fn columns(self) -> impl Iterator<Item = Vec<usize>> {
        let Self { outer, channels, inner } = self;
        let column = move |o: usize, s: usize| (0..channels).map(|c| (o * channels + c) * inner + s).collect();
        (0..outer).flat_map(move |o| (0..inner).map(move |s| column(o, s)))
    }
}

/// What all four have of a column of channels; magnitudes in place of numbers if the judge wants them.
struct Column {
    /// x behind the activation.
    x: Vec<f64>,
    /// Which channels the activation passes.
    open: Vec<bool>,
    d: Vec<f64>,
    /// d^−β and d^(−β−1).
    power: Vec<f64>,
    next_power: Vec<f64>,
}

impl Judge {
    pub fn new(settings: &Settings, relu: bool) -> Self {
        let &Settings { convention, size, alpha, beta, k, boundary, .. } = settings;
        Self { window: window(convention, size), alpha, beta, k, boundary, relu, magnitudes: false }
    }

    /// A judge that gives the scale of the terms instead of their sum: what an error is to be measured by where terms cancel.
    pub fn scale(&self) -> Self {
        Self { magnitudes: true, ..self.clone() }
    }

    pub fn forward(&self, x: &[f64], slabs: Slabs) -> Vec<f64> {
        self.each_column(slabs, [x], |[x]| {
            let Column { x, power, .. } = self.column(&x);
            (0..x.len()).map(|c| x[c] * power[c]).collect()
        })
    }

    pub fn backward(&self, x: &[f64], g: &[f64], slabs: Slabs) -> Vec<f64> {
        self.each_column(slabs, [x, g], |[x, g]| {
            let column = self.column(&x);
            let g = self.terms(&g);
            let Column { x, open, power, .. } = &column;
            let (factor, ex) = (self.factor(), self.sums_of_ex(&column, &g));
            let dx = (0..x.len()).map(|i| g[i] * power[i] + factor * x[i] * ex[i]);
            masked(dx, open)
        })
    }

    pub fn jvp(&self, x: &[f64], v: &[f64], slabs: Slabs) -> Vec<f64> {
        self.each_column(slabs, [x, v], |[x, v]| {
            let column = self.column(&x);
            let v = masked(self.terms(&v), &column.open);
            let (factor, s) = (self.factor(), self.sums_of_xv(&column, &v));
            let Column { x, power, next_power, .. } = &column;
            (0..x.len()).map(|c| v[c] * power[c] + factor * x[c] * next_power[c] * s[c]).collect()
        })
    }

    /// The gradient of ⟨v, backward(x, g)⟩ with respect to x.
    pub fn double_backward(&self, x: &[f64], g: &[f64], v: &[f64], slabs: Slabs) -> Vec<f64> {
        self.each_column(slabs, [x, g, v], |[x, g, v]| {
            let column = self.column(&x);
            let (g, v) = (self.terms(&g), masked(self.terms(&v), &column.open));
            let (s, ex) = (self.sums_of_xv(&column, &v), self.sums_of_ex(&column, &g));
            let Column { x, open, d, next_power, .. } = &column;
            let (factor, next_factor) = (self.factor(), self.term(-2.0 * self.a() * (self.beta + 1.0)));
            let e = |c: usize| g[c] * next_power[c];
            let sums = self.scattered(x.len(), |c| e(c) * (v[c] + next_factor * x[c] * s[c] / d[c]));
            let ddx = (0..x.len()).map(|i| factor * (e(i) * s[i] + v[i] * ex[i] + x[i] * sums[i]));
            masked(ddx, open)
        })
    }

    /// The result that a derivative should have.
    pub fn run(&self, derivative: Derivative, Inputs { x, g, v }: &Inputs<f64>, slabs: Slabs) -> Vec<f64> {
        match derivative {
            Derivative::Backward => self.backward(x, g, slabs),
            Derivative::Jvp => self.jvp(x, v, slabs),
            Derivative::DoubleBackward => self.double_backward(x, g, v, slabs),
        }
    }

    /// The channels that share a window with `channel`: those of whose x its gradient knows.
    pub fn neighbours(&self, channel: usize, channels: usize) -> Vec<usize> {
        self.holders(channel, channels).into_iter().flat_map(|c| self.taps(c, channels)).collect()
    }

    /// The channels whose window holds `channel`.
    pub fn holders(&self, channel: usize, channels: usize) -> Vec<usize> {
        (0..channels).filter(|&c| self.taps(c, channels).contains(&channel)).collect()
    }

    fn a(&self) -> f64 {
        self.alpha / self.window.divisor
    }

    /// −2aβ.
    fn factor(&self) -> f64 {
        self.term(-2.0 * self.a() * self.beta)
    }

    /// A number, or its magnitude.
    fn term(&self, number: f64) -> f64 {
        if self.magnitudes { number.abs() } else { number }
    }

    fn terms(&self, numbers: &[f64]) -> Vec<f64> {
        numbers.iter().map(|&number| self.term(number)).collect()
    }

    /// The channels that the window of `channel` reads, one by one; on a ring a channel may come again.
    pub fn taps(&self, channel: usize, channels: usize) -> Vec<usize> {
        let (c, count) = (channel as i64, channels as i64);
        let all = c - self.window.before as i64..=c + self.window.after as i64;
        match self.boundary {
            Boundary::Zero => all.filter(|tap| (0..count).contains(tap)).map(|tap| tap as usize).collect(),
            Boundary::Wrap => all.map(|tap| tap.rem_euclid(count) as usize).collect(),
        }
    }

    fn column(&self, x: &[f64]) -> Column {
        let open: Vec<_> = x.iter().map(|&x| !self.relu || x > 0.0 || x.is_nan()).collect();
        let x = masked(x.iter().copied(), &open);
        let sum = |c: usize| -> f64 { self.taps(c, x.len()).into_iter().map(|tap| x[tap] * x[tap]).sum() };
        let d: Vec<f64> = (0..x.len()).map(|c| self.k + self.a() * sum(c)).collect();
        // NaN to the power of 0 would be 1.
        let power = |d: f64, exponent: f64| if d.is_nan() { d } else { self.term(d.powf(exponent)) };
        let powers = |exponent: f64| d.iter().map(|&d| power(d, exponent)).collect();
        let (power, next_power) = (powers(-self.beta), powers(-self.beta - 1.0));
        Column { x: self.terms(&x), open, d: self.terms(&d), power, next_power }
    }

    /// S: Σ x·v over each window.
    fn sums_of_xv(&self, Column { x, .. }: &Column, v: &[f64]) -> Vec<f64> {
        (0..x.len()).map(|c| self.taps(c, x.len()).into_iter().map(|tap| x[tap] * v[tap]).sum()).collect()
    }

    /// Σ' e·x, e = g·d^(−β−1).
    fn sums_of_ex(&self, Column { x, next_power, .. }: &Column, g: &[f64]) -> Vec<f64> {
        self.scattered(x.len(), |c| g[c] * next_power[c] * x[c])
    }

    /// Σ' of a value of each channel: it is added to every tap of the channel's window.
    fn scattered(&self, channels: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; channels];
        for c in 0..channels {
            let value = value(c);
            self.taps(c, channels).into_iter().for_each(|tap| sums[tap] += value);
        }
        sums
    }

    /// Fills a tensor column by column; `compute` is given that column of each of the tensors.
    fn each_column<const N: usize>(
        &self,
        slabs: Slabs,
        tensors: [&[f64]; N],
        compute: impl Fn([Vec<f64>; N]) -> Vec<f64>,
    ) -> Vec<f64> {
        let length = slabs.outer * slabs.channels * slabs.inner;
        assert!(tensors.iter().all(|tensor| tensor.len() == length));
        let mut result = vec![f64::NAN; length];
        for at in slabs.columns() {
            let columns = tensors.map(|tensor| at.iter().map(|&at| tensor[at]).collect());
            at.iter().zip(compute(columns)).for_each(|(&at, value)| result[at] = value);
        }
        result
    }
}

/// The values where the activation is open, 0 elsewhere.
fn masked(values: impl IntoIterator<Item = f64>, open: &[bool]) -> Vec<f64> {
    values.into_iter().zip(open).map(|(value, &open)| if open { value } else { 0.0 }).collect()
}

/// What a size means, written down once more.
fn window(convention: Convention, size: usize) -> Window {
    let (half, rest, divisor) = (size / 2, (size - 1) / 2, size as f64);
    let (before, after) = match convention {
        Convention::Window(window) => return window,
        Convention::Torch => (half, rest),
        Convention::Onnx | Convention::Cudnn => (rest, half),
        Convention::OneDnn => (rest, rest),
        Convention::TensorFlow => return Window { before: half, after: half, divisor: 1.0 },
        Convention::Symmetric | Convention::Caffe => (half, half),
        other => panic!("no window is known of {other}"),
    };
    Window { before, after, divisor }
}
