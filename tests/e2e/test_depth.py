"""How many dependent requests a binding takes (design.md, 15), with every request delayed equally by the fronts."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conftest import Bed, Irsa
from control import depth
from readback import S3, Seen, writes

# What is slow on a busy machine looks like what had to wait. It never makes a chain shorter; longer delays drown it.
DELAYS_MS = (50, 250, 1000)
NEW, UNCHANGED = 4, 2


def measured(bed: Bed, irsa: Irsa, line: list[str], env: Any, delay_ms: int) -> tuple[int, str, bool]:
    """Runs the command once; gives its depth, further pages apart, what there is to print, and whether it wrote."""
    bed.reset()
    bed.delay(delay_ms)
    began = time.monotonic()
    changed = irsa(*line, "-o", "json", env=env).done()["changed"]
    seconds = time.monotonic() - began
    requests = bed.log()["requests"]
    assert all(entry["end"] - entry["start"] >= delay_ms / 1000 for entry in requests), "each was delayed"
    assert bool(writes(bed.log())) is changed
    deep = depth([entry for entry in requests if "Marker" not in entry.get("params", {})])
    return deep, f"{delay_ms} ms each: calls {len(requests)}, depth {deep}, {seconds:.2f} s", changed


def check(bed: Bed, irsa: Irsa, options: list[str], seen: Seen, route: str, capsys: Any) -> None:
    """Makes a binding, then runs the same again: prints what both took, and holds them to the limits.

    In the options, # stands for the number of the attempt.
    """
    env = irsa.without_kubeconfig() if route == "eks" else {}
    told: dict[str, tuple[int, str]] = {}
    for attempt, delay_ms in enumerate(DELAYS_MS):
        words = (option.replace("#", str(attempt)) for option in options)
        line = ["create", f"{seen.ns}/{seen.name}-{attempt}", *words, "--cluster", "demo"]
        for what in ("new", "unchanged"):
            deep, text, changed = measured(bed, irsa, line, env, delay_ms)
            assert changed is (what == "new")
            told[what] = min(told.get(what, (deep, text)), (deep, text))
        if told["new"][0] <= NEW and told["unchanged"][0] <= UNCHANGED:
            break
    with capsys.disabled():
        print(f"\n{route}, {' '.join(options)[:60]}")
        for what, (_, text) in told.items():
            print(f"  {what:9}  {text}")
    assert told["new"][0] <= NEW
    assert told["unchanged"][0] <= UNCHANGED


@pytest.mark.parametrize("policy", [S3, "AmazonS3ReadOnlyAccess"], ids=["by ARN", "by name"])
@pytest.mark.parametrize("route", ["kubeconfig", "eks"])
def test_depth(bed: Bed, irsa: Irsa, seen: Seen, capsys: Any, route: str, policy: str) -> None:
    check(bed, irsa, ["-p", policy], seen, route, capsys)


@pytest.mark.parametrize("route", ["kubeconfig", "eks"])
def test_depth_does_not_grow_with_the_binding(bed: Bed, irsa: Irsa, seen: Seen, capsys: Any, route: str) -> None:
    """Further policies, documents, tags and subjects are read and written at the same time."""
    document = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'
    (irsa.home / "inline.json").write_text(document)
    options = ["-p", S3, "-p", "AmazonSQSReadOnlyAccess", "-p", "inline.json", "--tag", "team=data"]
    options += ["--subject", f"{seen.ns}/b-#", "--subject", f"{seen.ns}/c-#", "--description", "x"]
    check(bed, irsa, options, seen, route, capsys)


def test_depth_counts_chains() -> None:
    """The measure itself: requests at the same time count once, dependent ones each."""
    ends = [(0, 2), (0, 3), (2.5, 4), (4, 5), (4.5, 6)]
    assert depth([{"start": start, "end": end} for start, end in ends]) == 3
    assert depth([]) == 0
