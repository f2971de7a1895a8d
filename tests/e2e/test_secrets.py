"""Nothing secret is told: credentials and tokens are planted everywhere, and looked for in all that comes out."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Bed, Irsa
from readback import S3, SQS, Seen, deny

PLANTED = {
    "AWS_SECRET_ACCESS_KEY": "plantedSecretKey0123456789abcdefABCDEFgh",
    "AWS_SESSION_TOKEN": "plantedSessionToken0123456789abcdefABCDEF",
}
LEVELS = ([], ["-v"], ["-vv"], ["-vvv"])


@pytest.fixture
def loud(bed: Bed, irsa: Irsa) -> Any:
    """Runs a line at every level and in both forms; gives all that came out of it."""

    def run(*line: str, **env: str | None) -> str:
        told = ""
        for level in LEVELS:
            for form in ([], ["-o", "json"]):
                ran = irsa(*line, *level, *form, env={**PLANTED, **env})
                told += ran.stdout + ran.stderr
        return told

    return run


def secrets(bed: Bed) -> list[str]:
    """What must be nowhere: also in base64, as a presigned URL has it, and any bearer of EKS."""
    planted = [*PLANTED.values(), *bed["tokens"].values()]
    encoded = [base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=") for secret in PLANTED.values()]
    return [*planted, *encoded, "k8s-aws-v1.", "X-Amz-Signature=", "Bearer ey", "BEGIN PRIVATE KEY"]


def silent(bed: Bed, told: str) -> None:
    """Nothing of it is told."""
    found = [secret[:24] for secret in secrets(bed) if secret in told]
    assert not found, found
    assert told


def test_all_goes_well(bed: Bed, loud: Any, seen: Seen) -> None:
    silent(bed, loud("create", seen.place, "-p", S3))
    silent(bed, loud("update", seen.place, "--add-policy", SQS))
    for line in (["get", seen.place], ["list"], ["provider", "show"], ["trust", "who-can", seen.role]):
        silent(bed, loud(*line))
    silent(bed, loud("delete", seen.place))


def test_through_eks(bed: Bed, irsa: Irsa, loud: Any, seen: Seen) -> None:
    silent(bed, loud("create", seen.place, "-p", S3, "--cluster", "demo", **irsa.without_kubeconfig()))
    fault = {"status": 403, "code": "Forbidden", "message": "no", "times": 0}
    for front in ("demo", "demo-eks"):
        bed.fail(front=front, **fault)
    silent(bed, loud("get", seen.place, "--cluster", "demo", **irsa.without_kubeconfig()))


def test_all_goes_wrong(bed: Bed, loud: Any, seen: Seen) -> None:
    for fault in deny("AttachRolePolicy", "DeleteRole"):
        bed.fail(**fault)
    silent(bed, loud("create", seen.place, "-p", S3))
    bed.reset()
    bed.fail(status=403, code="InvalidClientTokenId", message="not you", times=0)
    silent(bed, loud("create", seen.place, "-p", S3))
    bed.reset()
    bed.fail(drop=True, times=0)
    silent(bed, loud("get", seen.place))


def test_kubeconfig(bed: Bed, irsa: Irsa, loud: Any, seen: Seen, tmp_path: Path) -> None:
    """Tokens and passwords of a kubeconfig, also of one that is broken."""
    path = bed.kubeconfig(tmp_path / "planted", token=PLANTED["AWS_SESSION_TOKEN"])
    silent(bed, loud("create", seen.place, "-p", S3, "--kubeconfig", str(path)))
    config = json.loads(path.read_text())
    key = base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nplanted\n").decode()
    for user in (
        {"username": "u", "password": PLANTED["AWS_SESSION_TOKEN"]},
        {"token": PLANTED["AWS_SESSION_TOKEN"] + "\n\x01"},
        {"client-key-data": key, "client-certificate-data": key},
        {
            "exec": {
                "apiVersion": "x",
                "command": "false",
                "env": [{"name": "S", "value": PLANTED["AWS_SESSION_TOKEN"]}],
            }
        },
    ):
        config["users"][0]["user"] = user
        path.write_text(json.dumps(config))
        silent(bed, loud("create", seen.place, "-p", S3, "--kubeconfig", str(path)))
    path.write_text(path.read_text() + PLANTED["AWS_SESSION_TOKEN"])
    silent(bed, loud("get", seen.place, "--kubeconfig", str(path)))


def test_files(bed: Bed, irsa: Irsa, loud: Any) -> None:
    """What is kept of the sandbox holds no secret, and is for its owner alone."""
    silent(bed, loud("create", "a", "-p", S3, "--sandbox"))
    kept = [path for path in irsa.home.iterdir() if path.name.startswith("irsa-sandbox")]
    assert kept
    for path in kept:
        assert path.stat().st_mode & 0o777 == 0o600, path
        assert not [secret for secret in secrets(bed) if secret in path.read_text()]
