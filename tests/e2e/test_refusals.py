"""What is found refuses a request before its first write: exit 1, told apart by kind, and nothing is made."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Bed, Irsa, drop_namespace, unique
from processes import free_port
from readback import S3, Seen, deny, writes


@pytest.fixture
def refused(bed: Bed, irsa: Irsa, seen: Seen) -> Any:
    """Runs a command that must be refused before its first write; gives the error."""

    def run(kind: str, *args: str, **env: str | None) -> Any:
        error = irsa(*(args or ("create", seen.place, "-p", S3)), "-o", "json", env=env).refused(kind)
        assert writes(bed.log()) == []
        assert seen.nothing()
        return error

    return run


@pytest.fixture
def stranger(bed: Bed, iam: Any) -> Iterator[str]:
    """The demo cluster gets another issuer, one without a provider; gives the ARN that its provider would have."""
    issuer = f"oidc.eks.us-east-1.amazonaws.com/id/{secrets.token_hex(16).upper()}"
    bed.change("demo", identity={"oidc": {"issuer": f"https://{issuer}"}})
    arn = f"arn:aws:iam::{bed['account']}:oidc-provider/{issuer}"
    yield arn
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def create_provider(seen: Seen, arn: str, *audiences: str) -> None:
    url, thumbprints = f"https://{arn.partition('/')[2]}", ["0" * 40]
    seen.iam.create_open_id_connect_provider(Url=url, ClientIDList=list(audiences), ThumbprintList=thumbprints)


# -- documents --


@pytest.mark.parametrize(
    ("option", "arn"),
    [
        ("-p", "arn:aws-cn:s3:::bucket/*"),
        ("--trust-statement", "arn:aws-us-gov:iam::123456789012:root"),
    ],
)
def test_a_document_of_another_partition(bed: Bed, irsa: Irsa, seen: Seen, option: str, arn: str) -> None:
    """IAM would refuse it once the role exists."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": arn}
    if option == "--trust-statement":
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": arn}}
    path = irsa.home / "document.json"
    whole = {"Version": "2012-10-17", "Statement": [statement]}
    path.write_text(json.dumps(statement if option == "--trust-statement" else whole))
    error = irsa("create", seen.place, option, str(path), "-o", "json").refused("invalid_input", code=2)
    assert bed.log()["requests"] == []
    partition = arn.split(":")[1]
    said = " ".join([error["message"], *error["caused_by"]])
    assert arn in said and f"partition {partition}" in said and "statement 1" in said
    assert error["hint"] == f"write it as {arn.replace(partition, 'aws')}"


# -- clusters --


@pytest.mark.parametrize("chosen", ["context", "kubeconfig"])
def test_wrong_cluster(bed: Bed, seen: Seen, refused: Any, tmp_path: Path, chosen: str) -> None:
    blue, demo = bed["clusters"]["blue"], bed["clusters"]["demo"]
    only_blue = bed.kubeconfig(tmp_path / "blue", "blue", token=bed["tokens"]["admin"])
    option = {"context": ["--context", blue["arn"]], "kubeconfig": ["--kubeconfig", str(only_blue)]}[chosen]
    error = refused("wrong_cluster", "create", seen.place, "-p", S3, "--cluster", "demo", *option)
    assert demo["issuer"] in str(error["caused_by"]) and blue["issuer"] in str(error["caused_by"])
    assert "--context" in error["hint"]


def test_missing_cluster(seen: Seen, refused: Any) -> None:
    error = refused("not_found", "create", seen.place, "-p", S3, "--cluster", "no-such-cluster")
    assert (error["code"], "no-such-cluster" in error["message"]) == ("ResourceNotFoundException", True)


def test_cluster_that_is_not_active(bed: Bed, refused: Any) -> None:
    bed.change("demo", status="CREATING", identity=None)
    error = refused("unavailable")
    assert "CREATING" in str(error["caused_by"]) and "wait" in error["hint"]


def test_cluster_on_an_outpost(bed: Bed, refused: Any) -> None:
    outpost = {"outpostArns": ["arn:aws:outposts:us-east-1:123456789012:outpost/op-0"], "controlPlaneInstanceType": "x"}
    bed.change("demo", identity=None, outpostConfig=outpost)
    assert "Outpost" in str(refused("unavailable")["caused_by"])


# -- providers --


def test_missing_provider(stranger: str, bed: Bed, irsa: Irsa, seen: Seen, refused: Any) -> None:
    env, create = irsa.without_kubeconfig(), ("create", seen.place, "-p", S3, "--cluster", "demo")
    error = refused("not_found", *create, **env)
    assert stranger in str(error["caused_by"]) and "--create-provider" in error["hint"]
    report = irsa(*create, "--create-provider", "-o", "json", env=env).done()
    assert report["steps"][0]["action"] == "create_provider"
    assert seen.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=stranger)["ClientIDList"] == [
        "sts.amazonaws.com"
    ]
    assert seen.statements[0]["Principal"] == {"Federated": stranger}


def test_missing_audience(stranger: str, irsa: Irsa, seen: Seen, refused: Any) -> None:
    create_provider(seen, stranger, "sts.amazonaws.com")
    create = ("create", seen.place, "-p", S3, "--cluster", "demo", "--audience", "sts.example.com")
    env = irsa.without_kubeconfig()
    error = refused("not_found", *create, **env)
    assert "sts.example.com" in error["message"] and "sts.amazonaws.com" in str(error["caused_by"])
    # moto cannot add an audience to a provider, so that step is only planned here.
    planned = irsa(*create, "--create-provider", "--dry-run", "-o", "json", env=env).done()["steps"][0]
    assert (planned["action"], planned["target"]) == ("add_audience", stranger)

    seen.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=stranger)
    create_provider(seen, stranger, "sts.amazonaws.com", "sts.example.com")
    irsa(*create, "-o", "json", env=env).done()
    assert "sts.example.com" in seen.statements[0]["Condition"]["StringEquals"].values()
    assert seen.annotations["eks.amazonaws.com/audience"] == "sts.example.com"


def test_provider_commands(stranger: str, bed: Bed, irsa: Irsa, seen: Seen) -> None:
    demo = ("--cluster", "demo", "-o", "json")
    assert irsa("provider", "show", *demo).done()["exists"] is False
    assert irsa("provider", "create", "--check", *demo).code == 3
    assert irsa("provider", "create", *demo).done()["changed"] is True
    assert irsa("provider", "create", *demo).done()["changed"] is False
    shown = irsa("provider", "show", *demo).done()
    assert (shown["arn"], shown["exists"], shown["audiences"]) == (stranger, True, ["sts.amazonaws.com"])
    env = irsa.without_kubeconfig()
    irsa("create", seen.place, "-p", S3, *demo, env=env).done()
    error = irsa("provider", "delete", *demo).refused("conflict")
    assert seen.role in str(error["caused_by"]), "a provider that roles trust stays"
    irsa("delete", seen.place, *demo, env=env).done()
    assert irsa("provider", "delete", *demo).done()["changed"] is True
    assert irsa("provider", "delete", *demo).done()["changed"] is False


# -- what is named and is not there --


def test_missing_namespace(irsa: Irsa, seen: Seen, refused: Any) -> None:
    error = refused("not_found", "create", f"{seen.ns}x/a", "-p", S3)
    assert seen.ns in error["hint"] and "--create-namespace" in error["hint"]
    fresh = Seen(seen.iam, seen.core, unique("ns"), "a")
    report = irsa("create", fresh.place, "-p", S3, "--create-namespace", "-o", "json").done()
    assert "create_namespace" in [step["action"] for step in report["steps"]]
    assert fresh.annotation == fresh.arn
    drop_namespace(fresh.core, fresh.ns)


@pytest.mark.parametrize(
    ("policy", "hint"),
    [
        ("AmazonS3ReadOnlyAcces", "AmazonS3ReadOnlyAccess"),
        ("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAcces", "AmazonS3ReadOnlyAccess"),
        ("service-role/AmazonS3ReadOnlyAccess", "AmazonS3ReadOnlyAccess"),
        ("nothing-like-any-policy-of-aws", "ARN"),
    ],
)
def test_missing_policy(seen: Seen, refused: Any, policy: str, hint: str) -> None:
    error = refused("not_found", "create", seen.place, "-p", policy)
    assert policy in error["message"] and hint in error["hint"]


def test_missing_boundary(bed: Bed, seen: Seen, refused: Any) -> None:
    arn = f"arn:aws:iam::{bed['account']}:policy/no-such-boundary"
    assert arn in refused("not_found", "create", seen.place, "--permissions-boundary", arn)["message"]


def test_ambiguous_policy(irsa: Irsa, seen: Seen, refused: Any) -> None:
    """A policy of the account may have the name of one of AWS."""
    name = "AmazonSNSReadOnlyAccess"
    statement = {"Effect": "Allow", "Action": "sns:Get*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    own = seen.iam.create_policy(PolicyName=name, Path="/team/", PolicyDocument=document)["Policy"]["Arn"]
    try:
        error = refused("conflict", "create", seen.place, "-p", name)
        assert own in str(error["caused_by"]) and f"arn:aws:iam::aws:policy/{name}" in str(error["caused_by"])
        irsa("create", seen.place, "-p", f"team/{name}", "-o", "json").done()
        assert seen.attached == {own}
        irsa("delete", seen.place, "-o", "json").done()
    finally:
        seen.iam.delete_policy(PolicyArn=own)


# -- rights, credentials, reach --


def test_denied_by_rbac(bed: Bed, seen: Seen, refused: Any) -> None:
    error = refused("access_denied", "create", seen.place, "-p", S3, "--kubeconfig", bed["kubeconfig"]["weak"])
    assert error["code"] == "Forbidden" and "irsa permissions" in error["hint"]
    assert 'User "weak"' in str(error["caused_by"])


@pytest.mark.parametrize("action", ["DescribeCluster", "GetRole", "GetOpenIDConnectProvider"])
def test_reads_denied_by_iam(bed: Bed, refused: Any, action: str) -> None:
    for fault in deny(action):
        bed.fail(**fault)
    error = refused("access_denied")
    assert f"not allowed: iam:{action}" in str(error["caused_by"])


def test_reads_that_are_not_needed(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    for fault in deny("GetAccountSummary", "GetPolicy"):
        bed.fail(**fault)
    report = irsa("create", seen.place, "-p", S3, "-o", "json").done()
    assert sorted(warning["id"] for warning in report["warnings"]) == ["policy-unverified", "quotas-unknown"]
    assert seen.attached == {S3}


def test_expired_credentials(bed: Bed, refused: Any) -> None:
    bed.fail(status=403, code="ExpiredTokenException", message="The security token is expired", times=0)
    error = refused("access_denied")
    assert error["code"].startswith("ExpiredToken") and "log in" in error["hint"]


def test_no_credentials(refused: Any) -> None:
    none: dict[str, str | None] = dict.fromkeys(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
    assert "no AWS credentials" in str(refused("access_denied", **none))


def test_refused_token_of_the_api_server(bed: Bed, seen: Seen, refused: Any, tmp_path: Path) -> None:
    unknown = bed.kubeconfig(tmp_path / "unknown", token="unknown")
    error = refused("access_denied", "create", seen.place, "-p", S3, "--kubeconfig", str(unknown))
    assert error["code"] == "Unauthorized"


def test_unreachable_aws(refused: Any) -> None:
    error = refused("unavailable", AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
    assert "endpoint" in error["hint"]


def test_unreachable_api_server(bed: Bed, seen: Seen, refused: Any, tmp_path: Path) -> None:
    config = json.loads(bed.kubeconfig(tmp_path / "closed", token="x").read_text())
    config["clusters"][0]["cluster"]["server"] = url = f"https://127.0.0.1:{free_port()}"
    (tmp_path / "closed").write_text(json.dumps(config))
    error = refused("unavailable", "create", seen.place, "-p", S3, "--kubeconfig", str(tmp_path / "closed"))
    assert url.rpartition("/")[2] in str(error)


def test_timeout(bed: Bed, seen: Seen, refused: Any) -> None:
    bed.delay(60_000)
    error = refused("timeout", "create", seen.place, "-p", S3, "--timeout", "1s")
    assert "--timeout" in error["hint"]
