"""The module on a moto server and a real API server: what it does there, read back without it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import kubernetes
import pytest

import irsa

S3 = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
ROLE_ARN = "eks.amazonaws.com/role-arn"


def iam() -> Any:
    return boto3.client("iam")


def test_a_binding_is_made_found_changed_and_undone(namespace: str, server: Any, bed: Any) -> None:
    client = irsa.Client("demo")
    binding = irsa.Binding(namespace, "app", policies=["AmazonS3ReadOnlyAccess"], tags={"team": "data"})
    plan = client.plan(binding)
    assert plan.changed
    assert server.account(namespace, "app") is None
    report = client.apply(binding)
    assert report.role_arn == f"arn:aws:iam::{bed['account']}:role/demo-{namespace}-app"
    assert server.account(namespace, "app")["metadata"]["annotations"][ROLE_ARN] == report.role_arn
    role = iam().get_role(RoleName=report.role_name)["Role"]
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    issuer = bed["clusters"]["demo"]["issuer"][len("https://") :]
    test = statement["Condition"]["StringEquals"]
    assert test[f"{issuer}:sub"] == f"system:serviceaccount:{namespace}:app"
    attached = iam().list_attached_role_policies(RoleName=report.role_name)["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [S3]
    assert not client.apply(binding).changed
    assert client.get(namespace, "app").state == "ok"
    assert [view.service_account for view in client.list(namespace)] == ["app"]
    assert client.update(namespace, "app", add_subjects=[f"{namespace}/second"]).changed
    assert server.account(namespace, "second")["metadata"]["annotations"][ROLE_ARN] == report.role_arn
    assert client.who_can(str(report.role_name)).subjects
    for name in ("second", "app"):
        assert client.delete(namespace, name).changed
        assert server.account(namespace, name) is None
    with pytest.raises(irsa.NotFoundError):
        client.get(namespace, "app")


def test_boto3_clients_and_the_api_server_work_together(namespace: str, server: Any) -> None:
    client = irsa.Client("demo", iam=iam(), eks=boto3.client("eks"))
    report = client.apply(irsa.Binding(namespace, "app", policies=[S3]))
    assert server.account(namespace, "app")["metadata"]["annotations"][ROLE_ARN] == report.role_arn
    assert iam().get_role(RoleName=report.role_name)["Role"]["Arn"] == report.role_arn
    assert client.get(namespace, "app").state == "ok"
    assert not irsa.Client("demo").apply(irsa.Binding(namespace, "app", policies=[S3])).changed


def test_a_session_gives_credentials_and_region(namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    session = boto3.Session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret", region_name="us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    client = irsa.Client("demo", session=session)
    assert client.apply(irsa.Binding(namespace, "app")).changed


def test_what_the_servers_refuse_has_its_class_and_code(namespace: str, bed: Any) -> None:
    with pytest.raises(irsa.NotFoundError, match="missing"):
        irsa.Client("demo").apply(irsa.Binding("missing", "app"))
    with pytest.raises(irsa.NotFoundError) as unknown:
        irsa.Client("demo").apply(irsa.Binding(namespace, "app", policies=[S3 + "X"]))
    assert unknown.value.response["Error"]["Code"] == "NoSuchEntity"
    weak = irsa.Client("demo", kubeconfig=bed["kubeconfig"]["weak"])
    with pytest.raises(irsa.AccessDeniedError):
        weak.apply(irsa.Binding(namespace, "app"))
    with pytest.raises(irsa.NotFoundError):
        irsa.Client("demo").get(namespace, "app")
    with pytest.raises(irsa.NotFoundError, match="cluster other does not exist"):
        irsa.Client("other").list()
    with pytest.raises(irsa.UnavailableError):
        irsa.Client("demo", endpoint_url="http://127.0.0.1:1", timeout=20).provider()


def test_tasks_and_threads_share_a_client(namespace: str) -> None:
    client = irsa.Client("demo")

    async def walk() -> None:
        made = [client.apply_async(irsa.Binding(namespace, f"task-{n}", policies=[S3])) for n in range(6)]
        assert all(report.changed for report in await asyncio.gather(*made))

    asyncio.run(walk())
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            assert not client.apply(irsa.Binding(namespace, f"task-{number}", policies=[S3])).changed
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(client.list(namespace)) == 6


def in_child(client: irsa.Client, namespace: str) -> None:
    os._exit(0 if client.apply(irsa.Binding(namespace, "child", policies=[S3])).changed else 1)


@pytest.mark.skipif(sys.platform == "win32", reason="no fork here")
def test_a_client_goes_on_after_a_fork(namespace: str, server: Any) -> None:
    client = irsa.Client("demo")
    client.apply(irsa.Binding(namespace, "parent", policies=[S3]))
    child = multiprocessing.get_context("fork").Process(target=in_child, args=(client, namespace))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert server.account(namespace, "child")
    assert not client.apply(irsa.Binding(namespace, "child", policies=[S3])).changed


def api_client(bed: Any, token: str = "admin") -> Any:
    configuration = kubernetes.client.Configuration(host=bed["clusters"]["demo"]["server"])
    configuration.ssl_ca_cert = bed["clusters"]["demo"]["ca"]
    configuration.api_key = {"authorization": f"Bearer {bed['tokens'][token]}"}
    return kubernetes.client.ApiClient(configuration)


def test_an_api_client_reaches_the_api_server(
    namespace: str, server: Any, bed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/dev/null/kubeconfig")
    client = irsa.Client("demo", kubernetes=api_client(bed))
    binding = irsa.Binding(namespace, "app", policies=[S3], labels={"app": "x"})
    report = client.apply(binding)
    assert report.warnings == ()
    made = server.account(namespace, "app")["metadata"]
    assert (made["annotations"][ROLE_ARN], made["labels"]) == (report.role_arn, {"app": "x"})
    assert [entry["manager"] for entry in made["managedFields"]] == ["irsa"]
    assert not client.apply(binding).changed
    assert [view.service_account for view in client.list(namespace)] == ["app"]
    assert client.update(namespace, "app", add_subjects=[f"{namespace}/second"]).changed
    assert client.update(namespace, "app", remove_subjects=[f"{namespace}/second"]).changed
    assert server.account(namespace, "second") is None
    assert client.delete(namespace, "app").changed
    assert server.account(namespace, "app") is None
    with pytest.raises(irsa.NotFoundError, match="missing"):
        client.apply(irsa.Binding("missing", "app"))
    made_here = f"{namespace}-new"
    assert client.apply(irsa.Binding(made_here, "app", policies=[S3]), create_namespace=True).changed
    with pytest.raises(irsa.AccessDeniedError):
        irsa.Client("demo", kubernetes=api_client(bed, "weak")).apply(binding)


def test_a_manifest_is_applied_exported_and_pruned(namespace: str, server: Any, tmp_path: Path) -> None:
    path = tmp_path / "bindings.yaml"
    head = "apiVersion: irsa.gen3.org/v1alpha1\nkind: IrsaBinding\n"
    documents = [f"{head}metadata: {{name: {name}, namespace: {namespace}}}\n" for name in ("one", "two")]
    path.write_text("---\n".join(documents))
    client = irsa.Client("demo")
    client.apply_all(irsa.load_manifest(path), applyset=namespace).raise_for_failures()
    assert [binding.service_account for binding in client.export(namespace).bindings] == ["one", "two"]
    assert not client.plan_all(client.export(namespace).bindings).changed
    path.write_text(documents[0])
    removed = client.prune(irsa.load_manifest(path), namespace)
    assert [(entry.binding, entry.outcome) for entry in removed.bindings] == [(f"{namespace}/two", "done")]
    assert server.account(namespace, "one") and server.account(namespace, "two") is None
