"""How many dependent requests a binding takes (design.md, 15), with every request delayed equally by the fronts."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conftest import Bed, Irsa
from control import depth
from readback import S3, Seen, writes

DELAY_MS = 50


def measured(bed: Bed, irsa: Irsa, line: list[str], env: Any, capsys: Any, title: str) -> tuple[int, bool]:
    """Runs the command once; gives its depth, further pages apart, and whether it changed anything."""
    bed.reset()
    bed.delay(DELAY_MS)
    began = time.monotonic()
    changed = irsa(*line, "-o", "json", env=env).done()["changed"]
    seconds = time.monotonic() - began
    requests = bed.log()["requests"]
    assert all(entry["end"] - entry["start"] >= DELAY_MS / 1000 for entry in requests), "each was delayed"
    first_pages = [entry for entry in requests if "Marker" not in entry.get("params", {})]
    deep = depth(first_pages)
    with capsys.disabled():
        print(f"\n{title}: calls {len(requests)}, depth {deep}, {seconds:.2f} s", end="")
    assert bool(writes(bed.log())) is changed
    return deep, changed


@pytest.mark.parametrize("policy", [S3, "AmazonS3ReadOnlyAccess"], ids=["by ARN", "by name"])
@pytest.mark.parametrize("route", ["kubeconfig", "eks"])
def test_depth(bed: Bed, irsa: Irsa, seen: Seen, capsys: Any, route: str, policy: str) -> None:
    env = irsa.without_kubeconfig() if route == "eks" else {}
    line = ["create", seen.place, "-p", policy, "--cluster", "demo"]
    new, changed = measured(bed, irsa, line, env, capsys, f"new binding, {route}")
    assert changed and new <= 4
    unchanged, changed = measured(bed, irsa, line, env, capsys, f"unchanged binding, {route}")
    assert not changed and unchanged <= 2


@pytest.mark.parametrize("route", ["kubeconfig", "eks"])
def test_depth_does_not_grow_with_the_binding(bed: Bed, irsa: Irsa, seen: Seen, capsys: Any, route: str) -> None:
    """Further policies, documents, tags and subjects are read and written at the same time."""
    document = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'
    (irsa.home / "inline.json").write_text(document)
    env = irsa.without_kubeconfig() if route == "eks" else {}
    line = ["create", seen.place, "-p", S3, "-p", "AmazonSQSReadOnlyAccess", "-p", "inline.json", "--cluster", "demo"]
    line += ["--tag", "team=data", "--description", "x", "--subject", f"{seen.ns}/b", "--subject", f"{seen.ns}/c"]
    new, changed = measured(bed, irsa, line, env, capsys, f"new binding with more, {route}")
    assert changed and new <= 4
    unchanged, changed = measured(bed, irsa, line, env, capsys, f"unchanged binding with more, {route}")
    assert not changed and unchanged <= 2


def test_depth_counts_chains() -> None:
    """The measure itself: requests at the same time count once, dependent ones each."""
    ends = [(0, 2), (0, 3), (2.5, 4), (4, 5), (4.5, 6)]
    assert depth([{"start": start, "end": end} for start, end in ends]) == 3
    assert depth([]) == 0
