"""Roles that several bindings share, and roles that accounts have left: on IAM and a real API server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Irsa, unique
from readback import ROLE_ARN

SQS = "AmazonSQSReadOnlyAccess"


def manifest(path: Path, *bindings: dict[str, Any]) -> str:
    """A file of bindings, each as its metadata and its spec."""
    head = {"apiVersion": "irsa.gen3.org/v1alpha1", "kind": "IrsaBinding"}
    items = [{**head, "metadata": binding["metadata"], "spec": binding["spec"]} for binding in bindings]
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return str(path)


def account(core: Any, ns: str, name: str) -> tuple[str | None, dict[str, str]]:
    """What a service account is annotated with, and its labels."""
    metadata = core.read_namespaced_service_account(name, ns).metadata
    return (metadata.annotations or {}).get(ROLE_ARN), metadata.labels or {}


def steps(report: Any) -> dict[str, list[tuple[str, str]]]:
    """What is done for each binding."""
    return {b["binding"]: [(step["action"], step["target"]) for step in b["steps"]] for b in report["bindings"]}


def test_bindings_share_a_role(irsa: Irsa, iam: Any, core: Any, ns: str, tmp_path: Path) -> None:
    role = unique("shared")
    own = {"metadata": {"name": "own", "namespace": ns, "labels": {"of": "own"}}, "spec": {"roleName": role}}
    everybody = {
        "metadata": {"name": "all", "namespace": ns, "labels": {"of": "all"}},
        "spec": {"roleName": role, "policies": [SQS], "subjects": [{"namespace": ns, "serviceAccount": "own"}]},
    }
    fleet = ("-f", manifest(tmp_path / "fleet.json", own, everybody), "-o", "json")
    planned = irsa("plan", *fleet).done()
    applied = irsa("apply", *fleet).done()
    assert steps(planned) == steps(applied) and applied["failed"] == 0
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    for name in ("own", "all"):
        assert account(core, ns, name) == (arn, {"of": name})
        assert irsa("trust", "check", "--role", role, "--subject", f"{ns}/{name}").code == 0
    assert irsa("plan", *fleet, "--check").code == 0

    # Drift of the role is the leader's, drift of an account is its own binding's.
    iam.detach_role_policy(RoleName=role, PolicyArn=f"arn:aws:iam::aws:policy/{SQS}")
    core.patch_namespaced_service_account("own", ns, {"metadata": {"annotations": {ROLE_ARN: None}}})
    drifted = irsa("plan", *fleet, "--check")
    assert drifted.code == 3
    changed = {place: [action for action, _ in of] for place, of in steps(drifted.json()).items() if of}
    assert changed == {f"{ns}/own": ["annotate_service_account"], f"{ns}/all": ["attach_policy"]}
    irsa("apply", *fleet).done()
    assert irsa("plan", *fleet, "--check").code == 0
    for name in ("own", "all"):
        irsa("delete", f"{ns}/{name}", "-o", "json").done()
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=role)


def test_accounts_of_a_cluster_config_attach_to_one_role(
    irsa: Irsa, iam: Any, core: Any, ns: str, tmp_path: Path
) -> None:
    role = unique("by-hand")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    entries = [
        {"metadata": {"name": name, "namespace": ns, "labels": {"of": name}}, "attachRoleARN": arn}
        for name in ("one", "two")
    ]
    config = {"apiVersion": "eksctl.io/v1alpha5", "kind": "ClusterConfig", "metadata": {"name": "demo"}}
    files: list[str] = []
    for number, entry in enumerate(entries):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps({**config, "iam": {"serviceAccounts": [entry]}}))
        files += ["-f", str(path)]
    refused = irsa("apply", *files)
    assert refused.code == 1 and "does not trust service account" in refused.stderr
    irsa("apply", *files, "--adopt", "-o", "json").done()
    for name in ("one", "two"):
        assert account(core, ns, name) == (arn, {"of": name})
        assert irsa("trust", "check", "--role", role, "--subject", f"{ns}/{name}").code == 0
    assert irsa("plan", *files, "--check").code == 0
    for name in ("one", "two"):
        irsa("delete", f"{ns}/{name}", "-o", "json").done()
    statements = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert [statement["Principal"] for statement in statements] == [trust["Principal"]]
    iam.delete_role(RoleName=role)


def test_a_role_is_pruned_after_its_account_moved(irsa: Irsa, iam: Any, core: Any, ns: str, tmp_path: Path) -> None:
    old, new = unique("old"), unique("new")

    def declared(role: str) -> tuple[str, ...]:
        binding = {"metadata": {"name": "app", "namespace": ns}, "spec": {"roleName": role, "policies": [SQS]}}
        path = manifest(tmp_path / f"{role}.json", binding)
        return ("-f", path, "--applyset", old, "-o", "json")

    irsa("apply", *declared(old)).done()
    moved = irsa("apply", *declared(new), "--prune", "--force").done()
    assert "did not move" in json.dumps(moved["warnings"])
    arn = iam.get_role(RoleName=new)["Role"]["Arn"]
    assert account(core, ns, "app")[0] == arn and iam.get_role(RoleName=old)
    assert irsa("plan", *declared(new), "--prune", "--check").code == 3
    irsa("apply", *declared(new), "--prune").done()
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=old)
    assert account(core, ns, "app")[0] == arn
    assert irsa("plan", *declared(new), "--prune", "--check").code == 0
    assert {view["role_name"] for view in irsa("list", "-n", ns, "--role-only", "-o", "json").done()} == {new}
    irsa("delete", f"{ns}/app", "-o", "json").done()
