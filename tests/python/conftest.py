"""What the tests of the Python module share. They run on the installed wheel."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

# The tests on real servers are run when a test bed is up; tests/run has a stage of their own.
collect_ignore = [] if os.environ.get("IRSA_TESTBED") else ["bed"]

ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/A"
ACCOUNT = "123456789012"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"


def pytest_configure() -> None:
    """A job in the background of a shell ignores Ctrl-C, and then Python does too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def trust(condition: dict[str, Any] | None = None, **statement: Any) -> dict[str, Any]:
    """A trust policy of one statement about the tokens of ISSUER."""
    whole = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        **({"Condition": condition} if condition else {}),
        **statement,
    }
    return {"Version": "2012-10-17", "Statement": [whole]}


def exactly(*subjects: str) -> dict[str, Any]:
    """A trust policy that lets in these service accounts, NAMESPACE/NAME, and nobody else."""
    names = [f"system:serviceaccount:{subject.replace('/', ':')}" for subject in subjects]
    return trust({"StringEquals": {f"{ISSUER}:sub": names, f"{ISSUER}:aud": "sts.amazonaws.com"}})


@pytest.fixture(autouse=True)
def sealed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Nothing of the caller's surroundings decides what a test sees."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "IRSA_CLUSTER", "KUBECONFIG"))]:
        monkeypatch.delenv(name)
    # No address outside of this machine is asked for credentials.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
