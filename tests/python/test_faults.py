"""The faults of a sandbox: calls fail, are throttled, hang, take long, at the call that was named."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest

import irsa

POLICIES = ["AmazonS3ReadOnlyAccess", "AmazonSQSReadOnlyAccess"]


@pytest.fixture
def client() -> irsa.Client:
    return irsa.Client.sandbox()


def binding(name: str = "worker") -> irsa.Binding:
    return irsa.Binding("default", name, policies=POLICIES)


def test_a_call_fails_as_the_service_would_and_the_report_tells_how_far_it_came(client: irsa.Client) -> None:
    client.faults.fail("attach_policy", at=2, code="AccessDenied", message="an SCP denies it")
    with pytest.raises(irsa.AccessDeniedError, match="AccessDenied: an SCP denies it") as raised:
        client.apply(binding())
    assert raised.value.code == "AccessDenied"
    assert raised.value.report is not None
    outcomes = [step.outcome for step in raised.value.report.steps if step.action == "attach_policy"]
    assert sorted(outcomes) == ["failed", "rolled_back"]
    assert client.faults.unused == ()
    assert client.apply(binding()).changed, "only the call that was named fails"


def test_calls_are_counted_from_when_the_fault_is_set(client: irsa.Client) -> None:
    client.apply(binding("first"))
    client.faults.throttle("create_role", times=2)
    for _ in range(2):
        with pytest.raises(irsa.ThrottledError, match="Rate exceeded"):
            client.apply(binding())
    assert client.apply(binding()).changed


def test_any_call_and_any_write_can_be_meant(client: irsa.Client) -> None:
    client.faults.fail(writes=True, at=2)
    with pytest.raises(irsa.UnavailableError, match="the service failed") as raised:
        client.apply(binding())
    assert raised.value.report is not None
    assert [step.outcome for step in raised.value.report.steps].count("failed") == 1
    client.faults.clear()
    client.faults.fail(code="Throttling")
    with pytest.raises(irsa.ThrottledError):
        client.provider()
    assert client.provider().exists
    client.faults.fail("provider", times=None)
    for _ in range(3):
        with pytest.raises(irsa.UnavailableError):
            client.provider()


def test_an_answer_that_is_lost_leaves_its_effect_and_the_next_run_finishes(client: irsa.Client) -> None:
    client.faults.fail("create_role", after=True)
    with pytest.raises(irsa.UnavailableError):
        client.apply(binding())
    assert client.check_trust("sandbox-default-worker", subject="default/worker").decision == "allow"
    assert client.apply(binding()).changed
    assert not client.apply(binding()).changed


def test_a_call_that_hangs_runs_into_the_timeout() -> None:
    client = irsa.Client.sandbox(timeout=0.2)
    client.faults.hang("attach_policy")
    began = time.perf_counter()
    with pytest.raises(irsa.TimeoutError) as raised:
        client.apply(binding())
    assert time.perf_counter() - began < 2
    assert raised.value.report is not None
    client.faults.hang("role")
    with pytest.raises(irsa.TimeoutError):
        asyncio.run(client.plan_async(binding()))


def test_a_delay_takes_its_time(client: irsa.Client) -> None:
    client.faults.delay(0.2, "provider", at=2)
    for least, most in ((0, 0.15), (0.2, 2)):
        began = time.perf_counter()
        client.provider()
        assert least <= time.perf_counter() - began < most


def test_waits_for_consistency_are_logged(client: irsa.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "irsa")
    client.faults.fail("attach_policy", code="NoSuchEntity", message="The role cannot be found.")
    assert client.apply(binding()).changed
    [record] = [record for record in caplog.records if "retrying" in record.getMessage()]
    assert record.levelname == "INFO" and record.__dict__["irsa"]["code"] == "NoSuchEntity"
    assert 0 < record.__dict__["irsa"]["wait_seconds"] < 1


def test_a_sandbox_in_a_file_has_faults(tmp_path: Path) -> None:
    client = irsa.Client.sandbox(tmp_path / "s.json")
    client.faults.fail("create_role")
    with pytest.raises(irsa.UnavailableError):
        client.apply(binding())
    assert client.apply(binding()).changed


def test_faults_that_never_came_to_pass_are_told(client: irsa.Client) -> None:
    client.faults.fail("delete_role")
    client.faults.hang("create_role", at=2, times=3)
    client.faults.throttle(times=None, at=1000)
    client.apply(binding())
    unused = ("call 1 of delete_role", "calls 2 to 4 of create_role", "every call of any method from 1000 on")
    assert client.faults.unused == unused
    assert repr(client.faults) == f"<irsa.Faults unused={unused!r}>"
    client.faults.clear()
    assert not client.faults.unused


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"method": "create_rol"}, irsa.InvalidInputError, "create_rol"),
        ({"at": 0}, irsa.InvalidInputError, "counted from 1"),
        ({"times": 0}, irsa.InvalidInputError, "counted from 1"),
        ({"at": -1}, ValueError, "at: cannot be an int"),
        ({"method": 5}, TypeError, "method: must be a str, not int"),
        ({"method": "role", "writes": True}, irsa.InvalidInputError, "writes contradicts method"),
        ({"code": 5}, TypeError, "code: must be a str, not int"),
    ],
)
def test_what_cannot_be_a_fault_is_refused_by_name(
    client: irsa.Client, arguments: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        client.faults.fail(**arguments)


def test_only_a_sandbox_has_faults(client: irsa.Client) -> None:
    with pytest.raises(irsa.InvalidInputError) as raised:
        client.faults.throttle("create_rol")
    assert raised.value.hint == "did you mean create_role?"
    with pytest.raises(irsa.InvalidInputError, match="seconds"):
        client.faults.delay(-1)
    with pytest.raises(irsa.InvalidInputError, match="only a client of a sandbox has faults"):
        _ = irsa.Client("demo", region="us-east-1").faults
