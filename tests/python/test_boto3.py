"""boto3 clients as back ends: against moto in process, and against clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from botocore.stub import Stubber  # type: ignore[import-untyped]
from moto import mock_aws

import irsa

REGION = "us-east-1"
READ = "arn:aws:iam::123456789012:policy/read"
BUCKET = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}


class Spy:
    """A client that writes down what is asked of it. What irsa needs of one is its methods, and nothing else."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name == "meta":
            return method

        def spied(**keywords: Any) -> Any:
            self.calls.append((name, keywords))
            return method(**keywords)

        return spied

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def forget(self) -> None:
        self.calls.clear()


class Account:
    """An account of moto with one cluster, its provider, and spies on the clients."""

    iam: Any
    eks: Any
    sts: Any

    def __init__(self) -> None:
        self.iam, self.eks, self.sts = (Spy(boto3.client(name, region_name=REGION)) for name in ("iam", "eks", "sts"))
        config: Any = {"subnetIds": ["subnet-1"], "securityGroupIds": []}
        role = "arn:aws:iam::123456789012:role/eks"
        made = self.eks.create_cluster(name="demo", roleArn=role, resourcesVpcConfig=config)["cluster"]
        self.issuer: str = made["identity"]["oidc"]["issuer"]
        for policy in ("read", "queue"):
            self.iam.create_policy(PolicyName=policy, PolicyDocument=json.dumps(BUCKET))
        self.client().create_provider()
        for spy in (self.iam, self.eks, self.sts):
            spy.forget()

    def client(self, **options: Any) -> irsa.Client:
        return irsa.Client("demo", iam=self.iam, eks=self.eks, sts=self.sts, **options)

    def trust(self, name: str) -> Any:
        return self.iam._client.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]


@contextmanager
def moto(monkeypatch: pytest.MonkeyPatch, managed_policies: bool = False) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    # A kubeconfig that cannot be read: whoever tries fails.
    monkeypatch.setenv("KUBECONFIG", "/dev/null/kubeconfig")
    with mock_aws(config={"iam": {"load_aws_managed_policies": managed_policies}}):
        yield Account()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with moto(monkeypatch) as account:
        yield account


def role(name: str = "worker", **settings: Any) -> irsa.Binding:
    return irsa.Binding("default", name, role_only=True, **{"policies": [READ], **settings})


WRITES = ("create_", "put_", "attach_", "tag_", "update_", "delete_", "detach_", "untag_", "add_")


def writes(spy: Spy) -> list[str]:
    return [name for name in spy.names if name.startswith(WRITES)]


def test_a_role_is_made_and_then_found(account: Account) -> None:
    client = account.client()
    first = client.apply(role(inline={"bucket": BUCKET}, tags={"team": "data"}, role_path="/gen3_service/"))
    assert first.changed
    assert sorted(writes(account.iam)) == ["attach_role_policy", "create_role", "put_role_policy"]
    created = next(keywords for name, keywords in account.iam.calls if name == "create_role")
    assert isinstance(created["AssumeRolePolicyDocument"], str)
    assert json.loads(created["AssumeRolePolicyDocument"]) == account.trust("demo-default-worker")
    account.iam.forget()
    again = client.apply(role(inline={"bucket": BUCKET}, tags={"team": "data"}, role_path="/gen3_service/"))
    assert (again.changed, again.role_arn, writes(account.iam)) == (False, first.role_arn, [])


def test_the_cluster_is_resolved_once_for_a_client(account: Account) -> None:
    client = account.client()
    for user in range(4):
        assert client.apply(role(f"user-{user}")).changed
    assert account.eks.names == ["describe_cluster"]
    assert account.sts.names == []


def turned(value: Any) -> Any:
    """The same document with its keys in another order, and lists in place of single values."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(list(value))}
    return value


def test_an_equal_trust_policy_in_another_order_is_left_alone(account: Account) -> None:
    client = account.client()
    client.apply(role())
    other = turned(account.trust("demo-default-worker"))
    assert list(other) == ["Statement", "Version"]
    account.iam._client.update_assume_role_policy(RoleName="demo-default-worker", PolicyDocument=json.dumps(other))
    account.iam.forget()
    assert not client.apply(role()).changed
    assert writes(account.iam) == []


def test_a_role_that_others_made_is_adopted_and_keeps_its_trust(account: Account) -> None:
    issuer = account.issuer[len("https://") :]
    statements = [
        {
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{issuer}"},
            "Condition": {
                "StringEquals": {
                    f"{issuer}:sub": ["system:serviceaccount:default:worker"],
                    f"{issuer}:aud": ["sts.amazonaws.com"],
                }
            },
        },
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]
    document = json.dumps({"Statement": statements, "Version": "2012-10-17"})
    account.iam._client.create_role(RoleName="old", AssumeRolePolicyDocument=document)
    client = account.client()
    left_alone = client.apply(role(role_name="old", policies=[]))
    assert not left_alone.changed and "not-managed" in [warning.id for warning in left_alone.warnings]
    with pytest.raises(irsa.NotOwnedError):
        client.apply(role(role_name="old", policies=[], description="other"))
    assert writes(account.iam) == []
    report = client.apply(role(role_name="old", policies=[]), adopt=True)
    assert report.changed
    assert writes(account.iam) == ["tag_role"]
    assert not client.apply(role(role_name="old", policies=[])).changed


def test_every_verb(account: Account) -> None:
    client = account.client()
    assert client.plan(role()).changed
    client.apply(role(inline={"bucket": BUCKET}, description="text"))
    report = client.update(
        "default",
        "worker",
        role_name="demo-default-worker",
        role_only=True,
        add_policies=["queue"],
        remove_policies=[READ, "bucket"],
        max_session_duration=7200,
        description="other",
        tags={"team": "data"},
    )
    assert report.changed
    found = account.iam._client.get_role(RoleName="demo-default-worker")["Role"]
    assert (found["Description"], found["MaxSessionDuration"]) == ("other", 7200)
    attached = account.iam._client.list_attached_role_policies(RoleName="demo-default-worker")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["queue"]
    assert client.check_trust("demo-default-worker", subject="default/worker").decision == "allow"
    provider = client.provider()
    assert (provider.exists, provider.issuer) == (True, account.issuer)
    gone = client.delete("default", "worker", role_name="demo-default-worker", role_only=True)
    assert gone.changed
    with pytest.raises(ClientError, match="NoSuchEntity"):
        account.iam._client.get_role(RoleName="demo-default-worker")
    assert not client.delete("default", "worker", role_name="demo-default-worker", role_only=True).changed
    assert client.delete_provider().changed


def test_lists_are_read_page_by_page(account: Account) -> None:
    """moto gives as many as it is asked for, so the client is made to ask for few."""
    iam = account.iam._client

    class Narrow(Spy):
        def __getattr__(self, name: str) -> Any:
            spied = super().__getattr__(name)
            if not name.startswith("list_") or name == "list_open_id_connect_providers":
                return spied
            return lambda **keywords: spied(**{**keywords, "MaxItems": 2})

    account.iam = Narrow(iam)
    client = account.client()
    policies = []
    for number in range(5):
        document = json.dumps(BUCKET)
        policies.append(iam.create_policy(PolicyName=f"p{number}", PolicyDocument=document)["Policy"]["Arn"])
    client.apply(role(policies=policies))
    account.iam.forget()
    assert not client.apply(role(policies=policies)).changed
    assert account.iam.names.count("list_attached_role_policies") == 3
    assert client.apply(role("other", policies=["p4"])).changed


def test_policies_of_aws_are_found_by_name_and_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    with moto(monkeypatch, managed_policies=True) as account:
        find_by_name(account)


def find_by_name(account: Account) -> None:
    client = account.client()
    assert client.apply(role(policies=["AmazonS3ReadOnlyAccess"])).changed
    with pytest.raises(irsa.NotFoundError, match="AmazonS3ReadOnlyAcces") as raised:
        client.plan(role(policies=["AmazonS3ReadOnlyAcces"]))
    assert "AmazonS3ReadOnlyAccess" in str(raised.value.hint)


def test_it_can_be_awaited(account: Account) -> None:
    async def walk() -> list[irsa.Report]:
        client = account.client()
        return await asyncio.gather(*(client.apply_async(role(f"user-{n}")) for n in range(8)))

    assert all(report.changed for report in asyncio.run(walk()))
    assert account.eks.names == ["describe_cluster"]


def test_issuer_and_account_stand_in_place_of_eks(account: Account) -> None:
    client = irsa.Client("demo", iam=account.iam, issuer=account.issuer, account="123456789012", region=REGION)
    assert client.apply(role()).role_arn == "arn:aws:iam::123456789012:role/demo-default-worker"
    assert account.eks.names == []


def test_an_answer_of_the_service_has_its_code_and_the_exception_as_its_cause(account: Account) -> None:
    refusal = ClientError(
        {
            "Error": {"Code": "AccessDenied", "Message": "User is not authorized to perform iam:CreateRole"},
            "ResponseMetadata": {"HTTPStatusCode": 403, "RequestId": "id-1"},
        },
        "CreateRole",
    )
    account.iam.create_role = raising(refusal)
    with pytest.raises(irsa.AccessDeniedError, match=r"iam\.create_role: AccessDenied: User is not") as raised:
        account.client().apply(role())
    assert (raised.value.code, raised.value.response["Error"]["Code"]) == ("AccessDenied", "AccessDenied")
    assert raised.value.__cause__ is refusal
    assert raised.value.report is not None
    assert "create_role" in [step.action for step in raised.value.report.steps if step.outcome == "failed"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("Throttling", irsa.ThrottledError),
        ("LimitExceeded", irsa.QuotaExceededError),
        ("MalformedPolicyDocument", irsa.InvalidInputError),
        ("ServiceFailure", irsa.UnavailableError),
        ("ExpiredToken", irsa.AccessDeniedError),
        ("InvalidClientTokenId", irsa.AccessDeniedError),
        ("SomethingNew", irsa.IrsaError),
    ],
)
def test_codes_mean_the_same_as_without_boto3(account: Account, code: str, error: type[irsa.IrsaError]) -> None:
    account.iam.create_role = raising(ClientError({"Error": {"Code": code, "Message": "m"}}, "CreateRole"))
    with pytest.raises(irsa.IrsaError) as raised:
        account.client().apply(role())
    assert (type(raised.value), raised.value.code) == (error, code)


def raising(error: BaseException) -> Any:
    def method(**_: Any) -> Any:
        raise error

    return method


def test_a_stubbed_client_answers(account: Account) -> None:
    iam = boto3.client("iam", region_name=REGION)
    with Stubber(iam) as stubber:
        stubber.add_client_error("get_open_id_connect_provider", "AccessDenied", "no", http_status_code=403)
        client = irsa.Client("demo", iam=iam, eks=account.eks)
        with pytest.raises(irsa.AccessDeniedError, match=r"iam\.get_open_id_connect_provider"):
            client.provider()


REQUEST: ContextVar[str | None] = ContextVar("request", default=None)


def test_clients_are_called_in_the_context_of_the_caller(account: Account) -> None:
    seen: set[str | None] = set()
    get_role = account.iam._client.get_role

    def traced(**keywords: Any) -> Any:
        seen.add(REQUEST.get())
        return get_role(**keywords)

    account.iam._client.get_role = traced
    client = account.client()
    token = REQUEST.set("one")
    try:
        client.apply(role())
        assert seen == {"one"}
        seen.clear()
        told: list[str | None] = []

        async def awaited() -> None:
            REQUEST.set("two")
            await client.apply_all_async([role("a"), role("b")], progress=lambda _: told.append(REQUEST.get()))

        asyncio.run(awaited())
        assert (seen, told) == ({"two"}, ["two", "two"])
    finally:
        REQUEST.reset(token)


def test_a_role_alone_is_read_without_an_api_server(account: Account) -> None:
    client = account.client()
    client.apply(role())
    view = client.get("default", "worker", role_only=True)
    assert (view.role_name, view.state, view.issues) == ("demo-default-worker", "ok", ())
    assert asyncio.run(client.get_async("default", "worker", role_only=True)) == view
    with pytest.raises(irsa.NotFoundError):
        client.get("default", "other", role_only=True)
    assert client.list(role_only=True) == (view,) == client.list("default", role_only=True)
    assert client.list("kube-system", role_only=True) == ()
    assert asyncio.run(client.list_async(role_only=True)) == (view,)


def test_waiting_for_a_turn_is_not_counted(account: Account) -> None:
    class Slow(Spy):
        def __getattr__(self, name: str) -> Any:
            method = super().__getattr__(name)
            if name == "meta":
                return method

            def slow(**keywords: Any) -> Any:
                time.sleep(0.05)
                return method(**keywords)

            return slow

    account.iam = Slow(account.iam._client)
    account.client().apply(role())
    client = account.client(timeout=2)

    async def many() -> list[irsa.Plan]:
        return await asyncio.gather(*(client.plan_async(role()) for _ in range(80)))

    began = time.perf_counter()
    assert not any(plan.changed for plan in asyncio.run(many()))
    assert time.perf_counter() - began > 2, "all of it takes longer than one may"


def test_what_a_write_answers_does_not_matter(account: Account) -> None:
    attach = account.iam._client.attach_role_policy
    for answer in (None, object()):

        def attached(answer: object = answer, **keywords: Any) -> object:
            attach(**keywords)
            return answer

        account.iam._client.attach_role_policy = attached
        assert account.client().apply(role(f"worker-{answer is None}".lower())).changed


def test_what_was_raised_for_one_of_many_is_its_cause(account: Account) -> None:
    error = Custom("boom")
    account.iam.attach_role_policy = raising(error)
    report = account.client().apply_all([role()])
    with pytest.raises(irsa.IrsaError, match="boom") as raised:
        report.raise_for_failures()
    assert raised.value.__cause__ is error
    assert irsa.FleetReport.from_dict(report.to_dict()) == report


def test_many_fleets_at_once_do_not_wait_for_each_other(account: Account) -> None:
    client = account.client(timeout=20)
    client.apply(role())

    async def many() -> list[irsa.FleetReport]:
        return await asyncio.gather(*(client.plan_all_async([role()]) for _ in range(600)))

    reports = asyncio.run(many())
    assert not any(report.failed for report in reports)


class Custom(Exception):
    pass


class NoCredentialsError(Exception):
    """Named as botocore's."""


@pytest.mark.parametrize(
    ("error", "class_"),
    [
        (Custom("boom"), irsa.IrsaError),
        (NoCredentialsError("Unable to locate credentials"), irsa.AccessDeniedError),
        (TimeoutError("late"), irsa.TimeoutError),
        (ConnectionRefusedError("closed"), irsa.UnavailableError),
        (SystemExit(5), irsa.IrsaError),
        (KeyboardInterrupt(), irsa.IrsaError),
    ],
)
def test_a_client_that_raises_is_named_and_its_exception_kept(
    account: Account, error: BaseException, class_: type[irsa.IrsaError]
) -> None:
    account.iam.get_role = raising(error)
    with pytest.raises(irsa.IrsaError, match=r"cannot read role .*: iam\.get_role: ") as raised:
        account.client().apply(role())
    assert type(raised.value) is class_
    assert raised.value.__cause__ is error


def loop() -> dict[str, Any]:
    answer: dict[str, Any] = {}
    answer["Role"] = answer
    return answer


@pytest.mark.parametrize(
    "answer",
    [
        None,
        5,
        [],
        {},
        {"Role": None},
        {"Role": {"RoleName": "r"}},
        {"Role": {"RoleName": "r", "RoleId": "A", "Arn": "nonsense", "AssumeRolePolicyDocument": {}}},
        {"Role": {"RoleName": "r", "RoleId": "A", "Arn": "arn:aws:iam::123456789012:role/r"}},
        {"Role": object()},
        {"Role": {5: "key"}},
        {"Role": float("nan")},
        loop(),
    ],
)
def test_an_answer_of_the_wrong_shape_is_named(account: Account, answer: Any) -> None:
    account.iam.get_role = lambda **_: answer
    with pytest.raises(irsa.IrsaError, match=r"cannot read role .*: the answer of IAM cannot be understood") as raised:
        account.client().apply(role())
    assert raised.value.kind == "unexpected"


def test_what_is_no_json_in_an_answer_is_the_cause(account: Account) -> None:
    account.iam.get_role = lambda **_: {"Role": object()}
    with pytest.raises(irsa.IrsaError, match=r'iam\.get_role\(\)\["Role"\]: must be JSON') as raised:
        account.client().apply(role())
    assert isinstance(raised.value.__cause__, TypeError)


def test_a_client_that_never_returns_does_not_hold_up_the_deadline(account: Account) -> None:
    released = threading.Event()
    account.iam.get_role = lambda **_: released.wait(30)
    began = time.perf_counter()
    try:
        with pytest.raises(irsa.TimeoutError, match=r"iam\.get_role of the boto3 client has not returned"):
            account.client(timeout=0.3).apply(role())
        assert time.perf_counter() - began < 2
        client = account.client(timeout=0.2)
        before = threading.active_count()
        for _ in range(15):
            with pytest.raises(irsa.TimeoutError, match=r"iam\.get_role"):
                client.apply(role())
        # Calls that hang are bounded.
        assert len(account.iam.names) < 200
        assert threading.active_count() - before <= 10
    finally:
        released.set()


def test_a_write_that_never_returns_ends_with_a_report(account: Account) -> None:
    released = threading.Event()
    account.iam.attach_role_policy = lambda **_: released.wait(30)
    try:
        with pytest.raises(irsa.TimeoutError, match=r"iam\.attach_role_policy") as raised:
            account.client(timeout=0.5).apply(role())
    finally:
        released.set()
    assert raised.value.report is not None
    del account.iam.attach_role_policy
    assert account.client().apply(role()).changed
    assert not account.client().apply(role()).changed


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"iam": 5}, TypeError, "iam: must be a boto3 client of IAM, not int: it has no get_role"),
        ({"iam": "eks"}, TypeError, "iam: must be a boto3 client of IAM, not EKS"),
        ({"eks": "iam", "iam": "iam"}, TypeError, "eks: must be a boto3 client of EKS, not IAM"),
        ({"iam": "iam", "eks": "eks", "sts": object()}, TypeError, "sts: must be a boto3 client of STS, not object"),
        ({"iam": "iam"}, irsa.InvalidInputError, "eks: a boto3 client of EKS is needed beside iam"),
        ({"eks": "eks"}, irsa.InvalidInputError, "iam: a boto3 client of IAM is needed beside eks"),
        ({"sts": "sts"}, irsa.InvalidInputError, "iam: a boto3 client of IAM is needed beside sts"),
        ({"iam": "iam", "eks": "eks", "endpoint_url": "http://x"}, ValueError, "endpoint_url contradicts iam"),
    ],
)
def test_clients_that_do_not_fit_are_refused_by_name(options: Any, error: type[Exception], words: str) -> None:
    given: dict[str, Any] = {
        name: boto3.client(value, region_name=REGION) if value in ("iam", "eks", "sts") else value
        for name, value in options.items()
    }
    with pytest.raises(error, match=words):
        irsa.Client("demo", **given)


def test_a_cluster_of_another_region_needs_its_own_client(account: Account) -> None:
    elsewhere = "arn:aws:eks:eu-west-1:123456789012:cluster/blue"
    with pytest.raises(irsa.InvalidInputError, match="region us-east-1 contradicts the cluster's ARN"):
        irsa.Client(elsewhere, iam=account.iam, eks=account.eks)
    with pytest.raises(ValueError, match="region eu-west-1 contradicts eks, which is of us-east-1"):
        irsa.Client("demo", region="eu-west-1", iam=account.iam, eks=account.eks)
    with pytest.raises(irsa.InvalidInputError, match="eks: the boto3 client is one of us-east-1"):
        account.client().apply(role(trust_only_subjects=[f"{elsewhere}:default/other"]))


def test_a_cluster_that_is_not_there(account: Account) -> None:
    client = irsa.Client("other", iam=account.iam, eks=account.eks)
    with pytest.raises(irsa.NotFoundError, match="cluster other does not exist"):
        client.apply(role())
