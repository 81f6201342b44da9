//! What is measured: the networks' shapes with their own parameters, or what was asked for.

use lrn_jit::{Backend, LrnConfig};

use crate::arguments::LayerArguments;
use crate::failure::Failure;
use crate::rivals::Slabs;

/// A layer on a tensor.
#[derive(Debug, Clone)]
pub struct Case {
    /// The network and its layer; empty where a shape was asked for.
    pub name: String,
    pub shape: Vec<usize>,
    pub config: LrnConfig,
    /// Of the channels, from the start.
    pub axis: usize,
    pub slabs: Slabs,
}

impl Case {
    /// A shape as it was typed, and the layer's options, with windows along the channels.
    pub fn new(text: &str, layer: &LayerArguments) -> Result<Self, Failure> {
        let config = layer.config();
        let shape = Self::shape(text, &config)?;
        let rank = shape.len() as isize;
        let axis = layer.windows.channel_axis;
        let axis = if axis < 0 { axis + rank } else { axis } as usize;
        Ok(Self { name: String::new(), slabs: Slabs::new(&shape, axis), axis, shape, config })
    }

    /// A shape as it was typed, if it fits a layer and memory.
    pub fn shape(text: &str, config: &LrnConfig) -> Result<Vec<usize>, Failure> {
        let wrong = |reason: &str| Failure::input(format!("--shape {text}: {reason}"));
        let shape = text.split(',').map(|extent| extent.trim().parse().ok()).collect::<Option<Vec<usize>>>();
        let shape = shape.ok_or_else(|| wrong("not integers with commas between them"))?;
        if shape.contains(&0) {
            return Err(wrong("there is nothing to measure about an extent of 0"));
        }
        // The library judges parameters, rank, axes and overflow; a length of 0 is the first thing it finds wrong with a shape
        // that is right otherwise.
        let built = config.clone().backend(Backend::Interpreter).build()?;
        match built.forward(&[], &shape) {
            Err(lrn_jit::ShapeError::Length { .. }) => {}
            Err(error) => return Err(wrong(&error.to_string())),
            Ok(_) => return Err(wrong("there is nothing to measure")),
        }
        let elements: usize = shape.iter().product();
        if let Some(available) = super::machine::available_memory() {
            // Inputs, output, and what that is compared to.
            let needed = elements as u128 * 4 * size_of::<f32>() as u128;
            if needed > u128::from(available) {
                let gigabytes = |bytes: u128| bytes as f64 / 1e9;
                let (needed, available) = (gigabytes(needed), gigabytes(available.into()));
                return Err(wrong(&format!("takes {needed:.1} GB, and {available:.1} GB are available")));
            }
        }
        Ok(shape)
    }

    /// Slabs with channels on the middle axis.
    pub fn of_slabs(slabs: Slabs, config: LrnConfig) -> Self {
        let Slabs { outer, channels, inner } = slabs;
        Self {
            name: String::new(),
            shape: vec![outer, channels, inner],
            config: config.channel_axis(1),
            axis: 1,
            slabs,
        }
    }

    fn network(name: &str, shape: [usize; 4], config: LrnConfig, axis: usize) -> Self {
        let config = config.channel_axis(axis as isize);
        Self { name: name.into(), slabs: Slabs::new(&shape, axis), axis, shape: shape.to_vec(), config }
    }

    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The extents.
    pub fn dimensions(&self) -> String {
        self.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
    }

    /// The name and the extents.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.dimensions()).trim().into()
    }
}

/// The networks' layers on one image, then on batches that no cache holds.
pub fn networks(quick: bool) -> Vec<Case> {
    let five = |alpha, k| LrnConfig::new(5).alpha(alpha).beta(0.75).k(k);
    let (common, zeiler) = (five(1e-4, 1.0), five(5e-4, 2.0));
    let cifar = LrnConfig::tensorflow(4).alpha(0.001 / 9.0).beta(0.75).k(1.0);
    let mut cases = vec![
        Case::network("AlexNet norm1", [1, 96, 55, 55], common.clone(), 1),
        Case::network("AlexNet norm2", [1, 256, 27, 27], common.clone(), 1),
        Case::network("CaffeNet norm1", [1, 96, 27, 27], common.clone(), 1),
        Case::network("CaffeNet norm2", [1, 256, 13, 13], common.clone(), 1),
        Case::network("GoogLeNet norm1", [1, 64, 56, 56], common.clone(), 1),
        Case::network("GoogLeNet norm2", [1, 192, 56, 56], common.clone(), 1),
        Case::network("ZFNet-512 norm1", [1, 96, 109, 109], zeiler.clone(), 1),
        Case::network("ZFNet-512 norm2", [1, 256, 26, 26], zeiler, 1),
        Case::network("CIFAR-10, NHWC", [1, 12, 12, 64], cifar, 3),
        Case::network("AlexNet norm1", [64, 96, 55, 55], common.clone(), 1),
    ];
    if !quick {
        cases.push(Case::network("GoogLeNet norm2", [32, 192, 56, 56], common, 1));
    }
    cases
}
