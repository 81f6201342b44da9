//! Corrupted .npy files: exit code 2 and one line, without a panic, a large allocation, or an output file.
#![cfg(all(feature = "cli", unix))]

mod common;

use std::fs;

use common::rng::Rng;
use common::tool::{Folder, Layout, header, limit, outcome, run_command};

/// What a run may map: the tool itself takes a few dozen MB.
const ADDRESS_SPACE: u64 = 512 << 20;
const SHAPE: [usize; 4] = [3, 10, 4, 5];

fn files() -> Vec<Vec<u8>> {
    let x: Vec<f32> = (0..600).map(|i| i as f32).collect();
    let layout = |fortran, big_endian, version| Layout { fortran, big_endian, version }.file(&SHAPE, &x);
    vec![layout(false, false, 1), layout(true, false, 1), layout(false, true, 2), layout(true, true, 3)]
}

/// Runs the tool on the bytes. True if they were refused; else there must be an output as long as they are.
fn refuses(folder: &Folder, bytes: &[u8], what: &str) -> bool {
    let (input, output) = (folder.write("in.npy", bytes), folder.path("out.npy"));
    let mut command = run_command(&input, &output, "--size 5");
    limit(&mut command, libc::RLIMIT_AS, ADDRESS_SPACE);
    let outcome = outcome(command);
    if outcome.code == Some(0) {
        assert_eq!(fs::metadata(&output).unwrap().len(), bytes.len() as u64, "{what}");
        fs::remove_file(output).unwrap();
        return false;
    }
    eprintln!("{what}: {}", outcome.err.trim_end());
    outcome.is_refused(&["in.npy"]);
    assert_eq!(folder.names(), ["in.npy"], "{what}");
    true
}

#[test]
fn whole_files_run() {
    let folder = Folder::new("whole");
    for file in files() {
        assert!(!refuses(&folder, &file, "a whole file"));
    }
}

#[test]
fn files_cut_anywhere() {
    let folder = Folder::new("cut");
    let mut rng = Rng::new(1);
    for file in files() {
        let header = file.len() - 2400;
        for _ in 0..12 {
            for length in [rng.below(header), header + rng.below(2400)] {
                assert!(refuses(&folder, &file[..length], &format!("cut to {length} of {}", file.len())));
            }
        }
    }
}

#[test]
fn headers_with_a_flipped_bit() {
    let folder = Folder::new("flipped");
    let mut rng = Rng::new(2);
    let mut refused = 0;
    for (number, file) in files().into_iter().enumerate() {
        // The blanks behind the dictionary are not worth more than a few tries.
        let text = file.iter().position(|&byte| byte == b'}').unwrap() + 1;
        for try_ in 0..40 {
            let end = if try_ < 36 { text } else { file.len() - 2400 };
            let (byte, bit) = (rng.below(end), rng.below(8));
            let mut bytes = file.clone();
            bytes[byte] ^= 1 << bit;
            refused += usize::from(refuses(&folder, &bytes, &format!("file {number}, bit {bit} of byte {byte}")));
        }
    }
    // With the cut ones and the absurd ones, more than 200 files are corrupted.
    assert!(refused >= 120, "only {refused} of 160 were refused");
}

#[test]
fn absurd_headers() {
    let folder = Folder::new("absurd");
    let absurd = |what: &str, bytes: &[u8]| assert!(refuses(&folder, bytes, what), "{what} was accepted");
    let whole = &files()[0];
    let elements = &whole[whole.len() - 2400..];
    let dictionary = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let power = |exponent: u32| (1u128 << exponent).to_string();
    let mut texts: Vec<String> = vec![];
    for exponent in [20, 28, 31, 32, 40, 60, 61, 62, 63, 64, 100] {
        let extent = power(exponent);
        texts.push(dictionary(&format!("({extent}, 1)")));
        texts.push(dictionary(&format!("({extent}, {extent}, {extent})")));
    }
    // The products wrap around: to 0, and to 600.
    texts.push(dictionary(&format!("({}, {})", power(32), power(32))));
    texts.push(dictionary(&format!("({}, 2)", power(63))));
    texts.push(dictionary("(13835058055282163863, 5208)"));
    texts.push(dictionary(&format!("({})", "9, ".repeat(3000))));
    for shape in
        ["(3, 10, 4, 4)", "(3, 10, 4, 6)", "(-3, -10, 4, 5)", "600", "'(3, 10, 4, 5)'", "None", "(3, 10, (4, 5))"]
    {
        texts.push(dictionary(shape));
    }
    for text in [
        "",
        "{}",
        "[]",
        "{'descr': '<f4', 'fortran_order': False, }",
        "{'descr': '<f4', 'shape': (3, 10, 4, 5), }",
        "{'fortran_order': False, 'shape': (3, 10, 4, 5), }",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (3, 10, 4, 5), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 10, 4, 5), 'more': 1}",
        "{'descr': ('<f4', (600,)), 'fortran_order': False, 'shape': (3, 10, 4, 5), }",
        "{'descr': '=f4', 'fortran_order': False, 'shape': (3, 10, 4, 5), }",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (3, 10, 4, 5), }",
        "__import__('os').system('true')",
    ] {
        texts.push(text.into());
    }
    // A parser that tries both readings of each bracket would need 2^3000 steps; one that recurses, a deep stack.
    texts.extend(["{", "[", "(", "{[("].map(|bracket| bracket.repeat(3000)));
    texts.extend(["{", "["].map(|bracket| bracket.repeat(40)));
    for text in &texts {
        absurd(&text.chars().take(80).collect::<String>(), &[&header(2, text), elements].concat());
    }
    for length in [0u32, 1, 117, 119, 10_001, 1 << 30, u32::MAX] {
        let mut bytes = files()[2].clone();
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        absurd(&format!("a header of {length} bytes"), &bytes);
    }
    for version in [[0, 0], [1, 1], [4, 0], [255, 255]] {
        let mut bytes = whole.clone();
        bytes[6..8].copy_from_slice(&version);
        absurd(&format!("version {version:?}"), &bytes);
    }
    let mut latin1 = header(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 10, 4, 5), 'x': 1}");
    latin1[12] = 0xe9;
    absurd("a byte that is not ASCII", &[&latin1, elements].concat());
    absurd("four bytes more", &[&whole[..], &[0; 4]].concat());
    absurd("a second array", &[&whole[..], &whole[..]].concat());
    absurd("elements alone", elements);
}
