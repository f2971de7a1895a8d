"""Proxies in front of moto and the API servers that delay, fail and record requests. `fronts.py CONFIG PORTS`.

Three kinds: `aws` stands before moto, speaks plain HTTP and takes the tests' wishes under /_control/; `kube` passes
requests on as they are; `eks` takes only tokens of the AWS CLI's form, as EKS does, and goes on as administrator.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control import PREFIX, Control, kubernetes_error
from eks_token import Refused, check
from http1 import Request, Response, Upstream, read_request


class Dropped(Exception):
    """The client shall get no answer."""


@dataclass
class Front:
    """One listener and the server behind it."""

    name: str
    upstream: Upstream
    control: Control
    cluster: str = ""
    admin_token: str = ""  # given to fronts of the kind `eks`
    secrets: dict[str, str] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection, in turn."""
        try:
            while request := await read_request(reader):
                response = await self._answer(request)
                writer.write(response.encode(request.method))
                await writer.drain()
                if request.last:
                    break
        except (Dropped, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that went away or does not speak HTTP is its own affair
        finally:
            writer.close()

    async def _answer(self, request: Request) -> Response:
        if self.name == "aws" and request.path.startswith(PREFIX):
            return self.control.answer(request)
        entry = self.control.begin(self.name, request)
        status = 0
        try:
            await asyncio.sleep(self.control.delay(self.name))
            response = await self._judge(request)
            status = response.status
            return response
        finally:
            self.control.finish(entry, status)

    async def _judge(self, request: Request) -> Response:
        fault = self.control.fault(self.name, request)
        if fault and fault.after:
            await self._pass_on(request)
        if fault and fault.drop:
            raise Dropped
        return fault.answer(request) if fault else await self._pass_on(request)

    async def _pass_on(self, request: Request) -> Response:
        if self.admin_token and (refused := self._authenticate(request)):
            return refused
        try:
            response = await self.upstream.send(request)
        except (OSError, asyncio.IncompleteReadError) as error:
            return Response.of(502, {"message": f"the server behind the front {self.name} is gone: {error}"})
        return self.control.describe(request, response) if self.name == "aws" else response

    def _authenticate(self, request: Request) -> Response | None:
        kind, _, token = request.header("authorization").partition(" ")
        try:
            check(token if kind == "Bearer" else "", self.cluster, self.secrets or {})
        except Refused as refused:
            return kubernetes_error(401, "Unauthorized", f"Unauthorized: {refused}")
        request.replace("authorization", f"Bearer {self.admin_token}")
        return None


async def main(config: dict[str, Any], ports_file: Path) -> None:
    """Opens all listeners, the AWS front last since its answers name the others; then runs for ever."""
    clusters: dict[str, Any] = {}
    control, ports, servers = Control(clusters), {}, []
    for name, wanted in config["fronts"].items():
        front = Front(
            name,
            Upstream(wanted["upstream"], wanted.get("ca")),
            control,
            wanted.get("cluster", ""),
            wanted.get("admin_token", ""),
            config["secrets"],
        )
        server = await asyncio.start_server(front.serve, "127.0.0.1", 0, ssl=_tls(wanted.get("cert")), backlog=512)
        servers.append(server)
        ports[name] = server.sockets[0].getsockname()[1]
        if front.admin_token:
            clusters[wanted["describes"]] = {
                "endpoint": f"https://127.0.0.1:{ports[name]}",
                "certificateAuthority": {"data": base64.b64encode(Path(wanted["ca"]).read_bytes()).decode()},
            }
    fresh = ports_file.with_suffix(".new")
    fresh.write_text(json.dumps(ports))
    fresh.rename(ports_file)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def _tls(cert: str | None) -> ssl.SSLContext | None:
    if not cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    return context


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])))
