//! [`Activation`]: what is done to the input before it is normalized.

/// A function of single elements that the kernels apply to x as they read it.
///
/// AlexNet and ZFNet normalize right after a ReLU; fused, that is one pass less over memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// x as it is.
    #[default]
    Identity,
    /// max(x, 0). A NaN stays, as `torch.relu` passes it; gradients are 0 where x ≤ 0.
    Relu,
}
