//! [`accelerate`]: the operators of a graph replaced.

use tract_nnef::internal::*;
use tract_nnef::tract_core::ops::binary::{BinMiniOp, OptBinByScalar, OptBinUnicast, TypedBinOp};
use tract_nnef::tract_core::ops::math::Max;
use tract_onnx_opl::lrn::Lrn;

use crate::op::CompiledLrn;

/// Puts a [`CompiledLrn`] in the place of every LRN of a model, and says of how many: before or after `into_optimized()`.
///
/// A ReLU whose output only that LRN reads goes into it: max(x, 0), as `Relu` and `Clip` with a minimum of 0 become in tract. An LRN
/// that tract could not run, of integers or of rank 1, stays.
///
/// # Errors
///
/// If parameters make no layer ([`lrn_jit::BuildError`]: size 0, or an alpha, beta or bias that is not finite), or if tract finds its
/// graph inconsistent. The error names the node. A parameter at fault leaves the model as it was.
pub fn accelerate(model: &mut TypedModel) -> TractResult<usize> {
    let mut replacements = vec![];
    for id in model.eval_order()? {
        let node = model.node(id);
        let Some(lrn) = node.op_as::<Lrn>() else { continue };
        let &[input] = &*node.inputs else { continue };
        let fact = model.outlet_fact(input)?;
        if !fact.datum_type.is_float() || fact.rank() < 2 {
            continue;
        }
        let source = before_relu(model, input)?;
        let op = CompiledLrn::new(lrn.clone(), source.is_some());
        op.compile(fact.datum_type).with_context(|| format!("accelerating {node}"))?;
        replacements.push((id, source.is_some(), op));
    }
    let replaced = replacements.len();
    for (id, relu, op) in replacements {
        let node = model.node(id);
        // What the node reads now: another LRN, replaced before, may be there.
        let input = if relu { before_relu(model, node.inputs[0])? } else { None }.unwrap_or(node.inputs[0]);
        let context = format!("replacing {node}");
        TypedModelPatch::replace_single_op(model, node, &[input], op)
            .and_then(|patch| patch.apply(model))
            .context(context)?;
    }
    Ok(replaced)
}

/// What a ReLU reads whose output `outlet` is, if that has one reader and is no output of the model.
fn before_relu(model: &TypedModel, outlet: OutletId) -> TractResult<Option<OutletId>> {
    let (node, output) = (model.node(outlet.node), model.outlet_fact(outlet)?);
    let read_once = node.outputs[outlet.slot].successors.len() == 1 && !model.output_outlets()?.contains(&outlet);
    let &[a, b] = &*node.inputs else { return Ok(None) };
    if !read_once || !binary(node).is_some_and(|op| op.is::<Max>()) {
        return Ok(None);
    }
    for (x, bound) in [(a, b), (b, a)] {
        let (x_fact, bound) = (model.outlet_fact(x)?, model.outlet_fact(bound)?);
        let zero = match &bound.uniform {
            Some(value) => value.is_zero()?,
            None => false,
        };
        if zero && (x_fact.datum_type, &x_fact.shape) == (output.datum_type, &output.shape) {
            return Ok(Some(x));
        }
    }
    Ok(None)
}

/// The operation of a binary operator, optimized or not.
fn binary(node: &TypedNode) -> Option<&dyn BinMiniOp> {
    let op = node.op_as::<TypedBinOp>().map(|op| &op.0);
    let op = op.or_else(|| node.op_as::<OptBinByScalar>().map(|op| &op.binop));
    let op = op.or_else(|| node.op_as::<OptBinUnicast>().map(|op| &op.binop));
    op.map(|op| &**op)
}
