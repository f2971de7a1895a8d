"""What the tests on real servers share: the bed that IRSA_TESTBED names, and its API server without any client."""

from __future__ import annotations

import json
import os
import secrets
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def bed() -> Any:
    """The facts of the bed that is up."""
    state = os.environ.get("IRSA_TESTBED")
    if not state:
        pytest.exit('no test bed; start one: eval "$(tests/run up)"', returncode=2)
    return json.loads(Path(state).read_text())


@pytest.fixture(autouse=True)
def sealed(bed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The surroundings are those of the bed."""
    for name, value in bed["env"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))


class Server:
    """The API server of cluster `demo`."""

    def __init__(self, bed: Any) -> None:
        demo = bed["clusters"]["demo"]
        self.url, self.token = demo["server"], bed["tokens"]["admin"]
        handlers = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=demo["ca"]))
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handlers)

    def ask(self, path: str, body: Any = None) -> Any:
        """GETs, or POSTs a body; None for what is not there."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with self.opener.open(urllib.request.Request(self.url + path, data, headers), timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def account(self, namespace: str, name: str) -> Any:
        """A service account."""
        return self.ask(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")


@pytest.fixture(scope="session")
def server(bed: Any) -> Server:
    """The API server, asked without irsa."""
    return Server(bed)


@pytest.fixture
def namespace(server: Server) -> str:
    """A namespace of this test's own."""
    name = f"py-{secrets.token_hex(4)}"
    server.ask("/api/v1/namespaces", {"metadata": {"name": name}})
    return name
