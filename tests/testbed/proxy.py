"""A forward proxy on a loopback port, in a thread of the test: CONNECT, plain HTTP and SOCKS 5. It keeps a log.

Names that end in `.example` lead to loopback, so that a server here can have a name that is not local.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import struct
import threading
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Proxy:
    """A running proxy; `with Proxy() as proxy` stops it at the end.

    With `user` and `password` it takes nobody else; `status` refuses every CONNECT with that status; `silent` never
    answers; with `cert` it speaks TLS.
    """

    def __init__(
        self,
        user: str = "",
        password: str = "",
        status: int = 200,
        silent: bool = False,
        cert: Path | None = None,
    ) -> None:
        self._expected = f"{user}:{password}" if user else ""
        self._status, self._silent = status, silent
        self._tls: ssl.SSLContext | None = None
        if cert:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(cert)
        self.asked: list[str] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(10), "the proxy did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def url(self, scheme: str = "http", credentials: str = "") -> str:
        """Its URL; `credentials` is `USER:PASSWORD`."""
        return f"{scheme}://{credentials + '@' if credentials else ''}127.0.0.1:{self.port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        # Connections that are still open end with their tasks.
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._silent:
                await asyncio.sleep(600)
            first = await reader.readexactly(1)
            if first == b"\x05":
                await self._socks(reader, writer)
            else:
                await self._http(first, reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass  # a client that went away
        finally:
            writer.close()

    async def _http(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = first + await reader.readuntil(b"\r\n\r\n")
        line, *headers = head.decode("latin-1").rstrip().split("\r\n")
        method, target, _version = line.split(" ", 2)
        self.asked.append(f"{method} {target}")
        fields = {name.lower(): value.strip() for name, _, value in (header.partition(":") for header in headers)}
        if self._expected and fields.get("proxy-authorization") != f"Basic {_encoded(self._expected)}":
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n")
            return
        if method != "CONNECT":
            parts = urlsplit(target)
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            kept = [header for header in headers if not header.lower().startswith("proxy-")]
            kept = [header for header in kept if not header.lower().startswith("connection:")]
            request = "\r\n".join([f"{method} {path or '/'} HTTP/1.1", *kept, "connection: close"]) + "\r\n\r\n"
            await _through(reader, writer, parts.hostname or "", parts.port or 80, b"", request.encode("latin-1"))
        elif self._status != 200:
            writer.write(f"HTTP/1.1 {self._status} By policy\r\n\r\n".encode())
        else:
            host, _, port = target.rpartition(":")
            await _through(reader, writer, host, int(port), CONNECTED, b"")

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        wanted = 2 if self._expected else 0
        writer.write(bytes([5, wanted if wanted in methods else 255]))
        if wanted not in methods:
            return
        if wanted:
            await reader.readexactly(1)
            user, password = [await reader.readexactly((await reader.readexactly(1))[0]) for _ in range(2)]
            fits = user + b":" + password == self._expected.encode()
            writer.write(bytes([1, 0 if fits else 1]))
            if not fits:
                return
        _version, _command, _reserved, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(str(byte) for byte in await reader.readexactly(4))
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        self.asked.append(f"SOCKS {host}:{port}")
        await _through(reader, writer, host, port, bytes([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]), b"")


def _encoded(credentials: str) -> str:
    return base64.b64encode(credentials.encode()).decode()


async def _through(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, answer: bytes, request: bytes
) -> None:
    there, back = await asyncio.open_connection("127.0.0.1" if host.endswith(".example") else host, port)
    try:
        writer.write(answer)
        back.write(request)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
    finally:
        back.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()
