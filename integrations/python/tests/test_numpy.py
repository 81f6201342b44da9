"""numpy arrays: values of every type, parameter and layout, in and out."""

import pickle

import ml_dtypes
import numpy as np
import pytest
from judge import WINDOWS, reference, ulps

from lrn_jit import LocalResponseNorm

BF16 = np.dtype(ml_dtypes.bfloat16)
# In ulp of the type: results that are rounded once, and what float32 and float64 add up on the way there.
BOUNDS = {np.dtype(np.float32): 6, np.dtype(np.float64): 6, np.dtype(np.float16): 0.51, BF16: 0.51}
PARAMETERS = {"alpha": 2.0, "beta": 0.75, "k": 0.5}


def draw(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def layouts(x):
    """The same array, lying otherwise."""
    wide = np.full([2 * extent + 1 for extent in x.shape], 7, x.dtype)
    gaps = wide[tuple(slice(1, None, 2) for _ in x.shape)]
    gaps[...] = x
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    return {
        "C": x.copy(),
        "Fortran": np.asfortranarray(x),
        "channels last": np.moveaxis(last, -1, 1),
        "gaps": gaps,
        "flipped": np.ascontiguousarray(np.flip(x)).reshape(x.shape)[(slice(None, None, -1),) * x.ndim],
        "transposed": np.ascontiguousarray(x.T).T,
    }


@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9, 40])
def test_values_of_every_type(dtype, size):
    x = draw((3, 11, 4, 5), dtype)
    y = LocalResponseNorm(size, **PARAMETERS)(x)
    assert y.dtype == dtype
    assert ulps(y, reference(x, size, 2.0, 0.75, 0.5)) <= BOUNDS[dtype]


@pytest.mark.parametrize("convention", WINDOWS)
@pytest.mark.parametrize("size", [4, 5])
def test_conventions_and_their_defaults(convention, size):
    x = draw((2, 9, 6), np.float64)
    if size == 4 and convention in ("tensorflow", "caffe"):
        with pytest.raises(ValueError, match="odd sizes only, got 4"):
            LocalResponseNorm(size, convention=convention)
        return
    layer = LocalResponseNorm(size, convention=convention)
    expected = reference(x, size, layer.alpha, layer.beta, layer.k, convention=convention)
    assert ulps(layer(x), expected) <= 6
    assert LocalResponseNorm(size, 3.0, 0.5, 2.0, convention=convention).alpha == 3.0


@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (2, 6, 3), (2, 1, 3), (2, 3, 4, 5, 2), (0, 5, 2), (2, 0, 3), (2, 5, 0)])
def test_ranks_and_empty_arrays(shape):
    x = draw(shape)
    y = LocalResponseNorm(5, **PARAMETERS)(x)
    assert y.shape == shape
    assert ulps(y, reference(x, 5, 2.0, 0.75, 0.5)) <= 6


@pytest.mark.parametrize(
    ("options", "axes"),
    [({"axis": -1}, (3,)), ({"axis": 0}, (0,)), ({"within": 2}, (2, 3)), ({"axes": (1, -1)}, (1, 3)), ({"axes": ()}, ())],
    ids=str,
)
@pytest.mark.parametrize("boundary", ["zero", "wrap"])
def test_windows_over_other_axes(options, axes, boundary):
    x = draw((4, 6, 5, 7))
    size = 3 if axes else 1
    for y in (LocalResponseNorm(size, **PARAMETERS, **options, boundary=boundary)(z) for z in layouts(x).values()):
        assert ulps(y, reference(x, size, 2.0, 0.75, 0.5, axes=axes, wrap=boundary == "wrap")) <= 6


@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
def test_any_layout_in_and_out_gives_the_same_bits_and_touches_nothing_else(dtype):
    x = draw((3, 10, 5, 6), dtype)
    layer = LocalResponseNorm(4, **PARAMETERS)
    expected = layer(x).tobytes()
    for name, given in layouts(x).items():
        assert layer(given).tobytes() == expected, name
        for other, out in layouts(np.zeros_like(x)).items():
            root = out if out.base is None else out.base
            assert layer(given, out) is out
            assert out.tobytes() == expected, (name, other)
            if other == "gaps":
                assert (root == 7).sum() == root.size - x.size
        assert given.tobytes() == x.tobytes(), name


def test_new_results_lie_as_their_inputs():
    x = draw((3, 10, 5, 6))
    layer = LocalResponseNorm(5)
    for name in ("C", "Fortran", "channels last", "transposed"):
        given = layouts(x)[name]
        assert layer(given).strides == given.strides, name
        assert layer.backward(given, given).strides == given.strides, name


def test_broadcast_inputs():
    x = np.broadcast_to(draw((1, 8, 1, 4)), (3, 8, 5, 4))
    layer = LocalResponseNorm(3, **PARAMETERS)
    assert layer(x).tobytes() == layer(x.copy()).tobytes()
    ones = np.broadcast_to(np.float32(1), x.shape)
    assert layer.backward(x, ones).tobytes() == layer.backward(x.copy(), ones.copy()).tobytes()


@pytest.mark.parametrize("name", layouts(np.zeros((2, 3, 4), np.float32)))
def test_in_place(name):
    x = draw((3, 10, 5, 6))
    layer = LocalResponseNorm(4, **PARAMETERS)
    given = layouts(x)[name]
    assert layer(given, out=given) is given
    assert given.tobytes() == layer(x).tobytes()
    given, grad_y = layouts(x)[name], draw(x.shape, seed=1)
    expected = layer.backward(x, grad_y).tobytes()
    assert layer.backward(given, grad_y, out=given).tobytes() == expected
    assert given.tobytes() == expected


def test_interleaved_arrays_are_apart():
    both = draw((4, 12, 3, 5))
    x, out = both[:, :6], both[:, 6:]
    expected = LocalResponseNorm(3, **PARAMETERS)(x.copy())
    LocalResponseNorm(3, **PARAMETERS)(x, out)
    assert out.tobytes() == expected.tobytes()


def difference(function, x, along, step=1e-5):
    """The derivative of a function of x along a tangent, by a central difference of sixth order."""
    at = [function(x + i * step * along) for i in (-3, -2, -1, 1, 2, 3)]
    return sum(w * y for w, y in zip((-1, 9, -45, 45, -9, 1), at, strict=True)) / (60 * step)


@pytest.mark.parametrize("options", [{}, {"axis": -1}, {"within": 2}, {"relu": True}], ids=str)
def test_derivatives_against_differences(options):
    x, g, v = (draw((2, 6, 4, 5), np.float64, seed) for seed in range(3))
    layer = LocalResponseNorm(3 if "within" in options else 4, **PARAMETERS, **options)
    tangent = difference(layer, x, v)
    assert np.abs(layer.jvp(x, v) - tangent).max() < 1e-9
    assert abs(np.vdot(layer.backward(x, g), v) - np.vdot(g, tangent)) < 1e-9
    again = difference(lambda x: layer.backward(x, g), x, v)
    assert np.abs(layer.double_backward(x, g, v) - again).max() < 1e-9


def test_derivatives_of_any_layout():
    x, g, v = (draw((3, 10, 5, 6), np.float32, seed) for seed in range(3))
    layer = LocalResponseNorm(4, **PARAMETERS)
    expected = [layer.backward(x, g), layer.jvp(x, v), layer.double_backward(x, g, v)]
    for name in layouts(x):
        xs, gs, vs = (layouts(operand)[name] for operand in (x, g, v))
        found = [layer.backward(xs, gs), layer.jvp(xs, vs), layer.double_backward(xs, gs, vs)]
        assert [y.tobytes() for y in found] == [y.tobytes() for y in expected], name
        out = layouts(np.zeros_like(x))[name]
        assert layer.backward(x, gs, out=out).tobytes() == expected[0].tobytes(), name


def test_relu_is_fused():
    x = draw((2, 8, 5))
    assert np.array_equal(LocalResponseNorm(5, relu=True)(x), LocalResponseNorm(5)(np.maximum(x, 0)))


def test_a_layer_is_pickled_by_its_parameters():
    for options in ({}, {"within": 2, "boundary": "wrap", "relu": True, "threads": 2}, {"axis": -1, "dtype": np.float64}):
        layer = LocalResponseNorm(3, 2.0, k=1.5, **options)
        again = pickle.loads(pickle.dumps(layer))
        x = draw((2, 8, 5, 6))
        assert repr(again) == repr(layer) == "LocalResponseNorm(3, alpha=2.0, beta=0.75, k=1.5)"
        assert again.threads == layer.threads
        assert again(x).tobytes() == layer(x).tobytes()


def test_a_result_outlives_everything():
    x = draw((2, 8, 50, 60))
    y = LocalResponseNorm(5, **PARAMETERS)(x)
    expected = reference(x, 5, 2.0, 0.75, 0.5)
    del x
    assert ulps(y, expected) <= 6


def test_a_layer_says_what_runs():
    layer = LocalResponseNorm(5)
    assert layer.backend.startswith(("jit:", "interpreter:"))
    assert "window" in layer.plan
