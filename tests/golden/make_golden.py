"""Write the golden cases of Local Response Normalization, computed by PyTorch on a CPU.

For each case below this writes, beside the script,

    NAME.x.npy    float32, the input
    NAME.y.npy    float32, torch.nn.functional.local_response_norm(x)
    NAME.y64.npy  float64, the same of x.double()

and one line of cases.tsv; for each of GRADIENTS, what autograd makes of the case's x,

    NAME.g.npy       float32, the gradient of y
    NAME.dx.npy      float32, the gradient of x
    NAME.dx64.npy    float64, the same of x.double() and g.double()

for those of SECOND also

    NAME.v.npy       float32, a direction
    NAME.jvp64.npy   float64, the derivative of y along v
    NAME.ddx64.npy   float64, the gradient of sum(v * dx) with respect to x

and one line of gradients.tsv. The README says how to run it and what the names mean.
"""

import sys
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

HERE = Path(__file__).resolve().parent
SEED = 20120930
MAX_BYTES = 60_000
INF, NAN = float("inf"), float("nan")


# How x is drawn. Each takes the case's generator and its shape.


def normal(scale):
    """Normal with the standard deviation `scale`."""
    return f"normal*{scale}", lambda rng, shape: scale * rng.standard_normal(shape)


def relu(scale):
    """Normal, negative ones replaced by 0: half of it is zeros."""
    return f"relu(normal*{scale})", lambda rng, shape: np.maximum(scale * rng.standard_normal(shape), 0)


def uniform(low, high):
    """Uniform in low..high."""
    return f"uniform({low}..{high})", lambda rng, shape: rng.uniform(low, high, shape)


def nonzero(low, high):
    """Magnitude uniform in low..high, sign random: never 0 nor near it."""
    draw = lambda rng, shape: rng.uniform(low, high, shape) * rng.choice([-1.0, 1.0], shape)
    return f"sign*uniform({low}..{high})", draw


def integers(low, high):
    """Whole numbers low..high, both included."""
    return f"integers({low}..{high})", lambda rng, shape: rng.integers(low, high, shape, endpoint=True)


def log_uniform(low, high):
    """Magnitude 10**uniform(low..high), sign random."""
    draw = lambda rng, shape: 10.0 ** rng.uniform(low, high, shape) * rng.choice([-1.0, 1.0], shape)
    return f"sign*10^uniform({low}..{high})", draw


def spikes(small, big, share):
    """Mostly normal*small; a `share` of the elements is +-big."""

    def draw(rng, shape):
        x = small * rng.standard_normal(shape)
        sign = rng.choice([-1.0, 1.0], shape)
        return np.where(rng.random(shape) < share, big * sign, x)

    return f"normal*{small} with {share} of +-{big}", draw


def salted(scale, values, share):
    """normal*scale; a `share` of the elements is one of `values`, the first element too."""

    def draw(rng, shape):
        x = scale * rng.standard_normal(shape)
        x = np.where(rng.random(shape) < share, rng.choice(np.array(values), shape), x)
        x.reshape(-1)[0] = values[0]
        return x

    return f"normal*{scale} with {share} of {'/'.join(map(str, values))}", draw


def iota():
    """0, 1, 2, ..."""
    return "iota", lambda rng, shape: np.arange(np.prod(shape)).reshape(shape)


def given(*values):
    """Exactly these values."""
    return "given", lambda rng, shape: np.array(values).reshape(shape)


# name, size, alpha, beta, k, channel_axis, shape, x
CASES = [
    # PyTorch's own tests: OpInfo samples, then the module ones.
    ("opinfo_n2_params", 2, 3e-5, 0.5, 1.25, 1, (1, 6, 3), uniform(-9, 9)),
    ("opinfo_n2_beta", 2, 1e-4, 0.5, 1.25, 1, (1, 6, 3), uniform(-9, 9)),
    ("opinfo_n2_k", 2, 1e-4, 0.75, 1.25, 1, (1, 6, 3), uniform(-9, 9)),
    ("opinfo_n2_batch2", 2, 1e-4, 0.75, 1.0, 1, (2, 6, 3), uniform(-9, 9)),
    ("opinfo_n1_one_channel", 1, 1e-4, 0.75, 1.0, 1, (1, 1, 2), uniform(-9, 9)),
    ("opinfo_empty", 1, 1e-4, 0.75, 1.0, 1, (0, 1, 2), uniform(-9, 9)),
    ("module_1d", 3, 1e-4, 0.75, 1.0, 1, (1, 5, 7), normal(1)),
    ("module_2d_uneven_pad", 2, 1e-4, 0.75, 1.0, 1, (1, 5, 7, 7), normal(1)),
    ("module_3d_custom", 1, 1.0, 0.5, 2.0, 1, (1, 5, 7, 7, 7), normal(1)),
    # What networks use, on real-looking activations.
    ("alexnet", 5, 1e-4, 0.75, 1.0, 1, (1, 48, 11, 11), relu(100)),
    ("alexnet_k2", 5, 1e-4, 0.75, 2.0, 1, (2, 32, 7, 7), relu(200)),
    ("zfnet", 5, 5e-4, 0.75, 2.0, 1, (1, 64, 7, 7), relu(100)),
    ("tf_cifar10_nhwc", 9, 0.009, 0.75, 1.0, 3, (1, 6, 6, 64), relu(10)),
    # Parameters of other libraries' tests.
    ("caffe_n5", 5, 1.0, 0.75, 1.0, 1, (2, 7, 3, 3), normal(1)),
    ("caffe_n15_over_c", 15, 1.0, 0.75, 1.0, 1, (2, 7, 3, 3), normal(1)),
    ("openvino_iota", 3, 3.0, 0.5, 1.0, 1, (2, 3, 2, 1), iota()),
    ("tflite_r20_half", 41, 41.0, 0.5, 0.0, -1, (1, 1, 1, 6), given(-1.1, 0.6, 0.7, 1.2, -0.7, 0.1)),
    ("ncnn_n5", 5, 2.0, 0.12, 1.33, 1, (1, 12, 7, 11), normal(1)),
    ("onednn_n7", 7, 1.0, 0.75, 1.0, 1, (2, 16, 5, 5), integers(-8, 7)),
    ("onednn_k14", 5, 1.0, 0.75, 14.2, 1, (2, 16, 5, 5), integers(-8, 7)),
    # Odd and even sizes, strong alpha, each beta, all inner extents.
    ("n1_alpha10", 1, 10.0, 0.75, 1.0, 1, (3, 5, 5), normal(1)),
    ("n3_alpha10_beta1", 3, 10.0, 1.0, 1.0, 1, (2, 17, 7), normal(1)),
    ("n4_beta05", 4, 2.0, 0.5, 1.0, 1, (2, 13, 5), normal(2)),
    ("n5_beta025", 5, 1.0, 0.25, 1.0, 1, (3, 11, 7), normal(2)),
    ("n6_beta15", 6, 1.0, 1.5, 1.0, 1, (2, 10, 3), normal(1)),
    ("n7_beta2", 7, 3.0, 2.0, 1.0, 1, (1, 20, 2), normal(1)),
    ("n8_beta3", 8, 0.5, 3.0, 0.5, 1, (2, 19, 3, 1), normal(1)),
    ("n9_beta06", 9, 4.0, 0.6, 1.0, 1, (1, 24, 7, 1), normal(1)),
    ("n16_beta13", 16, 10.0, 1.3, 1.0, 1, (1, 33, 7, 7), normal(1)),
    ("n2_beta_minus05", 2, 1.0, -0.5, 1.0, 1, (2, 8, 5), normal(3)),
    ("n3_beta0", 3, 1.0, 0.0, 1.0, 1, (2, 8, 5), normal(3)),
    ("n5_beta01", 5, 1.0, 0.1, 2.0, 1, (1, 9, 11, 11), normal(10)),
    ("n4_beta27", 4, 1.0, 2.7, 1.0, 1, (2, 9, 7), normal(1)),
    ("n5_beta5", 5, 1.0, 5.0, 1.0, 1, (1, 9, 7), normal(1)),
    ("n3_beta65", 3, 1.0, 6.5, 1.0, 1, (1, 16, 7), normal(1)),
    # Big sizes; sizes over the channels; one channel.
    ("n17", 17, 10.0, 0.75, 1.0, 1, (2, 40, 3), normal(1)),
    ("n31", 31, 10.0, 0.75, 1.0, 1, (1, 64, 7, 7), normal(1)),
    ("n64", 64, 10.0, 0.75, 1.0, 1, (1, 96, 5), normal(2)),
    ("n200_over_c", 200, 100.0, 0.75, 1.0, 1, (3, 6, 7), normal(3)),
    ("n1001_over_c", 1001, 1000.0, 1.0, 1e-3, 1, (2, 3, 5), nonzero(0.1, 3)),
    ("n6_over_c", 6, 10.0, 0.75, 1.0, 1, (5, 2, 7), normal(1)),
    ("c1_n5", 5, 10.0, 0.75, 1.0, 1, (4, 1, 7, 7), normal(1)),
    ("c1_n4_inner1", 4, 10.0, 0.75, 1.0, 1, (7, 1, 1), normal(1)),
    # Inner extent 1 and rank 2: channels are the contiguous axis.
    ("inner1_n5", 5, 1.0, 0.75, 1.0, 1, (6, 37, 1), normal(2)),
    ("rank2_n5", 5, 1.0, 0.75, 1.0, 1, (3, 128), integers(-8, 7)),
    ("rank2_n4", 4, 1.0, 0.75, 1.0, 1, (10, 63), integers(-8, 7)),
    # Ranks 5 and 6, other channel axes.
    ("rank5_n3", 3, 2.0, 0.75, 1.0, 1, (2, 9, 2, 3, 5), normal(1)),
    ("rank6_n4", 4, 2.0, 0.75, 1.0, 1, (2, 7, 2, 3, 2, 3), normal(1)),
    ("nhwc_n5", 5, 2.0, 0.75, 1.0, 3, (2, 5, 5, 24), normal(2)),
    ("nhwc_n4", 4, 2.0, 0.75, 1.0, -1, (2, 3, 7, 21), normal(2)),
    ("nhwc_n17_over_c", 17, 10.0, 0.75, 1.0, -1, (2, 7, 7, 3), normal(2)),
    ("ndhwc_n2", 2, 2.0, 0.5, 1.0, -1, (2, 2, 3, 3, 19), normal(2)),
    ("axis0_n5", 5, 2.0, 0.75, 1.0, 0, (16, 7, 3), normal(2)),
    ("axis2_n4", 4, 2.0, 0.75, 1.0, 2, (2, 3, 11, 5), normal(2)),
    # Small k; mixed magnitudes, where a running sum fails.
    ("k1e-3", 5, 1.0, 0.75, 1e-3, 1, (2, 12, 7), normal(0.1)),
    ("k1e-6", 4, 10.0, 0.75, 1e-6, 1, (2, 12, 7), normal(0.001)),
    ("k0_beta075", 5, 1.0, 0.75, 0.0, 1, (2, 12, 7), nonzero(0.5, 4)),
    ("k0_beta1_n2", 2, 1.0, 1.0, 0.0, 1, (2, 12, 7), nonzero(0.5, 4)),
    ("mixed_k1e-6", 5, 1.0, 0.75, 1e-6, 1, (1, 32, 7, 7), spikes(0.001, 1e4, 0.03)),
    ("mixed_k1e-6_n4", 4, 1.0, 0.75, 1e-6, 1, (2, 40, 5), spikes(0.001, 1e4, 0.05)),
    ("mixed_k1e-6_n16", 16, 1.0, 0.75, 1e-6, 1, (1, 80, 7), spikes(0.001, 1e4, 0.02)),
    ("mixed_k1e-6_nhwc", 5, 1.0, 0.75, 1e-6, -1, (1, 3, 5, 48), spikes(0.001, 1e4, 0.03)),
    ("mixed_decades", 3, 1.0, 0.6, 1e-6, 1, (2, 24, 11), log_uniform(-4, 4)),
    # Negative alpha, k large enough that the base stays positive.
    ("alpha_minus05", 5, -0.5, 0.75, 2.0, 1, (2, 16, 7), uniform(-1, 1)),
    ("alpha_minus2_n4", 4, -2.0, 1.0, 20.0, 1, (2, 16, 5), uniform(-2, 2)),
    ("alpha0", 5, 0.0, 0.75, 3.0, 1, (2, 6, 5), normal(2)),
    # Special values: the outputs hold NaN, Inf and zeros.
    ("special_inf", 5, 1e-4, 0.75, 1.0, 1, (2, 24, 7), salted(3, [INF, -INF], 0.04)),
    ("special_nan", 5, 1e-4, 0.75, 1.0, 1, (2, 24, 7), salted(3, [NAN], 0.04)),
    ("special_inf_nan_n4", 4, 1.0, 0.6, 1.0, 1, (1, 30, 11), salted(3, [INF, -INF, NAN], 0.06)),
    ("special_inf_nan_nhwc", 3, 1.0, 0.75, 1.0, -1, (1, 3, 3, 40), salted(3, [NAN, INF, -INF], 0.06)),
    ("special_k0_zeros", 3, 1.0, 0.75, 0.0, 1, (2, 16, 7), salted(2, [0.0, -0.0], 0.7)),
    ("special_k0_zeros_n2_beta1", 2, 1.0, 1.0, 0.0, 1, (2, 16, 5), salted(2, [0.0, -0.0], 0.6)),
    ("special_k0_zeros_beta_minus05", 3, 1.0, -0.5, 0.0, 1, (1, 16, 5), salted(2, [0.0, -0.0], 0.7)),
    ("special_negative_base_beta075", 5, 1.0, 0.75, -2.0, 1, (2, 16, 7), normal(1.5)),
    ("special_negative_base_beta05", 5, 1.0, 0.5, -2.0, 1, (2, 16, 7), normal(1.5)),
    ("special_negative_base_beta1", 5, 1.0, 1.0, -20.0, 1, (2, 12, 5), normal(1)),
    ("special_negative_base_beta2", 4, 1.0, 2.0, -20.0, 1, (2, 12, 5), normal(1)),
    ("special_negative_base_beta3", 3, -1.0, 3.0, -1.0, 1, (2, 12, 5), normal(1)),
    ("special_base_zero", 1, 1.0, 0.75, -4.0, 1, (1, 3, 2), given(2, -2, 3, 1, 0, 4)),
    ("special_alpha0_inf_nan", 3, 0.0, 0.75, 1.0, 1, (1, 12, 5), salted(3, [INF, -INF, NAN], 0.08)),
    ("special_alpha_minus1_inf", 3, -1.0, 0.75, 100.0, 1, (1, 12, 5), salted(3, [INF, -INF], 0.08)),
    ("special_beta0_inf_nan", 3, 1.0, 0.0, 1.0, 1, (1, 12, 5), salted(3, [INF, -INF, NAN], 0.08)),
    ("special_beta_minus1_inf_nan", 3, 1.0, -1.0, 1.0, 1, (1, 12, 5), salted(3, [INF, -INF, NAN], 0.08)),
    ("special_overflow", 3, 1.0, 0.75, 1.0, 1, (1, 20, 5), salted(3, [1e20, -1e20, 3e38], 0.1)),
    ("special_underflow_k0", 3, 1.0, 0.75, 0.0, 1, (1, 20, 5), salted(1e-30, [1e-30, -1e-40], 0.3)),
]

# Cases of which the gradients are written too; those of RELU through a relu before the LRN, under the name NAME_relu.
GRADIENTS = [
    "module_2d_uneven_pad",
    "zfnet",
    "caffe_n5",
    "caffe_n15_over_c",
    "onednn_k14",
    "n1_alpha10",
    "n3_alpha10_beta1",
    "n4_beta05",
    "n5_beta025",
    "n7_beta2",
    "n9_beta06",
    "n16_beta13",
    "n2_beta_minus05",
    "n4_beta27",
    "n3_beta65",
    "n17",
    "n31",
    "n64",
    "n6_over_c",
    "c1_n4_inner1",
    "rank5_n3",
    "nhwc_n5",
    "nhwc_n4",
    "axis0_n5",
    "k1e-6",
    "k0_beta075",
    "mixed_k1e-6_n4",
    "mixed_decades",
    "alpha_minus05",
]
RELU = ["n8_beta3", "nhwc_n4", "n17"]
SECOND = ["caffe_n5", "n3_alpha10_beta1", "n4_beta05", "n9_beta06", "n4_beta27", "n17", "n17_relu"]


def generator(name):
    """A generator of its own for each name, so that a new case changes no other."""
    return np.random.default_rng([SEED, zlib.crc32(name.encode())])


def lrn(x, size, alpha, beta, k, axis):
    """PyTorch's LRN over any axis of a tensor of rank 2 or more."""
    x = x.movedim(axis, 1).contiguous()
    flat = x.dim() == 2
    if flat:
        x = x.unsqueeze(-1)
    y = F.local_response_norm(x, size, alpha=alpha, beta=beta, k=k)
    if flat:
        y = y.squeeze(-1)
    return y.movedim(1, axis).contiguous()


def gradient(x, g, parameters, relu, v=None):
    """Autograd's gradient of x; with `v` also the derivative of y along v, and the gradient of sum(v * gradient)."""
    x = x.clone().requires_grad_()
    g = g.clone().requires_grad_()
    y = lrn(torch.relu(x) if relu else x, *parameters)
    (dx,) = torch.autograd.grad(y, x, g, create_graph=v is not None)
    if v is None:
        return dx.numpy()
    # dx is linear in g: what it sends back to g is the derivative of y along v.
    jvp, ddx = torch.autograd.grad(dx, (g, x), v)
    return dx.detach().numpy(), jvp.numpy(), ddx.numpy()


def save(path, array, dtype, shape):
    """Write a .npy and read it back. Gives the number of bytes."""
    array = np.ascontiguousarray(array)
    assert array.dtype == dtype and array.shape == shape
    np.save(path, array, allow_pickle=False)
    back = np.load(path, allow_pickle=False)
    assert back.dtype == dtype and back.shape == shape and back.flags.c_contiguous
    assert back.tobytes() == array.tobytes()
    assert path.stat().st_size <= MAX_BYTES, path.name
    return path.stat().st_size


def write_gradients():
    """The files of GRADIENTS and RELU, and their table."""
    cases = {case[0]: case[1:] for case in CASES}
    lines = ["name\tcase\tactivation\tsecond"]
    total = 0
    for case, relu in [(case, False) for case in GRADIENTS] + [(case, True) for case in RELU]:
        name = f"{case}_relu" if relu else case
        *parameters, shape, _ = cases[case]
        x = torch.from_numpy(np.load(HERE / f"{case}.x.npy"))
        g = generator(f"{name}.g").standard_normal(shape).astype(np.float32)
        arrays = {"g": g, "dx": gradient(x, torch.from_numpy(g), parameters, relu)}
        doubles = x.double(), torch.from_numpy(g).double(), parameters, relu
        if name in SECOND:
            arrays["v"] = generator(f"{name}.v").standard_normal(shape).astype(np.float32)
            outputs = gradient(*doubles, torch.from_numpy(arrays["v"]).double())
            arrays.update(zip(("dx64", "jvp64", "ddx64"), outputs))
        else:
            arrays["dx64"] = gradient(*doubles)

        for suffix, array in arrays.items():
            assert np.isfinite(array).all(), name
            dtype = np.float64 if suffix.endswith("64") else np.float32
            total += save(HERE / f"{name}.{suffix}.npy", array, dtype, shape)

        lines.append(f"{name}\t{case}\t{'relu' if relu else 'none'}\t{'yes' if name in SECOND else 'no'}")

    (HERE / "gradients.tsv").write_text("\n".join(lines) + "\n")
    print(f"{len(lines) - 1} gradients, {total} bytes of .npy")


def main():
    torch.set_num_threads(1)
    names = [case[0] for case in CASES]
    assert len(set(names)) == len(names)

    lines = ["name\tsize\talpha\tbeta\tk\tchannel_axis\tshape\tscale"]
    total = 0
    for name, size, alpha, beta, k, axis, shape, (scale, draw) in CASES:
        x = np.asarray(draw(generator(name), shape), dtype=np.float64).astype(np.float32)
        tensor = torch.from_numpy(x)
        y = lrn(tensor, size, alpha, beta, k, axis).numpy()
        y64 = lrn(tensor.double(), size, alpha, beta, k, axis).numpy()
        if not name.startswith("special_"):
            assert np.isfinite(y).all() and np.isfinite(y64).all(), name

        for suffix, array, dtype in (("x", x, np.float32), ("y", y, np.float32), ("y64", y64, np.float64)):
            total += save(HERE / f"{name}.{suffix}.npy", array, dtype, shape)

        dims = ",".join(map(str, shape))
        lines.append(f"{name}\t{size}\t{alpha!r}\t{beta!r}\t{k!r}\t{axis}\t{dims}\t{scale}")

    (HERE / "cases.tsv").write_text("\n".join(lines) + "\n")
    print(f"{len(CASES)} cases, {total} bytes of .npy")
    write_gradients()
    print(f"python {sys.version.split()[0]}, numpy {np.__version__}, torch {torch.__version__}")


if __name__ == "__main__":
    main()
