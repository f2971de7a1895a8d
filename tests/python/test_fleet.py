"""Many bindings at once: in order, side by side, with progress; one that fails stops no other."""

from __future__ import annotations

import asyncio
import functools
import json
import pickle
import threading
from typing import Any

import pytest

import irsa

S3 = "AmazonS3ReadOnlyAccess"


def bindings(count: int, **settings: Any) -> list[irsa.Binding]:
    return [irsa.Binding("default", f"worker-{n}", **{"policies": [S3], **settings}) for n in range(count)]


@pytest.fixture
def client() -> irsa.Client:
    return irsa.Client.sandbox()


def test_all_are_made_and_the_second_run_changes_nothing(client: irsa.Client) -> None:
    told: list[irsa.Progress] = []
    wanted = bindings(60)
    report = client.apply_all(wanted, progress=told.append, writes_per_second=0)
    assert report.changed
    assert [entry.binding for entry in report.bindings] == [f"default/worker-{n}" for n in range(60)]
    assert {entry.outcome for entry in report.bindings} == {"done"}
    assert [progress.done for progress in told] == list(range(1, 61))
    assert {progress.total for progress in told} == {60}
    assert sorted(progress.index for progress in told) == list(range(60))
    assert all(progress.entry == report.bindings[progress.index] for progress in told)
    report.raise_for_failures()
    again = client.apply_all(wanted)
    assert not again.changed
    assert all(entry.report and not entry.report.steps for entry in again.bindings)
    assert len(client.list()) == 60


def test_a_plan_of_all_writes_nothing(client: irsa.Client) -> None:
    plan = client.plan_all(bindings(3))
    assert plan.changed
    assert {entry.outcome for entry in plan.bindings} == {"planned"}
    assert client.list() == ()
    assert client.apply_all(bindings(3), dry_run=True) == plan


def test_one_that_fails_stops_no_other(client: irsa.Client) -> None:
    wrong = irsa.Binding("default", "wrong", policies=["AmazonS3ReadOnly"])
    report = client.apply_all([*bindings(2), wrong])
    assert [entry.outcome for entry in report.bindings] == ["done", "done", "failed"]
    [failed] = report.failed
    assert failed.error is not None
    assert (failed.binding, failed.error.kind, failed.report) == ("default/wrong", "not_found", None)
    assert failed.error.hint
    with pytest.raises(irsa.NotFoundError, match="AmazonS3ReadOnly") as raised:
        report.raise_for_failures()
    assert raised.value.hint == failed.error.hint
    assert raised.value.code == failed.error.code == "NoSuchEntity"


def test_it_can_be_awaited_with_progress(client: irsa.Client) -> None:
    threads: set[int] = set()

    async def walk() -> irsa.FleetReport:
        assert (await client.plan_all_async(bindings(2))).changed
        return await client.apply_all_async(bindings(5), progress=lambda _: threads.add(threading.get_ident()))

    assert len(asyncio.run(walk()).bindings) == 5
    assert threads == {threading.get_ident()}


class Enough(Exception):
    pass


def enough(progress: irsa.Progress) -> None:
    raise Enough


def test_what_progress_raises_ends_the_call(client: irsa.Client) -> None:
    with pytest.raises(Enough):
        client.apply_all(bindings(3), progress=enough)
    with pytest.raises(Enough):
        asyncio.run(irsa.Client.sandbox().apply_all_async(bindings(3), progress=enough))
    assert client.apply_all(bindings(3)).failed == ()


def test_what_progress_cannot_raise_into_a_future(client: irsa.Client) -> None:
    def progress(_: irsa.Progress) -> None:
        next(iter(()))

    with pytest.raises(RuntimeError, match="progress raised StopIteration") as raised:
        asyncio.run(client.apply_all_async(bindings(3), progress=progress))
    assert isinstance(raised.value.__cause__, StopIteration)

    async def never_awaited(_: irsa.Progress) -> None:
        raise AssertionError

    with pytest.raises(TypeError, match="progress: must be a plain function"):
        client.apply_all(bindings(3), progress=never_awaited)


def test_reports_are_plain_immutable_data(client: irsa.Client) -> None:
    told: list[irsa.Progress] = []
    wrong = irsa.Binding("default", "wrong", policies=["AmazonS3ReadOnly"])
    report = client.apply_all([*bindings(1), wrong], progress=told.append)
    assert report.bindings[1].error is not None
    everything: list[Any] = [report, *report.bindings, report.bindings[1].error, *told]
    for thing in everything:
        assert type(thing).from_dict(thing.to_dict()) == thing == pickle.loads(pickle.dumps(thing))
        assert json.loads(json.dumps(thing.to_dict())) == thing.to_dict()
        assert repr(thing).startswith(f"irsa.{type(thing).__name__}(")


def test_nothing_is_nothing(client: irsa.Client) -> None:
    report = client.apply_all([])
    assert (report.changed, report.bindings, report.failed) == (False, (), ())


async def told_later(_: irsa.Progress) -> None: ...


class ToldLater:
    async def __call__(self, _: irsa.Progress) -> None: ...


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ("x", {}, TypeError, "bindings: must be a list, not str"),
        ([5], {}, TypeError, r"bindings\[0\]: must be a Binding, not int"),
        ([], {"progress": 5}, TypeError, "progress: must be callable, not int"),
        ([], {"progress": told_later}, TypeError, "progress: must be a plain function, not an `async def`"),
        ([], {"progress": functools.partial(told_later)}, TypeError, "progress: must be a plain function"),
        ([], {"progress": ToldLater()}, TypeError, "progress: must be a plain function"),
        ([], {"concurrency": 0}, ValueError, "concurrency"),
        ([], {"concurrency": -1}, (ValueError, OverflowError), "."),
        ([], {"writes_per_second": float("nan")}, ValueError, "writes_per_second"),
        ([], {"writes_per_second": -1}, ValueError, "writes_per_second"),
        ([], {"frobnicate": 1}, TypeError, "frobnicate"),
    ],
)
def test_what_cannot_be_applied_is_refused_by_name(
    client: irsa.Client, arguments: Any, options: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        client.apply_all(arguments, **options)


def test_one_that_is_given_twice_is_refused_before_any_call(client: irsa.Client) -> None:
    with pytest.raises(irsa.InvalidInputError):
        client.apply_all([*bindings(1), *bindings(1, tags={"a": "b"})])
    assert client.list() == ()


def test_a_long_report_is_shown_in_short(client: irsa.Client) -> None:
    report = client.plan_all([irsa.Binding("default", f"sa-{n}") for n in range(30)])
    text = repr(report)
    entry = "irsa.FleetEntry(cluster='sandbox', binding='default/sa-0', outcome='planned', report=irsa.Report("
    assert text.startswith(f"irsa.FleetReport(changed=True, bindings=({entry}")
    assert text.endswith("... 20 more))") and "default/sa-9" in text and "sa-10" not in text
