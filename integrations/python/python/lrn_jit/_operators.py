"""The operators ``torch.ops.lrn_jit.forward``, ``backward``, ``jvp`` and ``double_backward``.

Each takes its tensors, then size, alpha, beta and k, and gives a new tensor that lies as ``torch.empty_like`` of its first. With
J the derivative of y = forward(x):

    jvp(x, v) = J·v        backward(x, g) = Jᵀ·g        double_backward(x, g, v) = d⟨v, Jᵀ·g⟩/dx = d⟨g, J·v⟩/dx

so the derivatives of the first three are among the four. They are registered with torch's dispatcher for the CPU and for Autograd,
as Python functions, which is quicker than ``torch.library.custom_op`` with ``register_autograd``.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import local_response_norm

from ._names import Task
from ._native import Layer

__all__ = ["DTYPES"]

DTYPES = {
    torch.float32: "float32",
    torch.float64: "float64",
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
}

_TENSORS: dict[Task, tuple[str, ...]] = {
    "forward": ("x",),
    "backward": ("x", "grad_y"),
    "jvp": ("x", "v"),
    "double_backward": ("x", "grad_y", "v"),
}

_library: Any = torch.library.Library("lrn_jit", "DEF")  # type: ignore[no-untyped-call]
for _task, _names in _TENSORS.items():
    _schema = f"{', '.join(f'Tensor {name}' for name in _names)}, int size, float alpha, float beta, float k"
    _library.define(f"{_task}({_schema}) -> Tensor", tags=(torch.Tag.pt2_compliant_tag,))

_forward, _backward, _jvp, _double_backward = (getattr(torch.ops.lrn_jit, task).default for task in _TENSORS)

# Gradients with respect to size, alpha, beta and k.
_NONE = (None, None, None, None)


@lru_cache(maxsize=256)
def _layer(dtype: torch.dtype, size: int, alpha: float, beta: float, k: float) -> Layer:
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    return Layer(DTYPES[dtype], size, alpha, beta, k)


def _compute(task: Task, tensors: Sequence[Tensor], parameters: tuple[Any, ...]) -> Tensor:
    """A task on the CPU."""
    x = tensors[0]
    for name, tensor in zip(_TENSORS[task], tensors, strict=True):
        _check(task, name, tensor, x)
    out = torch.empty_like(x)
    operands = (*tensors, out)
    addresses, strides = [tensor.data_ptr() for tensor in operands], [tensor.stride() for tensor in operands]
    _layer(x.dtype, *parameters).run(task, x.shape, addresses, strides, torch.get_num_threads())
    return out


def _check(task: Task, name: str, tensor: Tensor, x: Tensor) -> None:
    if tensor.dtype not in DTYPES:
        raise TypeError(f"lrn_jit::{task}: {name} is of {tensor.dtype}; there are {', '.join(DTYPES.values())}")
    if not tensor.is_cpu or tensor.layout is not torch.strided:
        raise ValueError(f"lrn_jit::{task}: {name} must be a dense CPU tensor, got {tensor.layout} on {tensor.device}")
    if tensor.dtype != x.dtype or tensor.shape != x.shape:
        expected, found = f"{x.dtype} of {tuple(x.shape)}", f"{tensor.dtype} of {tuple(tensor.shape)}"
        raise ValueError(f"lrn_jit::{task}: {name} must be as x is, {expected}, got {found}")


def _below_autograd(ctx: Any, operator: Any, arguments: tuple[Any, ...]) -> Tensor:
    """Keeps the arguments of an operator for its derivatives, and calls it below autograd."""
    tensors, ctx.parameters = arguments[:-4], arguments[-4:]
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)
    with torch._C._AutoDispatchBelowAutograd():
        return cast(Tensor, operator(*arguments))


class _Forward(Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        return _below_autograd(ctx, _forward, arguments)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (x,), (grad_y,) = ctx.saved_tensors, grads
        return _backward(x, grad_y, *ctx.parameters), *_NONE

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        (x,), v = ctx.saved_tensors, tangents[0]
        return _jvp(x, v, *ctx.parameters)


class _Backward(Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        return _below_autograd(ctx, _backward, arguments)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (x, grad_y), (v,), parameters = ctx.saved_tensors, grads, ctx.parameters
        grad_x = _double_backward(x, grad_y, v, *parameters) if ctx.needs_input_grad[0] else None
        grad_grad_y = _jvp(x, v, *parameters) if ctx.needs_input_grad[1] else None
        return grad_x, grad_grad_y, *_NONE

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        (x, grad_y), parameters = ctx.saved_tensors, ctx.parameters
        along_x, along_grad_y = tangents[:2]
        parts = []
        if along_x is not None:
            parts.append(_double_backward(x, grad_y, along_x, *parameters))
        if along_grad_y is not None:
            parts.append(_backward(x, along_grad_y, *parameters))
        return sum(parts[1:], parts[0])


class _Jvp(Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        return _below_autograd(ctx, _jvp, arguments)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (x, v), (grad_y,), parameters = ctx.saved_tensors, grads, ctx.parameters
        grad_x = _double_backward(x, grad_y, v, *parameters) if ctx.needs_input_grad[0] else None
        grad_v = _backward(x, grad_y, *parameters) if ctx.needs_input_grad[1] else None
        return grad_x, grad_v, *_NONE


class _DoubleBackward(Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        return _below_autograd(ctx, _double_backward, arguments)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise NotImplementedError("lrn_jit has no third derivatives: torch.nn.functional.local_response_norm has")


def _forward_autograd(*arguments: Any) -> Any:
    # torch.func's transforms take no Function below the dispatcher: they differentiate torch's own operators.
    if torch._C._are_functorch_transforms_active():
        return local_response_norm(*arguments)
    return _Forward.apply(*arguments)


def _batched(task: Task, info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Tensor, int]:
    """vmap: the mapped axis and the batch's become one."""
    batch: int = info.batch_size
    tensors = [
        tensor.expand(batch, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        for tensor, dim in zip(arguments[:-4], in_dims, strict=False)
    ]
    shape = tensors[0].shape
    flat = [tensor.flatten(0, 1) for tensor in tensors]
    result: Tensor = getattr(torch.ops.lrn_jit, task).default(*flat, *arguments[-4:])
    return result.reshape(shape), 0


def _register(task: Task, autograd: Callable[..., Any]) -> None:
    name = f"lrn_jit::{task}"
    _library.impl(task, lambda *arguments: _compute(task, arguments[:-4], arguments[-4:]), "CPU")
    _library.impl(task, autograd, "Autograd")
    torch.library.register_fake(name, lambda x, *_: torch.empty_like(x), lib=_library)
    torch.library.register_vmap(
        name, lambda info, in_dims, *arguments: _batched(task, info, in_dims, *arguments), lib=_library
    )


_register("forward", _forward_autograd)
_register("backward", _Backward.apply)
_register("jvp", _Jvp.apply)
_register("double_backward", _DoubleBackward.apply)
