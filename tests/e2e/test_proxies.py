"""Proxies, as kubectl has them: which ones are used, and what is told when one fails."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import Bed, Irsa
from proxy import Proxy
from readback import S3, Seen

NONE: dict[str, str | None] = dict.fromkeys(
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"]
)


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def kubeconfig(bed: Bed, path: Path, host: str = "", **cluster: Any) -> Path:
    """A kubeconfig for `demo`, where the server may have another host name, with more fields of the cluster."""
    written = bed.kubeconfig(path, token=bed["tokens"]["admin"])
    document = json.loads(written.read_text())
    entry = document["clusters"][0]["cluster"]
    if host:
        entry["server"] = f"https://{host}:{urlsplit(entry['server']).port}"
        entry["tls-server-name"] = "localhost"
    entry.update(cluster)
    written.write_text(json.dumps(document))
    return written


def test_local_servers_need_no_proxy(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """Neither API server nor endpoint of AWS on loopback is looked for behind a proxy that does not exist."""
    dead = f"http://127.0.0.1:{closed_port()}"
    upper, lower = {"HTTPS_PROXY": dead, "HTTP_PROXY": dead}, {"https_proxy": dead, "http_proxy": dead}
    assert irsa("create", seen.place, "-p", S3, "-o", "json", env={**NONE, **upper}).done()["changed"]
    assert irsa("get", seen.place, "-o", "json", env={**NONE, **lower}).done()["state"] == "ok"


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_server_elsewhere_is_reached_through_the_proxy(
    bed: Bed, irsa: Irsa, made: Seen, tmp_path: Path, variable: str
) -> None:
    config = kubeconfig(bed, tmp_path / "config", "api.example")
    get = ("get", made.place, "--kubeconfig", str(config), "--cluster", bed["clusters"]["demo"]["arn"], "-o", "json")
    with Proxy("user", "p@ss/word") as proxy:
        env = {**NONE, variable: proxy.url(credentials="user:p%40ss%2Fword")}
        assert irsa(*get, env=env).done()["state"] == "ok"
        port = urlsplit(bed["clusters"]["demo"]["front"]).port
        assert set(proxy.asked) == {f"CONNECT api.example:{port}"}

        # Each way of leaving the proxy out leads to a name that does not exist.
        for exempt in ["*", "api.example", ".example", f"api.example:{port}", "other, example"]:
            proxy.asked.clear()
            error = irsa(*get, env={**env, "NO_PROXY": exempt}).refused("unavailable")
            assert proxy.asked == [] and "proxy" not in str(error["caused_by"]), error
        assert irsa(*get, env={**env, "NO_PROXY": "api.example:1,10.0.0.0/8,.api.example"}).done()["state"] == "ok"


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_proxy_url_of_a_kubeconfig(bed: Bed, irsa: Irsa, made: Seen, tmp_path: Path, scheme: str) -> None:
    """It is taken whatever the environment says, for a local server too."""
    demo = bed["clusters"]["demo"]
    cert = Path(demo["cert"]) if scheme == "https" else None
    with Proxy("user", "pass", cert=cert) as proxy:
        url = proxy.url(scheme, "user:pass")
        config = kubeconfig(bed, tmp_path / "config", **{"proxy-url": url})
        env = {**NONE, "NO_PROXY": "*", "HTTPS_PROXY": f"http://127.0.0.1:{closed_port()}"}
        get = ("get", made.place, "--kubeconfig", str(config), "-o", "json")
        assert irsa(*get, env=env).done()["state"] == "ok"
        word = "SOCKS" if scheme == "socks5" else "CONNECT"
        assert set(proxy.asked) == {f"{word} {urlsplit(demo['front']).netloc}"}


def check_failure_at_proxy(irsa: Irsa, how: str, host: str, *command: str) -> None:
    """The error names the proxy and the variable that sets it, and never shows the password."""
    with Proxy("user" if how == "credentials" else "", "pass", status=403) as proxy:
        place = f"127.0.0.1:{closed_port() if how == 'closed' else proxy.port}"
        scheme = "socks4" if how == "scheme" else "http"
        env = {**NONE, "HTTPS_PROXY": f"{scheme}://user:hunter22@{place}"}
        ran = irsa(*command, "-o", "json", "-vv", env=env)
    kind, told = {
        "closed": ("unavailable", f"proxy http://{place} cannot be reached: "),
        "refuses": (
            "unavailable",
            f'proxy http://{place} refused to connect to {host} (HTTP 403: "By policy")',
        ),
        "credentials": ("unavailable", f"proxy http://{place} wants other credentials (HTTP 407)"),
        "scheme": ("invalid_input", f'HTTPS_PROXY "socks4://***@{place}": proxies of this scheme are not supported'),
    }[how]
    error = ran.json()["error"]
    assert error["kind"] == kind and any(cause.startswith(told) for cause in error["caused_by"]), ran
    assert "HTTPS_PROXY" in error["hint"] or "NO_PROXY" in error["hint"], ran
    assert "hunter22" not in ran.stdout + ran.stderr, ran


@pytest.mark.parametrize("how", ["closed", "refuses", "credentials", "scheme"])
def test_a_failure_names_the_proxy_and_not_the_password(
    bed: Bed, irsa: Irsa, made: Seen, tmp_path: Path, how: str
) -> None:
    config = kubeconfig(bed, tmp_path / "config", "api.example")
    get = ("get", made.place, "--kubeconfig", str(config), "--cluster", bed["clusters"]["demo"]["arn"])
    port = urlsplit(bed["clusters"]["demo"]["front"]).port
    check_failure_at_proxy(irsa, how, f"api.example:{port}", *get)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_aws_elsewhere_is_reached_through_the_proxy(bed: Bed, irsa: Irsa, made: Seen, scheme: str) -> None:
    demo, port = bed["clusters"]["demo"], urlsplit(bed["aws"]).port
    url = f"http://aws.example:{port}"
    get = ("get", made.place, "--role-only", "--endpoint-url", url, "-o", "json")
    with Proxy("user", "p@ss/word", cert=Path(demo["cert"]) if scheme == "https" else None) as proxy:
        named = proxy.url(scheme, "user:p%40ss%2Fword")
        env = {**NONE, "HTTP_PROXY": named, "AWS_CA_BUNDLE": demo["ca"]}
        assert irsa(*get, env=env).done()["role_name"] == made.role
        place = f"aws.example:{port}"
        assert all(asked == f"SOCKS {place}" or f" http://{place}/" in asked for asked in proxy.asked), proxy.asked
        assert len(proxy.asked) > 0

        # Each way of leaving the proxy out leads to a name that does not exist.
        for exempt in ["*", "aws.example", ".example", place, "other, example"]:
            proxy.asked.clear()
            error = irsa(*get, env={**env, "NO_PROXY": exempt}).refused("unavailable")
            assert proxy.asked == [] and "proxy http" not in str(error["caused_by"]), error


@pytest.mark.parametrize("how", ["closed", "refuses", "credentials", "scheme"])
def test_a_failure_on_the_way_to_aws_names_the_proxy_and_not_the_password(irsa: Irsa, how: str) -> None:
    command = ("list", "--role-only", "--endpoint-url", "https://aws.example")
    check_failure_at_proxy(irsa, how, "aws.example:443", *command)
