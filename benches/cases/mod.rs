//! What is measured: configurations, tensors, who computes, and the check of every answer. How the time is taken is in
//! `turns`, or left to criterion.

pub mod turns;

use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lrn_jit::{Backend, Executor, LocalResponseNorm, LrnConfig, Serial};

/// AlexNet's first normalization, of one image: 1.2 MB in, 1.2 MB out.
pub const ALEXNET: [usize; 4] = [1, 96, 55, 55];
/// The same of 64 images: 74 MB in, 74 MB out, beyond any cache.
pub const ALEXNET_BATCH: [usize; 4] = [64, 96, 55, 55];

/// One row of a table.
#[derive(Clone)]
pub struct Case {
    pub group: &'static str,
    pub name: String,
    pub shape: Vec<usize>,
    pub config: LrnConfig,
    pub in_place: bool,
    /// Whether the rivals run, too.
    pub rivals: bool,
}

/// Who computes a case.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Who {
    /// What the library chooses: compiled code.
    Library,
    Rival(Backend),
    Memcpy,
}

pub const RIVALS: [Who; 3] =
    [Who::Rival(Backend::Generic), Who::Rival(Backend::GenericPowf), Who::Rival(Backend::Interpreter)];

impl Who {
    pub fn name(self) -> String {
        match self {
            Self::Library => "lrn-jit".into(),
            Self::Rival(backend) => backend.to_string(),
            Self::Memcpy => "memcpy".into(),
        }
    }
}

impl Case {
    pub fn new(group: &'static str, name: impl Into<String>, shape: &[usize], config: LrnConfig) -> Self {
        Self { group, name: name.into(), shape: shape.to_vec(), config, in_place: false, rivals: false }
    }

    fn with_rivals(mut self) -> Self {
        self.rivals = true;
        self
    }

    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// What the library runs here, and why.
    pub fn backend(&self) -> String {
        self.config.build().expect("the configuration is valid").backend().to_string()
    }

    /// All who run this case, the library first.
    pub fn contestants(&self) -> Vec<Who> {
        let rivals: &[Who] = if self.rivals { &RIVALS } else { &[] };
        [Who::Library, Who::Memcpy].iter().chain(rivals).copied().collect()
    }

    /// Someone ready to compute this case.
    pub fn runner(&self, who: Who) -> Runner {
        let config = self.config.clone();
        let layer = match who {
            Who::Library => Some(config.build()),
            Who::Rival(backend) => Some(config.backend(backend).build()),
            Who::Memcpy => None,
        };
        let layer = layer.map(|layer| layer.expect("the configuration is valid"));
        let in_place = self.in_place && who == Who::Library;
        Runner { layer, executor: &Serial, shape: self.shape.clone(), in_place }
    }

    /// Panics unless `runner` computes what it should: a compiled kernel the interpreter's bits, all others the formula.
    pub fn verify(&self, who: Who, runner: &Runner, x: &[f32], y: &mut [f32]) {
        let expect = |backend| self.config.clone().backend(backend).build().unwrap().forward(x, &self.shape).unwrap();
        y.fill(f32::NAN);
        runner.prepare(x, y);
        runner.run(x, y);
        match who {
            Who::Memcpy => assert!(x == y),
            Who::Library => {
                assert!(same_bits(&expect(Backend::Interpreter), y), "{}: not the interpreter's bits", self.name);
            }
            Who::Rival(_) => {
                let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * a.abs();
                assert!(expect(Backend::Reference).iter().zip(&*y).all(near), "{}: {} errs", self.name, who.name());
            }
        }
    }
}

/// A layer and how it is called, or memcpy.
pub struct Runner {
    layer: Option<LocalResponseNorm>,
    executor: &'static dyn Executor,
    shape: Vec<usize>,
    in_place: bool,
}

impl Runner {
    /// The same on another executor.
    pub fn on(self, executor: &'static dyn Executor) -> Self {
        Self { executor, ..self }
    }

    /// What has to be done before each run and is not part of it.
    fn prepare(&self, x: &[f32], y: &mut [f32]) {
        if self.in_place {
            y.copy_from_slice(x);
        }
    }

    /// The time of one run.
    pub fn time(&self, x: &[f32], y: &mut [f32]) -> Duration {
        self.prepare(x, y);
        let start = Instant::now();
        self.run(x, y);
        start.elapsed()
    }

    /// Computes once, from `x` to `y`, or in place in `y`.
    fn run(&self, x: &[f32], y: &mut [f32]) {
        let (x, y) = (black_box(x), black_box(y));
        let layer = self.layer.as_ref().map(|layer| layer.with_executor(self.executor));
        match layer {
            None => copy(self.executor, x, y),
            Some(layer) if self.in_place => layer.forward_in_place(y, &self.shape).unwrap(),
            Some(layer) => layer.forward_into(x, &self.shape, y).unwrap(),
        }
        black_box(y);
    }
}

fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// Panics unless a layer of this configuration, whatever its alpha, gives the interpreter's bits.
pub fn verify_layer(lrn: &LocalResponseNorm, config: &LrnConfig, shape: &[usize]) {
    let interpreter = config.clone().alpha(lrn.alpha()).backend(Backend::Interpreter).build().unwrap();
    let x = input(shape.iter().product());
    let answer = |lrn: &LocalResponseNorm| lrn.forward(&x, shape).unwrap();
    assert!(same_bits(&answer(&interpreter), &answer(lrn)), "{lrn} of {shape:?}: not the interpreter's bits");
}

/// Configurations equal but for alpha, so that none finds another's code.
pub fn distinct(config: &LrnConfig) -> impl FnMut() -> LrnConfig + use<> {
    let (config, mut count) = (config.clone(), 0.0);
    move || {
        count += 1.0;
        config.clone().alpha(1e-3 + 1e-9 * count)
    }
}

/// memcpy, cut into as many parts as there are threads.
fn copy(executor: &dyn Executor, x: &[f32], y: &mut [f32]) {
    let threads = executor.threads();
    if threads == 1 {
        return y.copy_from_slice(x);
    }
    let length = x.len().div_ceil(threads);
    let parts: Vec<_> = x.chunks(length).zip(y.chunks_mut(length)).map(Mutex::new).collect();
    executor.run(parts.len(), &|index| {
        let (x, y) = &mut *parts[index].lock().unwrap();
        y.copy_from_slice(x);
    });
}

/// Activations between −100 and 100: with AlexNet's alpha of 1e-4, y/x is then about 0.8. No value is 0 or subnormal.
pub fn input(elements: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // 23 random bits and a half: odd multiples of 2^-24.
        ((f64::from(state >> 9) + 0.5) / f64::from(1u32 << 22) - 1.0) as f32 * 100.0
    };
    (0..elements).map(|_| draw()).collect()
}

/// Every row, group by group. The first is the one all others are compared to.
pub fn cases() -> Vec<Case> {
    let torch = |size| LrnConfig::new(size).alpha(1e-4 * size as f64);
    let mut cases = vec![];

    let sizes = (1..=16).chain([17, 64]);
    let mut sizes: Vec<_> = sizes
        .map(|size| Case::new("Window (beta 0.75)", format!("size {size}"), &ALEXNET, torch(size)))
        .map(|case| if ["size 5", "size 16", "size 64"].contains(&&*case.name) { case.with_rivals() } else { case })
        .collect();
    let base = sizes.remove(4);
    cases.push(base.clone());
    cases.extend(sizes);

    let group = "Exponent (size 5)";
    for beta in [
        0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 0.6, 0.95, 1.3, 2.7, 3.3, 3.9, 5.0, 8.0, 13.7, 31.0, 40.0, -0.6, -1.3, -2.7,
        -3.9, -8.0,
    ] {
        let case = Case::new(group, format!("beta {beta}"), &ALEXNET, torch(5).beta(beta));
        cases.push(if [0.5, 1.0, 0.6].contains(&beta) { case.with_rivals() } else { case });
    }
    for beta in [0.5, 0.75] {
        // d can be 0, so more is guarded against.
        cases.push(Case::new(group, format!("beta {beta}, k 0"), &ALEXNET, torch(5).beta(beta).k(0.0)));
    }

    let group = "Layout (size 5, beta 0.75)";
    let last = torch(5).channel_axis(-1);
    cases.push(Case::new(group, "1×55×55×96, channels last", &[1, 55, 55, 96], last).with_rivals());
    cases.push(Case::new(group, "256×3×32×32, few channels", &[256, 3, 32, 32], torch(5)));
    cases.push(Case::new(group, "3025×96, no plane", &[3025, 96], torch(5)));
    cases.push(Case::new(group, "8×64×64×64, rows 16 KB apart", &[8, 64, 64, 64], torch(5)));
    cases.push(Case::new(group, "64×96×55×55, beyond the caches", &ALEXNET_BATCH, torch(5)));

    // The first row is 96×55×55 out of place.
    let group = "In place (size 5, beta 0.75)";
    for shape @ [_, channels, height, width] in [ALEXNET, [1, 256, 13, 13], [1, 96, 27, 27], [1, 96, 56, 56]] {
        let name = format!("{channels}×{height}×{width}");
        let in_place = Case { in_place: true, ..Case::new(group, format!("{name}, in place"), &shape, torch(5)) };
        if shape != ALEXNET {
            cases.push(Case::new(group, name, &shape, torch(5)));
        }
        cases.push(in_place);
    }

    let group = "Networks (their own parameters, one image)";
    let five = |alpha, k| LrnConfig::new(5).alpha(alpha).k(k);
    for (network, shape, config) in [
        ("AlexNet norm2", [256, 27, 27], five(1e-4, 1.0)),
        ("CaffeNet norm1", [96, 27, 27], five(1e-4, 1.0)),
        ("CaffeNet norm2", [256, 13, 13], five(1e-4, 1.0)),
        ("GoogLeNet norm1", [64, 56, 56], five(1e-4, 1.0)),
        ("GoogLeNet norm2", [192, 56, 56], five(1e-4, 1.0)),
        ("ZFNet-512 norm1", [96, 109, 109], five(5e-4, 2.0)),
        ("ZFNet-512 norm2", [256, 26, 26], five(5e-4, 2.0)),
    ] {
        let [channels, height, width] = shape;
        let name = format!("{network}, {channels}×{height}×{width}");
        let case = Case::new(group, name, &[1, channels, height, width], config);
        cases.push(if network == "CaffeNet norm1" { case.with_rivals() } else { case });
    }
    let cifar = LrnConfig::tensorflow(4).alpha(0.001 / 9.0).beta(0.75).channel_axis(-1);
    cases.push(Case::new(group, "TensorFlow CIFAR-10, 12×12×64, channels last", &[1, 12, 12, 64], cifar));
    cases
}
