//! The public surface: what a layer says of itself, what it can be shared with, what it allocates, and that its code holds
//! what a plan promises.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use lrn_jit::plan::Formula;
use lrn_jit::{Backend, BackendReport, Boundary, LocalResponseNorm, LrnConfig, OnExecutor, Serial};

/// Counts this thread's bytes, so that tests do not disturb each other.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static TOTAL: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let live = LIVE.get() + bytes;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
    TOTAL.set(TOTAL.get() + bytes.max(0).unsigned_abs());
}

// SAFETY: everything is the system's; counting allocates nothing (the cells need neither initialization nor a destructor).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, the most bytes it held at once, and the bytes it asked for in all.
fn counted<R>(work: impl FnOnce() -> R) -> (R, usize, usize) {
    let (live, total) = (LIVE.get(), TOTAL.get());
    PEAK.set(live);
    let result = work();
    (result, (PEAK.get() - live).unsigned_abs(), TOTAL.get() - total)
}

/// Betas of every recipe.
const BETAS: [f64; 17] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.5, -0.5, -1.3, 0.6, 1.3, 2.7, 3.5];

fn input(elements: usize) -> Vec<f32> {
    (0..elements).map(|i| (i as f32 * 0.7).sin() * 4.0).collect()
}

fn bits(y: &[f32]) -> Vec<u32> {
    y.iter().map(|y| y.to_bits()).collect()
}

fn compiles(lrn: &LocalResponseNorm) -> bool {
    lrn.backend().backend == Backend::Jit
}

const _: () = {
    const fn shared<T: Send + Sync + Clone>() {}
    const fn thread_safe<T: Send + Sync>() {}
    shared::<LocalResponseNorm>();
    shared::<LrnConfig>();
    shared::<BackendReport>();
    thread_safe::<OnExecutor<'static>>();
    thread_safe::<lrn_jit::BuildError>();
    thread_safe::<lrn_jit::ShapeError>();
    const fn error<T: std::error::Error + 'static>() {}
    error::<lrn_jit::BuildError>();
    error::<lrn_jit::ShapeError>();
};

#[test]
fn a_layer_reads_as_torchs_repr() {
    assert_eq!(LocalResponseNorm::new(5).unwrap().to_string(), "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)");
    // As CPython 3 writes the same floats.
    for (value, text) in [
        (1e-5, "1e-05"),
        (2.5e-7, "2.5e-07"),
        (1e-4, "0.0001"),
        (0.001 / 9.0, "0.00011111111111111112"),
        (5e-324, "5e-324"),
        (1e16, "1e+16"),
        (1.5e300, "1.5e+300"),
        (1e15, "1000000000000000.0"),
        (123456.789, "123456.789"),
        (2.0, "2.0"),
        (-0.5, "-0.5"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
    ] {
        let lrn = LrnConfig::new(3).alpha(value).build().unwrap();
        assert_eq!(lrn.to_string(), format!("LocalResponseNorm(3, alpha={text}, beta=0.75, k=1.0)"));
        let lrn = LrnConfig::new(3).k(value).build().unwrap();
        assert_eq!(lrn.to_string(), format!("LocalResponseNorm(3, alpha=0.0001, beta=0.75, k={text})"));
    }
}

#[test]
fn a_layer_says_what_it_was_asked_for() {
    for backend in [Backend::Jit, Backend::Interpreter, Backend::Generic, Backend::GenericPowf, Backend::Reference] {
        let Ok(lrn) = LrnConfig::new(4).alpha(3.0).beta(0.5).k(2.5).channel_axis(-1).backend(backend).build() else {
            assert_eq!(backend, Backend::Jit);
            continue;
        };
        assert_eq!((lrn.size(), lrn.alpha(), lrn.beta(), lrn.k()), (4, 3.0, 0.5, 2.5));
        assert_eq!(lrn.channel_axis(), -1);
        assert_eq!(lrn.backend().backend, backend);
        assert_eq!(lrn.backend().to_string(), format!("{backend}: {}", lrn.backend().reason));
        let debug = format!("{lrn:?}");
        assert!(debug.contains("LocalResponseNorm") && debug.contains("alpha: 3.0"), "{debug}");
    }
    let report = LocalResponseNorm::new(5).unwrap().backend().clone();
    assert!(!report.reason.is_empty() && report.to_string().ends_with(&report.reason));
}

#[test]
fn a_clone_is_the_same_layer() {
    let lrn = LrnConfig::new(5).alpha(2.0).build().unwrap();
    let x = input(40);
    let expected = bits(&lrn.forward(&x, &[2, 10, 2]).unwrap());
    let (clone, _, total) = counted(|| lrn.clone());
    assert_eq!(total, 0, "a clone allocates nothing");
    assert_eq!(clone.to_string(), lrn.to_string());
    drop(lrn);
    assert_eq!(bits(&clone.forward(&x, &[2, 10, 2]).unwrap()), expected);
    let moved = std::thread::spawn(move || clone.with_executor(&Serial).forward(&x, &[2, 10, 2]).unwrap());
    assert_eq!(bits(&moved.join().unwrap()), expected);
}

#[test]
fn code_is_fused_and_calls_nothing() {
    for beta in BETAS {
        for (size, boundary) in [(1, Boundary::Zero), (5, Boundary::Zero), (4, Boundary::Wrap), (40, Boundary::Zero)] {
            for k in [1.0, 0.0] {
                let lrn = LrnConfig::new(size).alpha(0.5).beta(beta).k(k).boundary(boundary).build().unwrap();
                let clif = lrn.clif();
                assert!(clif.contains("function") && clif.contains("store") && clif.contains("return"), "{clif}");
                assert!(!clif.contains("call"), "beta {beta}: {clif}");
                assert_eq!(clif.contains("fma"), beta != 0.0, "beta {beta}: {clif}");
                if !compiles(&lrn) {
                    assert!(lrn.assembly().is_err());
                    continue;
                }
                let assembly = lrn.assembly().unwrap();
                assert!(assembly.contains("ret") && !assembly.contains("call"), "beta {beta}: {assembly}");
                if cfg!(target_arch = "x86_64") {
                    assert_eq!(assembly.contains("vfmadd") || assembly.contains("vfnmadd"), beta != 0.0, "{assembly}");
                }
            }
        }
    }
}

#[test]
fn long_windows_have_two_kernels() {
    let texts = |size| {
        let lrn = LrnConfig::new(size).alpha(0.5).build().unwrap();
        let functions = |text: &str| text.matches("function u0:").count();
        (functions(&lrn.clif()), lrn.assembly().map_or(0, |text| text.matches("; sums along the channels").count()))
    };
    assert_eq!((texts(5).0, texts(16).0, texts(17).0, texts(64).0), (1, 1, 2, 2));
    assert_eq!(texts(5).1, 0);
    if compiles(&LocalResponseNorm::new(64).unwrap()) {
        assert_eq!(texts(64).1, 1);
    }
}

#[test]
fn a_plan_tells_what_is_computed() {
    let plan = |config: LrnConfig| config.build().unwrap().plan().to_string();
    let text = plan(LrnConfig::new(4).alpha(2.0).k(3.0));
    for part in ["c−2 … c+1", "edges zero", "4 taps unrolled", "3.0 + 0.5·Σx²", "never below k", "d^−0.75", "ulp"]
    {
        assert!(text.contains(part), "“{part}” is not in: {text}");
    }
    let text = plan(LrnConfig::new(40).boundary(Boundary::Wrap).k(0.0).beta(0.6));
    for part in ["c−20 … c+19", "edges wrap", "block sums", "0.0 + ", "any value", "d^-0.6", "fitted"] {
        assert!(text.contains(part), "“{part}” is not in: {text}");
    }
    let text = plan(LrnConfig::new(5).beta(7.0));
    assert!(text.contains("squared once), at most 10.5 ulp"), "{text}");
    assert_eq!(plan(LrnConfig::new(4).beta(0.0)), "y = x (beta is 0)");
    assert_eq!(plan(LrnConfig::new(4).alpha(0.0).k(16.0)), "y = x · 0.125 (alpha is 0)");
    for beta in BETAS {
        let lrn = LrnConfig::new(5).beta(beta).build().unwrap();
        match &lrn.plan().formula {
            Formula::Copy => assert_eq!(beta, 0.0),
            Formula::Normalize { power, .. } => {
                let most = f64::max(4.5, 1.5 * beta.abs());
                assert!((0.5..=most).contains(&power.max_ulp()), "{beta}");
            }
            other => panic!("{beta}: {other:?}"),
        }
    }
}

#[test]
fn in_place_copies_no_tensor() {
    let (shape, elements) = ([8, 64, 56, 56], 8 * 64 * 56 * 56);
    let x = input(elements);
    for axis in [1, -1] {
        for size in [5, 33] {
            for backend in [None, Some(Backend::Interpreter)] {
                let shape = if axis == 1 { shape } else { [8, 56, 56, 64] };
                let config = LrnConfig::new(size).alpha(2.0).channel_axis(axis);
                let config = backend.map_or(config.clone(), |backend| config.backend(backend));
                let lrn = config.build().unwrap();
                let mut y = x.clone();
                let (_, peak, _) = counted(|| lrn.forward_in_place(&mut y, &shape).unwrap());
                println!("axis {axis}, size {size}, {}: {peak} bytes", lrn.backend().backend);
                assert!(peak < elements * size_of::<f32>() / 4, "axis {axis}, size {size}: {peak} bytes");
                assert!(bits(&y) == bits(&lrn.forward(&x, &shape).unwrap()));
                // Into memory at hand, likewise.
                let (_, peak, _) = counted(|| lrn.forward_into(&x, &shape, &mut y).unwrap());
                assert!(peak < elements * size_of::<f32>() / 4, "axis {axis}, size {size}: {peak} bytes");
            }
        }
    }
}

#[test]
fn an_equal_configuration_is_not_compiled_again() {
    let config = LrnConfig::new(5).alpha(0.125).k(1.25);
    let (first, _, compiled) = counted(|| config.build().unwrap());
    let (again, _, shared) = counted(|| config.build().unwrap());
    if compiles(&first) {
        println!("{compiled} bytes to compile, {shared} to share");
        assert!(compiled > 10 * shared, "{compiled} bytes to compile, {shared} to share");
    }
    let x = input(40);
    let y = [first, again].map(|lrn| bits(&lrn.forward(&x, &[2, 20]).unwrap()));
    assert_eq!(y[0], y[1]);
}

/// A window of a billion channels over a few: every sum is over all channels.
#[test]
fn huge_windows() {
    let size = 1_000_000_000;
    for boundary in [Boundary::Zero, Boundary::Wrap] {
        for channels in [1, 2, 5, 40] {
            for inner in [1, 3, 20] {
                let config = LrnConfig::new(size).alpha(1e9).k(0.5).boundary(boundary);
                let x = input(2 * channels * inner);
                let shape = [2, channels, inner];
                let lrn = config.build().unwrap();
                let (y, peak, _) = counted(|| lrn.forward(&x, &shape).unwrap());
                assert!(peak < 16 << 20, "{peak} bytes");
                for (i, (&x_i, &y)) in x.iter().zip(&y).enumerate() {
                    let (outer, s) = (i / (channels * inner), i % inner);
                    let column = (0..channels).map(|c| f64::from(x[(outer * channels + c) * inner + s]));
                    let sum: f64 = column.map(|x| x * x).sum();
                    // On the ring every channel is met size/C times, give or take one.
                    let times = if boundary == Boundary::Wrap { size as f64 / channels as f64 } else { 1.0 };
                    let expected = f64::from(x_i) * (0.5 + times * sum).powf(-0.75);
                    assert!((f64::from(y) - expected).abs() <= 2e-6 * expected.abs(), "{y} for {expected}");
                }
                let interpreter = config.backend(Backend::Interpreter).build().unwrap();
                assert_eq!(bits(&y), bits(&interpreter.forward(&x, &shape).unwrap()), "{boundary:?} {shape:?}");
            }
        }
    }
}
