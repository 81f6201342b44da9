#!/usr/bin/env python3
"""Write conv1.npy: a photograph through a first convolution layer, (1, 96, 27, 27) float32.

Run as `python make_conv1.py [FILE]`; the default is conv1.npy beside the script.
The photo (scikit-image's `chelsea`) is cropped and halved to 115x115 RGB, its mean
colour is taken away, and it goes through 96 filters of 11x11, stride 4, then ReLU:
what AlexNet's conv1 does, with Gabor filters in place of trained weights.

Pixels are multiples of 1/4 and weights are rounded to multiples of 2**-12, so every
sum below is exact in float64: the result does not depend on the order of summation.
"""

import pathlib
import sys

import numpy as np
import skimage
from skimage import data

K, STRIDE, OUT = 11, 4, 27
SIDE = K + STRIDE * (OUT - 1)  # 115
TOP, LEFT = 40, 110            # the cat's face
GAIN = 1.8                     # L2 norm of every filter

GREY = (1, 1, 1)
RED_GREEN = (1, -1, 0)
BLUE_YELLOW = (-0.5, -0.5, 1)


def gabor(theta, wavelength, sigma, phase):
    """An 11x11 Gabor patch, angles in degrees."""
    r = np.arange(K) - K // 2
    y, x = np.meshgrid(r, r, indexing="ij")
    theta, phase = np.deg2rad([theta, phase])
    along = x * np.cos(theta) + y * np.sin(theta)
    wave = np.cos(2 * np.pi * along / wavelength + phase)
    return wave * np.exp(-(x * x + y * y) / (2 * sigma * sigma))


def filters():
    """The bank, (96, 11, 11, 3): 64 grey filters without mean, 32 colour-opponent ones."""
    bank = []
    for theta in np.arange(8) * 22.5:
        for wavelength, sigma in ((4, 2.0), (8, 3.0)):
            for phase in (0, 90, 180, 270):
                g = gabor(theta, wavelength, sigma, phase)
                bank.append((g - g.mean())[:, :, None] * np.array(GREY))
    for theta in np.arange(4) * 45:
        for colour in (RED_GREEN, BLUE_YELLOW):
            for phase in (0, 90, 180, 270):
                bank.append(gabor(theta, 12, 3.5, phase)[:, :, None] * np.array(colour))
    bank = np.array([GAIN * f / np.sqrt((f * f).sum()) for f in bank])
    # Trained channels come in no particular order.
    bank = bank[np.random.default_rng(96).permutation(len(bank))]
    return np.round(bank * 4096) / 4096


def photo():
    """The photo, (115, 115, 3), mean colour taken away (rounded to an integer)."""
    image = data.chelsea()[TOP:TOP + 2 * SIDE, LEFT:LEFT + 2 * SIDE].astype(np.float64)
    image = image.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))
    return image - np.round(image.mean(axis=(0, 1)))


def main():
    here = pathlib.Path(__file__).parent
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "conv1.npy"
    image, bank = photo(), filters()
    patches = np.lib.stride_tricks.sliding_window_view(image, (K, K), axis=(0, 1))
    patches = patches[::STRIDE, ::STRIDE]  # (27, 27, 3, 11, 11)
    maps = np.einsum("yxcij,fijc->fyx", patches, bank)
    result = np.ascontiguousarray(np.maximum(maps, 0)[None], dtype="<f4")
    assert result.shape == (1, 96, OUT, OUT)
    np.save(out, result)
    print(f"min {result.min()}, mean {result.mean():.2f}, max {result.max():.1f}, "
          f"zeros {(result == 0).mean():.1%}; scikit-image {skimage.__version__}, "
          f"numpy {np.__version__}, python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
