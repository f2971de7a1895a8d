"""gen3 as it is installed today: roles of terraform, service accounts of Helm charts, beside irsa."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PROGRAM, ROOT, Bed, Irsa
from readback import OWNER, S3

ACCOUNTS = ("fence-sa", "audit-sa", "manifestservice-sa")
README = (ROOT / "README.md").read_text()
(BLOCK,) = (text for text in re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S) if "helm_values.py" in text)


@pytest.fixture
def terraformed(bed: Bed, iam: Any) -> Iterator[dict[str, dict[str, Any]]]:
    """Roles as gen3's terraform makes them, by service account, each with its trust policy."""
    issuer = bed["clusters"]["demo"]["issuer"].removeprefix("https://")
    trust = {}
    for name in ACCOUNTS:
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{bed['account']}:oidc-provider/{issuer}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{issuer}:sub": f"system:serviceaccount:default:{name}",
                    f"{issuer}:aud": "sts.amazonaws.com",
                }
            },
        }
        trust[name] = {"Version": "2012-10-17", "Statement": [statement]}
        role = f"demo-default-{name}"
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust[name]))
        iam.attach_role_policy(RoleName=role, PolicyArn=S3)
    yield trust
    for name in ACCOUNTS:
        role = f"demo-default-{name}"
        iam.detach_role_policy(RoleName=role, PolicyArn=S3)
        iam.delete_role(RoleName=role)
    iam.delete_role(RoleName="demo-jobs-argo")


def test_the_commands_of_the_readme(
    bed: Bed, irsa: Irsa, iam: Any, terraformed: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "irsa").symlink_to(PROGRAM)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    issuer = bed["clusters"]["demo"]["issuer"].removeprefix("https://")
    statement = (ROOT / "examples" / "all-namespaces.json").read_text()
    statement = statement.replace("oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE", issuer)
    statement = statement.replace("123456789012", bed["account"])
    (tmp_path / "all-namespaces.json").write_text(statement)
    env = irsa.environment()
    env["PATH"] = f"{programs}:{env['PATH']}"
    run = ["bash", "-euxo", "pipefail", "-c", BLOCK]
    ran = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran

    values = json.loads((tmp_path / "values.irsa.json").read_text())
    for name, chart in zip(ACCOUNTS, ("fence", "audit", "manifestservice"), strict=True):
        role = iam.get_role(RoleName=f"demo-default-{name}")["Role"]
        account = values[chart]["serviceAccount"]
        assert (account["name"], account["annotations"]["eks.amazonaws.com/role-arn"]) == (name, role["Arn"])
        # Adopted: tags came, and nothing else changed.
        assert role["AssumeRolePolicyDocument"] == terraformed[name]
        tags = {tag["Key"]: tag["Value"] for tag in iam.list_role_tags(RoleName=role["RoleName"])["Tags"]}
        assert tags[OWNER].endswith(f"/default/{name}")
        assert {key for key in tags if not key.startswith("irsa.gen3.org/")} == set()
        attached = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
        assert [policy["PolicyArn"] for policy in attached] == [S3]

    argo = iam.get_role(RoleName="demo-jobs-argo")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert json.loads(statement) in argo
    checked = irsa("trust", "check", "--role", "demo-jobs-argo", "--subject", "elsewhere/argo", "-o", "json")
    assert checked.json()["decision"] == "allow"


def test_no_values_are_made_of_a_list_that_failed(irsa: Irsa) -> None:
    failed = irsa("list", "--role-only", "--cluster", "no-such-cluster", "-o", "json")
    assert failed.code == 1
    command = [sys.executable, ROOT / "examples" / "helm_values.py"]
    ran = subprocess.run(command, input=failed.stdout, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "there is no list of bindings: irsa says why\n"


def test_a_pattern_over_namespaces_is_refused_with_a_way_out(irsa: Irsa) -> None:
    error = irsa("create", "argo", "--subject-pattern", "*/argo", "-o", "json").refused("invalid_input", code=2)
    assert "--trust-statement" in error["hint"]
