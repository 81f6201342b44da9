//! [`LrnOps`]: the operator as burn's backends have it.
//!
//! `#[backend_extension]` implements the trait for `Dispatch`, which routes a tensor to the backend that it is on. A tensor with a
//! gradient is routed to `Autodiff<Flex, _>`, which runs the inner backend's operator and registers how to go back.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};

use crate::layers::Layers;

/// A backend that has compiled LRN. A tensor on any other panics in burn's dispatch, so [`crate::LocalResponseNorm`] asks first.
#[backend_extension(Flex, Autodiff)]
pub trait LrnOps: Backend {
    /// Normalizes a tensor of rank 2 or more, of a type that `layers` has built.
    fn local_response_norm(x: FloatTensor<Self>, layers: Layers) -> FloatTensor<Self>;
}

impl LrnOps for Flex {
    fn local_response_norm(x: FloatTensor<Self>, layers: Layers) -> FloatTensor<Self> {
        layers.forward(x)
    }
}

impl<C: CheckpointStrategy> LrnOps for Autodiff<Flex, C> {
    fn local_response_norm(x: FloatTensor<Self>, layers: Layers) -> FloatTensor<Self> {
        match LrnBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut step) => {
                let state = (step.checkpoint(&x), layers.clone());
                step.finish(state, layers.forward(x.into_primitive()))
            }
            OpsKind::UnTracked(step) => step.finish(layers.forward(x.into_primitive())),
        }
    }
}

/// The step back. It needs x alone, and no workspace as large as it.
#[derive(Debug)]
struct LrnBackward;

impl Backward<Flex, 1> for LrnBackward {
    type State = (NodeId, Layers);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let (x, layers) = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<Flex>>(x);
        unary::<Flex, _>(ops.parents, ops.node, gradients, |grad| layers.backward(&x, &grad));
    }
}
