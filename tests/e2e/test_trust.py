"""`irsa trust`: files without anything around them, and the account and the cluster of the bed."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PROGRAM, ROOT, Bed, Irsa, Ran, unique
from readback import Seen, deny

DOCUMENTS = ROOT / "tests" / "documents"
ID = "0123456789ABCDEF0123456789ABCDEF"
ISSUER = f"https://oidc.eks.us-east-1.amazonaws.com/id/{ID}"
HOST = ISSUER.removeprefix("https://")
WEB = "sts:AssumeRoleWithWebIdentity"
CODES = {"allow": 0, "deny": 1, "unknown": 4}


class Offline:
    """The program with no variable set at all: no credentials, no home, no path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str, stdin: str | bytes = b"") -> Ran:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        command = [str(PROGRAM), "trust", *args]
        ran = subprocess.run(command, env={}, cwd=self.folder, input=data, capture_output=True, check=False, timeout=60)
        return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())

    def write(self, name: str, document: Any, indent: int | None = 2) -> str:
        """Writes a document into the folder; gives its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document, indent=indent))
        return name


@pytest.fixture
def offline(tmp_path: Path) -> Offline:
    """The program with nothing around it."""
    return Offline(tmp_path)


def document(name: str) -> str:
    return str(DOCUMENTS / f"{name}.json")


def allow(condition: Any = None, **more: Any) -> Any:
    """A trust policy for the cluster of the documents."""
    principal = {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{HOST}"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": WEB, **more}
    if condition is not None:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


def of(sub: str) -> Any:
    return {"StringEquals": {f"{HOST}:sub": sub, f"{HOST}:aud": "sts.amazonaws.com"}}


EXPECTED: list[tuple[str, str, str]] = [
    ("eksctl", "default/s3-reader", "allow"),
    ("eksctl", "default/other", "deny"),
    ("eksctl-without-subject", "any/any", "allow"),
    ("terraform-string-like", "crossplane-system/provider-aws-s3", "allow"),
    ("terraform-string-like", "default/provider-aws-s3", "deny"),
    ("cdk", "default/mycluster-sa", "allow"),
    ("crossplane", "crossplane-system/function-x", "allow"),
    ("wildcard-under-equals", "crossplane-system/provider-aws-s3", "deny"),
    ("gen3", "default/my-serviceaccount", "allow"),
    ("gen3-all-values", "qa/fence-sa", "allow"),
    ("gen3-all-values", "qa/arborist", "deny"),
    ("gen3-with-ec2", "default/gitops-sa", "allow"),
    ("irsa-manager", "jobs/app", "allow"),
    ("from-an-office", "default/app", "unknown"),
    ("from-an-office", "default/other", "deny"),
    ("keys-of-another-cluster", "default/app", "deny"),
    ("all-but-another-cluster", "default/app", "allow"),
    ("a-namespace-but-one", "data/etl", "allow"),
    ("a-namespace-but-one", "data/default", "deny"),
]


@pytest.mark.parametrize(("name", "subject", "decision"), EXPECTED)
def test_check_offline(offline: Offline, name: str, subject: str, decision: str) -> None:
    """Issuer and document are enough: the account is that of the document."""
    asked = ("check", "--issuer", ISSUER, "--subject", subject, "--document")
    ran = offline(*asked, document(name), "-o", "json")
    told = ran.json()
    assert (ran.code, told["decision"], ran.stderr) == (CODES[decision], decision, "")
    assert told["reasons"] and bool(told["conditions"]) is (decision == "unknown")
    assert offline(*asked, "-", "-o", "json", stdin=Path(document(name)).read_bytes()).json() == told
    text = offline(*asked, document(name))
    assert (text.code, text.stdout.splitlines()[0]) == (ran.code, decision)


GITHUB = "https://token.actions.githubusercontent.com"
MAIN = "ref:refs/heads/main"
OTHER_ISSUERS: list[tuple[str, str, str, str]] = [
    ("github-and-cluster", GITHUB, f"repo:example/example:{MAIN}", "allow"),
    ("github-and-cluster", GITHUB, f"repo:example-evil/example:{MAIN}", "deny"),
    ("github-no-sub", GITHUB, f"repo:anybody/anything:{MAIN}", "allow"),
    ("github-claims", GITHUB, "repo:example/example:environment:production", "unknown"),
    ("gitlab-no-aud", "https://gitlab.com", "project_path:my-group/app:ref_type:branch:ref:main", "allow"),
    (
        "terraform-cloud",
        "https://app.terraform.io",
        "organization:example:project:platform:workspace:prod-eu:run_phase:apply",
        "allow",
    ),
    ("cognito-no-condition", "https://cognito-identity.amazonaws.com", "us-east-1:any", "allow"),
]


@pytest.mark.parametrize(("name", "issuer", "subject", "decision"), OTHER_ISSUERS)
def test_check_of_other_issuers(offline: Offline, name: str, issuer: str, subject: str, decision: str) -> None:
    """Any subject can be asked about, and the audience is the usual one of the issuer."""
    ran = offline("check", "--issuer", issuer, "--subject", subject, "--document", document(name), "-o", "json")
    assert (ran.code, ran.json()["decision"], ran.stderr) == (CODES[decision], decision, "")


def test_a_subject_of_another_issuer_is_not_one_of_a_cluster(offline: Offline) -> None:
    asked = ("check", "--subject", f"repo:example/example:{MAIN}", "--document", document("github-no-sub"))
    assert "NAMESPACE/NAME" in offline(*asked, "--issuer", ISSUER).stderr


def test_check_depends_on_all_that_is_given(offline: Offline) -> None:
    asked = ("check", "--document", document("eksctl"), "--subject", "default/s3-reader", "-o", "json")
    for more, decision in [
        (["--issuer", ISSUER, "--account", "123456789012"], "allow"),
        (["--issuer", ISSUER, "--audience", "other"], "deny"),
        (["--issuer", ISSUER, "--account", "210987654321"], "deny"),
        (["--issuer", f"{ISSUER[:-1]}0", "--account", "123456789012"], "deny"),
        (["--issuer", ISSUER, "--account", "123456789012", "--partition", "aws-cn"], "deny"),
    ]:
        ran = offline(*asked, *more)
        assert (ran.code, ran.json()["decision"]) == (CODES[decision], decision), more


def test_check_in_another_partition(offline: Offline) -> None:
    issuer = f"https://oidc.eks.cn-north-1.amazonaws.com.cn/id/{ID}"
    asked = ("check", "--document", document("china"), "--issuer", issuer, "--subject", "default/app", "-o", "json")
    assert offline(*asked).json()["decision"] == "allow", "an issuer of EKS tells its partition"
    assert offline(*asked, "--account", "123456789012").json()["decision"] == "allow"
    assert offline(*asked, "--partition", "aws").refused("invalid_input", code=2)["hint"]
    assert offline(*asked, "--partition", "aws", "--account", "123456789012").json()["decision"] == "deny"


FINDINGS: list[tuple[str, dict[str, str]]] = [
    ("eksctl", {}),
    ("cdk", {}),
    ("gen3", {}),
    ("terraform-string-equals", {}),
    ("ordinary-ec2-role", {}),
    ("eksctl-without-subject", {"any-subject": "high"}),
    ("terraform-string-like", {"name-pattern": "info"}),
    ("crossplane", {"no-audience": "medium", "name-pattern": "info"}),
    ("gen3-all-values", {"any-namespace": "high", "name-pattern": "info"}),
    ("gen3-with-ec2", {"mixed-trust": "info"}),
    ("irsa-manager", {"no-audience": "medium"}),
    ("aws-any-account-of-a-cluster", {"any-subject": "high", "no-audience": "medium"}),
    ("wildcard-under-equals", {"admits-nobody": "info"}),
    ("github-no-sub", {"any-subject": "high"}),
    ("github-repo-star", {"any-subject": "high"}),
    ("github-organization-prefix", {"tenant-pattern": "high"}),
    ("github-claims", {}),
    ("gitlab-no-aud", {"no-audience": "medium", "any-project": "low"}),
    ("terraform-cloud", {}),
    ("cognito-no-condition", {"any-subject": "high"}),
    ("cognito-pool", {}),
    ("aws-principal-with-tokens", {"admits-nobody": "info"}),
    ("template-without-subject", {"any-subject": "high", "placeholder": "info"}),
    ("gen3-template", {"placeholder": "info"}),
    ("argo-cd-by-role-arn", {}),
]


@pytest.mark.parametrize(("name", "expected"), FINDINGS)
def test_audit_offline(offline: Offline, name: str, expected: dict[str, str]) -> None:
    ran = offline("audit", "-f", document(name), "-o", "json")
    audit = ran.json()
    assert (ran.code, audit["roles"]) == (0, 1)
    assert {finding["id"]: finding["severity"] for finding in audit["findings"]} == expected
    for finding in audit["findings"]:
        assert finding["message"] and finding["evidence"] and finding["source"] == document(name)
        assert {"id", "severity", "role_arn", "statement", "message", "fix"} <= set(finding)
    ranks = ["info", "low", "medium", "high"]
    worst = max((ranks.index(severity) for severity in expected.values()), default=-1)
    for rank, severity in enumerate(ranks):
        assert offline("audit", "-f", document(name), "--fail-on", severity).code == (1 if worst >= rank else 0)


@pytest.mark.parametrize("name", [name for name, _ in FINDINGS if name.startswith(("github", "gitlab", "cognito"))])
def test_findings_on_other_issuers_are_not_about_clusters(offline: Offline, name: str) -> None:
    ran = offline("audit", "-f", document(name), "--show-fixes")
    for word in ["pod", "service account", "serviceaccount", "namespace"]:
        assert word not in ran.stdout.lower(), ran.stdout
    results = offline("audit", "-f", document(name), "-o", "sarif").json()["runs"][0]["results"]
    assert len(results) == len(offline("audit", "-f", document(name), "-o", "json").json()["findings"])


def test_a_closed_pattern_keeps_its_organization(offline: Offline) -> None:
    (finding,) = offline("audit", "-f", document("github-organization-prefix"), "-o", "json").json()["findings"]
    fixed = offline.write("fixed.json", finding["fix"])
    for subject, code in [
        (f"repo:example/app:{MAIN}", 0),
        (f"repo:example@123456/app@456789:{MAIN}", 0),
        (f"repo:example-evil/app:{MAIN}", 1),
    ]:
        assert offline("check", "--issuer", GITHUB, "--subject", subject, "--document", fixed).code == code, subject


def test_a_repair_lets_in_nobody_new(offline: Offline) -> None:
    """What a finding proposes no longer has it, and lets in nobody whom the old document kept out."""
    subjects = ["default/app", "kube-system/aws-node", "qa/fence-sa", "x/y"]
    for name, _ in FINDINGS:
        for number, finding in enumerate(offline("audit", "-f", document(name), "-o", "json").json()["findings"]):
            if finding["fix"] is None:
                continue
            fixed = offline.write(f"{name}-{number}.json", finding["fix"])
            again = offline("audit", "-f", fixed, "-o", "json").json()["findings"]
            where = (finding["id"], finding["statement"])
            assert where not in {(one["id"], one["statement"]) for one in again}, fixed
            for subject in subjects:
                asked = ("check", "--issuer", ISSUER, "--account", "123456789012", "--subject", subject, "--document")
                if offline(*asked, fixed).code == 0:
                    assert offline(*asked, document(name)).code == 0, (fixed, subject)


def dump(*roles: tuple[str, Any]) -> Any:
    """What `aws iam get-account-authorization-details` prints."""

    def role(name: str, policy: Any) -> Any:
        arn = f"arn:aws:iam::123456789012:role/{name}"
        detail = {"Path": "/", "RoleName": name, "RoleId": "AROAX", "Arn": arn, "AssumeRolePolicyDocument": policy}
        return {**detail, "InstanceProfileList": [], "RolePolicyList": [], "AttachedManagedPolicies": [], "Tags": []}

    details = [role(*one) for one in roles]
    return {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": details, "Policies": []}


def test_a_dump_of_the_account(offline: Offline) -> None:
    good, wide = allow(of("system:serviceaccount:a:b")), allow()
    encoded = urllib.parse.quote(json.dumps(wide))
    offline.write("dump.json", dump(("good", good), ("wide", wide), ("encoded", encoded)), indent=4)
    found = offline("audit", "-f", "dump.json", "-o", "json").json()
    assert (found["roles"], found["trusting"]) == (3, 3)
    open_roles = {finding["role_arn"].split("/")[1] for finding in found["findings"] if finding["id"] == "any-subject"}
    assert open_roles == {"wide", "encoded"}
    ran = offline("audit", "-f", "dump.json", "--fail-on", "high", "--ignore", "any-subject:wide")
    assert ran.code == 1 and "role/encoded" in ran.stdout
    assert "in 3 roles, 3 of which trust an OIDC provider" in ran.stderr
    assert offline("audit", "-f", "dump.json", "--fail-on", "high", "--ignore", "any-subject:*").code == 0
    for key, value in [("Roles", True), ("Role", False)]:
        roles = dump(("wide", wide))["RoleDetailList"]
        one = offline("audit", "-f", "-", "-o", "json", stdin=json.dumps({key: roles if value else roles[0]}))
        assert one.json()["findings"][0]["role_arn"] == "arn:aws:iam::123456789012:role/wide"


def test_folders_are_read_in_order(offline: Offline) -> None:
    for name in ("p/b.json", "p/a.json", "p/c/d.json", "p/e.txt", "q.json"):
        offline.write(name, allow())
    (offline.folder / "p" / "loop").symlink_to(offline.folder / "p")
    found = offline("audit", "-f", "p", "-f", "p/a.json", "-f", "q.json", "-o", "json").json()
    sources = [finding["source"] for finding in found["findings"] if finding["id"] == "any-subject"]
    assert (found["roles"], sources) == (4, ["p/a.json", "p/b.json", "p/c/d.json", "q.json"])


LEVELS = {"high": "error", "medium": "warning", "low": "note", "info": "note"}


def sarif(log: Any) -> list[Any]:
    """The results of a log that has everything that SARIF 2.1.0 and GitHub code scanning ask for."""
    assert (log["version"], set(log)) == ("2.1.0", {"$schema", "version", "runs"})
    assert "sarif" in log["$schema"] and "2.1.0" in log["$schema"]
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "irsa" and driver["semanticVersion"] and driver["informationUri"].startswith("https://")
    rules = driver["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        for text in ("shortDescription", "fullDescription", "help"):
            assert rule[text]["text"]
        assert rule["help"]["markdown"] and rule["defaultConfiguration"]["level"] in LEVELS.values()
        assert 0.0 < float(rule["properties"]["security-severity"]) <= 10.0
        assert "security" in rule["properties"]["tags"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in LEVELS.values() and result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        uri = urllib.parse.urlparse(place["artifactLocation"]["uri"])
        assert not uri.scheme and not uri.netloc and uri.path and not uri.path.startswith(("/", "../"))
        assert 1 <= place["region"]["startLine"] <= place["region"]["endLine"]
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    return list(run["results"])


def test_sarif_points_at_the_statement(offline: Offline) -> None:
    name = offline.write("my policies/über.json", allow(None, Sid="Wide"))
    ran = offline("audit", "-f", "my policies", "-o", "sarif")
    results = {result["ruleId"]: result for result in sarif(ran.json())}
    place = results["any-subject"]["locations"][0]["physicalLocation"]
    assert urllib.parse.unquote(place["artifactLocation"]["uri"]) == name
    lines = (offline.folder / name).read_text().splitlines()
    first, last = place["region"]["startLine"], place["region"]["endLine"]
    assert json.loads("\n".join(lines[first - 1 : last]).rstrip(","))["Sid"] == "Wide"
    assert str(offline.folder) not in ran.stdout
    whole = offline("audit", "-f", str(offline.folder / "my policies"), "-o", "sarif")
    assert whole.stdout == ran.stdout, "the same by its absolute path"


def test_sarif_knows_a_finding_again(offline: Offline) -> None:
    def prints(policy: Any, indent: int) -> set[str]:
        offline.write("a.json", policy, indent)
        results = sarif(offline("audit", "-f", "a.json", "-o", "sarif").json())
        return {result["partialFingerprints"]["primaryLocationLineHash"] for result in results}

    before = prints(allow(), 2)
    assert before and prints(allow(), 8) == before
    more = allow()
    more["Statement"].insert(0, {"Effect": "Deny", "Principal": "*", "Action": "sts:TagSession"})
    assert prints(more, 2) == before, "another statement before it"
    other = allow({"StringLike": {f"{HOST}:sub": "*"}})
    assert not prints(other, 2) & before, "another statement is another finding"


def test_sarif_of_all_documents(offline: Offline) -> None:
    found = offline("audit", "-f", str(DOCUMENTS), "-o", "json").json()["findings"]
    results = sarif(offline("audit", "-f", str(DOCUMENTS), "-o", "sarif").json())
    assert [(one["id"], LEVELS[one["severity"]]) for one in found] == [(r["ruleId"], r["level"]) for r in results]
    assert {Path(r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]).parent.name for r in results} == {
        "documents"
    }


def test_sarif_is_for_audits_alone(offline: Offline) -> None:
    ran = offline("check", "--document", document("eksctl"), "--issuer", ISSUER, "--subject", "a/b", "-o", "sarif")
    assert (ran.code, ran.stdout) == (2, "") and "sarif" in ran.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param('{\n  "Version": "2012-10-17",\n}', ("line 3", "column 1"), id="comma"),
        pytest.param("", ("line 1",), id="empty"),
        pytest.param('{"Statement": []} x', ("line 1", "column 19"), id="text after it"),
        pytest.param('{"Statement": [], "Statement": []}', ("Statement", "line 1"), id="key twice"),
        pytest.param('{"name": "package"}', ("trust policy",), id="no policy"),
        pytest.param("[1]", ("element 1",), id="list of others"),
        pytest.param("[" * 100_000, ("line 1",), id="deep"),
        pytest.param("7", ("a.json",), id="number"),
        pytest.param(b"\xff\xfe{\x00", ("UTF-8",), id="utf-16"),
    ],
)
def test_what_is_no_document(offline: Offline, text: str | bytes, words: tuple[str, ...]) -> None:
    data = text.encode() if isinstance(text, str) else text
    (offline.folder / "a.json").write_bytes(data)
    for args in (
        ["audit", "-f", "a.json"],
        ["check", "--document", "a.json", "--issuer", ISSUER, "--account", "123456789012", "--subject", "a/b"],
    ):
        ran = offline(*args, "-o", "json")
        error = ran.refused("invalid_input", code=2)
        if args[0] == "audit":
            said = "\n".join([error["message"], *error["caused_by"]])
            assert "a.json" in said and not [word for word in words if word not in said], said
        assert "panicked" not in ran.stderr


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(allow(Effect="allow"), id="effect"),
        pytest.param(allow(Prinzipal="*"), id="unknown element"),
        pytest.param(allow(NotAction="sts:TagSession"), id="action twice"),
        pytest.param(allow({"StringEquals": {f"{HOST}:sub": "桶"}}), id="beyond Latin-1"),
        pytest.param(allow(of("x" * 140_000)), id="too long"),
        pytest.param({"Statement": "x"}, id="statement"),
    ],
)
def test_what_is_no_policy_is_never_allowed(offline: Offline, policy: Any) -> None:
    offline.write("a.json", json.dumps(policy, ensure_ascii=False))
    asked = ("check", "--document", "a.json", "--issuer", ISSUER, "--account", "123456789012", "--subject", "a/b")
    error = offline(*asked, "-o", "json").refused("invalid_input", code=2)
    assert "a.json" in error["message"] and error["caused_by"]
    audit = offline("audit", "-f", "a.json", "-o", "json").json()
    assert [finding["id"] for finding in audit["findings"]] == ["unreadable"]


def test_several_bad_files_are_all_named(offline: Offline) -> None:
    for name in ("p/a.json", "p/b.json"):
        offline.write(name, "{")
    offline.write("p/c.json", allow())
    error = offline("audit", "-f", "p", "-o", "json").refused("invalid_input", code=2)
    said = "\n".join(error["caused_by"])
    assert "p/a.json" in said and "p/b.json" in said and "p/c.json" not in said


def test_of_a_folder_each_file_has_its_own_reason(offline: Offline) -> None:
    bucket = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    offline.write("p/bucket.json", bucket)
    offline.write("p/good.json", allow(of("system:serviceaccount:a:b")))
    offline.write("p/inline.json", {"RoleName": "r", "PolicyName": "p", "PolicyDocument": bucket})
    offline.write("p/twice.json", '{\n  "Statement": [],\n  "Statement": []\n}')
    ran = offline("audit", "-f", "p", "-o", "json")
    audit = ran.json()
    assert (ran.code, audit["roles"], audit["trusting"]) == (2, 2, 1)
    (finding,) = audit["findings"]
    assert (finding["id"], finding["source"], finding["evidence"]) == (
        "unreadable",
        "p/twice.json",
        ['duplicate key "Statement"'],
    )
    assert "p/twice.json cannot be read at line 3, column " in finding["message"]
    (warning,) = audit["warnings"]
    assert warning["id"] == "permissions-policy-skipped"
    assert warning["message"].endswith(": p/bucket.json, p/inline.json")


def test_check_reads_what_iam_prints(offline: Offline) -> None:
    """One reader for `trust check` and `trust audit`."""
    policy = allow(of("system:serviceaccount:jobs:worker"))
    details = dump(("worker", policy))
    encoded = urllib.parse.quote(json.dumps(policy))
    arn = "arn:aws:iam::123456789012:role/worker"
    for text, role in [
        ({"Role": details["RoleDetailList"][0]}, arn),
        ({"Roles": details["RoleDetailList"], "IsTruncated": False}, arn),
        (details, arn),
        (dump(("worker", encoded)), arn),
        (encoded, None),
    ]:
        name = offline.write("document.json", text)
        for subject, decision in [("jobs/worker", "allow"), ("jobs/other", "deny")]:
            asked = ("check", "--document", name, "--issuer", ISSUER, "--subject", subject, "-o", "json")
            ran = offline(*asked)
            assert (ran.code, ran.json()["decision"], ran.json()["role_arn"]) == (CODES[decision], decision, role), ran
        assert offline("audit", "-f", name, "-o", "json").done()["findings"] == []


@pytest.fixture
def opened(bed: Bed, iam: Any, made: Seen) -> Iterator[str]:
    """A role that lets in every service account of the demo cluster, beside the one that `made` made."""
    host = bed["clusters"]["demo"]["issuer"].removeprefix("https://")
    principal = {"Federated": f"arn:aws:iam::{bed['account']}:oidc-provider/{host}"}
    condition = {"StringEquals": {f"{host}:aud": "sts.amazonaws.com"}}
    statement = {"Effect": "Allow", "Principal": principal, "Action": WEB, "Condition": condition}
    name = unique("open")
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    yield str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policy), Path="/p/")["Role"]["Arn"])
    iam.delete_role(RoleName=name)


def test_check_of_a_role(bed: Bed, irsa: Irsa, made: Seen, opened: str) -> None:
    asked = ("trust", "check", "-o", "json", "--role")
    for role, subject, decision in [
        (made.role, made.place, "allow"),
        (made.arn, made.place, "allow"),
        (made.role, f"{made.ns}/other", "deny"),
        (opened, "any/any", "allow"),
    ]:
        bed.reset()
        ran = irsa(*asked, role, "--subject", subject)
        assert (ran.code, ran.json()["decision"]) == (CODES[decision], decision), ran
        assert not [entry for entry in bed.log()["requests"] if entry["front"] != "aws"], "no API server is needed"
    issuer = bed["clusters"]["demo"]["issuer"]
    bed.reset()
    given = irsa(*asked, made.role, "--subject", made.place, "--issuer", issuer, env=irsa.without_kubeconfig())
    assert given.json()["decision"] == "allow", given
    assert [entry["action"] for entry in bed.log()["requests"]] == ["GetRole"]
    missing = irsa(*asked, made.role[:-1], "--subject", made.place).refused("not_found", code=4)
    assert made.role in missing["hint"]
    elsewhere = made.arn.replace(":role/", ":role/other/")
    other = irsa(*asked, elsewhere, "--subject", made.place).refused("not_found", code=4)
    assert made.arn in "".join(other["caused_by"])


def test_a_check_that_cannot_be_answered_is_not_a_deny(irsa: Irsa, iam: Any, made: Seen) -> None:
    """A test that expects a deny must not pass because the role was renamed or AWS cannot be reached."""
    asked = ("trust", "check", "-o", "json", "--subject", f"{made.ns}/other", "--role")
    before, after = unique("before"), unique("after")
    policy = json.dumps(made.found["AssumeRolePolicyDocument"])
    iam.create_role(RoleName=before, AssumeRolePolicyDocument=policy)
    denied = irsa(*asked, before)
    assert (denied.code, denied.json()["decision"]) == (1, "deny")
    iam.delete_role(RoleName=before)
    iam.create_role(RoleName=after, AssumeRolePolicyDocument=policy)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for name, env, kind in [
            (before, {}, "not_found"),
            (after, {"AWS_ENDPOINT_URL": endpoint}, "unavailable"),
            (after, {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "access_denied"),
        ]:
            ran = irsa(*asked, name, "--timeout", "10s", env=env)
            ran.refused(kind, code=4)
            assert (ran.json()["decision"], ran.json()["conditions"]) == ("unknown", []), ran
            text = irsa(*asked[:2], *asked[4:], name, "--timeout", "10s", env=env)
            assert (text.code, text.stdout) == (4, ""), text
            if env:
                audit = irsa("trust", "audit", "--fail-on", "high", "--timeout", "10s", env=env)
                assert (audit.code, audit.stdout) == (4, ""), audit
    assert irsa(*asked, after).code == 1
    iam.delete_role(RoleName=after)


def test_check_names_placeholders(offline: Offline) -> None:
    policy = json.dumps(allow(of("system:serviceaccount:jobs:worker"))).replace("123456789012", "ACCOUNT_ID")
    offline.write("template.json", policy)
    asked = ("check", "--issuer", ISSUER, "--account", "123456789012", "--document", "template.json", "--subject")
    answer = offline(*asked, "jobs/worker", "-o", "json").json()
    principal = f"arn:aws:iam::ACCOUNT_ID:oidc-provider/{HOST}"
    named = "statement 1 has a placeholder that was not filled in, and is evaluated as written: "
    assert answer["reasons"][1:] == [f"{named}ACCOUNT_ID in {principal}"]
    assert "ACCOUNT_ID" in offline(*asked, "jobs/worker").stdout


def test_check_of_a_document_for_a_cluster(bed: Bed, irsa: Irsa, made: Seen) -> None:
    """Only EKS is asked, for the issuer."""
    (irsa.home / "trust.json").write_text(json.dumps(made.found["AssumeRolePolicyDocument"]))
    bed.reset()
    asked = ("trust", "check", "--document", "trust.json", "--cluster", "demo", "-o", "json", "--subject")
    assert irsa(*asked, made.place).json()["decision"] == "allow"
    assert [entry["action"] for entry in bed.log()["requests"]] == ["DescribeCluster"]
    assert irsa(*asked, "a/b").code == 1


def test_who_can(irsa: Irsa, made: Seen, opened: str, bed: Bed) -> None:
    made.core.create_namespaced_service_account(made.ns, {"metadata": {"name": "bystander"}})
    own = irsa("trust", "who-can", made.role, "-o", "json").done()
    (subjects,) = own["subjects"]
    assert (own["role_arn"], own["findings"], own["warnings"]) == (made.arn, [], [])
    assert (subjects["pattern"], subjects["decision"]) == (made.sub, "allow")
    assert subjects["service_accounts"] == subjects["annotated"] == [made.place]
    assert subjects["cluster"] == bed["clusters"]["demo"]["arn"]

    wide = irsa("trust", "who-can", opened, "-o", "json").done()
    (subjects,) = wide["subjects"]
    assert {made.place, f"{made.ns}/bystander"} <= set(subjects["service_accounts"])
    assert (subjects.get("annotated", []), wide["findings"][0]["id"]) == ([], "any-subject")
    text = irsa("trust", "who-can", made.role)
    assert f"{made.place} (annotated)" in text.stdout and text.stderr == ""


def test_who_can_without_a_cluster(bed: Bed, irsa: Irsa, made: Seen) -> None:
    asked = ("trust", "who-can", made.role, "-o", "json")
    weak = irsa(*asked, "--kubeconfig", bed["kubeconfig"]["weak"])
    none = irsa(*asked, env=irsa.without_kubeconfig())
    bed.change("demo", endpoint="https://127.0.0.1:1")
    gone = irsa(*asked, "--cluster", "demo", env=irsa.without_kubeconfig())
    for ran in (weak, none, gone):
        (subjects,) = ran.done()["subjects"]
        assert (subjects["pattern"], subjects["service_accounts"]) == (made.sub, None)
        assert "cluster-unread" in {warning["id"] for warning in ran.json()["warnings"]}, ran
        assert "warning: " in ran.stderr
    assert irsa("trust", "who-can", made.role[:-1], "-o", "json").refused("not_found")["hint"]


def test_audit_of_the_account(bed: Bed, irsa: Irsa, made: Seen, opened: str) -> None:
    def found(*args: str) -> dict[str, set[str]]:
        by_role: dict[str, set[str]] = {}
        for finding in irsa("trust", "audit", "-o", "json", *args).json()["findings"]:
            by_role.setdefault(finding["role_arn"], set()).add(finding["id"])
        return by_role

    without = found()
    assert "any-subject" in without[opened] and made.arn not in without
    bed.reset()
    assert made.arn not in found("--cluster", "demo")
    calls = [entry["action"] for entry in bed.log()["requests"] if entry["front"] == "aws"]
    assert calls.count("GetAccountAuthorizationDetails") >= 1 and "GetRole" not in calls, "roles are read in bulk"
    made.core.delete_namespaced_service_account(made.name, made.ns)
    assert "stale-subject" in found("--cluster", "demo")[made.arn] and made.arn not in found()

    name = opened.split("/")[-1]
    assert irsa("trust", "audit", "--fail-on", "high").code == 1
    assert opened not in found("--ignore", f"any-subject:{name}")
    log = irsa("trust", "audit", "-o", "sarif").json()
    (result,) = (
        one for one in sarif(log) if one["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == opened
    )
    assert result["ruleId"] == "any-subject"
    text = irsa("trust", "audit", "--show-fixes").stdout
    assert opened in text and "system:serviceaccount:NAMESPACE:NAME" in text


def test_audit_without_the_rights(bed: Bed, irsa: Irsa, made: Seen) -> None:
    for fault in deny("GetAccountAuthorizationDetails", "ListRoles"):
        bed.fail(**fault)
    irsa("trust", "audit", "-o", "json").refused("access_denied")
    assert irsa("trust", "audit", "-o", "sarif").stdout == "", "a log without results would close what is open"


def test_a_dump_by_the_aws_cli_is_what_the_account_says(irsa: Irsa, iam: Any, opened: str) -> None:
    pages = iam.get_paginator("get_account_authorization_details").paginate(Filter=["Role"])
    details = [role for page in pages for role in page["RoleDetailList"]]
    (irsa.home / "dump.json").write_text(json.dumps({"RoleDetailList": details}, default=str))

    def found(*args: str) -> set[tuple[str, str]]:
        findings = irsa("trust", "audit", "-o", "json", *args).json()["findings"]
        # Of files nobody knows which providers exist.
        return {(one["role_arn"], one["id"]) for one in findings if one["id"] not in {"stale-provider", "no-audience"}}

    offline = found("-f", "dump.json")
    assert offline == found() and (opened, "any-subject") in offline
