"""Write the golden cases of windows over space and other axes, computed by PyTorch and by OpenVINO on a CPU.

For each case below this writes, beside the script,

    NAME.x.npy    float32, the input
    NAME.y.npy    float32, the peer's output
    NAME.y64.npy  float64, the same of x.double(); for OpenVINO, which has no float64, the formula tap by tap

and one line of regions.tsv; for PyTorch's also what autograd makes of it

    NAME.g.npy       float32, the gradient of y
    NAME.dx.npy      float32, the gradient of x
    NAME.dx64.npy    float64, the same of x.double() and g.double()

and for those of SECOND

    NAME.v.npy       float32, a direction
    NAME.jvp64.npy   float64, the derivative of y along v
    NAME.ddx64.npy   float64, the gradient of sum(v * dx) with respect to x

PyTorch has no LRN over space. It is put together of its parts: the squares padded with zeros, size//2 before and
(size-1)//2 after on each axis, averaged by avg_pool1d, 2d or 3d, times alpha, plus k, to the power of beta, beneath x. That is what
torch.nn.functional.local_response_norm does over channels.
"""

import sys

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
import torch.nn.functional as F

from make_golden import HERE, generator, integers, iota, normal, relu, save, spikes

# name, size, alpha, beta, k, axes, shape, x, whether a relu comes before the LRN
TORCH = [
    # What networks and other libraries' tests use, on shapes of their kind.
    ("region_caffe_within", 3, 1.0, 0.75, 1.0, (2, 3), (2, 7, 3, 3), normal(1), False),
    ("region_zf", 3, 5e-5, 0.75, 1.0, (2, 3), (1, 3, 11, 12), relu(300), True),
    ("region_cifar10_full", 3, 5e-5, 0.75, 1.0, (2, 3), (1, 6, 8, 8), relu(300), False),
    ("region_ncnn_n1", 1, 0.6, 0.4, 2.4, (2, 3), (1, 3, 7, 11), normal(2), False),
    ("region_ncnn_n3", 3, 1.0, 0.75, 0.5, (2, 3), (1, 3, 8, 10), normal(2), False),
    # One, two and three axes of space, odd and even, short and from block sums.
    ("region_1d_n5", 5, 4.0, 0.75, 1.0, (2,), (2, 3, 37), normal(1), False),
    ("region_2d_n4", 4, 10.0, 0.75, 1.0, (2, 3), (2, 3, 7, 9), normal(1), True),
    ("region_2d_n6_beta1", 6, 10.0, 1.0, 1.0, (2, 3), (1, 2, 9, 13), normal(1), False),
    ("region_2d_n9_over", 9, 10.0, 0.5, 1.0, (2, 3), (2, 4, 5, 7), normal(1), False),
    ("region_2d_n17", 17, 20.0, 0.75, 1.0, (2, 3), (1, 1, 20, 21), normal(1), False),
    ("region_2d_n20_beta06", 20, 20.0, 0.6, 1.0, (0, 1), (23, 19), normal(1), False),
    ("region_2d_integers", 7, 1.0, 0.75, 14.2, (2, 3), (1, 4, 9, 8), integers(-8, 7), False),
    ("region_2d_mixed", 3, 1.0, 0.75, 1e-6, (2, 3), (1, 2, 13, 14), spikes(0.001, 1e4, 0.01), False),
    ("region_3d_n3", 3, 10.0, 0.75, 1.0, (2, 3, 4), (1, 2, 5, 6, 7), normal(1), False),
    ("region_3d_n2_beta2", 2, 5.0, 2.0, 1.0, (1, 2, 3), (3, 4, 5, 6), normal(1), False),
    ("region_3d_n4_beta_minus05", 4, 5.0, -0.5, 1.0, (2, 3, 4), (1, 1, 6, 7, 8), normal(1), False),
    # Any axes.
    ("region_channel_and_width", 3, 5.0, 0.75, 1.0, (1, 3), (2, 5, 4, 6), normal(1), True),
    ("region_batch_and_width", 4, 5.0, 1.3, 1.0, (0, 2), (6, 5, 9), normal(1), False),
    ("region_all_three", 5, 20.0, 2.7, 1.0, (0, 1, 2), (6, 7, 8), normal(1), False),
    ("region_outer_three", 2, 5.0, 3.0, 1.0, (0, 1, 2), (4, 5, 3, 6), normal(1), False),
]
SECOND = [
    "region_1d_n5",
    "region_2d_n4",
    "region_2d_n17",
    "region_3d_n3",
    "region_channel_and_width",
    "region_all_three",
]

# The CPU plugin has windows over axis 1 and over all of space, of floats, with a whole k.
OPENVINO = [
    ("region_openvino_channels", 3, 3.0, 0.5, 1.0, (1,), (2, 5, 3, 4), normal(1)),
    ("region_openvino_hw", 3, 3.0, 0.75, 1.0, (2, 3), (2, 3, 6, 7), normal(1)),
    ("region_openvino_hw_n4", 4, 20.0, 0.75, 2.0, (2, 3), (1, 3, 8, 9), normal(1)),
    ("region_openvino_hw_n5_beta06", 5, 20.0, 0.6, 1.0, (2, 3), (1, 2, 10, 11), normal(1)),
    ("region_openvino_hw_iota", 3, 3.0, 0.5, 1.0, (2, 3), (2, 3, 2, 1), iota()),
    ("region_openvino_dhw", 3, 10.0, 0.75, 1.0, (2, 3, 4), (1, 2, 5, 6, 4), normal(1)),
    ("region_openvino_dhw_n6", 6, 50.0, 1.0, 1.0, (2, 3, 4), (1, 1, 7, 6, 8), normal(1)),
]


def torch_lrn(x, size, alpha, beta, k, axes):
    """LRN over any one to three axes, of PyTorch's parts."""
    last = tuple(range(-len(axes), 0))
    moved = x.movedim(axes, last)
    space = moved.shape[-len(axes):]
    squares = (moved * moved).reshape(-1, 1, *space)
    padded = F.pad(squares, [size // 2, (size - 1) // 2] * len(axes))
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[len(axes)]
    average = pool(padded, size, stride=1).reshape(moved.shape)
    return (moved / (average * alpha + k) ** beta).movedim(last, axes).contiguous()


def torch_gradient(x, g, parameters, cut, v=None):
    """Autograd's gradient of x; with `v` also the derivative of y along v, and the gradient of sum(v * gradient)."""
    x = x.clone().requires_grad_()
    g = g.clone().requires_grad_()
    y = torch_lrn(torch.relu(x) if cut else x, *parameters)
    (dx,) = torch.autograd.grad(y, x, g, create_graph=v is not None)
    if v is None:
        return (dx.numpy(),)
    jvp, ddx = torch.autograd.grad(dx, (g, x), v)
    return dx.detach().numpy(), jvp.numpy(), ddx.numpy()


def openvino_lrn(x, size, alpha, beta, k, axes):
    """OpenVINO's operator LRN on its CPU plugin, in float32."""
    parameter = ops.parameter(x.shape, np.float32)
    result = ops.lrn(parameter, ops.constant(np.array(axes, np.int64)), alpha, beta, k, size)
    model = ov.Model([ops.result(result)], [parameter])
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled([x])[0])


def openvino_formula(x, size, alpha, beta, k, axes):
    """What that operator's specification says, in float64: (size-1)//2 taps on each side."""
    x = x.astype(np.float64)
    y = np.empty_like(x)
    half = (size - 1) // 2
    for at in np.ndindex(*x.shape):
        box = tuple(
            slice(max(0, i - half), i + half + 1) if axis in axes else slice(i, i + 1) for axis, i in enumerate(at)
        )
        y[at] = x[at] / (k + alpha / size ** len(axes) * (x[box] ** 2).sum()) ** beta
    return y


def draw(name, shape, how):
    return np.asarray(how(generator(name), shape), dtype=np.float64).astype(np.float32)


def main():
    torch.set_num_threads(1)
    lines = ["name\tpeer\tsize\talpha\tbeta\tk\taxes\tshape\tactivation\tsecond\tscale"]
    total = 0

    def write(name, shape, **arrays):
        nonlocal total
        for suffix, array in arrays.items():
            assert np.isfinite(array).all(), name
            dtype = np.float64 if suffix.endswith("64") else np.float32
            total += save(HERE / f"{name}.{suffix}.npy", array, dtype, shape)

    def line(name, peer, parameters, shape, activation, second, scale):
        size, alpha, beta, k, axes = parameters
        axes, shape = (",".join(map(str, each)) for each in (axes, shape))
        numbers = f"{size}\t{alpha!r}\t{beta!r}\t{k!r}"
        lines.append(f"{name}\t{peer}\t{numbers}\t{axes}\t{shape}\t{activation}\t{second}\t{scale}")

    for name, *parameters, shape, (scale, how), cut in TORCH:
        x = draw(name, shape, how)
        g = generator(f"{name}.g").standard_normal(shape).astype(np.float32)
        v = generator(f"{name}.v").standard_normal(shape).astype(np.float32)
        singles, doubles = ([torch.from_numpy(a.astype(t)) for a in (x, g, v)] for t in (np.float32, np.float64))
        before = torch.relu if cut else lambda x: x
        write(
            name,
            shape,
            x=x,
            y=torch_lrn(before(singles[0]), *parameters).numpy(),
            y64=torch_lrn(before(doubles[0]), *parameters).numpy(),
            g=g,
            dx=torch_gradient(*singles[:2], parameters, cut)[0],
        )
        second = name in SECOND
        outputs = torch_gradient(*doubles[:2], parameters, cut, doubles[2] if second else None)
        write(name, shape, **dict(zip(("dx64", "jvp64", "ddx64"), outputs)), **({"v": v} if second else {}))
        line(name, "torch", parameters, shape, "relu" if cut else "none", "yes" if second else "no", scale)

    for name, *parameters, shape, (scale, how) in OPENVINO:
        x = draw(name, shape, how)
        write(name, shape, x=x, y=openvino_lrn(x, *parameters), y64=openvino_formula(x, *parameters))
        line(name, "openvino", parameters, shape, "none", "no", scale)

    (HERE / "regions.tsv").write_text("\n".join(lines) + "\n")
    print(f"{len(TORCH)} cases of torch, {len(OPENVINO)} of OpenVINO, {total} bytes of .npy")
    peers = f"torch {torch.__version__}, openvino {ov.__version__}"
    print(f"python {sys.version.split()[0]}, numpy {np.__version__}, {peers}")


if __name__ == "__main__":
    main()
