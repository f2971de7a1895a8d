"""Writers at the same time, each a process, on real servers, many times: who says that it is done has it at the end."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from conftest import Irsa, Ran
from readback import S3, Seen

ROUNDS = 4
WRITERS = (2, 5, 8)
# Far more than writers that repeat their writes take, far less than writers that wait for each other would.
LONGEST = 90


def together(irsa: Irsa, *lines: tuple[str, ...]) -> list[Ran]:
    """Runs the program with all of these lines at once."""
    begun = time.monotonic()
    children = [irsa.start(*line, "-o", "json") for line in lines]
    ran = []
    for child in children:
        stdout, stderr = child.communicate(timeout=LONGEST)
        ran.append(Ran(child.returncode, stdout, stderr))
    assert time.monotonic() - begun < LONGEST
    return ran


def kinds(ran: list[Ran]) -> list[str]:
    """How each of them ended."""
    return ["done" if one.code == 0 else one.json()["error"]["kind"] for one in ran]


def bound(seen: Seen) -> bool:
    """Whether the account is let in, and knows it."""
    return seen.sub in seen.subs and seen.account is not None and seen.annotation == seen.arn


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Any:
    """Prints numbers that are shown although the test passes."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\nraces on real servers, {text}", end=" ")

    return line


@pytest.mark.parametrize("writers", WRITERS)
def test_same_wish(irsa: Irsa, seen: Seen, tell: Any, writers: int) -> None:
    create = ("create", seen.place, "-p", S3)
    ended: list[str] = []
    for _ in range(ROUNDS):
        ended += kinds(together(irsa, *itertools.repeat(create, writers)))
        assert bound(seen) and seen.attached == {S3}
        assert irsa(*create, "-o", "json").done()["changed"] is False
        irsa("delete", seen.place, "-o", "json").done()
        assert seen.nothing()
    assert set(ended) == {"done"}, ended
    tell(f"same wish: {writers} writers, {ROUNDS} rounds, 0 lost")


@pytest.mark.parametrize("writers", WRITERS)
def test_different_roles(irsa: Irsa, seen: Seen, tell: Any, writers: int) -> None:
    met = 0
    for _ in range(ROUNDS):
        roles = [Seen(seen.iam, seen.core, seen.ns, seen.name, f"{seen.role}-{number}") for number in range(writers)]
        ran = together(irsa, *(("create", seen.place, "--role-name", role.role) for role in roles))
        assert sorted(set(kinds(ran))) in (["conflict", "done"], ["done"]), kinds(ran)
        done = [role for role, one in zip(roles, ran, strict=True) if one.code == 0]
        assert len(done) == 1 and bound(done[0]), ([role.role for role in done], seen.annotation)
        # What the others made is taken back.
        left = [role.role for role in roles if role.found and role is not done[0]]
        assert not left, (left, kinds(ran))
        met += sum("create_role" in one.stdout for one in ran) - 1
        irsa("delete", seen.place, "-o", "json").done()
    tell(f"different roles for one account: {writers} writers, {ROUNDS} rounds, {met} made a role and lost, 0 left")


@pytest.mark.parametrize("writers", WRITERS)
def test_different_subjects(irsa: Irsa, made: Seen, tell: Any, writers: int) -> None:
    done = 0
    for round_ in range(ROUNDS):
        others = [made.other(f"r{round_}-{number}") for number in range(writers)]
        lines = [("update", made.place, "--add-subject", other.place) for other in others]
        ran = together(irsa, *lines)
        assert set(kinds(ran)) <= {"done", "conflict"}, kinds(ran)
        lost = [other.name for other, one in zip(others, ran, strict=True) if one.code == 0 and not bound(other)]
        assert not lost, (lost, made.subs)
        done += kinds(ran).count("done")
        # Whoever was told to come again comes again.
        for line in lines:
            irsa(*line, "-o", "json").done()
        assert all(bound(other) for other in [made, *others])
    assert done, "somebody gets through at once"
    tell(f"different subjects: {writers} writers, {ROUNDS} rounds, {done} done at once, 0 lost")


@pytest.mark.parametrize("writers", WRITERS)
def test_create_against_delete(irsa: Irsa, seen: Seen, tell: Any, writers: int) -> None:
    create, delete = ("create", seen.place, "-p", S3), ("delete", seen.place)
    ended = set()
    for round_ in range(ROUNDS):
        if round_ % 2:
            irsa(*create, "-o", "json").done()
        lines = [delete if number % 2 else create for number in range(writers)]
        ran = kinds(together(irsa, *lines))
        ended |= set(ran)
        # What is left, whatever it is, both commands still understand.
        assert irsa(*create, "-o", "json").code == 0 or irsa(*delete, "-o", "json").code == 0
        irsa(*create, "-o", "json").done()
        assert bound(seen) and seen.attached == {S3}
        irsa(*delete, "-o", "json").done()
        assert seen.nothing()
    assert ended <= {"done", "conflict", "not_found"}, ended
    tell(f"create against delete: {writers} writers, {ROUNDS} rounds, {sorted(ended)}")


def test_subjects_come_while_others_go(irsa: Irsa, made: Seen, tell: Any) -> None:
    for round_ in range(ROUNDS):
        going, coming = [[made.other(f"{what}{round_}-{n}") for n in range(3)] for what in ("g", "c")]
        for other in going:
            irsa("update", made.place, "--add-subject", other.place, "-o", "json").done()
        lines = [("update", made.place, "--add-subject", other.place) for other in coming]
        lines += [("update", made.place, "--remove-subject", other.place) for other in going]
        ran = together(irsa, *lines)
        assert set(kinds(ran)) <= {"done", "conflict"}, kinds(ran)
        subs = made.subs
        for other, one in zip(coming, ran[:3], strict=True):
            assert one.code or bound(other), (other.name, kinds(ran), subs, other.account)
        for other, one in zip(going, ran[3:], strict=True):
            assert one.code or other.sub not in subs, f"{other.name} is still let in"
        assert made.sub in subs
    tell(f"subjects come while others go: 6 writers, {ROUNDS} rounds, 0 lost")
