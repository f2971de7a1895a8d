"""The compiled part of the package."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, final

__all__ = ["Audit", "Finding", "TrustCheck", "__version__", "audit_trust", "check_trust"]

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
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, as the program prints it with `-o json`."""
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
        """The same as plain data, as the program prints it with `-o json`."""
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
    def because(self) -> tuple[str, ...]:
        """What led to it, statement by statement, in words."""
    @property
    def conditions(self) -> tuple[str, ...]:
        """What an unknown decision depends on, in words; empty for the others."""
    @property
    def notes(self) -> tuple[str, ...]:
        """Why IAM itself would refuse to store the document, in words."""
    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, as the program prints it with `-o json`."""
    @classmethod
    def from_dict(cls, data: Mapping[str, Any], /) -> TrustCheck:
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
    partition: str = "aws",
    subject: str,
    audience: str = "sts.amazonaws.com",
) -> TrustCheck:
    """Says whether a trust policy lets a service account assume the role. Pure: calls nothing, reads no environment.

    The trust policy alone is decided on: that the OIDC provider exists and takes the audience is presumed.

    Args:
        document: the trust policy, as a str of JSON or as a dict.
        issuer: the issuer of the cluster's tokens, such as `https://oidc.eks.us-east-1.amazonaws.com/id/...`.
        account: the AWS account of the role and of the provider, 12 digits.
        partition: `aws`, `aws-cn`, `aws-us-gov`, ...
        subject: the service account, `NAMESPACE/NAME` or `system:serviceaccount:NAMESPACE:NAME`.
        audience: the audience of the token.

    Raises:
        InvalidInputError: the document is no trust policy (with its place), or another argument is malformed.
        TypeError: the document is neither str nor dict, or holds what JSON does not have.
    """
