//! One thread beside two, and beside all that the machine has: the library on pools of rayon, and a copy on the same pools.
//!
//! The contestants take turns and keep their fastest run (`cases/turns.rs`). A run begins and ends on a thread of the pool.
//! Prints Markdown.
//!
//!     cargo bench --features rayon --bench threads

#[allow(dead_code, reason = "shared with benchmarks that use other parts")]
mod cases;

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Instant;

use cases::turns::{Fastest, budget, take_turns};
use cases::{ALEXNET, ALEXNET_BATCH, Case, Runner, Who, input};
use lrn_jit::{CurrentRayon, LrnConfig};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// As long as rounds are begun.
const SECONDS: u64 = 20;
/// Bytes of a cache line.
const LINE: usize = 64;

struct Row {
    case: Case,
    /// Whether the tensors begin on cache lines, instead of where the allocator puts them (glibc: 16 bytes past a page's
    /// border). Beyond the caches, rows of whole lines are then written past the caches as a whole, else but for their ends.
    on_lines: bool,
}

/// The rows: beyond the caches, then in them.
fn rows() -> Vec<Row> {
    let five = LrnConfig::new(5).alpha(5e-4);
    let [_, channels, height, width] = ALEXNET;
    let (batch, last) = ([64, 96, 56, 56], [1, height, width, channels]);
    let row = |name, shape: [usize; 4], config: &LrnConfig| Row {
        case: Case::new("Size 5, beta 0.75", name, &shape, config.clone()),
        on_lines: false,
    };
    vec![
        row("64×96×55×55", ALEXNET_BATCH, &five),
        row("64×96×56×56", batch, &five),
        Row { on_lines: true, ..row("64×96×56×56, on cache lines", batch, &five) },
        row("4×96×55×55", [4, channels, height, width], &five),
        row("1×96×55×55", ALEXNET, &five),
        row("1×96×55×55, beta 0.6", ALEXNET, &five.clone().beta(0.6)),
        row("1×55×55×96, channels last", last, &five.clone().channel_axis(-1)),
        row("1×96×27×27", [1, 96, 27, 27], &five),
        row("1×256×13×13", [1, 256, 13, 13], &five),
    ]
}

/// How many threads can run at once.
fn most() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// One thread, two, and as many as can run at once, if those are more.
fn pools() -> Vec<ThreadPool> {
    let counts = [Some(1), Some(2), Some(most()).filter(|&most| most > 2)];
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    counts.into_iter().flatten().map(pool).collect()
}

/// An input and an output for every row.
struct Buffers {
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Buffers {
    fn new(rows: &[Row]) -> Self {
        let longest = rows.iter().map(|row| row.case.elements()).max().unwrap_or(0) + LINE / size_of::<f32>();
        Self { x: input(longest), y: vec![0.0; longest] }
    }

    /// Those of a row.
    fn of(&mut self, row: &Row) -> (&[f32], &mut [f32]) {
        let first = |start: *const f32| if row.on_lines { start.align_offset(LINE) } else { 0 };
        let (x, y) = (first(self.x.as_ptr()), first(self.y.as_ptr()));
        let length = row.case.elements();
        (&self.x[x..][..length], &mut self.y[y..][..length])
    }
}

struct Contestant<'a> {
    row: &'a Row,
    pool: &'a ThreadPool,
    runner: Runner,
}

fn main() {
    let (rows, pools) = (rows(), pools());
    let mut buffers = Buffers::new(&rows);

    // By row, the library on every pool, then the copy on every pool.
    let mut contestants = vec![];
    for row in &rows {
        let (x, y) = buffers.of(row);
        for who in [Who::Library, Who::Memcpy] {
            for pool in &pools {
                let runner = row.case.runner(who).on(&CurrentRayon);
                pool.install(|| row.case.verify(who, &runner, x, y));
                contestants.push(Contestant { row, pool, runner });
            }
        }
    }

    let Fastest { runs, rounds } = take_turns(contestants.len(), budget(SECONDS), |index| {
        let Contestant { row, pool, runner } = &contestants[index];
        let (x, y) = buffers.of(row);
        pool.install(|| runner.time(x, y))
    });
    let ways = take_turns(pools.len(), budget(1), |index| {
        let start = Instant::now();
        pools[index].install(|| ());
        start.elapsed()
    });

    let backend = rows[0].case.backend();
    println!("f32, ns per element, fastest of {rounds} rounds, {} threads can run at once. {backend}.", most());
    println!("In brackets: how often as fast as one thread. “÷ memcpy”: to a copy by as many threads.\n");
    let mut heads = vec![rows[0].case.group.to_owned()];
    for who in ["lrn-jit", "memcpy", "÷ memcpy"] {
        heads.extend(pools.iter().map(|pool| format!("{who}, {}", pool.current_num_threads())));
    }
    println!("| {} |", heads.join(" | "));
    println!("| --- |{}", " ---: |".repeat(heads.len() - 1));
    for (Row { case, .. }, runs) in rows.iter().zip(runs.chunks(2 * pools.len())) {
        let ns: Vec<_> = runs.iter().map(|run| run.as_secs_f64() * 1e9 / case.elements() as f64).collect();
        let (library, copy) = ns.split_at(pools.len());
        let mut cells = vec![case.name.clone()];
        for times in [library, copy] {
            let one = times[0];
            cells.push(format!("{one:.3}"));
            cells.extend(times[1..].iter().map(|ns| format!("{ns:.3} ({:.2}×)", one / ns)));
        }
        cells.extend(library.iter().zip(copy).map(|(library, copy)| format!("{:.2}", library / copy)));
        println!("| {} |", cells.join(" | "));
    }

    println!("\nTo a pool's thread and back, from a thread that is none, which no row counts:");
    for (pool, way) in pools.iter().zip(ways.runs) {
        println!("{:.1} µs to a pool of {}.", way.as_secs_f64() * 1e6, pool.current_num_threads());
    }
}
