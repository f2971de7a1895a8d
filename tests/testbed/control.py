"""What tests tell the fronts (delays, faults, clusters) and what the fronts tell tests (the log of requests)."""

from __future__ import annotations

import copy
import json
import re
import time
from dataclasses import dataclass, field
from html import escape
from typing import Any

from http1 import Request, Response

PREFIX = "/_control/"
CLUSTER = re.compile(r"/clusters/([^/]+)")
# Secrets do not belong into a log, and documents would drown it.
UNLOGGED = {"WebIdentityToken", "Version", "PolicyDocument", "AssumeRolePolicyDocument"}


@dataclass
class Fault:
    """A failure to inject into the requests that match it."""

    front: str = "aws"
    action: str = ""  # of AWS: AttachRolePolicy, DescribeCluster; of Kubernetes: the method
    path: str = ""  # a part of the target
    params: dict[str, str] = field(default_factory=dict)
    status: int = 500
    code: str = "InternalFailure"
    message: str = "injected by the test bed"
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1  # 0: until the reset
    skip: int = 0  # so many matching requests pass first
    after: bool = False  # the effect takes place, only the answer is another one
    drop: bool = False  # no answer: the connection is closed

    def hits(self, front: str, action: str, request: Request) -> bool:
        """Whether it strikes this request; counts it."""
        if front != self.front or self.action not in {"", action} or self.path not in request.target:
            return False
        if self.params and not self.params.items() <= request.params.items():
            return False
        self.skip -= 1
        return self.skip < 0

    def answer(self, request: Request) -> Response:
        """The failure in the form that the server would give it."""
        if self.front != "aws":
            return kubernetes_error(self.status, self.code, self.message, self.headers)
        if action_of(request) == "DescribeCluster" or "Action" not in request.params:
            return Response.of(self.status, {"message": self.message}, {"x-amzn-errortype": self.code, **self.headers})
        fault = "Receiver" if self.status >= 500 else "Sender"
        error = f"<Type>{fault}</Type><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message>"
        body = f"<ErrorResponse><Error>{error}</Error><RequestId>testbed</RequestId></ErrorResponse>"
        return Response([("content-type", "text/xml"), *self.headers.items()], body.encode(), self.status)


class Control:
    """The state that all fronts of a bed share; reached over HTTP through the AWS front."""

    def __init__(self, clusters: dict[str, Any]) -> None:
        self._fixed = clusters
        self.reset()

    def reset(self) -> None:
        """Forgets delays, faults, changed clusters and the log."""
        self._delays: dict[str, float] = {}
        self._faults: list[Fault] = []
        self._changes: list[dict[str, Any]] = []
        self._log: list[dict[str, Any]] = []
        self._started = time.monotonic()

    def answer(self, request: Request) -> Response:
        """Serves a request to /_control/."""
        what = request.path[len(PREFIX) :]
        try:
            wanted = json.loads(request.body or b"{}")
            if what == "log":
                return Response.of(200, {"requests": self._log, "count": len(self._log), "depth": depth(self._log)})
            if what == "reset":
                self.reset()
            elif what == "delay":
                self._delays[wanted.get("front", "")] = wanted["ms"] / 1000
            elif what == "fail":
                self._faults.append(Fault(**wanted))
            elif what == "clusters":
                self._changes.append(wanted)
            else:
                return Response.of(404, {"message": f"no {what}"})
        except (ValueError, TypeError, KeyError) as error:
            return Response.of(400, {"message": repr(error)})
        return Response.of(200, {})

    def begin(self, front: str, request: Request) -> dict[str, Any]:
        """Opens the request's entry in the log; `finish` closes it."""
        entry: dict[str, Any] = {
            "front": front,
            "action": action_of(request) if front == "aws" else request.method,
            "method": request.method,
            "target": request.target,
            "start": time.monotonic() - self._started,
        }
        if front == "aws":
            entry["params"] = {key: value for key, value in request.params.items() if key not in UNLOGGED}
        self._log.append(entry)
        return entry

    def finish(self, entry: dict[str, Any], status: int) -> None:
        """Adds status and time of the answer to an entry."""
        entry.update(status=status, end=time.monotonic() - self._started)

    def delay(self, front: str) -> float:
        """The seconds that a request to this front waits."""
        return self._delays.get(front, self._delays.get("", 0.0))

    def fault(self, front: str, request: Request) -> Fault | None:
        """The failure that strikes this request, used up by one."""
        fault = next((fault for fault in self._faults if fault.hits(front, action_of(request), request)), None)
        if fault and fault.times:
            fault.times -= 1
            if not fault.times:
                self._faults.remove(fault)
        return fault

    def describe(self, request: Request, response: Response) -> Response:
        """Writes the bed's endpoint and CA, and the changes that tests asked for, into an answer of DescribeCluster."""
        if action_of(request) != "DescribeCluster" or response.status != 200:
            return response
        document = json.loads(response.body)
        cluster = document["cluster"]
        region = cluster["arn"].split(":")[3]
        for changes in (self._fixed, *self._changes):
            for key in (cluster["name"], f"{region}/{cluster['name']}"):
                merge(cluster, changes.get(key, {}))
        return Response.of(200, document)


def action_of(request: Request) -> str:
    """The action of an AWS request, the method of any other."""
    if request.method == "GET" and CLUSTER.fullmatch(request.path):
        return "DescribeCluster"
    return request.params.get("Action", request.method)


def depth(log: list[dict[str, Any]]) -> int:
    """The longest chain of requests of which each began after the one before had ended."""
    chain, end = 0, float("-inf")
    for entry in sorted((entry for entry in log if "end" in entry), key=lambda entry: float(entry["end"])):
        if entry["start"] >= end:
            chain, end = chain + 1, entry["end"]
    return chain


def merge(target: dict[str, Any], changes: dict[str, Any]) -> None:
    """A JSON merge patch: objects are merged, null deletes."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        elif value is None:
            target.pop(key, None)
        else:
            target[key] = copy.deepcopy(value)


def kubernetes_error(status: int, reason: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """A failure as the API server writes it."""
    document = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": status,
    }
    return Response.of(status, document, headers)
