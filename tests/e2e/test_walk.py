"""The walk of the original document: a binding made, used, shown, changed and undone, each time read back by others."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from conftest import ROOT, Bed, Irsa, kubernetes
from kubernetes import client
from readback import CREATED, ORIGIN, OWNER, ROLE_ARN, S3, SA, SQS, SUBJECT, Seen, listed, writes
from test_testbed import claims


def test_the_command_of_the_document(irsa: Irsa, seen: Seen) -> None:
    ran = irsa("create", SA, "-p", "AmazonS3ReadOnlyAccess", "-n", seen.ns)
    assert ran.code == 0, ran
    assert f"{seen.place}: created" in ran.stdout
    assert f"role {seen.arn}" in ran.stdout
    assert f"serviceAccountName: {SA}" in ran.stderr, "what is left to do is talk"
    assert "Restart running pods" in ran.stderr
    assert (seen.attached, seen.annotation) == ({S3}, seen.arn)


def test_report(irsa: Irsa, seen: Seen) -> None:
    report = irsa("create", seen.place, "-p", "AmazonS3ReadOnlyAccess", "-o", "json").done()
    assert set(report) >= {"binding", "role_name", "role_arn", "changed", "steps", "undeclared", "warnings"}
    assert (report["binding"], report["role_name"], report["role_arn"]) == (seen.place, seen.role, seen.arn)
    assert (report["changed"], report["undeclared"], report["warnings"]) == (True, [], [])
    steps = {(step["action"], step["target"], step["outcome"]) for step in report["steps"]}
    assert steps == {
        ("create_role", seen.role, "done"),
        ("attach_policy", S3, "done"),
        ("create_service_account", seen.place, "done"),
    }


def test_role(bed: Bed, made: Seen) -> None:
    demo = bed["clusters"]["demo"]
    issuer = demo["issuer"].removeprefix("https://")
    (statement,) = made.statements
    assert statement.pop("Sid").startswith("IrsaEquals")
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Federated": demo["provider_arn"]},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": made.sub}},
    }
    assert made.arn == f"arn:aws:iam::{bed['account']}:role/demo-{made.ns}-{SA}"
    assert made.tags == {OWNER: f"{demo['arn']}/{made.place}", ORIGIN: "created"}
    assert (made.attached, made.inline) == ({S3}, {})


def test_service_account(made: Seen) -> None:
    assert made.annotations == {ROLE_ARN: made.arn, CREATED: "true"}
    assert made.account.metadata.labels is None
    assert made.managers == {("irsa", "Apply")}


def test_second_run_changes_nothing(bed: Bed, irsa: Irsa, made: Seen) -> None:
    before = (made.whole(), made.account.metadata.resource_version)
    bed.reset()
    report = irsa("create", made.place, "-p", "AmazonS3ReadOnlyAccess", "-o", "json").done()
    assert (report["changed"], report["steps"], report["role_arn"]) == (False, [], made.arn)
    assert writes(bed.log()) == []
    assert (made.whole(), made.account.metadata.resource_version) == before
    assert "unchanged" in irsa("create", made.place, "-p", "AmazonS3ReadOnlyAccess").stdout


def test_get(bed: Bed, irsa: Irsa, made: Seen) -> None:
    view = irsa("get", made.place, "-o", "json").done()
    assert view == {
        "cluster": bed["clusters"]["demo"]["arn"],
        "namespace": made.ns,
        "service_account": SA,
        "role_name": made.role,
        "role_arn": made.arn,
        "managed_policies": [S3],
        "inline_policies": [],
        "subjects": [made.place],
        "annotation": made.arn,
        "owned": True,
        "origin": "created",
        "state": "ok",
        "issues": [],
    }
    text = irsa("get", made.place).stdout
    assert made.arn in text and S3 in text and "ok" in text


def test_list(irsa: Irsa, made: Seen) -> None:
    view = irsa("get", made.place, "-o", "json").done()
    assert irsa("list", "-n", made.ns, "-o", "json").done() == [view]
    assert view in irsa("list", "-o", "json").done()
    row = irsa("list", "-n", made.ns).stdout.splitlines()[1].split()
    assert row[:2] == [made.place, made.role]


def test_what_is_not_there(irsa: Irsa, made: Seen) -> None:
    error = irsa("get", f"{made.ns}/my-serviceacount", "-o", "json").refused("not_found")
    assert made.place in error["hint"], "the nearest binding is proposed"
    irsa("update", f"{made.ns}/nothing-like-it", "--add-policy", SQS, "-o", "json").refused("not_found")
    assert irsa("list", "-n", "default", "-o", "json").code == 0


def test_policies_change(irsa: Irsa, made: Seen) -> None:
    before = made.whole()
    change = ("update", made.place, "--add-policy", "AmazonSQSReadOnlyAccess", "--remove-policy", S3, "-o", "json")
    report = irsa(*change).done()
    assert {(step["action"], step["target"]) for step in report["steps"]} == {
        ("attach_policy", SQS),
        ("detach_policy", S3),
    }
    assert made.whole() == {**before, "attached": {SQS}}
    again = irsa(*change).done()
    assert not again["changed"]
    assert [warning["id"] for warning in again["warnings"]] == ["nothing-to-remove"]


def test_subjects_change(irsa: Irsa, made: Seen) -> None:
    before, worker = made.whole(), made.other("worker")
    assert irsa("update", made.place, "--add-subject", worker.place, "-o", "json").done()["changed"]
    assert made.subs == {made.sub, worker.sub}
    assert len(made.statements) == 1, "one statement holds all exact subjects"
    assert worker.annotations == {ROLE_ARN: made.arn, CREATED: "true"}
    recorded = [value for key, value in made.tags.items() if key.startswith(SUBJECT)]
    assert [value.rpartition("/")[2] for value in recorded] == ["worker"]
    assert irsa("get", worker.place, "-o", "json").done()["subjects"] == sorted([made.place, worker.place])

    assert irsa("update", made.place, "--remove-subject", worker.place, "-o", "json").done()["changed"]
    assert (made.whole(), worker.account) == (before, None)
    again = irsa("update", made.place, "--remove-subject", worker.place, "-o", "json").done()
    assert (again["changed"], [warning["id"] for warning in again["warnings"]]) == (False, ["nothing-to-remove"])


def test_delete_twice(bed: Bed, irsa: Irsa, made: Seen) -> None:
    report = irsa("delete", made.place, "-o", "json").done()
    assert [(step["action"], step["outcome"]) for step in report["steps"]] == [
        ("tag_role", "done"),
        ("detach_policy", "done"),
        ("delete_role", "done"),
        ("delete_service_account", "done"),
    ]
    assert made.nothing()
    bed.reset()
    again = irsa("delete", made.place, "-o", "json").done()
    assert (again["changed"], again["steps"], writes(bed.log())) == (False, [], [])


def test_account_of_others_stays(irsa: Irsa, seen: Seen) -> None:
    seen.core.create_namespaced_service_account(seen.ns, {"metadata": {"name": SA, "labels": {"team": "data"}}})
    irsa("create", seen.place, "-p", S3, "-o", "json").done()
    assert seen.annotations == {ROLE_ARN: seen.arn}
    irsa("delete", seen.place, "-o", "json").done()
    assert (seen.found, seen.annotations, seen.account.metadata.labels) == (None, {}, {"team": "data"})


def test_first_subject_leaves(irsa: Irsa, seen: Seen) -> None:
    heir = seen.other("heir")
    irsa("create", seen.place, "-p", S3, "--subject", heir.place, "-o", "json").done()
    irsa("delete", seen.place, "-o", "json").done()
    assert (seen.subs, seen.account, seen.attached) == ({heir.sub}, None, {S3})
    assert seen.tags[OWNER].endswith(f"/{heir.place}")
    irsa("delete", heir.place, "-o", "json").done()
    assert heir.nothing()


def test_binding_of_other_tools_is_shown(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """As eksctl and terraform make it: another role name, no tags, lists in place of single values."""
    seen.role, demo = f"eksctl-{seen.ns}", bed["clusters"]["demo"]
    issuer = demo["issuer"].removeprefix("https://")
    test = {f"{issuer}:aud": ["sts.amazonaws.com"], f"{issuer}:sub": [seen.sub]}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": [demo["provider_arn"]]},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {"StringEquals": test},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = seen.iam.create_role(RoleName=seen.role, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    (unbound,) = irsa("list", "-n", seen.ns, "-o", "json").done()
    assert (unbound["role_arn"], unbound["state"], unbound["owned"]) == (arn, "unbound", False)
    annotated = {"metadata": {"name": SA, "annotations": {ROLE_ARN: arn}}}
    seen.core.create_namespaced_service_account(seen.ns, annotated)
    view = irsa("get", seen.place, "-o", "json").done()
    assert (view["role_arn"], view["state"], view["owned"], view["origin"]) == (arn, "ok", False, None)
    assert irsa("list", "-n", seen.ns, "-o", "json").done() == [view]
    seen.iam.delete_role(RoleName=seen.role)
    (dangling,) = irsa("list", "-n", seen.ns, "-o", "json").done()
    assert (dangling["annotation"], dangling["state"]) == (arn, "dangling")


def test_deployment_of_the_document(bed: Bed, made: Seen) -> None:
    """`serviceAccountName` is all it needs: the API server takes the manifest, and a pod of its template."""
    manifest = yaml.safe_load((ROOT / "examples" / "deployment.yaml").read_text())
    apps: Any = client.AppsV1Api(kubernetes(bed, "demo", "admin"))
    deployment = apps.create_namespaced_deployment(made.ns, manifest)
    template = deployment.spec.template
    body = {"metadata": {"name": "of-template", "labels": template.metadata.labels}, "spec": template.spec}
    pod = made.core.create_namespaced_pod(made.ns, body)
    assert pod.spec.service_account_name == made.name
    (container,) = pod.spec.containers
    assert not container.env and not container.volume_mounts, "the cluster fills these in"


@pytest.mark.parametrize("audience", ["sts.amazonaws.com", None])
def test_token_is_what_the_trust_policy_demands(bed: Bed, made: Seen, audience: str | None) -> None:
    """Claim by claim: a token for STS is let in; one for the API server, or of another account, is not."""
    (statement,) = made.statements
    token = claims(projected(made, audience))
    assert admitted(bed, statement, token) is (audience is not None)
    if audience:
        assert token["aud"] == [audience]
        made.core.create_namespaced_service_account(made.ns, {"metadata": {"name": "other"}})
        assert not admitted(bed, statement, claims(projected(made.other("other"), audience)))


def projected(seen: Seen, audience: str | None) -> str:
    """A token that the API server signs for the account, as it would for a pod."""
    asked = {"spec": {"audiences": [audience] if audience else [], "expirationSeconds": 86400}}
    return str(seen.core.create_namespaced_service_account_token(seen.name, seen.ns, asked).status.token)


def admitted(bed: Bed, statement: Any, token: Any) -> bool:
    """Whether STS would take this token for the statement: provider by `iss`, and each condition by its claim."""
    issuer = token["iss"].removeprefix("https://")
    provider = f"arn:aws:iam::{bed['account']}:oidc-provider/{issuer}"
    (tests,) = statement["Condition"].values()
    assert set(statement["Condition"]) == {"StringEquals"}
    fits = (
        key.rpartition(":")[0] == issuer and set(listed(token[key.rpartition(":")[2]])) & set(listed(value))
        for key, value in tests.items()
    )
    return statement["Principal"] == {"Federated": provider} and all(fits)
