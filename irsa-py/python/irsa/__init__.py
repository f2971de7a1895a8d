"""irsa binds AWS IAM roles to Kubernetes service accounts (IRSA): safely, in one step.

>>> import irsa
>>> statement = {
...     "Effect": "Allow",
...     "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/issuer.example"},
...     "Action": "sts:AssumeRoleWithWebIdentity",
...     "Condition": {"StringLike": {"issuer.example:sub": "system:serviceaccount:jobs:*"}},
... }
>>> document = {"Version": "2012-10-17", "Statement": [statement]}
>>> caller = {"issuer": "https://issuer.example", "account": "123456789012", "subject": "jobs/worker"}
>>> irsa.check_trust(document, **caller).decision
'allow'
"""

from irsa import _main  # noqa: F401  (first, since it refuses interpreters that the rest cannot live in)
from irsa._client import Client
from irsa._errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConflictError,
    InvalidInputError,
    IrsaError,
    NotFoundError,
    NotOwnedError,
    QuotaExceededError,
    ThrottledError,
    TimeoutError,
    UnavailableError,
    WrongClusterError,
)
from irsa._faults import Faults
from irsa._irsa import (
    Audit,
    Binding,
    BindingFailure,
    BindingStatus,
    Export,
    Finding,
    FleetEntry,
    FleetReport,
    Issue,
    Manifest,
    OtherPrincipal,
    Permissions,
    Plan,
    Progress,
    Provider,
    Report,
    Step,
    TrustCheck,
    TrustedSubjects,
    WarningMessage,
    WhoCan,
    __version__,
    audit_trust,
    check_trust,
    load_manifest,
    manifest_schema,
)
from irsa._kubernetes import FakeKubernetes
from irsa._permissions import permissions

__all__ = [
    "AccessDeniedError",
    "AlreadyExistsError",
    "Audit",
    "Binding",
    "BindingFailure",
    "BindingStatus",
    "Client",
    "ConflictError",
    "Export",
    "FakeKubernetes",
    "Faults",
    "Finding",
    "FleetEntry",
    "FleetReport",
    "InvalidInputError",
    "IrsaError",
    "Issue",
    "Manifest",
    "NotFoundError",
    "NotOwnedError",
    "OtherPrincipal",
    "Permissions",
    "Plan",
    "Progress",
    "Provider",
    "QuotaExceededError",
    "Report",
    "Step",
    "ThrottledError",
    "TimeoutError",
    "TrustCheck",
    "TrustedSubjects",
    "UnavailableError",
    "WarningMessage",
    "WhoCan",
    "WrongClusterError",
    "__version__",
    "audit_trust",
    "check_trust",
    "load_manifest",
    "manifest_schema",
    "permissions",
]
