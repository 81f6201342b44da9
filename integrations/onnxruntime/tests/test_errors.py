"""Bad attributes and bad inputs are errors of the runtime that say what is allowed, and the process goes on."""

import numpy as np
import pytest
from models import lrn_model, model_of, random, run, session
from onnx import TensorProto, helper, numpy_helper

DOMAINS = ["", "lrn_jit"]
TENSOR = numpy_helper.from_array(np.ones(2, np.float32))
GRAPH = helper.make_graph([], "g", [], [])


def failure(model):
    with pytest.raises(Exception) as caught:
        session(model)
    # The session after a failure is as good as any.
    assert run(lrn_model((1, 3, 2, 2), size=3), random((1, 3, 2, 2))).shape == (1, 3, 2, 2)
    return str(caught.value)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("size", [0, -1, -(2**63)])
def test_size_out_of_range(domain, size):
    text = failure(lrn_model((1, 3, 2, 2), domain=domain, size=size))
    assert f"size must be at least 1, got {size}" in text


@pytest.mark.parametrize("domain", DOMAINS)
def test_size_too_large(domain):
    text = failure(lrn_model((1, 3, 2, 2), domain=domain, size=2**63 - 1))
    assert f"size must be at most {(2**63 - 1) // 4}, got {2**63 - 1}" in text


@pytest.mark.parametrize("domain", DOMAINS)
def test_size_missing(domain):
    text = failure(lrn_model((1, 3, 2, 2), domain=domain, alpha=1.0))
    assert "attribute size is missing" in text


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["alpha", "beta", "bias"])
def test_parameters_that_are_no_numbers(domain, name, value):
    text = failure(lrn_model((1, 3, 2, 2), domain=domain, size=3, **{name: float(value)}))
    assert f"{'k' if name == 'bias' else name} must be a finite number" in text


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("value", [1, 1.0, "1", [1.0], [1], ["1"], TENSOR, GRAPH], ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("name, right", [("size", int), ("alpha", float), ("beta", float), ("bias", float)])
def test_attributes_of_other_types(domain, name, right, value):
    if isinstance(value, right):
        return
    attributes = {"size": 3, name: value}
    text = failure(lrn_model((1, 3, 2, 2), domain=domain, **attributes))
    assert f"{name} must be {'an integer' if right is int else 'a float'}, but is of another type" in text


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("shape", [(5,), ()])
def test_rank(domain, shape):
    for declared in (shape, None):
        model = lrn_model(declared, domain=domain, size=3)
        with pytest.raises(Exception, match="rank 2 or more"):
            run(model, random(shape))


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("dtype", [TensorProto.INT32, TensorProto.UINT8, TensorProto.STRING])
def test_element_types(domain, dtype):
    x, y = (helper.make_tensor_value_info(name, dtype, (1, 3, 2, 2)) for name in "xy")
    failure(model_of([helper.make_node("LRN", ["x"], ["y"], size=3, domain=domain)], [x], [y]))


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("inputs", [[], [""], ["x", "x"]])
def test_number_of_inputs(domain, inputs):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, 2, 2)) for name in "xy")
    failure(model_of([helper.make_node("LRN", inputs, ["y"], size=3, domain=domain)], [x], [y]))


def test_failures_name_the_node():
    assert "normalize" in failure(lrn_model((1, 3, 2, 2), size=0))


def test_misaligned_input():
    """Binding memory between two addresses of a float is the one way to get there; an error, and no crash."""
    memory = np.zeros(4 * 12 + 8, np.uint8)
    offset = 1 - memory.ctypes.data % 4 + 4
    tensor = memory[offset : offset + 48]
    assert tensor.ctypes.data % 4 == 1
    ready = session(lrn_model((1, 3, 2, 2), size=3))
    binding = ready.io_binding()
    binding.bind_input("x", "cpu", 0, np.float32, (1, 3, 2, 2), tensor.ctypes.data)
    binding.bind_output("y")
    with pytest.raises(Exception, match="the input begins at an address that is not a multiple of 4"):
        ready.run_with_iobinding(binding)
