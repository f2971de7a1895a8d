"""The test bed: moto, etcd and real API servers on this machine. `tests/run up` and `tests/run down` drive it.

- `testbed.py install`: what is needed, under target/testbed
- `testbed.py up [--owner PID]`: starts a bed; prints `export NAME=VALUE` lines
- `testbed.py down [--all] [STATE.json]`: stops the bed that IRSA_TESTBED names, or the only one
- `testbed.py wheel-venv [PYTHON]`: makes the venv that the wheel is installed in, and prints its folder
- `testbed.py pythons`: prints the oldest and the newest Python that the wheel is tested on as well
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from install import HOME, VENV, Missing, install, locked, wheel_venv
from processes import Failed, alive, identify, stop
from pythons import oldest_and_newest

SKIP = 77  # what tests/run takes for "cannot be had here"


def up(owner: int | None) -> None:
    """Starts a bed; it is stopped by the next `up` if its owner has died without doing so."""
    install()
    _in_venv()
    from bed import Bed, forget_environment

    _sweep()
    forget_environment()
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=HOME))
    if owner:
        (folder / "owner").write_text(identify(owner))
    try:
        state = Bed(folder).up()
    except BaseException:
        _end(folder)
        raise
    for name, value in state["env"].items():
        print(f"export {name}={shlex.quote(value)}")


def down(state: Path | None, everything: bool) -> None:
    """Stops beds; their logs stay until the next `up`."""
    running = [folder for folder in HOME.glob("run-*") if not (folder / "ended").exists()]
    if state and not everything:
        running = [folder for folder in running if folder.resolve() == state.resolve().parent]
    elif len(running) > 1 and not everything:
        found = "".join(f"\n  {folder / 'state.json'}" for folder in running)
        raise Failed(f"several beds run; name one, or say --all:{found}")
    for folder in running:
        _end(folder)
    print(f"testbed: {len(running)} stopped", file=sys.stderr)


def _end(folder: Path) -> None:
    stop(folder)
    shutil.rmtree(folder / "etcd", ignore_errors=True)
    (folder / "ended").touch()


def _sweep() -> None:
    with locked():
        for folder in HOME.glob("run-*"):
            owner = folder / "owner"
            if owner.is_file() and not alive(owner.read_text()):
                _end(folder)
            if (folder / "ended").exists():
                shutil.rmtree(folder, ignore_errors=True)


def _in_venv() -> None:
    """Goes on under the venv's Python, which has boto3."""
    if Path(sys.prefix).resolve() != VENV.resolve():
        python = str(VENV / "bin" / "python")
        os.execv(python, [python, *sys.argv])


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install")
    commands.add_parser("wheel-venv").add_argument("python", type=Path, nargs="?", default=Path(sys.executable))
    commands.add_parser("pythons")
    commands.add_parser("up").add_argument("--owner", type=int)
    stopping = commands.add_parser("down")
    stopping.add_argument("--all", action="store_true")
    stopping.add_argument("state", type=Path, nargs="?", default=os.environ.get("IRSA_TESTBED"))
    args = parser.parse_args()
    try:
        if args.command == "up":
            up(args.owner)
        elif args.command == "down":
            down(args.state and Path(args.state), args.all)
        elif args.command == "wheel-venv":
            print(wheel_venv(args.python))
        elif args.command == "pythons":
            print(*oldest_and_newest(), sep="\n")
        else:
            install()
    except (Missing, Failed) as error:
        print(f"testbed: {error}", file=sys.stderr)
        sys.exit(SKIP if isinstance(error, Missing) else 1)


if __name__ == "__main__":
    main()
