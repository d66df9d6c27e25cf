"""Make the project's virtual environment: `python3 ci/install.py .venv`.

Needs nothing but Python 3.11 with venv and pip. pip only brings uv; uv brings the rest, ten times
faster. What pip's own configuration says (mirrors, a folder of wheels) is handed on to uv, which does
not read it. Where no folder of wheels holds a torch, uv is told which build to take, so that a machine
without a GPU is not sent gigabytes of CUDA.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = "uv==0.13.8"
JAX_PLUGIN = {"cpu": None, "cu126": "cuda12", "cu130": "cuda13"}  # jax's name for the same CUDA


def pip_setting(pip: list[str], name: str) -> list[str]:
    """The words of one pip setting, from its files or the environment; [] where it is not set."""
    from_environment = os.environ.get("PIP_" + name.replace("-", "_").upper())
    if from_environment is not None:
        return from_environment.split()
    asked = subprocess.run([*pip, "config", "get", f"global.{name}"], capture_output=True, text=True, check=False)
    return asked.stdout.split() if asked.returncode == 0 else []


def package_sources(pip: list[str], accelerator: str) -> list[str]:
    """The options that make uv look where pip would, and take the torch build of `accelerator`."""
    folders = pip_setting(pip, "find-links")
    options = [word for folder in folders for word in ("--find-links", folder)]
    options += [word for url in pip_setting(pip, "index-url") for word in ("--default-index", url)]
    extra = pip_setting(pip, "extra-index-url")
    options += [word for url in extra for word in ("--index", url)]
    if extra:
        options += ["--index-strategy", "unsafe-best-match"]  # pip's own rule: the best version of all indexes
    has_torch_wheel = any(Path(folder).is_dir() and any(Path(folder).glob("torch-*.whl")) for folder in folders)
    if not has_torch_wheel:
        options += ["--torch-backend", accelerator]
    return options


def requirements(extras: list[str], accelerator: str) -> list[str]:
    """What to install: this project, editable, and JAX's CUDA plug-in where one is asked for."""
    plugin = JAX_PLUGIN[accelerator] if "jax" in extras else None
    return ["--editable", f"{ROOT}[{','.join(extras)}]", *([f"jax[{plugin}]"] if plugin else [])]


def main() -> int:
    """Create or update the environment named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("venv", type=Path)
    parser.add_argument("--extras", default="jax,pytorch,data,dev", help="comma-separated extras of pyproject.toml")
    parser.add_argument("--accelerator", default="cpu", choices=sorted(JAX_PLUGIN))
    options = parser.parse_args()
    if sys.version_info[:2] != (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"error: Python 3.11 is needed, {sys.executable} is {found}. Try: make setup PYTHON=python3.11")
        return 2
    python = options.venv / "bin" / "python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", str(options.venv)], check=False)
        if made.returncode != 0:
            print("error: this Python cannot make virtual environments. On Debian: apt install python3.11-venv")
            return 2
    pip = [str(python), "-m", "pip"]
    # No --isolated or --index-url here: pip knows its own configuration.
    subprocess.run([*pip, "install", "--quiet", UV], check=True)
    uv = [str(options.venv / "bin" / "uv"), "pip", "install", "--python", str(python)]
    subprocess.run(
        [*uv, *package_sources(pip, options.accelerator), "--constraint", str(ROOT / "constraints.txt"),
         *requirements(options.extras.split(","), options.accelerator)],
        check=True,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
