"""Arguments whose own code raises, and objects that are nearly what is wanted."""

from __future__ import annotations

import functools
import gc
import sys
import typing
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, Callable
from unittest import mock

import pytest

import irsa


class Raising(Mapping[str, str]):
    """A mapping that cannot be read."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __getitem__(self, key: str) -> str:
        raise self.error

    def __iter__(self) -> Iterator[str]:
        raise self.error

    def __len__(self) -> int:
        return 1


class NoPairs(Raising):
    """A mapping whose items are no pairs."""

    def __contains__(self, key: object) -> bool:
        return False

    def items(self) -> Any:
        return [1, 2]


class Number:
    """A number that cannot be read."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __index__(self) -> int:
        raise self.error

    def __float__(self) -> float:
        raise self.error

    def __fspath__(self) -> str:
        raise self.error


PLACES: list[tuple[str, Callable[[Any], object]]] = [
    ("tags", lambda given: irsa.Binding("a", "b", tags=given)),
    ("labels", lambda given: irsa.Binding("a", "b", labels=given)),
    ("annotations", lambda given: irsa.Binding("a", "b", annotations=given)),
    ("inline", lambda given: irsa.Binding("a", "b", inline=given)),
    (r'inline\["x"\]', lambda given: irsa.Binding("a", "b", inline={"x": given})),
    (r"trust_statements\[0\]", lambda given: irsa.Binding("a", "b", trust_statements=[given])),
    ("data", irsa.Binding.from_dict),
    ("documents", irsa.audit_trust),
    ("providers", lambda given: irsa.audit_trust([], providers=given)),
    ("service_accounts", lambda given: irsa.audit_trust([], service_accounts=given)),
]


@pytest.mark.parametrize(("place", "call"), PLACES)
def test_a_mapping_that_raises_is_named(place: str, call: Callable[[Any], object]) -> None:
    raised = RuntimeError("not today")
    with pytest.raises(ValueError, match=f"^{place}: cannot be read: not today") as caught:
        call(Raising(raised))
    assert caught.value.__cause__ is raised
    with pytest.raises(TypeError, match=rf"^{place}: must be a mapping whose items\(\) are pairs, not int"):
        call(NoPairs(raised))
    for ends in (KeyboardInterrupt, SystemExit):
        with pytest.raises(ends):
            call(Raising(ends()))


def test_a_number_that_raises_is_named() -> None:
    raised = RuntimeError("not today")
    for place, call in (
        ("max_session_duration", lambda given: irsa.Binding("a", "b", max_session_duration=given)),
        ("timeout", lambda given: irsa.Client.sandbox(timeout=given)),
        ("path", lambda given: irsa.Client.sandbox(given)),
    ):
        with pytest.raises(ValueError, match=f"^{place}: cannot be .*: not today") as caught:
            call(Number(raised))
        assert caught.value.__cause__ is raised
        with pytest.raises(KeyboardInterrupt):
            call(Number(KeyboardInterrupt()))


@pytest.mark.parametrize("keyword", ["iam", "eks", "sts", "session"])
def test_a_client_that_raises_is_named(keyword: str) -> None:
    class Opaque:
        def __getattr__(self, name: str) -> object:
            raise raised

    raised = RuntimeError("not today")
    given: dict[str, Any] = {keyword: Opaque()}
    with pytest.raises(ValueError, match=f"^{keyword}: cannot be read: not today") as caught:
        irsa.Client("demo", region="us-east-1", **given)
    assert caught.value.__cause__ is raised


def test_true_is_no_number() -> None:
    for call in (
        lambda: irsa.Binding("a", "b", max_session_duration=True),
        lambda: irsa.Client.sandbox(timeout=True),
        lambda: irsa.Client.sandbox().apply_all([], concurrency=True),
    ):
        with pytest.raises(TypeError, match="not bool"):
            call()


def test_a_field_of_plain_data_is_named() -> None:
    whole = irsa.Binding("a", "b", max_session_duration=3600).to_dict()
    for key, wrong in (("namespace", 5), ("max_session_duration", "3600"), ("tags", {"k": 1})):
        with pytest.raises(irsa.InvalidInputError, match=f"^data: {key}"):
            irsa.Binding.from_dict({**whole, key: wrong})


def test_progress_that_would_be_thrown_away_is_refused() -> None:
    client = irsa.Client.sandbox()

    def yields(_: object) -> Iterator[int]:
        yield 1

    async def yields_later(_: object) -> Any:
        yield 1

    async def awaits(_: object) -> None: ...

    class Holder:
        """Keeps an async function, and is none."""

        func = staticmethod(awaits)

        def __call__(self, _: object) -> None:
            told.append(1)

    told: list[int] = []
    for progress in (yields, yields_later, awaits, functools.partial(awaits)):
        with pytest.raises(TypeError, match="progress: must be a plain function"):
            client.apply_all([irsa.Binding("default", "a")], progress=progress)
    client.apply_all([irsa.Binding("default", "a")], progress=Holder())
    assert told == [1]


def test_a_pace_has_a_lowest() -> None:
    with pytest.raises(ValueError, match="writes_per_second"):
        irsa.Client.sandbox().apply_all([], writes_per_second=1e-10)


def test_hints_speak_of_what_there_is() -> None:
    client = irsa.Client.sandbox()
    with pytest.raises(irsa.NotFoundError) as caught:
        client.apply(irsa.Binding("default", "a", policies=["./p.json"]))
    assert caught.value.hint is not None and "a policy document as inline" in caught.value.hint
    client.delete_provider()
    with pytest.raises(irsa.NotFoundError) as caught:
        client.apply(irsa.Binding("default", "a"))
    together, alone = (
        "create it together with the binding by create_provider=True",
        "create it alone with `create_provider`",
    )
    assert caught.value.hint == f"{together}, or {alone}"


def test_a_client_can_be_patched_and_referred_to() -> None:
    client = irsa.Client.sandbox()
    with mock.patch.object(client, "apply", return_value="patched") as patched:
        assert client.apply(irsa.Binding("a", "b")) == "patched"
    patched.assert_called_once()
    assert weakref.ref(client)() is client
    assert "_core" not in typing.get_type_hints(irsa.Client)


class Spy:
    """What takes the place of boto3 clients and sessions, and knows who uses it."""

    def __init__(self, owner: object) -> None:
        self.owner = owner

    def get_role(self) -> None: ...
    def create_role(self) -> None: ...
    def describe_cluster(self) -> None: ...
    def get_credentials(self) -> None: ...


@pytest.mark.parametrize("keywords", [("iam", "eks"), ("session",)])
def test_a_client_that_holds_its_owner_is_collected(keywords: tuple[str, ...]) -> None:
    class Service:
        def __init__(self) -> None:
            spy = Spy(self)
            given: dict[str, Any] = dict.fromkeys(keywords, spy)
            self.client = irsa.Client("demo", region="us-east-1", **given)

    services = weakref.WeakSet(Service() for _ in range(10))
    used = Service()
    with pytest.raises(irsa.IrsaError):
        used.client.provider()
    services.add(used)
    del used
    gc.collect()
    assert not services


def test_a_subinterpreter_is_refused() -> None:
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    interpreters = pytest.importorskip(name)
    other = interpreters.create()
    code = "try:\n    import irsa\nexcept ImportError as error:\n    assert 'main one' in str(error), error\n"
    code += "else:\n    raise AssertionError('imported')"
    failed = interpreters.run_string(other, code)
    interpreters.destroy(other)
    assert failed is None
    # This one goes on.
    assert irsa.Client.sandbox().list() == ()
