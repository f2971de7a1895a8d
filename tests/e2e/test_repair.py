"""Any state that a person or a crash could have left is brought to the wanted one by the same command."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Bed, Irsa, drop_namespace
from readback import ORIGIN, OWNER, ROLE_ARN, S3, SQS, SUBJECT, Seen, deny, writes

INLINE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
OTHER = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.fixture
def wanted(irsa: Irsa, seen: Seen) -> list[str]:
    """The command of a binding with a bit of everything, already run once."""
    (irsa.home / "bucket.json").write_text(json.dumps(INLINE))
    command = ["create", seen.place, "-p", S3, "-p", "./bucket.json", "--tag", "team=data", "--description", "reads"]
    command += ["--max-session-duration", "7200", "--permissions-boundary", SQS, "--subject", f"{seen.ns}/worker"]
    command += ["--label", "team=data", "--annotation", "example.com/note=x", "--token-expiration", "3600"]
    assert irsa(*command, "-o", "json").done()["changed"]
    return command


def one_after_the_other(*changes: Callable[[Seen], None]) -> Callable[[Seen], None]:
    def by_hand(seen: Seen) -> None:
        for change in changes:
            change(seen)

    return by_hand


def delete_role(seen: Seen) -> None:
    seen.iam.delete_role_permissions_boundary(RoleName=seen.role)
    for arn in seen.attached:
        seen.iam.detach_role_policy(RoleName=seen.role, PolicyArn=arn)
    for name in seen.inline:
        seen.iam.delete_role_policy(RoleName=seen.role, PolicyName=name)
    seen.iam.delete_role(RoleName=seen.role)


def delete_account(seen: Seen) -> None:
    seen.core.delete_namespaced_service_account(seen.name, seen.ns)


def patch_account(**metadata: dict[str, str | None]) -> Callable[[Seen], None]:
    return lambda seen: seen.core.patch_namespaced_service_account(seen.name, seen.ns, {"metadata": metadata})


def remake_namespace(seen: Seen) -> None:
    drop_namespace(seen.core, seen.ns)
    seen.core.create_namespace({"metadata": {"name": seen.ns}})


def trust(change: Callable[[list[Any]], None]) -> Callable[[Seen], None]:
    def by_hand(seen: Seen) -> None:
        statements = seen.statements
        change(statements)
        document = {"Version": "2012-10-17", "Statement": statements}
        seen.iam.update_assume_role_policy(RoleName=seen.role, PolicyDocument=json.dumps(document))

    return by_hand


def lose_subject(statements: list[Any]) -> None:
    equals = statements[0]["Condition"]["StringEquals"]
    (key,) = (key for key in equals if key.endswith(":sub"))
    equals[key] = equals[key][1:]


def lose_audience(statements: list[Any]) -> None:
    equals = statements[0]["Condition"]["StringEquals"]
    del equals[next(key for key in equals if key.endswith(":aud"))]


def untag(*keys: str) -> Callable[[Seen], None]:
    def by_hand(seen: Seen) -> None:
        gone = [tag for tag in seen.tags if tag.startswith(keys)]
        assert gone
        seen.iam.untag_role(RoleName=seen.role, TagKeys=gone)

    return by_hand


def settings(seen: Seen) -> None:
    seen.iam.update_role(RoleName=seen.role, Description="", MaxSessionDuration=3600)
    seen.iam.put_role_permissions_boundary(RoleName=seen.role, PermissionsBoundary=S3)


def broken_off_delete(seen: Seen) -> None:
    """What a delete leaves that ended long ago, between its policies."""
    seen.iam.tag_role(RoleName=seen.role, Tags=[{"Key": ORIGIN, "Value": "deleting:created:1764540000:5f"}])
    trust(lose_subject)(seen)
    seen.iam.detach_role_policy(RoleName=seen.role, PolicyArn=S3)


STATES: dict[str, Callable[[Seen], None]] = {
    "account deleted": delete_account,
    "both accounts deleted": one_after_the_other(delete_account, lambda seen: delete_account(seen.other("worker"))),
    "annotation removed": patch_account(annotations={ROLE_ARN: None}),
    "other fields removed": patch_account(labels={"team": None}, annotations={"example.com/note": None}),
    "policy detached": lambda seen: seen.iam.detach_role_policy(RoleName=seen.role, PolicyArn=S3),
    "inline policy changed": lambda seen: seen.iam.put_role_policy(
        RoleName=seen.role, PolicyName="bucket", PolicyDocument=json.dumps(OTHER)
    ),
    "inline policy deleted": lambda seen: seen.iam.delete_role_policy(RoleName=seen.role, PolicyName="bucket"),
    "settings changed": settings,
    "boundary removed": lambda seen: seen.iam.delete_role_permissions_boundary(RoleName=seen.role),
    "subject lost from trust": trust(lose_subject),
    "audience lost from trust": trust(lose_audience),
    "record of a subject lost": untag(SUBJECT),
    "tag of the user removed": untag("team"),
    "role deleted": delete_role,
    "delete broke off": broken_off_delete,
    "namespace made anew": remake_namespace,
    "all gone but the namespace": one_after_the_other(delete_role, remake_namespace),
}


@pytest.mark.parametrize("broken", STATES.values(), ids=STATES)
def test_same_command_repairs(
    bed: Bed, irsa: Irsa, seen: Seen, wanted: list[str], broken: Callable[[Seen], None]
) -> None:
    worker = seen.other("worker")
    good = (seen.whole(), worker.whole())
    assert irsa(*wanted, "--check", "-o", "json").done()["changed"] is False
    broken(seen)
    bad = (seen.whole(), worker.whole())
    assert bad != good, "the state to be repaired is another one"

    bed.reset()
    check, dry = irsa(*wanted, "--check", "-o", "json"), irsa(*wanted, "--dry-run", "-o", "json")
    assert (check.code, dry.code) == (3, 0), (check, dry)
    assert check.json() == dry.json()
    assert dry.json()["changed"]
    assert {step["outcome"] for step in dry.json()["steps"]} == {"planned"}
    assert writes(bed.log()) == []
    assert (seen.whole(), worker.whole()) == bad

    second = irsa(*wanted, "-o", "json").done()
    assert second["changed"]
    assert [step["action"] for step in second["steps"]] == [step["action"] for step in dry.json()["steps"]]
    assert (seen.whole(), worker.whole()) == good

    bed.reset()
    third = irsa(*wanted, "-o", "json").done()
    assert (third["changed"], third["steps"], writes(bed.log())) == (False, [], [])
    assert irsa(*wanted, "--check").code == 0


@pytest.mark.parametrize("value", ["", "arn:aws:iam::123456789012:role/other"])
def test_annotation_that_somebody_else_set(irsa: Irsa, made: Seen, value: str) -> None:
    """Server-side apply makes the field theirs, so taking it back must be asked for."""
    good = made.whole()
    patch_account(annotations={ROLE_ARN: value})(made)
    assert "--force" in irsa("create", made.place, "-p", S3, "-o", "json").refused("conflict")["hint"]
    assert made.annotation == value
    assert irsa("create", made.place, "-p", S3, "--force", "-o", "json").done()["changed"]
    assert made.whole() == good
    assert irsa("create", made.place, "-p", S3, "-o", "json").done()["changed"] is False


def test_replaced_trust(bed: Bed, irsa: Irsa, made: Seen) -> None:
    """Somebody else's statement is kept beside ours, and told."""
    (ours,) = made.statements
    trust(lambda statements: statements.__setitem__(slice(None), [EC2]))(made)
    assert irsa("get", made.place, "-o", "json").done()["state"] == "drifted"
    report = irsa("create", made.place, "-p", S3, "-o", "json").done()
    assert [step["action"] for step in report["steps"]] == ["update_trust_policy"]
    assert sorted(made.statements, key=str) == sorted([EC2, ours], key=str)
    assert [extra["kind"] for extra in report["undeclared"]] == ["trust_statement"]
    bed.reset()
    assert irsa("create", made.place, "-p", S3, "--check", "-o", "json").done()["changed"] is False
    assert writes(bed.log()) == []


def test_equal_trust_in_other_words_is_left(bed: Bed, irsa: Irsa, made: Seen) -> None:
    def reword(statements: list[Any]) -> None:
        (statement,) = statements
        equals = statement["Condition"]["StringEquals"]
        statement["Action"] = [statement["Action"]]
        statement["Principal"] = {"Federated": [statement["Principal"]["Federated"]]}
        statement["Condition"]["StringEquals"] = {key: [equals[key]] for key in sorted(equals, reverse=True)}

    trust(reword)(made)
    bed.reset()
    assert irsa("create", made.place, "-p", S3, "-o", "json").done()["changed"] is False
    assert writes(bed.log()) == []


def test_owner_lost(irsa: Irsa, made: Seen) -> None:
    """Without its tags a role with policies is somebody's: it is taken over only when asked for."""
    tags, ours = made.tags, made.statements
    untag(OWNER, ORIGIN)(made)
    error = irsa("create", made.place, "-p", S3, "-p", SQS, "-o", "json").refused("not_owned")
    assert "--adopt" in error["hint"]
    fits = irsa("create", made.place, "-p", S3, "-o", "json").done()
    assert not fits["changed"] and [warning["id"] for warning in fits["warnings"]] == ["not-managed"]
    assert made.tags == {}
    assert irsa("create", made.place, "-p", S3, "--adopt", "-o", "json").done()["changed"]
    assert (made.tags, made.statements) == ({**tags, ORIGIN: "adopted"}, ours)
    assert irsa("create", made.place, "-p", S3, "-o", "json").done()["changed"] is False


def test_untagged_role_with_the_wanted_trust_is_finished(irsa: Irsa, made: Seen) -> None:
    """What is left where tags cannot be written together with the role, and the run broke off."""
    good = made.whole()
    untag(OWNER, ORIGIN)(made)
    made.iam.detach_role_policy(RoleName=made.role, PolicyArn=S3)
    assert irsa("create", made.place, "-p", S3, "-o", "json").done()["changed"]
    assert made.whole() == good


def test_what_nobody_declared_is_kept(bed: Bed, irsa: Irsa, made: Seen) -> None:
    made.iam.attach_role_policy(RoleName=made.role, PolicyArn=SQS)
    made.iam.put_role_policy(RoleName=made.role, PolicyName="more", PolicyDocument=json.dumps(OTHER))
    made.core.patch_namespaced_service_account(made.name, made.ns, {"metadata": {"labels": {"team": "data"}}})
    before = made.whole()
    bed.reset()
    report = irsa("create", made.place, "-p", S3, "--check", "-o", "json").done()
    assert report["undeclared"] == [{"kind": "managed_policy", "arn": SQS}, {"kind": "inline_policy", "name": "more"}]
    assert (made.whole(), writes(bed.log())) == (before, [])
    exact = irsa("create", made.place, "-p", S3, "--exact", "-o", "json").done()
    assert {(step["action"], step["target"]) for step in exact["steps"]} == {
        ("detach_policy", SQS),
        ("delete_inline_policy", "more"),
    }
    (lost,) = (step["detail"]["document"] for step in exact["steps"] if step["action"] == "delete_inline_policy")
    assert lost == OTHER, "a document that is lost is told in full"
    assert (made.attached, made.inline) == ({S3}, {})


def test_delete_goes_on_where_it_broke_off(bed: Bed, irsa: Irsa, made: Seen) -> None:
    for fault in deny("DeleteRole"):
        bed.fail(**fault)
    failed = irsa("delete", made.place, "-o", "json")
    failed.refused("access_denied")
    outcomes = {step["action"]: step["outcome"] for step in failed.json()["steps"]}
    begun = {"tag_role": "done", "detach_policy": "done", "delete_role": "failed"}
    assert outcomes == {**begun, "delete_service_account": "not_run"}
    assert made.annotation == made.arn, "the annotation goes last, so that the next run finds the role"
    bed.reset()
    assert irsa("delete", made.place, "-o", "json").done()["changed"]
    assert made.nothing()


def test_delete_without_role(irsa: Irsa, made: Seen) -> None:
    made.iam.detach_role_policy(RoleName=made.role, PolicyArn=S3)
    made.iam.delete_role(RoleName=made.role)
    report = irsa("delete", made.place, "-o", "json").done()
    assert [step["action"] for step in report["steps"]] == ["delete_service_account"]
    assert made.nothing()


def test_delete_without_account(irsa: Irsa, made: Seen) -> None:
    delete_account(made)
    assert irsa("get", made.place, "-o", "json").done()["state"] == "unbound"
    assert irsa("delete", made.place, "-o", "json").done()["changed"]
    assert made.nothing()


def test_delete_without_cluster(bed: Bed, irsa: Irsa, made: Seen) -> None:
    """By its ARN a cluster that is gone can be cleaned up after."""
    gone = {"action": "DescribeCluster", "status": 404, "code": "ResourceNotFoundException", "message": "gone"}
    bed.fail(**gone, times=0)
    irsa("create", made.place, "-p", S3, "-o", "json").refused("not_found")
    arn = bed["clusters"]["demo"]["arn"]
    env = irsa.without_kubeconfig()
    assert irsa("delete", made.place, "--cluster", arn, "-o", "json", env=env).done()["changed"]
    assert made.found is None
