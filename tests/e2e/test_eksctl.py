"""ClusterConfigs of eksctl on the real servers: roles that eksctl made, and roles that `attachRoleARN` names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Bed, Irsa, unique
from readback import ROLE_ARN, Seen, actions, writes

HOST = "oidc-provider/"


def cluster_config(path: Path, entry: dict[str, Any], **metadata: Any) -> tuple[str, str]:
    config = {
        "apiVersion": "eksctl.io/v1alpha5",
        "kind": "ClusterConfig",
        "metadata": {"name": "demo", **metadata},
        "iam": {"serviceAccounts": [entry]},
    }
    path.write_text(json.dumps(config))
    return ("-f", str(path))


def trust(provider: str, sub: str) -> str:
    """The trust policy that eksctl writes."""
    host = provider.split(HOST, 1)[1]
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {"StringEquals": {f"{host}:sub": sub, f"{host}:aud": "sts.amazonaws.com"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def provider(made: Seen) -> str:
    """The ARN of the OIDC provider of the cluster."""
    return str(made.statements[0]["Principal"]["Federated"])


def attached(path: Path, ns: str, name: str, arn: str) -> tuple[str, str]:
    return cluster_config(path / "cluster.json", {"metadata": {"name": name, "namespace": ns}, "attachRoleARN": arn})


def test_a_role_that_trusts_the_service_account_is_only_annotated(
    bed: Bed, irsa: Irsa, iam: Any, core: Any, ns: str, provider: str, tmp_path: Path
) -> None:
    seen = Seen(iam, core, ns, "attached", unique("by-hand"))
    iam.create_role(RoleName=seen.role, AssumeRolePolicyDocument=trust(provider, seen.sub))
    role = seen.found
    config = attached(tmp_path, ns, seen.name, seen.arn)
    bed.reset()
    applied = irsa("apply", *config, "-o", "json").done()
    assert [step["action"] for step in applied["bindings"][0]["steps"]] == ["create_service_account"]
    assert [write.split()[0] for write in writes(bed.log())] == ["demo"]
    assert seen.annotation == seen.arn
    assert irsa("plan", *config, "--check").code == 0
    irsa("delete", seen.place, "-o", "json").done()
    assert (seen.account, seen.found, seen.tags) == (None, role, {})
    iam.delete_role(RoleName=seen.role)


def test_a_role_of_another_account_is_annotated_and_never_read(
    bed: Bed, irsa: Irsa, iam: Any, core: Any, ns: str, tmp_path: Path
) -> None:
    seen = Seen(iam, core, ns, "attached")
    arn = "arn:aws:iam::999999999999:role/shared"
    config = attached(tmp_path, ns, seen.name, arn)
    bed.reset()
    applied = irsa("apply", *config, "-o", "json").done()
    assert [warning["id"] for warning in applied["bindings"][0]["warnings"]] == ["trust-unverified"]
    assert seen.annotation == arn and "GetRole" not in actions(bed.log())
    assert irsa("plan", *config, "--check").code == 0
    irsa("delete", seen.place, "-o", "json").done()
    assert seen.account is None


def test_policies_of_eksctl_are_replaced_in_place(
    irsa: Irsa, iam: Any, core: Any, ns: str, provider: str, tmp_path: Path
) -> None:
    seen = Seen(iam, core, ns, "external-dns", unique("eksctl-demo-Role1"))
    iam.create_role(RoleName=seen.role, AssumeRolePolicyDocument=trust(provider, seen.sub))
    of_eksctl = f"eksctl-demo-addon-iamserviceaccount-{ns}-external-dns-PolicyExternalDNS"
    for last, allowed in (
        ("ChangeSet", ["route53:ChangeResourceRecordSets"]),
        ("HostedZones", ["route53:ListHostedZones", "route53:ListResourceRecordSets"]),
    ):
        allow = [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]
        document = json.dumps({"Version": "2012-10-17", "Statement": allow})
        iam.put_role_policy(RoleName=seen.role, PolicyName=of_eksctl + last, PolicyDocument=document)
    seen.apply_as("eksctl", namespace=ns, annotations={ROLE_ARN: seen.arn})
    config = cluster_config(
        tmp_path / "cluster.json",
        {"metadata": {"name": seen.name, "namespace": ns}, "wellKnownPolicies": {"externalDNS": True}},
        tags={"CostCenter": "42"},
    )
    refused = irsa("apply", *config, "-o", "json")
    assert (refused.code, refused.json()["error"]["kind"]) == (1, "not_owned")
    irsa("apply", *config, "--adopt", "-o", "json").done()
    assert len(seen.inline) == 1 and next(iter(seen.inline)).startswith(of_eksctl)
    assert seen.tags["CostCenter"] == "42"
    assert irsa("plan", *config, "--check").code == 0
    exported = tmp_path / "exported.yaml"
    exported.write_text(irsa("export", "-n", ns).stdout)
    assert irsa("plan", "-f", str(exported), "--check").code == 0
