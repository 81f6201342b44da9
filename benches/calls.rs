//! What a call costs: building a layer, calling it for next to nothing, cloning it.
//!
//! The calls take turns and keep their fastest run (`cases/turns.rs`). A short call is made many times in a row, so that a
//! clock can tell; what calls give back is freed off the clock. Prints Markdown.
//!
//!     cargo bench --bench calls

#[allow(dead_code, reason = "shared with benchmarks that use other parts")]
mod cases;

use std::hint::black_box;
use std::time::{Duration, Instant};

use cases::turns::{budget, take_turns};
use cases::{distinct, input, verify_layer};
use lrn_jit::{Backend, LocalResponseNorm, LrnConfig};

/// As long as rounds are begun: of builds, and of calls of a layer that is there.
const SECONDS: [u64; 2] = [20, 2];
/// CaffeNet's first normalization, of one image.
const SHAPE: [usize; 4] = [1, 96, 27, 27];

/// Calls in a row.
struct Calls {
    count: u32,
    run: Box<dyn FnMut() -> Duration>,
}

impl Calls {
    fn new<T>(count: u32, mut call: impl FnMut() -> T + 'static) -> Self {
        let run = move || {
            let mut given = Vec::with_capacity(count as usize);
            let start = Instant::now();
            for _ in 0..count {
                given.push(black_box(call()));
            }
            start.elapsed()
        };
        Self { count, run: Box::new(run) }
    }

    /// µs of a call; below ten of them, to the ns.
    fn cost(&self, fastest: Duration) -> String {
        let cost = fastest.as_secs_f64() * 1e6 / f64::from(self.count);
        let digits = if cost < 10.0 { 3 } else { 0 };
        format!("{cost:.digits$}")
    }
}

/// What is built: every recipe, every kind of window.
fn configurations() -> Vec<(String, LrnConfig)> {
    let betas = [0.75, 0.6, 0.25, 0.5, 1.0, 1.5, 2.0, 1.3, 2.7, 3.5, 5.0];
    let by_beta = betas.map(|beta| (format!("size 5, beta {beta}"), LrnConfig::new(5).beta(beta)));
    let k0 = [0.5, 0.75].map(|beta| (format!("size 5, beta {beta}, k 0"), LrnConfig::new(5).beta(beta).k(0.0)));
    let by_size = [1, 3, 9, 16, 17, 64].map(|size| (format!("size {size}, beta 0.75"), LrnConfig::new(size)));
    by_beta.into_iter().chain(k0).chain(by_size).collect()
}

const COLUMNS: [&str; 4] = ["new", "new, and forward 1×96×27×27", "an equal layer lives", "new, interpreter"];

/// A row: `COLUMNS`, in that order.
fn builds(config: &LrnConfig) -> [Calls; 4] {
    let mut next = distinct(config);
    let new = Calls::new(1, move || next().build().unwrap());

    let mut next = distinct(config);
    verify_layer(&next().build().unwrap(), config, &SHAPE);
    let x = input(SHAPE.iter().product());
    let mut y = vec![0.0; x.len()];
    let used = Calls::new(1, move || {
        let lrn = next().build().unwrap();
        lrn.forward_into(black_box(&x), &SHAPE, &mut y).unwrap();
        lrn
    });

    let (same, living) = (config.clone(), config.build().unwrap());
    let equal = Calls::new(20, move || {
        // Keeps it living.
        black_box(&living);
        same.build().unwrap()
    });

    let mut next = distinct(&config.clone().backend(Backend::Interpreter));
    let interpreter = Calls::new(1, move || next().build().unwrap());
    [new, used, equal, interpreter]
}

/// A layer that is there, on next to nothing.
fn small() -> Vec<(&'static str, Calls)> {
    let (first, last) = (LrnConfig::new(5), LrnConfig::new(5).channel_axis(-1));
    let forward = |name, config: &LrnConfig, shape: [usize; 4]| {
        let lrn = config.build().unwrap();
        verify_layer(&lrn, config, &shape);
        let x = input(shape.iter().product());
        let mut y = vec![0.0; x.len()];
        (name, Calls::new(100, move || lrn.forward_into(black_box(&x), &shape, black_box(&mut y)).unwrap()))
    };
    let lrn = first.build().unwrap();
    vec![
        forward("`forward_into`, 1,000 elements, 1×10×10×10", &first, [1, 10, 10, 10]),
        forward("`forward_into`, 1,000 elements, 1×1000×1×1", &first, [1, 1000, 1, 1]),
        forward("`forward_into`, 1,000 elements, 1×10×10×10, channels last", &last, [1, 10, 10, 10]),
        forward("`forward_into`, 1 element", &first, [1, 1, 1, 1]),
        forward("`forward_into`, no element, 0×96×27×27", &first, [0, 96, 27, 27]),
        ("`clone`", Calls::new(100, move || lrn.clone())),
    ]
}

fn main() {
    // Before anything else, while nothing is prepared.
    let start = Instant::now();
    let lrn = LocalResponseNorm::new(5).unwrap();
    let first = start.elapsed();

    let configurations = configurations();
    let mut table: Vec<_> = configurations.iter().map(|(_, config)| builds(config)).collect();
    let rows = table.len();
    // Column by column: of two builds of one configuration, the second would find the predictors taught by the first.
    let built = take_turns(rows * COLUMNS.len(), budget(SECONDS[0]), |index| (table[index % rows][index / rows].run)());
    println!("µs per call, one thread, fastest of {} rounds. {}.", built.rounds, lrn.backend());
    println!("The first layer of this process took {:.0} µs.\n", first.as_secs_f64() * 1e6);
    println!("| `build` | {} |", COLUMNS.join(" | "));
    println!("| --- |{}", " ---: |".repeat(COLUMNS.len()));
    for (row, ((name, _), calls)) in configurations.iter().zip(&table).enumerate() {
        let fastest = built.runs[row..].iter().step_by(rows);
        let costs: Vec<_> = calls.iter().zip(fastest).map(|(calls, fastest)| calls.cost(*fastest)).collect();
        println!("| {name} | {} |", costs.join(" | "));
    }

    let mut small = small();
    let called = take_turns(small.len(), budget(SECONDS[1]), |index| (small[index].1.run)());
    println!("\n| Size 5, beta 0.75 | µs |\n| --- | ---: |");
    for ((name, calls), fastest) in small.iter().zip(called.runs) {
        println!("| {name} | {} |", calls.cost(fastest));
    }
}
