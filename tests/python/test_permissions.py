"""The rights that irsa itself needs."""

from __future__ import annotations

from typing import Any

import pytest
from test_package import VERBS

import irsa

CLUSTER = "arn:aws:eks:us-east-1:123456789012:cluster/demo"


def actions(permissions: irsa.Permissions) -> set[str]:
    return {action for statement in permissions.iam["Statement"] for action in statement["Action"]}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_rights(verb: str) -> None:
    needed = irsa.permissions(verb, cluster=CLUSTER)
    assert "eks:DescribeCluster" in actions(needed)
    assert needed == irsa.permissions(f"{verb}_async", cluster=CLUSTER)
    assert actions(needed) <= actions(irsa.permissions(cluster=CLUSTER))


def test_rights_are_the_least() -> None:
    looks = irsa.permissions("get", "list", "export", "check_trust", "who_can", "audit_trust", "provider")
    assert all(action.split(":")[1].startswith(("Get", "List", "Describe")) for action in actions(looks))
    writes = irsa.permissions("apply", cluster=CLUSTER, dry_run=False)
    assert {"iam:CreateRole", "iam:AttachRolePolicy"} <= actions(writes)
    assert "iam:CreateRole" not in actions(irsa.permissions("apply", dry_run=True))
    assert "iam:CreateOpenIDConnectProvider" in actions(irsa.permissions("apply", create_provider=True))
    assert irsa.permissions("apply", role_only=True).rbac == ()


def test_what_is_known_limits_them() -> None:
    needed = irsa.permissions(
        "apply",
        cluster=CLUSTER,
        namespace="jobs",
        user="ci",
        permissions_boundary="arn:aws:iam::123456789012:policy/edge",
    )
    resources = {statement["Sid"]: statement["Resource"] for statement in needed.iam["Statement"]}
    assert resources["IrsaReadCluster"] == CLUSTER
    assert resources["IrsaWriteRoles"] == "arn:aws:iam::123456789012:role/demo-jobs-*"
    assert [item["kind"] for item in needed.rbac] == ["Role", "RoleBinding", "ClusterRoleBinding"]
    assert needed.rbac[1]["subjects"][0]["name"] == "ci"
    assert irsa.Permissions.from_dict(needed.to_dict()) == needed


@pytest.mark.parametrize(
    ("verbs", "scope", "error", "words"),
    [
        (["gett"], {}, irsa.InvalidInputError, '"gett" is not a verb of a client: they are plan, apply'),
        ([5], {}, TypeError, r"verbs\[0\]: must be a str, not int"),
        (["get"], {"account": "1"}, irsa.InvalidInputError, "account"),
        (["get"], {"cluster": 5}, TypeError, "cluster: must be a str, not int"),
        (["get"], {"role_only": "yes"}, TypeError, "role_only: must be a bool, not str"),
        (["get"], {"user": "a", "group": "b"}, irsa.InvalidInputError, "user contradicts group"),
    ],
)
def test_what_is_malformed_is_refused(verbs: Any, scope: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        irsa.permissions(*verbs, **scope)
