"""The compiled part of the package."""

from collections.abc import Mapping
from typing import Any, Literal, final

__all__ = ["TrustCheck", "__version__", "check_trust"]

__version__: str

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
