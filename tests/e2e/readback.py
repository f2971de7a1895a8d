"""What is really there: a binding read back with boto3 and the Kubernetes client, and the writes in the fronts' log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kubernetes import client

SA = "my-serviceaccount"
S3 = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
ROLE_ARN = "eks.amazonaws.com/role-arn"
CREATED = "irsa.gen3.org/created"
OWNER = "irsa.gen3.org/owner"
ORIGIN = "irsa.gen3.org/origin"
SUBJECT = "irsa.gen3.org/subject."


@dataclass
class Seen:
    """One role and one service account, as others than irsa see them."""

    iam: Any
    core: Any
    ns: str
    name: str = SA
    role: str = ""

    def __post_init__(self) -> None:
        self.role = self.role or f"demo-{self.ns}-{self.name}"

    @property
    def place(self) -> str:
        """NAMESPACE/NAME."""
        return f"{self.ns}/{self.name}"

    @property
    def sub(self) -> str:
        """The `sub` claim of the account's tokens."""
        return f"system:serviceaccount:{self.ns}:{self.name}"

    def other(self, name: str) -> Seen:
        """Another account of the same namespace, with the same role."""
        return Seen(self.iam, self.core, self.ns, name, self.role)

    @property
    def found(self) -> Any:
        """GetRole; None when there is none."""
        try:
            return self.iam.get_role(RoleName=self.role)["Role"]
        except self.iam.exceptions.NoSuchEntityException:
            return None

    @property
    def arn(self) -> str:
        """The ARN of the role."""
        return str(self.found["Arn"])

    @property
    def statements(self) -> list[Any]:
        """The statements of the trust policy."""
        return list(self.found["AssumeRolePolicyDocument"]["Statement"])

    @property
    def subs(self) -> set[str]:
        """Every `sub` that an exact condition of the trust policy lists."""
        tests = (statement.get("Condition", {}).get("StringEquals", {}) for statement in self.statements)
        return {sub for test in tests for key, value in test.items() if key.endswith(":sub") for sub in listed(value)}

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the role."""
        return {tag["Key"]: tag["Value"] for tag in self.iam.list_role_tags(RoleName=self.role)["Tags"]}

    @property
    def attached(self) -> set[str]:
        """The ARNs of the managed policies on the role."""
        policies = self.iam.list_attached_role_policies(RoleName=self.role)["AttachedPolicies"]
        return {policy["PolicyArn"] for policy in policies}

    @property
    def inline(self) -> dict[str, Any]:
        """The inline policies of the role, by name."""
        names = self.iam.list_role_policies(RoleName=self.role)["PolicyNames"]
        return {name: self.iam.get_role_policy(RoleName=self.role, PolicyName=name)["PolicyDocument"] for name in names}

    @property
    def account(self) -> Any:
        """The service account; None when there is none."""
        try:
            return self.core.read_namespaced_service_account(self.name, self.ns)
        except client.ApiException as error:
            if error.status != 404:
                raise
            return None

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations of the service account."""
        return dict(self.account.metadata.annotations or {})

    @property
    def annotation(self) -> str | None:
        """The annotation that binds the account."""
        return self.annotations.get(ROLE_ARN)

    @property
    def managers(self) -> set[tuple[str, str]]:
        """Who wrote the account, and how."""
        return {(field.manager, field.operation) for field in self.account.metadata.managed_fields}

    def whole(self) -> dict[str, Any]:
        """Everything that a user has a say in; None for what is not there."""
        role, account = self.found, self.account
        return {
            "role": role and {key: role.get(key) for key in ("Arn", "Description", "MaxSessionDuration")},
            "statements": role and self.statements,
            "boundary": role and role.get("PermissionsBoundary"),
            "tags": role and self.tags,
            "attached": role and self.attached,
            "inline": role and self.inline,
            "annotations": account and self.annotations,
            "labels": account and account.metadata.labels,
        }

    def nothing(self) -> bool:
        """Whether neither role nor account is there."""
        return self.found is None and self.account is None

    def apply_as(self, manager: str, **metadata: Any) -> None:
        """Server-side apply of the account by another field manager."""
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": self.name, **metadata}}
        self.core.patch_namespaced_service_account(
            self.name, self.ns, body, field_manager=manager, _content_type="application/apply-patch+yaml"
        )


def listed(value: Any) -> list[Any]:
    """A value that may be single or a list, as a list."""
    return value if isinstance(value, list) else [value]


def actions(log: Any, front: str = "aws") -> list[str]:
    """The actions of one front's requests, in order."""
    return [entry["action"] for entry in log["requests"] if entry["front"] == front]


def writes(log: Any) -> list[str]:
    """The requests that change something, by front and action; dry runs and access reviews do not."""
    return [f"{entry['front']} {entry['action']}" for entry in log["requests"] if _changes(entry)]


def _changes(entry: dict[str, Any]) -> bool:
    if entry["front"] == "aws":
        return not str(entry["action"]).startswith(("Get", "List", "Describe"))
    review = "/selfsubject" in entry["target"]
    return entry["method"] != "GET" and "dryRun=All" not in entry["target"] and not review


def deny(*names: str) -> Iterable[dict[str, Any]]:
    """For `Bed.fail`: IAM denies these actions for good."""
    for name in names:
        yield {"action": name, "status": 403, "code": "AccessDenied", "message": f"not allowed: iam:{name}", "times": 0}
