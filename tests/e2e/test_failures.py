"""What fails while writing: rolled back where it is refused for good, finished by the next run where it is not."""

from __future__ import annotations

import json

import pytest
from conftest import Bed, Irsa
from readback import S3, Seen, deny


@pytest.mark.parametrize(
    ("action", "rolled_back"),
    [("CreateRole", set()), ("AttachRolePolicy", {"create_role"}), ("PutRolePolicy", {"create_role"})],
)
def test_writes_denied_by_iam(bed: Bed, irsa: Irsa, seen: Seen, action: str, rolled_back: set[str]) -> None:
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    (irsa.home / "inline.json").write_text(json.dumps(document))
    for fault in deny(action):
        bed.fail(**fault)
    ran = irsa("create", seen.place, "-p", S3, "-p", "inline.json", "-o", "json")
    error = ran.refused("access_denied")
    assert f"not allowed: iam:{action}" in str(error["caused_by"])
    outcomes = {step["action"]: step["outcome"] for step in ran.json()["steps"]}
    assert [name for name, outcome in outcomes.items() if outcome == "failed"] == [
        {"CreateRole": "create_role", "AttachRolePolicy": "attach_policy", "PutRolePolicy": "put_inline_policy"}[action]
    ]
    assert "done" not in outcomes.values(), "all that was done was rolled back"
    assert rolled_back <= {name for name, outcome in outcomes.items() if outcome == "rolled_back"}
    assert seen.nothing()


RBAC = (
    'serviceaccounts "x" is forbidden: User "u" cannot patch resource "serviceaccounts" in API group "" '
    'in the namespace "n"'
)
POLICY = "admission webhook denied the request: not today"


@pytest.mark.parametrize(("message", "kind"), [(RBAC, "access_denied"), (POLICY, "conflict")], ids=["rbac", "policy"])
def test_write_of_the_account_refused_late(bed: Bed, irsa: Irsa, seen: Seen, message: str, kind: str) -> None:
    """The dry run passes, the write itself does not: by RBAC for these credentials, by a policy for everybody."""
    fault = {"action": "PATCH", "path": "serviceaccounts", "status": 403, "code": "Forbidden", "message": message}
    bed.fail(front="demo", **fault, skip=1, times=0)
    ran = irsa("create", seen.place, "-p", S3, "-o", "json")
    assert message in ran.refused(kind)["caused_by"][-1]
    outcomes = {step["action"]: step["outcome"] for step in ran.json()["steps"]}
    assert outcomes == {
        "create_role": "rolled_back",
        "attach_policy": "rolled_back",
        "create_service_account": "failed",
    }
    assert seen.nothing()


def test_quota(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    message = "Cannot exceed quota for PoliciesPerRole: 10"
    bed.fail(action="AttachRolePolicy", status=409, code="LimitExceeded", message=message, times=0)
    error = irsa("create", seen.place, "-p", S3, "-o", "json").refused("quota_exceeded")
    assert message in str(error["caused_by"])
    assert seen.nothing()


def test_lost_answer(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """The role was made, but nobody was told: the try again finds it there and goes on."""
    bed.fail(action="CreateRole", after=True, drop=True)
    report = irsa("create", seen.place, "-p", S3, "-o", "json").done()
    assert {step["outcome"] for step in report["steps"]} == {"done"}
    assert (seen.attached, seen.annotation) == ({S3}, seen.arn)


def test_unavailable_while_writing(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """What may work the next time is not rolled back; the next run finishes it."""
    bed.fail(action="AttachRolePolicy", status=500, times=0)
    ran = irsa("create", seen.place, "-p", S3, "-o", "json")
    ran.refused("unavailable")
    outcomes = {step["action"]: step["outcome"] for step in ran.json()["steps"]}
    assert (outcomes["create_role"], outcomes["attach_policy"]) == ("done", "failed")
    assert seen.found is not None and seen.attached == set()
    bed.reset()
    assert irsa("create", seen.place, "-p", S3, "-o", "json").done()["changed"]
    assert (seen.attached, seen.annotation) == ({S3}, seen.arn)
    assert irsa("create", seen.place, "-p", S3, "-o", "json").done()["changed"] is False


def test_unavailable_for_a_while(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """IAM answers 503 twice: the SDK tries again, and nobody sees it."""
    bed.fail(action="AttachRolePolicy", status=503, code="ServiceUnavailable", times=2)
    assert irsa("create", seen.place, "-p", S3, "-o", "json").done()["changed"]
    assert (seen.attached, seen.annotation) == ({S3}, seen.arn)


def test_api_server_that_turns_away(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """429 is tried again after the time that the server asks for; 500 is told, and the next run goes on."""
    later = {"status": 429, "code": "TooManyRequests", "headers": {"retry-after": "1"}, "times": 2}
    bed.fail(front="demo", action="PATCH", path="serviceaccounts", skip=1, **later)
    assert irsa("create", seen.place, "-p", S3, "-o", "json").done()["changed"]
    irsa("delete", seen.place, "-o", "json").done()
    bed.reset()
    bed.fail(front="demo", action="PATCH", path="serviceaccounts", skip=1, status=500, code="InternalError")
    ran = irsa("create", seen.place, "-p", S3, "-o", "json")
    ran.refused("unavailable")
    outcomes = {step["action"]: step["outcome"] for step in ran.json()["steps"]}
    assert (outcomes["create_role"], outcomes["create_service_account"]) == ("done", "failed")
    assert irsa("create", seen.place, "-p", S3, "-o", "json").done()["changed"]
    assert seen.annotation == seen.arn


def test_api_server_goes_away_between(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """What was read was read; what is written meets a closed connection."""
    bed.fail(front="demo", path="serviceaccounts", action="PATCH", skip=1, drop=True, times=0)
    ran = irsa("create", seen.place, "-p", S3, "-o", "json")
    ran.refused("unavailable")
    assert {step["action"] for step in ran.json()["steps"] if step["outcome"] == "done"} >= {"create_role"}
    bed.reset()
    irsa("create", seen.place, "-p", S3, "-o", "json").done()
    assert (seen.attached, seen.annotation) == ({S3}, seen.arn)


def test_credentials_expire_half_way(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """From the second write on nothing is taken: the role stays, is named, and is finished by the next run."""
    expired = {"status": 403, "code": "ExpiredToken", "message": "The security token is expired", "times": 0}
    for action in ("AttachRolePolicy", "DetachRolePolicy", "DeleteRole"):
        bed.fail(action=action, **expired)
    ran = irsa("create", seen.place, "-p", S3, "-o", "json")
    assert ran.refused("access_denied")["code"] == "ExpiredToken"
    left = [warning for warning in ran.json()["warnings"] if warning["id"] == "left-behind"]
    assert seen.role in left[0]["message"]
    bed.reset()
    irsa("create", seen.place, "-p", S3, "-o", "json").done()
    assert (seen.attached, seen.annotation) == ({S3}, seen.arn)


def test_account_with_finalizers(irsa: Irsa, seen: Seen) -> None:
    """An account that goes is not written to; once it is gone the same command makes it anew."""
    seen.apply_as("test", finalizers=["example.org/held"])
    seen.core.delete_namespaced_service_account(seen.name, seen.ns)
    error = irsa("create", seen.place, "-p", S3, "-o", "json").refused("conflict")
    assert "being deleted" in error["message"] and seen.found is None
    seen.core.patch_namespaced_service_account(seen.name, seen.ns, {"metadata": {"finalizers": None}})
    irsa("create", seen.place, "-p", S3, "-o", "json").done()
    assert seen.annotation == seen.arn
