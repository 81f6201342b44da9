"""python/rewrite.py: models rewritten to name the library's operator."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from models import formula, lrn_model, model_of, options, random, run, session
from onnx import TensorProto, helper
from rewrite import rewrite

SCRIPT = Path(__file__).resolve().parent.parent / "python" / "rewrite.py"


def script(*paths):
    return subprocess.run([sys.executable, SCRIPT, *map(str, paths)], capture_output=True, text=True)


def value(name, shape=(2, 9, 4, 4), dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def test_a_model(tmp_path):
    model = lrn_model((2, 9, 4, 4), size=5, alpha=2.0, beta=0.5, bias=3.0)
    onnx.save(model, tmp_path / "a.onnx")
    done = script(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert done.returncode == 0 and "1 LRN rewritten" in done.stdout, done
    rewritten = onnx.load(tmp_path / "b.onnx")
    x = random((2, 9, 4, 4))
    np.testing.assert_array_equal(run(rewritten, x), run(model, x))
    # Without the library there is no such operator.
    with pytest.raises(Exception, match="lrn_jit"):
        session(rewritten, ours=False)


def test_subgraphs_and_functions():
    x = random((2, 9, 4, 4))

    def branch(name, size):
        lrn = helper.make_node("LRN", ["x"], [name], size=size, alpha=2.0)
        return helper.make_graph([lrn], name, [], [value(name)])

    choose = helper.make_node("If", ["c"], ["m"], then_branch=branch("t", 3), else_branch=branch("e", 4))
    inside = helper.make_node("LRN", ["a"], ["b"], size=6, alpha=1.0)
    function = helper.make_function("local", "Inside", ["a"], ["b"], [inside], [helper.make_opsetid("", 21)])
    call = helper.make_node("Inside", ["m"], ["y"], domain="local")
    inputs = [value("x"), value("c", (), TensorProto.BOOL)]
    model = model_of([choose, call], inputs, [value("y")], functions=[function])
    model.opset_import.append(helper.make_opsetid("local", 1))
    assert rewrite(model) == 3
    onnx.checker.check_model(model)
    ready = session(model)
    for condition, size in ((True, 3), (False, 4)):
        y = ready.run(None, {"x": x, "c": np.array(condition)})[0]
        np.testing.assert_allclose(y, formula(formula(x, size, 2.0), 6, 1.0), rtol=1e-6)
    assert rewrite(model) == 0
    assert [opset.domain for opset in model.opset_import].count("lrn_jit") == 1


def test_a_model_without_lrn_stays_as_it_is():
    relu = model_of([helper.make_node("Relu", ["x"], ["y"])], [value("x")], [value("y")])
    before = relu.SerializeToString()
    assert rewrite(relu) == 0
    assert relu.SerializeToString() == before


def external(path):
    """A model whose weights are in a file beside it."""
    weights = onnx.numpy_helper.from_array(random((2, 9, 4, 4)), "w")
    nodes = [helper.make_node("Add", ["x", "w"], ["m"]), helper.make_node("LRN", ["m"], ["y"], size=3, alpha=2.0)]
    model = model_of(nodes, [value("x")], [value("y")], initializer=[weights])
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)


def test_weights_beside_a_model(tmp_path):
    external(tmp_path / "a.onnx")
    (tmp_path / "elsewhere").mkdir()
    refused = script(tmp_path / "a.onnx", tmp_path / "elsewhere" / "b.onnx")
    assert refused.returncode == 1 and "must be in the same folder" in refused.stderr, refused
    assert not (tmp_path / "elsewhere" / "b.onnx").exists()
    done = script(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert done.returncode == 0, done
    x = random((2, 9, 4, 4), seed=2)
    ready = onnxruntime.InferenceSession(tmp_path / "b.onnx", options(), providers=["CPUExecutionProvider"])
    expected = formula(x.astype(float) + random((2, 9, 4, 4)), 3, 2.0)
    np.testing.assert_allclose(ready.run(None, {"x": x})[0], expected, rtol=1e-5)


def test_what_is_no_model(tmp_path):
    (tmp_path / "a.onnx").write_text("not a model")
    for path in (tmp_path / "a.onnx", tmp_path / "missing.onnx"):
        done = script(path, tmp_path / "b.onnx")
        assert done.returncode == 1 and path.name in done.stderr and "Traceback" not in done.stderr, done
