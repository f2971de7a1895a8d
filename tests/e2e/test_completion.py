"""Completion in the real shells: a line is typed, a key pressed, and the words that the shell puts there are read."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from conftest import PROGRAM, Irsa

SHELLS = ("bash", "zsh", "fish")
ARN = "arn:aws:eks:eu-west-1:123456789012:cluster/demo"
KUBECONFIG = {
    "current-context": "dev",
    "contexts": [
        {"name": ARN, "context": {"cluster": ARN, "user": "u", "namespace": "jobs"}},
        {"name": "me@blue.us-west-2.eksctl.io", "context": {"cluster": "blue.us-west-2.eksctl.io", "user": "u"}},
        {"name": "two words; $(touch hacked)", "context": {"cluster": "c", "user": "u", "namespace": "web"}},
    ],
}
SANDBOX = {"clusters": {"sandbox": {"namespaces": {"default": {"service_accounts": {"a": {}}}, "empty": {}}}}}

# The line that is typed, and every word that the shell offers for its last one.
LINES = {
    "irsa list --color ": ["auto", "always", "never"],
    "irsa list --color=a": ["--color=auto", "--color=always"],
    "irsa list -o ": ["text", "json"],
    "irsa trust audit --fail-on ": ["info", "low", "medium", "high"],
    "irsa completions ": ["bash", "elvish", "fish", "powershell", "zsh"],
    "irsa --sandbox cr": ["create"],
    "irsa --sandbox=sb": ["--sandbox=sb.json"],
    "irsa list --cluster d": ["demo"],
    "irsa list --cluster arn:aws:eks:": [ARN],
    "irsa list --context me@b": ["me@blue.us-west-2.eksctl.io"],
    "irsa list --context t": ["two words; $(touch hacked)"],
    "irsa list --profile ": ["ci", "default", "dev"],
    "irsa list -n ": ["default", "jobs", "web"],
    "irsa create j": ["jobs/"],
    "irsa --sandbox=sb.json get ": ["a", "empty/"],
    "AWS_PROFILE=dev irsa get --role-o": ["--role-only"],
    "irsa apply -f man": ["man ifest.yaml"],
}


@pytest.fixture
def home(irsa: Irsa) -> Path:
    """A home with what completion reads, and `irsa` on the path."""
    files = {
        ".kube/config": json.dumps(KUBECONFIG),
        ".aws/config": "[default]\nregion = us-east-1\n[profile dev]\n[sso-session corp]\n",
        ".aws/credentials": "[ci]\n",
        "sb.json": json.dumps(SANDBOX),
        "man ifest.yaml": "",
    }
    for name, text in files.items():
        path = irsa.home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (irsa.home / "bin").mkdir()
    (irsa.home / "bin" / "irsa").symlink_to(PROGRAM)
    return irsa.home


def environment(home: Path) -> dict[str, str]:
    """Nothing of the surroundings."""
    path = f"{home}/bin:{os.environ['PATH']}"
    return {"HOME": str(home), "PATH": path, "TERM": "xterm", "LC_ALL": "C.UTF-8", "PS1": "> ", "PROMPT": "> "}


def typed(shell: list[str], setup: str, keys: str, home: Path) -> list[str]:
    """Runs a shell on a terminal, and gives the words that `printf '<<%s>>'` shows."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(home)
        os.execvpe(shell[0], shell, environment(home))
    try:
        # The quotes keep the echo of the line from being taken for its output.
        talk(terminal, setup + "echo REA''DY\n", "READY")
        shown = talk(terminal, keys + "echo DO''NE\n", "DONE")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)
    return re.findall(r"<<([^<>%]*)>>", shown)


def talk(terminal: int, text: str, until: str) -> str:
    """Types a text and reads until a word comes."""
    os.write(terminal, text.encode())
    shown, deadline = "", time.monotonic() + 60
    while until not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
    return shown


# To the start of the line, which becomes the arguments of printf. An assignment before the command is one of them.
SHOW = "\x01printf '<<%s>>' \n"


def bash(line: str, home: Path) -> list[str]:
    """Alt-* puts all candidates there."""
    setup = "bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; source <(irsa completions bash)\n"
    return typed(["bash", "--norc", "--noprofile", "-i"], setup, f"{line}\x1b*{SHOW}", home)


def zsh(line: str, home: Path) -> list[str]:
    """Zsh has no key for that, so one is made."""
    setup = (
        "unsetopt prompt_sp zle_bracketed_paste; autoload -Uz compinit; compinit -u -D\n"
        "source <(irsa completions zsh)\n"
        "every() { _main_complete; compstate[insert]=all; compstate[list]=; }; zle -C every complete-word every\n"
        "bindkey '^T' every; bindkey '^A' beginning-of-line\n"
    )
    return typed(["zsh", "-f", "-i"], setup, f"{line}\x14{SHOW}", home)


def fish(line: str, home: Path) -> list[str]:
    """Fish lists the candidates for any line; they come after the words that stand before."""
    script = "irsa completions fish | source; complete --do-complete $argv[1]"
    command = ["fish", "--no-config", "-c", script, line]
    ran = subprocess.run(
        command, cwd=home, env=environment(home), capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stderr == ""
    return [*line.split(" ")[:-1], *(candidate.split("\t")[0] for candidate in ran.stdout.splitlines())]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("shell", SHELLS)
def test_candidates(home: Path, shell: str, line: str) -> None:
    if shutil.which(shell) is None and os.environ.get("CI") != "true":
        pytest.skip(f"{shell} is not installed")
    complete = {"bash": bash, "zsh": zsh, "fish": fish}[shell]
    words = complete(line, home)
    before = line.split(" ")[:-1]
    assert words[: len(before)] == before
    offered = words[len(before) :]
    if shell == "bash" and line.endswith("--color=a"):
        # Bash replaces what follows the `=` only.
        assert offered == ["--color=auto", "always"]
    else:
        assert sorted(offered) == sorted(LINES[line])
    assert not (home / "hacked").exists()


def test_completion_takes_milliseconds(home: Path) -> None:
    """A thousand contexts and profiles; each key press waits for this."""
    contexts = [{"name": f"c{n}", "context": {"cluster": f"c{n}", "user": "u"}} for n in range(1000)]
    (home / ".kube" / "config").write_text(json.dumps({"contexts": contexts}))
    variables = environment(home) | {"IRSA_COMPLETE": "fish"}
    started = time.monotonic()
    ran = subprocess.run(
        [PROGRAM, "--", "irsa", "list", "--context", "c99"], env=variables, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["words", "c99", *(f"c99{n}" for n in range(10))]
    assert time.monotonic() - started < 2, "also a debug build on a busy machine"
