"""The role of a user, got or created: what a service that runs workflows for its users does at every request.

In the service, with the boto3 clients that it has anyway, so that its tests go on with moto and spies:

    roles = UserRoles(irsa.Client("prod", iam=iam_client, eks=eks_client), hostname="gen3.example.org")

As a program it shows the same on the sandbox, which needs neither AWS nor a cluster.
"""

from __future__ import annotations

import irsa

LONGEST_ROLE_NAME = 64
WORKERS = "workflow-workers"
"""The namespace of the pods that work for users."""

EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


class UserRoles:
    """One role for each user, for the pods that work for that user. Make it once: the cluster is resolved only once."""

    def __init__(self, client: irsa.Client, hostname: str) -> None:
        self.client = client
        self.hostname = hostname

    def get_or_create(self, user_id: str, bucket: str) -> str:
        """The ARN of the user's role, which may use the user's folder of a bucket.

        Nothing is written where everything is as it should be, and no Kubernetes API is called.

        Raises:
            irsa.IrsaError: of the class that fits; `error.response["Error"]["Code"]` is that of AWS.
        """
        return self.client.apply(self.binding(user_id, bucket), adopt=True).role_arn or ""

    async def get_or_create_async(self, user_id: str, bucket: str) -> str:
        """As `get_or_create`, for the routes of an asynchronous framework: the event loop goes on meanwhile."""
        report = await self.client.apply_async(self.binding(user_id, bucket), adopt=True)
        return report.role_arn or ""

    def binding(self, user_id: str, bucket: str) -> irsa.Binding:
        """What is wanted. The policy has a name that stays, so that a change replaces it."""
        folder = f"arn:aws:s3:::{bucket}/{user_id}/*"
        access = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": folder}
        return irsa.Binding(
            WORKERS,
            f"worker-{user_id}",
            role_name=self.role_name(user_id),
            role_only=True,
            inline={"bucket": {"Version": "2012-10-17", "Statement": [access]}},
            trust_statements=[EC2],
            tags={"user": user_id, "service": self.hostname},
        )

    def role_name(self, user_id: str) -> str:
        """A name that IAM takes: the user's id is kept whole, the host is cut where both are too long."""
        tail = f"-{user_id}-worker"
        return "wf-" + self.hostname.replace(".", "-")[: LONGEST_ROLE_NAME - 3 - len(tail)] + tail


def main() -> None:
    """Twice the same request: the second changes nothing."""
    client = irsa.Client.sandbox()
    roles = UserRoles(client, "gen3.example.org")
    for request in (1, 2):
        changed = client.plan(roles.binding("42", "uploads"), adopt=True).changed
        print(f"request {request}: {roles.get_or_create('42', 'uploads')} ({'made' if changed else 'found'})")


if __name__ == "__main__":
    main()
