"""What every end-to-end test needs: the bed's facts, the `irsa` program, clients that are not ours, names of its own.

Tests share one bed: each makes its own namespace, and so its own roles (their names hold the namespace). The log of the
fronts, and what they are told, is of the whole bed, so tests that run at the same time need a bed each.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import readback
from bed import Cluster, kubeconfig
from bed import client as boto3_client
from kubernetes import client, config

ROOT = Path(__file__).resolve().parents[2]
STATE = os.environ.get("IRSA_TESTBED")
PROGRAM = Path(os.environ.get("IRSA_BIN", ROOT / "target" / "debug" / "irsa")).resolve()
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def pytest_configure() -> None:
    """Nothing here can run without a bed and the program."""
    if not STATE or not Path(STATE).is_file():
        pytest.exit('no test bed; start one: eval "$(tests/run up)"', returncode=2)
    if not PROGRAM.is_file():
        pytest.exit(f"no {PROGRAM}; build it: cargo build -p irsa-cli, or name another: IRSA_BIN", returncode=2)


@dataclass
class Ran:
    """How a program ended."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)

    def done(self) -> Any:
        """The document of a run that must have ended well."""
        assert self.code == 0, self
        return self.json()

    def refused(self, kind: str, code: int = 1) -> Any:
        """The error of a run that must have failed in this way, the same in JSON and in words."""
        error = self.json()["error"]
        assert (self.code, error["kind"]) == (code, kind), self
        assert set(error) >= {"kind", "code", "message", "caused_by", "hint"}
        assert " ".join(f"error: {error['message']}".split()) in " ".join(self.stderr.split()), self
        return error


class Bed(dict[str, Any]):
    """The facts of `state.json`, and the control of the fronts."""

    def control(self, what: str, body: dict[str, Any] | None = None) -> Any:
        """POSTs to the fronts' control, or GETs without a body."""
        data = None if body is None else json.dumps(body).encode()
        with OPENER.open(urllib.request.Request(f"{self['control']}/{what}", data), timeout=10) as response:
            return json.load(response)

    def delay(self, ms: int, **front: str) -> None:
        """From now on each request waits so long (one front's requests with `front=`)."""
        self.control("delay", {"ms": ms, **front})

    def fail(self, **fault: Any) -> None:
        """Injects a failure; the fields are those of `control.Fault`."""
        self.control("fail", fault)

    def change(self, cluster: str, **changes: Any) -> None:
        """Changes what DescribeCluster says: a JSON merge patch; None removes."""
        self.control("clusters", {cluster: changes})

    def log(self) -> Any:
        """The requests since the last reset: `requests`, `count` and `depth`."""
        return self.control("log")

    def reset(self) -> None:
        """Forgets delays, failures, changes and the log."""
        self.control("reset", {})

    def kubeconfig(self, path: Path, cluster: str = "demo", url: str = "front", **user: Any) -> Path:
        """Writes a kubeconfig for one cluster: `url` is `front`, `eks` or `server`, `user` for example `token=`."""
        facts = Cluster(**self["clusters"][cluster])
        path.write_text(json.dumps(kubeconfig([facts], facts, user, url)))
        return path


@pytest.fixture(scope="session")
def bed() -> Bed:
    """The bed that is up."""
    return Bed(json.loads(Path(str(STATE)).read_text()))


@pytest.fixture(autouse=True)
def clean(bed: Bed) -> Iterator[None]:
    """No test sees the faults or the log of another."""
    bed.reset()
    yield
    bed.reset()


class Irsa:
    """The built program, in an empty folder, with the bed's environment and nothing of the caller's."""

    def __init__(self, bed: Bed, home: Path) -> None:
        self.bed, self.home = bed, home

    def __call__(self, *args: str, env: dict[str, str | None] | None = None) -> Ran:
        """Runs it to its end; a variable of `env` that is None is not set."""
        with self.start(*args, env=env) as child:
            stdout, stderr = child.communicate(timeout=180)
        return Ran(child.returncode, stdout, stderr)

    def start(
        self, *args: str, env: dict[str, str | None] | None = None, stdout: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Starts it."""
        return subprocess.Popen(
            [str(PROGRAM), *args],
            env=self.environment(env),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self, env: dict[str, str | None] | None = None) -> dict[str, str]:
        """The variables that it is given."""
        merged = {"HOME": str(self.home), "PATH": os.environ["PATH"], **self.bed["env"], **(env or {})}
        return {name: value for name, value in merged.items() if value is not None}

    def without_kubeconfig(self) -> dict[str, str | None]:
        """For `env`: no kubeconfig, and no other program to call."""
        return {"KUBECONFIG": str(self.home / "absent"), "PATH": ""}


@pytest.fixture
def irsa(bed: Bed, tmp_path: Path) -> Irsa:
    """Runs the built program."""
    return Irsa(bed, tmp_path)


@pytest.fixture(scope="session")
def iam(bed: Bed) -> Any:
    """IAM, straight at moto."""
    return aws(bed, "iam")


@pytest.fixture(scope="session")
def eks(bed: Bed) -> Any:
    """EKS of the demo cluster's region, straight at moto."""
    return aws(bed, "eks")


@pytest.fixture(scope="session")
def sts(bed: Bed) -> Any:
    """STS, straight at moto."""
    return aws(bed, "sts")


@pytest.fixture(scope="session")
def core(bed: Bed) -> Any:
    """The demo cluster's API, as administrator, straight at the API server."""
    return client.CoreV1Api(kubernetes(bed, "demo", "admin"))


@pytest.fixture(scope="session")
def blue(bed: Bed) -> Any:
    """The blue cluster's API, as administrator, straight at the API server."""
    return client.CoreV1Api(kubernetes(bed, "blue", "admin"))


@pytest.fixture(scope="session")
def rbac(bed: Bed) -> Any:
    """The demo cluster's roles and bindings, as administrator."""
    return client.RbacAuthorizationV1Api(kubernetes(bed, "demo", "admin"))


@pytest.fixture
def ns(core: Any) -> Iterator[str]:
    """A fresh namespace of the demo cluster."""
    name = unique("ns")
    core.create_namespace({"metadata": {"name": name}})
    yield name
    drop_namespace(core, name)


@pytest.fixture
def blue_ns(blue: Any) -> Iterator[str]:
    """A fresh namespace of the blue cluster."""
    name = unique("ns")
    blue.create_namespace({"metadata": {"name": name}})
    yield name
    drop_namespace(blue, name)


@pytest.fixture
def seen(iam: Any, core: Any, ns: str) -> readback.Seen:
    """The binding of the document's service account in the fresh namespace, as others see it."""
    return readback.Seen(iam, core, ns)


@pytest.fixture
def made(irsa: Irsa, seen: readback.Seen) -> readback.Seen:
    """That binding, made by `irsa create`."""
    irsa("create", seen.place, "-p", "AmazonS3ReadOnlyAccess", "-o", "json").done()
    return seen


def unique(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}-{secrets.token_hex(4)}"


def aws(bed: Bed, service: str, cluster: str = "demo", url: str = "moto") -> Any:
    """A boto3 client in a cluster's region; `url` is `moto`, or `aws` for the front."""
    return boto3_client(service, bed["clusters"][cluster]["region"], bed[url])


def kubernetes(bed: Bed, cluster: str, user: str, url: str = "server") -> client.ApiClient:
    """A client of a cluster's API; `user` is `admin`, `weak` or a token, `url` is `server`, `front` or `eks`."""
    facts = bed["clusters"][cluster]
    settings = client.Configuration(host=facts[url])
    settings.ssl_ca_cert = facts["ca"]
    settings.no_proxy = "127.0.0.1"
    settings.api_key["authorization"] = f"Bearer {bed['tokens'].get(user, user)}"
    return client.ApiClient(settings)


def kubernetes_from(path: str) -> Any:
    """A client as any other program would make it from this kubeconfig."""
    return config.new_client_from_config(path)  # type: ignore[no-untyped-call]


def drop_namespace(core: Any, name: str) -> None:
    """Deletes a namespace with its accounts; no controller does it here, so the finalizer is taken off by hand."""
    core.delete_collection_namespaced_service_account(name)
    core.delete_namespace(name)
    core.replace_namespace_finalize(name, {"metadata": {"name": name}, "spec": {"finalizers": []}})
