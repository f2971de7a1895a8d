"""The client and its verbs. Their awaitable twins in `_twins.py` are generated from here by `irsa-py/twins.py`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from irsa._arguments import Batch, Permit
from irsa._calls import wait
from irsa._errors import InvalidInputError
from irsa._faults import Faults
from irsa._irsa import (
    Audit,
    Binding,
    BindingStatus,
    Core,
    Export,
    FleetReport,
    Manifest,
    Plan,
    Progress,
    Provider,
    Report,
    TrustCheck,
    WhoCan,
)
from irsa._twins import Twins


def _arguments(first: object, **keywords: object) -> str:
    """Those that are given, as they stand in a call."""
    given = [f"{name}={value!r}" for name, value in keywords.items() if value is not None]
    return f"({', '.join([repr(first)] * (first is not None) + given)})"


class Client(Twins):
    """Plans and applies bindings on one cluster.

    What is not given comes from the environment, the AWS profile and the kubeconfig, as for the program `irsa`.
    Nothing is called before the first verb; then the cluster is resolved once and kept for ten minutes. Threads may
    share a client; a forked process reaches everything anew.

    Args:
        cluster: by name or ARN; by default `IRSA_CLUSTER`, else that of the current kubeconfig context, if an EKS one.
        region: the AWS region.
        profile: the AWS profile.
        endpoint_url: the URL that takes all calls to AWS.
        kubeconfig: the kubeconfig file.
        context: the context of the kubeconfig; by default the one that belongs to the cluster.
        issuer, account: the issuer of the cluster's tokens and the account of the roles, in place of asking EKS.
        session: a boto3 session; its credentials and its region are used. It is asked again for what expires.
        iam, eks, sts: boto3 clients, which then make all calls to AWS, each of them as its method of that name: with
            their retries, their wrappers, their spies. Independent calls are made side by side, so that a `Stubber`,
            which answers in one order, fits single calls only. `iam` is needed, and `eks` unless issuer and account are
            given. Only tokens for API servers that are reached through EKS itself still come from the credentials of
            the session, the profile or the default chain.
        kubernetes: an `ApiClient` of the package `kubernetes`, or an API object that has one, such as `CoreV1Api`: all
            requests to the API server of the cluster go through its connection pool, with its credentials and
            certificates. In tests an `irsa.FakeKubernetes`.
        timeout: the longest time in seconds that reading what a binding needs may take, and then again that writing it
            may take from its first write on; by default 120. A call can thus take twice as long. Of many bindings each
            has its own time, without the wait for its turn. A call that runs out of it raises `TimeoutError`.
        max_connections: how many requests are under way at once, and so how many connections are open to each host of
            AWS and of Kubernetes, however many calls are made at once: the others wait for their turn, before their
            time runs. By default 20. Idle connections are closed after half a minute. boto3 clients have connections of
            their own.

    Raises:
        InvalidInputError: an argument is malformed, two contradict each other, or nothing names a cluster.
        TypeError: an argument has another type.
    """

    def __init__(
        self,
        cluster: str | None = None,
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        kubeconfig: str | os.PathLike[str] | None = None,
        context: str | None = None,
        issuer: str | None = None,
        account: str | None = None,
        session: object = None,
        iam: object = None,
        eks: object = None,
        sts: object = None,
        kubernetes: object = None,
        timeout: float | None = None,
        max_connections: int | None = None,
    ) -> None:
        self._shown = _arguments(
            cluster,
            region=region,
            profile=profile,
            # One with a password is refused below.
            endpoint_url=endpoint_url,
            kubeconfig=kubeconfig,
            context=context,
            issuer=issuer,
            account=account,
            timeout=timeout,
            max_connections=max_connections,
        )
        self._core: Core = Core.live(
            cluster,
            region,
            profile,
            endpoint_url,
            kubeconfig,
            context,
            issuer,
            account,
            session,
            iam,
            eks,
            sts,
            kubernetes,
            timeout,
            max_connections,
        )

    @classmethod
    def sandbox(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        cluster: str | None = None,
        timeout: float | None = None,
    ) -> Client:
        """A client of the embedded back end: no AWS, no cluster, as strict as they are where users can see it.

        Args:
            path: the file that the sandbox is kept in; by default it is in memory, and this client's alone.
            cluster: by default `sandbox`, which a fresh one has.
            timeout: as for a client of AWS, in seconds; by default 120.

        Raises:
            InvalidInputError: an argument is malformed.
        """
        client = cls.__new__(cls)
        client._core = Core.sandbox(path, cluster, timeout)
        client._shown = ".sandbox" + _arguments(path, cluster=cluster, timeout=timeout)
        return client

    @property
    def cluster(self) -> str:
        """The cluster: by name, by ARN, or by its issuer."""
        return self._core.cluster

    @property
    def faults(self) -> Faults:
        """What goes wrong in the sandbox, for tests of failures.

        Raises:
            InvalidInputError: the client is not one of a sandbox, or its file cannot be read.
        """
        core = self._core.faults
        if core is None:
            raise InvalidInputError("only a client of a sandbox has faults", hint="make it with Client.sandbox()")
        return Faults(core)

    def __repr__(self) -> str:
        return f"irsa.Client{self._shown}"

    def plan(
        self,
        binding: Binding,
        *,
        adopt: bool = False,
        force: bool = False,
        create_namespace: bool = False,
        create_provider: bool = False,
    ) -> Plan:
        """Says what `apply` would do. Reads and checks everything, writes nothing.

        Args:
            binding: what is wanted.
            adopt: take over a role that somebody else made: adds to it, never removes.
            force: take over an annotation or field that somebody else set.
            create_namespace: make the namespace where it is missing.
            create_provider: make the OIDC provider, or add the audience to it, where that is missing.

        Raises:
            IrsaError: of the class that fits, for everything that would refuse it before the first write.
        """
        return wait(self._core.plan(binding, Permit(adopt, force, create_namespace, create_provider)))

    def apply(
        self,
        binding: Binding,
        *,
        adopt: bool = False,
        force: bool = False,
        create_namespace: bool = False,
        create_provider: bool = False,
    ) -> Report:
        """Makes a binding, or brings what is there to what is wanted. Again, it changes nothing and says so.

        Ctrl-C and cancelling end it between two steps; the same call again finishes the work.

        Args:
            binding: what is wanted; what it does not name stays as it is.
            adopt: take over a role that somebody else made: adds to it, never removes.
            force: take over an annotation or field that somebody else set.
            create_namespace: make the namespace where it is missing.
            create_provider: make the OIDC provider, or add the audience to it, where that is missing.

        Raises:
            IrsaError: of the class that fits; its `report` says what had been done.
        """
        return wait(self._core.apply(binding, Permit(adopt, force, create_namespace, create_provider)))

    def plan_all(
        self,
        bindings: Sequence[Binding] | Manifest,
        *,
        adopt: bool = False,
        force: bool = False,
        create_namespace: bool = False,
        create_provider: bool = False,
        applyset: str | None = None,
        prune: bool = False,
    ) -> FleetReport:
        """Says what `apply_all` would do. Reads and checks everything, writes nothing.

        What would be refused is in the report of its binding.

        Args:
            bindings: what is wanted: bindings, or what `load_manifest` returns.
            adopt, force, create_namespace, create_provider: those of `apply`, for every binding.
            applyset, prune: as for `apply_all`.

        Raises:
            InvalidInputError: two bindings contradict each other, such as one that is given twice; nothing was called.
            IrsaError: of the class that fits, where the roles cannot be read.
            TypeError: an argument has another type.
        """
        return self.apply_all(
            bindings,
            adopt=adopt,
            force=force,
            create_namespace=create_namespace,
            create_provider=create_provider,
            applyset=applyset,
            prune=prune,
            dry_run=True,
        )

    def apply_all(
        self,
        bindings: Sequence[Binding] | Manifest,
        *,
        progress: Callable[[Progress], object] | None = None,
        concurrency: int = 8,
        writes_per_second: float = 10.0,
        adopt: bool = False,
        force: bool = False,
        create_namespace: bool = False,
        create_provider: bool = False,
        applyset: str | None = None,
        prune: bool = False,
        confirm_prune: bool = False,
        dry_run: bool = False,
    ) -> FleetReport:
        """Makes many bindings: read at once where they are many, applied side by side.

        A binding that is refused or fails stops no other: ask the report, or let it `raise_for_failures()`. Again, it
        changes nothing but what is not as wanted.

        Args:
            bindings: what is wanted: bindings, or what `load_manifest` returns.
            progress: called with a `Progress` for each binding that is done, in the order in which they end, on the
                thread that waits or of the event loop. What it raises ends the call.
            concurrency: how many bindings are worked on at once.
            writes_per_second: how many writes go to IAM in a second; 0 is no limit.
            adopt, force, create_namespace, create_provider: those of `apply`, for every binding.
            applyset: the name of the set that the bindings belong to; it is kept as a tag of each role.
            prune: also remove the bindings of the applyset that are no longer declared, each with its role and all its
                service accounts. The same as `prune` afterwards, but planned together.
            confirm_prune: remove more than 10 bindings.
            dry_run: say what would be done, and write nothing.

        Raises:
            InvalidInputError: two bindings contradict each other, such as one that is given twice, or `prune` is given
                without `applyset` or without any binding; nothing was called.
            ConflictError: more than 10 bindings would be removed, and that was not confirmed; nothing was changed.
            IrsaError: of the class that fits, where the roles cannot be read.
            TypeError, ValueError: an argument has another type, or is out of its bounds.
        """
        permit = Permit(adopt, force, create_namespace, create_provider)
        batch = Batch(concurrency, writes_per_second, applyset, True, prune, confirm_prune, dry_run)
        return wait(self._core.batch(bindings, progress, permit, batch))

    def prune(
        self,
        bindings: Sequence[Binding] | Manifest,
        applyset: str,
        *,
        progress: Callable[[Progress], object] | None = None,
        concurrency: int = 8,
        writes_per_second: float = 10.0,
        confirm_prune: bool = False,
        dry_run: bool = False,
    ) -> FleetReport:
        """Removes the bindings of an applyset that are no longer declared, and changes nothing else.

        Only roles that irsa owns and that were applied with this applyset are removed, each with all its service
        accounts. A role whose service accounts are now declared with another role is kept until they have moved.

        Args:
            bindings: everything that is declared in the applyset, or what `load_manifest` returns.
            applyset: the name of the set, as given to `apply_all`.
            progress, concurrency, writes_per_second: as for `apply_all`.
            confirm_prune: remove more than 10 bindings.
            dry_run: say what would be removed, and write nothing.

        Raises:
            InvalidInputError: no binding is declared: that would remove all of them.
            ConflictError: more than 10 bindings would be removed, and that was not confirmed; nothing was changed.
            AccessDeniedError: the roles may not be listed.
            IrsaError: of the class that fits.
            TypeError, ValueError: an argument has another type, or is out of its bounds.
        """
        permit = Permit(False, False, False, False)
        batch = Batch(concurrency, writes_per_second, applyset, False, True, confirm_prune, dry_run)
        return wait(self._core.batch(bindings, progress, permit, batch))

    def export(
        self,
        namespace: str | None = None,
    ) -> Export:
        """Returns what exists as manifests that plan to no change, whoever made it.

        `apply_all(export.bindings, adopt=True)` then takes the roles under management without changing rights.

        Args:
            namespace: by default all.

        Raises:
            AccessDeniedError: roles or service accounts may not be listed.
            IrsaError: of the class that fits.
        """
        return wait(self._core.export(namespace))

    def update(
        self,
        namespace: str,
        service_account: str,
        *,
        add_policies: Sequence[str] | None = None,
        remove_policies: Sequence[str] = (),
        add_subjects: Sequence[str] | None = None,
        remove_subjects: Sequence[str] = (),
        inline: Mapping[str, str | Mapping[str, object]] | None = None,
        role_name: str | None = None,
        role_path: str | None = None,
        description: str | None = None,
        max_session_duration: int | None = None,
        permissions_boundary: str | None = None,
        tags: Mapping[str, str] | None = None,
        trust_only_subjects: Sequence[str] | None = None,
        trust_statements: Sequence[str | Mapping[str, object]] | None = None,
        audience: str | None = None,
        token_expiration: int | None = None,
        sts_regional_endpoints: bool | None = None,
        automount_token: bool | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        role_only: bool = False,
        exact: bool = False,
        adopt: bool = False,
        force: bool = False,
        create_namespace: bool = False,
        create_provider: bool = False,
        dry_run: bool = False,
    ) -> Report:
        """Changes an existing binding; what is not named stays as it is.

        Args:
            namespace, service_account: any subject of the role.
            add_policies: managed policies to add, by ARN or by name.
            remove_policies: managed policies to remove, by ARN or by name, or inline ones by name. Removing what is not
                there is done, with the warning `nothing-to-remove`.
            add_subjects, remove_subjects: service accounts, `[CLUSTER:]NAMESPACE/NAME`.
            role_name: the name of the role, where neither annotation nor default leads to it.
            inline, role_path, description, max_session_duration, permissions_boundary, tags: new values of the role, as
                for `Binding`. Inline policies and tags are added to those that exist.
            trust_only_subjects, trust_statements: added to those that exist, as for `Binding`.
            audience, token_expiration, sts_regional_endpoints, automount_token, labels, annotations: new values of the
                service accounts, as for `Binding`.
            role_only: touch no service account; no API server is needed.
            exact: take away policies and subjects that are not declared here.
            adopt, force, create_namespace, create_provider: as for `apply`.
            dry_run: say what would be done, and write nothing.

        Raises:
            NotFoundError: there is no such binding.
            IrsaError: of the class that fits; its `report` says what had been done.
        """
        binding = Binding(
            namespace,
            service_account,
            inline=inline,
            role_name=role_name,
            role_path=role_path,
            description=description,
            max_session_duration=max_session_duration,
            permissions_boundary=permissions_boundary,
            tags=tags,
            trust_only_subjects=trust_only_subjects,
            trust_statements=trust_statements,
            audience=audience,
            token_expiration=token_expiration,
            sts_regional_endpoints=sts_regional_endpoints,
            automount_token=automount_token,
            labels=labels,
            annotations=annotations,
            role_only=role_only,
            exact=exact,
        )
        permit = Permit(adopt, force, create_namespace, create_provider)
        return wait(
            self._core.update(binding, add_policies, remove_policies, add_subjects, remove_subjects, permit, dry_run)
        )

    def delete(
        self,
        namespace: str,
        service_account: str,
        *,
        role_name: str | None = None,
        keep_role: bool = False,
        force: bool = False,
        role_only: bool = False,
        dry_run: bool = False,
    ) -> Report:
        """Undoes a binding. What is not there is deleted already. A role of several subjects only loses this one.

        Args:
            namespace, service_account: any subject of the role.
            role_name: the name of the role, where neither annotation nor default leads to it.
            keep_role: keep the role; it only loses the service account.
            force: delete the role even where it would be kept (with the warning `role-kept`).
            role_only: touch no service account; no API server is needed.
            dry_run: say what would be done, and write nothing.

        Raises:
            IrsaError: of the class that fits; its `report` says what had been done.
        """
        return wait(self._core.delete(namespace, service_account, role_name, keep_role, force, role_only, dry_run))

    def get(
        self,
        namespace: str,
        service_account: str,
        *,
        role_name: str | None = None,
        role_only: bool = False,
    ) -> BindingStatus:
        """Reads one binding, also one that other tools made: role, trust, policies, annotation, and whether they fit.

        Args:
            namespace, service_account: any subject of the role.
            role_name: the name of the role, where neither annotation nor default leads to it.
            role_only: look at no service account; no API server is needed.

        Raises:
            NotFoundError: there is none; the hint names the nearest ones.
            IrsaError: of the class that fits.
        """
        return wait(self._core.get(namespace, service_account, role_name, role_only))

    def list(
        self,
        namespace: str | None = None,
        *,
        role_only: bool = False,
    ) -> tuple[BindingStatus, ...]:
        """Reads every binding of the cluster, or of one namespace, whoever made it.

        Args:
            namespace: by default all.
            role_only: look at roles only, and at no service account; no API server is needed.

        Raises:
            IrsaError: of the class that fits.
        """
        return wait(self._core.list(namespace, role_only))

    def check_trust(
        self,
        role_name: str,
        *,
        subject: str,
        audience: str | None = None,
        issuer: str | None = None,
    ) -> TrustCheck:
        """Says whether the trust policy of a role allows the holder of a token to assume it.

        Args:
            role_name: the role.
            subject: the service account, `NAMESPACE/NAME`; of an issuer other than a cluster the `sub` claim.
            audience: the audience of the token; by default `sts.amazonaws.com`, or what the issuer's tokens usually
                have.
            issuer: the issuer of the token, such as `https://token.actions.githubusercontent.com`; by default that of
                the cluster.

        Raises:
            NotFoundError: there is no such role; the hint names the nearest ones.
            InvalidInputError: an argument is malformed, or the trust policy cannot be read.
            IrsaError: of the class that fits.
        """
        return wait(self._core.check_trust(role_name, subject, audience, issuer))

    def who_can(
        self,
        role_name: str,
    ) -> WhoCan:
        """Says who can assume a role, matched with the service accounts of the cluster.

        Args:
            role_name: the role.

        Raises:
            NotFoundError: there is no such role; the hint names the nearest ones.
            IrsaError: of the class that fits.
        """
        return wait(self._core.who_can(role_name))

    def audit_trust(
        self,
        *,
        ignore: Sequence[str] = (),
    ) -> Audit:
        """Audits the trust policy of every role of the account against the service accounts of the cluster.

        Args:
            ignore: findings that are left out, each as `ID` or `ID:ROLE`.

        Raises:
            AccessDeniedError: the roles may not be read.
            IrsaError: of the class that fits.
        """
        return wait(self._core.audit_trust(ignore))

    def provider(
        self,
    ) -> Provider:
        """Reads the IAM OIDC provider of the cluster.

        Raises:
            IrsaError: of the class that fits.
        """
        return wait(self._core.provider())

    def create_provider(
        self,
        *,
        audiences: Sequence[str] = (),
        dry_run: bool = False,
    ) -> Report:
        """Makes the IAM OIDC provider of the cluster, or adds what audiences it lacks.

        Args:
            audiences: by default `sts.amazonaws.com`.
            dry_run: say what would be done, and write nothing.

        Raises:
            IrsaError: of the class that fits; its `report` says what had been done.
        """
        return wait(self._core.create_provider(audiences, dry_run))

    def delete_provider(
        self,
        *,
        force: bool = False,
        dry_run: bool = False,
    ) -> Report:
        """Deletes the IAM OIDC provider of the cluster.

        Args:
            force: also where roles trust it; their pods lose access.
            dry_run: say what would be done, and write nothing.

        Raises:
            ConflictError: roles trust it.
            IrsaError: of the class that fits; its `report` says what had been done.
        """
        return wait(self._core.delete_provider(force, dry_run))


Client.__module__ = "irsa"
