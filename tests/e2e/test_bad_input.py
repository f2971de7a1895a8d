"""What the input alone tells to be wrong: exit 2 with field, value, rule and hint, and nothing is called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import Bed, Irsa

ACCOUNT = "123456789012"
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


@pytest.fixture
def refused(bed: Bed, irsa: Irsa) -> Any:
    """Runs a command that must be refused before anything is called; gives all that was said."""

    def run(*args: str) -> str:
        error = irsa(*args, "-o", "json").refused("invalid_input", code=2)
        assert bed.log()["count"] == 0, "nothing was called"
        return "\n".join([error["message"], *error["caused_by"], error["hint"] or ""])

    return run


def option(name: str, value: str, *words: str) -> Any:
    """A case of `create` with one bad option; the value is named where it is not too long."""
    return pytest.param(["create", "ns/a", name, value], words or (value,), id=f"{name} {value[:30]}")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        pytest.param(["create", "My_SA"], ("service account", "My_SA"), id="name"),
        pytest.param(["create", "a" * 254], ("service account", "253"), id="long name"),
        pytest.param(["create", "Default/a"], ("namespace", "Default"), id="namespace"),
        pytest.param(["create", "a", "-n", "b" * 64], ("namespace", "63"), id="long namespace"),
        pytest.param(["get", "a/b/c"], ("service account", "b/c"), id="get"),
        pytest.param(["list", "-n", "a_b"], ("namespace", "a_b"), id="list"),
        pytest.param(["delete", ""], ("service account",), id="empty name"),
        option("--role-name", "a b", "role name", "a b"),
        option("--role-name", "r" * 65, "role name", "64"),
        option("--role-name", f"arn:aws:iam::{ACCOUNT}:role/p/made", "role name", 'name of the role, "made"'),
        option("--role-path", "gen3", "role path", "gen3"),
        option("--role-path", f"/{'x' * 511}/", "role path", "512"),
        option("--description", "\x7f", "description", "Latin-1"),
        option("--description", "x" * 1001, "description", "1000"),
        option("--max-session-duration", "60", "session duration", "60", "3600"),
        option("--max-session-duration", "soon"),
        option("--permissions-boundary", f"arn:aws:iam::{ACCOUNT}:role/x", "role/x"),
        option("--permissions-boundary", "arn:aws:iam::210987654321:policy/x", "boundary", "210987654321", ACCOUNT),
        option("-p", "a b", "policy", "a b"),
        option("-p", "p" * 129, "policy", "128"),
        option("-p", "arn:aws:s3:::bucket", "policy", "arn:aws:s3:::bucket"),
        option("-p", f"arn:aws:iam::{ACCOUNT}:role/x", "policy", "role/x"),
        option("-p", "arn:aws-cn:iam::aws:policy/X", "policy", "aws-cn", "partition"),
        option("-p", "arn:aws:iam::210987654321:policy/X", "policy", "210987654321", "account"),
        option("--tag", "novalue", "--tag", "novalue", "KEY=VALUE"),
        option("--tag", "aws:x=y", "tag key", "aws:"),
        option("--tag", "AWS:x=y", "tag key", "aws:"),
        option("--tag", f"{'k' * 129}=v", "tag key", "128"),
        option("--tag", "k=a<b", "tag value", "a<b"),
        option("--tag", f"k={'v' * 257}", "tag value", "256"),
        option("--tag", "irsa.gen3.org/owner=me", "tag key", "irsa.gen3.org/owner"),
        option("--audience", "", "audience", "255"),
        option("--audience", "a b", "audience", "a b"),
        option("--token-expiration", "599", "token expiration", "599", "600"),
        option("--sts-regional-endpoints", "maybe"),
        option("--label", "a=b c", "label value", "b c"),
        option("--label", f"a={'b' * 64}", "label value", "63"),
        option("--label", "app.kubernetes.io/managed-by=x", "label key", "managed-by"),
        option("--annotation", "a b=c", "annotation key", "a b"),
        option("--annotation", "eks.amazonaws.com/role-arn=x", "annotation key", "role-arn"),
        option("--subject", "x", "subject", "x", "NAMESPACE/NAME"),
        option("--subject", "ns/job-*", "subject", "ns/job-*", "--subject-pattern"),
        option("--subject", "demo:UP/x", "subject", "UP"),
        option("--subject", f"arn:aws-cn:eks:cn-north-1:{ACCOUNT}:cluster/c:ns/x", "subject", "partition", "aws-cn"),
        option("--subject-pattern", "ns/plain", "subject pattern", "ns/plain", "--subject"),
        option("--inline-policy", "x", "--inline-policy", "x", "NAME=FILE"),
        option("--inline-policy", "a=./no-such-file", "no-such-file"),
        option("--cluster", "-", "cluster", "-"),
        option("--cluster", "c" * 101, "cluster", "100"),
        option("--cluster", "arn:aws:s3:::bucket", "cluster", "arn:aws:s3:::bucket"),
        option("--cluster", f"arn:aws:eks:us-east-1:{ACCOUNT}:nodegroup/x", "cluster", "nodegroup"),
        option("--cluster", "https://issuer.example", "cluster", "--issuer"),
        option("--region", "us east", "region", "us east"),
        option("--endpoint-url", "ftp://x", "ftp://x"),
        option("--timeout", "soon"),
        option("--color", "pink"),
        option("--kubeconfig", "./no-such-file", "no-such-file"),
        option("--context", "no-such-context", "no-such-context"),
        option("--issuer", "https://issuer.example", "--account"),
        option("--account", ACCOUNT, "--issuer"),
        option("--no-such-option", "x", "--no-such-option"),
        pytest.param(["creat", "a"], ("creat",), id="command"),
        pytest.param(["create", "ns/a", "--role-nam", "x"], ("--role-nam",), id="misspelt option"),
        pytest.param(["create"], ("SERVICE_ACCOUNT",), id="no account"),
        pytest.param(["permissions", "crate"], ("crate", "create"), id="permissions"),
        pytest.param(["provider", "create", "--audience", ""], ("audience",), id="provider"),
    ],
)
def test_refused(refused: Any, args: list[str], words: tuple[str, ...]) -> None:
    said = refused(*args)
    assert not [word for word in words if word not in said], said


@pytest.mark.parametrize(
    "args",
    [
        ["create", "a/b", "-n", "c"],
        ["create", "ns/a", "--role-only", "--create-namespace"],
        ["create", "ns/a", "--role-only", "--label", "a=b"],
        ["create", "ns/a", "--tag", "k=1", "--tag", "k=2"],
        ["create", "ns/a", "--tag", "k=1", "--tag", "K=1"],
        ["create", "ns/a", "--label", "k=1", "--label", "k=2"],
        ["create", "ns/a", "--sandbox", "--region", "us-east-1"],
        ["create", "ns/a", "--sandbox", "--kubeconfig", "x"],
        ["create", "ns/a", "--role-only", "--subject", "x"],
        ["update", "ns/a", "--add-policy", "P", "--remove-policy", "P"],
        ["update", "ns/a", "--add-subject", "ns/b", "--remove-subject", "ns/b"],
        ["update", "ns/a", "--remove-subject", "ns/a"],
        ["delete", "ns/a", "--keep-role", "--force"],
        ["create", "ns/a", "--region", "us-west-2", "--cluster", f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/demo"],
        ["create", "ns/a", "--issuer", "https://i.example", "--account", ACCOUNT],
        ["permissions", "create", "--user", "a", "--group", "b"],
        ["create", "ns/a", *(word for n in range(49) for word in ("--tag", f"k{n}=v"))],
    ],
    ids=lambda args: " ".join(args)[:60],
)
def test_contradictions(refused: Any, args: list[str]) -> None:
    refused(*args)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param('{\n  "Version": "2012-10-17",\n}', ("line 3", "column 1"), id="comma"),
        pytest.param("", ("line 1",), id="empty"),
        pytest.param('{"Statement": []} x', ("line 1", "column 19"), id="text after it"),
        pytest.param('{"Statement": [], "Statement": []}', ("Statement", "duplicate"), id="duplicate key"),
        pytest.param('{"Version": "2012-10-17", "Statement": []}', ("Statement",), id="no statement"),
        pytest.param(json.dumps({"Version": "2020-01-01", "Statement": STATEMENT}), ("2020-01-01",), id="version"),
        pytest.param(json.dumps({"Statment": STATEMENT}), ("Statment", "Statement"), id="misspelt key"),
        pytest.param(json.dumps({"Statement": {**STATEMENT, "Effect": "allow"}}), ("Effect", "allow"), id="effect"),
        pytest.param(json.dumps({"Statement": {**STATEMENT, "Action": "s3"}}), ("s3", "SERVICE"), id="action"),
        pytest.param(json.dumps({"Statement": {**STATEMENT, "Principal": "*"}}), ("Principal",), id="principal"),
        pytest.param(
            json.dumps({"Statement": [STATEMENT, {"Effect": "Allow", "Action": "s3:*"}]}),
            ("statement 2", "Resource"),
            id="no resource",
        ),
        pytest.param(
            json.dumps({"Statement": {**STATEMENT, "Condition": {"StringEqual": {"a": "b"}}}}),
            ("StringEqual",),
            id="operator",
        ),
        pytest.param(
            json.dumps({"Statement": {**STATEMENT, "Resource": "桶"}}, ensure_ascii=False), ("桶",), id="beyond Latin-1"
        ),
        pytest.param(json.dumps({"Statement": {**STATEMENT, "Resource": "x" * 10_240}}), ("10240",), id="too long"),
    ],
)
@pytest.mark.parametrize(
    "how", [["-p", "./document.json"], ["--inline-policy", "mine=document.json"]], ids=["-p", "--inline-policy"]
)
def test_documents(irsa: Irsa, refused: Any, how: list[str], text: str, words: tuple[str, ...]) -> None:
    (irsa.home / "document.json").write_text(text)
    said = refused("create", "ns/a", *how)
    assert not [word for word in words if word not in said], said
    assert "document.json" in said or "10240" in words, "the file is named, but where all of them together are too long"


def test_documents_that_are_no_text(irsa: Irsa, refused: Any) -> None:
    (irsa.home / "binary.json").write_bytes(b"\xff\xfe{}")
    assert "binary.json" in refused("create", "ns/a", "-p", "binary.json")
    (irsa.home / "folder.json").mkdir()
    assert "folder.json" in refused("create", "ns/a", "-p", "folder.json")
    assert "absent.json" in refused("create", "ns/a", "-p", "absent.json")
    (irsa.home / "big.json").write_text(" " * 2_000_000)
    assert "big.json" in refused("create", "ns/a", "-p", "big.json")


def test_name_of_a_document(irsa: Irsa, refused: Any) -> None:
    (irsa.home / "good.json").write_text(json.dumps({"Statement": STATEMENT}))
    for name in ("a b", "x" * 129):
        said = refused("create", "ns/a", "--inline-policy", f"{name}=good.json")
        assert "inline policy name" in said and "128" in said


def test_one_name_for_two_documents(irsa: Irsa, refused: Any) -> None:
    for name in ("a.json", "b.json"):
        (irsa.home / name).write_text(json.dumps({"Statement": STATEMENT}))
    said = refused("create", "ns/a", "-p", "./a.json", "--inline-policy", "a=b.json")
    assert "a.json" in said and "b.json" in said


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ({**STATEMENT, "Action": "sts:AssumeRole"}, "Resource"),
        ({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "s3:GetObject"}, "sts"),
        ({"Effect": "Allow", "Principal": {"Servce": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}, "Service"),
        ({"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Sid": "IrsaEquals1"}, "Irsa"),
    ],
)
def test_trust_statements(irsa: Irsa, refused: Any, statement: Any, word: str) -> None:
    (irsa.home / "statement.json").write_text(json.dumps(statement))
    said = refused("create", "ns/a", "--trust-statement", "statement.json")
    assert "statement.json" in said and word in said


def test_no_cluster_is_named(bed: Bed, irsa: Irsa) -> None:
    error = irsa("list", "-o", "json", env=irsa.without_kubeconfig()).refused("invalid_input", code=2)
    assert "--cluster" in error["hint"] and "--sandbox" in error["hint"]
    assert bed.log()["count"] == 0


def test_broken_kubeconfig(bed: Bed, irsa: Irsa) -> None:
    (irsa.home / "broken").write_text("{a: [")
    ran = irsa("list", "-o", "json", env={"KUBECONFIG": str(irsa.home / "broken")})
    assert "broken" in ran.refused("invalid_input", code=2)["message"]
    assert bed.log()["count"] == 0
