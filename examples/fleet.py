"""Many bindings out of a list of dicts, such as a program gets from a table or from a file of its own.

It runs on the sandbox; for the real thing make the client with `irsa.Client("my-cluster")`.
"""

from __future__ import annotations

from typing import Any

import irsa

WORKLOADS: list[dict[str, Any]] = [
    {"namespace": "default", "service_account": "reader", "policies": ["AmazonS3ReadOnlyAccess"]},
    {"namespace": "default", "service_account": "queue", "policies": ["AmazonSQSFullAccess"], "tags": {"team": "data"}},
    {"namespace": "default", "service_account": "typo", "policies": ["AmazonS3ReadOnly"]},
]


def show(progress: irsa.Progress) -> None:
    """A line for each binding that is done."""
    print(f"{progress.done}/{progress.total} {progress.entry.binding}: {progress.entry.outcome}")


def main() -> None:
    """Plans all of them, applies them, and tells what failed: one that fails stops no other."""
    client = irsa.Client.sandbox()
    bindings = [irsa.Binding.from_dict(workload) for workload in WORKLOADS]
    planned = client.plan_all(bindings)
    print("to be made:", [entry.binding for entry in planned.bindings if entry.outcome == "planned"])
    report = client.apply_all(bindings, progress=show)
    for entry in report.failed:
        assert entry.error
        print(f"{entry.binding}: {entry.error.message}; {entry.error.hint}")
    repaired = irsa.Binding.from_dict({**WORKLOADS[2], "policies": ["AmazonS3ReadOnlyAccess"]})
    again = client.apply_all([*bindings[:2], repaired])
    again.raise_for_failures()
    print("changed by the second run:", [e.binding for e in again.bindings if e.report and e.report.changed])


if __name__ == "__main__":
    main()
