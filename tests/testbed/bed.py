"""Brings up one bed: moto, etcd, an API server per cluster, the fronts; and writes down where everything is."""

from __future__ import annotations

import json
import os
import secrets
import ssl
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from certs import authority, signing_key
from install import HERE, VENV, server
from processes import serve

AUDIENCE = "sts.amazonaws.com"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
# moto gives all clusters of one region the same issuer: so each stands in a region of its own.
REGIONS = {"demo": "us-east-1", "blue": "us-west-2"}


@dataclass
class Cluster:
    """An EKS cluster, its IAM provider and its API server."""

    name: str
    region: str
    arn: str
    issuer: str
    provider_arn: str
    ca: str = ""
    cert: str = ""
    server: str = ""
    front: str = ""
    eks: str = ""


class Bed:
    """The servers in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokens = {user: secrets.token_hex(16) for user in ("admin", "weak")}

    def up(self) -> dict[str, Any]:
        """Starts everything; gives the facts that `state.json` holds."""
        with ThreadPoolExecutor() as pool:
            etcd = pool.submit(self._etcd)
            moto = self._moto()
            clusters = [self._cluster(moto, name) for name in REGIONS]
            list(pool.map(lambda cluster: self._api_server(cluster, etcd.result()), clusters))
        aws = self._fronts(moto, clusters)
        state = self._state(moto, aws, clusters)
        (self.folder / "state.json").write_text(json.dumps(state, indent=2))
        return state

    def _moto(self) -> str:
        argv = [str(VENV / "bin" / "moto_server"), "-H", "127.0.0.1", "-p"]
        env = {**CREDENTIALS, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
        port = serve(self.folder, "moto", lambda port: [*argv, str(port)], lambda port: _ready(_url(port)), env)
        return _url(port)

    def _etcd(self) -> str:
        def argv(port: int) -> list[str]:
            peer = "http://127.0.0.1:0"
            return [
                str(server("etcd")),
                f"--data-dir={self.folder / 'etcd'}",
                "--unsafe-no-fsync",
                "--log-level=warn",
                f"--listen-client-urls={_url(port)}",
                f"--advertise-client-urls={_url(port)}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
            ]

        return _url(serve(self.folder, "etcd", argv, lambda port: _ready(f"{_url(port)}/health")))

    def _cluster(self, moto: str, name: str) -> Cluster:
        region = REGIONS[name]
        eks, iam, sts = (client(service, region, moto) for service in ("eks", "iam", "sts"))
        account = sts.get_caller_identity()["Account"]
        made = eks.create_cluster(
            name=name, roleArn=f"arn:aws:iam::{account}:role/eks", resourcesVpcConfig={"subnetIds": []}
        )["cluster"]
        issuer = made["identity"]["oidc"]["issuer"]
        provider = iam.create_open_id_connect_provider(Url=issuer, ClientIDList=[AUDIENCE], ThumbprintList=["0" * 40])
        ca, cert = authority(self.folder, name)
        return Cluster(
            name, region, made["arn"], issuer, provider["OpenIDConnectProviderArn"], ca=str(ca), cert=str(cert)
        )

    def _api_server(self, cluster: Cluster, etcd: str) -> None:
        key, users = self.folder / f"{cluster.name}-sa.key", self.folder / "users.csv"
        signing_key(key)
        users.write_text(f'{self.tokens["admin"]},admin,admin,"system:masters"\n{self.tokens["weak"]},weak,weak\n')
        argv = [
            str(server("kube-apiserver")),
            f"--etcd-servers={etcd}",
            f"--etcd-prefix=/{cluster.name}",
            "--bind-address=127.0.0.1",
            # Without these two it looks for another network interface than loopback, which a machine need not have.
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={cluster.cert}",
            f"--tls-private-key-file={cluster.cert}",
            f"--service-account-issuer={cluster.issuer}",
            f"--service-account-jwks-uri={cluster.issuer}/keys",
            f"--service-account-signing-key-file={key}",
            f"--service-account-key-file={key}",
            "--api-audiences=https://kubernetes.default.svc",
            "--authorization-mode=RBAC",
            f"--token-auth-file={users}",
            "--service-cluster-ip-range=10.0.0.0/24",
            # No controller makes the account `default`, which this plug-in would demand for each pod.
            "--disable-admission-plugins=ServiceAccount",
            "--allow-privileged=true",
        ]

        def ready(port: int) -> bool:
            url = _url(port, "https")
            paths = ("readyz", "api/v1/namespaces/default", "api/v1/namespaces/kube-system")
            return all(_ready(f"{url}/{path}", cluster.ca, self.tokens["admin"]) for path in paths)

        port = serve(self.folder, f"apiserver-{cluster.name}", lambda port: [*argv, f"--secure-port={port}"], ready)
        cluster.server = _url(port, "https")

    def _fronts(self, moto: str, clusters: list[Cluster]) -> str:
        fronts: dict[str, Any] = {"aws": {"upstream": moto}}
        for cluster in clusters:
            fronts[cluster.name] = {"upstream": cluster.server, "ca": cluster.ca, "cert": cluster.cert}
            fronts[f"{cluster.name}-eks"] = {
                **fronts[cluster.name],
                "cluster": cluster.name,
                "describes": f"{cluster.region}/{cluster.name}",
                "admin_token": self.tokens["admin"],
            }
        config, ports_file = self.folder / "fronts.json", self.folder / "ports.json"
        known = {CREDENTIALS["AWS_ACCESS_KEY_ID"]: CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
        config.write_text(json.dumps({"fronts": fronts, "secrets": known}))
        argv = [sys.executable, str(HERE / "fronts.py"), str(config), str(ports_file)]
        serve(self.folder, "fronts", lambda _: argv, lambda _: ports_file.is_file())
        ports = json.loads(ports_file.read_text())
        for cluster in clusters:
            cluster.front = _url(ports[cluster.name], "https")
            cluster.eks = _url(ports[f"{cluster.name}-eks"], "https")
        return _url(ports["aws"])

    def _state(self, moto: str, aws: str, clusters: list[Cluster]) -> dict[str, Any]:
        env = {
            "AWS_ENDPOINT_URL": aws,
            **CREDENTIALS,
            "AWS_REGION": REGIONS["demo"],
            "AWS_DEFAULT_REGION": REGIONS["demo"],
            "AWS_EC2_METADATA_DISABLED": "true",
            "KUBECONFIG": str(self.folder / "admin.kubeconfig"),
            "IRSA_TESTBED": str(self.folder / "state.json"),
        }
        demo, blue = clusters
        return {
            "env": env,
            "account": demo.arn.split(":")[4],
            "aws": aws,
            "control": f"{aws}/_control",
            "moto": moto,
            "clusters": {cluster.name: vars(cluster) for cluster in clusters},
            "tokens": self.tokens,
            "kubeconfig": {
                "admin": self._kubeconfig("admin", clusters, demo, self._token("admin")),
                "blue": self._kubeconfig("blue", clusters, blue, self._token("admin")),
                "weak": self._kubeconfig("weak", clusters, demo, self._token("weak")),
                "direct": self._kubeconfig("direct", clusters, demo, self._token("admin"), "server"),
                "exec": self._kubeconfig("exec", [demo], demo, _aws_exec(demo), "eks"),
            },
            "awscli": str(VENV / "bin" / "aws"),
        }

    def _token(self, user: str) -> dict[str, Any]:
        return {"token": self.tokens[user]}

    def _kubeconfig(
        self, name: str, clusters: list[Cluster], current: Cluster, user: dict[str, Any], url: str = "front"
    ) -> str:
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(json.dumps(kubeconfig(clusters, current, user, url), indent=2))
        return str(path)


def kubeconfig(clusters: list[Cluster], current: Cluster, user: dict[str, Any], url: str = "front") -> dict[str, Any]:
    """A kubeconfig (JSON is YAML) as `aws eks update-kubeconfig` names things: all by the cluster's ARN."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current.arn,
        "clusters": [
            {"name": one.arn, "cluster": {"server": vars(one)[url], "certificate-authority": one.ca}}
            for one in clusters
        ],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": one.arn, "context": {"cluster": one.arn, "user": "user"}} for one in clusters],
    }


def client(service: str, region: str, url: str) -> Any:
    """A boto3 client with the bed's credentials."""
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=url,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def _aws_exec(cluster: Cluster) -> dict[str, Any]:
    args = ["--region", cluster.region, "eks", "get-token", "--cluster-name", cluster.name, "--output", "json"]
    # A token is for the real STS, which reads it; only the bed's other calls go to moto.
    env = {**CREDENTIALS, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": str(VENV / "bin" / "aws"),
            "args": args,
            "env": [{"name": name, "value": value} for name, value in env.items()],
            "interactiveMode": "Never",
        }
    }


def _ready(url: str, ca: str | None = None, token: str = "") -> bool:
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
    tls = ssl.create_default_context(cafile=ca) if ca else None
    with _opener(tls).open(request, timeout=5) as response:
        return bool(response.status == 200)


def _opener(tls: ssl.SSLContext | None) -> urllib.request.OpenerDirector:
    # A proxy of the environment has no business with loopback addresses.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))


def _url(port: int, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{port}"


def forget_environment() -> None:
    """Keeps the caller's AWS settings out of our own calls."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
