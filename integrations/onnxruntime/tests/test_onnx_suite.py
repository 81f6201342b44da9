"""ONNX's own backend tests of LRN and its light models, by ONNX's runner, through the library.

Once as they are, and once rewritten to the domain `lrn_jit`.
"""

import onnx.backend.base
import onnx.backend.test
import pytest
from models import session
from rewrite import rewrite

NODES = ["test_lrn_cpu", "test_lrn_default_cpu"]
WITH_LRN = {"test_bvlc_alexnet_cpu": 2, "test_inception_v1_cpu": 2, "test_zfnet512_cpu": 2}
WITHOUT = ["densenet121", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19"]
CASES = [*NODES, *WITH_LRN, *(f"test_{name}_cpu" for name in WITHOUT)]


class AsItIs(onnx.backend.base.Backend):
    """The library takes the place of the built-in operator."""

    @classmethod
    def prepare(cls, model, device="CPU", **_):
        return Prepared(session(model))

    @classmethod
    def supports_device(cls, device):
        return device == "CPU"


class Rewritten(AsItIs):
    """The model names the library's operator."""

    rewritten = 0

    @classmethod
    def prepare(cls, model, device="CPU", **_):
        cls.rewritten += rewrite(model)
        return super().prepare(model)


class Prepared(onnx.backend.base.BackendRep):
    def __init__(self, session):
        self.session = session

    def run(self, inputs, **_):
        names = [value.name for value in self.session.get_inputs()]
        return self.session.run(None, dict(zip(names, inputs)))


def cases(backend):
    """ONNX's tests of a backend, by name."""
    classes = onnx.backend.test.BackendTest(backend).test_cases.values()
    return {name: (case, test) for case in classes for name, test in vars(case).items() if name in CASES}


SUITES = {backend: cases(backend) for backend in (AsItIs, Rewritten)}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("backend", SUITES)
def test_of_onnx(backend, name):
    case, test = SUITES[backend][name]
    Rewritten.rewritten = 0
    test(case())
    if backend is Rewritten:
        assert Rewritten.rewritten == (1 if name in NODES else WITH_LRN.get(name, 0))
