"""What a right answer is."""

import numpy as np


def worst(given, expected):
    """The largest relative error of a file of floats."""
    given, expected = (np.fromfile(file, np.float32).astype(np.float64) for file in (given, expected))
    if given.shape != expected.shape or not np.isfinite(given).all():
        return float("inf")
    return float(np.max(np.abs(given - expected) / np.abs(expected)))


def formula(case, source, expected):
    """The largest relative error of the reference itself, from the formula in NumPy's f64: it shares no line with lrn-jit.

    Of a batch, only the first and the last image.
    """
    batch, channels, height, width = case.shape
    last = case.layout == "nhwc"
    shape = (batch, height * width, channels) if last else (batch, channels, height * width)
    images = [0] if batch == 1 else [0, batch - 1]
    x, y = (np.memmap(file, np.float32, "r", shape=shape)[images].astype(np.float64) for file in (source, expected))
    if last:
        x, y = x.transpose(0, 2, 1), y.transpose(0, 2, 1)
    sums = x * x
    if case.region == "within":
        sums = sums.reshape(len(images), channels, height, width)
        sums = window_sums(window_sums(sums, 2, case.size), 3, case.size).reshape(x.shape)
    else:
        sums = window_sums(sums, 1, case.size)
    right = x / (case.k + case.alpha / case.taps * sums) ** case.beta
    return float(np.max(np.abs(y - right) / np.abs(right)))


def window_sums(values, axis, size):
    """Sums over windows along an axis."""
    values = np.moveaxis(values, axis, 0)
    sums = np.zeros_like(values)
    for at in range(len(values)):
        first, end = max(0, at - size // 2), min(len(values), at + size // 2 + 1)
        sums[at] = values[first:end].sum(axis=0)
    return np.moveaxis(sums, 0, axis)
