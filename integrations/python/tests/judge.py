"""What the tests judge by: the formula in float64, written without the library, and distances in ulp."""

import itertools

import numpy as np

# Whose window an even size is: taps before and after of size n, and what alpha is divided by.
WINDOWS = {
    "torch": lambda n: (n // 2, (n - 1) // 2, n),
    "onnx": lambda n: ((n - 1) // 2, n // 2, n),
    "tensorflow": lambda n: (n // 2, n // 2, 1),
    "caffe": lambda n: (n // 2, n // 2, n),
    "cudnn": lambda n: ((n - 1) // 2, n // 2, n),
    "onednn": lambda n: ((n - 1) // 2, (n - 1) // 2, n),
    "symmetric": lambda n: (n // 2, n // 2, n),
}


def base(x, size, alpha, k, axes=(1,), convention="torch", wrap=False):
    """d = k + alpha/divisor · Σ x² over the window, in float64."""
    before, after, divisor = WINDOWS[convention](size)
    square = np.asarray(x, np.float64) ** 2
    total = np.zeros_like(square)
    for shift in itertools.product(range(-before, after + 1), repeat=len(axes)):
        part = square
        for axis, taps in zip(axes, shift, strict=True):
            part = np.roll(part, -taps, axis)
            if not wrap:
                index = np.arange(x.shape[axis]) + taps
                inside = (index >= 0) & (index < x.shape[axis])
                part = part * np.expand_dims(inside, tuple(range(part.ndim))[:axis] + tuple(range(axis + 1, part.ndim)))
        total += part
    return k + alpha / divisor ** len(axes) * total


def reference(x, size, alpha, beta, k, **options):
    """LRN in float64."""
    return np.asarray(x, np.float64) * base(x, size, alpha, k, **options) ** -beta


# Bits of the significand.
PRECISION = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}


def ulps(found, expected):
    """The greatest distance of numbers from what they should be, in units of the last place of what they should be."""
    found, name = np.asarray(found), np.asarray(found).dtype.name
    expected = np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    assert np.isfinite(expected).all() and np.isfinite(found.astype(np.float64)).all()
    least = {"float16": -14, "float64": -1022}.get(name, -126)
    exponent = np.where(expected == 0, least, np.maximum(np.frexp(expected)[1] - 1, least))
    unit = np.ldexp(1.0, exponent - PRECISION[name] + 1)
    return float(np.max(np.abs(found.astype(np.float64) - expected) / unit, initial=0.0))
