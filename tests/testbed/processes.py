"""Starts, awaits and stops the servers of one bed: each leads a process group, has a pid file and a log."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

START_SECONDS = 90
PORT_TAKEN = "in use"


class Failed(Exception):
    """A server that did not come up; the message has the end of its log."""


def serve(
    bed: Path,
    name: str,
    argv: Callable[[int], list[str]],
    ready: Callable[[int], bool],
    env: dict[str, str] | None = None,
) -> int:
    """Starts a server on a free port and waits until it is ready; gives the port."""
    for _ in range(3):
        port = free_port()
        child = _spawn(bed, name, argv(port), env)
        if _wait(child, lambda port=port: ready(port)):  # type: ignore[misc]
            return port
        _kill(bed / f"{name}.pid")
        # Between our asking for a port and the server's taking it, someone else may have.
        if child.poll() is None or PORT_TAKEN not in _tail(bed, name):
            break
    raise Failed(f"{name} did not come up; the end of {bed / f'{name}.log'}:\n{_tail(bed, name)}")


def free_port() -> int:
    """A free loopback port, as the kernel gives it."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def stop(bed: Path) -> None:
    """Kills what runs: nothing in these servers is worth an orderly end."""
    for pid_file in sorted(bed.glob("*.pid")):
        _kill(pid_file)


def alive(identity: str) -> bool:
    """Whether the process that `identify` told of still runs."""
    pid = identity.split(" ", 1)[0]
    return pid.isdigit() and identify(int(pid)) == identity


def identify(pid: int) -> str:
    """The pid and its time of birth, so that a pid used again is not taken for the old process; empty if it is gone."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        if stat.exists():
            fields = stat.read_text().rpartition(")")[2].split()
            return "" if fields[0] == "Z" else f"{pid} {fields[19]}"
    except OSError:
        return ""
    if Path("/proc/self/stat").exists():
        return ""
    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return f"{pid} {asked.stdout.strip()}" if asked.returncode == 0 else ""


def _spawn(bed: Path, name: str, argv: list[str], env: dict[str, str] | None) -> subprocess.Popen[bytes]:
    with (bed / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            argv,
            cwd=bed,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (bed / f"{name}.pid").write_text(identify(child.pid))
    return child


def _wait(child: subprocess.Popen[bytes], ready: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            if ready():
                return True
        except OSError:
            pass
        time.sleep(0.05)
    return False


def _kill(pid_file: Path) -> None:
    identity = pid_file.read_text()
    if alive(identity):
        os.killpg(int(identity.split(" ", 1)[0]), signal.SIGKILL)
        while alive(identity):
            time.sleep(0.01)
    pid_file.unlink()


def _tail(bed: Path, name: str) -> str:
    return "\n".join((bed / f"{name}.log").read_text(errors="replace").splitlines()[-20:])
