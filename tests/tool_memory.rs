//! How much memory `lrn-jit run` takes. Alone in its process: what a parent once held counts as its child's peak.
#![cfg(all(feature = "cli", target_os = "linux"))]

mod common;

use std::fs;

use common::tool::{Folder, Layout, run_command};

/// Chunks are held, not the tensor.
#[test]
fn memory_is_some_megabytes() {
    let folder = Folder::new("memory");
    let peak = |shape: &[usize]| {
        // Zeros that take no memory here.
        let file = folder.write("in.npy", &Layout::PLAIN.file(shape, &[]));
        let length = fs::metadata(&file).unwrap().len() + 4 * shape.iter().product::<usize>() as u64;
        fs::File::options().write(true).open(&file).unwrap().set_len(length).unwrap();
        let child = run_command(&file, &folder.path("out.npy"), "--size 5").stdout(std::process::Stdio::null()).spawn();
        let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
        // SAFETY: waits for a child of our own; `wait4` fills both places, and zeros are a valid `rusage`.
        let usage = unsafe {
            let child = i32::try_from(child.unwrap().id()).unwrap();
            assert_eq!(libc::wait4(child, &raw mut status, 0, usage.as_mut_ptr()), child);
            usage.assume_init()
        };
        assert_eq!(status, 0);
        u64::try_from(usage.ru_maxrss).unwrap() << 10
    };
    const MB: u64 = 1 << 20;
    for shape in [&[1, 16, 2048, 1024][..], &[512, 16, 64, 64], &[512, 64, 64, 16], &[2, 4096, 64, 64]] {
        let peak = peak(shape);
        assert!((4 * MB..96 * MB).contains(&peak), "{shape:?}: {peak}");
    }
    // Few columns of very many channels cannot be cut: then it is the tensor twice.
    let uncut = peak(&[1, 1 << 19, 8, 8]);
    assert!((256 * MB..256 * MB + 64 * MB).contains(&uncut), "{uncut}");
}
