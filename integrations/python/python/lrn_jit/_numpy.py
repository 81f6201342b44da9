"""LocalResponseNorm for numpy arrays of any layout: what an operand may be is checked here, and nothing is copied.

The native half believes every address, so all that makes one valid is settled before: an ndarray, of a type there is a layer for,
in native byte order, aligned, of the input's shape; an output that may be written and shares no memory with an input, unless it is
that input.
"""

from collections.abc import Sequence
from operator import index
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._names import Boundary, Convention, Task
from ._native import Layer

__all__ = ["LocalResponseNorm"]

_Element = TypeVar("_Element", bound=np.generic)
_Array = NDArray[_Element]

# Candidates that numpy may try before it says whether two arrays share memory: then they are said to.
_WORK = 1 << 16


class LocalResponseNorm:
    """LRN of arrays, compiled for its parameters.

    Args:
        size: taps of the window (in each of its axes); 1 or more.
        alpha, beta, k: finite numbers; by default those of the convention (``"torch"``: 1e-4, 0.75, 1).
        convention: whose rules and defaults hold: ``"torch"``, ``"onnx"``, ``"tensorflow"``, ``"caffe"``, ``"cudnn"``, ``"onednn"``
            or ``"symmetric"``. They differ in the window of even sizes, in what alpha is divided by, and in the defaults.
        axis: the axis of the channels, negative from the end; default 1. Windows extend along it.
        within: windows within a channel instead, over the last 1, 2 or 3 axes.
        axes: windows over these axes instead, negative from the end; none makes each element its own window. One of ``axis``,
            ``within`` and ``axes`` at most.
        boundary: what taps beyond the edges read: ``"zero"``, or ``"wrap"`` around.
        relu: normalizes max(x, 0), in the same pass; derivatives include it.
        threads: the most threads a call may use; default 1. Small arrays are worked on by the calling thread alone.
        dtype: the element type that is compiled for at once; default float32. Others are when they are first met.

    Raises:
        ValueError: parameters that make no sense; the message says what is allowed.
        TypeError: a dtype other than float32, float64, float16 and bfloat16 (of the package ml_dtypes).

    A layer is free to share between threads, and the GIL is released while one computes.

    >>> import numpy as np
    >>> from lrn_jit import LocalResponseNorm
    >>> lrn = LocalResponseNorm(5, alpha=1.0)
    >>> lrn
    LocalResponseNorm(5, alpha=1.0, beta=0.75, k=1.0)
    >>> lrn(np.ones((1, 3, 2), np.float32))[0, :, 0]
    array([0.70292664, 0.70292664, 0.70292664], dtype=float32)
    """

    def __init__(
        self,
        size: int,
        alpha: float | None = None,
        beta: float | None = None,
        k: float | None = None,
        *,
        convention: Convention = "torch",
        axis: int | None = None,
        within: int | None = None,
        axes: Sequence[int] | None = None,
        boundary: Boundary = "zero",
        relu: bool = False,
        threads: int = 1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if sum(option is not None for option in (axis, within, axes)) > 1:
            raise ValueError("windows extend over one of axis, within and axes: only one of them may be given")
        self._parameters: dict[str, Any] = {
            "size": _count("size", size),
            "alpha": alpha,
            "beta": beta,
            "k": k,
            "convention": convention,
            "axis": 1 if axis is None else index(axis),
            "within": None if within is None else _count("within", within),
            "axes": None if axes is None else [index(axis) for axis in axes],
            "boundary": boundary,
            "relu": bool(relu),
        }
        self._threads = _count("threads", threads)
        self._layers: dict[np.dtype[Any], Layer] = {}
        self._first = self._layer("dtype", np.dtype(dtype))

    @property
    def size(self) -> int:
        """Taps of the window along each of its axes."""
        return self._first.size

    @property
    def alpha(self) -> float:
        """The weight of the squares, before it is divided."""
        return self._first.alpha

    @property
    def beta(self) -> float:
        """The exponent."""
        return self._first.beta

    @property
    def k(self) -> float:
        """The additive constant."""
        return self._first.k

    @property
    def threads(self) -> int:
        """The most threads a call may use."""
        return self._threads

    @property
    def backend(self) -> str:
        """What computes (compiled code, or the interpreter), and why."""
        return self._first.backend

    @property
    def plan(self) -> str:
        """What was decided before code was made, with its error in ulp."""
        return self._first.plan

    def __repr__(self) -> str:
        """As torch's."""
        return f"LocalResponseNorm({self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its parameters, and compiled anew."""
        dtype = next(iter(self._layers))
        return _made, ({**self._parameters, "threads": self._threads, "dtype": dtype},)

    def __call__(self, x: _Array[_Element], out: _Array[_Element] | None = None) -> _Array[_Element]:
        """See :meth:`forward`."""
        return self.forward(x, out)

    def forward(self, x: _Array[_Element], out: _Array[_Element] | None = None) -> _Array[_Element]:
        """Normalizes an array.

        Args:
            x: an array of any layout (strided, in Fortran order, flipped, broadcast), of native byte order.
            out: where the result goes: an array of x's shape and type, of any layout; ``x`` itself to work in place. By default a
                new one, whose axes lie in memory in the order of x's.

        Returns:
            ``out``, or the new array. Its bits do not depend on either layout, nor on the threads.

        Raises:
            TypeError: what is no array, or of a type that there is no layer for; ``out`` of another type than ``x``.
            ValueError: a shape without the axes of the windows; another shape, memory that may not be written or that overlaps
                the input's in ``out``; an array that is not aligned.
        """
        return self._run("forward", {"x": x}, out)

    def backward(
        self, x: _Array[_Element], grad_y: _Array[_Element], out: _Array[_Element] | None = None
    ) -> _Array[_Element]:
        """The gradient with respect to ``x`` (the vector-Jacobian product), given that with respect to the output at ``x``.

        Nothing has to be kept from the forward pass. Of arrays that lie alike, without gaps and not flipped, nothing is copied
        (here and below); others are, to the order of ``out``.

        Args:
            x: as in :meth:`forward`.
            grad_y: of x's shape and type.
            out: as in :meth:`forward`; it may be ``x`` or ``grad_y``.

        Raises:
            TypeError, ValueError: as :meth:`forward`.
        """
        return self._run("backward", {"x": x, "grad_y": grad_y}, out)

    def jvp(self, x: _Array[_Element], v: _Array[_Element], out: _Array[_Element] | None = None) -> _Array[_Element]:
        """How the output changes as ``x`` goes along ``v`` (the Jacobian-vector product).

        Args:
            x: as in :meth:`forward`.
            v: the tangent, of x's shape and type.
            out: as in :meth:`forward`; it may be ``x`` or ``v``.

        Raises:
            TypeError, ValueError: as :meth:`forward`.
        """
        return self._run("jvp", {"x": x, "v": v}, out)

    def double_backward(
        self, x: _Array[_Element], grad_y: _Array[_Element], v: _Array[_Element], out: _Array[_Element] | None = None
    ) -> _Array[_Element]:
        """The gradient of ⟨v, backward(x, grad_y)⟩ with respect to ``x``. (With respect to ``grad_y`` it is ``jvp(x, v)``.)

        Args:
            x: as in :meth:`forward`.
            grad_y, v: of x's shape and type.
            out: as in :meth:`forward`; it may be one of the inputs.

        Raises:
            TypeError, ValueError: as :meth:`forward`.
        """
        return self._run("double_backward", {"x": x, "grad_y": grad_y, "v": v}, out)

    def _run(
        self, task: Task, inputs: dict[str, _Array[_Element]], out: _Array[_Element] | None
    ) -> _Array[_Element]:
        x = inputs["x"]
        _check_array("x", x)
        layer = self._layers.get(x.dtype) or self._layer("x", x.dtype)
        operands = dict(inputs)
        if out is None:
            operands["out"] = result = np.empty_like(x, subok=False)
        else:
            operands["out"] = result = out
        for name, operand in operands.items():
            _check_operand(name, operand, x)
        if out is not None:
            _check_output(out, inputs)
        size = x.itemsize
        addresses = [operand.ctypes.data for operand in operands.values()]
        strides = [[stride // size for stride in operand.strides] for operand in operands.values()]
        layer.run(task, x.shape, addresses, strides, self._threads)
        return result

    def _layer(self, name: str, dtype: np.dtype[Any]) -> Layer:
        """The layer for a type, compiled now if it is new."""
        if not dtype.isnative:
            raise TypeError(
                f"{name} has the byte order of another machine ({dtype.str}): "
                f"convert it, as in x.astype(x.dtype.newbyteorder('='))"
            )
        if dtype not in self._layers:
            self._layers[dtype] = Layer(dtype.name, **self._parameters)
        return self._layers[dtype]


def _made(parameters: dict[str, Any]) -> LocalResponseNorm:
    if parameters["within"] is not None or parameters["axes"] is not None:
        parameters = {**parameters, "axis": None}
    return LocalResponseNorm(**parameters)


def _count(name: str, value: int) -> int:
    """A number of things, which is at least 1."""
    value = index(value)
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return value


def _check_array(name: str, operand: object) -> None:
    if not isinstance(operand, np.ndarray):
        raise TypeError(f"{name} must be a numpy array, got {type(operand).__name__}")
    if isinstance(operand, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, and masks are not heeded: pass {name}.filled(0)")


def _check_operand(name: str, operand: _Array[Any], x: _Array[Any]) -> None:
    _check_array(name, operand)
    if operand.dtype != x.dtype:
        raise TypeError(f"{name} must be of the input's type, {x.dtype}, got {operand.dtype}")
    if operand.shape != x.shape:
        raise ValueError(f"{name} must have the input's shape, {x.shape}, got {operand.shape}")
    if not operand.flags.aligned or any(stride % x.itemsize for stride in operand.strides):
        raise ValueError(f"{name} is not aligned to its elements of {x.itemsize} bytes: pass {name}.copy()")


def _check_output(out: _Array[Any], inputs: dict[str, _Array[Any]]) -> None:
    if not out.flags.writeable:
        raise ValueError("out may not be written: it is read-only")
    for name, operand in inputs.items():
        same = out.ctypes.data == operand.ctypes.data and out.strides == operand.strides
        if not same and _share_memory(out, operand):
            raise ValueError(f"out overlaps {name}: it must be {name} itself, or lie elsewhere")


def _share_memory(a: _Array[Any], b: _Array[Any]) -> bool:
    try:
        # numpy's own types know only of its two named limits.
        return np.shares_memory(a, b, max_work=_WORK)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True
