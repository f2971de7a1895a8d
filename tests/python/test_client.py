"""The client on the sandbox: every verb, what it gives, and what it refuses."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from collections import UserList
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

import irsa

S3 = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
BUCKET = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}


def binding(name: str = "worker", **settings: Any) -> irsa.Binding:
    return irsa.Binding("default", name, **{"policies": ["AmazonS3ReadOnlyAccess"], **settings})


@pytest.fixture
def client() -> irsa.Client:
    return irsa.Client.sandbox()


def test_the_second_apply_changes_nothing(client: irsa.Client) -> None:
    first = client.apply(binding(inline={"bucket": BUCKET}, tags={"team": "data"}))
    assert (first.binding, first.role_name, first.changed) == ("default/worker", "sandbox-default-worker", True)
    assert first.role_arn == "arn:aws:iam::123456789012:role/sandbox-default-worker"
    assert {step.outcome for step in first.steps} == {"done"}
    assert "create_role" in [step.action for step in first.steps]
    again = client.apply(binding(inline={"bucket": json.dumps(BUCKET)}, tags={"team": "data"}))
    assert (again.changed, again.steps, again.role_arn) == (False, (), first.role_arn)


def test_a_plan_writes_nothing_and_says_what_apply_does(client: irsa.Client) -> None:
    plan = client.plan(binding())
    assert plan.changed
    assert {step.outcome for step in plan.steps} == {"planned"}
    assert client.list() == ()
    report = client.apply(binding())
    assert sorted((s.action, s.target) for s in plan.steps) == sorted((s.action, s.target) for s in report.steps)
    assert not client.plan(binding()).changed


def test_what_exists_is_read(client: irsa.Client) -> None:
    client.apply(binding(inline={"bucket": BUCKET}))
    view = client.get("default", "worker")
    assert (view.state, view.issues, view.owned, view.origin) == ("ok", (), True, "created")
    assert (view.managed_policies, view.inline_policies) == ((S3,), ("bucket",))
    assert view.annotation == view.role_arn
    assert view.subjects == ("default/worker",)
    assert client.list() == client.list("default") == (view,)
    assert client.list("kube-system") == ()


def test_update_adds_and_removes(client: irsa.Client) -> None:
    client.apply(binding())
    report = client.update(
        "default",
        "worker",
        add_policies=["AmazonSQSReadOnlyAccess"],
        remove_policies=["AmazonS3ReadOnlyAccess"],
        add_subjects=["default/second"],
        max_session_duration=7200,
        inline={"bucket": BUCKET},
    )
    assert report.changed
    view = client.get("default", "second")
    assert view.managed_policies == ("arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess",)
    assert view.subjects == ("default/second", "default/worker")
    gone = client.update("default", "worker", remove_policies=["AmazonS3ReadOnlyAccess"])
    assert [warning.id for warning in gone.warnings] == ["nothing-to-remove"]
    planned = client.update("default", "worker", remove_subjects=["default/second"], dry_run=True)
    assert {step.outcome for step in planned.steps} == {"planned"}
    assert client.get("default", "worker").subjects == ("default/second", "default/worker")


def test_delete_undoes_and_is_done_twice(client: irsa.Client) -> None:
    client.apply(binding())
    assert client.delete("default", "worker", dry_run=True).changed
    assert client.delete("default", "worker").changed
    assert not client.delete("default", "worker").changed
    with pytest.raises(irsa.NotFoundError):
        client.get("default", "worker")


def test_the_provider(client: irsa.Client) -> None:
    provider = client.provider()
    assert provider.exists
    assert provider.audiences == ("sts.amazonaws.com",)
    assert not client.create_provider().changed
    assert client.create_provider(audiences=["other"]).changed
    assert set(client.provider().audiences) == {"sts.amazonaws.com", "other"}
    client.apply(binding())
    with pytest.raises(irsa.ConflictError):
        client.delete_provider()
    assert client.delete_provider(force=True).changed
    assert not client.provider().exists


def test_who_can_assume_a_role_that_exists(client: irsa.Client) -> None:
    client.apply(binding(subjects=["default/job-*"]))
    name = "sandbox-default-worker"
    assert client.check_trust(name, subject="default/worker").decision == "allow"
    assert client.check_trust(name, subject="default/job-5").decision == "allow"
    assert client.check_trust(name, subject="default/other").decision == "deny"
    assert client.check_trust(name, subject="default/worker", audience="other").decision == "deny"
    who = client.who_can(name)
    patterns = {subjects.pattern: subjects for subjects in who.subjects}
    exact = patterns["system:serviceaccount:default:worker"]
    assert (exact.decision, exact.exact, exact.service_accounts) == ("allow", True, ("default/worker",))
    assert (exact.annotated, exact.excluded, who.others) == (("default/worker",), (), ())
    assert patterns["system:serviceaccount:default:job-*"].service_accounts == ()
    audit = client.audit_trust()
    assert [finding.id for finding in audit.findings] == ["name-pattern"]
    assert (audit.warnings, audit.findings) == ((), who.findings)
    assert client.audit_trust(ignore=["name-pattern"]).ignored == 1
    for thing in (who, exact):
        assert type(thing).from_dict(thing.to_dict()) == thing == pickle.loads(pickle.dumps(thing))
    with pytest.raises(irsa.NotFoundError):
        client.who_can("missing")


def test_tokens_of_other_issuers_are_asked_about_by_their_issuer(client: irsa.Client) -> None:
    host = "token.actions.githubusercontent.com"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{host}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{host}:aud": "sts.amazonaws.com"},
            "StringLike": {f"{host}:sub": "repo:my-org/app:*"},
        },
    }
    cognito = "cognito-identity.amazonaws.com"
    pool = {
        **statement,
        "Principal": {"Federated": cognito},
        "Condition": {"StringEquals": {f"{cognito}:aud": "us-east-1:pool"}},
    }
    client.apply(binding(trust_statements=[statement, pool]))
    name, github = "sandbox-default-worker", f"https://{host}"
    main = "repo:my-org/app:ref:refs/heads/main"
    assert client.check_trust(name, subject=main, issuer=github).decision == "allow"
    assert client.check_trust(name, subject="repo:evil/app:x", issuer=github).decision == "deny"
    with pytest.raises(irsa.InvalidInputError, match="NAMESPACE/NAME"):
        client.check_trust(name, subject=main)
    identity = {"subject": "us-east-1:x", "issuer": f"https://{cognito}"}
    assert client.check_trust(name, **identity, audience="us-east-1:pool").decision == "allow"
    assert client.check_trust(name, **identity, audience="us-east-1:other").decision == "deny"
    # Amazon Cognito needs no provider in the account, GitHub does.
    who = client.who_can(name)
    (identities,) = [subjects for subjects in who.subjects if subjects.issuer_name]
    assert (identities.issuer_name, identities.pattern) == ("Amazon Cognito", "*")
    assert (identities.cluster, identities.service_accounts) == (f"https://{cognito}", None)
    assert [finding.id for finding in who.findings] == ["stale-provider"]


def test_unknown_roles_and_findings_are_refused(client: irsa.Client) -> None:
    with pytest.raises(irsa.NotFoundError):
        client.who_can("missing")
    with pytest.raises(ValueError, match="ignore: "):
        client.audit_trust(ignore=["nonsense"])


def test_a_sandbox_in_a_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    irsa.Client.sandbox(path).apply(binding())
    assert irsa.Client.sandbox(str(path)).get("default", "worker").state == "ok"
    assert irsa.Client.sandbox().list() == ()


def test_failures_have_the_class_of_their_kind(client: irsa.Client) -> None:
    with pytest.raises(irsa.NotFoundError, match="AmazonS3ReadOnlyAcces") as raised:
        client.apply(binding(policies=["AmazonS3ReadOnlyAcces"]))
    assert raised.value.hint is not None
    assert "AmazonS3ReadOnlyAccess" in raised.value.hint
    with pytest.raises(irsa.NotFoundError):
        client.apply(irsa.Binding("missing", "worker", policies=["AmazonS3ReadOnlyAccess"]))
    assert client.apply(irsa.Binding("missing", "worker"), create_namespace=True).changed
    client.apply(binding(role_name="taken"))
    with pytest.raises(irsa.AlreadyExistsError):
        client.apply(binding("other", role_name="taken"))


def test_a_role_alone(client: irsa.Client) -> None:
    report = client.apply(binding(role_only=True))
    assert "apply_service_account" not in [step.action for step in report.steps]
    assert client.get("default", "worker", role_name=report.role_name).state == "unbound"


def everything() -> irsa.Binding:
    return irsa.Binding(
        "default",
        "worker",
        cluster="sandbox",
        role_name="r",
        role_path="/p/",
        description="text",
        max_session_duration=7200,
        permissions_boundary="arn:aws:iam::123456789012:policy/boundary",
        tags={"team": "data"},
        policies=("AmazonS3ReadOnlyAccess",),
        inline={"bucket": BUCKET},
        subjects=["default/other", "default/job-*"],
        trust_only_subjects=["default/quiet"],
        trust_statements=['{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}'],
        audience="aud",
        token_expiration=3600,
        sts_regional_endpoints=True,
        automount_token=False,
        labels={"app": "x"},
        annotations={"note": "y"},
        exact=True,
    )


def test_a_binding_is_plain_immutable_data() -> None:
    whole = everything()
    assert irsa.Binding.from_dict(whole.to_dict()) == whole == pickle.loads(pickle.dumps(whole)) == copy.copy(whole)
    assert json.loads(json.dumps(whole.to_dict())) == whole.to_dict()
    assert whole.policies == ("AmazonS3ReadOnlyAccess",)
    assert whole.trust_statements[0]["Principal"] == {"Service": "ec2.amazonaws.com"}
    assert (whole.exact, whole.role_only, whole.max_session_duration) == (True, False, 7200)
    assert binding() != binding("other")
    assert repr(binding()) == "irsa.Binding('default', 'worker', policies=('AmazonS3ReadOnlyAccess',))"
    with pytest.raises(AttributeError):
        whole.exact = False  # type: ignore[misc]
    with pytest.raises(irsa.InvalidInputError, match="frobnicate"):
        irsa.Binding.from_dict({"namespace": "a", "service_account": "b", "frobnicate": 1})
    with pytest.raises(irsa.InvalidInputError, match="namespace"):
        irsa.Binding.from_dict({"namespace": "A", "service_account": "b"})


def test_reports_and_views_are_plain_immutable_data(client: irsa.Client) -> None:
    plan, report = client.plan(binding()), client.apply(binding())
    things: list[Any] = [plan, report, report.steps[0], client.get("default", "worker"), client.provider()]
    for thing in things:
        assert type(thing).from_dict(thing.to_dict()) == thing == pickle.loads(pickle.dumps(thing))
        assert json.loads(json.dumps(thing.to_dict())) == thing.to_dict()
        assert repr(thing).startswith(f"irsa.{type(thing).__name__}(")
    assert report.to_dict()["steps"] == [step.to_dict() for step in report.steps]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"policies": "AmazonS3ReadOnlyAccess"}, TypeError, "policies: must be a list, not str"),
        ({"policies": [5]}, TypeError, r"policies\[0\]: must be a str, not int"),
        ({"tags": {"a": 5}}, TypeError, r'tags\["a"\]: must be a str, not int'),
        ({"tags": [("a", "b")]}, TypeError, "tags: must be a dict, not list"),
        ({"inline": {"x": {"Statement": float("nan")}}}, ValueError, r'inline\["x"\]\["Statement"\]: NaN'),
        ({"inline": {"x": b"{}"}}, TypeError, r'inline\["x"\]: must be a str of JSON or a dict, not bytes'),
        ({"inline": {"x": "{"}}, irsa.InvalidInputError, r'inline\["x"\] is refused'),
        ({"trust_statements": ["{"]}, irsa.InvalidInputError, r"trust_statements\[0\] is refused"),
        ({"max_session_duration": 5}, irsa.InvalidInputError, "session"),
        ({"max_session_duration": "1h"}, TypeError, "max_session_duration: must be an int, not str"),
        ({"max_session_duration": -1}, ValueError, "max_session_duration: cannot be an int"),
        ({"token_expiration": 2**64}, ValueError, "token_expiration: cannot be an int"),
        ({"description": "\ud800"}, ValueError, "description: cannot be a str"),
        ({"policies": ["\ud800"]}, ValueError, r"policies\[0\]: cannot be a str"),
        ({"tags": {"a": "\ud800"}}, ValueError, r'tags\["a"\]: cannot be a str'),
        ({"tags": {"\ud800": "a"}}, ValueError, "a key of tags: cannot be a str"),
        ({"subjects": b"a/b"}, TypeError, "subjects: must be a list, not bytes"),
        ({"description": b"x"}, TypeError, "description: must be a str, not bytes"),
        ({"role_name": "x" * 65}, irsa.InvalidInputError, "role name"),
        ({"role_only": "no"}, TypeError, "role_only: must be a bool, not str"),
        ({"frobnicate": 1}, TypeError, "frobnicate"),
    ],
)
def test_what_cannot_be_a_binding_is_refused_by_its_name(settings: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        binding(**settings)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"add_policies": "x"}, TypeError, "add_policies: must be a list, not str"),
        ({"add_policies": [None]}, TypeError, r"add_policies\[0\]: must be a str, not NoneType"),
        ({"add_subjects": "x"}, TypeError, "add_subjects: must be a list, not str"),
        ({"remove_subjects": [5]}, TypeError, r"remove_subjects\[0\]: must be a str, not int"),
    ],
)
def test_what_cannot_be_an_update_is_refused_by_its_name(
    client: irsa.Client, options: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        client.update("default", "worker", **options)


def test_every_sequence_is_a_list() -> None:
    given = irsa.Binding("default", "a", policies=UserList(["ReadOnlyAccess"]), subjects=("b/c",))
    assert (given.policies, given.subjects) == (("ReadOnlyAccess",), ("b/c",))


def test_plain_data_may_hold_documents_as_text_and_none() -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    data = {
        "namespace": "default",
        "service_account": "a",
        "inline": {"x": json.dumps(document)},
        "trust_statements": [json.dumps(statement)],
        "tags": None,
        "policies": None,
    }
    read = irsa.Binding.from_dict(data)
    assert read == irsa.Binding("default", "a", inline={"x": document}, trust_statements=[statement])
    with pytest.raises(irsa.InvalidInputError, match="not valid JSON"):
        irsa.Binding.from_dict({**data, "inline": {"x": "{"}})


def test_hints_speak_of_methods_and_keywords(client: irsa.Client) -> None:
    with pytest.raises(irsa.NotFoundError) as raised:
        client.update("default", "nothing-like-it")
    assert raised.value.hint == "create it with `apply`, or look at the existing bindings with `list`"


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(irsa.IrsaError):
        irsa.Client.sandbox(path).list()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, irsa.InvalidInputError, "no cluster is named"),
        ({"cluster": "demo", "issuer": "https://i.example"}, irsa.InvalidInputError, "account"),
        ({"cluster": "demo", "endpoint_url": "localhost"}, irsa.InvalidInputError, "URL"),
        ({"cluster": "demo", "timeout": 0}, ValueError, "timeout"),
        ({"cluster": "demo", "timeout": float("nan")}, ValueError, "timeout"),
        ({"cluster": "demo", "session": 5}, TypeError, "session: must be a boto3 session, not int"),
        ({"cluster": "demo", "session": Mock()}, TypeError, "session.region_name: must be a str, not Mock"),
        ({"cluster": 5}, TypeError, "cluster: must be a str, not int"),
        ({"cluster": "demo", "timeout": "soon"}, TypeError, "timeout: must be a number, not str"),
        ({"cluster": "demo", "kubeconfig": 5}, TypeError, "kubeconfig: must be a path, not int"),
        ({"cluster": "demo", "frobnicate": 1}, TypeError, "frobnicate"),
    ],
)
def test_what_cannot_be_a_client_is_refused_by_its_name(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        irsa.Client(**options)
    assert "--" not in f"{raised.value}{getattr(raised.value, 'hint', '')}", (
        "options of the program are not those of Python"
    )


def cycle() -> Any:
    document: dict[str, Any] = {}
    document["Statement"] = [document]
    return document


def shared() -> Any:
    """Thirty small lists that stand for a thousand million values."""
    value: Any = "x"
    for _ in range(30):
        value = [value, value]
    return {"Statement": value}


def deep() -> Any:
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    return {"Statement": value}


@pytest.mark.parametrize(
    ("document", "error", "words"),
    [
        ({"Statement": float("nan")}, ValueError, "NaN"),
        ({"Statement": float("inf")}, ValueError, "inf"),
        ({"Statement": b"bytes"}, TypeError, "not bytes"),
        ({"Statement": {1, 2}}, TypeError, "not set"),
        ({"Statement": 1j}, TypeError, "not complex"),
        ({"Statement": 2**80}, ValueError, "beyond 64 bits"),
        ({"Statement": "\ud800"}, ValueError, "surrogate"),
        ({5: "x"}, TypeError, "a key of .*: must be a str, not int"),
        ({None: "x"}, TypeError, "a key of .*: must be a str, not NoneType"),
        (cycle(), ValueError, "contains itself"),
        (shared(), ValueError, "more than 2000000 values"),
        (deep(), ValueError, "nested deeper than 127 levels"),
        ("", irsa.InvalidInputError, "is refused"),
        ("[]", irsa.InvalidInputError, "is refused"),
        ([], TypeError, "must be a str of JSON or a dict, not list"),
        (5, TypeError, "must be a str of JSON or a dict, not int"),
    ],
)
def test_a_document_that_is_no_json_is_refused_with_its_place(
    document: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        binding(inline={"x": document})
    assert 'inline["x"]' in str(raised.value)


@pytest.mark.parametrize("document", [{"Statement": float("nan")}, {5: "x"}, cycle(), deep(), b"{}", [], "", "[]"])
def test_a_trust_policy_that_is_no_json_is_refused(document: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        irsa.check_trust(document, issuer="https://i.example", account="123456789012", subject="a/b")


def test_what_is_no_binding_is_a_type_error(client: irsa.Client) -> None:
    with pytest.raises(TypeError, match="binding: must be a Binding, not dict"):
        client.apply({"namespace": "default"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="adopt: must be a bool, not str"):
        client.apply(binding(), adopt="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="namespace: must be a str, not int"):
        client.get(5, "worker")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="dry_run: must be a bool, not int"):
        client.delete("default", "worker", dry_run=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"remove_policies: must be a list"):
        client.update("default", "worker", remove_policies="x")
    with pytest.raises(ValueError, match="keep_role contradicts force"):
        client.delete("default", "worker", keep_role=True, force=True)


def test_threads_share_a_client(client: irsa.Client) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for _ in range(5):
                client.apply(binding(name))
                assert client.get("default", name).state == "ok"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"worker-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(client.list()) == 8


def test_a_client_shows_its_cluster(client: irsa.Client) -> None:
    assert client.cluster == "sandbox"
    assert irsa.Client("demo", region="eu-west-1").cluster == "demo"
