"""Twins of the light models in the package `onnx`: the same graphs, but random weights of the usual scale.

The light models' weights are all 0.02: every channel is the same, and an LRN left out is not noticed. Here weights are He's normal
distribution, biases a tenth of a standard one. The softmax at the end, which hides differences, is dropped. Weights are constants
and no inputs, as in a model for inference, so that a runtime may lay them out as it likes.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

# By their names in the package, and as people know them.
NETWORKS = {"bvlc_alexnet": "AlexNet", "inception_v1": "Inception v1", "zfnet512": "ZFNet-512"}
# About that of an image less its mean colour.
INPUT_SCALE = 50.0


def make(name, folder):
    """Writes NAME.onnx, and NAME.npy, its input, into a folder."""
    model = onnx.load(Path(onnx.__file__).parent / "backend/test/data/light" / f"light_{name}.onnx")
    graph = model.graph
    random = np.random.default_rng(1)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "ConstantOfShape"]:
        shape = numpy_helper.to_array(constants[node.input[0]]).tolist()
        weights = random.standard_normal(shape) * scale(shape)
        constants[node.output[0]] = numpy_helper.from_array(weights.astype(np.float32), node.output[0])
        graph.node.remove(node)
    drop_softmax(graph)

    used = {value for node in graph.node for value in node.input}
    inputs = [value for value in graph.input if value.name in used - constants.keys()]
    del graph.initializer[:], graph.input[:]
    graph.initializer.extend(tensor for tensor in constants.values() if tensor.name in used)
    graph.input.extend(inputs)
    model.ir_version = 4  # the first in which a constant need not be an input
    onnx.checker.check_model(model)
    onnx.save(model, folder / f"{name}.onnx")

    (value,) = inputs
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    np.save(folder / f"{name}.npy", (random.standard_normal(shape) * INPUT_SCALE).astype(np.float32))


def scale(shape):
    return np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1


def drop_softmax(graph):
    """The last node's input becomes the graph's output."""
    softmax = graph.node[-1]
    assert softmax.op_type == "Softmax" and softmax.output[0] == graph.output[0].name
    before = next(node for node in graph.node if softmax.input[0] in node.output)
    before.output[0] = softmax.output[0]
    graph.node.remove(softmax)


def layers(name, folder):
    """The shapes and attributes of a twin's LRNs, as text."""
    model = onnx.shape_inference.infer_shapes(onnx.load(folder / f"{name}.onnx"))
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in model.graph.value_info
    }
    found = [node for node in model.graph.node if node.op_type == "LRN"]
    return [f"{'×'.join(map(str, shapes[node.output[0]][1:]))}" for node in found]
