"""Values: beside the formula in float64, and beside the runtime's own LRN where it has one."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from models import formula, lrn_model, model_of, random, run, session, worst_ulp
from onnx import TensorProto, helper

# Strong enough to be far from the identity, and no two alike.
STRONG = {"alpha": 2.5, "beta": 0.75, "bias": 0.5}
# In units of the last place: the power's 2.5 and the sum's; halves are rounded once, but for what float32 was off.
BOUNDS = {"float32": 4, "float64": 4, "float16": 0.51, "bfloat16": 0.51}
DTYPES = list(BOUNDS)


def check(dtype, shape, size, opset=21, domain="", threads=1, **attributes):
    x = random(shape, dtype)
    y = run(lrn_model(shape, dtype, opset, domain, size=size, **attributes), x, threads=threads)
    off = worst_ulp(dtype, y, formula(x, size, **attributes))
    assert off <= BOUNDS[dtype], f"{off} ulp"


@pytest.mark.parametrize("domain", ["", "lrn_jit"])
@pytest.mark.parametrize("opset", [9, 13, 21])
@pytest.mark.parametrize("dtype", DTYPES)
def test_types_opsets_domains(dtype, opset, domain):
    if dtype == "bfloat16" and opset < 13:
        return  # ONNX has no Cast to it.
    check(dtype, (2, 7, 5, 3), 5, opset, domain, **STRONG)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 8, 15, 16, 17, 40, 1001])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sizes(dtype, size):
    check(dtype, (2, 19, 4, 5), size, **STRONG)


@pytest.mark.parametrize(
    "shape", [(3, 11), (2, 9, 5), (2, 9, 4, 3), (2, 9, 4, 3, 2), (1, 2, 3, 2, 3, 2, 2), (2, 1, 5, 5), (1, 3, 64, 64)]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_ranks(dtype, shape):
    check(dtype, shape, 4, **STRONG)


@pytest.mark.parametrize("shape", [(0, 4, 3, 3), (2, 0, 3, 3), (2, 4, 0, 3), (0, 0)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_tensors(dtype, shape):
    x = random(shape, dtype)
    assert run(lrn_model(shape, dtype, size=5), x).shape == shape


@pytest.mark.parametrize("beta", [0.25, 0.5, 0.6, 1.0, 1.5, 2.0])
def test_betas(beta):
    # Other powers have other bounds: docs/NUMERICS.md.
    x = random((2, 9, 6, 6))
    y = run(lrn_model(x.shape, size=3, alpha=2.0, beta=beta, bias=1.5), x)
    np.testing.assert_allclose(y, formula(x, 3, 2.0, beta, 1.5), rtol=1e-6)


@pytest.mark.parametrize("given", [names for count in range(4) for names in itertools.combinations(STRONG, count)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_defaults(dtype, given):
    """What a node does not say is ONNX's: a wrong default of alpha is seen, as inputs are large."""
    attributes = {name: STRONG[name] for name in given}
    x = random((2, 9, 6, 6), dtype, scale=200.0)
    y = run(lrn_model(x.shape, dtype, size=5, **attributes), x)
    assert worst_ulp(dtype, y, formula(x, 5, **attributes)) <= BOUNDS[dtype]


@pytest.mark.parametrize("shape", [(1, 96, 27, 27), (2, 64, 56, 56), (1, 1024, 20, 20)])
@pytest.mark.parametrize("attributes", [{}, {"alpha": 5e-4, "bias": 2.0}])
def test_beside_the_runtimes_own(shape, attributes):
    """The layers of networks."""
    x = random(shape)
    model = lrn_model(shape, size=5, **attributes)
    own, ours = run(model, x, ours=False), run(model, x)
    np.testing.assert_allclose(ours, own, rtol=1e-6)
    assert np.any(own != ours), "the runtime's own LRN ran"


@pytest.mark.parametrize("channels", [64, 256, 1024])
def test_nearer_to_the_formula_than_the_runtimes_own(channels):
    """Its sums run over the channels, and gather errors: where the squares weigh much they are seen."""
    x = random((1, channels, 20, 20))
    model = lrn_model(x.shape, size=5, alpha=2.0)
    own, ours = (worst_ulp("float32", run(model, x, ours), formula(x, 5, 2.0)) for ours in (False, True))
    print(f"{channels} channels: {own:.0f} ulp, the runtime's own; {ours:.1f} ulp, ours")
    assert ours <= BOUNDS["float32"] < own


def test_large_values_do_not_ruin_what_follows():
    """Running sums over the channels, as the runtime's own has them, give infinities here."""
    x = np.full((1, 64, 1, 1), 1e-3, np.float32)
    x[0, 0] = 1e4
    attributes = {"alpha": 1.0, "bias": 1e-6}
    y = run(lrn_model(x.shape, size=3, **attributes), x)
    assert worst_ulp("float32", y, formula(x, 3, **attributes)) <= 8
    x[0, 0] = np.nan
    assert np.isnan(run(lrn_model(x.shape, size=3, **attributes), x)).sum() == 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_change_no_bit(dtype):
    shape = (3, 64, 57, 59)
    x = random(shape, dtype)
    model = lrn_model(shape, dtype, size=5, **STRONG)
    serial = run(model, x)
    for threads in (2, 3, 8):
        np.testing.assert_array_equal(serial, run(model, x, threads=threads))
    assert worst_ulp(dtype, serial, formula(x, 5, **STRONG)) <= BOUNDS[dtype]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_session_shared_by_threads(threads):
    shape = (2, 64, 56, 56)
    inputs = [random(shape, seed=seed) for seed in range(8)]
    shared = session(lrn_model(shape, size=5, **STRONG), threads=threads)
    compute = lambda x: shared.run(None, {"x": x})[0]
    expected = [compute(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for y, serial in zip(pool.map(compute, inputs * 5), expected * 5):
            np.testing.assert_array_equal(y, serial)


def test_any_shape_in_one_session():
    """One kernel is compiled for all shapes of a symbolic one."""
    dynamic = session(lrn_model(["n", "c", "h", "w"], size=5, **STRONG))
    for shape in [(1, 3, 2, 2), (4, 17, 9, 1), (1, 1, 1, 1), (2, 96, 27, 27)]:
        x = random(shape)
        assert worst_ulp("float32", dynamic.run(None, {"x": x})[0], formula(x, 5, **STRONG)) <= BOUNDS["float32"]


def test_two_layers_do_not_mix():
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, (2, 9, 6, 6))
    first = helper.make_node("LRN", ["x"], ["m"], size=3, alpha=1.0)
    second = helper.make_node("LRN", ["m"], ["y"], size=4, alpha=2.0, beta=0.5, bias=3.0, domain="lrn_jit")
    x = random((2, 9, 6, 6))
    y = run(model_of([first, second], [value("x")], [value("y")]), x)
    middle = formula(x, 3, 1.0)
    np.testing.assert_allclose(y, formula(middle, 4, 2.0, 0.5, 3.0), rtol=1e-6)


def test_the_judge_can_fail():
    """A mirrored window, the identity and another divisor are all far off."""
    x = random((2, 9, 6, 6))
    expected = formula(x, 4, **STRONG)
    mirrored = formula(x[:, ::-1], 4, **STRONG)[:, ::-1]
    for wrong in (mirrored, x, formula(x, 4, **STRONG | {"alpha": 2.0})):
        assert worst_ulp("float32", wrong, expected) > 1e4
    nudged = expected.copy()
    nudged[1, 3, 2, 1] += 5 * np.spacing(np.abs(expected[1, 3, 2, 1]).astype(np.float32))
    assert 4.9 < worst_ulp("float32", nudged, expected) < 5.1
