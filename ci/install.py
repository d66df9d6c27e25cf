"""Make a virtual environment: the project's by `python3 ci/install.py .venv`, an image's, or a tool's.

Needs only Python 3.11 with venv and pip. pip installs uv; uv installs the rest, ten times faster. pip's
configuration (mirrors, a folder of wheels) is passed on to uv, which does not read it. If no folder of
wheels holds the right build of torch, uv is told which one to take, so that a machine without a GPU does
not download gigabytes of CUDA.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = "uv==0.13.8"
# Of one version, uv takes only what the first index has that knows it. Where indexes are put together, that may be the
# wheel of soundfile without its library; pip looks at all of them.
BY_PIP = {"data": ["soundfile"]}
JAX_PLUGIN = {"cpu": None, "cu126": "cuda12", "cu130": "cuda13"}  # jax's name for the same CUDA


def pip_setting(pip: list[str], name: str) -> list[str]:
    """The words of one pip setting, from its files or the environment; [] if it is not set."""
    from_environment = os.environ.get("PIP_" + name.replace("-", "_").upper())
    if from_environment is not None:
        return from_environment.split()
    command = [*pip, "config", "get", f"global.{name}"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return asked.stdout.split() if asked.returncode == 0 else []


def package_sources(pip: list[str], accelerator: str) -> list[str]:
    """Options that make uv use pip's sources and the torch build for `accelerator`."""
    folders = pip_setting(pip, "find-links")
    options = [word for folder in folders for word in ("--find-links", folder)]
    options += [word for url in pip_setting(pip, "index-url") for word in ("--default-index", url)]
    extra = pip_setting(pip, "extra-index-url")
    options += [word for url in extra for word in ("--index", url)]
    if extra:
        # pip's rule: the best version of all indexes
        options += ["--index-strategy", "unsafe-best-match"]
    if not any(any(Path(folder).glob(f"torch-*+{accelerator}-*.whl")) for folder in folders):
        options += ["--torch-backend", accelerator]
    return options


def requirements(extras: list[str], accelerator: str, *, for_image: bool) -> list[str]:
    """What to install: this project, and JAX's CUDA plug-in if requested.

    The project is installed as an editable package. In an image, only its dependencies are installed.
    """
    if for_image:
        chosen = [word for extra in extras for word in ("--extra", extra)]
        project = ["--requirements", str(ROOT / "pyproject.toml"), *chosen]
    else:
        project = ["--editable", f"{ROOT}[{','.join(extras)}]"]
    plugin = JAX_PLUGIN[accelerator] if "jax" in extras else None
    return [*project, *([f"jax[{plugin}]"] if plugin else [])]


def main() -> int:
    """Create or update the environment named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("venv", type=Path)
    parser.add_argument("--extras", default="jax,pytorch,data,dev", help="of pyproject.toml, by commas")
    parser.add_argument("--accelerator", default="cpu", choices=sorted(JAX_PLUGIN))
    parser.add_argument("--for-image", action="store_true", help="only what the project needs")
    parser.add_argument("--packages", type=Path, metavar="FILE", help="this list instead of the project")
    options = parser.parse_args()
    extras = options.extras.split(",")
    if sys.version_info[:2] != (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"error: Python 3.11 is needed, {sys.executable} is {found}. Try: make setup PYTHON=python3.11")
        return 2
    python = options.venv / "bin" / "python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", str(options.venv)], check=False)
        if made.returncode != 0:
            print("error: this Python makes no virtual environments. On Debian: apt install python3.11-venv")
            return 2
    pip = [str(python), "-m", "pip"]
    # No --isolated or --index-url here: pip reads its own configuration.
    subprocess.run([*pip, "install", "--quiet", UV], check=True)
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    by_pip = [] if options.packages else [name for extra in extras for name in BY_PIP.get(extra, [])]
    if by_pip:
        again = ["--quiet", "--no-deps", "--force-reinstall"]  # the version alone does not tell which wheel is there
        subprocess.run([*pip, "install", *again, *constraints, *by_pip], check=True)
    # Compile bytecode once, here: if Python may not write it, every process would compile PyTorch's again.
    uv = [str(options.venv / "bin" / "uv"), "pip", "install", "--compile-bytecode", "--python", str(python)]
    if options.packages:
        wanted = ["--requirements", str(options.packages)]
    else:
        wanted = requirements(extras, options.accelerator, for_image=options.for_image)
    sources = package_sources(pip, options.accelerator)
    print("Downloading packages, then compiling their bytecode, which says nothing for a minute or two", flush=True)
    subprocess.run([*uv, *sources, *constraints, *wanted], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
