"""What numpy arrays and parameters must not be: each error says what was wrong and what is allowed, and changes nothing."""

import numpy as np
import pytest

from lrn_jit import LocalResponseNorm, _native

LAYER = LocalResponseNorm(5)


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0,), {}, "size must be at least 1, got 0"),
        ((-3,), {}, "size must be at least 1, got -3"),
        ((2**63,), {}, "size must be at most"),
        ((5, float("nan")), {}, "alpha must be a finite number, got NaN"),
        ((5, 1.0, float("inf")), {}, "beta must be a finite number, got inf"),
        ((5,), {"convention": "mxnet"}, "convention must be one of torch, onnx, .* got \"mxnet\""),
        ((5,), {"boundary": "mirror"}, "boundary must be one of zero, wrap, got \"mirror\""),
        ((5,), {"within": 4}, "extends over 1, 2 or 3 axes, got 4"),
        ((5,), {"within": 0}, "within must be at least 1, got 0"),
        ((5,), {"axes": (1, 1)}, "axis 1 is named twice"),
        ((5,), {"axes": (1,), "within": 2}, "only one of them"),
        ((5,), {"threads": 0}, "threads must be at least 1, got 0"),
    ],
)
def test_parameters(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        LocalResponseNorm(*arguments, **options)


@pytest.mark.parametrize("arguments", [("5",), (5.0,), (5, "a"), (None,)])
def test_parameters_of_other_types(arguments):
    with pytest.raises(TypeError):
        LocalResponseNorm(*arguments)


@pytest.mark.parametrize("x", [[[1.0, 2.0]], 3.0, None, "ones", memoryview(b"12")])
def test_what_is_no_array(x):
    with pytest.raises(TypeError, match="x must be a numpy array, got "):
        LAYER(x)
    with pytest.raises(TypeError, match="out must be a numpy array, got "):
        LAYER(ones(1, 5), out=x if x is not None else [])
    with pytest.raises(TypeError, match="grad_y must be a numpy array, got "):
        LAYER.backward(ones(1, 5), x)


def test_masked_arrays():
    with pytest.raises(TypeError, match="masks are not heeded"):
        LAYER(np.ma.masked_array(ones(1, 5)))


@pytest.mark.parametrize("dtype", [np.int32, bool, np.complex64, np.longdouble, object, "U3", [("a", np.float32)]], ids=str)
def test_other_types(dtype):
    with pytest.raises(TypeError, match="there are float32, float64, float16 and bfloat16"):
        LAYER(np.zeros((1, 5), dtype))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_another_byte_order(dtype):
    other = np.ones((1, 5), np.dtype(dtype).newbyteorder())
    with pytest.raises(TypeError, match="byte order of another machine"):
        LAYER(other)
    with pytest.raises(TypeError, match="out must be of the input's type"):
        LAYER(np.ones((1, 5), dtype), out=other)


def test_other_types_and_shapes_of_the_other_operands():
    x = ones(2, 5, 3)
    with pytest.raises(TypeError, match="out must be of the input's type, float32, got float64"):
        LAYER(x, out=ones(2, 5, 3, dtype=np.float64))
    with pytest.raises(TypeError, match="v must be of the input's type, float32, got float16"):
        LAYER.jvp(x, ones(2, 5, 3, dtype=np.float16))
    with pytest.raises(ValueError, match=r"out must have the input's shape, \(2, 5, 3\), got \(2, 5, 1\)"):
        LAYER(x, out=ones(2, 5, 1))
    with pytest.raises(ValueError, match=r"grad_y must have the input's shape, \(2, 5, 3\), got \(5, 3\)"):
        LAYER.backward(x, ones(5, 3))


def test_shapes_without_the_axes():
    with pytest.raises(ValueError, match="rank 2 or more, got rank 1"):
        LAYER(ones(5))
    with pytest.raises(ValueError, match="rank 2 or more, got rank 0"):
        LAYER(np.array(1.0, np.float32))
    with pytest.raises(ValueError, match="channel axis 4 is out of range for rank 3: allowed are -3 to 2"):
        LocalResponseNorm(5, axis=4)(ones(2, 5, 3))
    fortran = np.asfortranarray(ones(2, 5, 3))
    with pytest.raises(ValueError, match="channel axis 4 is out of range for rank 3"):
        LocalResponseNorm(5, axis=4).backward(fortran, fortran)
    with pytest.raises(ValueError, match="twice"):
        LocalResponseNorm(5, axes=(1, -2)).backward(fortran, fortran)


def test_a_read_only_output():
    out = ones(1, 5)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out may not be written: it is read-only"):
        LAYER(ones(1, 5), out=out)
    assert (out == 1).all()
    assert LAYER(out).shape == (1, 5)


def test_overlapping_memory():
    buffer = np.arange(40, dtype=np.float32)
    before = buffer.copy()
    x, out = buffer[:30].reshape(2, 5, 3), buffer[5:35].reshape(2, 5, 3)
    with pytest.raises(ValueError, match="out overlaps x: it must be x itself, or lie elsewhere"):
        LAYER(x, out=out)
    with pytest.raises(ValueError, match="out overlaps x"):
        LAYER(x, out=np.flip(x))
    with pytest.raises(ValueError, match="out overlaps v"):
        LAYER.jvp(ones(2, 5, 3), x, out=out)
    assert (buffer == before).all()


def test_an_output_upon_itself():
    out = np.lib.stride_tricks.as_strided(ones(30), (2, 5, 3), (4, 4, 4))
    with pytest.raises(ValueError, match="output elements may lie upon one another"):
        LAYER(ones(2, 5, 3), out=out)


def test_what_is_not_aligned():
    packed = np.zeros((2, 5), [("flag", np.uint8), ("value", np.float32)])["value"]
    with pytest.raises(ValueError, match=r"x is not aligned to its elements of 4 bytes: pass x.copy\(\)"):
        LAYER(packed)
    between = np.zeros((2, 5), [("a", np.float64), ("b", np.float32)])["a"]
    with pytest.raises(ValueError, match="x is not aligned"):
        LAYER(between)
    assert LAYER(packed.copy()).shape == (2, 5)


def test_the_border_counts_its_operands():
    layer = _native.Layer("float32", 5)
    with pytest.raises(ValueError, match="Backward takes 3 addresses and as many strides"):
        layer.run("backward", (1, 5), [0, 0], [(5, 1), (5, 1)], 1)
    with pytest.raises(ValueError, match="each operand needs 2 strides"):
        layer.run("forward", (1, 5), [0, 0], [(1,), (5, 1)], 1)
    with pytest.raises(ValueError, match="no task is called"):
        layer.run("sideways", (1, 5), [], [], 1)
