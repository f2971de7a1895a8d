"""The Pythons that the wheel is tested on: the one that runs this, the oldest and the newest of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 9)
Version = tuple[int, ...]


def oldest_and_newest() -> list[Path]:
    """Those two, as far as they are other ones than the Python that runs this, by their minor version."""
    found = _found()
    own = sys.version_info[:2]
    ends = {minor: found[minor] for minor in (min(found), max(found)) if minor != own} if found else {}
    return [ends[minor] for minor in sorted(ends)]


def version(python: Path) -> Version:
    """Major and minor version; empty where it cannot be run."""
    code = "import sys; print(*sys.version_info[:2]) if sys.implementation.name == 'cpython' else None"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else ()


def _found() -> dict[Version, Path]:
    """Of the search path, then of pyenv: the first of each minor version."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    names = [f"python3.{minor}" for minor in range(OLDEST[1], 30)]
    candidates = [folder / name for name in names for folder in folders]
    candidates += sorted(pyenv.glob("*/bin/python"))
    found: dict[Version, Path] = {}
    for candidate in candidates:
        if candidate.is_file() and (minor := version(candidate)) >= OLDEST:
            found.setdefault(minor, candidate)
    return found
