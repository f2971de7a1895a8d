"""`irsa.check_trust`: who is let in, whatever form the document has."""

from __future__ import annotations

import copy
import datetime
import json
import pickle
import threading
from collections import OrderedDict
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import pytest
from conftest import ACCOUNT, ISSUER, exactly, trust

import irsa


def check(document: Any, subject: str = "jobs/worker", **other: Any) -> irsa.TrustCheck:
    return irsa.check_trust(
        document, **{"issuer": f"https://{ISSUER}", "account": ACCOUNT, "subject": subject, **other}
    )


def test_the_three_decisions() -> None:
    assert check(exactly("jobs/worker")).decision == "allow"
    assert check(exactly("jobs/worker"), "jobs/other").decision == "deny"
    address = {
        "StringEquals": {f"{ISSUER}:sub": "system:serviceaccount:jobs:worker"},
        "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
    }
    unknown = check(trust(address))
    assert unknown.decision == "unknown"
    assert any("aws:SourceIp" in condition for condition in unknown.conditions)


def test_audience_account_partition_and_issuer_count() -> None:
    document = exactly("jobs/worker")
    assert check(document, audience="other").decision == "deny"
    assert check(document, account="999999999999").decision == "deny"
    assert check(document, partition="aws-cn").decision == "deny"
    china = "oidc-eks.cn-north-1.api.amazonwebservices.com.cn/id/A"
    own = json.loads(json.dumps(document).replace(ISSUER, china).replace("arn:aws:", "arn:aws-cn:"))
    assert check(own, issuer=f"https://{china}").decision == "allow", "an issuer of EKS tells its partition"
    assert check(document, issuer="https://issuer.example").decision == "deny"
    assert check(document, "system:serviceaccount:jobs:worker").decision == "allow"


@pytest.mark.parametrize(
    "form",
    [json.dumps, lambda d: d, OrderedDict, MappingProxyType, lambda d: {**d, "Statement": tuple(d["Statement"])}],
)
def test_a_document_is_a_text_or_a_mapping(form: Any) -> None:
    assert check(form(exactly("jobs/worker"))) == check(exactly("jobs/worker"))


ROLE = f"arn:aws:iam::{ACCOUNT}:role/path/worker"
BUCKET = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


def detail(policy: Any, **other: Any) -> dict[str, Any]:
    """A role as `get_role` of boto3 describes it."""
    made = datetime.datetime(2026, 11, 24, tzinfo=datetime.timezone.utc)
    return {"RoleName": "worker", "Arn": ROLE, "CreateDate": made, "AssumeRolePolicyDocument": policy, **other}


def printed(value: Any) -> str:
    """JSON as the aws CLI prints it."""
    return json.dumps(value, default=str)


FORMS = [
    pytest.param(lambda policy: {"Role": detail(policy), "ResponseMetadata": {"RetryAttempts": 0}}, id="get_role"),
    pytest.param(lambda policy: detail(policy), id="get_role()['Role']"),
    pytest.param(lambda policy: printed({"Role": detail(policy)}), id="aws iam get-role"),
    pytest.param(lambda policy: printed({"Role": detail(quote(printed(policy)))}), id="get-role, URL-encoded policy"),
    pytest.param(lambda policy: {"Roles": [detail(policy)], "IsTruncated": False}, id="list_roles"),
    pytest.param(lambda policy: {"RoleDetailList": [detail(policy)], "Policies": []}, id="authorization details"),
    pytest.param(lambda policy: quote(printed(policy)), id="URL-encoded"),
    pytest.param(lambda policy: json.dumps(printed(policy)), id="JSON string"),
    pytest.param(lambda policy: "\ufeff" + printed(policy), id="byte order mark"),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_document_may_be_what_iam_answers(form: Any) -> None:
    policy = exactly("jobs/worker")
    assert check(form(policy)) == check(policy)
    assert check(form(policy), "jobs/other").decision == "deny"
    audit = irsa.audit_trust(form(policy))
    assert (audit.roles, audit.trusting, audit.findings, audit.warnings) == (1, 1, (), ())


@pytest.mark.parametrize(
    ("document", "words", "hint"),
    [
        (BUCKET, "document is a permissions policy, not a trust policy", "a trust policy has a Principal"),
        (printed(BUCKET), "document is a permissions policy, not a trust policy", "a trust policy has a Principal"),
        ({"PolicyVersion": {"Document": BUCKET}}, "document is a permissions policy", "a trust policy has a Principal"),
        ({"Roles": [detail(BUCKET), detail(BUCKET)]}, "document holds 2 roles, and one is asked about", "get-role"),
        ({"Roles": []}, "document holds no role", None),
    ],
)
def test_a_document_of_no_single_trust_policy_is_refused(document: Any, words: str, hint: str | None) -> None:
    with pytest.raises(irsa.InvalidInputError, match=words) as raised:
        check(document)
    assert (raised.value.hint is None) if hint is None else (hint in str(raised.value.hint))


def test_placeholders_are_named() -> None:
    document = json.loads(json.dumps(exactly("jobs/worker")).replace(f":{ACCOUNT}:", ":ACCOUNT_ID:"))
    checked = check(document)
    assert checked.decision == "deny"
    assert "a placeholder that was not filled in" in checked.reasons[1]
    assert f"ACCOUNT_ID in arn:aws:iam::ACCOUNT_ID:oidc-provider/{ISSUER}" in checked.reasons[1]


def test_one_statement_twice_in_the_same_dict_is_no_cycle() -> None:
    statement = exactly("jobs/worker")["Statement"][0]
    assert check({"Version": "2012-10-17", "Statement": [statement, statement]}).decision == "allow"


def test_what_iam_would_refuse_is_noted() -> None:
    checked = check(trust(None, Resource="*"))
    assert checked.notes
    assert "IAM would not store" in checked.notes[0]


def test_the_answer_is_plain_immutable_data() -> None:
    checked = check(exactly("jobs/worker"))
    assert checked.to_dict()["decision"] == "allow"
    assert (
        irsa.TrustCheck.from_dict(checked.to_dict())
        == checked
        == pickle.loads(pickle.dumps(checked))
        == copy.deepcopy(checked)
    )
    assert json.loads(json.dumps(checked.to_dict())) == checked.to_dict()
    assert checked != check(exactly("jobs/worker"), "jobs/other")
    assert checked != "allow"
    assert repr(checked).startswith("irsa.TrustCheck(decision='allow', reasons=('")
    assert isinstance(checked.reasons, tuple)
    with pytest.raises(AttributeError):
        checked.decision = "deny"  # type: ignore[misc]
    with pytest.raises(TypeError):
        irsa.TrustCheck()


@pytest.mark.parametrize("data", [{}, {"decision": "maybe"}, {"decision": "allow", "reasons": 5}])
def test_data_that_is_no_answer_is_refused(data: Any) -> None:
    with pytest.raises(irsa.InvalidInputError, match=r"^data: "):
        irsa.TrustCheck.from_dict(data)


class Odd:
    pass


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (b"x", TypeError, "not bytes"),
        (Odd(), TypeError, "not Odd"),
        ({1, 2}, TypeError, "not set"),
        ({1: "x"}, TypeError, "a key of document.*must be a str, not int"),
        (float("nan"), ValueError, "NaN is no number of JSON"),
        (float("inf"), ValueError, "no number of JSON"),
        (10**30, ValueError, "beyond 64 bits"),
        ("\ud800", ValueError, "lone surrogate"),
    ],
)
def test_what_json_does_not_have_is_refused_by_its_place(value: Any, error: type[Exception], words: str) -> None:
    document = trust({"NumericLessThan": {"aws:MultiFactorAuthAge": value}})
    with pytest.raises(error, match=words) as raised:
        check(document)
    place = 'document["Statement"][0]["Condition"]["NumericLessThan"]["aws:MultiFactorAuthAge"]'
    assert place in str(raised.value)


def test_cycles_and_depths_are_refused() -> None:
    cycle = trust()
    cycle["Statement"].append(cycle)
    with pytest.raises(irsa.InvalidInputError, match="contains itself"):
        check(cycle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(irsa.InvalidInputError, match="document: is nested deeper"):
        check({"Statement": deep})
    with pytest.raises(irsa.InvalidInputError):
        check("[" * 100_000)


@pytest.mark.parametrize("document", [None, 5, b"{}", [], [trust()]])
def test_a_document_of_another_type_is_refused(document: Any) -> None:
    with pytest.raises(TypeError, match="document: must be a str of JSON or a dict"):
        check(document)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "trust policy is not valid JSON at line 1"),
        ('{\n "Statement": [}', "line 2"),
        ('{"Statement": [], "Statement": []}', "duplicate key"),
        ({"Statement": [{"Effect": "allow", "Principal": "*", "Action": "*"}]}, "Effect"),
        ({}, "must have a Statement"),
        ({"Statement": [], "Frobnicate": 1}, "Frobnicate"),
        ({"Version": "2012-10-17", "Statement": trust()["Statement"], "Id": "桶"}, "Latin-1"),
        (json.dumps(trust()) + " " * 131_072, "131072"),
    ],
)
def test_a_document_that_is_no_policy_is_refused(document: Any, words: str) -> None:
    with pytest.raises(irsa.InvalidInputError, match=words) as raised:
        check(document)
    assert isinstance(raised.value, ValueError)
    assert raised.value.kind == "invalid_input"


@pytest.mark.parametrize(
    "other",
    [
        {"account": "1"},
        {"issuer": "http://x"},
        {"partition": "Mars"},
        {"subject": "worker"},
        {"subject": "jobs/Worker"},
    ],
)
def test_malformed_arguments_are_refused(other: dict[str, str]) -> None:
    name = next(iter(other))
    with pytest.raises(irsa.InvalidInputError, match=name if name != "subject" else "subject|service account"):
        check(exactly("jobs/worker"), **other)


def test_wrong_types_and_unknown_keywords_are_type_errors() -> None:
    with pytest.raises(TypeError, match="account"):
        check(exactly("jobs/worker"), account=123456789012)
    with pytest.raises(TypeError, match="frobnicate"):
        check(exactly("jobs/worker"), frobnicate=1)
    with pytest.raises(TypeError, match="issuer"):
        irsa.check_trust(exactly("a/b"), account=ACCOUNT, subject="a/b")  # type: ignore[call-arg]


def test_many_threads_may_check_at_once() -> None:
    document = exactly("jobs/worker")
    decisions: list[str] = []

    def work() -> None:
        decisions.extend(check(document).decision for _ in range(200))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert decisions == ["allow"] * 1600


GITHUB = "token.actions.githubusercontent.com"


def of_github(**condition: Any) -> Any:
    document = exactly("jobs/worker")
    statement = document["Statement"][0]
    statement["Principal"] = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"}
    statement["Condition"] = condition
    return document


def test_the_subject_of_another_issuer_is_its_claim() -> None:
    document = of_github(
        StringEquals={f"{GITHUB}:aud": "sts.amazonaws.com"}, StringLike={f"{GITHUB}:sub": "repo:my-org/app:*"}
    )
    github = f"https://{GITHUB}"
    assert check(document, "repo:my-org/app:ref:refs/heads/main", issuer=github).decision == "allow"
    assert check(document, "repo:my-org-evil/app:ref:refs/heads/main", issuer=github).decision == "deny"
    with pytest.raises(irsa.InvalidInputError, match="NAMESPACE/NAME"):
        check(document, "repo:my-org/app:ref:refs/heads/main")
    terraform = json.loads(json.dumps(document).replace(GITHUB, "app.terraform.io").replace("sts.amazonaws.com", "aud"))
    subject = "repo:my-org/app:x"
    asked = {"issuer": "https://app.terraform.io", "subject": subject}
    assert check(terraform, **asked).decision == "deny", "its audience is aws.workload.identity"
    assert check(terraform, **asked, audience="aud").decision == "allow"
