"""Kubeconfigs as people have them: what kubectl reads is read, and what cannot be used is named before any call."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import PROGRAM, Bed, Irsa, Ran
from kubernetes import client
from readback import S3, Seen

CONTEXT = "arn:aws:eks:us-east-1:123456789012:cluster/demo"


class Files:
    """Kubeconfigs for the demo cluster, changed as a test wants."""

    def __init__(self, bed: Bed, folder: Path) -> None:
        self.bed, self.folder = bed, folder

    def write(self, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **top: Any) -> str:
        """With these fields of the cluster and of the file; `user` is all of the user."""
        path = self.bed.kubeconfig(self.folder / "kubeconfig", token=self.bed["tokens"]["admin"])
        file = json.loads(path.read_text())
        file["clusters"][0]["cluster"].update(cluster or {})
        if user is not None:
            file["users"][0]["user"] = user
        file.update(top)
        path.write_text(json.dumps(file))
        return str(path)

    def text(self, name: str, text: str) -> str:
        """A file beside it."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def ca(self) -> str:
        return Path(self.bed["clusters"]["demo"]["ca"]).read_text()


@pytest.fixture
def files(bed: Bed, tmp_path: Path) -> Files:
    return Files(bed, tmp_path)


def wrapped(text: str, end: str) -> str:
    encoded = base64.b64encode(text.encode()).decode()
    return "".join(encoded[at : at + 64] + end for at in range(0, len(encoded), 64))


def create(irsa: Irsa, seen: Seen, kubeconfig: str, *more: str) -> Ran:
    return irsa("create", seen.place, "-p", S3, "--kubeconfig", kubeconfig, *more, "-o", "json")


def test_a_token_file_that_ends_in_a_newline(bed: Bed, irsa: Irsa, seen: Seen, files: Files) -> None:
    token = files.text("token", bed["tokens"]["admin"] + "\n")
    create(irsa, seen, files.write(user={"tokenFile": token})).done()
    assert seen.annotation == seen.arn
    # Beside an old token the file wins, as in client-go; it is a path as seen from the kubeconfig.
    create(irsa, seen, files.write(user={"tokenFile": "token", "token": "expired"})).done()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_data_in_several_lines(irsa: Irsa, seen: Seen, files: Files, end: str) -> None:
    data = {"certificate-authority-data": wrapped(files.ca(), end), "certificate-authority": "/nonexistent"}
    create(irsa, seen, files.write(cluster=data)).done()
    assert seen.annotation == seen.arn


@pytest.mark.parametrize(
    ("cluster", "user", "words"),
    [
        pytest.param(
            {"server": "127.0.0.1:6443"}, None, ("server", "127.0.0.1:6443", "https://127.0.0.1:6443"), id="bare"
        ),
        pytest.param({"server": "localhost"}, None, ("server", "localhost", "scheme"), id="host"),
        pytest.param({"server": "*"}, None, ("server", "*"), id="star"),
        pytest.param({"server": "https://127.0.0.1:99999"}, None, ("server", "99999", "port"), id="port"),
        pytest.param({"tls-server-name": "a b"}, None, ("tls-server-name", "a b"), id="name"),
        pytest.param(
            {"certificate-authority-data": "TWICE"}, None, ("certificate-authority-data", "twice"), id="twice"
        ),
        pytest.param({"certificate-authority-data": "DER"}, None, ("certificate-authority-data", "DER"), id="DER"),
        pytest.param({"certificate-authority": "/dev/null"}, None, ("certificate-authority", "/dev/null"), id="empty"),
        pytest.param(None, {"token": "a b"}, ("token", "characters"), id="token"),
        pytest.param(None, {"tokenFile": "nowhere"}, ("tokenFile", "nowhere", "No such file"), id="token file"),
        pytest.param(None, {"token": "x", "as": "a\nb"}, ("as", "header"), id="as"),
        pytest.param(None, {"token": "x", "as-groups": ["g"]}, ("as-groups", "without as"), id="groups"),
        pytest.param(
            None, {"client-certificate-data": "eA=="}, ("client-certificate-data", "not PEM"), id="certificate"
        ),
        pytest.param(
            None,
            {"auth-provider": {"name": "gcp", "config": {"cmd-path": "echo"}}},
            ("auth-provider", "gcp"),
            id="provider",
        ),
    ],
)
def test_a_field_that_cannot_be_used_is_named(
    bed: Bed, irsa: Irsa, seen: Seen, files: Files, cluster: Any, user: Any, words: tuple[str, ...]
) -> None:
    once = base64.b64encode(files.ca().encode()).decode()
    special = {"TWICE": base64.b64encode(once.encode()).decode(), "DER": "".join(files.ca().splitlines()[1:-1])}
    if cluster and cluster.get("certificate-authority-data") in special:
        cluster = {"certificate-authority-data": special[cluster["certificate-authority-data"]]}
    path = files.write(cluster=cluster, user=user)
    bed.reset()
    error = create(irsa, seen, path).refused("invalid_input", code=2)
    assert bed.log()["count"] == 0, "nothing was called"
    said = " ".join([error["message"], *error["caused_by"], error["hint"] or ""])
    assert not [word for word in (path, CONTEXT.split("/")[-1], *words) if word not in said], said


@pytest.mark.parametrize(
    ("top", "words"),
    [
        pytest.param(
            {"current-context": "aws"}, ("current context", "aws", "does not exist", "cluster/demo"), id="dangling"
        ),
        pytest.param({"users": None}, ('user "user"', "does not exist"), id="users: null"),
        pytest.param({"clusters": []}, ("cluster", "does not exist"), id="no clusters"),
        pytest.param({"users": [{"name": "usr", "user": {}}]}, ("does not exist", "did you mean usr?"), id="near"),
        pytest.param({"contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT}}]}, ("no user",), id="no user"),
    ],
)
def test_an_entry_that_does_not_exist_is_named(
    bed: Bed, irsa: Irsa, seen: Seen, files: Files, top: dict[str, Any], words: tuple[str, ...]
) -> None:
    path = files.write(**top)
    bed.reset()
    # By its name a cluster finds its context, whichever is current.
    by_name = [] if "current-context" in top else [["--kubeconfig", path, "--cluster", "demo"]]
    for named in (["--kubeconfig", path], *by_name):
        error = irsa("create", seen.place, "-p", S3, *named, "-o", "json").refused("invalid_input", code=2)
        said = " ".join([error["message"], *error["caused_by"], error["hint"] or ""])
        assert not [word for word in (path, *words) if word not in said], said
    assert bed.log()["count"] == 0, "nothing was called"


def test_a_context_that_does_not_exist_is_named_with_the_nearest(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    misspelt = bed["clusters"]["demo"]["arn"].replace("demo", "demmo")
    for line in (["create", seen.place], ["list"], ["get", seen.place, "--cluster", "demo", "--role-only"]):
        error = irsa(*line, "--context", misspelt, "-o", "json").refused("invalid_input", code=2)
        assert f'context "{misspelt}" does not exist' in " ".join([error["message"], *error["caused_by"]])
        assert bed["clusters"]["demo"]["arn"] in error["hint"]
    assert seen.nothing()


@pytest.mark.parametrize("how", ["chosen", "found"])
@pytest.mark.parametrize("user", [{"token": "expired"}, {}], ids=["refused", "missing"])
def test_credentials_that_the_server_does_not_accept(
    bed: Bed, irsa: Irsa, seen: Seen, files: Files, user: dict[str, Any], how: str
) -> None:
    """Neither another cluster nor a matter of RBAC."""
    # As through a tunnel: neither URL nor authority are those that EKS tells.
    path = files.write(cluster={"insecure-skip-tls-verify": True, "certificate-authority": ""}, user=user)
    options, env = (["--kubeconfig", path], {}) if how == "chosen" else ([], {"KUBECONFIG": path})
    error = irsa("create", seen.place, "-p", S3, *options, "-o", "json", env=env).refused("access_denied")
    said = " ".join([error["message"], *error["caused_by"], error["hint"]])
    assert "credentials" in error["hint"] and "RBAC" not in said and "WrongCluster" not in said, said
    if not user:
        assert "system:anonymous" in said and "without credentials" in error["hint"], said
    assert seen.nothing()


@pytest.fixture
def pod(bed: Bed, irsa: Irsa, core: Any, ns: str, tmp_path: Path) -> Any:
    """Runs the program as in a pod of the demo cluster, with no kubeconfig: mounts are its own."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("no mounts of one's own can be made here")
    demo = bed["clusters"]["demo"]
    core.create_namespaced_service_account(ns, {"metadata": {"name": "runner"}})
    admin = {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"}
    subject = {"kind": "ServiceAccount", "name": "runner", "namespace": ns}
    rbac = client.RbacAuthorizationV1Api(core.api_client)
    binding = {"metadata": {"name": ns}, "roleRef": admin, "subjects": [subject]}
    rbac.create_cluster_role_binding(binding)
    request = {"spec": {"expirationSeconds": 600}}
    token = core.create_namespaced_service_account_token("runner", ns, request).status.token
    mounted = tmp_path / "serviceaccount"
    mounted.mkdir()
    (mounted / "token").write_text(token + "\n")
    (mounted / "namespace").write_text(ns)
    shutil.copy(demo["ca"], mounted / "ca.crt")
    server = urlsplit(demo["front"])
    variables = {"KUBERNETES_SERVICE_HOST": server.hostname, "KUBERNETES_SERVICE_PORT": str(server.port)}
    script = (
        'mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io && cp -r "$0" /run/secrets/kubernetes.io/'
        ' && exec "$@"'
    )

    def run(*args: str) -> Ran:
        env = irsa.environment({**irsa.without_kubeconfig(), **variables, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        words = [*unshare, "sh", "-c", script, str(mounted), str(PROGRAM), *args]
        ran = subprocess.run(words, env=env, cwd=irsa.home, capture_output=True, text=True, timeout=180)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    run.folder = mounted  # type: ignore[attr-defined]
    yield run
    rbac.delete_cluster_role_binding(ns)


def test_from_a_pod_to_its_own_cluster_and_to_another(
    bed: Bed, pod: Any, seen: Seen, blue: Any, blue_ns: str, iam: Any
) -> None:
    def asked() -> set[str]:
        return {entry["front"] for entry in bed.log()["requests"] if entry["front"] != "aws"}

    bed.reset()
    pod("create", seen.place, "-p", S3, "--cluster", "demo", "-o", "json").done()
    assert (asked(), seen.annotation) == ({"demo"}, seen.arn)

    # The mounted token says that the pod is of another cluster.
    far = Seen(iam, blue, blue_ns, "a", f"blue-{blue_ns}-a")
    bed.reset()
    pod("create", far.place, "-p", S3, "--cluster", bed["clusters"]["blue"]["arn"], "-o", "json").done()
    assert (asked(), far.annotation) == ({"blue-eks"}, far.arn)

    # automountServiceAccountToken: false
    for file in pod.folder.iterdir():
        file.unlink()
    bed.reset()
    assert pod("create", seen.place, "-p", S3, "--cluster", "demo", "-o", "json").done()["changed"] is False
    assert asked() == {"demo-eks"}
