"""What admission webhooks and policies of the cluster do to a binding, told by a sandbox's file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

import irsa

ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/A"
ROLE_ARN = "eks.amazonaws.com/role-arn"


def client(folder: Path, **admission: Any) -> irsa.Client:
    """A sandbox whose cluster has these webhooks and policies."""
    cluster = {"issuer": ISSUER, "admission": admission}
    state = {"providers": {ISSUER: {"audiences": ["sts.amazonaws.com"]}}, "clusters": {"sandbox": cluster}}
    path = folder / "state.json"
    path.write_text(json.dumps(state))
    return irsa.Client.sandbox(str(path))


def binding(**settings: Any) -> irsa.Binding:
    return irsa.Binding("default", "worker", policies=["AmazonS3ReadOnlyAccess"], **settings)


def test_what_a_webhook_changes_is_a_conflict_before_the_first_write(tmp_path: Path) -> None:
    changed = client(tmp_path, strip={"annotations": {ROLE_ARN: None}})
    before = (tmp_path / "state.json").read_text()
    for call in (changed.plan, changed.apply):
        with pytest.raises(irsa.ConflictError, match="cannot be written as it is asked for") as raised:
            call(binding())
        assert f"no annotation {ROLE_ARN} instead of" in str(raised.value)
        assert raised.value.report is None
    assert (tmp_path / "state.json").read_text() == before


def test_a_policy_that_demands_no_automount_is_met_by_the_setting(tmp_path: Path) -> None:
    strict = client(tmp_path, demand={"demand_automount_token": False})
    with pytest.raises(irsa.ConflictError, match="automountServiceAccountToken must be false"):
        strict.plan(binding())
    assert strict.apply(binding(automount_token=False)).changed
    assert strict.get("default", "worker").automount_token is False
    assert not strict.apply(binding()).changed, "what is not named stays"
    with pytest.raises(irsa.ConflictError):
        strict.update("default", "worker", automount_token=True)


def test_warnings_of_the_api_server_are_in_the_report_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warning = client(tmp_path, careful={"warn": "mind the gap"})
    caplog.set_level(logging.WARNING, "irsa")
    report = warning.apply(binding())
    message = (
        "API server: Validation failed for ValidatingAdmissionPolicy 'careful' with binding 'careful': mind the gap"
    )
    assert [(found.id, found.message) for found in report.warnings] == [("api-server", message)]
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == 1 and logged[0].startswith(message), logged
