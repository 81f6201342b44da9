"""Makes the Python environment of the tests and the benchmark, and installs this package into it.

    python3 integrations/python/environment.py [--release] [folder]

The environment is `venv` in a folder, target/lrn-jit-python by default (or in CARGO_TARGET_DIR). Its packages are pinned by
requirements.txt; torch is installed as benches/peers does it, without the 3 GB of CUDA's packages. The package is built as
`cargo test` builds, or, with --release, as `pip install .` does. Prints the environment's interpreter.
"""

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
sys.path.insert(0, str(REPO / "benches" / "peers"))

import install  # noqa: E402

REQUIREMENTS = HERE / "requirements.txt"


def main():
    parser = argparse.ArgumentParser(description="Makes the environment of lrn-jit-python's tests and benchmark.")
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target"))
    parser.add_argument("folder", nargs="?", type=Path, default=target / "lrn-jit-python")
    parser.add_argument("--release", action="store_true", help="optimize the package as a user's is")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # One target folder for cargo and for maturin, and the versions of requirements.txt for all that pip is asked for.
    os.environ["CARGO_TARGET_DIR"] = str(folder.parent)
    os.environ["PIP_CONSTRAINT"] = str(REQUIREMENTS)
    try:
        print(made(folder, options.release))
    except install.Unavailable as error:
        sys.exit(f"no environment: {error}")


def made(folder, release):
    environment = install.Environment(folder)
    install.torch(environment, full=False)
    needed = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith(("#", "torch="))]
    environment.pip(*needed)
    profile = "release" if release else "dev"
    print(f"installing: lrn_jit ({profile})", file=sys.stderr)
    os.environ["MATURIN_PEP517_ARGS"] = f"--profile {profile}"
    # maturin is there already; pip would install it anew for every build.
    os.environ["PATH"] = f"{environment.python.parent}{os.pathsep}{os.environ['PATH']}"
    options = ["--no-build-isolation", "--no-deps", "--force-reinstall"]
    install.call(environment.python, "-m", "pip", "install", "--disable-pip-version-check", *options, HERE)
    return environment.python


if __name__ == "__main__":
    main()
