"""README.md says nothing that is not so: its commands are run, its manifests and documents are read and compared."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROGRAM, ROOT, Bed, Irsa, drop_namespace
from kubernetes import client
from readback import SA, Seen

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((ROOT / "README.md").read_text())
# What a test is not to run: the tests themselves, and a build.
NOT_RUN = {"tests/run"}
# Installing builds for minutes; that the packages build is tested by itself.
BUILDS = ("cargo install", "pip install")
CARGO = "cargo run -p irsa-cli --"
BUCKET = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
# What eksctl has of the account that the README makes.
CLUSTER_CONFIG = f"""
apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: {{name: demo, region: us-east-1}}
iam:
  withOIDC: true
  serviceAccounts:
    - metadata: {{name: {SA}, namespace: default}}
      attachPolicyARNs: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
"""


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


# test_gen3_helm.py runs the others, on roles that terraform made.
ALONE = [block for block in blocks("sh") if "helm_values.py" not in block]


def test_every_kind_of_block_is_taken_care_of() -> None:
    # Rust: the doc tests of irsa-core; Python: tests/python, on the installed wheel.
    assert {name for name, _ in BLOCKS} <= {"sh", "rust", "python", "yaml", "json", "text", "toml"}
    assert blocks("sh") and blocks("yaml") and blocks("json")
    assert sum("irsa create" in block for block in ALONE) == 1


def test_a_rust_program_depends_on_what_the_library_builds_with() -> None:
    """Without a version of the Kubernetes API, k8s-openapi panics at the end of a long build."""
    (block,) = blocks("toml")
    described = dict(re.findall(r"^([\w-]+) = \{(.*)\}$", block, re.MULTILINE))
    assert set(described) == {"irsa-core", "k8s-openapi", "tokio"}
    workspace = (ROOT / "Cargo.toml").read_text()
    for name in ("k8s-openapi", "tokio"):
        (version,) = re.findall(rf'^{name} = \{{ version = "([^"]+)"', workspace, re.MULTILINE)
        assert f'version = "{version}"' in described[name]
    assert 'features = ["latest"]' in described["k8s-openapi"]
    (repository,) = re.findall(r'^repository = "(.*)"$', workspace, re.MULTILINE)
    assert f'git = "{repository}"' in described["irsa-core"]


@pytest.fixture
def jobs(core: Any, iam: Any) -> Iterator[Seen]:
    """The namespaces that the README speaks of; what its commands leave there goes again."""
    try:
        core.create_namespace({"metadata": {"name": "jobs"}})
    except client.ApiException as error:
        if error.status != 409:
            raise
    seen = Seen(iam, core, "default")
    assert seen.nothing(), "somebody else is at work in the namespace default"
    yield seen
    drop_namespace(core, "jobs")
    if seen.found:
        for arn in seen.attached:
            iam.detach_role_policy(RoleName=seen.role, PolicyArn=arn)
        iam.delete_role(RoleName=seen.role)


@pytest.mark.parametrize("block", ALONE, ids=lambda block: block.split("  ")[0].strip().splitlines()[0][:60])
def test_commands(irsa: Irsa, jobs: Seen, tmp_path: Path, block: str) -> None:
    if block.strip() in NOT_RUN:
        assert (ROOT / block.strip()).is_file()
        return
    if block.startswith(BUILDS):
        for folder in re.findall(r"(?:--path |\./)(irsa-\w+)", block):
            assert (ROOT / folder / "Cargo.toml").is_file()
        return
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "irsa").symlink_to(PROGRAM)
    env = irsa.environment()
    env["PATH"] = f"{programs}:{env['PATH']}"
    script = block.replace(CARGO, "irsa")
    assert "cargo" not in script, "a test builds nothing"
    trust = "irsa trust" in script
    gen3 = "iam-serviceaccount" in script
    if trust:
        irsa("create", f"default/{SA}", "-p", "AmazonS3ReadOnlyAccess", "--role-name", "s3-reader", "-o", "json").done()
        (tmp_path / "policies").mkdir()
        (text,) = (block for block in blocks("json") if "AssumeRoleWithWebIdentity" in block)
        (tmp_path / "policies" / "s3-reader.json").write_text(text)
    fleet = "bindings.yaml" in script
    if fleet:
        (manifest,) = (block for block in blocks("yaml") if "kind: IrsaBinding" in block)
        (tmp_path / "bindings.yaml").write_text(manifest)
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies" / "bucket.json").write_text(json.dumps(BUCKET))
        (tmp_path / "cluster.yaml").write_text(CLUSTER_CONFIG)
    ran = subprocess.run(
        ["bash", "-euxc", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    if trust or fleet:
        irsa("delete", f"default/{SA}", "-o", "json").done()
    assert ran.returncode == 0, ran
    if fleet:
        irsa("delete", "jobs/worker", "-o", "json").done()
        assert jobs.nothing() and len(list(tmp_path.glob("*.schema.json"))) == 1
        return
    assert trust or gen3 or any(word in ran.stdout for word in ("created", "updated", "unchanged"))
    if gen3:
        assert ran.stdout == f"demo-{SA}-role\nAmazonS3ReadOnlyAccess\nAmazonSQSReadOnlyAccess\n"
    if "irsa delete" in script or gen3:
        assert jobs.nothing(), "the last of the commands leaves nothing of the first one"


def test_manifest() -> None:
    """The lines of a Deployment, as they stand in the whole one."""
    whole = yaml.safe_load((ROOT / "examples" / "deployment.yaml").read_text())
    for lines in (yaml.safe_load(block) for block in blocks("yaml")):
        if lines.get("kind") == "IrsaBinding":
            continue
        account = lines["spec"]["template"]["spec"]
        assert account == {"serviceAccountName": whole["spec"]["template"]["spec"]["serviceAccountName"]}
        assert account["serviceAccountName"] == SA


def test_trust_policy(bed: Bed, made: Seen) -> None:
    """The one in the README is the one that is written, but for the names."""
    (text,) = (block for block in blocks("json") if "AssumeRoleWithWebIdentity" in block)
    host = bed["clusters"]["demo"]["issuer"].removeprefix("https://")
    text = text.replace("oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE", host).replace("123456789012", bed["account"])
    shown = json.loads(text.replace(f"system:serviceaccount:default:{SA}", made.sub))
    real = made.found["AssumeRolePolicyDocument"]
    for document in (shown, real):
        (statement,) = document["Statement"]
        assert re.fullmatch(r"IrsaEquals[0-9a-f]{8}", statement.pop("Sid"))
    assert shown == real


def test_links() -> None:
    """Every file that the README points at is there."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text())
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]
