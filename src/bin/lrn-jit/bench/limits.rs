//! What the machine allows: how fast it multiplies, divides and takes roots, with nothing to wait for.
//!
//! The arithmetic limit of a layer is the time its kernel's multiplications (fused with additions or not) alone would take at
//! the rate of a loop of independent fused multiply-adds on full vectors, or its divisions and roots at theirs, whichever is
//! longer. What the kernel does is counted in its intermediate code. Additions, comparisons and integer operations have
//! pipes of their own on many processors and do not count; neither do loads and stores.

use std::hint::black_box;
use std::time::Instant;

use lrn_jit::vectorized;

use crate::rivals::has_avx512;
use crate::rivals::lanes::{div, fma, splat, sqrt};

/// Operations an element takes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Operations {
    /// Multiplications, fused or not.
    pub products: f64,
    pub divisions: f64,
    pub roots: f64,
}

impl Operations {
    /// Counted in a kernel's CLIF: its operations over its stores.
    pub fn count(clif: &str) -> Self {
        let main = clif.split("\nfunction ").nth(1).unwrap_or(clif);
        let opcodes = main.lines().filter_map(|line| {
            let line = line.trim();
            let operation = line.split_once(" = ").map_or(line, |(_, operation)| operation);
            operation.split([' ', '.']).next()
        });
        let opcodes: Vec<_> = opcodes.collect();
        let of = |names: &[&str]| opcodes.iter().filter(|opcode| names.contains(opcode)).count() as f64;
        let stores = of(&["store"]).max(1.0);
        Self {
            products: of(&["fmul", "fma"]) / stores,
            divisions: of(&["fdiv"]) / stores,
            roots: of(&["sqrt"]) / stores,
        }
    }
}

/// ns an element that operations take, at best.
#[derive(Debug, Clone, Copy)]
pub struct Throughput {
    pub product: f64,
    pub division: f64,
    pub root: f64,
}

impl Throughput {
    /// Nothing measured yet.
    pub const UNKNOWN: Self = Self { product: f64::INFINITY, division: f64::INFINITY, root: f64::INFINITY };

    /// Measures once more, and keeps what is faster.
    pub fn improve(&mut self) {
        let wide = has_avx512();
        let [product, division, root] = vectorized(
            #[inline(always)]
            || if wide { measure::<16>() } else { measure::<8>() },
        );
        self.product = self.product.min(product);
        self.division = self.division.min(division);
        self.root = self.root.min(root);
    }

    /// Billions of floating-point operations a second, a fused multiply-add being two.
    pub fn gigaflops(&self) -> f64 {
        2.0 / self.product
    }

    /// ns an element that a kernel's operations take.
    pub fn limit(&self, operations: Operations) -> f64 {
        let Operations { products, divisions, roots } = operations;
        // Divisions and roots share a unit.
        (products * self.product).max(divisions * self.division + roots * self.root)
    }
}

/// Chains side by side: more than an operation's latency times the pipes.
const CHAINS: usize = 12;

#[inline(always)]
fn measure<const L: usize>() -> [f64; 3] {
    let [half, one, three_halves] = black_box([splat::<L>(0.5), splat(1.0), splat(1.5)]);
    // Variables, not an array, which would live in memory.
    macro_rules! throughput {
        ($runs:literal, |$chain:ident| $operation:expr) => {
            throughput!($runs, |$chain| $operation, a b c d e f g h i j k l)
        };
        ($runs:literal, |$chain:ident| $operation:expr, $($variable:ident)*) => {{
            $(let mut $variable = black_box(one);)*
            let start = Instant::now();
            for _ in 0..$runs {
                $($variable = { let $chain = $variable; $operation };)*
            }
            $(black_box($variable);)*
            start.elapsed().as_secs_f64() * 1e9 / ($runs * CHAINS * L) as f64
        }};
    }
    [
        throughput!(4000, |chain| fma(chain, half, one)),
        throughput!(500, |chain| div(three_halves, chain)),
        throughput!(500, |chain| sqrt(chain)),
    ]
}
