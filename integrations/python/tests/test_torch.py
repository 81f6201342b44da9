"""The torch module against torch's own: values, gradients, layouts, types, errors."""

import copy
import io

import numpy as np
import pytest
import torch
from judge import ulps
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

import lrn_jit.torch as ours

PARAMETERS = {"alpha": 2.0, "beta": 0.75, "k": 0.5}
OPERATORS = {"forward": 1, "backward": 2, "jvp": 2, "double_backward": 3}
# In ulp of the type, as test_numpy.py.
BOUNDS = {torch.float32: 6, torch.float64: 6, torch.float16: 0.51, torch.bfloat16: 0.51}


def draw(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def array(tensor):
    if tensor.dtype != torch.bfloat16:
        return tensor.detach().numpy()
    import ml_dtypes

    return tensor.detach().contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16).reshape(tensor.shape)


@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
@pytest.mark.parametrize("shape", [(2, 7, 5), (7, 9, 4, 5), (2, 40, 3, 4, 2), (1, 1, 2), (0, 3, 4), (2, 3, 0)], ids=str)
@pytest.mark.parametrize("size", [1, 2, 4, 5, 12])
def test_values_and_gradients_are_torchs(dtype, shape, size):
    x = draw(*shape, dtype=dtype).requires_grad_()
    wide = x.detach().double().requires_grad_()
    module, theirs = ours.LocalResponseNorm(size, **PARAMETERS), nn.LocalResponseNorm(size, **PARAMETERS)
    y, expected = module(x), theirs(wide)
    assert (y.dtype, y.shape) == (dtype, x.shape)
    assert ulps(array(y), expected.detach().numpy()) <= BOUNDS[dtype]
    grad_y = draw(*shape, dtype=dtype, seed=1)
    (grad_x,) = torch.autograd.grad(y, x, grad_y)
    (expected,) = torch.autograd.grad(expected, wide, grad_y.double())
    # A gradient is a difference: it is off by ulp of its terms, as they are computed; and it is rounded once.
    computed = torch.float64 if dtype == torch.float64 else torch.float32
    terms = grad_y.abs().double().numpy().max(initial=0) * 2
    rounded = 0.51 * torch.finfo(dtype).eps * np.abs(expected.numpy())
    assert (np.abs(array(grad_x).astype(np.float64) - expected.numpy()) <= rounded + 8 * torch.finfo(computed).eps * terms).all()


def test_it_is_a_drop_in():
    arguments = [(5,), (3, 2.0), (4, 0.5, 0.25), (2, 1.0, 1.0, 3.0)]
    for module, theirs in ((ours.LocalResponseNorm(*a), nn.LocalResponseNorm(*a)) for a in arguments):
        assert repr(module) == repr(theirs)
        assert isinstance(module, nn.LocalResponseNorm)
        assert module.state_dict() == theirs.state_dict() == {}
        x = draw(2, 9, 4)
        assert torch.allclose(module(x), theirs(x), rtol=1e-6)
        # Parameters are read at every call, as torch's are.
        module.alpha = theirs.alpha = 7.0
        assert torch.allclose(module(x), theirs(x), rtol=1e-6)


def test_it_is_copied_and_saved():
    module, x = ours.LocalResponseNorm(4, 2.0), draw(2, 9, 4)
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    for again in (copy.deepcopy(module), torch.load(file, weights_only=False)):
        assert type(again) is ours.LocalResponseNorm
        assert torch.equal(again(x), module(x))


def formats(x):
    wide = torch.full([2 * extent + 1 for extent in x.shape], 7, dtype=x.dtype)
    gaps = wide[tuple(slice(1, None, 2) for _ in x.shape)]
    gaps.copy_(x)
    transposed = x.transpose(0, -1).contiguous().transpose(0, -1)
    return {"gaps": gaps, "transposed": transposed, "channels last": x.contiguous(memory_format=torch.channels_last)}


@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
def test_layouts_stay_and_give_the_same_bits(dtype):
    x, g = draw(3, 10, 5, 6, dtype=dtype), draw(3, 10, 5, 6, dtype=dtype, seed=1)
    module = ours.LocalResponseNorm(4, **PARAMETERS)

    def results(x, g):
        leaf = x.detach().requires_grad_()
        y = module(leaf)
        return y.detach(), *torch.autograd.grad(y, leaf, g)

    expected = results(x, g)
    for name, given in formats(x).items():
        found = results(given, formats(g)[name])
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True)), name
        assert [y.stride() for y in found] == [torch.empty_like(given).stride()] * 2, name
    last = results(formats(x)["channels last"], g)
    assert all(y.is_contiguous(memory_format=torch.channels_last) for y in last)
    assert all(torch.equal(a, b) for a, b in zip(last, expected, strict=True))
    three = draw(2, 6, 3, 4, 5, dtype=dtype)
    assert module(three.contiguous(memory_format=torch.channels_last_3d)).is_contiguous(
        memory_format=torch.channels_last_3d
    )


def test_expanded_and_negated_tensors():
    module = ours.LocalResponseNorm(3, **PARAMETERS)
    x = draw(1, 8, 1, 4).expand(3, 8, 5, 4)
    assert torch.equal(module(x), module(x.contiguous()))
    leaf = draw(2, 8, 5).requires_grad_()
    module(leaf).sum().backward()
    (expected,) = torch.autograd.grad(module(leaf), leaf, torch.ones(2, 8, 5))
    assert torch.equal(leaf.grad, expected)
    assert torch.equal(module(torch._neg_view(x)), module(-x))


@pytest.mark.parametrize("shape", [(2, 5, 3), (1, 6, 2, 2)], ids=str)
@pytest.mark.parametrize("size", [2, 3])
def test_gradcheck_and_gradgradcheck(shape, size):
    module = ours.LocalResponseNorm(size, **PARAMETERS)
    x = draw(*shape, dtype=torch.float64).requires_grad_()
    assert gradcheck(module, (x,), check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)
    assert gradgradcheck(module, (x,), check_fwd_over_rev=True, check_rev_over_rev=True, check_batched_grad=True)
    if len(shape) == 4:
        last = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        assert gradcheck(module, (last,)) and gradgradcheck(module, (last,))


@pytest.mark.parametrize("task", ["backward", "jvp"])
def test_gradcheck_of_the_other_operators(task):
    operator = getattr(torch.ops.lrn_jit, task).default
    x, v = (draw(2, 5, 3, dtype=torch.float64, seed=seed).requires_grad_() for seed in range(2))
    assert gradcheck(lambda x, v: operator(x, v, 4, 2.0, 0.75, 0.5), (x, v))


def test_third_derivatives_are_refused():
    x = draw(2, 5, 3, dtype=torch.float64).requires_grad_()
    y = ours.local_response_norm(x, 5, 1.0).pow(2).sum()
    for _ in range(2):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="no third derivatives: torch.nn.functional.local_response_norm has"):
        torch.autograd.grad(y.sum(), x)


def test_an_input_may_be_changed_no_more_than_torchs():
    x = draw(2, 5, 3).requires_grad_()
    z = x * 1
    y = ours.local_response_norm(z, 5)
    z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_what_is_not_computed_here_is_left_to_torch():
    module, theirs = ours.LocalResponseNorm(5), nn.LocalResponseNorm(5)
    meta = torch.empty(2, 8, 4, device="meta")
    assert module(meta).device.type == "meta"
    for bad in (torch.ones(5), torch.ones(2, 5), torch.ones(2, 5, 3, dtype=torch.int32)):
        with pytest.raises((ValueError, RuntimeError)) as expected:
            theirs(bad)
        with pytest.raises(expected.type) as found:
            module(bad)
        assert str(found.value) == str(expected.value)
    with pytest.raises(AttributeError):
        module([1.0])


def test_parameters_that_make_no_sense():
    x = torch.ones(2, 5, 3)
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        ours.local_response_norm(x, 0)
    with pytest.raises(ValueError, match="size must be at least 1, got -2"):
        ours.LocalResponseNorm(-2)(x)
    with pytest.raises(ValueError, match="alpha must be a finite number"):
        ours.LocalResponseNorm(5, float("nan"))(x)


def test_operators_refuse_what_does_not_fit():
    operators, parameters, x = torch.ops.lrn_jit, (5, 1e-4, 0.75, 1.0), torch.ones(2, 5, 3)
    with pytest.raises(ValueError, match=r"lrn_jit::backward: grad_y must be as x is, .*\(2, 5, 3\), got .*\(2, 5, 1\)"):
        operators.backward(x, torch.ones(2, 5, 1), *parameters)
    with pytest.raises(ValueError, match="v must be as x is, torch.float32 of .* got torch.float64"):
        operators.jvp(x, x.double(), *parameters)
    with pytest.raises(TypeError, match="x is of torch.int64; there are float32, float64, float16, bfloat16"):
        operators.forward(x.long(), *parameters)
    with pytest.raises(ValueError, match="rank 2 or more"):
        operators.forward(x[0, 0], *parameters)


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
@pytest.mark.parametrize("task", OPERATORS)
@pytest.mark.filterwarnings("ignore")
def test_opcheck(task, dtype, grad):
    # The third derivative is refused (above), so the last operator is checked without.
    grad = grad and task != "double_backward"
    operator = getattr(torch.ops.lrn_jit, task).default
    for shape in ((2, 5, 3, 4), (2, 5, 3)):
        operands = [draw(*shape, dtype=dtype, seed=seed).requires_grad_(grad) for seed in range(OPERATORS[task])]
        tests = torch.library.opcheck(operator, (*operands, 4, 2.0, 0.75, 0.5))
        assert set(tests.values()) == {"SUCCESS"}
    if not grad:
        operands = [operand.expand(2, 5, 3).transpose(0, 2) for operand in operands]
        assert set(torch.library.opcheck(operator, (*operands, 4, 2.0, 0.75, 0.5)).values()) == {"SUCCESS"}
