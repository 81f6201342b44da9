//! How a layer reads when it is printed.

use std::fmt;

use super::{LocalResponseNorm, Shared};
use crate::config::Parameters;
use crate::element::Element;

/// A float as Python's repr writes it.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:?}", self.0);
        match text.split_once('e') {
            None => f.write_str(&text),
            Some((mantissa, exponent)) => {
                let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
                write!(f, "{mantissa}e{sign}{digits:0>2}")
            }
        }
    }
}

/// As torch's repr: `LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)`.
impl<E: Element> fmt::Display for LocalResponseNorm<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parameters { size, alpha, beta, k, .. } = self.shared.parameters;
        write!(f, "LocalResponseNorm({size}, alpha={}, beta={}, k={})", Number(alpha), Number(beta), Number(k))
    }
}

impl<E: Element> fmt::Debug for LocalResponseNorm<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { parameters, report, .. } = &*self.shared;
        f.debug_struct("LocalResponseNorm").field("parameters", parameters).field("backend", report).finish()
    }
}
