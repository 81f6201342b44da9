//! The golden cases and gradients; tests/golden/README.md has their format.

use std::path::{Path, PathBuf};

use lrn_jit::{Activation, Convention};
use ndarray::ArrayD;
use ndarray_npy::{ReadableElement, read_npy};

use super::boxes::Boxes;
use super::case::Settings;

/// A case as PyTorch computed it.
pub struct Golden {
    pub name: String,
    pub settings: Settings,
    pub axis: isize,
    pub shape: Vec<usize>,
    pub x: Vec<f32>,
    /// PyTorch's float32.
    pub y: Vec<f32>,
    /// PyTorch's float64.
    pub y64: Vec<f64>,
}

impl Golden {
    /// Holds NaN, infinity, or a base that is zero or negative.
    pub fn is_special(&self) -> bool {
        self.name.starts_with("special_")
    }
}

/// The gradients of a case as PyTorch's autograd computed them.
pub struct GoldenGradient {
    pub name: String,
    /// The case that has x and the settings.
    pub case: Golden,
    /// A relu comes before the LRN.
    pub relu: bool,
    /// The gradient of y.
    pub g: Vec<f32>,
    /// PyTorch's float32.
    pub dx: Vec<f32>,
    /// PyTorch's float64.
    pub dx64: Vec<f64>,
    pub second: Option<Second>,
}

/// What some gradients have besides.
pub struct Second {
    /// A direction.
    pub v: Vec<f32>,
    /// The derivative of y along it, in float64.
    pub jvp64: Vec<f64>,
    /// The gradient of Σ v·dx with respect to x, in float64.
    pub ddx64: Vec<f64>,
}

/// A case of windows over any axes, as PyTorch or OpenVINO computed it.
pub struct GoldenRegion {
    pub name: String,
    /// The settings have the activation.
    pub settings: Settings,
    pub boxes: Boxes,
    pub x: Vec<f32>,
    /// The peer's float32.
    pub y: Vec<f32>,
    /// PyTorch's float64, or the formula.
    pub y64: Vec<f64>,
    /// PyTorch's gradients.
    pub gradient: Option<RegionGradient>,
}

/// Gradients of a case of windows over any axes: as of [`GoldenGradient`].
pub struct RegionGradient {
    pub g: Vec<f32>,
    pub dx: Vec<f32>,
    pub dx64: Vec<f64>,
    pub second: Option<Second>,
}

/// A file under tests/.
pub fn path(relative: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(relative)
}

/// The shape and elements of an .npy file in C order.
pub fn read<T: ReadableElement + Clone>(relative: &str) -> (Vec<usize>, Vec<T>) {
    let array: ArrayD<T> = read_npy(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"));
    assert!(array.is_standard_layout());
    let shape = array.shape().to_vec();
    (shape, array.into_raw_vec_and_offset().0)
}

/// Every golden case.
pub fn cases() -> Vec<Golden> {
    let table = std::fs::read_to_string(path("golden/cases.tsv")).expect("cases.tsv");
    table.lines().skip(1).map(case).collect()
}

fn case(line: &str) -> Golden {
    let fields: Vec<_> = line.split('\t').collect();
    let [name, size, alpha, beta, k, axis, shape, _scale] = fields[..] else { panic!("eight columns: {line}") };
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let settings = Settings::torch(size.parse().expect("a size"), number(alpha), number(beta), number(k));
    let shape: Vec<usize> = shape.split(',').map(|extent| extent.parse().expect("an extent")).collect();
    let (x, y) = (read_shaped(name, "x", &shape), read_shaped(name, "y", &shape));
    let y64 = read_shaped(name, "y64", &shape);
    Golden { name: name.into(), settings, axis: axis.parse().expect("an axis"), shape, x, y, y64 }
}

/// Every golden gradient.
pub fn gradients() -> Vec<GoldenGradient> {
    let table = std::fs::read_to_string(path("golden/gradients.tsv")).expect("gradients.tsv");
    table.lines().skip(1).map(gradient).collect()
}

fn gradient(line: &str) -> GoldenGradient {
    let fields: Vec<_> = line.split('\t').collect();
    let [name, case, activation, second] = fields[..] else { panic!("four columns: {line}") };
    let case = cases().into_iter().find(|golden| golden.name == case).expect("a case of cases.tsv");
    let relu = relu(activation);
    let second = read_second(name, second, &case.shape);
    let (g, dx) = (read_shaped(name, "g", &case.shape), read_shaped(name, "dx", &case.shape));
    let dx64 = read_shaped(name, "dx64", &case.shape);
    GoldenGradient { name: name.into(), case, relu, g, dx, dx64, second }
}

fn relu(activation: &str) -> bool {
    match activation {
        "none" => false,
        "relu" => true,
        other => panic!("no activation is called {other}"),
    }
}

fn read_second(name: &str, second: &str, shape: &[usize]) -> Option<Second> {
    match second {
        "no" => None,
        "yes" => Some(Second {
            v: read_shaped(name, "v", shape),
            jvp64: read_shaped(name, "jvp64", shape),
            ddx64: read_shaped(name, "ddx64", shape),
        }),
        other => panic!("neither yes nor no: {other}"),
    }
}

/// Every golden case of windows over any axes.
pub fn regions() -> Vec<GoldenRegion> {
    let table = std::fs::read_to_string(path("golden/regions.tsv")).expect("regions.tsv");
    table.lines().skip(1).map(region).collect()
}

fn region(line: &str) -> GoldenRegion {
    let fields: Vec<_> = line.split('\t').collect();
    let [name, peer, size, alpha, beta, k, axes, shape, activation, second, _scale] = fields[..] else {
        panic!("eleven columns: {line}")
    };
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let shape: Vec<usize> = shape.split(',').map(|extent| extent.parse().expect("an extent")).collect();
    let axes: Vec<isize> = axes.split(',').map(|axis| axis.parse().expect("an axis")).collect();
    let dims = axes.len();
    let within = (0..dims).all(|i| axes[i].unsigned_abs() == shape.len() - dims + i);
    let boxes = if within { Boxes::within(&shape, dims) } else { Boxes::over(&shape, &axes) };
    let convention = if peer == "torch" { Convention::Torch } else { Convention::OneDnn };
    let input = if relu(activation) { Activation::Relu } else { Activation::Identity };
    let settings = Settings::torch(size.parse().expect("a size"), number(alpha), number(beta), number(k));
    let gradient = (peer == "torch").then(|| RegionGradient {
        g: read_shaped(name, "g", &shape),
        dx: read_shaped(name, "dx", &shape),
        dx64: read_shaped(name, "dx64", &shape),
        second: read_second(name, second, &shape),
    });
    let (x, y) = (read_shaped(name, "x", &shape), read_shaped(name, "y", &shape));
    let y64 = read_shaped(name, "y64", &shape);
    let settings = Settings { convention, input, ..settings };
    GoldenRegion { name: name.into(), settings, boxes, x, y, y64, gradient }
}

/// A golden file, which has to be of this shape.
fn read_shaped<T: ReadableElement + Clone>(name: &str, suffix: &str, shape: &[usize]) -> Vec<T> {
    let (file, elements) = read(&format!("golden/{name}.{suffix}.npy"));
    assert_eq!(file, shape, "{name}.{suffix}");
    elements
}
