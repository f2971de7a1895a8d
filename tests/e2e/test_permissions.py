"""`irsa permissions` prints what is needed: with exactly that each command works, without it, it is denied."""

from __future__ import annotations

import fnmatch
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from conftest import Bed, Irsa, drop_namespace, kubernetes, unique
from kubernetes import client
from readback import S3, SQS, Seen, listed

COMMANDS = {
    "create": ["-p", "AmazonS3ReadOnlyAccess", "--label", "team=data", "--subject", "worker"],
    "update": ["--add-policy", SQS, "--add-subject", "worker", "--annotation", "example.com/note=x"],
    "delete": [],
    "get": [],
    "list": [],
}
TRUST = ["check", "who-can", "audit"]


def command(name: str, seen: Seen) -> list[str]:
    """The command line; a subject `worker` is one of the same namespace."""
    words = [f"{seen.ns}/worker" if word == "worker" else word for word in COMMANDS[name]]
    return [name, "-n", seen.ns, *words] if name == "list" else [name, seen.place, *words]


class Weak:
    """The user without rights, and the rights that it is given."""

    def __init__(self, bed: Bed, rbac: Any) -> None:
        self.rbac, self.kubeconfig = rbac, bed["kubeconfig"]["weak"]
        self.reviews: Any = client.AuthorizationV1Api(kubernetes(bed, "demo", "weak"))
        self.made: list[tuple[str, str]] = []
        self.holds: list[dict[str, Any]] = []

    def grant(self, objects: list[Any]) -> None:
        """Applies the objects, those of the whole cluster under names of our own, and waits until they hold."""
        names: dict[str, str] = {}
        for one in objects:
            if one["kind"].startswith("Cluster"):
                name = one["metadata"]["name"]
                one["metadata"]["name"] = names.setdefault(name, unique(name))
        for one in objects:
            if one["kind"] == "ClusterRoleBinding":
                one["roleRef"]["name"] = names.get(one["roleRef"]["name"], one["roleRef"]["name"])
            assert all(subject["name"] == "weak" for subject in one.get("subjects", [])), one
            self._create(one)
        self._await(allowed=True)

    def _create(self, one: Any) -> None:
        kind, metadata = one["kind"], one["metadata"]
        snake = {
            "Role": "role",
            "RoleBinding": "role_binding",
            "ClusterRole": "cluster_role",
            "ClusterRoleBinding": "cluster_role_binding",
        }[kind]
        if "namespace" in metadata:
            getattr(self.rbac, f"create_namespaced_{snake}")(metadata["namespace"], one)
        else:
            getattr(self.rbac, f"create_{snake}")(one)
            self.made.append((snake, metadata["name"]))
        for rule in one.get("rules", []):
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    attributes = {"verb": verb, "resource": resource, "namespace": metadata.get("namespace")}
                    attributes["name"] = next(iter(rule.get("resourceNames", [])), None)
                    self.holds.append({"resourceAttributes": attributes})
        if one.get("roleRef", {}).get("name") == "system:service-account-issuer-discovery":
            path = {"verb": "get", "path": "/.well-known/openid-configuration"}
            self.holds.append({"nonResourceAttributes": path})

    def revoke(self) -> None:
        """Takes back what is of the whole cluster, and waits until it is gone."""
        if self.made:
            self.holds = [hold for hold in self.holds if "nonResourceAttributes" in hold]
            for snake, name in self.made:
                getattr(self.rbac, f"delete_{snake}")(name)
            self._await(allowed=False)

    def _await(self, allowed: bool) -> None:
        deadline = time.monotonic() + 10
        for hold in self.holds:  # the authorizer learns of a binding through a watch
            review = {"spec": hold}
            while self.reviews.create_self_subject_access_review(review).status.allowed is not allowed:
                assert time.monotonic() < deadline, hold
                time.sleep(0.02)


@pytest.fixture
def weak(bed: Bed, rbac: Any) -> Iterator[Weak]:
    """The user without rights."""
    user = Weak(bed, rbac)
    yield user
    user.revoke()


@pytest.fixture
def prepared(irsa: Irsa, seen: Seen) -> Any:
    """Makes what a command works on."""

    def prepare(name: str) -> None:
        if name != "create":
            irsa("create", seen.place, "-p", S3, "-o", "json").done()

    return prepare


@pytest.mark.parametrize("name", COMMANDS)
def test_exactly_these_rights(bed: Bed, irsa: Irsa, seen: Seen, weak: Weak, prepared: Any, name: str) -> None:
    prepared(name)
    before, line = seen.whole(), [*command(name, seen), "--kubeconfig", weak.kubeconfig, "-o", "json"]
    irsa(*line).refused("access_denied")
    assert seen.whole() == before

    cluster = bed["clusters"]["demo"]["arn"]
    asked = ("permissions", name, "-n", seen.ns, "--user", "weak", "--cluster", cluster, "-o", "json")
    needed = irsa(*asked).done()
    weak.grant(needed["rbac"])
    bed.reset()
    irsa(*line).done()
    covered(bed, needed["iam"])
    if name in {"create", "update"}:
        assert seen.subs == {seen.sub, seen.other("worker").sub}
        assert seen.attached == ({S3} if name == "create" else {S3, SQS})
    assert seen.nothing() is (name == "delete")


def covered(bed: Bed, policy: Any) -> None:
    """Every call to AWS was one that the policy allows, on a role that it allows."""
    for entry in bed.log()["requests"]:
        if entry["front"] != "aws":
            continue
        service = "eks" if entry["action"] == "DescribeCluster" else "iam"
        action = f"{service}:{entry['action']}"
        statements = [one for one in policy["Statement"] if action in listed(one["Action"])]
        assert statements, f"{action} is not allowed"
        if role := entry["params"].get("RoleName"):
            arn = f"arn:aws:iam::{bed['account']}:role/{role}"
            resources = [resource for one in statements for resource in listed(one["Resource"])]
            assert any(fnmatch.fnmatchcase(arn, resource) for resource in resources), f"{action} on {arn}"


@pytest.mark.parametrize(
    ("name", "verb"), [("create", "get"), ("create", "create"), ("create", "patch"), ("delete", "delete")]
)
def test_no_right_too_many(irsa: Irsa, seen: Seen, weak: Weak, prepared: Any, name: str, verb: str) -> None:
    prepared(name)
    before = seen.whole()
    needed = irsa("permissions", name, "-n", seen.ns, "--user", "weak", "-o", "json").done()["rbac"]
    for one in needed:
        for rule in one.get("rules", []):
            if "serviceaccounts" in rule["resources"]:
                rule["verbs"].remove(verb)
    weak.grant(needed)
    irsa(*command(name, seen), "--kubeconfig", weak.kubeconfig, "-o", "json").refused("access_denied")
    if name == "create":
        assert seen.whole() == before


def test_whole_cluster(irsa: Irsa, seen: Seen, weak: Weak) -> None:
    """Without a namespace the rights are those of the whole cluster: `list` needs them."""
    line = ("list", "--kubeconfig", weak.kubeconfig, "-o", "json")
    irsa(*line).refused("access_denied")
    weak.grant(irsa("permissions", "list", "--user", "weak", "-o", "json").done()["rbac"])
    irsa(*line).done()


@pytest.mark.parametrize("name", TRUST)
def test_rights_of_the_analyser(bed: Bed, irsa: Irsa, made: Seen, weak: Weak, name: str) -> None:
    """Without rights on the API server only the service accounts are missing, with a warning."""
    words = {"check": ["--role", made.role, "--subject", made.place], "who-can": [made.role], "audit": []}
    line = ("trust", name, *words[name], "--cluster", "demo", "--kubeconfig", weak.kubeconfig, "-o", "json")
    warned = [warning["id"] for warning in irsa(*line).done().get("warnings", [])]
    assert warned == ([] if name == "check" else ["cluster-unread"])
    cluster = bed["clusters"]["demo"]["arn"]
    needed = irsa("permissions", "trust", name, "--user", "weak", "--cluster", cluster, "-o", "json").done()
    weak.grant(needed["rbac"])
    bed.reset()
    assert not irsa(*line).done().get("warnings")
    covered(bed, needed["iam"])


def test_who_plans_need_not_write(irsa: Irsa, seen: Seen, weak: Weak) -> None:
    """CI that plans seldom may write: that is a warning."""
    needed = irsa("permissions", "create", "--dry-run", "-n", seen.ns, "--user", "weak", "-o", "json").done()["rbac"]
    weak.grant(needed)
    ran = irsa("create", seen.place, "-p", S3, "--kubeconfig", weak.kubeconfig, "--check", "-o", "json")
    assert ran.code == 3, ran
    assert [warning["id"] for warning in ran.json()["warnings"]] == ["write-unverified"]
    irsa("create", seen.place, "-p", S3, "--kubeconfig", weak.kubeconfig, "-o", "json").refused("access_denied")
    assert seen.nothing()


def test_making_a_namespace(irsa: Irsa, seen: Seen, weak: Weak) -> None:
    fresh = Seen(seen.iam, seen.core, unique("ns"), "a")
    line = ("create", fresh.place, "-p", S3, "--create-namespace", "--kubeconfig", weak.kubeconfig, "-o", "json")
    irsa(*line).refused("access_denied")
    weak.grant(irsa("permissions", "create", "--create-namespace", "--user", "weak", "-o", "json").done()["rbac"])
    irsa(*line).done()
    assert fresh.annotation == fresh.arn
    drop_namespace(fresh.core, fresh.ns)


def test_everything_is_the_sum_of_all_commands(bed: Bed, irsa: Irsa) -> None:
    def actions(*words: str) -> set[str]:
        policy = irsa("permissions", *words, "-o", "json").done()["iam"]
        return {action for statement in policy["Statement"] for action in listed(statement["Action"])}

    others = ("provider create", "provider show", "provider delete", *(f"trust {name}" for name in TRUST))
    each = [actions(*name.split()) for name in (*COMMANDS, *others)]
    assert actions() == set().union(*each)
    assert bed.log()["count"] == 0, "nothing is called for it"


def test_text_is_json_and_yaml(irsa: Irsa) -> None:
    wanted = irsa("permissions", "create", "-o", "json").done()
    policy, _, manifests = irsa("permissions", "create").stdout.partition("---\n")
    assert json.loads(policy) == wanted["iam"]
    assert list(yaml.safe_load_all(manifests)) == wanted["rbac"]
