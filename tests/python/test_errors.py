"""The exceptions: one root, the same classes for everybody, what botocore's callers look for."""

from __future__ import annotations

import builtins
import copy
import pickle
import sys
import traceback

import pytest

import irsa

KINDS = {
    "IrsaError": "unexpected",
    "InvalidInputError": "invalid_input",
    "NotFoundError": "not_found",
    "AlreadyExistsError": "already_exists",
    "NotOwnedError": "not_owned",
    "ConflictError": "conflict",
    "AccessDeniedError": "access_denied",
    "QuotaExceededError": "quota_exceeded",
    "ThrottledError": "throttled",
    "UnavailableError": "unavailable",
    "TimeoutError": "timeout",
    "WrongClusterError": "wrong_cluster",
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_the_tree_has_one_root(name: str, kind: str) -> None:
    class_ = getattr(irsa, name)
    assert issubclass(class_, irsa.IrsaError)
    assert (class_.kind, class_.__module__, class_.__name__) == (kind, "irsa", name)
    assert name in irsa.__all__


def test_two_are_also_what_python_has() -> None:
    assert issubclass(irsa.InvalidInputError, ValueError)
    assert issubclass(irsa.TimeoutError, builtins.TimeoutError)
    assert irsa.TimeoutError is not builtins.TimeoutError


@pytest.mark.parametrize("name", KINDS)
def test_all_of_it_survives_pickle_and_copy(name: str) -> None:
    error = getattr(irsa, name)("cannot do it", causes=["why", "deeper"], code="Code", hint="do that")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is type(error)
        assert str(other) == "cannot do it: why: deeper"
        assert (other.code, other.hint, other.causes) == ("Code", "do that", ("why", "deeper"))
    assert error.response == {"Error": {"Code": "Code", "Message": "cannot do it: why: deeper"}}


def test_without_a_service_the_code_is_the_kind() -> None:
    assert irsa.NotFoundError("x").response["Error"]["Code"] == "NotFound"
    assert irsa.IrsaError("x").response["Error"]["Code"] == "Unexpected"


def test_an_error_of_the_library_has_cause_and_hint() -> None:
    with pytest.raises(irsa.InvalidInputError) as raised:
        irsa.check_trust('{"Statemen": []}', issuer="https://i.example", account="123456789012", subject="a/b")
    error = raised.value
    assert error.hint == "did you mean Statement?"
    assert error.code is None
    assert error.response["Error"]["Code"] == "InvalidInput"
    if sys.version_info >= (3, 11):
        assert "hint: did you mean Statement?" in "".join(traceback.format_exception(error))


def test_causes_are_in_the_text() -> None:
    with pytest.raises(irsa.InvalidInputError) as raised:
        irsa.check_trust("{", issuer="https://i.example", account="123456789012", subject="a/b")
    assert raised.value.causes
    assert str(raised.value) == ": ".join([raised.value.args[0], *raised.value.causes])
