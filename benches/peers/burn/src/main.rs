//! burn's side: answers run.py's lines (../README.md). LocalResponseNorm on the CPU backend flex.

#[allow(dead_code, reason = "others use more of it")]
#[path = "../../protocol.rs"]
mod protocol;

use std::hint::black_box;
use std::io;

use burn::nn::{LocalResponseNorm, LocalResponseNormConfig};
use burn::tensor::{Device, Tensor, TensorData};
use protocol::{Case, Prepared, Runner, serve};

fn main() -> io::Result<()> {
    let output = "allocated by each call";
    serve(env!("BURN_VERSION"), "flex, RAYON_NUM_THREADS as given", output, prepare)
}

fn prepare(case: &Case, x: Vec<f32>) -> Prepared {
    if case.within {
        return Ok(Err("burn has windows across channels alone"));
    }
    if case.channels_last {
        return Ok(Err("LRN is channels first in burn"));
    }
    let config = LocalResponseNormConfig::new(case.size).with_alpha(case.alpha).with_beta(case.beta).with_k(case.k);
    let x = Tensor::<4>::from_data(TensorData::new(x, case.shape), &Device::default());
    Ok(Ok(Box::new(Module { layer: config.init(), x, y: None })))
}

struct Module {
    layer: LocalResponseNorm,
    x: Tensor<4>,
    y: Option<Tensor<4>>,
}

impl Runner for Module {
    fn run(&mut self) {
        // The last result is given back first, so that its memory can be had again.
        self.y = None;
        self.y = Some(self.layer.forward(black_box(self.x.clone())));
    }

    fn output(&self) -> Vec<f32> {
        self.y.clone().expect("it has run").into_data().try_to_vec::<f32>().expect("f32")
    }

    fn implementation(&self) -> String {
        "avg_pool1d, powf".into()
    }
}
