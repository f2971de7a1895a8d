"""Reprs: that of a binding is Python that makes it again; those of results show what is in them."""

from __future__ import annotations

from typing import Any

import pytest

import irsa

DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"a": "'\"\n"}}}],
}
# A value for each keyword of a binding that differs from its default.
SETTINGS: dict[str, Any] = {
    "cluster": "demo",
    "role_name": "r",
    "role_path": "/p/",
    "description": 'it\'s a "role"\n',
    "max_session_duration": 7200,
    "permissions_boundary": "arn:aws:iam::123456789012:policy/boundary",
    "tags": {"team": "data", "é": ""},
    "policies": ["AmazonS3ReadOnlyAccess", *(f"policy-{n}" for n in range(12))],
    "inline": {"bucket": DOCUMENT},
    "subjects": ["default/other", "default/job-*"],
    "trust_only_subjects": ["default/quiet"],
    "trust_statements": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
    "audience": "aud",
    "token_expiration": 3600,
    "sts_regional_endpoints": False,
    "automount_token": False,
    "labels": {"app": "x"},
    "annotations": {"note": "y"},
    "role_only": True,
    "exact": True,
}


def again(binding: irsa.Binding) -> irsa.Binding:
    made: irsa.Binding = eval(repr(binding), {"irsa": irsa})
    return made


def test_every_setting_has_a_case() -> None:
    fields = set(irsa.Binding("a", "b").to_dict()) - {"namespace", "service_account"}
    assert fields == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_repr_of_a_binding_shows_what_is_set_and_makes_it_again(name: str) -> None:
    plain = irsa.Binding("default", "worker")
    binding = irsa.Binding("default", "worker", **{name: SETTINGS[name]})
    assert repr(plain) == "irsa.Binding('default', 'worker')"
    assert f", {name}=" in repr(binding)
    assert again(binding) == binding != plain


def test_the_repr_of_a_whole_binding_makes_it_again() -> None:
    settings = {**SETTINGS, "role_only": False}
    binding = irsa.Binding("default", "worker", **settings)
    assert again(binding) == binding
    assert again(irsa.Binding("default", "worker", description="")) == irsa.Binding("default", "worker", description="")


def test_results_show_their_content() -> None:
    client = irsa.Client.sandbox()
    binding = irsa.Binding("default", "worker", inline={"bucket": DOCUMENT})
    plan = client.plan(binding)
    report = client.apply(irsa.Binding("default", "worker"))
    status = client.get("default", "worker")
    assert "irsa.Step(action='create_role', target='sandbox-default-worker', outcome='planned')" in repr(plan)
    assert "irsa.Step(action='create_service_account', target='default/worker', outcome='done')" in repr(report)
    assert "warnings=(irsa.WarningMessage(id='no-policies'" in repr(report)
    assert "state='ok'" in repr(status) and "subjects=('default/worker',)" in repr(status)
    assert repr(client.apply(irsa.Binding("default", "worker"))).startswith(
        "irsa.Report(binding='default/worker', role_name='sandbox-default-worker', changed=False"
    )
    failed = client.apply_all([irsa.Binding("default", "worker", policies=["nothing"])])
    assert "error=irsa.BindingFailure(kind='not_found'" in repr(failed)


def test_a_client_shows_what_it_was_made_with() -> None:
    assert repr(irsa.Client.sandbox()) == "irsa.Client.sandbox()"
    assert repr(irsa.Client.sandbox("s.json", cluster="blue")) == "irsa.Client.sandbox('s.json', cluster='blue')"
    client = irsa.Client("demo", region="eu-west-1", endpoint_url="http://localhost", timeout=5)
    assert repr(client) == "irsa.Client('demo', region='eu-west-1', endpoint_url='http://localhost', timeout=5)"
    with pytest.raises(irsa.InvalidInputError):
        irsa.Client("demo", region="eu-west-1", endpoint_url="http://user:secret@localhost")
