//! Central differences of fourth order, in f64.

/// The differences' own error, about STEP⁴ of a smooth function's scale, meets their rounding, about ε/STEP.
const STEP: f64 = 1e-3;

/// d/dt of f(x + t·v) at 0, for each element of f.
pub fn along(x: &[f64], v: &[f64], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let at = |t: f64| f(&x.iter().zip(v).map(|(x, v)| x + t * v).collect::<Vec<_>>());
    let [a, b, c, d] = [-2.0, -1.0, 1.0, 2.0].map(|steps| at(steps * STEP));
    (0..a.len()).map(|i| (8.0 * (c[i] - b[i]) - (d[i] - a[i])) / (12.0 * STEP)).collect()
}

/// d/dx\[i\] of f(x), for each i.
pub fn gradient(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let of = |i: usize| {
        let mut unit = vec![0.0; x.len()];
        unit[i] = 1.0;
        along(x, &unit, |x| vec![f(x)])[0]
    };
    (0..x.len()).map(of).collect()
}

/// ⟨a, b⟩.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
