"""What the tests share: models of one LRN, sessions with and without the library, the formula in float64, and ulp."""

import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

# What users are given.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

LIBRARY = os.environ["LRN_JIT_LIBRARY"]
OWN = "lrn_jit"
TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
}


def lrn_model(shape, dtype="float32", opset=21, domain="", ir_version=None, **attributes):
    """A model x → LRN → y. Without a bfloat16 of NumPy's, tensors of that type are cast from and to float32 around it."""
    outside = "float32" if dtype == "bfloat16" else dtype
    x, y = (helper.make_tensor_value_info(name, TYPES[outside], shape) for name in ("x", "y"))
    lrn = helper.make_node("LRN", ["x"], ["y"], name="normalize", domain=domain, **attributes)
    nodes = [lrn]
    if dtype != outside:
        lrn.input[0], lrn.output[0] = "a", "b"
        cast = helper.make_node("Cast", ["x"], ["a"], to=TYPES[dtype])
        nodes = [cast, lrn, helper.make_node("Cast", ["b"], ["y"], to=TYPES[outside])]
    return model_of(nodes, [x], [y], opset, ir_version)


def model_of(nodes, inputs, outputs, opset=21, ir_version=None, initializer=(), functions=()):
    graph = helper.make_graph(nodes, "test", inputs, outputs, initializer=initializer)
    opsets = [helper.make_opsetid("", opset)]
    if any(node.domain == OWN for node in nodes):
        opsets.append(helper.make_opsetid(OWN, 1))
    # The first version of the format that has such operators.
    version = ir_version or (4 if opset <= 9 else 7 if opset <= 13 else 10)
    return helper.make_model(graph, functions=functions, opset_imports=opsets, ir_version=version)


def options(ours=True, threads=1, log=4):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = log
    if ours:
        options.register_custom_ops_library(LIBRARY)
    return options


def session(model, ours=True, threads=1, log=4):
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options(ours, threads, log), providers=["CPUExecutionProvider"]
    )


def run(model, x, ours=True, threads=1):
    return session(model, ours, threads).run(None, {"x": x})[0]


def round_to(dtype, x):
    """The nearest numbers of a type, as float32 if NumPy lacks it."""
    if dtype != "bfloat16":
        return np.asarray(x, dtype)
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def formula(x, size, alpha=1e-4, beta=0.75, bias=1.0):
    """What ONNX says, in float64. Attributes are single precision there."""
    alpha, beta, bias = (float(np.float32(number)) for number in (alpha, beta, bias))
    x = x.astype(np.float64)
    squares = np.zeros_like(x)
    channels = x.shape[1]
    for channel in range(channels):
        first, last = max(0, channel - (size - 1) // 2), min(channels - 1, channel + size // 2)
        squares[:, channel] = (x[:, first : last + 1] ** 2).sum(axis=1)
    return x / (bias + alpha / size * squares) ** beta


# Bits of the significand, and the exponent of the smallest normal number.
FORMATS = {"float32": (24, -126), "float64": (53, -1022), "float16": (11, -14), "bfloat16": (8, -126)}


def worst_ulp(dtype, given, expected):
    """The largest distance, in units of the last place of the expected number (subnormal: of the smallest)."""
    digits, least = FORMATS[dtype]
    exponent = np.frexp(np.abs(expected))[1] - 1
    unit = np.ldexp(1.0, np.maximum(exponent, least) - (digits - 1))
    assert given.shape == expected.shape
    return np.max(np.abs(given.astype(np.float64) - expected) / unit, initial=0.0)


def random(shape, dtype="float32", scale=3.0, seed=1):
    x = np.asarray(np.random.default_rng(seed).standard_normal(shape) * scale)
    return round_to(dtype, x)
