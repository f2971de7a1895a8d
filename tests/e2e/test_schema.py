"""`irsa schema` and the program agree on what a manifest is: what one refuses by its shape, so does the other."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from conftest import ROOT, Irsa

WHOLE: dict[str, Any] = {
    "apiVersion": "irsa.gen3.org/v1alpha1",
    "kind": "IrsaBinding",
    "metadata": {"name": "worker", "namespace": "jobs", "labels": {"a": "b"}},
    "spec": {
        "cluster": "demo",
        "policies": ["AmazonS3ReadOnlyAccess"],
        "inlinePolicies": {"p": {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}},
        "subjects": [
            {"namespace": "jobs", "serviceAccountPattern": "job-*"},
            {"namespace": "jobs", "serviceAccount": "other", "trustOnly": True},
        ],
        "trustStatements": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
        "maxSessionDuration": 7200,
    },
}


@pytest.fixture
def schema(irsa: Irsa) -> Any:
    return irsa("schema").done()


def test_what_is_right_passes_both(irsa: Irsa, schema: Any, tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    path.write_text(json.dumps(WHOLE))
    jsonschema.validate(WHOLE, schema)
    assert irsa("plan", "-f", str(path), "--sandbox").code != 2
    listed = {"apiVersion": "v1", "kind": "List", "items": [WHOLE]}
    path.write_text(json.dumps(listed))
    jsonschema.validate(listed, schema)
    assert irsa("plan", "-f", str(path), "--sandbox").code != 2
    fleet = (ROOT / "examples" / "gen3-fleet.yaml").read_text()
    documents = [document for document in yaml.safe_load_all(fleet) if document]
    assert documents
    for document in documents:
        jsonschema.validate(document, schema)


WRONG: list[tuple[list[Any], Any]] = [
    (["kind"], "IrsaBindings"),
    (["metadata"], {}),
    (["metadata", "name"], "Worker_1"),
    (["metadata", "name"], "a" * 254),
    (["metadata", "name"], "a..b"),
    (["metadata", "namespace"], "a.b"),
    (["metadata", "namespace"], "a" * 64),
    (["spec", "polices"], []),
    (["spec", "policies"], "AmazonS3ReadOnlyAccess"),
    (["spec", "maxSessionDuration"], 60),
    (["spec", "tokenExpiration"], 60),
    (["spec", "maxSessionDuration"], "3600"),
    (["spec", "stsRegionalEndpoints"], "true"),
    (["spec", "exact"], "true"),
    (["spec", "tags"], {"a": 5}),
    (["metadata", "labels"], {"a": True}),
    (["metadata", "name"], 123),
    (["spec", "subjects", 0, "namespace"], "demo:jobs"),
    (["spec", "roleName"], ""),
    (["spec", "roleName"], "a b"),
    (["spec", "roleName"], "a" * 65),
    (["spec", "rolePath"], "gen3"),
    (["spec", "rolePath"], "/a b/"),
    (["spec", "rolePath"], "/" + "a" * 511 + "/"),
    (["spec", "description"], "a" * 1001),
    (["spec", "permissionsBoundary"], "boundary"),
    (["spec", "audience"], ""),
    (["spec", "audience"], "a b"),
    (["spec", "cluster"], "-x"),
    (["spec", "description"], "\u4e2d"),
    (["spec", "policies"], [""]),
    (["spec", "tags"], {"aws:x": "y"}),
    (["spec", "tags"], {"a*": "y"}),
    (["spec", "tags"], {"a" * 129: "y"}),
    (["metadata", "labels"], {"a b": "c"}),
    (["metadata", "annotations"], {"a/b/c": "d"}),
    (["spec", "inlinePolicies"], {"a b": WHOLE["spec"]["inlinePolicies"]["p"]}),
    (["spec", "permissionsBoundary"], "arn:x"),
    (["spec", "subjects", 0, "serviceAccountPattern"], "JOB-*"),
    (["spec", "exact"], "sometimes"),
    (["spec", "subjects", 0], {"namespace": "jobs"}),
    (["spec", "subjects", 0, "serviceAccount"], "both"),
    (["spec", "subjects", 0, "serviceAccountPattern"], "job"),
    (["spec", "subjects", 1, "serviceAccount"], "*"),
    (["spec", "subjects", 1, "namespace"], "Jobs"),
    (["spec", "trustStatements", 0], "statement"),
    (["spec", "inlinePolicies", "p"], "document"),
]


RIGHT: list[tuple[list[Any], Any]] = [
    (["metadata", "name"], "a" * 253),
    (["metadata", "name"], "a.b-c"),
    (["metadata", "namespace"], "a" * 63),
    (["spec", "roleName"], "a+=,.@-_B9"),
    (["spec", "roleName"], "a" * 64),
    (["spec", "rolePath"], "/"),
    (["spec", "rolePath"], "/a!b/c~/"),
    (["spec", "rolePath"], "/" + "a" * 510 + "/"),
    (["spec", "description"], "a" * 1000),
    (["spec", "description"], ""),
    (["spec", "permissionsBoundary"], "arn:aws:iam::123456789012:policy/boundary"),
    (["spec", "subjects", 0, "serviceAccountPattern"], "*"),
    (["spec", "roleName"], None),
    (["spec", "audience"], "https://a.example/b?c"),
    (["spec", "cluster"], "arn:aws:eks:us-east-1:123456789012:cluster/demo_1"),
    (["spec", "description"], "\t~\u00ff"),
    (["spec", "tags"], {"\u00e9/_.:=+-@ 9": "y"}),
    (["metadata", "labels"], {"a.b/C_9": "c"}),
    (["metadata", "annotations"], None),
    (["metadata", "labels"], None),
    (["metadata", "namespace"], None),
    (["spec"], None),
    (["spec", "tags"], None),
    (["spec", "policies"], None),
    (["spec", "inlinePolicies"], None),
    (["spec", "subjects"], None),
    (["spec", "trustStatements"], None),
    (["spec", "roleOnly"], None),
    (["spec", "exact"], None),
    (["spec", "subjects", 0, "serviceAccount"], None),
    (["spec", "subjects", 1, "trustOnly"], None),
]


@pytest.mark.parametrize(("place", "value"), RIGHT)
def test_what_is_just_right_passes_both(irsa: Irsa, schema: Any, tmp_path: Path, place: list[Any], value: Any) -> None:
    right = copy.deepcopy(WHOLE)
    inside: Any = right
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    jsonschema.validate(right, schema)
    path = tmp_path / "right.json"
    path.write_text(json.dumps(right))
    # Names that would be too long together are cut.
    assert irsa("plan", "-f", str(path), "--sandbox").code != 2


@pytest.mark.parametrize(("place", "value"), WRONG)
def test_what_is_wrong_passes_neither(irsa: Irsa, schema: Any, tmp_path: Path, place: list[Any], value: Any) -> None:
    wrong = copy.deepcopy(WHOLE)
    inside: Any = wrong
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(wrong))
    refused = irsa("plan", "-f", str(path), "--sandbox")
    assert refused.code == 2 and str(path) in refused.stderr, refused
