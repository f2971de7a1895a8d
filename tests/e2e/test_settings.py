"""Every setting of create and update reaches AWS and Kubernetes as given, and stays where it is not named again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import Irsa, unique
from readback import CREATED, ORIGIN, OWNER, ROLE_ARN, S3, SQS, Seen

EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


def document(action: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


@pytest.fixture
def own_policy(iam: Any) -> Any:
    """A policy of the account, in a path."""
    made = iam.create_policy(PolicyName=unique("own"), Path="/team/", PolicyDocument=json.dumps(document("s3:*")))
    return made["Policy"]


def test_all_settings(irsa: Irsa, seen: Seen, own_policy: Any) -> None:
    seen.role = unique("custom")
    (irsa.home / "by file.json").write_text(json.dumps(document("s3:Get*")))
    (irsa.home / "ec2").write_text(json.dumps(EC2))
    settings = ["--role-name", seen.role, "--role-path", "/gen3_service/", "--description", "Ré sumé"]
    settings += ["--permissions-boundary", own_policy["Arn"], "--max-session-duration", "7200"]
    settings += ["--tag", "team=data", "--tag", "cost=a=b", "--token-expiration", "3600"]
    settings += ["--sts-regional-endpoints", "false", "--label", "app=x", "--annotation", "example.com/note=a b"]
    settings += ["-p", own_policy["PolicyName"], "-p", S3, "-p", "file://by file.json"]
    settings += ["--inline-policy", "second=./by file.json", "--trust-statement", "ec2"]
    settings += ["--subject-pattern", f"{seen.ns}/job-*"]
    create = ["create", seen.place, *settings, "-o", "json"]
    report = irsa(*create).done()
    assert [warning["id"] for warning in report["warnings"]] == ["pattern-lets-in"]

    role = seen.found
    assert (role["Path"], role["Description"], role["MaxSessionDuration"]) == ("/gen3_service/", "Ré sumé", 7200)
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == own_policy["Arn"]
    tags = seen.tags
    assert {key: tags[key] for key in ("team", "cost", ORIGIN)} == {"team": "data", "cost": "a=b", ORIGIN: "created"}
    assert OWNER in tags
    assert seen.attached == {S3, own_policy["Arn"]}
    assert seen.inline == {"by-file": document("s3:Get*"), "second": document("s3:Get*")}
    assert seen.annotations == {
        ROLE_ARN: seen.arn,
        "eks.amazonaws.com/token-expiration": "3600",
        "eks.amazonaws.com/sts-regional-endpoints": "false",
        "example.com/note": "a b",
        CREATED: "true",
    }
    assert seen.account.metadata.labels == {"app": "x"}
    (extra,) = (statement for statement in seen.statements if "Service" in statement["Principal"])
    assert extra.pop("Sid").startswith("IrsaExtra")
    assert extra == EC2
    assert seen.subs == {seen.sub}
    (pattern,) = (statement for statement in seen.statements if "StringLike" in statement.get("Condition", {}))
    assert list(pattern["Condition"]["StringLike"].values()) == [f"system:serviceaccount:{seen.ns}:job-*"]
    assert list(pattern["Condition"]["StringEquals"].values()) == ["sts.amazonaws.com"], "the audience is tested too"

    # Again with all of them, and again with none: nothing changes.
    assert irsa(*create).done()["changed"] is False
    assert irsa("create", seen.place, "--role-name", seen.role, "-o", "json").done()["changed"] is False

    whole = seen.whole()
    update = ("update", seen.place, "--description", "other", "--tag", "team=web", "--remove-policy", "second")
    irsa(*update, "-o", "json").done()
    assert seen.whole() == {
        **whole,
        "role": {**whole["role"], "Description": "other"},
        "tags": {**tags, "team": "web"},
        "inline": {"by-file": document("s3:Get*")},
    }


def test_no_policies(irsa: Irsa, seen: Seen) -> None:
    ran = irsa("create", seen.place, "-o", "json")
    assert [warning["id"] for warning in ran.done()["warnings"]] == ["no-policies"]
    assert "warning: " in ran.stderr
    assert seen.attached == set()


@pytest.mark.parametrize(
    ("policy", "arn"),
    [
        ("AmazonEBSCSIDriverPolicy", "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"),
        ("service-role/AmazonEBSCSIDriverPolicy", "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"),
        ("ViewOnlyAccess", "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"),
    ],
)
def test_names_of_policies(irsa: Irsa, seen: Seen, policy: str, arn: str) -> None:
    irsa("create", seen.place, "-p", policy, "-o", "json").done()
    assert seen.attached == {arn}
    irsa("update", seen.place, "--remove-policy", policy, "-o", "json").done()
    assert seen.attached == set()


def test_exact_subjects(irsa: Irsa, seen: Seen) -> None:
    other = seen.other("other")
    irsa("create", seen.place, "-p", S3, "--subject", other.place, "-o", "json").done()
    report = irsa("create", seen.place, "-p", S3, "-o", "json").done()
    assert (report["changed"], report["undeclared"]) == (False, [{"kind": "subject", "subject": other.place}])
    irsa("create", seen.place, "-p", S3, "--exact", "-o", "json").done()
    assert (seen.subs, other.account) == ({seen.sub}, None)


def test_role_kept(irsa: Irsa, made: Seen) -> None:
    report = irsa("delete", made.place, "--keep-role", "-o", "json").done()
    assert [warning["id"] for warning in report["warnings"]] == ["sessions-remain", "role-kept"]
    assert (made.account, made.subs, made.attached, made.tags) == (None, set(), {S3}, {})


def test_foreign_trust_keeps_the_role_unless_forced(irsa: Irsa, made: Seen) -> None:
    trust = {"Version": "2012-10-17", "Statement": [*made.statements, EC2]}
    made.iam.update_assume_role_policy(RoleName=made.role, PolicyDocument=json.dumps(trust))
    made.iam.put_role_policy(RoleName=made.role, PolicyName="mine", PolicyDocument=json.dumps(document("s3:*")))
    planned = irsa("delete", made.place, "--dry-run", "-o", "json").done()
    assert [warning["id"] for warning in planned["warnings"]] == ["sessions-remain", "role-kept"]
    report = irsa("delete", made.place, "--force", "-o", "json").done()
    (lost,) = (step["detail"]["document"] for step in report["steps"] if step["action"] == "delete_inline_policy")
    assert lost == document("s3:*"), "what is lost is told in full"
    assert made.nothing()


def test_instance_profile_keeps_the_role(irsa: Irsa, made: Seen) -> None:
    made.iam.create_instance_profile(InstanceProfileName=made.role)
    made.iam.add_role_to_instance_profile(InstanceProfileName=made.role, RoleName=made.role)
    report = irsa("delete", made.place, "-o", "json").done()
    sessions, kept = report["warnings"]
    assert sessions["id"] == "sessions-remain"
    assert kept["id"] == "role-kept" and made.role in kept["message"]
    assert (made.subs, made.account) == (set(), None)


def test_fifty_tags(irsa: Irsa, seen: Seen) -> None:
    tags = [word for n in range(48) for word in ("--tag", f"k{n}=v")]
    irsa("create", seen.place, "-p", S3, *tags, "-o", "json").done()
    assert len(seen.tags) == 50
    assert SQS not in seen.attached
