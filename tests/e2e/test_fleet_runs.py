"""How the run of a fleet goes for who watches it: its lines, its bar on a terminal, Ctrl-C, the question of a prune."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import PROGRAM, Bed, Irsa
from readback import S3, Seen

MANY = 12


@pytest.fixture
def manifest(ns: str, tmp_path: Path) -> Path:
    """Many small bindings of the namespace."""
    head = "apiVersion: irsa.gen3.org/v1alpha1\nkind: IrsaBinding\n"
    body = "metadata: {{name: app-{}, namespace: {}}}\nspec: {{policies: [{}]}}\n"
    path = tmp_path / "many.yaml"
    path.write_text("---\n".join(head + body.format(number, ns, S3) for number in range(MANY)))
    return path


def bindings(iam: Any, core: Any, ns: str) -> list[Seen]:
    """All of them, as others see them."""
    return [Seen(iam, core, ns, f"app-{number}") for number in range(MANY)]


def test_ctrl_c_stops_between_steps_and_the_next_run_finishes(
    bed: Bed, irsa: Irsa, iam: Any, core: Any, ns: str, manifest: Path
) -> None:
    bed.delay(100)
    with irsa.start("apply", "-f", str(manifest), "--concurrency", "2", "-o", "json") as child:
        assert child.stderr
        lines = [child.stderr.readline()]
        while not lines[-1].startswith("["):
            lines.append(child.stderr.readline())
            assert lines[-1], lines
        child.send_signal(signal.SIGINT)
        stdout, stderr = child.communicate(timeout=60)
    assert child.returncode == 130, stderr
    assert "stopping after the current steps; press Ctrl-C again to stop immediately" in stderr
    report = json.loads(stdout)
    assert report["succeeded"] >= 1 and report["not_run"] >= MANY // 2, report
    assert report["succeeded"] + report["failed"] + report["not_run"] == MANY
    ends = {b["binding"]: b for b in report["bindings"]}
    for seen in bindings(iam, core, ns):
        steps = [step["outcome"] for step in ends[seen.place]["steps"]]
        whole = seen.found is not None and seen.account is not None and seen.annotation == seen.arn
        assert whole == ("done" in steps and set(steps) == {"done"}), (seen.name, ends[seen.place])
        # Nothing that was made is left unsaid.
        assert seen.found is None or "done" in steps
    bed.reset()
    again = irsa("apply", "-f", str(manifest), "-o", "json").done()
    assert (again["succeeded"], again["failed"]) == (MANY, 0)
    assert all(seen.annotation == seen.arn and seen.attached == {S3} for seen in bindings(iam, core, ns))
    assert irsa("apply", "-f", str(manifest), "--check", "-o", "json").done()["changed"] is False


def test_ctrl_c_twice_stops_at_once(bed: Bed, irsa: Irsa, manifest: Path) -> None:
    bed.delay(1000)
    with irsa.start("apply", "-f", str(manifest), "-o", "json") as child:
        deadline = time.monotonic() + 60
        while not any(entry["action"] == "CreateRole" for entry in bed.log()["requests"]):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        assert child.stderr
        assert "stopping after the current steps" in child.stderr.readline()
        child.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, stderr = child.communicate(timeout=60)
        assert time.monotonic() - began < 0.8, "it does not wait for the calls under way"
    assert child.returncode == 130, stderr
    bed.reset()
    assert irsa("apply", "-f", str(manifest), "-o", "json").done()["succeeded"] == MANY


def test_lines_where_there_is_no_terminal(irsa: Irsa, manifest: Path, ns: str) -> None:
    ran = irsa("apply", "-f", str(manifest))
    lines = [line for line in ran.stderr.splitlines() if line.startswith("[")]
    assert len(lines) == MANY and lines[-1].startswith(f"[{MANY}/{MANY}] {ns}/app-"), ran
    assert "\x1b" not in ran.stderr


def on_terminal(irsa: Irsa, *args: str, answer: str = "") -> tuple[int, str]:
    """Runs the program on a terminal; types the answer when it is asked. Its end, and what the terminal showed."""
    ours, theirs = pty.openpty()
    environment = {**irsa.environment(), "TERM": "xterm-256color", "COLUMNS": "120"}
    with subprocess.Popen(
        [str(PROGRAM), *args], env=environment, cwd=irsa.home, stdin=theirs, stdout=theirs, stderr=theirs
    ) as child:
        os.close(theirs)
        shown, deadline = b"", time.monotonic() + 120
        while True:
            assert time.monotonic() < deadline, shown
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                shown += os.read(ours, 65536)
            except OSError:  # The other end is closed: that is how Linux tells it.
                break
            if answer and b"[y/N]" in shown:
                os.write(ours, answer.encode())
                answer = ""
    os.close(ours)
    return child.returncode, shown.decode()


def test_a_bar_on_a_terminal(bed: Bed, irsa: Irsa, manifest: Path, ns: str) -> None:
    bed.delay(50)
    code, shown = on_terminal(irsa, "apply", "-f", str(manifest))
    assert code == 0, shown
    counts = {int(count) for count in re.findall(rf"(\d+)/{MANY} ", shown)}
    assert len(counts) > 2 and max(counts) <= MANY, shown
    assert f"{ns}/app-" in shown and "[1/12]" not in shown


def test_a_prune_asks_on_a_terminal(irsa: Irsa, iam: Any, core: Any, ns: str, manifest: Path) -> None:
    irsa("apply", "-f", str(manifest), "--applyset", ns, "-o", "json").done()
    kept = manifest.with_name("kept.yaml")
    kept.write_text("---\n".join(manifest.read_text().split("---\n")[:10]))
    prune = ("apply", "-f", str(kept), "--applyset", ns, "--prune")
    code, shown = on_terminal(irsa, *prune, answer="n\n")
    assert code == 1 and "Delete them? [y/N]" in shown and f"{ns}/app-10" in shown, shown
    assert all(seen.found for seen in bindings(iam, core, ns))
    code, shown = on_terminal(irsa, *prune, answer="y\n")
    assert code == 0, shown
    there = [seen.found is not None for seen in bindings(iam, core, ns)]
    assert there == [True] * 10 + [False] * 2
    assert [seen.account for seen in bindings(iam, core, ns)[10:]] == [None, None]
