//! The life of compiled code: pages never both writable and executable, freed with the last layer that uses them, shared
//! by equal layers and by threads; and nothing that grows. Read from /proc, hence for Linux.
#![cfg(target_os = "linux")]

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;

use lrn_jit::{Backend, LocalResponseNorm, LrnConfig};

/// The tests look at the whole process: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mapping of this process: its bytes, its permissions, and whether it is of no file and not the kernel's own.
struct Mapping {
    bytes: usize,
    permissions: String,
    anonymous: bool,
}

fn mappings() -> Vec<Mapping> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mapping = |line: &str| {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next().unwrap().split_once('-').unwrap();
        let address = |text| usize::from_str_radix(text, 16).unwrap();
        let permissions = fields.next().unwrap().to_owned();
        let file = fields.nth(2).unwrap() != "0" || fields.next().is_some_and(|name| name.starts_with("[v"));
        Mapping { bytes: address(end) - address(start), permissions, anonymous: !file }
    };
    maps.lines().map(mapping).collect()
}

/// Bytes of anonymous executable memory: neighbouring mappings merge, so their number says little.
fn executable_bytes() -> usize {
    let executable = |mapping: &&Mapping| mapping.anonymous && mapping.permissions.contains('x');
    mappings().iter().filter(executable).map(|mapping| mapping.bytes).sum()
}

fn writable_and_executable() -> usize {
    let both = |mapping: &&Mapping| mapping.permissions.contains('w') && mapping.permissions.contains('x');
    mappings().iter().filter(both).count()
}

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    // SAFETY: asks for a number.
    pages * usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
}

/// A compiled layer; every `index` is another configuration. None where the host cannot compile.
fn layer(index: usize) -> Option<LocalResponseNorm> {
    let beta = [0.75, 0.5, 1.0, 0.6][index % 4];
    let size = if index % 10 == 9 { 20 } else { 3 };
    let config = LrnConfig::new(size).alpha(1e-3 * (index + 1) as f64).beta(beta);
    let lrn = config.build().unwrap();
    (lrn.backend().backend == Backend::Jit).then_some(lrn)
}

fn input(elements: usize) -> Vec<f32> {
    (0..elements).map(|i| (i as f32 * 0.7).sin() * 4.0).collect()
}

fn bits(y: &[f32]) -> Vec<u32> {
    y.iter().map(|y| y.to_bits()).collect()
}

/// Leaves the test where there is nothing to test.
macro_rules! compiled {
    ($layer:expr) => {
        match $layer {
            Some(lrn) => lrn,
            None => return println!("skipped: this host does not compile"),
        }
    };
}

#[test]
fn ten_thousand_layers_leave_nothing_behind() {
    let _alone = alone();
    let x = input(64);
    let cycle = |index| {
        let Some(lrn) = layer(index) else { return };
        let y = lrn.forward(&x, &[1, 16, 4]).unwrap();
        assert!(y[0].is_finite());
        if index % 10 < 2 {
            // Few channels: another kernel, compiled on first use.
            assert!(lrn.forward(&x, &[16, 1, 4]).unwrap()[0].is_finite());
        }
    };
    let code = executable_bytes();
    (0..1_000).for_each(cycle);
    compiled!(layer(0));
    let resident = resident_bytes();
    (1_000..10_000).for_each(cycle);
    let grown = resident_bytes().saturating_sub(resident);
    println!("{resident} bytes, {grown} more after 9,000 layers");
    assert!(grown < 4 << 20, "{grown} bytes more after 9,000 layers");
    assert_eq!(executable_bytes(), code);
}

#[test]
fn code_is_freed_with_the_last_layer() {
    let _alone = alone();
    let before = executable_bytes();
    let layers: Option<Vec<_>> = (20_000..20_020).map(layer).collect();
    let layers = compiled!(layers);
    let alive = executable_bytes();
    assert!(alive >= before + 20 * 4096, "{before} … {alive}");
    let clones = layers.clone();
    drop(layers);
    assert_eq!(executable_bytes(), alive);
    drop(clones);
    assert_eq!(executable_bytes(), before);

    // From another thread, too.
    let lrn = layer(20_000).unwrap();
    thread::spawn(move || drop(lrn)).join().unwrap();
    assert_eq!(executable_bytes(), before);
}

/// The tests' own eyes: a page that is both is seen, and gone again.
#[test]
fn a_writable_and_executable_page_would_be_seen() {
    let _alone = alone();
    let (code, bytes) = (executable_bytes(), 1 << 16);
    let (all, private) =
        (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh mapping wherever the system likes, used by nobody.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), bytes, all, private, -1, 0) };
    if page == libc::MAP_FAILED {
        return println!("skipped: the system refuses such a page");
    }
    assert_eq!((writable_and_executable(), executable_bytes()), (1, code + bytes));
    // SAFETY: the mapping made above.
    assert_eq!(unsafe { libc::munmap(page, bytes) }, 0);
    assert_eq!((writable_and_executable(), executable_bytes()), (0, code));
}

/// Watched while layers are built, used and dropped.
#[test]
fn no_page_is_writable_and_executable() {
    let _alone = alone();
    let done = AtomicBool::new(false);
    let x = input(64);
    let looks = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Acquire) {
                assert_eq!(writable_and_executable(), 0);
                looks += 1;
            }
            looks
        });
        let mut alive = vec![];
        for index in 30_000..30_300 {
            let Some(lrn) = layer(index) else { break };
            lrn.forward(&x, &[16, 1, 4]).unwrap();
            alive.push(lrn);
            if index % 3 == 0 {
                alive.remove(0);
            }
        }
        assert_eq!(writable_and_executable(), 0);
        done.store(true, Ordering::Release);
        watcher.join().unwrap()
    });
    assert!(looks > 0);
}

#[test]
fn an_equal_layer_uses_the_code_that_lives() {
    let _alone = alone();
    let lrn = compiled!(layer(40_000));
    let alive = executable_bytes();
    let again: Vec<_> = (0..10).map(|_| layer(40_000).unwrap()).collect();
    // The axis, and which convention led to the window, are no matter of the code.
    let config = LrnConfig::new(3).alpha(lrn.alpha()).beta(lrn.beta());
    let other = config.convention(lrn_jit::Convention::Caffe).channel_axis(-1).build().unwrap();
    assert_eq!(executable_bytes(), alive);
    assert_eq!((lrn.channel_axis(), other.channel_axis()), (1, -1));

    let x = input(48);
    let expected = bits(&lrn.forward(&x, &[3, 16]).unwrap());
    // The first use of a layout may have compiled its kernel; dropping one of several owners frees nothing.
    let alive = executable_bytes();
    drop(lrn);
    assert_eq!(executable_bytes(), alive, "others still use the code");
    for lrn in &again {
        assert_eq!(bits(&lrn.forward(&x, &[3, 16]).unwrap()), expected);
    }
    assert_eq!(bits(&other.forward(&x, &[3, 16]).unwrap()), expected);

    let different = layer(40_001).unwrap();
    assert!(executable_bytes() > alive);
    drop((different, again, other));
    assert!(executable_bytes() < alive);
}

#[test]
fn a_clone_outlives_its_layer() {
    let _alone = alone();
    let lrn = compiled!(layer(50_000));
    let x = input(2 * 16 * 9);
    let shape = [2, 16, 9];
    let expected = bits(&lrn.forward(&x, &shape).unwrap());
    let clone = lrn.clone();
    drop(lrn);
    // Something else may take a page that was freed too early.
    let others: Vec<_> = (50_001..50_010).map(layer).collect();
    assert_eq!(bits(&clone.forward(&x, &shape).unwrap()), expected);
    // What was not compiled while the first layer lived is compiled now.
    let narrow = clone.forward(&x, &[32, 1, 9]).unwrap();
    let interpreter = LrnConfig::new(3).alpha(clone.alpha()).backend(Backend::Interpreter).build().unwrap();
    assert_eq!(bits(&narrow), bits(&interpreter.forward(&x, &[32, 1, 9]).unwrap()));
    drop(others);
    assert_eq!(bits(&clone.forward(&x, &shape).unwrap()), expected);
}

/// Eight threads, one layer and its clones, all variants compiled on first use under everybody's hands.
#[test]
fn threads_share_a_layer() {
    let _alone = alone();
    const THREADS: usize = 8;
    let shapes: [&[usize]; 4] = [&[2, 24, 10], &[240, 2], &[16, 3, 10], &[48, 2, 5]];
    let x = input(480);
    for index in [60_000, 60_003, 60_009] {
        let lrn = compiled!(layer(index));
        let config = LrnConfig::new(lrn.size()).alpha(lrn.alpha()).beta(lrn.beta());
        let interpreter = config.clone().backend(Backend::Interpreter).build().unwrap();
        let expected = shapes.map(|shape| bits(&interpreter.forward(&x, shape).unwrap()));
        let start = Barrier::new(THREADS);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let own = (thread % 2 == 1).then(|| lrn.clone());
                let (lrn, x, expected, start) = (&lrn, &x, &expected, &start);
                scope.spawn(move || {
                    let lrn = own.as_ref().unwrap_or(lrn);
                    start.wait();
                    for turn in 0..200 {
                        let which = (turn + thread) % shapes.len();
                        assert_eq!(bits(&lrn.forward(x, shapes[which]).unwrap()), expected[which]);
                        let mut y = x.clone();
                        lrn.forward_in_place(&mut y, shapes[which]).unwrap();
                        assert_eq!(bits(&y), expected[which]);
                    }
                });
            }
        });
    }
}

/// Eight threads build the same and different configurations at once.
#[test]
fn threads_build_at_once() {
    let _alone = alone();
    drop(compiled!(layer(0)));
    let before = executable_bytes();
    let x = input(64);
    let expected: Vec<_> =
        (70_000..70_010).map(|index| bits(&layer(index).unwrap().forward(&x, &[1, 16, 4]).unwrap())).collect();
    thread::scope(|scope| {
        for thread in 0..8 {
            let (x, expected) = (&x, &expected);
            scope.spawn(move || {
                for turn in 0..40 {
                    let index = if thread % 2 == 0 { turn % 10 } else { (turn + thread) % 10 };
                    let lrn = layer(70_000 + index).unwrap();
                    assert_eq!(bits(&lrn.forward(x, &[1, 16, 4]).unwrap()), expected[index]);
                }
            });
        }
    });
    assert_eq!(executable_bytes(), before);
}
