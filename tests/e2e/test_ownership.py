"""What belongs to others, roles and fields of accounts, is not touched unless that is asked for; names that meet."""

from __future__ import annotations

import json

import pytest
from conftest import Bed, Irsa, drop_namespace, unique
from readback import CREATED, ORIGIN, OWNER, ROLE_ARN, S3, SQS, Seen, writes

EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


def create_role(seen: Seen, name: str) -> None:
    seen.role = name
    document = {"Version": "2012-10-17", "Statement": [EC2]}
    seen.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))


def test_annotation_of_another_manager(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    other = f"arn:aws:iam::{bed['account']}:role/other"
    seen.apply_as("helm", annotations={ROLE_ARN: other})
    before = seen.account.metadata.resource_version
    error = irsa("create", seen.place, "-p", S3, "-o", "json").refused("conflict")
    assert "helm" in str(error) and other in str(error) and "--force" in error["hint"]
    assert (seen.found, seen.account.metadata.resource_version, writes(bed.log())) == (None, before, [])
    irsa("create", seen.place, "-p", S3, "--force", "-o", "json").done()
    assert seen.annotations == {ROLE_ARN: seen.arn}
    assert ("irsa", "Apply") in seen.managers


def test_field_of_another_manager(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    seen.apply_as("helm", labels={"team": "data", "app": "x"})
    create = ("create", seen.place, "-p", S3, "--label", "team=other", "-o", "json")
    error = irsa(*create).refused("conflict")
    assert "helm" in error["hint"] and "team" in str(error) and "--force" in error["hint"]
    assert (seen.found, seen.annotations, writes(bed.log())) == (None, {}, [])
    irsa(*create, "--force").done()
    assert seen.account.metadata.labels == {"team": "other", "app": "x"}


def test_fields_of_others_are_kept(irsa: Irsa, seen: Seen) -> None:
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    seen.apply_as("helm", labels=labels, annotations={"meta.helm.sh/release-name": "x"})
    irsa("create", seen.place, "-p", S3, "-o", "json").done()
    assert seen.account.metadata.labels == labels
    assert seen.annotations == {"meta.helm.sh/release-name": "x", ROLE_ARN: seen.arn}
    irsa("delete", seen.place, "-o", "json").done()
    assert (seen.annotations, seen.found) == ({"meta.helm.sh/release-name": "x"}, None)


def test_role_of_another_binding(irsa: Irsa, made: Seen) -> None:
    other, before = made.other("other"), made.whole()
    error = irsa("create", other.place, "-p", SQS, "--role-name", made.role, "-o", "json").refused("already_exists")
    assert made.tags[OWNER] in str(error["caused_by"]) and "--role-name" in error["hint"]
    assert (made.whole(), other.account) == (before, None)


def test_names_that_meet(irsa: Irsa, seen: Seen) -> None:
    """`a-b` and `c`, `a` and `b-c` give one role name: the second binding is told, not merged in."""
    first, second = Seen(seen.iam, seen.core, f"{seen.ns}-b", "c"), seen.other("b-c")
    seen.core.create_namespace({"metadata": {"name": first.ns}})
    irsa("create", first.place, "-p", S3, "-o", "json").done()
    assert first.role == f"demo-{second.ns}-{second.name}"
    irsa("create", second.place, "-p", S3, "-o", "json").refused("already_exists")
    assert (first.subs, second.account) == ({first.sub}, None)
    drop_namespace(seen.core, first.ns)


def test_role_of_nobody(irsa: Irsa, seen: Seen) -> None:
    create_role(seen, unique("foreign"))
    seen.iam.attach_role_policy(RoleName=seen.role, PolicyArn=SQS)
    create = ("create", seen.place, "-p", S3, "--role-name", seen.role, "-o", "json")
    error = irsa(*create).refused("not_owned")
    assert "--adopt" in error["hint"]
    assert (seen.tags, seen.attached, seen.statements, seen.account) == ({}, {SQS}, [EC2], None)

    report = irsa(*create, "--adopt").done()
    assert (seen.tags[ORIGIN], seen.attached, seen.subs) == ("adopted", {S3, SQS}, {seen.sub})
    assert EC2 in seen.statements, "adoption never removes"
    assert {extra["kind"] for extra in report["undeclared"]} == {"managed_policy", "trust_statement"}
    assert irsa(*create).done()["changed"] is False

    undone = irsa("delete", seen.place, "-o", "json").done()
    assert "role-kept" in [warning["id"] for warning in undone["warnings"]]
    assert (seen.tags, seen.statements, seen.account) == ({}, [EC2], None)


def test_account_named_by_two_roles(irsa: Irsa, made: Seen) -> None:
    """Annotation and owned role differ: which one is meant must be said."""
    other = unique("other")
    patch = {"metadata": {"annotations": {ROLE_ARN: made.arn.replace(made.role, other)}}}
    made.core.patch_namespaced_service_account(made.name, made.ns, patch)
    for command in (["get"], ["update", "--add-policy", SQS], ["delete"]):
        error = irsa(command[0], made.place, *command[1:], "-o", "json").refused("conflict")
        assert other in str(error) and made.role in str(error) and "--role-name" in error["hint"]
    assert made.attached == {S3}


@pytest.mark.parametrize("length", [60, 200])
def test_long_names_are_cut(irsa: Irsa, seen: Seen, length: int) -> None:
    seen.name = "a" * length
    report = irsa("create", seen.place, "-p", S3, "-o", "json").done()
    seen.role = report["role_name"]
    assert len(seen.role) == 64 and seen.role.startswith(f"demo-{seen.ns}-aaa")
    assert (seen.subs, seen.annotations) == ({seen.sub}, {ROLE_ARN: seen.arn, CREATED: "true"})
    assert irsa("create", seen.place, "-p", S3, "-o", "json").done()["role_name"] == seen.role
    near = seen.other("a" * (length - 1) + "b")
    assert irsa("create", near.place, "-p", S3, "-o", "json").done()["role_name"] != seen.role
    irsa("delete", seen.place, "-o", "json").done()
    assert seen.nothing()
