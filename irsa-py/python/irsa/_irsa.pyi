"""The compiled part of the package."""

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar, final, overload

__all__ = [
    "Audit",
    "Binding",
    "BindingFailure",
    "BindingStatus",
    "Call",
    "Core",
    "Export",
    "FakeCluster",
    "Finding",
    "FleetEntry",
    "FleetReport",
    "Issue",
    "Manifest",
    "OtherPrincipal",
    "Permissions",
    "Plan",
    "Progress",
    "Provider",
    "Report",
    "SandboxFaults",
    "Step",
    "TrustCheck",
    "TrustedSubjects",
    "WarningMessage",
    "WhoCan",
    "__version__",
    "audit_trust",
    "check_trust",
    "load_manifest",
    "manifest_schema",
    "permissions",
]

_T = TypeVar("_T")

__version__: str

@final
class Audit:
    """What an audit of trust policies found. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, the worst first."""
    @property
    def roles(self) -> int:
        """How many roles were looked at."""
    @property
    def trusting(self) -> int:
        """How many of them trust an OIDC provider."""
    @property
    def ignored(self) -> int:
        """How many findings were left out because they are to be ignored."""
    @property
    def warnings(self) -> tuple[WarningMessage, ...]:
        """What could not be read."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Audit:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Finding:
    """One thing that an audit found. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def id(self) -> str:
        """Its stable id, such as `"any-subject"`."""
    @property
    def severity(self) -> Literal["high", "medium", "low", "info"]:
        """How bad it is: `"high"`, `"medium"`, `"low"` or `"info"`."""
    @property
    def role_arn(self) -> str | None:
        """The role; None for a document that does not say whose it is."""
    @property
    def source(self) -> str | None:
        """Where in the argument the document stands, such as `documents[0]`."""
    @property
    def statement(self) -> str | None:
        """The statement, by its Sid or its number; None where it is about the whole role."""
    @property
    def message(self) -> str:
        """Who gets in that should not, in words."""
    @property
    def evidence(self) -> tuple[str, ...]:
        """What shows it: tests, subjects, accounts."""
    @property
    def fix(self) -> dict[str, Any] | None:
        """The whole document as a dict, with this finding repaired and everything else as it is; None where there is no
        repair that lets nobody new in.
        """
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Finding:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class TrustCheck:
    """The answer to "may this caller assume the role?". Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def decision(self) -> Literal["allow", "deny", "unknown"]:
        """`"allow"`, `"deny"`, or `"unknown"` where it depends on what is not known."""
    @property
    def reasons(self) -> tuple[str, ...]:
        """What led to it, statement by statement, in words."""
    @property
    def conditions(self) -> tuple[str, ...]:
        """What an unknown decision depends on, in words; empty for the others."""
    @property
    def notes(self) -> tuple[str, ...]:
        """Why IAM itself would refuse to store the document, in words."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> TrustCheck:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Binding:
    """What is wanted: one IAM role, the service accounts that may assume it, its policies and its settings.

    What is not given is left as it is on what exists already.

    Args:
        namespace, service_account: the service account.
        cluster: its cluster, by name or ARN; by default that of the client.
        role_name: by default `<cluster>-<namespace>-<service account>`.
        role_path: the path of the role, used when it is made.
        description: of the role.
        max_session_duration: of the role, 3600 to 43200 seconds.
        permissions_boundary: the ARN of the managed policy that bounds the role's permissions.
        tags: of the role.
        policies: managed policies, by ARN or by name.
        inline: inline policies by name, each a dict or a str of JSON.
        subjects: further service accounts, `[CLUSTER:]NAMESPACE/NAME`; a name with `*` or `?` is a pattern.
        trust_only_subjects: further service accounts that are let in, but not annotated.
        trust_statements: further statements of the trust policy, each a dict or a str of JSON.
        audience: of the tokens; by default `sts.amazonaws.com`.
        token_expiration: the lifetime of the tokens, 600 to 86400 seconds.
        sts_regional_endpoints: whether pods use the STS endpoint of their region.
        automount_token: `automountServiceAccountToken` of the service accounts, whether pods get a token for the
            Kubernetes API unasked.
        labels, annotations: of the service accounts.
        role_only: make the role alone; no service account is touched and no API server is needed.
        exact: take away policies and subjects that are not declared here.

    Raises:
        InvalidInputError: AWS or Kubernetes would refuse it, or two arguments contradict each other.
        TypeError: an argument has another type.
    """

    __hash__ = None  # type: ignore[assignment]

    def __new__(
        cls,
        namespace: str,
        service_account: str,
        *,
        cluster: str | None = None,
        role_name: str | None = None,
        role_path: str | None = None,
        description: str | None = None,
        max_session_duration: int | None = None,
        permissions_boundary: str | None = None,
        tags: Mapping[str, str] | None = None,
        policies: Sequence[str] | None = None,
        inline: Mapping[str, str | Mapping[str, Any]] | None = None,
        subjects: Sequence[str] | None = None,
        trust_only_subjects: Sequence[str] | None = None,
        trust_statements: Sequence[str | Mapping[str, Any]] | None = None,
        audience: str | None = None,
        token_expiration: int | None = None,
        sts_regional_endpoints: bool | None = None,
        automount_token: bool | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        role_only: bool = False,
        exact: bool = False,
    ) -> Binding: ...
    @property
    def namespace(self) -> str:
        """The namespace."""
    @property
    def service_account(self) -> str:
        """The service account."""
    @property
    def policies(self) -> tuple[str, ...]:
        """Managed policies."""
    @property
    def cluster(self) -> str | None:
        """The cluster, where it is not that of the client."""
    @property
    def role_name(self) -> str | None:
        """The name of the role, where it is not the default."""
    @property
    def role_path(self) -> str | None:
        """The path of the role."""
    @property
    def description(self) -> str | None:
        """The description of the role."""
    @property
    def max_session_duration(self) -> int | None:
        """The longest session of the role, in seconds."""
    @property
    def permissions_boundary(self) -> str | None:
        """The permissions boundary of the role."""
    @property
    def tags(self) -> dict[str, str]:
        """Tags of the role."""
    @property
    def inline(self) -> dict[str, Any]:
        """Inline policies by name."""
    @property
    def subjects(self) -> tuple[str, ...]:
        """Further service accounts."""
    @property
    def trust_only_subjects(self) -> tuple[str, ...]:
        """Further service accounts that are let in, but not annotated."""
    @property
    def trust_statements(self) -> tuple[dict[str, Any], ...]:
        """Further statements of the trust policy."""
    @property
    def audience(self) -> str | None:
        """The audience of the tokens."""
    @property
    def token_expiration(self) -> int | None:
        """The lifetime of the tokens, in seconds."""
    @property
    def sts_regional_endpoints(self) -> bool | None:
        """Whether pods use the STS endpoint of their region."""
    @property
    def automount_token(self) -> bool | None:
        """`automountServiceAccountToken` of the service accounts."""
    @property
    def labels(self) -> dict[str, str]:
        """Labels of the service accounts."""
    @property
    def annotations(self) -> dict[str, str]:
        """Annotations of the service accounts."""
    @property
    def role_only(self) -> bool:
        """Whether the role alone is made."""
    @property
    def exact(self) -> bool:
        """Whether what is not declared is taken away."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Binding:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Core:
    """What a client reaches. Not for users: `irsa.Client` is."""

    @staticmethod
    def live(
        cluster: str | None,
        region: str | None,
        profile: str | None,
        endpoint_url: str | None,
        kubeconfig: str | os.PathLike[str] | None,
        context: str | None,
        issuer: str | None,
        account: str | None,
        session: object,
        iam: object,
        eks: object,
        sts: object,
        kubernetes: object,
        timeout: float | None,
        max_connections: int | None,
    ) -> Core: ...
    @staticmethod
    def sandbox(path: str | os.PathLike[str] | None, cluster: str | None, timeout: float | None) -> Core: ...
    @property
    def cluster(self) -> str: ...
    def plan(self, binding: Binding, permit: object) -> Call[Plan]: ...
    def apply(self, binding: Binding, permit: object) -> Call[Report]: ...
    def batch(
        self, bindings: Sequence[Binding] | Manifest, progress: object, permit: object, settings: object
    ) -> Call[FleetReport]: ...
    def export(self, namespace: str | None) -> Call[Export]: ...
    @property
    def faults(self) -> SandboxFaults | None: ...
    def update(
        self,
        binding: Binding,
        add_policies: Sequence[str] | None,
        remove_policies: Sequence[str],
        add_subjects: Sequence[str] | None,
        remove_subjects: Sequence[str],
        permit: object,
        dry_run: bool,
    ) -> Call[Report]: ...
    def delete(
        self,
        namespace: str,
        service_account: str,
        role_name: str | None,
        keep_role: bool,
        force: bool,
        role_only: bool,
        dry_run: bool,
    ) -> Call[Report]: ...
    def get(
        self, namespace: str, service_account: str, role_name: str | None, role_only: bool
    ) -> Call[BindingStatus]: ...
    def list(self, namespace: str | None, role_only: bool) -> Call[tuple[BindingStatus, ...]]: ...
    def check_trust(
        self, role_name: str, subject: str, audience: str | None, issuer: str | None
    ) -> Call[TrustCheck]: ...
    def who_can(self, role_name: str) -> Call[WhoCan]: ...
    def audit_trust(self, ignore: Sequence[str]) -> Call[Audit]: ...
    def provider(self) -> Call[Provider]: ...
    def create_provider(self, audiences: Sequence[str], dry_run: bool) -> Call[Report]: ...
    def delete_provider(self, force: bool, dry_run: bool) -> Call[Report]: ...

@final
class Call(Generic[_T]):
    """A call that is not begun yet; it is made once. Not for users."""

    @property
    def progress(self) -> Callable[[Progress], object] | None:
        """What is told how far the call is."""
    def step(self) -> tuple[str, Any]:
        """Begins the call, or goes on with it, up to its next report: `("event", ...)`, `("progress", ...)` or
        `("end", answer)`.
        """
    def cut(self) -> None:
        """Cuts the call off, if it has not ended."""
    def future(self) -> Awaitable[_T]:
        """Makes the call; gives a future of the running event loop. Cancelling that cuts the call off."""

@final
class SandboxFaults:
    """What a sandbox does wrong. Not for users: `irsa.Faults` is."""

    def fail(self, calls: tuple[str | None, int, int | None, bool], code: str, message: str, after: bool) -> None: ...
    def hang(self, calls: tuple[str | None, int, int | None, bool]) -> None: ...
    def delay(self, calls: tuple[str | None, int, int | None, bool], seconds: float) -> None: ...
    def clear(self) -> None: ...
    @property
    def unused(self) -> list[str]: ...

@final
class FakeCluster:
    """A fake cluster. Not for users: `irsa.FakeKubernetes` is."""

    def __new__(cls, namespaces: Sequence[str]) -> FakeCluster: ...
    @property
    def faults(self) -> SandboxFaults: ...
    def create_service_account(
        self, namespace: str, name: str, annotations: Mapping[str, str], manager: str
    ) -> None: ...
    def service_account(self, namespace: str, name: str) -> dict[str, Any] | None: ...
    def deny(self, verb: str, resource: str) -> None: ...

@final
class Manifest:
    """The bindings that files declare, made by `load_manifest`: a sequence of bindings.

    Give it, or a slice of it, to `apply_all` as it is: it also knows which roles eksctl made or names, which single
    bindings do not.

    Immutable; two that say the same are equal.
    """

    __hash__ = None  # type: ignore[assignment]

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The bindings, in the order of the files."""
    @property
    def origins(self) -> tuple[str, ...]:
        """Where each binding is declared, `FILE:LINE:COLUMN`; more in plain data."""
    @property
    def region(self) -> str | None:
        """The region of the clusters, where a ClusterConfig names one: the client must be of that region."""
    @property
    def warnings(self) -> tuple[WarningMessage, ...]:
        """What the files say and cannot be honoured."""
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Binding]: ...
    @overload
    def __getitem__(self, index: int, /) -> Binding: ...
    @overload
    def __getitem__(self, index: slice, /) -> Manifest: ...
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Manifest:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Export:
    """The bindings of a cluster as manifests that plan to no change. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def manifests(self) -> tuple[dict[str, Any], ...]:
        """One manifest for each role, as a dict in the form of a Kubernetes object."""
    @property
    def left_out(self) -> tuple[str, ...]:
        """What exists and cannot be declared without a change: it stays as it is when the manifests are applied."""
    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The same as bindings, for `plan_all` and `apply_all`."""
    def to_yaml(self) -> str:
        """The text of a file with these manifests, which `load_manifest` reads."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Export:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Permissions:
    """The least rights that verbs of a client need. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def iam(self) -> dict[str, Any]:
        """The IAM policy document, as a dict."""
    @property
    def rbac(self) -> tuple[dict[str, Any], ...]:
        """The Kubernetes objects, as dicts: roles of RBAC and their bindings."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Permissions:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class FleetReport:
    """What became of many bindings, in the order in which they were given.

    Immutable; two that say the same are equal.
    """

    __hash__ = None  # type: ignore[assignment]

    @property
    def changed(self) -> bool:
        """Whether anything was changed, or for a plan would be; in bindings that failed too."""
    @property
    def bindings(self) -> tuple[FleetEntry, ...]:
        """Each binding; those that a prune removes come last."""
    @property
    def warnings(self) -> tuple[WarningMessage, ...]:
        """What one should know besides the warnings of single bindings."""
    @property
    def failed(self) -> tuple[FleetEntry, ...]:
        """Those that were refused or failed."""
    def raise_for_failures(self) -> None:
        """Raises the failure of the first binding that failed, with its report; else nothing."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> FleetReport:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class FleetEntry:
    """What became of one binding of many. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def cluster(self) -> str:
        """The cluster of the service account, as the binding names it."""
    @property
    def binding(self) -> str:
        """The service account, `NAMESPACE/NAME`."""
    @property
    def outcome(self) -> Literal["done", "failed", "not_run", "planned"]:
        """`"done"`, `"failed"`, `"not_run"`, or `"planned"`."""
    @property
    def removal(self) -> bool:
        """Whether it was to be removed, since its applyset no longer declares it."""
    @property
    def report(self) -> Report | None:
        """What was done to it, as far as anything was begun."""
    @property
    def error(self) -> BindingFailure | None:
        """Why it was refused or failed."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> FleetEntry:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class BindingFailure:
    """Why one binding of many was refused or failed. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def kind(self) -> str:
        """What kind of failure it is, such as `"not_found"`."""
    @property
    def message(self) -> str:
        """What was being done."""
    @property
    def code(self) -> str | None:
        """The error code of the service, such as `"NoSuchEntity"`, where a service answered."""
    @property
    def caused_by(self) -> tuple[str, ...]:
        """Why it failed, from the nearest cause to the farthest."""
    @property
    def hint(self) -> str | None:
        """What can be done about it."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> BindingFailure:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Progress:
    """How far the work on many bindings is: told of each that is done. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def done(self) -> int:
        """How many are done, this one among them."""
    @property
    def total(self) -> int:
        """How many there are."""
    @property
    def index(self) -> int:
        """The place of this one among those given, counted from 0."""
    @property
    def entry(self) -> FleetEntry:
        """What became of it."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Progress:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class BindingStatus:
    """A binding as it stands, whoever made it. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def namespace(self) -> str:
        """The namespace."""
    @property
    def service_account(self) -> str:
        """The service account; for a role that only patterns let in, the pattern."""
    @property
    def role_name(self) -> str | None:
        """The name of the role."""
    @property
    def state(self) -> Literal["ok", "drifted", "dangling", "unbound", "unknown"]:
        """`"ok"`, `"drifted"`, `"dangling"`, `"unbound"` or `"unknown"`."""
    @property
    def cluster(self) -> str:
        """The ARN of the cluster, or the issuer where that names it."""
    @property
    def role_arn(self) -> str | None:
        """The ARN of the role, as it is or as the annotation gives it."""
    @property
    def managed_policies(self) -> tuple[str, ...]:
        """ARNs of the managed policies on the role."""
    @property
    def inline_policies(self) -> tuple[str, ...]:
        """Names of the inline policies on the role."""
    @property
    def subjects(self) -> tuple[str, ...]:
        """Every subject of the role on known clusters, `[CLUSTER:]NAMESPACE/NAME`."""
    @property
    def annotation(self) -> str | None:
        """The role that the service account is annotated with."""
    @property
    def automount_token(self) -> bool | None:
        """`automountServiceAccountToken` of the service account, where it is set."""
    @property
    def owned(self) -> bool:
        """Whether the role carries irsa's owner tag."""
    @property
    def origin(self) -> str | None:
        """`"created"` or `"adopted"`, where owned."""
    @property
    def issues(self) -> tuple[Issue, ...]:
        """What does not fit."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> BindingStatus:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Plan:
    """What a call would do to a binding. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def binding(self) -> str:
        """The service account, `NAMESPACE/NAME`."""
    @property
    def role_name(self) -> str | None:
        """The name of the role."""
    @property
    def changed(self) -> bool:
        """Whether anything would be changed."""
    @property
    def role_arn(self) -> str | None:
        """The ARN of the role."""
    @property
    def steps(self) -> tuple[Step, ...]:
        """What would be changed, in a safe order; nothing where all is as wanted."""
    @property
    def undeclared(self) -> tuple[dict[str, Any], ...]:
        """What is on the role and was not declared, as dicts."""
    @property
    def warnings(self) -> tuple[WarningMessage, ...]:
        """What one should know."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Plan:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Issue:
    """One thing that does not fit. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def id(self) -> str:
        """Its stable id, such as `"subject-not-trusted"`."""
    @property
    def message(self) -> str:
        """The thing in words."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Issue:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Provider:
    """The OIDC provider of a cluster. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def arn(self) -> str:
        """The ARN that the provider has, or would have."""
    @property
    def exists(self) -> bool:
        """Whether it exists."""
    @property
    def cluster(self) -> str:
        """The ARN of the cluster, or the issuer where that names it."""
    @property
    def issuer(self) -> str:
        """The URL of the issuer."""
    @property
    def audiences(self) -> tuple[str, ...]:
        """The audiences that it takes."""
    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Provider:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Report:
    """What one call did to a binding. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def binding(self) -> str:
        """The service account, `NAMESPACE/NAME`."""
    @property
    def role_name(self) -> str | None:
        """The name of the role; None for a delete that found nothing."""
    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
    @property
    def role_arn(self) -> str | None:
        """The ARN of the role."""
    @property
    def steps(self) -> tuple[Step, ...]:
        """What was changed, in the order in which it was begun; nothing where all was as wanted."""
    @property
    def undeclared(self) -> tuple[dict[str, Any], ...]:
        """What is on the role and was not declared, as dicts."""
    @property
    def warnings(self) -> tuple[WarningMessage, ...]:
        """What one should know."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Report:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Step:
    """One change, and what became of it. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def action(self) -> str:
        """What is done, such as `"create_role"`."""
    @property
    def target(self) -> str:
        """What it is done to, such as the name of a role or `NAMESPACE/NAME`."""
    @property
    def outcome(self) -> Literal["planned", "done", "failed", "not_run", "rolled_back"]:
        """`"done"`, `"failed"`, `"not_run"`, `"rolled_back"`, or `"planned"`."""
    @property
    def error(self) -> str | None:
        """Why it failed."""
    @property
    def detail(self) -> Any:
        """The new or the lost value, such as an inline policy."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> Step:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class WarningMessage:
    """A fact that did not stop the work but that one should know. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def id(self) -> str:
        """Its stable id, such as `"nothing-to-remove"`."""
    @property
    def message(self) -> str:
        """The fact in words."""
    @property
    def hint(self) -> str | None:
        """What can be done about it."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> WarningMessage:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class WhoCan:
    """Who can assume a role. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def role_arn(self) -> str:
        """The role."""
    @property
    def subjects(self) -> tuple[TrustedSubjects, ...]:
        """By tokens of OIDC providers."""
    @property
    def others(self) -> tuple[OtherPrincipal, ...]:
        """By anything else."""
    @property
    def findings(self) -> tuple[Finding, ...]:
        """What an audit says of the role."""
    @property
    def notes(self) -> tuple[str, ...]:
        """Why IAM itself would refuse to store the document, in words."""
    @property
    def warnings(self) -> tuple[WarningMessage, ...]:
        """What could not be read."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> WhoCan:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class TrustedSubjects:
    """The subjects that one statement of a role lets in. Immutable; two that say the same are equal."""

    __hash__ = None  # type: ignore[assignment]

    @property
    def pattern(self) -> str:
        """The `sub` claims: an exact one, or a pattern with `*` and `?`."""
    @property
    def cluster(self) -> str:
        """The cluster by ARN, or the issuer where no known cluster has it."""
    @property
    def decision(self) -> Literal["allow", "unknown"]:
        """`"allow"`, or `"unknown"` where it depends on something."""
    @property
    def excluded(self) -> tuple[str, ...]:
        """Those of the pattern that are not let in; `except` in plain data."""
    @property
    def issuer_name(self) -> str | None:
        """The service behind the issuer, such as `"GitHub Actions"`; None for a cluster, or where it is not known."""
    @property
    def audiences(self) -> tuple[str, ...]:
        """The audiences of the tokens that get in; `*` for whatever audience the provider takes."""
    @property
    def conditions(self) -> tuple[str, ...]:
        """What an unknown one depends on, in words."""
    @property
    def exact(self) -> bool:
        """Whether the pattern is exactly who is let in, and not more than that."""
    @property
    def impossible_if(self) -> tuple[str, ...]:
        """What would make it impossible for them to get in, in words."""
    @property
    def service_accounts(self) -> tuple[str, ...] | None:
        """The service accounts that exist and fit, `NAMESPACE/NAME`; None where the cluster was not read."""
    @property
    def annotated(self) -> tuple[str, ...]:
        """Those of them whose annotation names this role."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> TrustedSubjects:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class OtherPrincipal:
    """A principal that is trusted by other ways than the tokens of an OIDC provider.

    Immutable; two that say the same are equal.
    """

    __hash__ = None  # type: ignore[assignment]

    @property
    def kind(self) -> str:
        """`"aws"`, `"service"`, `"federated"`, `"canonical_user"` or `"everyone"`."""
    @property
    def principal(self) -> str:
        """The principal as it stands in the document."""
    @property
    def statement(self) -> str:
        """The statement, by its Sid or its number."""
    @property
    def actions(self) -> tuple[str, ...]:
        """The actions it is let in by."""
    @property
    def other_account(self) -> bool | None:
        """Whether it is of another account than the role; None where that cannot be told."""
    @property
    def conditional(self) -> bool:
        """Whether conditions limit it."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: dicts, lists, text, numbers, booleans and None."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> OtherPrincipal:
        """The object of plain data, as `to_dict` gives it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

def audit_trust(
    documents: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]],
    *,
    ignore: Sequence[str] | None = None,
    providers: Mapping[str, Sequence[str]] | None = None,
    service_accounts: Mapping[str, Sequence[str] | Mapping[str, str | None]] | None = None,
) -> Audit:
    """Audits trust policies: says who gets in that should not, and how to keep them out. Pure: calls nothing.

    Args:
        documents: a trust policy as a str of JSON or as a dict; what `get_account_authorization_details`,
            `list_roles` or `get_role` of boto3 or the aws CLI answer; a dict from ARNs of roles to trust policies; or
            a list of these.
        ignore: findings that are left out, each as `ID` or `ID:ROLE`.
        providers: the OIDC providers that exist, by ARN, with the audiences that each takes. If given, others do not
            exist.
        service_accounts: the service accounts that exist, by the ARN of their cluster's provider: a list of
            `NAMESPACE/NAME`, or a dict from these to the role that the account is annotated with, or None.

    Raises:
        InvalidInputError: a document is nothing of these (with its place), or another argument is malformed. A trust
            policy of a known role that cannot be read is a finding, `unreadable`.
        TypeError: an argument has another type, or a document holds what JSON does not have.
    """

def check_trust(
    document: str | Mapping[str, Any],
    *,
    issuer: str,
    account: str,
    partition: str | None = None,
    subject: str,
    audience: str | None = None,
) -> TrustCheck:
    """Says whether a trust policy allows the holder of a token, such as a service account, to assume the role. Pure:
    calls nothing, reads no environment.

    The trust policy alone is decided on: that the OIDC provider exists and takes the audience is presumed.

    Args:
        document: the trust policy, as a str of JSON or as a dict.
        issuer: the issuer of the token, such as `https://oidc.eks.us-east-1.amazonaws.com/id/...` of a cluster, or
            `https://token.actions.githubusercontent.com`.
        account: the AWS account of the role and of the provider, 12 digits.
        partition: `aws`, `aws-cn`, `aws-us-gov`, ...; by default that of the issuer if it is one of EKS, else `aws`.
        subject: of a cluster the service account, `NAMESPACE/NAME` or `system:serviceaccount:NAMESPACE:NAME`; of
            another issuer the `sub` claim, such as `repo:my-org/my-repo:ref:refs/heads/main`.
        audience: the audience of the token; by default `sts.amazonaws.com`, or what the issuer's tokens usually have.

    Raises:
        InvalidInputError: the document is no trust policy (with its place), or another argument is malformed.
        TypeError: the document is neither str nor dict, or holds what JSON does not have.
    """

def load_manifest(*paths: str | os.PathLike[str]) -> Manifest:
    """Reads the bindings that files declare: manifests of irsa, or ClusterConfigs of eksctl.

    Args:
        paths: files, and folders of `*.yaml`, `*.yml` and `*.json` files. Bindings that name no cluster are of the
            cluster of the client that they are given to.

    Raises:
        InvalidInputError: a file cannot be read, or is not valid; with file, line and column.
        TypeError: a path is not a str or an `os.PathLike`, or there is none.
    """

def manifest_schema() -> dict[str, Any]:
    """Returns the JSON Schema of the manifest, for editors and other tools."""

def permissions(verbs: Sequence[str], scope: Mapping[str, object], /) -> Permissions:
    """The rights of verbs. `scope` holds the keywords of `irsa.permissions`."""
