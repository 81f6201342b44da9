"""Installs the rivals into target/peers: a Python environment, and oneDNN with the program that runs it.

Nothing here touches the system, but for `apt-get install libdnnl-dev` where that is missing and we are root. Each function
raises `Unavailable` with a reason; run.py reports it and goes on with the others.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent

# What torch needs to run on the CPU. Its PyPI wheel is built for CUDA: whatever it insists on for GPUs but does not use
# here would be 3 GB more.
TORCH_CPU = ["filelock", "typing-extensions>=4.13", "setuptools>=77", "sympy>=1.13.3", "networkx", "jinja2", "fsspec"]
TORCH_CUDA_SMALL = ["nvidia-cuda-runtime", "nvidia-cuda-cupti"]


class Unavailable(Exception):
    """A rival that cannot be had here, and why."""


def call(*command, **options):
    """Runs a command; its last lines of output are the reason if it fails. Returns what it printed."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options
        )
    except OSError as error:
        raise Unavailable(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        last = " / ".join(done.stdout.strip().splitlines()[-3:])
        reason = f"`{' '.join(command[:6])} …` failed: {last}"
        raise Unavailable(reason.replace(f"{REPO}/", ""))
    return done.stdout


class Environment:
    """A virtual Python environment in target/peers."""

    def __init__(self, folder, name="venv"):
        self.folder = folder / name
        self.python = self.folder / "bin" / "python"
        if not self.python.exists():
            print("installing: a Python environment", file=sys.stderr)
            call(sys.executable, "-m", "venv", self.folder)

    def has(self, module):
        command = [str(self.python), "-c", f"import {module}"]
        return (
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
        )

    def pip(self, *packages):
        print(f"installing: {' '.join(packages)}", file=sys.stderr)
        call(self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)

    def need(self, **packages):
        """Installs those packages whose module cannot be imported yet: module="package"."""
        missing = [package for module, package in packages.items() if not self.has(module)]
        if missing:
            self.pip(*missing)

    def site(self):
        return Path(call(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())


def torch(environment, full):
    """torch for the CPU; with `full`, with all of its CUDA packages."""
    if environment.has("torch"):
        return
    if not full:
        environment.pip("--no-deps", "torch")
        environment.pip(*TORCH_CPU)
        if environment.has("torch"):
            return
        environment.pip(*TORCH_CUDA_SMALL)
        try:
            stub_cuda(environment)
        except (Unavailable, OSError) as error:
            print(f"no stubs for torch: {error}", file=sys.stderr)
        if environment.has("torch"):
            return
        print("torch does not start without its CUDA packages: installing all of them", file=sys.stderr)
    environment.pip("torch")
    if not environment.has("torch"):
        raise Unavailable("torch is installed, but cannot be imported")


def stub_cuda(environment):
    """Puts empty libraries beside torch's own in place of the GPU libraries it is linked to.

    A process without a GPU never calls them. All their functions abort, so nothing can be computed by them unnoticed.
    """
    lib = environment.site() / "torch" / "lib"
    own = sorted(lib.glob("*.so*"))
    linked = environment_libraries(environment)
    missing = set()
    for library in own:
        out = call("ldd", library, env={**os.environ, "LD_LIBRARY_PATH": linked})
        missing |= set(re.findall(r"(\S+) => not found", out))
    missing = {name for name in missing if not (lib / name).exists()}
    provided, wanted = set(), set()
    for library in own:
        provided |= symbols(library, "--defined-only")
        wanted |= symbols(library, "--undefined-only")
    prefixes = r"cu|nv|nccl|Lt|__cu|__nv"
    names = sorted(name for name in wanted - provided if re.match(prefixes, name))
    source = environment.folder / "stub.c"
    body = "".join(f"__attribute__((weak)) void {name}(void) {{ abort(); }}\n" for name in names)
    source.write_text(f"#include <stdlib.h>\n{body}")
    for name in sorted(missing):
        call("cc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{name}", "-o", lib / name, source)


def environment_libraries(environment):
    return ":".join(str(path) for path in environment.site().glob("nvidia/**/lib") if path.is_dir())


def symbols(library, which):
    out = call("nm", "-D", which, library)
    return {line.split()[-1].split("@")[0] for line in out.splitlines() if line.split()}


def openvino(environment):
    """OpenVINO without its telemetry, which would call home."""
    if not environment.has("openvino"):
        environment.need(numpy="numpy", packaging="packaging")
        environment.pip("--no-deps", "openvino")


def onednn_pypi(environment, folder):
    """The newest oneDNN on PyPI that is built for OpenMP and g++, and our program for it."""
    prefix = environment.folder
    if not list(prefix.glob("lib/libdnnl.so*")):
        environment.pip("onednn-cpu-gomp", "onednn-devel-cpu-gomp")
    flags = [f"-I{prefix / 'include'}", f"-L{prefix / 'lib'}", f"-Wl,-rpath,{prefix / 'lib'}"]
    return compile_onednn(folder / "onednn-pypi", flags)


def onednn_sycl(folder):
    """The newest oneDNN on PyPI, which is built for SYCL, and the command that runs our program for it."""
    prefix = Environment(folder, "venv-sycl")
    lib = prefix.folder / "lib"
    if not list(lib.glob("libdnnl.so*")):
        prefix.pip("onednn", "onednn-devel")
    program = compile_onednn(
        folder / "onednn-sycl", [f"-I{prefix.folder / 'include'}", f"-L{lib}", "-Wl,--allow-shlib-undefined"]
    )
    # Intel's OpenCL for processors, without which SYCL finds no device.
    return ["env", f"LD_LIBRARY_PATH={lib}", f"OCL_ICD_FILENAMES={lib / 'libintelocl.so'}", program]


def onednn_debian(folder):
    """Debian's oneDNN, and our program for it."""
    if not Path("/usr/include/oneapi/dnnl/dnnl.hpp").exists():
        if os.geteuid() != 0:
            raise Unavailable("libdnnl-dev is missing and only root can install it: apt-get install libdnnl-dev")
        print("installing: libdnnl-dev", file=sys.stderr)
        call("apt-get", "update")
        call("apt-get", "install", "-y", "--no-install-recommends", "libdnnl-dev")
    return compile_onednn(folder / "onednn-debian", [])


def compile_onednn(program, flags):
    source = HERE / "onednn.cpp"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        print(f"compiling: {program.name}", file=sys.stderr)
        call("g++", "-O2", "-std=c++17", *flags, source, "-o", program, "-ldnnl")
    return program


def cargo(manifest, *arguments):
    """Builds a Rust program and gives its path."""
    print(f"compiling: {manifest.parent.name} (cargo)", file=sys.stderr)
    command = ["cargo", *arguments, "--manifest-path", str(manifest), "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=manifest.parent)
    programs = re.findall(r'"executable":"([^"]+)"', done.stdout)
    if done.returncode != 0 or not programs:
        raise Unavailable(f"cargo could not build {manifest.parent.name}")
    return Path(programs[-1])


def ours(threads):
    features = ["--features", "rayon"] if threads > 1 else []
    return cargo(REPO / "Cargo.toml", "bench", "--no-run", "--bench", "peers", *features)


def crate(name, folder):
    """tract or burn: a project of its own, built below target/peers."""
    target = ["--target-dir", str(folder / name)]
    return cargo(HERE / name / "Cargo.toml", "build", "--release", *target)


if __name__ == "__main__":
    sys.exit("run.py is what to run")
