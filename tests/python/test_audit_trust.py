"""`irsa.audit_trust`: who gets in that should not, of documents in whatever form they come."""

from __future__ import annotations

import datetime
import json
import pickle
import threading
import time
from typing import Any
from urllib.parse import quote

import pytest
from conftest import ACCOUNT, ISSUER, PROVIDER, exactly, trust

import irsa

ROLE = f"arn:aws:iam::{ACCOUNT}:role/p/r"
OPEN = trust({"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com"}})


def ids(audit: irsa.Audit) -> list[str]:
    return [finding.id for finding in audit.findings]


def detail(document: Any, **other: Any) -> dict[str, Any]:
    """A role as boto3's get_account_authorization_details gives it."""
    made = datetime.datetime(2026, 11, 24, tzinfo=datetime.timezone.utc)
    return {"RoleName": "r", "Arn": ROLE, "CreateDate": made, "AssumeRolePolicyDocument": document, **other}


def test_a_role_without_a_subject_is_open_to_the_whole_cluster() -> None:
    audit = irsa.audit_trust(OPEN)
    (finding,) = audit.findings
    assert (finding.id, finding.severity, finding.role_arn) == ("any-subject", "high", None)
    assert finding.statement == "statement 1"
    assert finding.source == "documents"
    assert (audit.roles, audit.trusting, audit.ignored) == (1, 1, 0)
    # What the repair says must hold: nobody gets in until the place holder is replaced.
    caller = {"issuer": f"https://{ISSUER}", "account": ACCOUNT}
    assert irsa.check_trust(OPEN, subject="any/one", **caller).decision == "allow"
    assert finding.fix is not None
    assert irsa.check_trust(finding.fix, subject="any/one", **caller).decision == "deny"


def test_a_role_of_named_service_accounts_is_fine() -> None:
    audit = irsa.audit_trust(exactly("jobs/worker"))
    assert (audit.findings, audit.roles) == ((), 1)


@pytest.mark.parametrize(
    ("documents", "places"),
    [
        (OPEN, ["documents"]),
        (json.dumps(OPEN), ["documents"]),
        ([OPEN, json.dumps(OPEN)], ["documents[0]", "documents[1]"]),
        ((OPEN,), ["documents[0]"]),
        ({ROLE: OPEN}, [f'documents["{ROLE}"]']),
        ({ROLE: json.dumps(OPEN)}, [f'documents["{ROLE}"]']),
        ([{ROLE: OPEN}, OPEN], ["documents[1]", f'documents[0]["{ROLE}"]']),
        ({"RoleDetailList": [detail(OPEN)], "IsTruncated": False}, ["documents"]),
        ({"RoleDetailList": [detail(quote(json.dumps(OPEN)))]}, ["documents"]),
        ({"Roles": [detail(OPEN)]}, ["documents"]),
        ({"Role": detail(OPEN), "ResponseMetadata": {"RetryAttempts": 0}}, ["documents"]),
        (detail(OPEN), ["documents"]),
        ([{"RoleDetailList": [detail(OPEN)]}, {"RoleDetailList": []}], ["documents[0]"]),
        ([], []),
        ({}, []),
    ],
)
def test_documents_come_in_many_forms(documents: Any, places: list[str]) -> None:
    audit = irsa.audit_trust(documents)
    assert ids(audit) == ["any-subject"] * len(places)
    assert sorted(str(finding.source) for finding in audit.findings) == sorted(places)
    for finding in audit.findings:
        named = "RoleName" in str(documents) or ROLE in str(finding.source)
        assert finding.role_arn == (ROLE if named else None)


BUCKET = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
INLINE = {"RoleName": "r", "PolicyName": "p", "PolicyDocument": BUCKET}


@pytest.mark.parametrize("policy", [BUCKET, INLINE, {"PolicyVersion": {"Document": BUCKET, "VersionId": "v1"}}])
@pytest.mark.parametrize("form", [dict, json.dumps])
def test_a_permissions_policy_among_others_is_skipped_with_a_warning(policy: Any, form: Any) -> None:
    audit = irsa.audit_trust([OPEN, form(policy)])
    assert (ids(audit), audit.roles) == (["any-subject"], 1)
    (warning,) = audit.warnings
    assert warning.id == "permissions-policy-skipped"
    assert warning.message == "documents[1] is a permissions policy, not a trust policy: it is skipped"
    several = irsa.audit_trust([form(policy), OPEN, form(policy)]).warnings
    assert [warning.message.split(": ")[-1] for warning in several] == ["documents[0], documents[2]"]
    for alone in (form(policy), [form(policy)]):
        with pytest.raises(irsa.InvalidInputError, match="there is no trust policy to audit") as raised:
            irsa.audit_trust(alone)
        assert "AssumeRolePolicyDocument" in str(raised.value.hint)


def test_findings_can_be_ignored() -> None:
    audit = irsa.audit_trust({ROLE: OPEN}, ignore=["any-subject"])
    assert (audit.findings, audit.ignored) == ((), 1)
    assert irsa.audit_trust({ROLE: OPEN}, ignore=["any-subject:r"]).ignored == 1
    assert irsa.audit_trust({ROLE: OPEN}, ignore=("any-subject:other",)).ignored == 0


def test_a_provider_that_does_not_exist_is_stale() -> None:
    document = exactly("jobs/worker")
    assert ids(irsa.audit_trust({ROLE: document}, providers={})) == ["stale-provider"]
    assert ids(irsa.audit_trust({ROLE: document}, providers={PROVIDER: ["sts.amazonaws.com"]})) == []


@pytest.mark.parametrize(
    ("accounts", "expected"),
    [
        ({PROVIDER: ["jobs/worker"]}, []),
        ({PROVIDER: {"jobs/worker": ROLE}}, []),
        ({PROVIDER: {"jobs/worker": None}}, []),
        ({PROVIDER: ["jobs/other"]}, ["stale-subject"]),
        ({PROVIDER: []}, ["stale-subject"]),
        ({}, []),
    ],
)
def test_a_service_account_that_does_not_exist_is_stale(accounts: Any, expected: list[str]) -> None:
    assert ids(irsa.audit_trust({ROLE: exactly("jobs/worker")}, service_accounts=accounts)) == expected


def test_a_document_of_a_known_role_that_cannot_be_read_hides_no_other() -> None:
    other = ROLE.replace("/r", "/other")
    audit = irsa.audit_trust({ROLE: "{", other: OPEN})
    assert sorted((finding.id, finding.role_arn) for finding in audit.findings) == [
        ("any-subject", other),
        ("unreadable", ROLE),
    ]


def test_answers_are_plain_immutable_data() -> None:
    audit = irsa.audit_trust([OPEN, {ROLE: OPEN}])
    (finding, _) = audit.findings
    for thing in (audit, finding):
        assert type(thing).from_dict(thing.to_dict()) == thing == pickle.loads(pickle.dumps(thing))
        assert json.loads(json.dumps(thing.to_dict())) == thing.to_dict()
        with pytest.raises(TypeError):
            hash(thing)
    assert audit.to_dict()["findings"] == [finding.to_dict() for finding in audit.findings]
    assert repr(finding).startswith("irsa.Finding(id='any-subject', severity='high', role_arn=")
    assert "findings=(irsa.Finding(" in repr(audit)
    assert finding.fix is not None
    finding.fix.clear()
    assert finding.fix, "a copy is given out"
    with pytest.raises(AttributeError):
        audit.roles = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("documents", "error", "words"),
    [
        (None, TypeError, "documents: must be a str of JSON, a dict, or a list of these, not NoneType"),
        (b"{}", TypeError, "not bytes"),
        ([5], TypeError, r"documents\[0\]: must be"),
        ([[OPEN]], TypeError, r"documents\[0\]: must be"),
        ("{", irsa.InvalidInputError, "documents is not valid JSON"),
        ({"Frobnicate": 1}, irsa.InvalidInputError, 'documents: .*"Frobnicate" is a key of neither'),
        ({5: OPEN}, TypeError, "a key of documents: must be a str, not int"),
        ({"arn:aws:iam::1:role/r": OPEN}, irsa.InvalidInputError, r'documents\["arn:aws:iam::1:role/r"\]'),
        ({ROLE: 5}, TypeError, "must be a str of JSON or a dict, not int"),
        ([OPEN, {"Statement": float("nan")}], irsa.InvalidInputError, r'documents\[1\]\["Statement"\]: NaN'),
        (detail(trust(None, Sid=datetime.date.today())), TypeError, "Document.*not date"),
        (trust(None, Sid=datetime.date.today()), TypeError, "not date"),
    ],
)
def test_what_is_no_document_is_refused_by_its_place(documents: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        irsa.audit_trust(documents)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"ignore": "any-subject"}, TypeError, "ignore: must be a list, not str"),
        ({"ignore": [5]}, TypeError, r"ignore\[0\]: must be a str, not int"),
        ({"ignore": ["any-subjekt"]}, ValueError, "ignore: .*any-subjekt"),
        ({"providers": [PROVIDER]}, TypeError, "providers: must be a dict"),
        ({"providers": {"x": []}}, ValueError, "providers: "),
        ({"providers": {PROVIDER: "sts.amazonaws.com"}}, TypeError, "providers.*must be a list, not str"),
        ({"service_accounts": {PROVIDER: ["worker"]}}, ValueError, "service_accounts: .*worker"),
        ({"service_accounts": {PROVIDER: ["a:jobs/worker"]}}, ValueError, "service_accounts: "),
        ({"service_accounts": {PROVIDER: [5]}}, ValueError, "service_accounts: 5"),
        ({"service_accounts": {PROVIDER: {"jobs/worker": 5}}}, ValueError, "service_accounts"),
        ({"service_accounts": {PROVIDER: "jobs/worker"}}, ValueError, "service_accounts: "),
        ({"frobnicate": 1}, TypeError, "frobnicate"),
    ],
)
def test_malformed_options_are_refused_by_their_name(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        irsa.audit_trust(OPEN, **options)


def test_other_threads_go_on_while_an_audit_runs() -> None:
    document = json.dumps(exactly("jobs/worker"))
    dump = json.dumps({"Roles": [detail(document, CreateDate="") for _ in range(2000)]})
    began, ended, ticks = time.perf_counter(), [0.0], 0

    def work() -> None:
        irsa.audit_trust(dump)
        ended[0] = time.perf_counter()

    thread = threading.Thread(target=work)
    thread.start()
    last, longest = time.perf_counter(), 0.0
    while thread.is_alive():
        time.sleep(0.001)
        now = time.perf_counter()
        last, longest, ticks = now, max(longest, now - last), ticks + 1
    whole = ended[0] - began
    assert whole > 0.1, "the audit is long enough to tell"
    assert longest < whole / 3, f"{ticks} ticks in {whole} s, with a gap of {longest} s"


def test_issuers_that_are_not_clusters_get_their_own_words() -> None:
    host = "token.actions.githubusercontent.com"
    document = json.loads(json.dumps(OPEN).replace(ISSUER, host))
    (finding,) = irsa.audit_trust(document).findings
    assert (finding.id, finding.severity, finding.fix) == ("any-subject", "high", None)
    assert "GitHub Actions" in finding.message
    assert any("repo:OWNER/REPO" in line for line in finding.evidence)
    document["Statement"][0]["Condition"]["StringLike"] = {f"{host}:sub": "repo:my-org*"}
    (finding,) = irsa.audit_trust(document).findings
    assert (finding.id, finding.severity) == ("tenant-pattern", "high")
    assert finding.fix is not None
    condition = finding.fix["Statement"][0]["Condition"]["StringLike"]
    assert condition == {f"{host}:sub": ["repo:my-org/*", "repo:my-org@*/*"]}
    cognito = {"Statement": [{**OPEN["Statement"][0], "Principal": {"Federated": "cognito-identity.amazonaws.com"}}]}
    del cognito["Statement"][0]["Condition"]
    assert ids(irsa.audit_trust(cognito)) == ["any-subject"]
