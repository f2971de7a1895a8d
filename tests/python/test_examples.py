"""The examples: they run as programs, and the service function does what a service needs."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from moto import mock_aws

import irsa

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_every_example_runs(path: Path, tmp_path: Path) -> None:
    # An example that reads the output of the program gets an empty list.
    argv = [sys.executable, str(path)]
    done = subprocess.run(argv, cwd=tmp_path, input="[]", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert not list(tmp_path.iterdir()), "an example leaves nothing behind"


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield boto3.client("iam", region_name="us-east-1")


@pytest.fixture
def roles(iam: Any) -> Any:
    eks = boto3.client("eks", region_name="us-east-1")
    network: Any = {"subnetIds": ["subnet-1"], "securityGroupIds": []}
    eks.create_cluster(name="prod", roleArn="arn:aws:iam::123456789012:role/eks", resourcesVpcConfig=network)
    client = irsa.Client("prod", iam=iam, eks=eks)
    client.create_provider()
    return load("user_roles").UserRoles(client, "gen3.example.org")


def test_the_role_of_a_user_is_got_or_created(roles: Any, iam: Any) -> None:
    arn = roles.get_or_create("42", "uploads")
    assert arn == "arn:aws:iam::123456789012:role/wf-gen3-example-org-42-worker"
    assert roles.get_or_create("42", "uploads") == arn
    found = iam.get_role(RoleName="wf-gen3-example-org-42-worker")["Role"]
    services = [statement["Principal"].get("Service") for statement in found["AssumeRolePolicyDocument"]["Statement"]]
    assert "ec2.amazonaws.com" in services
    tags = {tag["Key"]: tag["Value"] for tag in found["Tags"]}
    assert (tags["user"], tags["service"]) == ("42", "gen3.example.org")
    assert iam.list_role_policies(RoleName=found["RoleName"])["PolicyNames"] == ["bucket"]


def test_a_change_of_the_policy_replaces_it(roles: Any, iam: Any) -> None:
    roles.get_or_create("42", "uploads")
    roles.get_or_create("42", "other")
    policy = iam.get_role_policy(RoleName="wf-gen3-example-org-42-worker", PolicyName="bucket")["PolicyDocument"]
    assert policy["Statement"][0]["Resource"] == "arn:aws:s3:::other/42/*"


def test_a_role_of_the_time_before_is_taken_over(roles: Any, iam: Any) -> None:
    name = roles.role_name("42")
    old = {"Version": "2012-10-17", "Statement": [load("user_roles").EC2]}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(old), Tags=[{"Key": "made-by", "Value": "hand"}])
    arn = roles.get_or_create("42", "uploads")
    assert arn.endswith(f"role/{name}")
    tags = {tag["Key"]: tag["Value"] for tag in iam.get_role(RoleName=name)["Role"]["Tags"]}
    assert (tags["made-by"], tags["user"]) == ("hand", "42")


def test_many_requests_at_once_make_each_role_once(roles: Any, iam: Any) -> None:
    async def requests() -> list[str]:
        users = [str(n % 4) for n in range(12)]
        arns = await asyncio.gather(*(roles.get_or_create_async(user, "uploads") for user in users))
        return list(map(str, arns))

    assert len(set(asyncio.run(requests()))) == 4
    assert len(iam.list_roles()["Roles"]) == 4


def test_names_keep_the_id_of_the_user_whole() -> None:
    roles = load("user_roles").UserRoles(irsa.Client.sandbox(), "a-very-long-host-name." * 4)
    name = roles.role_name("0123456789")
    assert len(name) == 64
    assert name.endswith("-0123456789-worker")
