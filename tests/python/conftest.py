"""What the tests of the Python module share. They run on the installed wheel."""

from __future__ import annotations

from typing import Any

import pytest

ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/A"
ACCOUNT = "123456789012"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"


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
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "KUBECONFIG", "IRSA_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
