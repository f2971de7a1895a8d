"""How clusters are reached, and one role for service accounts of several clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Bed, Irsa
from readback import CREATED, OWNER, ROLE_ARN, S3, SUBJECT, Seen, writes


@pytest.fixture
def far(seen: Seen, blue: Any, blue_ns: str) -> Seen:
    """An account on the blue cluster that shares the role."""
    return Seen(seen.iam, blue, blue_ns, "far", seen.role)


def fronts(bed: Bed) -> set[str]:
    """The API servers that were asked, as far as the log goes; none of them refused."""
    requests = [entry for entry in bed.log()["requests"] if entry["front"] != "aws"]
    assert not [entry for entry in requests if entry["status"] in {401, 403}], requests
    return {entry["front"] for entry in requests}


@pytest.mark.parametrize("way", ["kubeconfig", "eks"])
def test_two_clusters_in_one_role(bed: Bed, irsa: Irsa, seen: Seen, far: Seen, way: str) -> None:
    demo, blue = bed["clusters"]["demo"], bed["clusters"]["blue"]
    env = {} if way == "kubeconfig" else irsa.without_kubeconfig()
    shared = f"{blue['arn']}:{far.place}"
    create = ("create", seen.place, "-p", S3, "--subject", shared, "--cluster", demo["arn"], "-o", "json")

    bed.reset()
    report = irsa(*create, env=env).done()
    assert fronts(bed) == ({"demo", "blue"} if way == "kubeconfig" else {"demo-eks", "blue-eks"})
    assert [step["action"] for step in report["steps"]].count("create_service_account") == 2
    assert seen.annotations == far.annotations == {ROLE_ARN: seen.arn, CREATED: "true"}
    trusted = {statement["Principal"]["Federated"]: statement["Condition"] for statement in seen.statements}
    for cluster, one in ((demo, seen), (blue, far)):
        issuer = cluster["issuer"].removeprefix("https://")
        test = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": one.sub}
        assert trusted[cluster["provider_arn"]] == {"StringEquals": test}
    recorded = {value for key, value in seen.tags.items() if key == OWNER or key.startswith(SUBJECT)}
    assert recorded == {f"{demo['arn']}/{seen.place}", f"{blue['arn']}/{far.place}"}

    bed.reset()
    assert irsa(*create, env=env).done()["changed"] is False
    assert writes(bed.log()) == []

    view = irsa("get", far.place, "--cluster", blue["arn"], "-o", "json", env=env).done()
    assert (view["role_arn"], view["state"], view["cluster"]) == (seen.arn, "ok", blue["arn"])
    assert view["subjects"] == sorted([far.place, f"{demo['arn']}:{seen.place}"])

    # The first subject leaves; the role is now the other cluster's.
    assert irsa("delete", seen.place, "--cluster", demo["arn"], "-o", "json", env=env).done()["changed"]
    assert (seen.account, seen.subs, far.annotation) == (None, {far.sub}, seen.arn)
    assert seen.tags[OWNER] == f"{blue['arn']}/{far.place}"
    assert irsa("delete", far.place, "--cluster", blue["arn"], "-o", "json", env=env).done()["changed"]
    assert far.nothing()


def test_subject_of_another_cluster_leaves(bed: Bed, irsa: Irsa, made: Seen, far: Seen) -> None:
    before, shared = made.whole(), f"{bed['clusters']['blue']['arn']}:{far.place}"
    irsa("update", made.place, "--add-subject", shared, "-o", "json").done()
    assert (made.subs, far.annotation) == ({made.sub, far.sub}, made.arn)
    irsa("update", made.place, "--remove-subject", shared, "-o", "json").done()
    assert (made.whole(), far.account) == (before, None)


def test_what_is_wrong_on_one_cluster_stops_both(bed: Bed, irsa: Irsa, seen: Seen, far: Seen) -> None:
    arn = bed["clusters"]["blue"]["arn"]
    bed.reset()
    ran = irsa("create", seen.place, "-p", S3, "--subject", f"{arn}:no-such-namespace/x", "-o", "json")
    assert "no-such-namespace" in ran.refused("not_found")["message"]
    # A name is one of the same region.
    ran = irsa("create", seen.place, "-p", S3, "--subject", f"blue:{far.place}", "-o", "json")
    assert "blue" in ran.refused("not_found")["message"]
    assert (writes(bed.log()), seen.nothing(), far.account) == ([], True, None)


def test_eks_alone(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """No kubeconfig and no program to call: the token is made in process, and the front checks it."""
    assert not list(irsa.home.iterdir()), "the home is empty"
    bed.reset()
    create = ("create", seen.place, "-p", S3, "--cluster", "demo", "-o", "json")
    assert irsa(*create, env=irsa.without_kubeconfig()).done()["warnings"] == []
    assert fronts(bed) == {"demo-eks"}
    assert seen.annotation == seen.arn


def test_token_of_other_credentials_is_refused(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """Proves that the front looks: with another secret the signature does not match."""
    env = {**irsa.without_kubeconfig(), "AWS_SECRET_ACCESS_KEY": "wrong"}
    error = irsa("create", seen.place, "-p", S3, "--cluster", "demo", "-o", "json", env=env).refused("access_denied")
    assert "signature does not match" in str(error["caused_by"])
    assert seen.nothing()


def test_exec_plugin(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """A kubeconfig as `aws eks update-kubeconfig` writes it, whose tokens the aws CLI makes."""
    bed.reset()
    create = ("create", seen.place, "-p", S3, "--kubeconfig", bed["kubeconfig"]["exec"], "-o", "json")
    irsa(*create).done()
    assert fronts(bed) == {"demo-eks"}
    assert seen.annotation == seen.arn


def test_exec_plugin_that_is_missing(bed: Bed, irsa: Irsa, seen: Seen, tmp_path: Path) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "no-such-plugin"}
    config = bed.kubeconfig(tmp_path / "exec", exec={**plugin, "interactiveMode": "Never"})
    ran = irsa("create", seen.place, "-p", S3, "--kubeconfig", str(config), "-o", "json")
    error = ran.json()["error"]
    assert ran.code == 1 and "no-such-plugin" in str(error), ran
    assert seen.nothing()


@pytest.mark.parametrize("how", ["current context", "context", "environment", "name", "ARN"])
def test_how_the_cluster_is_named(bed: Bed, irsa: Irsa, blue: Any, blue_ns: str, iam: Any, how: str) -> None:
    facts = bed["clusters"]["blue"]
    seen = Seen(iam, blue, blue_ns, "a", f"blue-{blue_ns}-a")
    in_region: dict[str, str | None] = {"AWS_REGION": facts["region"], "AWS_DEFAULT_REGION": facts["region"]}
    options, env = {
        "current context": ([], {"KUBECONFIG": bed["kubeconfig"]["blue"]}),
        "context": (["--context", facts["arn"]], {}),
        "environment": ([], {"IRSA_CLUSTER": facts["arn"]}),
        "name": (["--cluster", "blue"], in_region),
        "ARN": (["--cluster", facts["arn"]], {}),
    }[how]
    bed.reset()
    irsa("create", seen.place, "-p", S3, *options, "-o", "json", env=env).done()
    assert fronts(bed) == {"blue"}
    assert seen.statements[0]["Principal"] == {"Federated": facts["provider_arn"]}
    assert (seen.tags[OWNER], seen.annotation) == (f"{facts['arn']}/{seen.place}", seen.arn)


def test_issuer_in_place_of_eks(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """A cluster that EKS does not know: it is not asked."""
    demo = bed["clusters"]["demo"]
    bed.fail(action="DescribeCluster", status=404, code="ResourceNotFoundException", times=0)
    given = ("--issuer", demo["issuer"], "--account", bed["account"], "--context", demo["arn"])
    seen.role = f"own-{seen.ns}"
    irsa("create", seen.place, "-p", S3, "--role-name", seen.role, *given, "-o", "json").done()
    assert "DescribeCluster" not in [entry["action"] for entry in bed.log()["requests"]]
    assert seen.statements[0]["Principal"] == {"Federated": demo["provider_arn"]}
    assert seen.annotation == seen.arn
    assert irsa("get", seen.place, *given, "-o", "json").done()["state"] == "ok"
    irsa("delete", seen.place, "--role-name", seen.role, *given, "-o", "json").done()
    assert seen.nothing()


def test_role_alone(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """No API server is asked and no kubeconfig is read."""
    bed.reset()
    env = irsa.without_kubeconfig()
    irsa("create", seen.place, "-p", S3, "--cluster", "demo", "--role-only", "-o", "json", env=env).done()
    assert fronts(bed) == set()
    assert (seen.attached, seen.subs, seen.account) == ({S3}, {seen.sub}, None)
