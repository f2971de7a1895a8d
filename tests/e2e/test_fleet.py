"""The fleet of a whole gen3 installation: applied, checked, drifted by hand, repaired, exported and deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Bed, Irsa, drop_namespace
from kubernetes import client
from readback import ROLE_ARN, writes

EXAMPLE = ROOT / "examples" / "gen3-fleet.yaml"
SPACES = ("karpenter", "kubecost", "monitoring", "argo")
ANY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]})
OWN = re.compile(
    r"bucket_[\w-]+|demo--default--audit-sqs-\w+|demo--default--[\w-]*policy|demo-Kubecost-[\w-]+|"
    r"demo--default--access-backend|RDSExportPolicy-demo|AmazonS3CSIDriverPolicy-demo|eks-s3-csi-policy-demo"
)


@pytest.fixture
def policies(iam: Any) -> Iterator[None]:
    """The customer-managed policies that the example names."""
    names = {
        name for line in EXAMPLE.read_text().splitlines() if "policies" in line.lower() for name in OWN.findall(line)
    }
    names |= set(re.findall(r"^    - ([\w-]+)$", EXAMPLE.read_text(), re.M))
    arns = [iam.create_policy(PolicyName=name, PolicyDocument=ANY)["Policy"]["Arn"] for name in sorted(names)]
    yield
    for arn in arns:
        iam.delete_policy(PolicyArn=arn)


@pytest.fixture
def spaces(core: Any) -> Iterator[None]:
    """The namespaces that `--create-namespace` makes are taken away again."""
    yield
    for name in SPACES:
        try:
            drop_namespace(core, name)
        except client.ApiException as error:
            if error.status != 404:
                raise


def roles(iam: Any) -> set[str]:
    """The names of all roles."""
    return {role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]}


def accounts(core: Any) -> dict[str, str | None]:
    """Every service account, with its annotation."""
    found = core.list_service_account_for_all_namespaces().items
    return {f"{a.metadata.namespace}/{a.metadata.name}": (a.metadata.annotations or {}).get(ROLE_ARN) for a in found}


def changes(plan: Any) -> dict[str, list[str]]:
    """The actions of each binding that changes."""
    return {b["binding"]: [step["action"] for step in b["steps"]] for b in plan["bindings"] if b["changed"]}


def test_the_whole_installation(
    bed: Bed, irsa: Irsa, iam: Any, core: Any, policies: None, spaces: None, tmp_path: Path
) -> None:
    before = (roles(iam), accounts(core))
    fleet = ("-f", str(EXAMPLE), "--create-namespace", "-o", "json")

    planned = irsa("plan", *fleet).done()
    assert len(planned["bindings"]) == 30 and all(b["changed"] for b in planned["bindings"])
    assert (roles(iam), accounts(core)) == before
    applied = irsa("apply", *fleet, "--writes-per-second", "0", "--applyset", "gen3").done()
    assert (applied["succeeded"], applied["failed"]) == (30, 0)
    made = roles(iam) - before[0]
    assert len(made) == 30 and all(len(name) <= 64 for name in made)
    bound = {place for place, arn in accounts(core).items() if arn} - {p for p, arn in before[1].items() if arn}
    assert len(bound) == 34 and len({place.split("/")[0] for place in bound}) == 6

    bed.reset()
    assert irsa("apply", *fleet, "--applyset", "gen3", "--check").done()["changed"] is False
    assert writes(bed.log()) == []

    # Drift, as people make it by hand.
    iam.detach_role_policy(RoleName="demo--default--ssj", PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess")
    iam.put_role_policy(
        RoleName="karpenter-controller-role-demo", PolicyName="karpenter-controller-policy", PolicyDocument=ANY
    )
    trust = iam.get_role(RoleName="demo-thanos-role")["Role"]["AssumeRolePolicyDocument"]
    trust["Statement"] = [statement for statement in trust["Statement"] if "Service" in statement["Principal"]]
    assert len(trust["Statement"]) == 1
    iam.update_assume_role_policy(RoleName="demo-thanos-role", PolicyDocument=json.dumps(trust))
    core.delete_namespaced_service_account("fence-sa", "default")
    core.patch_namespaced_service_account("argo", "argo", {"metadata": {"annotations": {ROLE_ARN: None}}})
    drift = {
        "default/ssjdispatcher-service-account": ["attach_policy"],
        "karpenter/karpenter": ["put_inline_policy"],
        "monitoring/thanos": ["update_trust_policy"],
        "default/fence-sa": ["create_service_account"],
        "argo/argo": ["annotate_service_account"],
    }
    ran = irsa("plan", *fleet, "--applyset", "gen3", "--check")
    assert (ran.code, changes(ran.json())) == (3, drift)
    assert changes(irsa("apply", *fleet, "--applyset", "gen3").done()) == drift
    assert irsa("plan", *fleet, "--applyset", "gen3", "--check").code == 0

    # What is exported plans to no change.
    exported = irsa("export", "-q")
    assert exported.code == 0, exported
    manifest = tmp_path / "exported.yaml"
    manifest.write_text(exported.stdout)
    again = irsa("plan", "-f", str(manifest), "--check", "-o", "json")
    assert (again.code, changes(again.json())) == (0, {}), again

    # A manifest of one is left: the set loses all others, and both sides are as they were.
    one = tmp_path / "one.yaml"
    one.write_text(EXAMPLE.read_text().split("---")[0].replace("gen3-fleet/", f"{EXAMPLE.parent}/gen3-fleet/"))
    prune = ("apply", "-f", str(one), "--applyset", "gen3", "--prune", "--writes-per-second", "0", "-o", "json")
    assert irsa(*prune).refused("conflict")
    irsa(*prune, "--confirm-prune").done()
    assert roles(iam) - before[0] == {"demo-batch-export-sa-role"}
    irsa("delete", "batch-export-sa", "-o", "json").done()
    left = {place: arn for place, arn in accounts(core).items() if place.split("/")[0] not in SPACES}
    assert (roles(iam), left) == before
