"""The operators ``torch.ops.lrn_jit.forward``, ``backward``, ``jvp`` and ``double_backward``.

Each takes its tensors, then size, alpha, beta and k, and gives a new tensor that lies as ``torch.empty_like`` of its first. With
J the derivative of y = forward(x):

    jvp(x, v) = J·v        backward(x, g) = Jᵀ·g        double_backward(x, g, v) = d⟨v, Jᵀ·g⟩/dx = d⟨g, J·v⟩/dx

so the derivatives of the first three are among the four. They are registered with torch's dispatcher for the CPU and for Autograd,
as Python functions: less than half the time of ``torch.library.custom_op`` with ``register_autograd`` under autograd.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

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

_library = torch.library.Library("lrn_jit", "DEF")
_ops = torch.ops.lrn_jit
_below_autograd = torch._C._AutoDispatchBelowAutograd
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
    addresses = [tensor.data_ptr() for tensor in (*tensors, out)]
    strides = [tensor.stride() for tensor in (*tensors, out)]
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


class _Operator(Function):
    """An operator above autograd: keeps its arguments, and calls itself below."""

    task: Task

    @classmethod
    def call(cls, ctx: Any, *arguments: Any) -> Tensor:
        tensors, ctx.parameters = arguments[:-4], arguments[-4:]
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        with _below_autograd():
            return cast(Tensor, getattr(_ops, cls.task).default(*arguments))


class _Forward(_Operator):
    task = "forward"

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        return _Forward.call(ctx, *arguments)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (x,), (grad_y,) = ctx.saved_tensors, grads
        return _ops.backward(x, grad_y, *ctx.parameters), *_NONE

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        (x,) = ctx.saved_tensors
        return _ops.jvp(x, tangents[0], *ctx.parameters)


class _Backward(_Operator):
    task = "backward"

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        return _Backward.call(ctx, *arguments)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (x, grad_y), (v,), parameters = ctx.saved_tensors, grads, ctx.parameters
        grad_x = _ops.double_backward(x, grad_y, v, *parameters) if ctx.needs_input_grad[0] else None
        grad_grad_y = _ops.jvp(x, v, *parameters) if ctx.needs_input_grad[1] else None
        return grad_x, grad_grad_y, *_NONE

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        (x, grad_y), parameters = ctx.saved_tensors, ctx.parameters
        along_x, along_grad_y = tangents[:2]
        parts = []
        if along_x is not None:
            parts.append(_ops.double_backward(x, grad_y, along_x, *parameters))
        if along_grad_y is not None:
            parts.append(_ops.backward(x, along_grad_y, *parameters))
        return sum(parts[1:], parts[0])


class _Jvp(_Operator):
    task = "jvp"

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        return _Jvp.call(ctx, *arguments)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (x, v), (grad_y,), parameters = ctx.saved_tensors, grads, ctx.parameters
        grad_x = _ops.double_backward(x, grad_y, v, *parameters) if ctx.needs_input_grad[0] else None
        grad_v = _ops.backward(x, grad_y, *parameters) if ctx.needs_input_grad[1] else None
        return grad_x, grad_v, *_NONE


class _DoubleBackward(_Operator):
    task = "double_backward"

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        return _DoubleBackward.call(ctx, *arguments)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise NotImplementedError(
            "lrn_jit has no third derivatives: torch.nn.functional.local_response_norm has"
        )


def _batched(task: Task, info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Tensor, int]:
    """vmap: the mapped axis and the batch's become one."""
    batch: int = info.batch_size
    tensors = [
        tensor.expand(batch, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        for tensor, dim in zip(arguments[:-4], in_dims, strict=False)
    ]
    shape = tensors[0].shape
    flat = [tensor.flatten(0, 1) for tensor in tensors]
    result: Tensor = getattr(_ops, task).default(*flat, *arguments[-4:])
    return result.reshape(shape), 0


def _register(operator: type[_Operator]) -> None:
    task = operator.task
    qualified = f"lrn_jit::{task}"
    tensors = ", ".join(f"Tensor {name}" for name in _TENSORS[task])
    _library.define(
        f"{task}({tensors}, int size, float alpha, float beta, float k) -> Tensor", tags=(torch.Tag.pt2_compliant_tag,)
    )
    _library.impl(task, lambda *arguments: _compute(task, arguments[:-4], arguments[-4:]), "CPU")
    _library.impl(task, operator.apply, "Autograd")
    torch.library.register_fake(qualified, lambda x, *_: torch.empty_like(x), lib=_library)
    torch.library.register_vmap(
        qualified, lambda info, in_dims, *arguments: _batched(task, info, in_dims, *arguments), lib=_library
    )


for _operator in (_Forward, _Backward, _Jvp, _DoubleBackward):
    _register(_operator)
