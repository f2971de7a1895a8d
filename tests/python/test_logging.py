"""Events of irsa in the logger `irsa`: calls at DEBUG, waits and retries at INFO, warnings at WARNING."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from test_waiting import Session, role, run

import irsa

LOGGER = logging.getLogger("irsa")


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    yield
    LOGGER.setLevel(logging.NOTSET)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = record.__dict__["irsa"]
    return found


def test_calls_are_logged_at_debug_with_their_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "irsa")
    client = irsa.Client.sandbox()
    client.apply(role())
    made = [record for record in caplog.records if fields(record).get("method") == "create_role"]
    assert [(record.name, record.levelname) for record in made] == [("irsa", "DEBUG")]
    assert fields(made[0])["target"] == "sandbox-default-worker"
    assert made[0].getMessage().startswith("sandbox call method=create_role target=sandbox-default-worker")
    reads = [record for record in caplog.records if fields(record).get("method") == "role"]
    assert {fields(record)["binding"] for record in reads} == {"default/worker"}
    caplog.clear()
    client.get("default", "worker")
    assert caplog.records and {fields(record).get("binding") for record in caplog.records} == {"default/worker"}


def test_awaited_calls_are_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "irsa")
    asyncio.run(irsa.Client.sandbox().apply_async(role()))
    methods = [fields(record)["method"] for record in caplog.records]
    assert {"create_role", "attach_policy", "apply_service_account"} <= set(methods)
    assert methods.index("create_role") < methods.index("attach_policy")


def test_the_level_of_the_logger_decides(caplog: pytest.LogCaptureFixture) -> None:
    client = irsa.Client.sandbox()
    for wanted, seen in (
        (logging.DEBUG, {"DEBUG", "WARNING"}),
        (logging.INFO, {"WARNING"}),
        (logging.WARNING, {"WARNING"}),
        (logging.ERROR, set()),
    ):
        caplog.clear()
        caplog.set_level(wanted, "irsa")
        client.plan(irsa.Binding("default", "worker"))
        assert {record.levelname for record in caplog.records} == seen, wanted


def test_warnings_are_logged_at_warning_with_their_id(caplog: pytest.LogCaptureFixture) -> None:
    client = irsa.Client.sandbox()
    report = client.apply(irsa.Binding("default", "worker"))
    assert [(record.levelname, fields(record)["id"], fields(record)["binding"]) for record in caplog.records] == [
        ("WARNING", "no-policies", "default/worker")
    ]
    assert caplog.records[0].getMessage().startswith(report.warnings[0].message)
    caplog.clear()
    client.apply_all([irsa.Binding("default", name) for name in ("a", "b")])
    assert sorted(fields(record)["binding"] for record in caplog.records) == ["default/a", "default/b"]


REQUEST: ContextVar[str] = ContextVar("request", default="none")


def test_records_are_made_on_the_thread_and_in_the_context_of_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "irsa")
    seen: list[tuple[str, str]] = []

    class Note(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            seen.append((threading.current_thread().name, REQUEST.get()))
            return True

    note = Note()
    LOGGER.addFilter(note)
    try:
        client = irsa.Client.sandbox()

        def work(name: str) -> None:
            REQUEST.set(name)
            client.plan(role(name))

        threads = [threading.Thread(target=work, args=(name,), name=name) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        async def task(name: str) -> None:
            REQUEST.set(name)
            await client.plan_async(role(name))

        async def both() -> None:
            await asyncio.gather(task("three"), task("four"))

        asyncio.run(both())
    finally:
        LOGGER.removeFilter(note)
    main = threading.current_thread().name
    assert set(seen) == {("one", "one"), ("two", "two"), (main, "three"), (main, "four")}


class Throttling(BaseHTTPRequestHandler):
    """EKS that is too busy for the first two requests, and then does not know the cluster."""

    asked = 0

    def do_GET(self) -> None:
        Throttling.asked += 1
        busy = Throttling.asked < 3
        self.send_response(429 if busy else 404)
        code = "ThrottlingException" if busy else "ResourceNotFoundException"
        body = b'{"message": "no"}'
        for name, value in (
            ("x-amzn-errortype", code),
            ("x-amzn-requestid", "id-7"),
            ("content-length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def throttling() -> Iterator[str]:
    Throttling.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Throttling)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_retries_are_logged_at_info_and_no_secret_at_any_level(
    throttling: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(irsa.NotFoundError):
        irsa.Client("demo", endpoint_url=throttling, session=Session()).provider()
    ours = [record for record in caplog.records if record.name == "irsa"]
    retries = [(record.levelname, fields(record)) for record in ours if "retrying" in record.getMessage()]
    described = {"service": "EKS", "action": "DescribeCluster"}
    assert [(level, found["attempt"]) for level, found in retries] == [("INFO", 2), ("INFO", 3)]
    assert all({**found, **described} == found for _, found in retries)
    assert "retrying after ThrottlingException" in caplog.text
    answered = [fields(record) for record in ours if record.levelname == "DEBUG"]
    assert answered[-1] == {**described, "request_id": "id-7", "code": "ResourceNotFoundException"}
    for secret in (Session().get_credentials().secret_key, Session().get_credentials().access_key):  # type: ignore[union-attr]
        assert secret not in " ".join(map(str, ({**record.__dict__} for record in ours)))


def test_a_filter_or_handler_that_fails_does_not_end_the_call(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, "irsa")

    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise RuntimeError("broken filter")

    broken = Broken()
    LOGGER.addFilter(broken)
    try:
        client = irsa.Client.sandbox()
        assert client.apply(role()).changed
        assert asyncio.run(client.apply_async(role("other"))).changed
    finally:
        LOGGER.removeFilter(broken)
    assert "broken filter" in capsys.readouterr().err


def test_a_handler_may_call_irsa(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "irsa")
    other, found = irsa.Client.sandbox(), list[object]()

    class Nested(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not found:
                found.append(None)
                found.append(other.list())

    handler = Nested()
    LOGGER.addHandler(handler)
    try:
        irsa.Client.sandbox().apply(role())
    finally:
        LOGGER.removeHandler(handler)
    assert found == [None, ()]


def test_a_program_without_logging_does_not_get_it() -> None:
    done = run(
        """
        import sys, irsa
        assert irsa.Client.sandbox().apply(irsa.Binding("default", "worker")).warnings
        print("logging" in sys.modules)
        import logging
        irsa.Client.sandbox().apply(irsa.Binding("default", "worker"))
        """
    )
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("False", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_processes_log() -> None:
    done = run(
        """
        import logging, os, sys, irsa
        logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(process)d %(message)s")
        client = irsa.Client.sandbox()
        client.list()
        sys.stdout.flush()
        for _ in range(20):
            child = os.fork()
            if not child:
                irsa.Client.sandbox().list()
                sys.stdout.flush()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        """
    )
    assert done.returncode == 0, done.stderr
    processes = {line.split()[0] for line in done.stdout.splitlines() if "method=roles" in line}
    assert len(processes) == 21


def test_the_interpreter_may_end_while_calls_log() -> None:
    done = run(
        """
        import logging, sys, threading, time, irsa
        class Slow(logging.Handler):
            def emit(self, record):
                time.sleep(0.001)
        logger = logging.getLogger("irsa")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(Slow())
        client = irsa.Client.sandbox()
        def work():
            while True:
                client.list()
        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
        print("end")
        """
    )
    assert (done.stdout.strip(), done.returncode) == ("end", 0), done.stderr
