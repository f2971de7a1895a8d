"""What scripts rely on: stdout is data and stderr is talk, one JSON document also on failure, codes, signals, pipes."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Bed, Irsa
from readback import S3, SQS, Seen, deny

COMMANDS = ("create", "update", "delete", "get", "list", "provider", "permissions", "completions")


def test_failure_in_words(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    form = r"error: .+\n(  caused by: .+\n(    .+\n)*)+(  hint: .+\n(    .+\n)*)?"
    for fault in deny("AttachRolePolicy"):
        bed.fail(**fault)
    ran = irsa("create", seen.place, "-p", S3)
    assert ran.code == 1
    assert re.fullmatch(form, ran.stderr) and S3 in ran.stderr.splitlines()[0], ran.stderr
    assert "rolled back" in ran.stdout and "failed" in ran.stdout, "the report, as far as there is one, is data"
    ran = irsa("create", f"{seen.ns}x/a", "-p", S3)
    assert (ran.code, ran.stdout) == (1, "")
    assert re.fullmatch(rf"error: .+{seen.ns}x.+\n  hint: .+\n", ran.stderr), ran.stderr


def test_failure_in_json_has_the_report(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    for fault in deny("AttachRolePolicy"):
        bed.fail(**fault)
    ran = irsa("create", seen.place, "-p", S3, "-o", "json")
    ran.refused("access_denied")
    document = ran.json()
    assert set(document) >= {"binding", "role_name", "role_arn", "changed", "steps", "undeclared", "warnings", "error"}
    assert document["error"]["code"] == "AccessDenied"
    (failed,) = (step for step in document["steps"] if step["outcome"] == "failed")
    assert (failed["action"], failed["target"]) == ("attach_policy", S3)
    assert "not allowed" in failed["error"]


@pytest.mark.parametrize("format_", [["-o", "json"], ["-ojson"], ["--output=json"], ["--output", "json", "-q"]])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_one_document_however_it_is_asked_for(irsa: Irsa, seen: Seen, format_: list[str], before: bool) -> None:
    for line, code in ((["get", seen.place], 1), (["list", "-n", seen.ns], 0), (["get", "A_B"], 2), (["nonsense"], 2)):
        ran = irsa(*format_, *line) if before else irsa(*line, *format_)
        assert ran.code == code, ran
        assert ran.json() == [] if code == 0 else ran.json()["error"]["message"]


def test_text_holds_no_colour_unless_asked(irsa: Irsa, made: Seen) -> None:
    plain = irsa("get", made.place)
    assert "\x1b" not in plain.stdout + plain.stderr
    assert "\x1b[" in irsa("get", made.place, "--color", "always").stdout
    assert "\x1b" not in irsa("get", f"{made.ns}/x").stderr
    assert "\x1b[" in irsa("get", f"{made.ns}/x", "--color=always").stderr


def test_quiet(irsa: Irsa, seen: Seen) -> None:
    ran = irsa("create", seen.place, "-q")
    assert (ran.code, ran.stderr) == (0, ""), "neither the warning nor what is left to do"
    assert seen.arn in ran.stdout
    assert "error: " in irsa("get", f"{seen.ns}/x", "-q").stderr


def test_verbose_tells_no_secret(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    env = {**irsa.without_kubeconfig(), "AWS_SECRET_ACCESS_KEY": "testing", "AWS_SESSION_TOKEN": "session-secret"}
    for line, variables in (["create", seen.place, "-p", S3, "--cluster", "demo"], env), (["delete", seen.place], {}):
        bed.reset()
        ran = irsa(*line, "-vv", "-o", "json", env=variables)
        assert ran.done()["changed"]
        assert ran.stderr.count("\n") >= bed.log()["count"], "every call is logged"
        assert not [word for word in ("k8s-aws-v1.", "session-secret", *bed["tokens"].values()) if word in ran.stderr]


def test_check(irsa: Irsa, made: Seen) -> None:
    for line, code in ((["-p", S3], 0), (["-p", SQS], 3)):
        assert irsa("create", made.place, *line, "--check").code == code
    assert irsa("update", made.place, "--add-policy", SQS, "--check").code == 3
    assert irsa("delete", made.place, "--check").code == 3
    assert irsa("delete", f"{made.ns}/x", "--check").code == 0
    assert irsa("create", f"{made.ns}x/a", "-p", S3, "--check").code == 1, "a plan that is refused is no plan"
    assert made.attached == {S3}


def test_help(irsa: Irsa) -> None:
    ran = irsa("--version")
    assert re.fullmatch(r"irsa \d+\.\d+\.\d+\n", ran.stdout), ran
    whole = irsa("--help")
    assert (whole.code, whole.stderr) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", whole.stdout, re.MULTILINE)
        ran = irsa(command, "--help")
        assert (ran.code, ran.stderr) == (0, "")
        assert "xample" in ran.stdout or command == "provider", "help has examples"
        assert all(len(line) <= 120 for line in ran.stdout.splitlines())
    assert irsa().code == 2


@pytest.mark.parametrize(
    "line", [["completions", "bash"], ["list", "-o", "json"], ["--help"]], ids=lambda line: line[0]
)
def test_reader_that_went_away(irsa: Irsa, line: list[str]) -> None:
    """As `| head` does: no word of it, and no panic."""
    reader, writer = os.pipe()
    os.close(reader)
    with irsa.start(*line, stdout=writer) as child:
        os.close(writer)
        stderr = child.communicate(timeout=60)[1]
    assert (child.returncode, stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk(irsa: Irsa) -> None:
    """What could not be printed is a failure."""
    with Path("/dev/full").open("w") as full, irsa.start("list", "-o", "json", stdout=full.fileno()) as child:
        stderr = child.communicate(timeout=60)[1]
    assert child.returncode == 1
    assert "error: " in stderr and "output" in stderr


def test_foreign_names_cannot_move_the_cursor(irsa: Irsa, made: Seen) -> None:
    bell = {"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/x\x1b[2J"}}}
    made.core.patch_namespaced_service_account(made.name, made.ns, bell)
    for ran in (irsa("get", made.place), irsa("list", "-n", made.ns), irsa("delete", made.place)):
        assert "\x1b" not in ran.stdout + ran.stderr


def until_begun(bed: Bed, action: str) -> None:
    """Waits until a request of this action has begun and has not ended."""
    deadline = time.monotonic() + 30
    while not any(entry["action"] == action and "end" not in entry for entry in bed.log()["requests"]):
        assert time.monotonic() < deadline, bed.log()
        time.sleep(0.01)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("action", "outcomes"),
    [
        ("DescribeCluster", None),
        ("CreateRole", ["done", "not_run", "not_run"]),
        # Of the last stage everything has begun.
        ("AttachRolePolicy", ["done", "done", "done"]),
    ],
)
def test_interrupted(
    bed: Bed, irsa: Irsa, seen: Seen, action: str, outcomes: list[str] | None, sent: signal.Signals
) -> None:
    """A signal while a call is under way: no further step, 130, the report, and the next run finishes the work."""
    create = ("create", seen.place, "-p", S3, "-o", "json")
    bed.delay(1000)
    with irsa.start(*create) as child:
        until_begun(bed, action)
        child.send_signal(sent)
        stdout, stderr = child.communicate(timeout=60)
    assert child.returncode == 130, stderr
    answer = json.loads(stdout)
    complete = outcomes is not None and set(outcomes) == {"done"}
    assert [step["outcome"] for step in answer.get("steps", [])] == (outcomes or [])
    if not complete:
        error = answer["error"]
        assert (error["kind"], error["message"]) == ("interrupted", "interrupted")
        assert "rerun the command" in error["hint"] and "error: interrupted" in stderr
    bed.reset()
    assert irsa(*create).done()["changed"] is not complete
    assert (seen.attached, seen.annotation) == ({S3}, seen.arn)
    assert irsa(*create).done()["changed"] is False


def test_terminated(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """Killed in the middle: the same command again finishes the work."""
    create: Any = ("create", seen.place, "-p", S3, "-o", "json")
    bed.delay(1000, front="demo")
    with irsa.start(*create) as child:
        until_begun_write(bed)
        child.kill()
        child.communicate(timeout=60)
    assert seen.found is not None
    bed.reset()
    assert irsa(*create).done()["role_arn"] == seen.arn
    assert (seen.attached, seen.annotation) == ({S3}, seen.arn)


def until_begun_write(bed: Bed) -> None:
    """Waits until the account is being written, after its dry run."""
    deadline = time.monotonic() + 30
    while not any(entry["action"] == "PATCH" and "dryRun" not in entry["target"] for entry in bed.log()["requests"]):
        assert time.monotonic() < deadline, bed.log()
        time.sleep(0.01)
