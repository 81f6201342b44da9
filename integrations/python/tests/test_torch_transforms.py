"""The torch module in whole models, compiled, exported, traced and transformed."""

import shutil

import pytest
import torch
from torch import func, nn

import lrn_jit.torch as ours

pytestmark = pytest.mark.filterwarnings("ignore")


def net():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.LocalResponseNorm(5, alpha=1.0), nn.Sequential(nn.LocalResponseNorm(4))]
    return nn.Sequential(*layers)


def test_replace_swaps_every_module_once():
    model = net()
    model.again = model[2]
    calls = []
    model[2].register_forward_hook(lambda *_: calls.append(1))
    model.eval()
    expected = model(torch.ones(2, 3, 9, 9))
    before = repr(model)
    assert ours.replace(model) == 2
    assert ours.replace(model) == 0
    assert repr(model) == before
    assert type(model[2]) is type(model[3][0]) is ours.LocalResponseNorm
    assert model.again is model[2] and not model[2].training
    assert torch.allclose(model(torch.ones(2, 3, 9, 9)), expected, rtol=1e-6)
    assert len(calls) == 4


def test_replace_takes_a_module_itself_and_leaves_subclasses():
    class Own(nn.LocalResponseNorm):
        pass

    layer, own = nn.LocalResponseNorm(5), nn.Sequential(Own(5), nn.ReLU())
    assert (ours.replace(layer), ours.replace(own), ours.replace(nn.ReLU())) == (1, 0, 0)
    assert type(layer) is ours.LocalResponseNorm and type(own[0]) is Own


@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
@pytest.mark.parametrize("dynamic", [None, True])
def test_compile_in_one_graph(backend, dynamic):
    if backend == "inductor" and (dynamic or not shutil.which("g++")):
        pytest.skip("inductor needs a C++ compiler, and is tried once")
    model = net()
    ours.replace(model)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend=backend, dynamic=dynamic)
    for shape in ((2, 3, 9, 9), (3, 3, 7, 8)):
        for memory_format in (torch.contiguous_format, torch.channels_last):
            x = torch.randn(shape).contiguous(memory_format=memory_format).requires_grad_()
            y, expected = compiled(x), model(x)
            assert y.stride() == expected.stride()
            assert torch.allclose(y, expected, rtol=1e-5, atol=1e-6)
            g = torch.randn(y.shape)
            (found,), (right,) = (torch.autograd.grad(z, x, g) for z in (y, expected))
            assert torch.allclose(found, right, rtol=1e-4, atol=1e-5)


def test_export_keeps_the_operator():
    model = net()
    ours.replace(model)
    x = torch.randn(2, 3, 9, 9)
    exported = torch.export.export(model, (x,))
    targets = [node.target for node in exported.graph.nodes]
    assert targets.count(torch.ops.lrn_jit.forward.default) == 2
    assert torch.equal(exported.module()(x), model(x))


def test_traces():
    model = net()
    ours.replace(model)
    x, other = torch.randn(2, 3, 9, 9), torch.randn(3, 3, 8, 9)
    for traced in (torch.fx.symbolic_trace(model), torch.jit.trace(model, x, check_trace=False)):
        assert torch.equal(traced(other), model(other))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_functional_transforms(dtype):
    module, theirs = ours.LocalResponseNorm(4, alpha=2.0), nn.LocalResponseNorm(4, alpha=2.0)
    x, v = torch.randn(3, 2, 5, 4, dtype=dtype), torch.randn(3, 2, 5, 4, dtype=dtype)

    def all_of(layer):
        loss = lambda x: layer(x).sin().sum()  # noqa: E731
        yield func.vmap(layer)(x)
        yield func.vmap(layer, in_dims=2, out_dims=1)(x)
        yield func.vmap(func.vmap(layer))(x.unsqueeze(0))
        yield func.grad(loss)(x)
        yield func.vmap(func.grad(loss))(x)
        yield from func.jvp(layer, (x,), (v,))
        yield func.jacrev(layer)(x[0])
        yield func.hessian(loss)(x[0])

    for found, expected in zip(all_of(module), all_of(theirs), strict=True):
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_forward_mode_and_inference_mode():
    module, theirs = ours.LocalResponseNorm(4, alpha=2.0), nn.LocalResponseNorm(4, alpha=2.0)
    x, v = torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, v)
        tangents = [torch.autograd.forward_ad.unpack_dual(layer(dual)).tangent for layer in (module, theirs)]
    assert torch.allclose(*tangents, rtol=1e-5, atol=1e-6)
    with torch.inference_mode():
        assert torch.allclose(module(x), theirs(x), rtol=1e-6)
    with torch.no_grad():
        assert not module(x.requires_grad_()).requires_grad


def test_tensors_of_other_classes_are_theirs():
    class Logged(torch.Tensor):
        calls = []

        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            cls.calls.append(function)
            return super().__torch_function__(function, types, args, kwargs or {})

    x = torch.randn(2, 5, 4).as_subclass(Logged)
    y = ours.LocalResponseNorm(5)(x)
    assert type(y) is Logged
    assert ours.local_response_norm in Logged.calls
