//! tract's side: answers run.py's lines (../README.md). A model of one LRN, optimized as tract optimizes any.

#[allow(dead_code, reason = "others use more of it")]
#[path = "../../protocol.rs"]
mod protocol;

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use protocol::{Case, Prepared, Runner, serve};
use tract_core::internal::*;
use tract_core::plan::SimplePlan;
use tract_onnx_opl::lrn::Lrn;

fn main() -> io::Result<()> {
    let output = "allocated by each call";
    serve(env!("TRACT_VERSION"), "one thread", output, prepare)
}

fn prepare(case: &Case, x: Vec<f32>) -> Prepared {
    if case.within {
        return Ok(Err("tract has windows across channels alone"));
    }
    if case.channels_last {
        return Ok(Err("LRN is channels first in tract"));
    }
    let mut model = TypedModel::default();
    let source = model.add_source("x", f32::fact(case.shape))?;
    let (alpha, beta, bias) = (case.alpha as f32, case.beta as f32, case.k as f32);
    let outputs = model.wire_node("lrn", Lrn { alpha, beta, bias, size: case.size }, &[source])?;
    model.select_output_outlets(&outputs)?;
    let plan = SimplePlan::new(model.into_optimized()?)?;
    let x = Tensor::from_shape(&case.shape, &x)?.into_tvalue();
    Ok(Ok(Box::new(Model { plan, x, y: None })))
}

struct Model {
    plan: Arc<TypedSimplePlan>,
    x: TValue,
    y: Option<TValue>,
}

impl Runner for Model {
    fn run(&mut self) {
        // The last result is given back first, so that its memory can be had again.
        self.y = None;
        let mut outputs = self.plan.run(tvec!(black_box(self.x.clone()))).expect("the model runs");
        self.y = Some(outputs.remove(0));
    }

    fn output(&self) -> Vec<f32> {
        let y = self.y.as_ref().expect("it has run");
        y.to_plain_array_view::<f32>().expect("f32").iter().copied().collect()
    }

    fn implementation(&self) -> String {
        "tract_onnx_opl::lrn::Lrn".into()
    }
}
