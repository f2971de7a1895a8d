"""Service accounts through an API server that Python brings: an ApiClient, or a fake, beside boto3 clients."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
import time
import weakref
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from test_boto3 import READ, Account, moto

import irsa

ROLE_ARN = "eks.amazonaws.com/role-arn"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with moto(monkeypatch) as account:
        yield account


def binding(name: str = "worker", **settings: Any) -> irsa.Binding:
    return irsa.Binding("default", name, **{"policies": [READ], **settings})


def test_a_binding_is_made_found_and_undone_under_moto(account: Account) -> None:
    cluster = irsa.FakeKubernetes()
    client = account.client(kubernetes=cluster)
    assert client.plan(binding()).changed
    assert cluster.service_account("default", "worker") is None
    report = client.apply(binding(labels={"app": "x"}))
    assert (report.role_arn, report.warnings) == ("arn:aws:iam::123456789012:role/demo-default-worker", ())
    made = cluster.service_account("default", "worker")
    assert made is not None and made["kind"] == "ServiceAccount"
    assert made["metadata"]["annotations"][ROLE_ARN] == report.role_arn
    assert made["metadata"]["labels"] == {"app": "x"}
    statement = account.trust("demo-default-worker")["Statement"][0]
    assert "system:serviceaccount:default:worker" in json.dumps(statement)
    assert not client.apply(binding()).changed
    assert client.get("default", "worker").state == "ok"
    assert [view.service_account for view in client.list()] == ["worker"]
    assert [view.binding for view in client.apply_all([binding(f"w{n}") for n in range(3)]).bindings] == [
        "default/w0",
        "default/w1",
        "default/w2",
    ]
    assert asyncio.run(client.delete_async("default", "worker")).changed
    assert cluster.service_account("default", "worker") is None


def test_the_fake_is_strict(account: Account) -> None:
    cluster = irsa.FakeKubernetes(["jobs"])
    client = account.client(kubernetes=cluster)
    other = "arn:aws:iam::123456789012:role/other"
    cluster.create_service_account("jobs", "taken", annotations={ROLE_ARN: other}, manager="helm")
    with pytest.raises(irsa.ConflictError, match="helm"):
        client.apply(irsa.Binding("jobs", "taken", policies=[READ]))
    assert client.apply(irsa.Binding("jobs", "taken", policies=[READ]), force=True).changed
    with pytest.raises(irsa.NotFoundError, match="missing"):
        client.apply(irsa.Binding("missing", "worker", policies=[READ]))
    assert client.apply(irsa.Binding("missing", "worker", policies=[READ]), create_namespace=True).changed
    cluster.deny("patch", "serviceaccounts")
    with pytest.raises(irsa.AccessDeniedError):
        client.apply(binding())
    with pytest.raises(irsa.InvalidInputError):
        irsa.FakeKubernetes(["no/namespace"])
    with pytest.raises(TypeError, match="namespaces: must be a list"):
        irsa.FakeKubernetes("jobs")
    with pytest.raises(irsa.InvalidInputError):
        cluster.create_service_account("jobs", "NO")


def test_the_fake_has_faults(account: Account) -> None:
    cluster = irsa.FakeKubernetes()
    client = account.client(kubernetes=cluster)
    cluster.faults.fail("apply_service_account", code="ServiceUnavailable", message="etcd is down")
    with pytest.raises(irsa.IrsaError, match="etcd is down") as raised:
        client.apply(binding())
    assert raised.value.report is not None
    assert client.apply(binding()).changed


class Kubernetes(BaseHTTPRequestHandler):
    """An API server that keeps service accounts, and answers as `script` says before that."""

    accounts: dict[str, Any]
    asked: list[tuple[str, str, dict[str, str], Any]]
    script: list[tuple[int, dict[str, str], Any]]

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.asked.append((self.command, self.path, headers, json.loads(body) if body else None))
        path, _, query = self.path.partition("?")
        name = path.rpartition("/")[2]
        if self.script:
            return self.answer(*self.script.pop(0))
        if path == "/.well-known/openid-configuration":
            return self.answer(200, {}, {"issuer": self.issuer})
        if "/serviceaccounts" not in path:
            return self.answer(
                200, {}, {"kind": "Namespace", "metadata": {"name": name}, "status": {"phase": "Active"}}
            )
        if self.command == "PATCH":
            sent = json.loads(body)
            if isinstance(sent, dict):
                made = {**sent, "metadata": {**sent["metadata"], "uid": "u-1", "resourceVersion": "1"}}
                if "dryRun=All" not in query:
                    self.accounts[name] = made
                return self.answer(200, {}, made)
        if name in self.accounts:
            return self.answer(200, {}, self.accounts[name])
        status = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "no", "details": {"name": name}}
        return self.answer(404, {}, status)

    do_GET = do_PATCH = do_POST = do_DELETE = handle_one
    issuer = ""

    def answer(self, status: int, headers: dict[str, str], body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(text)), "audit-id": "audit-1", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(account: Account) -> Iterator[Any]:
    handler = type("Handler", (Kubernetes,), {"accounts": {}, "asked": [], "script": [], "issuer": account.issuer})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.handler = handler  # type: ignore[attr-defined]
    yield server
    server.shutdown()
    server.server_close()


def api_client(server: Any) -> Any:
    kubernetes = pytest.importorskip("kubernetes")
    host = f"http://127.0.0.1:{server.server_address[1]}"
    configuration = kubernetes.client.Configuration(host=host)
    configuration.api_key = {"authorization": "Bearer t0k3n"}
    return kubernetes.client.ApiClient(configuration)


def test_requests_go_through_the_api_client(account: Account, server: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "irsa")
    api = api_client(server)
    api.set_default_header("x-own", "yes")
    client = account.client(kubernetes=api)
    report = client.apply(binding())
    assert report.warnings == (), "the issuer of the API server tells that it is the right one"
    handler = server.handler
    assert handler.accounts["worker"]["metadata"]["annotations"][ROLE_ARN] == report.role_arn
    assert all(headers["authorization"] == "Bearer t0k3n" for _, _, headers, _ in handler.asked)
    assert all(headers["x-own"] == "yes" for _, _, headers, _ in handler.asked)
    [(_, path, headers, body)] = [ask for ask in handler.asked if ask[0] == "PATCH" and "dryRun" not in ask[1]]
    assert path.startswith("/api/v1/namespaces/default/serviceaccounts/worker?") and "fieldManager=irsa" in path
    assert headers["content-type"] == "application/apply-patch+yaml"
    assert body["metadata"]["annotations"][ROLE_ARN] == report.role_arn
    assert not client.apply(binding()).changed
    logged = [record.__dict__["irsa"] for record in caplog.records]
    assert {"audit-1"} == {fields["audit_id"] for fields in logged if "audit_id" in fields}
    assert "t0k3n" not in caplog.text and "t0k3n" not in str(logged)


def test_an_api_object_is_as_good_as_its_client(account: Account, server: Any) -> None:
    api = api_client(server)
    core = pytest.importorskip("kubernetes").client.CoreV1Api(api)
    assert account.client(kubernetes=core).apply(binding()).changed
    client = account.client(kubernetes=core)
    collected = weakref.ref(core)
    del core, client
    gc.collect()
    assert collected() is None, "nothing keeps it"


def test_the_wrong_cluster_is_refused(account: Account, server: Any) -> None:
    server.handler.issuer = "https://other.example"
    with pytest.raises(irsa.WrongClusterError, match=r"other\.example"):
        account.client(kubernetes=api_client(server)).apply(binding())
    assert not [ask for ask in server.handler.asked if ask[0] == "PATCH"]


def test_what_the_server_refuses_has_its_class(account: Account, server: Any) -> None:
    status = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": 'User "u" cannot get resource'}
    server.handler.script[:] = [(403, {}, status)] * 20
    with pytest.raises(irsa.AccessDeniedError, match="cannot get resource") as raised:
        account.client(kubernetes=api_client(server)).get("default", "worker")
    assert raised.value.code == "Forbidden"
    busy = {"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "busy"}
    server.handler.script[:] = [(429, {"retry-after": "0"}, busy)] * 2
    assert account.client(kubernetes=api_client(server)).apply(binding()).changed, "throttled calls are tried again"


def test_what_the_package_raises_is_the_cause(account: Account, server: Any) -> None:
    api = api_client(server)
    api.configuration.host = "http://127.0.0.1:1"
    with pytest.raises(
        irsa.UnavailableError, match=r"the API server http://127\.0\.0\.1:1 cannot be reached"
    ) as raised:
        account.client(kubernetes=api).apply(binding())
    assert "ApiClient raised" in str(raised.value) and "Connection" in type(raised.value.__cause__).__name__


def test_an_api_client_that_never_returns_does_not_hold_up_the_deadline(account: Account, server: Any) -> None:
    api, released = api_client(server), threading.Event()
    api.rest_client.pool_manager.request = lambda *_, **__: released.wait(30)
    began = time.perf_counter()
    try:
        with pytest.raises(irsa.TimeoutError):
            account.client(kubernetes=api, timeout=0.3).apply(binding())
        assert time.perf_counter() - began < 3
    finally:
        released.set()


def test_what_is_neither_is_refused_by_name(account: Account) -> None:
    class Asynchronous:
        class configuration:
            host = "http://localhost"

        class rest_client:
            class pool_manager:
                @staticmethod
                async def request() -> None:
                    pass

    for other in (5, "demo", object(), irsa.Client.sandbox(), Asynchronous()):
        with pytest.raises(
            TypeError, match=r"kubernetes: must be an ApiClient of the package kubernetes, or an irsa\.Fake"
        ):
            account.client(kubernetes=other)
    for keywords in ({"context": "x"}, {"kubeconfig": "x"}):
        with pytest.raises(ValueError, match="kubernetes contradicts kubeconfig and context"):
            account.client(kubernetes=irsa.FakeKubernetes(), **keywords)
