//! What others compute over space: PyTorch's and OpenVINO's own results (tests/golden/README.md), the vectors of OpenVINO's tests, and
//! the parameters and shapes of Caffe, ncnn, oneDNN and of networks. `--nocapture` prints the numbers.

mod common;

use common::boxes::Boxes;
use common::case::Settings;
use common::golden::{GoldenRegion, regions};
use common::measure::{Errors, measure, widen, within};
use common::rng::Rng;
use common::stated::{check, stated};
use lrn_jit::{Activation, Backend, Convention, LrnConfig};

const BACKENDS: [Backend; 2] = [Backend::Jit, Backend::Interpreter];

/// How far from a peer's mean and largest error this library's may be: what `tests/golden.rs` allows across channels.
const MEAN_RATIO: f64 = 1.2;
const MAX_RATIO: f64 = 1.4;

fn run(golden: &GoldenRegion, backend: Backend) -> Vec<f32> {
    let layer = golden.boxes.config(&golden.settings).backend(backend).build().unwrap();
    layer.forward(&golden.x, &golden.boxes.shape).unwrap()
}

/// The mean and the largest error of several cases together.
fn total(errors: &[Errors]) -> (f64, f64) {
    let (sum, normal) =
        errors.iter().fold((0.0, 0), |(sum, normal), errors| (sum + errors.sum, normal + errors.normal));
    (sum / normal as f64, errors.iter().fold(0.0, |max, errors| errors.max.max(max)))
}

#[test]
fn as_accurate_as_the_peers() {
    let cases = regions();
    let of_peers: Vec<_> = cases.iter().map(|golden| measure(&golden.y, &golden.y64)).collect();
    let (mean, max) = total(&of_peers);
    println!("ulp: mean, largest, the peer's mean and largest");
    for backend in BACKENDS {
        let ours: Vec<_> = cases.iter().map(|golden| measure(&run(golden, backend), &golden.y64)).collect();
        for ((golden, ours), peer) in cases.iter().zip(&ours).zip(&of_peers) {
            let [a, b, c, d] = [ours.mean(), ours.max, peer.mean(), peer.max];
            println!("{:28} {backend:12} {a:7.3} {b:7.3}   {c:7.3} {d:7.3}", golden.name);
        }
        let (our_mean, our_max) = total(&ours);
        let (mean_ratio, max_ratio) = (our_mean / mean, our_max / max);
        println!(
            "all, {backend}: mean {our_mean:.4}, the peers' {mean:.4} (ratio {mean_ratio:.3}); \
             largest {our_max:.3}, the peers' {max:.3} (ratio {max_ratio:.3})"
        );
        assert!(mean_ratio <= MEAN_RATIO && max_ratio <= MAX_RATIO, "{backend}: {mean_ratio} and {max_ratio}");
    }
}

/// The judge knows nothing of torch, of avg_pool or of the library's reference, yet all compute in f64.
#[test]
fn the_judge_and_the_reference_are_torch_in_f64() {
    let mut worst = 0.0f64;
    for golden in regions() {
        let exact = golden.boxes.judge(&golden.settings).forward(&widen(&golden.x), &golden.boxes);
        let error = |(a, b): (&f64, &f64)| (a - b).abs() / b.abs().max(f64::MIN_POSITIVE) / f64::EPSILON;
        worst = exact.iter().zip(&golden.y64).map(error).fold(worst, f64::max);
        let result = within(&run(&golden, Backend::Reference), &golden.y64, 0.500_001);
        result.unwrap_or_else(|error| panic!("{}: {error}", golden.name));
    }
    println!("the judge is within {worst:.2} ε of torch's float64");
    assert!(worst <= 8.0, "{worst}");
}

/// Each golden case tells its parameters from others: a box of another size, another convention, one axis less.
#[test]
fn wrong_windows_are_rejected() {
    let mut judged = 0;
    for golden in regions() {
        let GoldenRegion { boxes, settings, name, .. } = &golden;
        let error = |boxes: &Boxes, settings: &Settings| {
            let y = boxes.config(settings).build().unwrap().forward(&golden.x, &boxes.shape).unwrap();
            measure(&y, &golden.y64).max
        };
        assert!(error(boxes, settings) < 20.0);
        // Alpha of networks, which hardly shows, and windows over nothing but the element.
        if settings.alpha < 0.1 || settings.size == 1 {
            continue;
        }
        judged += 1;
        assert!(error(boxes, &Settings { size: settings.size + 2, ..settings.clone() }) > 1e3, "{name}");
        let mut axes: Vec<isize> = boxes.windows().into_iter().map(|axis| axis as isize).collect();
        axes.pop();
        assert!(error(&Boxes::over(&boxes.shape, &axes), settings) > 1e3, "{name}");
        if settings.size.is_multiple_of(2) {
            let convention = Convention::Onnx;
            assert!(error(boxes, &Settings { convention, ..settings.clone() }) > 1e3, "{name}");
        }
    }
    assert!(judged > 20, "{judged}");
}

/// The vectors of OpenVINO's test of its reference implementation (src/plugins/template/tests/functional/op_reference/lrn.cpp):
/// 0, 1, 2, … with alpha 3, beta ½, k 1, size 3, over a set of axes. They have seven decimals.
#[test]
#[expect(clippy::approx_constant, reason = "numbers as they were printed")]
fn openvinos_own_vectors() {
    let four: &[usize] = &[2, 3, 2, 1];
    let none = [
        0.0, 0.5, 0.5547002, 0.5669467, 0.5714286, 0.5735393, 0.5746958, 0.5753965, 0.5758526, 0.5761660, 0.5763904,
        0.5765567,
    ];
    let cases: [(&[usize], &[isize], &[f64]); 8] = [
        (
            four,
            &[1],
            &[
                0.0, 0.3015113, 0.4364358, 0.5, 0.8728716, 0.8451542, 0.5970223, 0.6115928, 0.5642765, 0.5669467,
                0.7784989, 0.7720487,
            ],
        ),
        (
            four,
            &[2],
            &[
                0.0, 0.7071068, 0.5345225, 0.8017837, 0.6172134, 0.7715167, 0.6469966, 0.7548294, 0.6620847, 0.7448453,
                0.6711560, 0.7382717,
            ],
        ),
        (
            four,
            &[2, 3],
            &[
                0.0, 0.8660254, 0.8660254, 1.2990381, 1.0444659, 1.3055824, 1.1078234, 1.2924607, 1.1389896, 1.2813632,
                1.1572751, 1.2730026,
            ],
        ),
        (
            four,
            &[0, 1, 2, 3],
            &[
                0.0, 0.3156438, 0.4501407, 0.6752110, 0.9830783, 1.2288479, 1.8938627, 2.2095065, 1.8005627, 2.0256331,
                2.4576957, 2.7034652,
            ],
        ),
        (
            four,
            &[0, 3],
            &[
                0.0, 0.2379155, 0.4111132, 0.5388159, 0.6351073, 0.7094756, 1.6641006, 1.6654084, 1.6444529, 1.6164477,
                1.5877683, 1.5608464,
            ],
        ),
        (four, &[], &none),
        (&[12], &[], &none),
        (
            &[2, 3, 2, 2, 1, 1],
            &[2, 3],
            &[
                0.0, 0.4200840, 0.8401681, 1.2602521, 0.6099943, 0.7624928, 0.9149914, 1.0674900, 0.7213357, 0.8115027,
                0.9016696, 0.9918366, 0.7656109, 0.8294119, 0.8932127, 0.9570137, 0.7892218, 0.8385482, 0.8878745,
                0.9372009, 0.8038679, 0.8440613, 0.8842546, 0.9244481,
            ],
        ),
    ];
    let settings = Settings { convention: Convention::OneDnn, ..Settings::torch(3, 3.0, 0.5, 1.0) };
    for (shape, axes, expected) in cases {
        let x: Vec<f32> = (0..expected.len()).map(|i| i as f32).collect();
        openvino(&Boxes::over(shape, axes), &settings, &x, expected);
    }
    let x = [
        0.64915806,
        0.21213771,
        -1.48256505,
        -1.41040838,
        0.58189541,
        0.11432108,
        -0.22993855,
        -0.13325502,
        -0.03083259,
        -0.48450908,
        0.50342429,
        -0.99551708,
    ];
    let expected = [
        0.4590040, 0.1499989, -1.0482801, -0.9972753, 0.4114444, 0.0808345, -0.1625900, -0.0942251, -0.0218018,
        -0.3425926, 0.3559732, -0.7039225,
    ];
    let x = x.map(|x: f64| x as f32);
    let settings = Settings { alpha: 2e-4, k: 2.0, ..settings };
    openvino(&Boxes::over(&[6, 2], &[0]), &settings, &x, &expected);
}

#[track_caller]
fn openvino(boxes: &Boxes, settings: &Settings, x: &[f32], expected: &[f64]) {
    let judged = boxes.judge(settings).forward(&widen(x), boxes);
    // What is printed was computed in f32, and has seven decimals.
    let close = |y: f64, expected: f64| (y - expected).abs() <= 0.6e-7 + f64::from(f32::EPSILON) * expected.abs();
    for (i, (&judged, &expected)) in judged.iter().zip(expected).enumerate() {
        assert!(close(judged, expected), "{boxes:?} at {i}: {judged}, OpenVINO has {expected}");
    }
    for backend in [Backend::Jit, Backend::Interpreter, Backend::Generic, Backend::GenericPowf, Backend::Reference] {
        let layer = boxes.config(settings).backend(backend).build().unwrap();
        let stated = if backend == Backend::Reference { 0.500_001 } else { stated::<f32>(layer.plan(), boxes) };
        for (i, &y) in layer.forward(x, &boxes.shape).unwrap().iter().enumerate() {
            check((x[i], y), judged[i], stated, &|| format!("{backend}, {boxes:?} at {i}"));
        }
    }
}

/// Checks a layer by the judge, plane by plane of some, as far off as the plan states.
fn is_right(boxes: &Boxes, settings: &Settings, x: &[f32]) {
    let layer = boxes.config(settings).build().unwrap();
    let y = layer.forward(x, &boxes.shape).unwrap();
    let dims = boxes.windows().len();
    let space = &boxes.shape[boxes.shape.len() - dims..];
    let plane = Boxes::within(&[&[1], space].concat(), dims);
    let elements = space.iter().product();
    let planes = x.len() / elements;
    for (number, (x, y)) in x.chunks(elements).zip(y.chunks(elements)).enumerate().step_by(planes.div_ceil(16)) {
        let exact = plane.judge(settings).forward(&widen(x), &plane);
        for i in 0..elements {
            let what = || format!("plane {number} at {i}, {boxes:?}, {settings:?}");
            check((x[i], y[i]), exact[i], stated::<f32>(layer.plan(), &plane), &what);
        }
    }
}

fn normal(rng: &mut Rng, shape: &[usize], scale: f32) -> Vec<f32> {
    (0..shape.iter().product()).map(|_| scale * rng.bell()).collect()
}

/// Caffe's test of windows within a channel: (2, 7, 3, 3), size 3, its defaults. Its reference reads taps from h − 1 to h + 1 and from
/// w − 1 to w + 1, adds alpha/9 of each square to 1, and allows 1e-5.
#[test]
fn caffes_test() {
    let (shape, rng) = ([2, 7, 3, 3], &mut Rng::new(101));
    let x = normal(rng, &shape, 1.0);
    for k in [1.0, 5.0] {
        let config = LrnConfig::new(3).convention(Convention::Caffe).k(k).within_channel(2);
        let y = config.build().unwrap().forward(&x, &shape).unwrap();
        for (at, &y) in y.iter().enumerate() {
            let (plane, h, w) = (at / 9, at / 3 % 3, at % 3);
            let mut scale = 1.0f64;
            for nh in h.saturating_sub(1)..(h + 2).min(3) {
                for nw in w.saturating_sub(1)..(w + 2).min(3) {
                    scale += f64::from(x[plane * 9 + nh * 3 + nw]).powi(2) * 1.0 / 9.0;
                }
            }
            let exact = f64::from(x[at]) / scale.powf(0.75);
            assert!((f64::from(y) - exact).abs() <= 1e-5, "at {at}: {y}, not {exact}");
        }
        let settings = Settings { convention: Convention::Caffe, ..Settings::torch(3, 1.0, 0.75, k) };
        is_right(&Boxes::within(&shape, 2), &settings, &x);
    }
}

/// ncnn's tests of its layer LRN with region 1: (channels, height, width), and size, alpha, beta, bias.
#[test]
fn ncnns_tests() {
    let rng = &mut Rng::new(102);
    for shape in [[12, 7, 11], [16, 8, 10]] {
        let x = normal(rng, &shape, 1.0);
        for (size, alpha, beta, k) in [(1, 0.6, 0.4, 2.4), (3, 1.0, 0.75, 0.5)] {
            is_right(&Boxes::within(&shape, 2), &Settings::torch(size, alpha, beta, k), &x);
        }
    }
}

/// oneDNN's `lrn_within_channel`, whose sum goes from −(n−1)/2 to (n+1)/2 − 1 along each of one to three axes of space and is divided
/// by n to the power of their number, on shapes and whole numbers of its benchmark (inputs/lrn).
#[test]
fn onednns_tests() {
    let rng = &mut Rng::new(103);
    let shapes: [&[usize]; 8] = [
        &[2, 15, 16, 16],
        &[2, 16, 5, 5],
        &[2, 16, 10, 7],
        &[2, 12, 15, 1],
        &[2, 31, 1, 16],
        &[2, 64, 1, 1],
        &[2, 15, 2, 5, 6],
        &[2, 31, 2, 1, 16],
    ];
    for shape in shapes {
        for (size, beta, k) in [(5, 0.75, 1.0), (7, 0.75, 1.0), (5, 1.0, 1.0), (5, 0.75, 14.2), (4, 0.75, 1.0)] {
            let convention = Convention::OneDnn;
            let settings = Settings { convention, ..Settings::torch(size, 1.0 / 8192.0, beta, k) };
            let x: Vec<f32> = (0..shape.iter().product()).map(|_| rng.between(0, 15) as f32 - 8.0).collect();
            is_right(&Boxes::within(shape, shape.len() - 2), &settings, &x);
            is_right(&Boxes::within(shape, 1), &Settings { alpha: 1.0, ..settings }, &x);
        }
    }
}

/// Networks with windows within channels: Faster R-CNN's ZF (behind a ReLU) and Caffe's cifar10_full.
#[test]
fn networks() {
    let rng = &mut Rng::new(104);
    for (shape, input) in [
        ([1, 96, 112, 112], Activation::Relu),
        ([1, 256, 29, 29], Activation::Relu),
        ([2, 32, 16, 16], Activation::Identity),
        ([2, 32, 8, 8], Activation::Identity),
    ] {
        let x = normal(rng, &shape, 200.0);
        let settings = Settings { convention: Convention::Caffe, input, ..Settings::torch(3, 5e-5, 0.75, 1.0) };
        is_right(&Boxes::within(&shape, 2), &settings, &x);
    }
}
