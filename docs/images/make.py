"""The photographs of docs/IMAGES.md, from the wheel of scikit-image 0.17.2, and what the tool makes of them as JPEG.

    pip download --no-deps --python-version 3.7 --only-binary=:all: scikit-image==0.17.2
    unzip scikit_image-*.whl 'skimage/data/*'
    python make.py skimage/data target/release/lrn-jit         # wants numpy and pillow
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

data, tool = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
here = Path(__file__).parent


def normalized(source, *options):
    """What the tool makes of a file, from 0 to 255."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.png")
        subprocess.run([tool, "image", source, out, *options], check=True, stdout=subprocess.DEVNULL)
        pixels = np.array(Image.open(out))
    return (pixels >> 8).astype(np.uint8) if pixels.dtype != np.uint8 else pixels


def save(name, pixels, quality=88):
    Image.fromarray(pixels).save(here / name, quality=quality, optimize=True)


cup = here / "coffee.jpg"
Image.open(data / "coffee.png").resize((480, 320), Image.LANCZOS).save(cup, quality=92, optimize=True)
save("even.jpg", normalized(cup, "--compare"))
for name, options in {
    "small": ["--size", "9"],
    "large": ["--size", "201"],
    "across": ["--across"],
    "deviation": ["--beta", "0.5", "--k", "0.1"],
}.items():
    save(f"{name}.jpg", normalized(cup, *options))

# The green channel, where vessels are darkest; 4×4 values of 8 bits make one of 12.
retina = np.array(Image.open(data / "retina.jpg"))[:1408, :1408, 1].astype(float)
retina = retina.reshape(352, 4, 352, 4).mean((1, 3)) * 257
with tempfile.TemporaryDirectory() as folder:
    grey = Path(folder, "retina.png")
    Image.fromarray(retina.astype(np.uint16)).save(grey)
    save("retina.jpg", normalized(grey, "--compare"))
