"""Kubeconfigs and AWS settings that a dependency would panic on: in a host process that must be an exception."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import irsa

# Nothing listens there.
NOWHERE = "http://127.0.0.1:1"


def kubeconfig(folder: Path, server: str = "https://127.0.0.1:1", **user: Any) -> Path:
    file = {
        "current-context": "kind",
        "contexts": [{"name": "kind", "context": {"cluster": "kind", "user": "me"}}],
        "clusters": [{"name": "kind", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": user or {"token": "t"}}],
    }
    path = folder / "config"
    path.write_text(json.dumps(file))
    return path


def reach(**given: Any) -> irsa.Client:
    return irsa.Client("demo", region="us-east-1", endpoint_url=NOWHERE, **given)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.mark.parametrize(
    ("server", "user", "field"),
    [
        ("127.0.0.1:6443", {}, "server"),
        ("localhost", {}, "server"),
        ("*", {}, "server"),
        ("https://127.0.0.1:1", {"token": "a\nb"}, "token"),
        ("https://127.0.0.1:1", {"auth-provider": {"name": "oidc", "config": {"id-token": "a\nb"}}}, "id-token"),
        ("https://127.0.0.1:1", {"auth-provider": {"name": "gcp", "config": {"cmd-path": "echo"}}}, "auth-provider"),
    ],
)
def test_what_the_http_client_panics_on_is_refused_by_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], server: str, user: dict[str, Any], field: str
) -> None:
    client = reach(kubeconfig=kubeconfig(tmp_path, server, **user), context="kind")
    with pytest.raises(irsa.InvalidInputError) as caught:
        client.get("ns", "sa")
    assert f"{field} " in str(caught.value) and 'context "kind"' in str(caught.value), caught.value
    with pytest.raises(irsa.InvalidInputError):
        asyncio.run(client.get_async("ns", "sa"))
    assert "panicked" not in capfd.readouterr().err


def test_a_context_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(irsa.InvalidInputError, match='context "knd" does not exist') as caught:
        reach(kubeconfig=kubeconfig(tmp_path), context="knd")
    assert caught.value.hint == "did you mean kind?"


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("AWS_ACCESS_KEY_ID", "AKID\nEXAMPLE", irsa.AccessDeniedError),
        ("AWS_SESSION_TOKEN", "token\x01", irsa.AccessDeniedError),
        ("AWS_RETRY_MODE", "fast", irsa.InvalidInputError),
        ("AWS_MAX_ATTEMPTS", "0", irsa.InvalidInputError),
        # These are taken, and the call then finds nobody.
        ("AWS_RETRY_MODE", "legacy", irsa.UnavailableError),
        ("AWS_RETRY_MODE", "", irsa.UnavailableError),
        ("AWS_ENDPOINT_URL_IAM", "", irsa.UnavailableError),
    ],
)
def test_aws_settings_that_the_sdk_panics_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, value: str, kind: type[Exception]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(kind):
        reach().provider()
    assert "panicked" not in capfd.readouterr().err
