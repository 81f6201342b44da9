//! How fast `lrn-jit run` is beside plain copies of the same file. Ignored by default: it takes 3 GB of disk and a machine
//! with nothing else to do. `cargo test --release --features cli --test tool_speed -- --ignored --nocapture`
#![cfg(feature = "cli")]

mod common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use common::tool::{Folder, Layout, run};

/// Slabs that are chunks, a slab that is cut into strips, channels last.
const SHAPES: [(&[usize], &str); 3] =
    [(&[256, 64, 128, 128], ""), (&[1, 64, 2048, 2048], ""), (&[64, 256, 256, 64], "--channel-axis=-1")];

fn copy(from: &Path, to: &Path, piece: usize) {
    let (mut from, mut to) = (File::open(from).unwrap(), File::create(to).unwrap());
    let mut buffer = vec![0; piece];
    loop {
        let read = from.read(&mut buffer).unwrap();
        if read == 0 {
            return;
        }
        to.write_all(&buffer[..read]).unwrap();
    }
}

#[test]
#[ignore = "takes 3 GB of disk and a quiet machine"]
fn run_is_nearly_as_fast_as_a_copy() {
    let folder = Folder::new("speed");
    let (input, output) = (folder.path("in.npy"), folder.path("out.npy"));
    for (shape, options) in SHAPES {
        let mut file = File::create(&input).unwrap();
        file.write_all(&Layout::PLAIN.file(shape, &[])).unwrap();
        let piece: Vec<u8> = (0..1 << 20).flat_map(|i| ((i % 1013) as f32).to_le_bytes()).collect();
        (0..256).for_each(|_| file.write_all(&piece).unwrap());
        let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
        let mut best = [Duration::MAX; 3];
        for _ in 0..5 {
            for (contestant, best) in best.iter_mut().enumerate() {
                let _ = fs::remove_file(&output);
                let start = Instant::now();
                match contestant {
                    0 => copy(&input, &output, length),
                    1 => copy(&input, &output, 4 << 20),
                    _ => run(&input, &output, &format!("--size 5 {options}")).succeeds(),
                }
                *best = start.elapsed().min(*best);
            }
        }
        let [whole, pieces, run] = best.map(|time| time.as_secs_f64());
        let percent = |copy: f64| 100.0 * copy / run;
        println!(
            "{shape:?} {options}: copied whole {whole:.3} s, in pieces {pieces:.3} s; run {run:.3} s, \
             {:.0} % and {:.0} % of their speed",
            percent(whole),
            percent(pieces)
        );
        assert!(run * 0.8 <= whole);
    }
}
