"""`--endpoint-url` takes every call, those for credentials too; unusable certificates and profiles say so."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Bed, Irsa

ROLE = "role_arn = arn:aws:iam::123456789012:role/any\n"
BASE = "[profile base]\naws_access_key_id = BASEKEY\naws_secret_access_key = s\n"
NO_KEYS: dict[str, str | None] = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None}


@contextlib.contextmanager
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers nothing and keeps what it is sent."""
    heard: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                heard.append(client.recv(4096))
                client.close()

    threading.Thread(target=listen, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", heard
    server.close()


@pytest.fixture
def config(irsa: Irsa) -> Any:
    """Writes the AWS configuration file; gives the environment that has it, and no credentials of its own."""

    def write(text: str, **more: str) -> dict[str, str | None]:
        path = irsa.home / "aws-config"
        path.write_text(text)
        return {**NO_KEYS, "AWS_CONFIG_FILE": str(path), "AWS_SHARED_CREDENTIALS_FILE": str(irsa.home / "none"), **more}

    return write


@pytest.mark.parametrize(
    ("profile", "actions"),
    [
        (f"[profile p]\n{ROLE}source_profile = base\n{BASE}", ["AssumeRole"]),
        (
            f"[profile p]\n{ROLE}source_profile = q\n[profile q]\n{ROLE}source_profile = base\n{BASE}",
            ["AssumeRole"] * 2,
        ),
        (f"[profile p]\n{ROLE}web_identity_token_file = TOKEN\n", ["AssumeRoleWithWebIdentity"]),
    ],
    ids=["role", "chain", "web-identity"],
)
@pytest.mark.parametrize("setting", ["option", "variable", "profile"])
def test_every_call_goes_to_the_endpoint(
    irsa: Irsa, bed: Bed, config: Any, tmp_path: Path, profile: str, actions: list[str], setting: str
) -> None:
    token = tmp_path / "token"
    token.write_text("a.b.c")
    text, url = profile.replace("TOKEN", str(token)), bed["aws"]
    if setting == "profile":
        text = text.replace("[profile p]\n", f"[profile p]\nendpoint_url = {url}\n")
    with listener() as (elsewhere, heard):
        # Whatever does not go to the endpoint, which is local, goes through this proxy.
        env = config(text, HTTPS_PROXY=elsewhere, HTTP_PROXY=elsewhere)
        env["AWS_ENDPOINT_URL"] = url if setting == "variable" else None
        options = ["--endpoint-url", url] if setting == "option" else []
        ran = irsa("list", "--role-only", "--profile", "p", *options, "-o", "json", env=env)
        assert heard == [], "a request went elsewhere"
    ran.done()
    asked = [request["action"] for request in bed.log()["requests"] if request["front"] == "aws"]
    assert [action for action in asked if action.startswith("AssumeRole")] == actions


def test_single_sign_on_goes_to_the_endpoint(irsa: Irsa, bed: Bed, config: Any) -> None:
    profile = "sso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\nsso_account_id = 123456789012\n"
    with listener() as (elsewhere, heard):
        env = config(f"[profile p]\n{profile}sso_role_name = r\n", HTTPS_PROXY=elsewhere, HTTP_PROXY=elsewhere)
        ran = irsa("list", "--role-only", "--profile", "p", "--endpoint-url", bed["aws"], "-o", "json", env=env)
        error = ran.refused("access_denied")
        assert error["hint"] == "log in with `aws sso login --profile p`"
        assert heard == []


@pytest.mark.parametrize(
    ("profile", "kind", "code", "words", "hint"),
    [
        (f"{ROLE}source_profile=base\nmfa_serial=arn:m", "access_denied", 1, "MFA device arn:m", "export-credentials"),
        ("credential_process = echo no >&2; exit 3", "access_denied", 1, 'exit status: 3: "no"', "by hand"),
        ("region = us-east-1", "access_denied", 1, "has no credentials", "aws configure --profile p"),
        (f"{ROLE}source_profile = bsae", "invalid_input", 2, 'source_profile "bsae"', "did you mean base?"),
    ],
)
def test_profiles_that_cannot_be_used(
    irsa: Irsa, config: Any, profile: str, kind: str, code: int, words: str, hint: str
) -> None:
    ran = irsa("list", "--role-only", "--profile", "p", "-o", "json", env=config(f"[profile p]\n{profile}\n{BASE}"))
    error = ran.refused(kind, code)
    text = " ".join([error["message"], *error["caused_by"]])
    assert words in text and hint in error["hint"], error
    assert not any(word in ran.stderr for word in ("SdkError", "ProviderError", "ConnectorError", "not enabled")), ran


def test_a_misspelt_profile(irsa: Irsa, config: Any) -> None:
    error = irsa("list", "--profile", "bsae", "-o", "json", env=config(BASE)).refused("invalid_input", 2)
    assert (error["message"], error["hint"]) == ('profile "bsae" does not exist', "did you mean base?")


def test_a_certificate_that_is_not_trusted(irsa: Irsa, bed: Bed, config: Any) -> None:
    # The front of the API server has a certificate of an authority of the bed's own.
    demo = bed["clusters"]["demo"]
    command = ["list", "--role-only", "--region", "us-east-1", "--endpoint-url", demo["server"], "-o", "json"]
    began = time.monotonic()
    error = irsa(*command).refused("unavailable")
    assert time.monotonic() - began < 2, "it is not tried again"
    text = " ".join([error["message"], *error["caused_by"]])
    assert f"the certificate of {demo['server']} is not trusted" in text and "AWS_CA_BUNDLE" in error["hint"], error
    # With the authority, TLS is no obstacle: what answers is not AWS.
    trusted = irsa(*command, env={"AWS_CA_BUNDLE": demo["ca"]}).json()["error"]
    assert "certificate" not in " ".join(trusted["caused_by"]), trusted
    missing = irsa(*command, env={"AWS_CA_BUNDLE": "/nonexistent.pem"}).refused("invalid_input", 2)
    assert "/nonexistent.pem" in " ".join(missing["caused_by"]) and "AWS_CA_BUNDLE" in missing["message"]
    profile = config(f"[profile p]\nca_bundle = /nonexistent.pem\n{BASE}")
    missing = irsa(*command, "--profile", "p", env=profile).refused("invalid_input", 2)
    assert 'ca_bundle of profile "p"' in missing["message"]


@pytest.mark.parametrize("where", ["sandbox", "servers", "tls"])
def test_certificates_of_the_machine_are_read_only_where_they_are_needed(
    irsa: Irsa, bed: Bed, ns: str, tmp_path: Path, where: str
) -> None:
    # A reader of a pipe waits for a writer, and a writer finds out whether there is a reader.
    pipe = tmp_path / "certificates"
    os.mkfifo(pipe)
    command = {
        "sandbox": ["create", "default/worker", "--sandbox=s.json"],
        "servers": ["create", f"{ns}/worker"],
        "tls": ["list", "--role-only", "--region", "us-east-1", "--endpoint-url", bed["clusters"]["demo"]["server"]],
    }[where]
    is_read = False
    with irsa.start(*command, env={"SSL_CERT_FILE": str(pipe)}) as child:
        until = time.monotonic() + 60
        while child.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError):
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
                is_read = True
            time.sleep(0.002)
        child.kill()
    assert is_read == (where == "tls")
    assert (child.returncode == 0) == (where != "tls")


def test_a_missing_right_is_named(irsa: Irsa, bed: Bed) -> None:
    message = "User: u is not authorized to perform: iam:CreateRole on resource: r"
    message += " with an explicit deny in a service control policy"
    bed.fail(action="CreateRole", status=403, code="AccessDenied", message=message)
    error = irsa("create", "default/scp", "-o", "json").refused("access_denied")
    assert "administrators of the organization for iam:CreateRole" in error["hint"], error
    assert "--permissions-boundary" in error["hint"], error


def test_runs_at_once_in_rust_leave_files_to_the_host(irsa: Irsa, ns: str) -> None:
    program = ROOT / "target" / "debug" / "examples" / "at_once"
    limited = f'ulimit -n 256; exec "{program}" demo {ns} 150'
    env = irsa.environment()
    ran = subprocess.run(["bash", "-c", limited], env=env, capture_output=True, text=True, timeout=180, check=False)
    assert (ran.returncode, ran.stdout) == (0, "150 changed\n"), ran
