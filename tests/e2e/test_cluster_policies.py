"""What the cluster itself does to a binding, whoever asks: real mutating and validating policies, a real webhook,
quotas, namespaces that are being deleted, and warnings of the API server."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from certs import authority
from conftest import Bed, Irsa, kubernetes, unique
from kubernetes import client
from readback import CREATED, ROLE_ARN, S3, Seen, writes
from test_permissions import Weak, weak  # noqa: F401

GROUP, VERSION = "admissionregistration.k8s.io", "v1"
OTHER = "arn:aws:iam::123456789012:role/other"
CREATE = ("-p", S3, "-o", "json")


class Admission:
    """Makes policies and webhooks that see the service accounts of one namespace, and removes them."""

    def __init__(self, bed: Bed, seen: Seen) -> None:
        self.api, self.seen = client.CustomObjectsApi(kubernetes(bed, "demo", "admin")), seen
        self.made: list[tuple[str, str]] = []
        self.names = {"matchLabels": {"kubernetes.io/metadata.name": seen.ns}}
        self.rule = {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "resources": ["serviceaccounts"],
            "operations": ["CREATE", "UPDATE"],
        }

    def _create(self, kind: str, plural: str, name: str, **body: Any) -> None:
        document = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}, **body}
        self.api.create_cluster_custom_object(GROUP, VERSION, plural, document)
        self.made.append((plural, name))

    def _policy(self, kind: str, spec: dict[str, Any], binding: dict[str, Any]) -> str:
        name, match = unique("e2e"), {"namespaceSelector": self.names, "resourceRules": [self.rule]}
        spec = {"matchConstraints": match, "failurePolicy": "Fail", **spec}
        self._create(kind, f"{kind.lower()[:-1]}ies", name, spec=spec)
        self._create(f"{kind}Binding", f"{kind.lower()}bindings", name, spec={"policyName": name, **binding})
        return name

    def mutate(self, *patches: str) -> None:
        """JSON patches of each account, as CEL; waits until they are in effect."""
        mutations = [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}} for patch in patches]
        self._policy("MutatingAdmissionPolicy", {"reinvocationPolicy": "Never", "mutations": mutations}, {})
        self.eventually(lambda: self.probe().metadata.annotations != {ROLE_ARN: "arn:probe"})

    def validate(self, expression: str, message: str, action: str = "Deny") -> str:
        """A rule for each account; waits until it is in effect, and gives the name of the policy."""
        validations = [{"expression": expression, "message": message}]
        binding = {"validationActions": [action]}
        name = self._policy("ValidatingAdmissionPolicy", {"validations": validations}, binding)
        self.eventually(lambda: self.refused() if action == "Deny" else self.warned())
        return name

    def webhook(self, port: int, ca: bytes, path: str) -> None:
        """A mutating webhook at a port of this machine."""
        url = f"https://127.0.0.1:{port}/{path}"
        hook = {
            "name": "hook.example.org",
            "clientConfig": {"url": url, "caBundle": base64.b64encode(ca).decode()},
            "rules": [self.rule],
            "namespaceSelector": self.names,
            "sideEffects": "NoneOnDryRun",
            "admissionReviewVersions": ["v1"],
        }
        kind, plural = "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"
        self._create(kind, plural, unique("e2e"), webhooks=[hook])

    def probe(self, **options: Any) -> Any:
        """A dry run of an account with an annotation."""
        body = {"metadata": {"name": "probe", "annotations": {ROLE_ARN: "arn:probe"}}}
        return self.seen.core.create_namespaced_service_account(self.seen.ns, body, dry_run="All", **options)

    def refused(self) -> bool:
        """Whether an account is refused."""
        try:
            self.probe()
        except client.ApiException:
            return True
        return False

    def warned(self) -> bool:
        """Whether the API server warns."""
        answer = self.seen.core.create_namespaced_service_account_with_http_info(
            self.seen.ns, {"metadata": {"name": "probe"}}, dry_run="All"
        )
        return "Warning" in answer[2]

    def eventually(self, holds: Callable[[], bool]) -> None:
        """A policy takes a moment to be in effect."""
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def remove(self) -> None:
        """Removes all of them, bindings first."""
        for plural, name in reversed(self.made):
            self.api.delete_cluster_custom_object(GROUP, VERSION, plural, name)


@pytest.fixture
def admission(bed: Bed, seen: Seen) -> Iterator[Admission]:
    """Policies and webhooks for the fresh namespace."""
    found = Admission(bed, seen)
    yield found
    found.remove()


@pytest.fixture
def refused(bed: Bed, irsa: Irsa, seen: Seen) -> Any:
    """Runs a create that must be refused before its first write, also as a dry run and from a manifest."""

    def run(kind: str, *settings: str, reason: str | None = None, spec: dict[str, Any] | None = None) -> Any:
        before = seen.account
        manifest = {
            "apiVersion": "irsa.gen3.org/v1alpha1",
            "kind": "IrsaBinding",
            "metadata": {"name": seen.name, "namespace": seen.ns},
            "spec": {"policies": [S3], **(spec or {})},
        }
        (irsa.home / "manifest.json").write_text(json.dumps(manifest))
        line = ("create", seen.place, *CREATE, *settings)
        error = irsa(*line).refused(kind)
        for other in (irsa(*line, "--dry-run"), irsa(*line, "--check")):
            assert other.refused(kind) == error
        if "--create-namespace" not in settings:
            planned = irsa("plan", "-f", "manifest.json", "--cluster", "demo", "-o", "json")
            assert (planned.code, planned.json()["bindings"][0]["error"]["kind"]) == (1, kind), planned
        assert error.get("reason") == reason
        assert writes(bed.log()) == [] and seen.found is None
        assert (seen.account and seen.account.metadata.resource_version) == (
            before and before.metadata.resource_version
        )
        return error

    return run


ANNOTATIONS = "has(object.metadata.annotations)"
ESCAPED = ROLE_ARN.replace("/", "~1")
STRIP = (
    f'{ANNOTATIONS} && "{ROLE_ARN}" in object.metadata.annotations ? '
    f'[JSONPatch{{op: "remove", path: "/metadata/annotations/{ESCAPED}"}}] : []'
)
SET = (
    f'{ANNOTATIONS} ? [JSONPatch{{op: "add", path: "/metadata/annotations/{ESCAPED}", value: "{OTHER}"}}] : '
    f'[JSONPatch{{op: "add", path: "/metadata/annotations", value: {{"{ROLE_ARN}": "{OTHER}"}}}}]'
)


# -- what is stored is not what was asked for --


@pytest.mark.parametrize(("patch", "stored"), [(STRIP, "would store no annotation"), (SET, f'as "{OTHER}"')])
def test_changed_annotation(seen: Seen, admission: Admission, refused: Any, patch: str, stored: str) -> None:
    admission.mutate(patch)
    error = refused("conflict", reason="admission")
    cause = " ".join(error["caused_by"])
    assert "admission webhook or policy of the cluster changes it" in cause and stored in cause
    assert f"annotation {ROLE_ARN}" in cause and f'instead of "arn:aws:iam::123456789012:role/{seen.role}"' in cause
    assert seen.place in error["message"] and "mutatingwebhookconfigurations" in error["hint"]


def test_changed_annotation_of_an_account_that_is_there(seen: Seen, admission: Admission, refused: Any) -> None:
    seen.apply_as("helm", labels={"app": "x"})
    admission.mutate(SET)
    refused("conflict", reason="admission")
    assert ROLE_ARN not in seen.annotations


def test_stripped_after_it_was_made(irsa: Irsa, made: Seen, admission: Admission) -> None:
    admission.mutate(STRIP)
    made.core.patch_namespaced_service_account(made.name, made.ns, {"metadata": {"labels": None}})
    assert CREATED in made.annotations and ROLE_ARN not in made.annotations
    assert irsa("get", made.place, "-o", "json").done()["state"] == "unbound"
    report = irsa("delete", made.place, "-o", "json").done()
    assert report["steps"][-1]["action"] == "delete_service_account"
    assert made.nothing()
    assert irsa("delete", made.place, "-o", "json").done()["changed"] is False


def test_set_after_it_was_made(irsa: Irsa, made: Seen, admission: Admission) -> None:
    admission.mutate(SET)
    made.core.patch_namespaced_service_account(made.name, made.ns, {"metadata": {"labels": None}})
    assert made.annotation == OTHER
    error = irsa("create", made.place, *CREATE, "--force").refused("conflict")
    assert error["reason"] == "admission" and OTHER in str(error["caused_by"])
    report = irsa("delete", made.place, "--role-name", made.role, "-o", "json").done()
    kept = [warning["message"] for warning in report["warnings"] if warning["id"] == "account-kept"]
    assert kept == [f"service account {made.place} is kept: its annotation names another role, {OTHER}"]
    assert made.found is None and made.annotation == OTHER


def test_put_back_when_it_is_removed(irsa: Irsa, seen: Seen, admission: Admission) -> None:
    seen.apply_as("helm", labels={"app": "x"})
    irsa("create", seen.place, *CREATE).done()
    admission.mutate(SET)
    report = irsa("delete", seen.place, "-o", "json").done()
    kept = [warning["message"] for warning in report["warnings"] if warning["id"] == "account-kept"]
    assert len(kept) == 1 and f"keeps {ROLE_ARN}: {OTHER}" in kept[0] and "puts it back" in kept[0]
    assert seen.found is None and seen.annotation == OTHER


class Hook(BaseHTTPRequestHandler):
    """A mutating webhook that sets the annotation; at another path, of what is really written alone."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["content-length"])))
        request = review["request"]
        response = {"uid": request["uid"], "allowed": True}
        if self.path.startswith("/every") or not request["dryRun"]:
            annotations = {**request["object"]["metadata"].get("annotations", {}), ROLE_ARN: OTHER}
            patch = [{"op": "add", "path": "/metadata/annotations", "value": annotations}]
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        answer = {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[tuple[int, bytes]]:
    """A webhook that runs; its port and its CA."""
    ca, certificate = authority(tmp_path, "hook")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], ca.read_bytes()
    server.shutdown()


def test_webhook(admission: Admission, hook: tuple[int, bytes], refused: Any) -> None:
    admission.webhook(*hook, "every")
    admission.eventually(lambda: admission.probe().metadata.annotations == {ROLE_ARN: OTHER})
    assert OTHER in str(refused("conflict", reason="admission")["caused_by"])


def test_webhook_that_spares_dry_runs(irsa: Irsa, seen: Seen, admission: Admission, hook: tuple[int, bytes]) -> None:
    admission.webhook(*hook, "written")

    def in_effect() -> bool:
        made = seen.core.create_namespaced_service_account(seen.ns, {"metadata": {"name": unique("probe")}})
        seen.core.delete_namespaced_service_account(made.metadata.name, seen.ns)
        return made.metadata.annotations == {ROLE_ARN: OTHER}

    admission.eventually(in_effect)
    assert irsa("create", seen.place, *CREATE, "--dry-run").done()["changed"] is True
    ran = irsa("create", seen.place, *CREATE)
    error = ran.refused("conflict")
    assert error["reason"] == "admission" and OTHER in str(error["caused_by"])
    outcomes = {step["action"]: step["outcome"] for step in ran.json()["steps"]}
    assert outcomes == {
        "create_role": "rolled_back",
        "attach_policy": "rolled_back",
        "create_service_account": "rolled_back",
    }
    assert seen.nothing()


# -- what nobody may --


def test_policy_that_demands_no_automount(irsa: Irsa, seen: Seen, admission: Admission, refused: Any) -> None:
    field = "object.automountServiceAccountToken"
    name = admission.validate(
        f"has({field}) && {field} == false", "you cannot mount a token; it does not support dry run"
    )
    error = refused("conflict", reason="admission")
    assert f"ValidatingAdmissionPolicy '{name}'" in " ".join(error["caused_by"]) and error["code"] == "Invalid"
    assert "automountServiceAccountToken" in error["hint"] and "RBAC" not in error["hint"]
    refused("conflict", "--automount-token", "true", reason="admission", spec={"automountServiceAccountToken": True})
    report = irsa("create", seen.place, *CREATE, "--automount-token", "false").done()
    assert report["steps"][-1]["detail"]["automount_token"] is False
    assert seen.account.automount_service_account_token is False
    assert irsa("create", seen.place, *CREATE, "--check").done()["changed"] is False
    assert irsa("get", seen.place, "-o", "json").done()["automount_token"] is False
    assert "automountServiceAccountToken: false" in irsa("export", "-n", seen.ns).stdout
    irsa("update", seen.place, "--token-expiration", "3600", "-o", "json").done()
    assert seen.account.automount_service_account_token is False
    irsa("delete", seen.place, "-o", "json").done()
    assert seen.nothing()


def test_missing_rights_stay_a_warning_in_a_dry_run(irsa: Irsa, seen: Seen, weak: Weak) -> None:  # noqa: F811
    needed = irsa("permissions", "create", "-n", seen.ns, "--user", "weak", "-o", "json").done()["rbac"]
    for one in needed:
        for rule in one.get("rules", []):
            rule["verbs"] = [verb for verb in rule["verbs"] if verb != "patch"]
    weak.grant(needed)
    line = ("create", seen.place, *CREATE, "--kubeconfig", weak.kubeconfig)
    planned = irsa(*line, "--dry-run").done()
    messages = [warning["message"] for warning in planned["warnings"] if warning["id"] == "write-unverified"]
    assert len(messages) == 1 and 'User "weak" cannot patch resource "serviceaccounts"' in messages[0]
    error = irsa(*line).refused("access_denied")
    assert "reason" not in error and seen.nothing()


def test_resource_quota(seen: Seen, admission: Admission, refused: Any) -> None:
    hard = {"count/serviceaccounts": "0"}
    seen.core.create_namespaced_resource_quota(seen.ns, {"metadata": {"name": "none"}, "spec": {"hard": hard}})
    seen.core.patch_namespaced_resource_quota_status("none", seen.ns, {"status": {"hard": hard, "used": hard}})
    admission.eventually(admission.refused)
    error = refused("quota_exceeded")
    assert "exceeded quota: none" in str(error["caused_by"]) and "ResourceQuota" in error["hint"]


# -- namespaces that are being deleted --


def test_terminating_namespace(seen: Seen, refused: Any) -> None:
    seen.core.delete_namespace(seen.ns)
    for settings in ((), ("--create-namespace",)):
        error = refused("conflict", *settings, reason="namespace_terminating")
        assert error["message"] == f"namespace {seen.ns} is being deleted"
        assert "does not exist" not in str(error) and "--create-namespace" not in error["hint"]


def test_account_in_a_terminating_namespace(irsa: Irsa, seen: Seen) -> None:
    seen.apply_as("helm", labels={"app": "x"})
    seen.core.delete_namespace(seen.ns)
    for changed in (True, False):
        ran = irsa("create", seen.place, *CREATE)
        report = ran.done()
        assert report["changed"] is changed
        messages = [warning["message"] for warning in report["warnings"] if warning["id"] == "namespace-terminating"]
        assert messages == [f"namespace {seen.ns} is being deleted, and service account {seen.place} with it"]
        assert f"warning: {messages[0]} [namespace-terminating]" in ran.stderr
    irsa("delete", seen.place, "-o", "json").done()


# -- warnings --


def test_warnings_of_the_api_server(irsa: Irsa, seen: Seen, admission: Admission) -> None:
    name = admission.validate("1 == 2", 'mind "the" gap, é', "Warn")
    said = f"Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{name}': mind \"the\" gap, é"
    for line in (("--dry-run",), ()):
        ran = irsa("create", seen.place, *CREATE, *line)
        messages = [warning["message"] for warning in ran.done()["warnings"] if warning["id"] == "api-server"]
        assert messages == [f"API server: {said}"]
        assert ran.stderr.count(said) == 1 and f"warning: API server: {said} [api-server]" in ran.stderr
    assert irsa("create", seen.place, *CREATE).done()["warnings"] == []
