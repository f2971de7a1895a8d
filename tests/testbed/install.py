"""Installs what the test bed needs under target/testbed: a venv, etcd and kube-apiserver. Costs nothing when warm."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pythons import OLDEST, version

HERE = Path(__file__).resolve().parent
HOME = HERE.parent.parent / "target" / "testbed"
VENV = HOME / "venv"
REQUIREMENTS = HERE / "requirements.txt"
OLD_REQUIREMENTS = HERE.parent / "python" / "requirements-old.txt"
SERVERS = {"etcd": ".", "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver"}


class Missing(Exception):
    """A tool that nothing here can bring."""


def install() -> None:
    """Brings the venv and the servers; one installer at a time."""
    if sys.version_info < (3, 10):
        raise Missing(f"Python 3.10 or newer is needed; this is {sys.version.split()[0]}")
    with locked():
        _venv(VENV, ["-r", str(REQUIREMENTS)], _digest(REQUIREMENTS))
        for name, package in SERVERS.items():
            _server(name, package)


def wheel_venv(python: Path) -> Path:
    """A venv of a Python with nothing but what the tests of the wheel need, for it to be installed in."""
    minor = version(python)
    if minor < OLDEST:
        raise Missing(f"{python} is no CPython of 3.9 or newer")
    folder = HOME / f"wheel-venv-{'.'.join(map(str, minor))}"
    # What the pinned ones no longer support is tested with the last that did; types are checked elsewhere.
    old = minor < (3, 10)
    packages = (
        ["-r", str(OLD_REQUIREMENTS)]
        if old
        else [_pinned(name) for name in ("mypy", "pytest", "boto3", "moto", "kubernetes")]
    )
    with locked():
        _venv(folder, packages, f"{packages} {_digest(OLD_REQUIREMENTS)}", python)
    return folder


def server(name: str) -> Path:
    """The program of this name: out of KUBEBUILDER_ASSETS when that is set, else our own build."""
    return Path(os.environ.get("KUBEBUILDER_ASSETS") or HOME / "bin") / name


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Holds target/testbed for one process."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _venv(folder: Path, packages: list[str], wanted: str, python: Path = Path(sys.executable)) -> None:
    stamp = folder / "stamp"
    # Not by its path: `up` asks again out of the venv itself.
    wanted = f"{version(python)} {folder} {wanted}"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    _say(f"making {folder.name}")
    shutil.rmtree(folder, ignore_errors=True)
    _run([str(python), "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    _run([*pip, "install", "--prefer-binary", *packages])
    stamp.write_text(wanted)


def _server(name: str, package: str) -> None:
    if os.environ.get("KUBEBUILDER_ASSETS"):
        if not server(name).is_file():
            raise Missing(f"KUBEBUILDER_ASSETS has no {name}")
        return
    module = HERE / name.replace("kube-", "")
    target, stamp = HOME / "bin" / name, HOME / "bin" / f"{name}.stamp"
    wanted = _digest(*sorted(path for path in module.iterdir() if path.suffix in {".mod", ".sum", ".go"}))
    if target.is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return
    if not shutil.which("go"):
        raise Missing(f"Go is needed to build {name} (or KUBEBUILDER_ASSETS, the folder of ready programs)")
    _say(f"building {name}: minutes the first time")
    target.parent.mkdir(exist_ok=True)
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    _run(["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(target), package], cwd=module, env=env)
    stamp.write_text(wanted)


def _run(argv: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    # stdout belongs to the caller's data (`export K=V` lines).
    done = subprocess.run(argv, cwd=cwd, env=env, stdout=sys.stderr, check=False)
    if done.returncode:
        raise Missing(f"`{' '.join(argv)}` failed ({done.returncode})")


def _pinned(package: str) -> str:
    found = re.search(rf"^{package}(?:\[\w+\])?(==\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    if not found:
        raise Missing(f"{REQUIREMENTS.name} has no {package}")
    return package + found.group(1)


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _say(text: str) -> None:
    print(f"testbed: {text}", file=sys.stderr, flush=True)
