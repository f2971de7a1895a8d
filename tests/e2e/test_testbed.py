"""Proves the bed itself: what the other tests build on is really so."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session
from botocore.signers import RequestSigner
from conftest import Bed, aws, kubernetes, kubernetes_from
from kubernetes import client

PREFIX = "k8s-aws-v1."


def presigned(bed: Bed, cluster: str = "demo", expires: int = 60, secret: str = "testing") -> str:
    """A token as `aws eks get-token` makes it, with botocore alone."""
    region = bed["clusters"][cluster]["region"]
    session = get_session()
    session.set_credentials("testing", secret)
    service, events = session.get_service_model("sts").service_id, session.get_component("event_emitter")
    signer = RequestSigner(service, region, "sts", "v4", session.get_credentials(), events)
    request = {
        "method": "GET",
        "url": f"https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name=region, expires_in=expires, operation_name="")
    return encoded(url)


def encoded(url: str) -> str:
    return PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def decoded(token: str) -> str:
    text = token[len(PREFIX) :]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def claims(token: str) -> Any:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def core_api(bed: Bed, user: str, cluster: str = "demo", url: str = "server") -> Any:
    return client.CoreV1Api(kubernetes(bed, cluster, user, url))


def through_eks(bed: Bed, token: str, cluster: str = "demo") -> str:
    """The name of the namespace `default`, read with this token through the EKS front."""
    return str(core_api(bed, token, cluster, "eks").read_namespace("default").metadata.name)


@pytest.mark.parametrize("cluster", ["demo", "blue"])
def test_issuer_of_api_server_is_that_of_eks(bed: Bed, iam: Any, cluster: str) -> None:
    described = aws(bed, "eks", cluster).describe_cluster(name=cluster)["cluster"]
    issuer = described["identity"]["oidc"]["issuer"]
    api: Any = client.WellKnownApi(kubernetes(bed, cluster, "admin"))
    discovery = json.loads(api.get_service_account_issuer_open_id_configuration(_preload_content=False).data)
    assert discovery["issuer"] == issuer == bed["clusters"][cluster]["issuer"]
    provider = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=bed["clusters"][cluster]["provider_arn"])
    assert provider["ClientIDList"] == ["sts.amazonaws.com"]
    assert provider["Url"] == issuer.removeprefix("https://")


def test_clusters_differ(bed: Bed) -> None:
    demo, blue = bed["clusters"]["demo"], bed["clusters"]["blue"]
    assert all(demo[key] != blue[key] for key in ("issuer", "arn", "region", "server", "provider_arn"))
    assert Path(demo["ca"]).read_text() != Path(blue["ca"]).read_text()


def test_projected_token(bed: Bed, core: Any, ns: str) -> None:
    core.create_namespaced_service_account(ns, {"metadata": {"name": "reader"}})
    asked = {"spec": {"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600}}
    got = claims(core.create_namespaced_service_account_token("reader", ns, asked).status.token)
    assert got["iss"] == bed["clusters"]["demo"]["issuer"]
    assert got["sub"] == f"system:serviceaccount:{ns}:reader"
    assert got["aud"] == ["sts.amazonaws.com"]


def test_weak_user_is_denied(bed: Bed, ns: str) -> None:
    weak = client.CoreV1Api(kubernetes_from(bed["kubeconfig"]["weak"]))
    with pytest.raises(client.ApiException) as denied:
        weak.list_namespaced_service_account(ns)
    assert denied.value.status == 403


def test_weak_user_can_be_given_rights(bed: Bed, rbac: Any, ns: str) -> None:
    rule = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["list"]}
    rbac.create_namespaced_role(ns, {"metadata": {"name": "lister"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "lister"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "lister"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "weak"}],
    }
    rbac.create_namespaced_role_binding(ns, binding)
    weak = core_api(bed, "weak")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:  # the authorizer learns of a binding through a watch
        try:
            assert weak.list_namespaced_service_account(ns).items == []
            return
        except client.ApiException:
            time.sleep(0.05)
    pytest.fail("the binding never took effect")


@pytest.mark.parametrize("name", ["admin", "direct", "blue", "exec"])
def test_kubeconfigs(bed: Bed, name: str) -> None:
    api: Any = client.CoreV1Api(kubernetes_from(bed["kubeconfig"][name]))
    assert api.read_namespace("kube-system").metadata.name == "kube-system"


@pytest.mark.parametrize("cluster", ["demo", "blue"])
def test_eks_front_takes_a_token_of_botocore(bed: Bed, cluster: str) -> None:
    assert through_eks(bed, presigned(bed, cluster), cluster) == "default"


def test_eks_front_takes_a_token_of_the_aws_cli(bed: Bed) -> None:
    env = {**bed["env"], "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    argv = [bed["awscli"], "eks", "get-token", "--cluster-name", "demo", "--output", "json"]
    printed = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
    assert through_eks(bed, json.loads(printed)["status"]["token"]) == "default"


def replaced(old: str, new: str) -> Any:
    return lambda bed: encoded(decoded(presigned(bed)).replace(old, new))


@pytest.mark.parametrize(
    ("token", "why"),
    [
        pytest.param(lambda bed: bed["tokens"]["admin"], "does not start with", id="another-kind"),
        pytest.param(lambda bed: PREFIX + "%%%", "not base64url", id="not-base64"),
        pytest.param(lambda bed: presigned(bed) + "=", "not base64url", id="padding"),
        pytest.param(lambda bed: presigned(bed) + "A" * 4096, "more than 4096", id="too-long"),
        pytest.param(lambda bed: presigned(bed, "blue"), "signature does not match", id="another-cluster"),
        pytest.param(lambda bed: presigned(bed, secret="wrong"), "signature does not match", id="wrong-secret"),
        pytest.param(lambda bed: presigned(bed, expires=901), "X-Amz-Expires", id="expires"),
        pytest.param(replaced("https:", "http:"), "https://", id="http"),
        pytest.param(replaced(".amazonaws.com", ".example.com"), "not a host of STS", id="host"),
        pytest.param(replaced("Action=GetCallerIdentity", "Action=GetSessionToken"), "Action is", id="action"),
        pytest.param(replaced("Version=2011", "X=1&Version=2011"), "unknown parameters", id="unknown-parameter"),
        pytest.param(replaced("Version=2011-06-15&", ""), "missing parameters", id="missing-parameter"),
        pytest.param(replaced("X-Amz-Expires", "Action=GetCallerIdentity&X-Amz-Expires"), "twice", id="duplicate"),
        pytest.param(replaced("%3Bx-k8s-aws-id", ""), "signed headers", id="cluster-not-signed"),
        pytest.param(replaced("X-Amz-Date=2", "X-Amz-Date=1"), "expired", id="old"),
    ],
)
def test_eks_front_refuses(bed: Bed, token: Any, why: str) -> None:
    with pytest.raises(client.ApiException) as refused:
        through_eks(bed, token(bed))
    assert refused.value.status == 401
    assert why in json.loads(str(refused.value.body))["message"]


def test_describe_cluster_names_the_eks_front(bed: Bed) -> None:
    described = aws(bed, "eks", url="aws").describe_cluster(name="demo")["cluster"]
    assert described["endpoint"] == bed["clusters"]["demo"]["eks"]
    assert described["status"] == "ACTIVE"
    ca = Path(bed["clusters"]["demo"]["ca"]).read_bytes()
    assert base64.b64decode(described["certificateAuthority"]["data"]) == ca


def test_describe_cluster_can_be_changed(bed: Bed) -> None:
    front = aws(bed, "eks", url="aws")
    bed.change("demo", status="CREATING", identity=None)
    described = front.describe_cluster(name="demo")["cluster"]
    assert (described["status"], described.get("identity")) == ("CREATING", None)
    bed.reset()
    assert front.describe_cluster(name="demo")["cluster"]["identity"]["oidc"]["issuer"]


def test_delay_counts_and_depth(bed: Bed) -> None:
    iam, api = aws(bed, "iam", url="aws"), core_api(bed, "admin", url="front")
    bed.delay(100)
    began = time.monotonic()
    iam.get_account_summary()
    api.read_namespace("default")
    assert time.monotonic() - began > 0.2
    log = bed.log()
    assert (log["count"], log["depth"]) == (2, 2)
    assert [entry["action"] for entry in log["requests"]] == ["GetAccountSummary", "GET"]
    assert [entry["front"] for entry in log["requests"]] == ["aws", "demo"]


def test_failures(bed: Bed) -> None:
    iam, eks = aws(bed, "iam", url="aws"), aws(bed, "eks", url="aws")
    bed.fail(action="ListRoles", status=403, code="AccessDenied", message="not <you>", times=1)
    with pytest.raises(ClientError) as denied:
        iam.list_roles()
    assert denied.value.response["Error"] == {"Type": "Sender", "Code": "AccessDenied", "Message": "not <you>"}
    assert iam.list_roles()["Roles"] is not None
    bed.fail(action="DescribeCluster", status=403, code="AccessDeniedException", message="no")
    with pytest.raises(ClientError) as denied:
        eks.describe_cluster(name="demo")
    assert denied.value.response["Error"]["Code"] == "AccessDeniedException"


def test_failure_after_the_effect(bed: Bed, iam: Any, ns: str) -> None:
    bed.fail(action="CreateRole", params={"RoleName": ns}, status=400, code="RequestExpired", after=True)
    with pytest.raises(ClientError):
        aws(bed, "iam", url="aws").create_role(RoleName=ns, AssumeRolePolicyDocument="{}")
    assert iam.get_role(RoleName=ns)["Role"]["RoleName"] == ns


def test_failure_of_the_api_server(bed: Bed, ns: str) -> None:
    api = core_api(bed, "admin", url="front")
    bed.fail(front="demo", action="GET", path=f"/namespaces/{ns}", status=403, code="Forbidden", message="no")
    with pytest.raises(client.ApiException) as denied:
        api.read_namespace(ns)
    assert (denied.value.status, json.loads(str(denied.value.body))["reason"]) == (403, "Forbidden")
    assert api.read_namespace(ns).metadata.name == ns
