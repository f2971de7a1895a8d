"""The package as a whole: what it shows, what it costs to import, what its documentation says."""

from __future__ import annotations

import doctest
import inspect
import pydoc
import re
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

import irsa


def test_the_documentation_of_the_package_runs() -> None:
    assert doctest.testmod(irsa, raise_on_error=True).attempted > 0


def test_the_python_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    monkeypatch.chdir(root)
    text = (root / "README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 4
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("name", irsa.__all__)
def test_everything_shown_is_there_and_documented(name: str) -> None:
    thing: Any = getattr(irsa, name)
    if name == "__version__":
        assert thing.count(".") == 2
        return
    assert inspect.getdoc(thing)
    for attribute in vars(thing) if inspect.isclass(thing) else ():
        if not attribute.startswith("_") and callable(getattr(thing, attribute)):
            assert inspect.getdoc(getattr(thing, attribute)), attribute


def test_signatures_are_right() -> None:
    assert str(inspect.signature(irsa.check_trust)) == (
        "(document, *, issuer, account, partition=None, subject, audience=None)"
    )
    assert str(inspect.signature(irsa.audit_trust)) == (
        "(documents, *, ignore=None, providers=None, service_accounts=None)"
    )
    assert str(inspect.signature(irsa.TrustCheck.from_dict)) == "(data, /)"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="`X | Y` of annotations is evaluated from 3.10 on")
def test_annotations_can_be_evaluated() -> None:
    """As FastAPI does for what it injects."""
    for name, method in inspect.getmembers(irsa.Client, inspect.isfunction):
        assert name in ("__repr__",) or typing.get_type_hints(method), name


def test_importing_brings_little() -> None:
    """What is slow to import is not imported."""
    code = "import sys; import irsa; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import sys; sys.path[:0] = " + repr(sys.path) + "; " + code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"typing", "dataclasses", "boto3", "asyncio", "inspect", "json"} & set(done.stdout.split())


VERBS = [name for name in vars(irsa.Client) if not name.startswith("_") and hasattr(irsa.Client, f"{name}_async")]


def test_every_verb_has_a_twin_to_be_awaited() -> None:
    public = {name for name in dir(irsa.Client) if not name.startswith("_")} - {"sandbox", "cluster", "faults"}
    assert public == {*VERBS, *(f"{name}_async" for name in VERBS)}
    assert {"plan", "apply", "update", "delete", "get", "list", "create_provider"} <= set(VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_a_twin_takes_and_gives_the_same(name: str) -> None:
    verb, twin = getattr(irsa.Client, name), getattr(irsa.Client, f"{name}_async")
    assert inspect.signature(verb) == inspect.signature(twin)
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(verb)
    documented, doubled = inspect.getdoc(verb), inspect.getdoc(twin)
    assert documented and doubled
    assert doubled.replace(f"\n\nThe awaitable twin of `{name}`.", "", 1) == documented
    assert all(argument in documented for argument in inspect.signature(verb).parameters if argument != "self")


def test_help_tells_what_arguments_are_and_what_is_raised() -> None:
    told = pydoc.plain(pydoc.render_doc(irsa.Client.apply))
    for words in ("binding: Binding", "adopt: bool = False", "-> Report", "Args:", "Raises:", "IrsaError"):
        assert words in told.replace("'", "")
    told = pydoc.plain(pydoc.render_doc(irsa.Binding))
    for words in ("role_name", "3600 to 43200 seconds", "InvalidInputError"):
        assert words in told
    # On Python 3.9 a class that is not written in Python shows no arguments.
    if sys.version_info >= (3, 10):
        assert "policies=None" in told
