"""Manifests: read, applied, pruned and exported."""

from __future__ import annotations

import asyncio
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

import irsa

HEAD = "apiVersion: irsa.gen3.org/v1alpha1\nkind: IrsaBinding\n"
BUCKET = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}


def manifest(*names: str, spec: str = "{}") -> str:
    return "---\n".join(f"{HEAD}metadata: {{name: {name}}}\nspec: {spec}\n" for name in names)


@pytest.fixture
def client() -> irsa.Client:
    return irsa.Client.sandbox()


def accounts(client: irsa.Client) -> list[str]:
    return [view.service_account for view in client.list()]


ACCOUNT: dict[str, Any] = {"labels": {"a": "b"}, "annotations": {"c": "d"}}

# Each key of a spec, with the value that a binding has for it.
SPEC: dict[str, tuple[Any, str, Any]] = {
    "cluster": ("blue", "cluster", "blue"),
    "roleName": ("r", "role_name", "r"),
    "rolePath": ("/p/", "role_path", "/p/"),
    "description": ("text", "description", "text"),
    "maxSessionDuration": (7200, "max_session_duration", 7200),
    "permissionsBoundary": ("arn:aws:iam::123456789012:policy/b", "permissions_boundary", None),
    "tags": ({"team": "data"}, "tags", None),
    "policies": (["AmazonS3ReadOnlyAccess"], "policies", ("AmazonS3ReadOnlyAccess",)),
    "inlinePolicies": ({"bucket": BUCKET}, "inline", None),
    "subjects": (
        [{"cluster": "green", "namespace": "a", "serviceAccountPattern": "job-*"}],
        "subjects",
        ("green:a/job-*",),
    ),
    "trustStatements": (
        [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
        "trust_statements",
        None,
    ),
    "audience": ("aud", "audience", "aud"),
    "tokenExpiration": (3600, "token_expiration", 3600),
    "automountServiceAccountToken": (False, "automount_token", False),
    "stsRegionalEndpoints": (False, "sts_regional_endpoints", False),
    "roleOnly": (True, "role_only", True),
    "exact": (True, "exact", True),
}


def test_every_key_of_the_schema_reaches_the_binding(tmp_path: Path) -> None:
    found: set[str] = set()

    def specs(schema: Any) -> None:
        if isinstance(schema, dict):
            if "roleName" in schema.get("properties", {}):
                found.update(schema["properties"])
            for value in schema.values():
                specs(value)
        elif isinstance(schema, list):
            for value in schema:
                specs(value)

    specs(irsa.manifest_schema())
    assert found == set(SPEC)
    for key, (value, field, wanted) in SPEC.items():
        document = {
            "apiVersion": "irsa.gen3.org/v1alpha1",
            "kind": "IrsaBinding",
            "metadata": {"name": "worker", "namespace": "jobs", **(accounts := {} if key == "roleOnly" else ACCOUNT)},
            "spec": {key: value},
        }
        path = tmp_path / "one.json"
        path.write_text(json.dumps(document))
        [binding] = irsa.load_manifest(path)
        if wanted is None:
            wanted = tuple(value) if isinstance(value, list) else value
        assert getattr(binding, field) == wanted, key
        assert (binding.namespace, binding.service_account) == ("jobs", "worker")
        settings: dict[str, Any] = {**accounts, field: wanted}
        assert binding == irsa.Binding("jobs", "worker", **settings)


def test_files_and_folders_are_read_and_applied(tmp_path: Path, client: irsa.Client) -> None:
    (tmp_path / "a.yaml").write_text(manifest("one", "two", spec="{inlinePolicies: {bucket: {file: sub/bucket.json}}}"))
    (tmp_path / "b.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": []}))
    (tmp_path / "notes.txt").write_text("no manifest")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "bucket.json").write_text(json.dumps(BUCKET))
    (tmp_path / "more.yaml").write_text(manifest("three"))
    loaded = irsa.load_manifest(str(tmp_path))
    assert [binding.service_account for binding in loaded] == ["one", "two", "three"]
    assert loaded[0].inline == {"bucket": BUCKET} and loaded[0].cluster is None
    assert loaded.origins[0] == f"{tmp_path / 'a.yaml'}:3:18"
    assert (len(loaded), loaded[-1], loaded.region, loaded.warnings) == (3, loaded.bindings[2], None, ())
    assert irsa.load_manifest(tmp_path / "a.yaml", tmp_path / "more.yaml") == loaded
    assert irsa.Manifest.from_dict(loaded.to_dict()) == loaded == pickle.loads(pickle.dumps(loaded))
    with pytest.raises(IndexError):
        loaded[3]
    assert client.plan_all(loaded).changed and accounts(client) == []
    client.apply_all(loaded).raise_for_failures()
    assert accounts(client) == ["one", "three", "two"]
    assert not asyncio.run(client.plan_all_async(loaded)).changed


def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, client: irsa.Client) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(manifest("one", spec="{polices: []}"))
    with pytest.raises(irsa.InvalidInputError, match=r"a\.yaml:4:\d+: key \"polices\" is not known") as raised:
        irsa.load_manifest(path)
    assert raised.value.hint == "did you mean policies?"
    path.write_text(manifest("one", "one", spec="{tags: {a: b}}").replace("a: b", "a: c", 1))
    twice = irsa.load_manifest(path)
    with pytest.raises(irsa.InvalidInputError, match=r"a\.yaml:8:18: .*the other is at .*a\.yaml:3:18"):
        client.apply_all(twice)
    for missing in (tmp_path / "nothing.yaml", tmp_path / "-", "-"):
        with pytest.raises(irsa.InvalidInputError, match="there is no such file"):
            irsa.load_manifest(missing)
    (tmp_path / "empty").mkdir()
    with pytest.raises(irsa.InvalidInputError, match="holds no"):
        irsa.load_manifest(tmp_path / "empty")
    with pytest.raises(TypeError, match="at least one path is needed"):
        irsa.load_manifest()
    with pytest.raises(TypeError, match=r"paths\[1\]: must be a path, not int"):
        irsa.load_manifest(path, 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bindings: must be a list, not str"):
        client.apply_all("a.yaml")  # type: ignore[arg-type]
    broken = {**irsa.load_manifest(path).to_dict(), "origins": []}
    with pytest.raises(irsa.InvalidInputError, match="origins"):
        irsa.Manifest.from_dict(broken)


CONFIG = """
apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: {name: sandbox, region: us-east-1}
iam:
  withOIDC: true
  serviceAccounts:
  - metadata: {name: reader, namespace: default}
    attachPolicyARNs: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
  - metadata: {name: attached, namespace: default}
    attachRoleARN: arn:aws:iam::123456789012:role/mine
"""


def test_a_cluster_config_keeps_what_it_says_of_roles(
    tmp_path: Path, client: irsa.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    path = tmp_path / "cluster.yaml"
    path.write_text(CONFIG)
    loaded = irsa.load_manifest(path)
    assert (loaded.region, [binding.cluster for binding in loaded]) == ("us-east-1", ["sandbox", "sandbox"])
    report = client.apply_all(loaded, adopt=True)
    made, attached = report.bindings
    assert (made.outcome, attached.outcome) == ("done", "failed")
    assert attached.error is not None and "mine" in attached.error.message
    # A slice knows it too; single bindings do not.
    assert client.plan_all(loaded[1:], adopt=True).failed
    assert not client.plan_all(list(loaded)[1:]).failed
    assert loaded[1:].origins == loaded.origins[1:] and len(loaded[::-1]) == 2
    with pytest.raises(irsa.InvalidInputError, match="region eu-west-1 contradicts region us-east-1"):
        irsa.Client("sandbox", region="eu-west-1", issuer="https://i.example", account="123456789012").plan_all(
            irsa.load_manifest(path)
        )


def test_a_region_that_contradicts_is_refused_before_credentials_are_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(CONFIG)

    def client(region: str) -> irsa.Client:
        issuer, account = "https://i.example", "123456789012"
        return irsa.Client("sandbox", region=region, issuer=issuer, account=account, profile="no-such-profile")

    with pytest.raises(irsa.InvalidInputError, match="region eu-west-1 contradicts region us-east-1"):
        client("eu-west-1").plan_all(irsa.load_manifest(path))
    with pytest.raises(irsa.InvalidInputError, match="no-such-profile"):
        client("us-east-1").plan_all(irsa.load_manifest(path))
    with pytest.raises(irsa.InvalidInputError, match="region us-east-1 contradicts the cluster's ARN"):
        irsa.Client("arn:aws:eks:eu-west-1:123456789012:cluster/demo", region="us-east-1", profile="no-such-profile")


def test_policies_that_eksctl_wrote_are_replaced_in_place(tmp_path: Path) -> None:
    client = irsa.Client.sandbox(tmp_path / "sandbox.json")
    stack = "eksctl-sandbox-addon-iamserviceaccount-default-external-dns"
    written = f"{stack}-PolicyExternalDNSChangeSet"
    client.apply(irsa.Binding("default", "external-dns", inline={written: BUCKET, f"{stack}-Other": BUCKET}))
    path = tmp_path / "cluster.yaml"
    entry = "{metadata: {name: external-dns}, wellKnownPolicies: {externalDNS: true}}"
    path.write_text(CONFIG[: CONFIG.index("  - metadata")] + f"  - {entry}\n")
    loaded = irsa.load_manifest(path)
    for _ in range(2):
        assert not client.apply_all(irsa.Manifest.from_dict(loaded.to_dict())).failed
        assert set(client.get("default", "external-dns").inline_policies) == {written, f"{stack}-Other"}
    assert not client.plan_all(loaded).changed
    # A binding alone does not know what eksctl called its policies.
    assert client.plan_all(list(loaded)).changed


def test_prune_removes_what_the_applyset_no_longer_declares(client: irsa.Client) -> None:
    all_three = [irsa.Binding("default", name, policies=["AmazonS3ReadOnlyAccess"]) for name in ("a", "b", "c")]
    client.apply_all(all_three, applyset="prod").raise_for_failures()
    client.apply(irsa.Binding("default", "other"))
    client.apply_all([irsa.Binding("default", "staging")], applyset="staging")
    assert client.prune(all_three, "prod").bindings == ()
    planned = client.prune(all_three[:2], "prod", dry_run=True)
    assert [(entry.binding, entry.outcome, entry.removal) for entry in planned.bindings] == [
        ("default/c", "planned", True)
    ]
    assert len(accounts(client)) == 5
    removed = client.prune(all_three[:2], "prod")
    assert [(entry.binding, entry.outcome, entry.removal) for entry in removed.bindings] == [
        ("default/c", "done", True)
    ]
    assert accounts(client) == ["a", "b", "other", "staging"]
    both = client.apply_all([all_three[0], irsa.Binding("default", "d")], applyset="prod", prune=True)
    assert [(entry.binding, entry.removal) for entry in both.bindings] == [
        ("default/a", False),
        ("default/d", False),
        ("default/b", True),
    ]
    assert accounts(client) == ["a", "d", "other", "staging"]
    assert irsa.FleetReport.from_dict(both.to_dict()) == both
    assert asyncio.run(client.prune_async(all_three[:1], "prod")).changed
    assert client.plan_all(all_three[:1], applyset="prod", prune=True).bindings[-1].binding == "default/a"


def test_a_prune_of_much_must_be_confirmed(client: irsa.Client) -> None:
    many = [irsa.Binding("default", f"sa-{n}") for n in range(12)]
    client.apply_all(many, applyset="prod", writes_per_second=0).raise_for_failures()
    with pytest.raises(irsa.ConflictError, match="11 bindings would be removed, more than 10") as raised:
        client.prune(many[:1], "prod")
    assert raised.value.hint is not None and "confirm_prune=True" in raised.value.hint
    assert len(accounts(client)) == 12
    assert len(client.prune(many[:1], "prod", dry_run=True).bindings) == 11
    client.prune(many[:1], "prod", confirm_prune=True, writes_per_second=0).raise_for_failures()
    assert accounts(client) == ["sa-0"]


def test_a_prune_that_would_remove_everything_is_refused(client: irsa.Client) -> None:
    client.apply_all([irsa.Binding("default", "a")], applyset="prod")
    with pytest.raises(irsa.InvalidInputError, match="nothing is declared"):
        client.prune([], "prod")
    with pytest.raises(irsa.InvalidInputError, match="prune: needs applyset"):
        client.apply_all([irsa.Binding("default", "b")], prune=True)
    with pytest.raises(irsa.InvalidInputError, match="set"):
        client.apply_all([irsa.Binding("default", "b")], applyset="")
    with pytest.raises(TypeError, match="applyset: must be a str, not int"):
        client.prune([irsa.Binding("default", "b")], 5)  # type: ignore[arg-type]
    assert accounts(client) == ["a"]


def test_an_export_plans_to_no_change_and_is_read_again(tmp_path: Path, client: irsa.Client) -> None:
    client.apply(irsa.Binding("default", "a", policies=["AmazonS3ReadOnlyAccess"], inline={"bucket": BUCKET}))
    client.apply(irsa.Binding("default", "b", subjects=["default/job-*"]))
    export = client.export()
    assert [item["metadata"]["name"] for item in export.manifests] == ["a", "b"]
    assert export.bindings[0].inline == {"bucket": BUCKET}
    assert not client.plan_all(export.bindings).changed
    path = tmp_path / "bindings.yaml"
    path.write_text(export.to_yaml())
    loaded = irsa.load_manifest(path)
    assert loaded.bindings == export.bindings
    assert not client.plan_all(loaded).changed
    assert irsa.Export.from_dict(export.to_dict()) == export == asyncio.run(client.export_async())
    assert client.export("kube-system").manifests == ()
    shutil.copy(path, tmp_path / "copy.yaml")
    with pytest.raises(irsa.InvalidInputError, match=r"copy\.yaml"):
        client.plan_all(irsa.load_manifest(tmp_path))


def test_the_schema_is_that_of_the_manifest() -> None:
    schema = irsa.manifest_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema == irsa.manifest_schema() and schema is not irsa.manifest_schema()
