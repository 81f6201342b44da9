//! [`registry`]: how a model with compiled operators is written.

use tract_nnef::internal::*;
use tract_nnef::ser::{invocation, numeric};
use tract_onnx_opl::lrn::Lrn;

use crate::op::CompiledLrn;

/// tract's NNEF registry of ONNX operators that can write a [`CompiledLrn`] as well: take it in the place of `with_onnx()`.
///
/// What is written is tract's own operator, behind a `relu` if one was fused; any tract reads it. Accelerate it again once it is read.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = tract_onnx_opl::onnx_opl_registry();
    registry.register_dumper(dump);
    registry
}

fn dump(ast: &mut IntoAst, node: &TypedNode, op: &CompiledLrn) -> TractResult<Option<Arc<RValue>>> {
    let Lrn { alpha, beta, bias, size } = *op.lrn();
    let input = ast.mapping[&node.inputs[0]].clone();
    let input = if op.relu() { invocation("relu", &[input], &[]) } else { input };
    let parameters =
        [("alpha", numeric(alpha)), ("beta", numeric(beta)), ("bias", numeric(bias)), ("size", numeric(size))];
    Ok(Some(invocation("tract_onnx_lrn", &[input], &parameters)))
}
