//! The judge of gradients: forward, backward, the derivative along a direction and double backward in f64, from the formulas,
//! with each tap read by itself, along a column of channels ([`Slabs`]) or in a box ([`Boxes`](super::boxes::Boxes)). It shares
//! nothing with the library. `tests/gradient_judge.rs` judges it in turn.
//!
//! With x' = relu(x) or x, W(c) the taps of element c, a = alpha/divisor (once for each axis) and d[c] = k + a·Σ x'[j]² over
//! j ∈ W(c):
//!
//! ```text
//! y[c]   = x'[c]·d[c]^−β
//! dx[i]  = g[i]·d[i]^−β − 2aβ·x'[i]·Σ' e[c]·x'[c]                    with e = g·d^(−β−1)
//! jvp[c] = v[c]·d[c]^−β − 2aβ·x'[c]·d[c]^(−β−1)·S[c]                 with S[c] = Σ x'[j]·v[j] over j ∈ W(c)
//! ddx[i] = −2aβ·{ e[i]·S[i] + v[i]·Σ' e[c]·x'[c] + x'[i]·Σ' e[c]·(v[c] − 2a(β+1)·x'[c]·S[c]/d[c]) }
//! ```
//!
//! Σ' sums over the elements c whose window holds i, each as often as it holds it. A relu masks dx, ddx and v: what has
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
    /// What is larger counts as infinite: the sums of squares and d, in a type narrower than f64.
    largest: f64,
    /// Every number by its magnitude and every minus a plus, d aside: the sum of the magnitudes of all terms.
    magnitudes: bool,
}

/// A tensor and the axes of its windows.
pub trait Space {
    /// Elements of the tensor.
    fn elements(&self) -> usize;

    /// How many axes the windows extend over.
    fn axes(&self) -> usize;

    /// The elements that the window of each reads, one by one; on a ring an element may come again.
    fn taps(&self, judge: &Judge) -> Vec<Vec<usize>>;
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

impl Space for Slabs {
    fn elements(&self) -> usize {
        self.outer * self.channels * self.inner
    }

    fn axes(&self) -> usize {
        1
    }

    fn taps(&self, judge: &Judge) -> Vec<Vec<usize>> {
        let mut taps = vec![vec![]; self.elements()];
        for at in self.columns() {
            for (channel, &element) in at.iter().enumerate() {
                taps[element] = judge.taps(channel, at.len()).into_iter().map(|tap| at[tap]).collect();
            }
        }
        taps
    }
}

/// What all four have of a tensor; magnitudes in place of numbers if the judge wants them.
struct Windows {
    taps: Vec<Vec<usize>>,
    /// alpha over the divisor, once for each axis.
    a: f64,
    /// x behind the activation.
    x: Vec<f64>,
    /// Which elements the activation passes.
    open: Vec<bool>,
    d: Vec<f64>,
    /// d^−β and d^(−β−1).
    power: Vec<f64>,
    next_power: Vec<f64>,
}

impl Judge {
    pub fn new(settings: &Settings, relu: bool) -> Self {
        let &Settings { convention, size, alpha, beta, k, boundary, .. } = settings;
        Self { window: window(convention, size), alpha, beta, k, boundary, relu, largest: f64::MAX, magnitudes: false }
    }

    /// A judge of numbers up to `largest`.
    pub fn up_to(self, largest: f64) -> Self {
        Self { largest, ..self }
    }

    /// A judge that gives the scale of the terms instead of their sum: what an error is to be measured by where terms cancel.
    pub fn scale(&self) -> Self {
        Self { magnitudes: true, ..self.clone() }
    }

    pub fn forward(&self, x: &[f64], space: impl Space) -> Vec<f64> {
        let Windows { x, d, .. } = self.windows(x, &space);
        (0..x.len()).map(|c| self.term(normalized(x[c], d[c], self.beta))).collect()
    }

    pub fn backward(&self, x: &[f64], g: &[f64], space: impl Space) -> Vec<f64> {
        let windows = self.windows(x, &space);
        let g = self.terms(g);
        let Windows { x, open, power, .. } = &windows;
        let (factor, ex) = (self.factor(&windows), windows.sums_of_ex(&g));
        let dx = (0..x.len()).map(|i| g[i] * power[i] + factor * x[i] * ex[i]);
        masked(dx, open)
    }

    pub fn jvp(&self, x: &[f64], v: &[f64], space: impl Space) -> Vec<f64> {
        let windows = self.windows(x, &space);
        let v = masked(self.terms(v), &windows.open);
        let (factor, s) = (self.factor(&windows), windows.sums_of_xv(&v));
        let Windows { x, power, next_power, .. } = &windows;
        (0..x.len()).map(|c| v[c] * power[c] + factor * x[c] * next_power[c] * s[c]).collect()
    }

    /// The gradient of ⟨v, backward(x, g)⟩ with respect to x.
    pub fn double_backward(&self, x: &[f64], g: &[f64], v: &[f64], space: impl Space) -> Vec<f64> {
        let windows = self.windows(x, &space);
        let (g, v) = (self.terms(g), masked(self.terms(v), &windows.open));
        let (s, ex) = (windows.sums_of_xv(&v), windows.sums_of_ex(&g));
        let Windows { x, open, d, next_power, .. } = &windows;
        let (factor, next_factor) = (self.factor(&windows), self.term(-2.0 * windows.a * (self.beta + 1.0)));
        let e = |c: usize| g[c] * next_power[c];
        let sums = windows.scattered(|c| e(c) * (v[c] + next_factor * x[c] * s[c] / d[c]));
        let ddx = (0..x.len()).map(|i| factor * (e(i) * s[i] + v[i] * ex[i] + x[i] * sums[i]));
        masked(ddx, open)
    }

    /// The result that a derivative should have.
    pub fn run(&self, derivative: Derivative, Inputs { x, g, v }: &Inputs<f64>, space: impl Space) -> Vec<f64> {
        match derivative {
            Derivative::Backward => self.backward(x, g, space),
            Derivative::Jvp => self.jvp(x, v, space),
            Derivative::DoubleBackward => self.double_backward(x, g, v, space),
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

    /// −2aβ.
    fn factor(&self, windows: &Windows) -> f64 {
        self.term(-2.0 * windows.a * self.beta)
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

    fn windows(&self, x: &[f64], space: &impl Space) -> Windows {
        assert_eq!(x.len(), space.elements());
        let taps = space.taps(self);
        let a = (0..space.axes()).fold(self.alpha, |a, _| a / self.window.divisor);
        let open: Vec<_> = x.iter().map(|&x| !self.relu || x > 0.0 || x.is_nan()).collect();
        let x = masked(x.iter().copied(), &open);
        let within = |number: f64| if number.abs() > self.largest { number * f64::INFINITY } else { number };
        let base = |taps: &Vec<usize>| within(self.k + a * within(sum_of_squares(taps.iter().map(|&tap| x[tap]))));
        let d: Vec<f64> = taps.iter().map(base).collect();
        // NaN to the power of 0 would be 1.
        let power = |d: f64, exponent: f64| if d.is_nan() { d } else { self.term(d.powf(exponent)) };
        let powers = |exponent: f64| d.iter().map(|&d| power(d, exponent)).collect();
        let (power, next_power) = (powers(-self.beta), powers(-self.beta - 1.0));
        Windows { taps, a, x: self.terms(&x), open, d: self.terms(&d), power, next_power }
    }
}

impl Windows {
    /// S: Σ x·v over each window.
    fn sums_of_xv(&self, v: &[f64]) -> Vec<f64> {
        let sum = |taps: &Vec<usize>| {
            let mut sum = Sum::default();
            taps.iter().for_each(|&tap| sum.add(self.x[tap] * v[tap]));
            sum.value()
        };
        self.taps.iter().map(sum).collect()
    }

    /// Σ' e·x, e = g·d^(−β−1).
    fn sums_of_ex(&self, g: &[f64]) -> Vec<f64> {
        self.scattered(|c| g[c] * self.next_power[c] * self.x[c])
    }

    /// Σ' of a value of each element: it is added to every tap of the element's window.
    fn scattered(&self, value: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut sums = vec![Sum::default(); self.x.len()];
        for (c, taps) in self.taps.iter().enumerate() {
            let value = value(c);
            taps.iter().for_each(|&tap| sums[tap].add(value));
        }
        sums.into_iter().map(Sum::value).collect()
    }
}

/// A sum, and what its roundings lost.
#[derive(Clone, Copy, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let next = self.sum + term;
        let back = next - self.sum;
        self.lost += (self.sum - (next - back)) + (term - back);
        self.sum = next;
    }

    /// Nearly as if rounded once.
    fn value(self) -> f64 {
        if self.sum.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

/// Σ x².
fn sum_of_squares(x: impl Iterator<Item = f64>) -> f64 {
    let mut sum = Sum::default();
    for x in x {
        let square = x * x;
        sum.add(square);
        sum.lost += x.mul_add(x, -square);
    }
    sum.value()
}

/// x·d^−β, where d^−β by itself may leave the range of f64.
fn normalized(x: f64, d: f64, beta: f64) -> f64 {
    let power = d.powf(-beta);
    if d.is_nan() || power.is_nan() || power.is_normal() || !d.is_finite() || d == 0.0 {
        return if d.is_nan() { d } else { x * power };
    }
    let root = d.abs().powf(-beta / 4.0);
    let product = if x == 0.0 { x } else { x * root * root * root * root };
    product * 1f64.copysign(power)
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
