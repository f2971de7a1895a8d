"""The drop-in for gen3's script iam-serviceaccount, on a real API server and moto: what its callers read and find."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import PROGRAM, ROOT, Bed, Irsa, Ran, unique
from control import depth
from readback import ORIGIN, OWNER, ROLE_ARN, S3, SA, SQS, Seen, actions
from test_permissions import Weak, covered, weak  # noqa: F401

GET = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}


@pytest.fixture
def gen3(irsa: Irsa, seen: Seen) -> Iterator[Gen3]:
    """The drop-in, as on an admin box; roles that are left go."""
    tool = Gen3(irsa, seen)
    yield tool
    for role in tool.roles():
        tool.drop(role)


class Gen3:
    """Runs the drop-in for an environment of its own, whose cluster is `demo`."""

    def __init__(self, irsa: Irsa, seen: Seen) -> None:
        self.irsa, self.seen = irsa, seen
        self.environment = unique("env")
        self.seen.role = f"{self.environment}-{SA}-role"
        self.env: dict[str, str | None] = {"vpc_name": self.environment, "KUBECTL_NAMESPACE": seen.ns}

    def __call__(self, *args: str, env: dict[str, str | None] | None = None) -> Any:
        return self.irsa("iam-serviceaccount", "--cluster", "demo", *args, env={**self.env, **(env or {})})

    def done(self, *args: str, env: dict[str, str | None] | None = None) -> str:
        """What a run printed that must have ended well."""
        ran = self(*args, env=env)
        assert ran.code == 0, ran
        return str(ran.stdout)

    def roles(self) -> list[str]:
        """The roles of the environment."""
        pages = self.seen.iam.get_paginator("list_roles").paginate()
        names = [role["RoleName"] for page in pages for role in page["Roles"]]
        return [name for name in names if name.startswith(self.environment)]

    def drop(self, role: str) -> None:
        """Deletes a role by hand."""
        iam = self.seen.iam
        for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            iam.delete_role_policy(RoleName=role, PolicyName=name)
        iam.delete_role(RoleName=role)

    def script(self, bed: Bed, role: str, copies: dict[str, Any]) -> None:
        """Does what the script did, with its calls."""
        iam, seen = self.seen.iam, self.seen
        host = bed["clusters"]["demo"]["issuer"].removeprefix("https://")
        statement = {
            "Sid": "",
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{bed['account']}:oidc-provider/{host}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com", f"{host}:sub": seen.sub}},
        }
        trust = {"Version": "2012-10-17", "Statement": [statement]}
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        iam.attach_role_policy(RoleName=role, PolicyArn=S3)
        for name, document in copies.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
        seen.core.create_namespaced_service_account(seen.ns, {"metadata": {"name": seen.name}})
        seen.core.patch_namespaced_service_account(
            seen.name, seen.ns, {"metadata": {"annotations": {ROLE_ARN: arn}}}, field_manager="kubectl-annotate"
        )


def test_from_create_to_delete(gen3: Gen3, seen: Seen) -> None:
    (gen3.irsa.home / "bucket.json").write_text(json.dumps(GET))
    assert gen3.done("-c", SA, "-p", "AmazonS3ReadOnlyAccess") == f"{seen.role}\n"
    assert (seen.attached, seen.subs, seen.annotation) == ({S3}, {seen.sub}, seen.arn)
    assert gen3.done("-c", SA, "-p", S3) == f"{seen.role}\n"
    assert gen3.done(f"-u{SA}", "-pbucket.json", "-aa") == ""
    assert gen3.done(f"--update={SA}", f"--policy={SQS}", "--action=u") == ""
    assert gen3.done("-l", SA) == "AmazonS3ReadOnlyAccess\nAmazonSQSReadOnlyAccess\nbucket\n"
    assert seen.inline == {"bucket": GET}
    assert gen3.done("-u", SA, "-p", "bucket.json", "-a", "d") == ""
    assert gen3("-u", SA, "-p", "bucket", "-a", "d").code == 1
    assert gen3.done("--list", SA, "--namepace", seen.ns) == "AmazonS3ReadOnlyAccess\nAmazonSQSReadOnlyAccess\n"
    assert gen3.done("--delete", SA) == ""
    assert seen.nothing()


def test_called_by_the_name_of_the_script(gen3: Gen3, seen: Seen) -> None:
    """A symlink, and the script that runs the program, as `gen3` does with bash."""
    (gen3.irsa.home / "iam-serviceaccount").symlink_to(PROGRAM)
    script = gen3.irsa.home / "iam-serviceaccount.sh"
    script.write_text(f'exec {PROGRAM} iam-serviceaccount "$@"\n')
    for attempt, program in enumerate((["./iam-serviceaccount"], ["bash", str(script)])):
        line = [*program, "-c", f"{SA}-{attempt}", "-p", S3, "--cluster", "demo"]
        ran = run(gen3, line)
        assert (ran.code, ran.stdout) == (0, f"{gen3.environment}-{SA}-{attempt}-role\n"), ran


def run(gen3: Gen3, line: list[str]) -> Ran:
    """Runs a program that is not named irsa."""
    ran = subprocess.run(
        line, cwd=gen3.irsa.home, env=gen3.irsa.environment(gen3.env), capture_output=True, text=True, check=False
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def test_environment_of_the_config_map(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """Nothing but the config map says which environment and cluster it is."""
    seen.core.create_namespaced_config_map(
        seen.ns, {"metadata": {"name": "global"}, "data": {"environment": "demo", "hostname": "x.example"}}
    )
    name = unique("sa")
    bound = Seen(seen.iam, seen.core, seen.ns, name, f"demo-{name}-role")
    env: dict[str, str | None] = {"KUBECTL_NAMESPACE": seen.ns}
    ran = irsa("iam-serviceaccount", "-c", name, "-p", S3, env=env)
    assert (ran.code, ran.stdout) == (0, f"demo-{name}-role\n"), ran
    assert bound.annotation == bound.arn
    reads = [entry for entry in bed.log()["requests"] if "configmaps/global" in entry.get("target", "")]
    assert len(reads) == 1
    assert irsa("iam-serviceaccount", "--delete", name, env=env).code == 0
    assert bound.nothing()
    missing = irsa("iam-serviceaccount", "-c", name, "-p", S3, env={"KUBECTL_NAMESPACE": "kube-system"})
    assert (missing.code, missing.stdout) == (1, ""), missing
    assert "kube-system/global" in missing.stderr and "vpc_name" in missing.stderr


@pytest.mark.parametrize("told", ["variable", "config map"])
def test_depth(bed: Bed, irsa: Irsa, seen: Seen, told: str) -> None:
    """A new binding takes at most four dependent requests, and one more for the config map."""
    env: dict[str, str | None] = {"KUBECTL_NAMESPACE": seen.ns, "vpc_name": "demo" if told == "variable" else None}
    seen.core.create_namespaced_config_map(seen.ns, {"metadata": {"name": "global"}, "data": {"environment": "demo"}})
    name, deep = unique("sa"), []
    for delay in (50, 250, 1000):
        bed.reset()
        bed.delay(delay)
        assert irsa("iam-serviceaccount", "-c", f"{name}-{delay}", "-p", S3, env=env).code == 0
        deep.append(depth(bed.log()["requests"]))
        bed.reset()
        assert irsa("iam-serviceaccount", "--delete", f"{name}-{delay}", env=env).code == 0
        if deep[-1] <= 4 + (told == "config map"):
            break
    assert min(deep) <= 4 + (told == "config map"), deep


def test_role_of_the_script(bed: Bed, gen3: Gen3, seen: Seen) -> None:
    gen3.script(bed, seen.role, {"bucket-1695000000": GET, "bucket-1595000000": {**GET, "Id": "older"}})
    listed = "AmazonS3ReadOnlyAccess\nbucket-1595000000\nbucket-1695000000\n"
    assert gen3.done("-l", SA) == listed
    before = seen.statements
    (gen3.irsa.home / "bucket.json").write_text(json.dumps(GET))
    assert gen3.done("-u", SA, "-p", "bucket.json", "-a", "a") == ""
    assert seen.inline.keys() == {"bucket", "bucket-1595000000"}
    assert (seen.tags[ORIGIN], seen.statements) == ("created", before)
    assert seen.tags[OWNER].endswith(f"/{seen.place}")
    assert gen3.done("-u", SA, "-p", "bucket.json", "-a", "d") == ""
    assert (seen.inline, seen.attached) == ({}, {S3})
    assert gen3.done("--delete", SA) == ""
    assert (seen.found, seen.annotations) == (None, {})


def test_role_of_the_script_is_deleted_at_once(bed: Bed, gen3: Gen3, seen: Seen) -> None:
    gen3.script(bed, seen.role, {"bucket-1695000000": GET})
    assert gen3.done("--delete", SA) == ""
    assert (seen.found, seen.annotations) == (None, {})


def test_policies_of_the_account(bed: Bed, gen3: Gen3, seen: Seen) -> None:
    name = unique("policy")
    arn = seen.iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(GET))["Policy"]["Arn"]
    gen3.done("-c", SA, "-p", name)
    assert seen.attached == {arn}
    gen3.done("-u", SA, "-p", arn, "-a", "d")
    gen3.done("-u", SA, "-p", arn, "-a", "a")
    assert gen3.done("-l", SA) == f"{name}\n"
    gen3.done("--delete", SA)
    seen.iam.delete_policy(PolicyArn=arn)


def test_b5_no_role_is_left(bed: Bed, gen3: Gen3, seen: Seen) -> None:
    bed.fail(action="AttachRolePolicy", status=403, code="AccessDenied", message="no", times=0)
    ran = gen3("-c", SA, "-p", S3)
    assert (ran.code, ran.stdout) == (1, ""), ran
    assert seen.nothing()
    ran = gen3("-c", SA, "-p", S3, "-n", unique("no"))
    assert (ran.code, ran.stdout) == (1, ""), ran
    assert gen3.roles() == []


def test_b24_help_calls_nothing(bed: Bed, irsa: Irsa) -> None:
    env: dict[str, str | None] = {"AWS_ACCESS_KEY_ID": None, "KUBECONFIG": "/nowhere", "PATH": ""}
    ran = irsa("iam-serviceaccount", "-h", env=env)
    assert (ran.code, ran.stderr) == (0, ""), ran
    assert bed.log()["count"] == 0


def test_b27_no_proxy_is_forced(bed: Bed, gen3: Gen3, seen: Seen) -> None:
    """Without variables for it no proxy is used, whatever gen3's other variables say."""
    env: dict[str, str | None] = {"GEN3_NOPROXY": None, "GEN3_HOME": "/cloud-automation", "NO_PROXY": None}
    env |= {"no_proxy": None, "HTTPS_PROXY": None, "https_proxy": None, "HTTP_PROXY": None, "http_proxy": None}
    assert gen3.done("-c", SA, "-p", S3, env=env) == f"{seen.role}\n"
    assert "CreateRole" in actions(bed.log())


def test_exactly_these_rights(bed: Bed, gen3: Gen3, seen: Seen, weak: Weak) -> None:  # noqa: F811
    """`irsa permissions iam-serviceaccount`: with that the drop-in works, the config map included."""
    seen.core.create_namespaced_config_map(
        seen.ns, {"metadata": {"name": "global"}, "data": {"environment": gen3.environment}}
    )
    env: dict[str, str | None] = {"KUBECONFIG": weak.kubeconfig, "vpc_name": None}
    assert gen3("-c", SA, "-p", S3, env=env).code == 1
    asked = ["permissions", "iam-serviceaccount", "-n", seen.ns, "--user", "weak", "-o", "json"]
    cluster = bed["clusters"]["demo"]["arn"]
    needed = gen3.irsa(*asked, "--cluster", cluster, env={"vpc_name": gen3.environment}).done()
    weak.grant(needed["rbac"])
    bed.reset()
    assert gen3.done("-c", SA, "-p", S3, env=env) == f"{seen.role}\n"
    gen3.done("-u", SA, "-p", "AmazonSQSReadOnlyAccess", "-a", "a", env=env)
    gen3.done("-l", SA, env=env)
    gen3.done("--delete", SA, env=env)
    assert seen.nothing()
    covered(bed, needed["iam"])


ROW = re.compile(r"^\| `([a-z-]+)[^|]*\| (.*) \|$", re.MULTILINE)


def test_verbs_of_awsrole(bed: Bed, irsa: Irsa, seen: Seen) -> None:
    """Every command in the README's table does what the verb did."""
    text = (ROOT / "README.md").read_text()
    _, _, table = text.partition("| gen3 awsrole | irsa |\n")
    rows = {verb: re.findall(r"`(irsa [^`]*)`", cells) for verb, cells in ROW.findall(table)}
    assert list(rows) == ["create", "sa-annotate", "attach-policy", "ar-policy", "list", "info"]
    (document,) = re.findall(r"^`(\{.*ec2.*\})`$", text, re.MULTILINE)
    (irsa.home / "ec2.json").write_text(document)
    seen.role = unique("role")

    def do(verb: str, account: str = SA, role: str = seen.role) -> list[Ran]:
        words = {"SA": account, "ROLE": role, "NAMESPACE": seen.ns, "ARN": SQS}
        lines = [[words.get(word, word) for word in line.split()[1:]] for line in rows[verb]]
        # The context of the bed names no namespace.
        named = [line if "-n" in line or line[0] in {"list", "trust"} else [*line, "-n", seen.ns] for line in lines]
        runs = [irsa(*line, "--cluster", "demo") for line in named]
        assert all(ran.code == 0 for ran in runs), runs
        return runs

    (planned,) = do("ar-policy")
    trust = planned.json()["steps"][0]["detail"]["trust_policy"]
    do("create")
    assert seen.found["Path"] == "/gen3_service/" and seen.annotation == seen.arn
    services = [one["Principal"].get("Service") for one in seen.statements]
    assert "ec2.amazonaws.com" in services and trust["Statement"][0] in seen.statements
    do("attach-policy")
    assert seen.attached == {SQS}
    (table_of_all,) = do("list")
    assert seen.role in table_of_all.stdout
    got, who = do("info")
    assert seen.arn in got.stdout and seen.place in who.stdout
    # A role that others made, as terraform did for awsrole.
    other = Seen(seen.iam, seen.core, seen.ns, "other", unique("role"))
    ec2 = {"Version": "2012-10-17", "Statement": [json.loads(document)]}
    seen.iam.create_role(RoleName=other.role, AssumeRolePolicyDocument=json.dumps(ec2), Path="/gen3_service/")
    do("sa-annotate", other.name, other.role)
    assert (other.annotation, other.subs, other.tags[ORIGIN]) == (other.arn, {other.sub}, "adopted")
    irsa("delete", other.place, "--cluster", "demo", "-o", "json").done()
    irsa("delete", seen.place, "--cluster", "demo", "-o", "json").done()
    seen.iam.delete_role(RoleName=other.role)
    assert seen.nothing()
