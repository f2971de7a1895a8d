"""The rights that irsa itself needs."""

from __future__ import annotations

from irsa._irsa import Permissions
from irsa._irsa import permissions as _permissions


def permissions(
    *verbs: str,
    cluster: str | None = None,
    issuer: str | None = None,
    account: str | None = None,
    region: str | None = None,
    role_name: str | None = None,
    role_path: str | None = None,
    permissions_boundary: str | None = None,
    namespace: str | None = None,
    user: str | None = None,
    group: str | None = None,
    create_namespace: bool = False,
    create_provider: bool = False,
    role_only: bool = False,
    dry_run: bool = False,
) -> Permissions:
    """Returns the least IAM policy and RBAC objects that verbs of a client need. Calls nothing.

    Args:
        verbs: names of methods of `Client`, such as `apply` or `audit_trust`; by default all of them.
        cluster: the cluster, by name or ARN: it limits clusters, and roles by their default names.
        issuer, account, region: what else is known of the cluster; what is not known is `*`.
        role_name, role_path: limit the roles that may be written.
        permissions_boundary: the ARN of the boundary that every role must have.
        namespace: limits Kubernetes rights to one namespace.
        user, group: who gets the Kubernetes rights; by default the group `irsa`.
        create_namespace, create_provider: include the rights that these arguments of `apply` need.
        role_only: no service account is touched: no Kubernetes rights are needed.
        dry_run: nothing is written.

    Raises:
        InvalidInputError: there is no such verb, or an argument is malformed.
        TypeError: an argument has another type.
    """
    scope = dict(locals())
    return _permissions(scope.pop("verbs"), scope)


permissions.__module__ = "irsa"
