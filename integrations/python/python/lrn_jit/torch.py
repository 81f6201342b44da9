"""LRN for PyTorch: :class:`LocalResponseNorm`, a drop-in for ``torch.nn.LocalResponseNorm``, and :func:`replace`, which drops it in.

    >>> import torch, lrn_jit.torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.LocalResponseNorm(5))
    >>> lrn_jit.torch.replace(model)
    1
    >>> model(torch.ones(1, 3, 4, 4)).shape
    torch.Size([1, 8, 2, 2])

Float32, float64, float16 and bfloat16 tensors of rank 3 and more on the CPU are computed here; all others are left to torch's own
operator, with its errors. The operators (module :mod:`lrn_jit._operators`) know autograd to the second derivative, forward mode,
vmap, ``torch.compile`` and ``torch.export``. A result lies in memory in its input's format, and no input is copied. Calls use
``torch.get_num_threads()`` threads.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import handle_torch_function, has_torch_function_unary

from ._operators import DTYPES

__all__ = ["LocalResponseNorm", "local_response_norm", "replace"]

_forward = torch.ops.lrn_jit.forward.default


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """As ``torch.nn.functional.local_response_norm``.

    Args:
        input: (N, C, *), of rank 3 or more.
        size: neighbouring channels in a window.
        alpha, beta, k: finite numbers.

    Returns:
        A tensor of the input's shape, type and memory format.

    Raises:
        ValueError: a rank under 3; a size under 1; parameters that are not finite.
    """
    if has_torch_function_unary(input):
        return handle_torch_function(
            local_response_norm, (input,), input, size, alpha=alpha, beta=beta, k=k
        )
    ours = input.is_cpu and input.dtype in DTYPES and input.dim() >= 3 and input.layout is torch.strided
    if not ours:
        return functional.local_response_norm(input, size, alpha, beta, k)
    return _forward(input, size, alpha, beta, k)  # type: ignore[no-any-return]


class LocalResponseNorm(nn.LocalResponseNorm):
    """As ``torch.nn.LocalResponseNorm``, with its parameters, attributes and representation, and an instance of it.

    Args:
        size: neighbouring channels in a window.
        alpha: the weight of the squares, which is divided by size. Default: 1e-4
        beta: the exponent. Default: 0.75
        k: the additive constant. Default: 1

    Shape:
        Input and output: (N, C, *), of rank 3 or more.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalizes a tensor; see :func:`local_response_norm`."""
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)


def replace(model: nn.Module) -> int:
    """Makes every ``torch.nn.LocalResponseNorm`` of a model, itself included, a :class:`LocalResponseNorm`.

    The modules stay the same objects, with their names, hooks and parameters. Subclasses are left alone, as they may compute
    something else.

    Returns:
        How many there were.
    """
    modules = [module for module in model.modules() if type(module) is nn.LocalResponseNorm]
    for module in modules:
        module.__class__ = LocalResponseNorm
    return len(modules)
