"""As much of HTTP/1.1 over asyncio as a proxy with whole bodies needs: messages, keep-alive, a connection pool."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

# They concern one connection, or are written anew with the body.
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "content-length", "upgrade"}


@dataclass
class Message:
    """What requests and responses share; header names are in lower case."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first header of this name, or an empty string."""
        return next((value for key, value in self.headers if key == name), "")

    def replace(self, name: str, value: str) -> None:
        """Sets one header in place of all of this name."""
        self.headers = [(key, old) for key, old in self.headers if key != name] + [(name, value)]

    @property
    def last(self) -> bool:
        """Whether the sender closes the connection after this message."""
        return self.header("connection").lower() == "close"

    def _encode(self, first: str, bodiless: bool) -> bytes:
        lines = [first] + [f"{key}: {value}" for key, value in self.headers if key not in HOP_BY_HOP]
        if not bodiless:
            lines.append(f"content-length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + self.body


@dataclass
class Request(Message):
    """A request as it came."""

    method: str = "GET"
    target: str = "/"

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, str]:
        """The query, and the form of AWS' query protocol."""
        pairs = parse_qsl(urlsplit(self.target).query, keep_blank_values=True)
        if self.header("content-type").startswith("application/x-www-form-urlencoded"):
            pairs += parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return dict(pairs)

    def encode(self) -> bytes:
        """The bytes for the next server."""
        return self._encode(f"{self.method} {self.target} HTTP/1.1", not self.body and self.method in {"GET", "HEAD"})


@dataclass
class Response(Message):
    """A response as it came, or one of our own."""

    status: int = 200

    @classmethod
    def of(cls, status: int, document: Any, headers: Mapping[str, str] | None = None) -> Response:
        """An answer in JSON."""
        all_headers = {"content-type": "application/json", **(headers or {})}
        return cls(list(all_headers.items()), json.dumps(document).encode(), status)

    def encode(self, method: str) -> bytes:
        """The bytes for the client."""
        reason = http.client.responses.get(self.status, "")
        return self._encode(f"HTTP/1.1 {self.status} {reason}", _bodiless(method, self.status))


class Upstream:
    """A server behind a front, with its idle connections."""

    def __init__(self, url: str, cafile: str | None = None) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._tls = ssl.create_default_context(cafile=cafile) if parts.scheme == "https" else None
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, request: Request) -> Response:
        """One exchange, on an idle connection if one is left."""
        # asyncio sets TCP_NODELAY on every socket by itself.
        reader, writer = self._reuse() or await asyncio.open_connection(*self._address, ssl=self._tls)
        try:
            writer.write(request.encode())
            await writer.drain()
            response = await read_response(reader, request.method)
        except BaseException:
            writer.close()
            raise
        if response.last:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return response

    def _reuse(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request, or None when the client is done."""
    try:
        first, headers = await _read_head(reader)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    method, target, _version = first.split(" ", 2)
    request = Request(headers, b"", method, target)
    if request.header("expect"):
        raise ConnectionError("Expect is not supported")
    request.body = await _read_body(reader, request)
    return request


async def read_response(reader: asyncio.StreamReader, method: str) -> Response:
    """The response to a request of this method."""
    first, headers = await _read_head(reader)
    response = Response(headers, b"", int(first.split(" ", 2)[1]))
    if not _bodiless(method, response.status):
        closes = not response.header("content-length") and not response.header("transfer-encoding")
        response.body = await (reader.read() if closes else _read_body(reader, response))
        if closes:
            response.replace("connection", "close")
    return response


def _bodiless(method: str, status: int) -> bool:
    return method == "HEAD" or status in {204, 304}


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, list[tuple[str, str]]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first, [(key.strip().lower(), value.strip()) for key, _, value in pairs]


async def _read_body(reader: asyncio.StreamReader, message: Message) -> bytes:
    if message.header("transfer-encoding").lower() != "chunked":
        return await reader.readexactly(int(message.header("content-length") or 0))
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return body
