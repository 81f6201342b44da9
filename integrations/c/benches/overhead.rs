//! What a call through C costs beyond the same call in Rust, on a tensor of 32 elements: ns per call, the fastest of many batches, the
//! two taking turns. The C program is compiled with -O2 and links the shared library of this very build.
//!
//!     cargo bench -p lrn-jit-c

#[allow(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../tests/host/mod.rs"]
mod host;

use std::hint::black_box;
use std::time::Instant;

use host::Prefix;
use lrn_jit::{Layout, LocalResponseNorm};

const SHAPE: [usize; 4] = [1, 8, 2, 2];
const STRIDES: [isize; 4] = [32, 4, 2, 1];
/// As in overhead.c.
const BATCH: u32 = 1000;
const BATCHES: u32 = 500;
const TURNS: u32 = 5;
const KINDS: [&str; 4] = ["forward", "forward_in_place", "forward_strided", "backward"];

fn fastest(mut call: impl FnMut()) -> f64 {
    let batch = |_| {
        let start = Instant::now();
        (0..BATCH).for_each(|_| call());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
    };
    (0..BATCHES).map(batch).fold(f64::INFINITY, f64::min)
}

fn rust() -> [f64; 4] {
    let lrn = LocalResponseNorm::new(5).expect("a layer");
    let x: Vec<f32> = (-16..16i8).map(|i| 0.25 * f32::from(i)).collect();
    let (mut y, mut z, g) = (x.clone(), x.clone(), vec![0.5; x.len()]);
    let layout = Layout::strided(&SHAPE, &STRIDES);
    [
        fastest(|| lrn.forward_into(black_box(&x), &SHAPE, black_box(&mut y)).expect("a shape")),
        fastest(|| lrn.forward_in_place(black_box(&mut z), &SHAPE).expect("a shape")),
        fastest(|| lrn.forward_strided(black_box(&x), &layout, black_box(&mut y), &layout).expect("a shape")),
        fastest(|| lrn.backward_into(black_box(&x), black_box(&g), &SHAPE, black_box(&mut y)).expect("a shape")),
    ]
}

fn main() {
    let prefix = Prefix::installed();
    let program = prefix.compile("benches/overhead.c", "overhead", &["-O2", "-std=c11"]);
    let [mut in_rust, mut in_c] = [[f64::INFINITY; 4]; 2];
    for _ in 0..TURNS {
        let output = prefix.run(&program);
        let c = output.lines().map(|line| line.parse::<f64>().expect("a number"));
        in_c.iter_mut().zip(c).for_each(|(least, time)| *least = least.min(time));
        in_rust.iter_mut().zip(rust()).for_each(|(least, time)| *least = least.min(time));
    }
    println!("| ns per call, {SHAPE:?} | Rust | C | C − Rust |\n| --- | ---: | ---: | ---: |");
    for ((kind, rust), c) in KINDS.iter().zip(in_rust).zip(in_c) {
        println!("| `{kind}` | {rust:.0} | {c:.0} | {:.0} |", c - rust);
    }
}
