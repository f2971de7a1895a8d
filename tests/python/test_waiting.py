"""How calls are waited for: awaited, cut off, beside other threads, across forks, at the end of the interpreter."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import irsa


class Credentials:
    access_key, secret_key, token = "AKIDEXAMPLE", "secret", None

    def get_frozen_credentials(self) -> Credentials:
        return self


class Session:
    """What a client wants of a boto3 session."""

    region_name = "us-east-1"

    def __init__(self) -> None:
        self.asked = 0

    def get_credentials(self) -> Credentials | None:
        self.asked += 1
        return Credentials()


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def waiting(url: str, **options: Any) -> irsa.Client:
    """A client whose calls do not end."""
    return irsa.Client("demo", endpoint_url=url, session=Session(), **options)


def role(name: str = "worker") -> irsa.Binding:
    return irsa.Binding("default", name, policies=["AmazonS3ReadOnlyAccess"])


def test_every_verb_can_be_awaited() -> None:
    async def walk() -> None:
        client = irsa.Client.sandbox()
        assert (await client.plan_async(role())).changed
        assert (await client.apply_async(role())).changed
        assert (await client.update_async("default", "worker", add_subjects=["default/x"])).changed
        assert (await client.get_async("default", "worker")).state == "ok"
        assert len(await client.list_async()) == 2
        assert (await client.provider_async()).exists
        assert (await client.check_trust_async("sandbox-default-worker", subject="default/x")).decision == "allow"
        assert (await client.who_can_async("sandbox-default-worker")).subjects
        assert (await client.audit_trust_async()).roles >= 1
        assert not (await client.create_provider_async()).changed
        assert (await client.delete_async("default", "worker")).changed
        assert (await client.delete_provider_async(force=True)).changed
        with pytest.raises(irsa.NotFoundError):
            await client.get_async("default", "worker")

    asyncio.run(walk())


def test_many_are_awaited_at_once() -> None:
    client = irsa.Client.sandbox()

    async def walk() -> None:
        names = [f"worker-{n}" for n in range(50)]
        reports = await asyncio.gather(*(client.apply_async(role(name)) for name in names))
        assert all(report.changed for report in reports)

    asyncio.run(walk())
    assert len(client.list()) == 50


def test_the_event_loop_goes_on_and_a_task_can_be_cancelled(silent: str) -> None:
    async def walk() -> float:
        task = asyncio.create_task(waiting(silent).apply_async(role()))
        for _ in range(20):
            await asyncio.sleep(0.01)
        began = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.perf_counter() - began

    assert asyncio.run(walk()) < 0.2


def test_without_an_event_loop_there_is_a_clear_error() -> None:
    coroutine = irsa.Client.sandbox().list_async()
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)


def test_a_client_serves_every_event_loop() -> None:
    client = irsa.Client.sandbox()
    made: list[bool] = []

    def work(name: str) -> None:
        async def walk() -> None:
            made.append((await client.apply_async(role(name))).changed)

        asyncio.run(walk())

    work("first")
    threads = [threading.Thread(target=work, args=(f"worker-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [True] * 5


def test_a_closed_event_loop_is_told() -> None:
    event_loop = asyncio.new_event_loop()
    event_loop.close()
    coroutine = irsa.Client.sandbox().list_async()
    with pytest.raises(RuntimeError, match="closed"):
        event_loop.run_until_complete(coroutine)
    coroutine.close()


def test_a_loop_that_is_closed_meanwhile_harms_nobody(silent: str) -> None:
    event_loop = asyncio.new_event_loop()
    client = waiting(silent, timeout=0.3)
    tasks: list[asyncio.Task[irsa.Report]] = []

    async def begin() -> None:
        tasks.append(asyncio.ensure_future(client.apply_async(role())))
        await asyncio.sleep(0.05)

    event_loop.run_until_complete(begin())
    for task in tasks:
        task.cancel()
    event_loop.run_until_complete(asyncio.sleep(0))
    event_loop.close()
    time.sleep(0.5)
    assert irsa.Client.sandbox().list() == ()


def test_other_threads_go_on_while_a_call_waits(silent: str) -> None:
    with pytest.raises(irsa.TimeoutError):
        ticks = 0
        done = threading.Event()

        def count() -> None:
            nonlocal ticks
            while not done.is_set():
                ticks += 1
                time.sleep(0.001)

        thread = threading.Thread(target=count)
        thread.start()
        try:
            waiting(silent, timeout=0.5).apply(role())
        finally:
            done.set()
            thread.join()
            assert ticks > 50


def test_ctrl_c_ends_a_call_at_once(silent: str) -> None:
    sent = [0.0]

    def interrupt() -> None:
        time.sleep(0.4)
        sent[0] = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        waiting(silent).apply(role())
    assert time.perf_counter() - sent[0] < 0.2


def test_ctrl_c_ends_the_wait_for_another_process(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    client = irsa.Client.sandbox(path)
    client.apply(role())
    with (tmp_path / "sandbox.json.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        sent = [0.0]

        def interrupt() -> None:
            time.sleep(0.3)
            # A signal that Python handles is no reason to give up.
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.1)
            sent[0] = time.perf_counter()
            os.kill(os.getpid(), signal.SIGINT)

        handled: list[int] = []
        before = signal.signal(signal.SIGUSR1, lambda number, _: handled.append(number))
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            client.create_provider(audiences=["other"])
        assert time.perf_counter() - sent[0] < 0.2
        signal.signal(signal.SIGUSR1, before)
        assert handled == [signal.SIGUSR1]
    client.create_provider(audiences=["other"])
    assert not client.create_provider(audiences=["other"]).changed


def test_more_calls_at_once_than_threads(silent: str) -> None:
    async def many() -> list[BaseException | object]:
        client = waiting(silent, timeout=20)
        tasks = [asyncio.ensure_future(client.apply_async(role())) for _ in range(600)]
        await asyncio.sleep(1)
        # Others are not held up by those that wait.
        began = time.perf_counter()
        assert await irsa.Client.sandbox().list_async() == ()
        assert time.perf_counter() - began < 2
        for task in tasks:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    ended = asyncio.run(many())
    assert all(isinstance(one, asyncio.CancelledError) for one in ended)


@pytest.fixture
def listening() -> Iterator[tuple[str, list[str]]]:
    """The URL of a server that refuses everything, and the requests that it was sent."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append(str(self.headers))
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(403)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", requests
    server.shutdown()
    server.server_close()


def test_credentials_are_those_of_the_session_as_it_is_now(listening: tuple[str, list[str]]) -> None:
    url, requests = listening
    session = Session()
    given = Credentials()
    session.get_credentials = lambda: given  # type: ignore[method-assign]
    client = irsa.Client("demo", endpoint_url=url, session=session)
    for key, token in (("AKIDFIRST", "token-1"), ("AKIDSECOND", "token-2")):
        given.access_key, given.token = key, token  # type: ignore[assignment]
        requests.clear()
        with pytest.raises(irsa.AccessDeniedError):
            client.provider()
        assert requests
        assert all(f"Credential={key}/" in request for request in requests)
        assert all(f"x-amz-security-token: {token}" in request.lower() for request in requests)
        time.sleep(1.2)


def test_credentials_are_those_of_the_profile_that_is_named(
    listening: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, requests = listening
    path = tmp_path / "credentials"
    secret = "aws_secret_access_key = secret"
    path.write_text(
        f"[default]\naws_access_key_id = AKIDDEFAULT\n{secret}\n[blue]\naws_access_key_id = AKIDBLUE\n{secret}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, key in ((None, "AKIDDEFAULT"), ("blue", "AKIDBLUE")):
        requests.clear()
        with pytest.raises(irsa.AccessDeniedError):
            irsa.Client("demo", region="us-east-1", endpoint_url=url, profile=name).provider()
        assert f"Credential={key}/" in requests[0]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    for name, key in ((None, "AKIDENVIRONMENT"), ("blue", "AKIDBLUE")):
        requests.clear()
        with pytest.raises(irsa.AccessDeniedError):
            irsa.Client("demo", region="us-east-1", endpoint_url=url, profile=name).provider()
        assert f"Credential={key}/" in requests[0], "a profile that is named is meant, whatever the environment holds"
    requests.clear()
    with pytest.raises(irsa.InvalidInputError, match="nobody"):
        irsa.Client("demo", region="us-east-1", endpoint_url=url, profile="nobody").provider()
    assert requests == []


def test_a_session_that_never_answers_does_not_hold_up_the_deadline(silent: str) -> None:
    session, released = Session(), threading.Event()
    session.get_credentials = lambda: released.wait(30)  # type: ignore[method-assign, return-value, assignment]
    began = time.perf_counter()
    try:
        with pytest.raises(irsa.TimeoutError):
            irsa.Client("demo", endpoint_url=silent, session=session, timeout=0.3).apply(role())
    finally:
        released.set()
    assert time.perf_counter() - began < 2


def test_a_session_is_asked_for_credentials(silent: str) -> None:
    session = Session()
    client = irsa.Client("demo", endpoint_url=silent, session=session, timeout=0.3)
    with pytest.raises(irsa.TimeoutError):
        client.apply(role())
    assert session.asked >= 1


def test_a_session_without_credentials_is_denied(silent: str) -> None:
    session = Session()
    session.get_credentials = lambda: None  # type: ignore[method-assign]
    with pytest.raises(irsa.IrsaError, match="no credentials"):
        irsa.Client("demo", endpoint_url=silent, session=session, timeout=5).apply(role())


def test_what_a_session_raises_is_the_cause(silent: str) -> None:
    session, raised = Session(), RuntimeError("the vault is sealed")

    def sealed() -> Any:
        raise raised

    session.get_credentials = sealed  # type: ignore[method-assign]
    with pytest.raises(irsa.AccessDeniedError, match="the vault is sealed") as failure:
        irsa.Client("demo", endpoint_url=silent, session=session, timeout=5).apply(role())
    assert failure.value.__cause__ is raised
    assert str(failure.value).count("the vault is sealed") == 1


def run(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, within 20 seconds."""
    argv = [sys.executable, "-c", textwrap.dedent(code), *args]
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_goes_on(tmp_path: Path) -> None:
    done = run(
        """
        import os, sys, irsa
        kept, lost = irsa.Client.sandbox(sys.argv[1]), irsa.Client.sandbox()
        kept.apply(irsa.Binding("default", "before"))
        lost.list()
        child = os.fork()
        if not child:
            kept.apply(irsa.Binding("default", "after"))
            try:
                lost.list()
            except irsa.InvalidInputError as error:
                assert "another process" in str(error)
            else:
                os._exit(2)
            assert irsa.Client.sandbox().list() == ()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(sorted(view.service_account for view in kept.list()))
        """,
        str(tmp_path / "state.json"),
    )
    assert (done.stdout.strip(), done.returncode) == ("['after', 'before']", 0), done.stderr


def test_the_interpreter_may_end_during_a_call(silent: str) -> None:
    done = run(
        """
        import sys, threading, time, irsa
        sys.path.insert(0, sys.argv[2])
        from test_waiting import waiting, role
        client = waiting(sys.argv[1])
        for _ in range(3):
            threading.Thread(target=lambda: client.apply(role()), daemon=True).start()
        time.sleep(0.3)
        print("end")
        """,
        silent,
        str(Path(__file__).parent),
    )
    assert (done.stdout.strip(), done.returncode) == ("end", 0), done.stderr


ENDING = {
    "progress on threads": """
import threading, time, irsa
client = irsa.Client.sandbox()
bindings = [irsa.Binding("default", f"w{i}") for i in range(4)]
def work():
    while True:
        client.apply_all(bindings, progress=lambda p: time.sleep(0.001), writes_per_second=0)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
print("end")
""",
    "awaited": """
import asyncio, irsa
client = irsa.Client.sandbox()
async def main():
    tasks = [asyncio.create_task(client.apply_async(irsa.Binding("default", f"w{i}"))) for i in range(200)]
    await asyncio.sleep(0.02)
asyncio.run(main())
print("end")
""",
}


@pytest.mark.parametrize("code", ENDING.values(), ids=ENDING)
def test_the_interpreter_may_end_while_calls_are_told_of(code: str) -> None:
    for _ in range(8):
        done = run(code)
        assert (done.stdout.strip(), done.returncode) == ("end", 0), done.stderr


def test_a_thread_may_have_a_small_stack() -> None:
    done = run(
        """
        import threading, irsa
        client = irsa.Client.sandbox()
        threading.stack_size(128 * 1024)
        binding = irsa.Binding("default", "a", policies=["AmazonS3ReadOnlyAccess"])
        thread = threading.Thread(target=lambda: print(client.apply(binding).changed))
        thread.start()
        thread.join()
        """
    )
    assert (done.stdout.strip(), done.returncode) == ("True", 0), done.stderr


def test_progress_may_call_and_take_its_time() -> None:
    client = irsa.Client.sandbox(timeout=1)
    bindings = [role(f"w{number}") for number in range(20)]
    nested: list[bool] = []

    def progress(far: irsa.Progress) -> None:
        if far.done == 1:
            time.sleep(1.5)
            nested.extend(client.apply(binding).changed for binding in bindings)

    assert not client.apply_all(bindings, progress=progress, writes_per_second=0).failed
    assert len(nested) == 20


HANGING = """
import sys, threading, time, irsa
class Client:
    class meta:
        region_name = "us-east-1"
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda **keywords: time.sleep(30)
class Session:
    region_name = "us-east-1"
    def get_credentials(self):
        time.sleep(30)
binding = irsa.Binding("default", "worker", role_only=True)
if sys.argv[1] == "session":
    client = irsa.Client("demo", endpoint_url="http://127.0.0.1:1", session=Session())
else:
    client = irsa.Client("demo", iam=Client(), eks=Client())
"""


@pytest.mark.parametrize("what", ["clients", "session"])
def test_the_interpreter_may_end_while_python_code_of_others_hangs(what: str) -> None:
    code = """
for _ in range(3):
    threading.Thread(target=lambda: client.apply(binding), daemon=True).start()
time.sleep(0.5)
print("end")
"""
    for _ in range(3):
        done = run(HANGING + code, what)
        assert (done.stdout.strip(), done.returncode, done.stderr) == ("end", 0, "")


@pytest.mark.parametrize("what", ["clients", "session"])
def test_ctrl_c_ends_a_call_while_python_code_of_others_hangs(what: str) -> None:
    code = """
import os, signal
sent = [0.0]
def interrupt():
    time.sleep(0.4)
    sent[0] = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    client.apply(binding)
except KeyboardInterrupt:
    print(time.perf_counter() - sent[0] < 0.2)
"""
    done = run(HANGING + code, what)
    assert (done.stdout.strip(), done.returncode, done.stderr) == ("True", 0, "")


def test_the_interpreter_may_end_while_progress_is_told_to_an_event_loop() -> None:
    code = """
import asyncio, threading, time, irsa
client = irsa.Client.sandbox()
bindings = [irsa.Binding("default", f"w{n}") for n in range(20)]
def slow(progress):
    time.sleep(0.05)
    sum(range(200000))
async def main():
    while True:
        await client.apply_all_async(bindings, progress=slow, writes_per_second=0)
threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
time.sleep(0.35)
print("end")
"""
    for _ in range(5):
        done = run(code)
        assert (done.stdout.strip(), done.returncode, done.stderr) == ("end", 0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_during_a_call_does_not_go_on_with_it() -> None:
    code = """
import os, irsa
client, children = irsa.Client.sandbox(), []
def fork(progress):
    if not children:
        children.append(os.fork())
try:
    client.apply_all([irsa.Binding("default", f"w{n}") for n in range(20)], progress=fork, writes_per_second=0)
except RuntimeError as error:
    print(error, flush=True)
    os._exit(0)
os.waitpid(children[0], 0)
print(len(client.list()))
"""
    done = run(code)
    told = "this process was forked during the call, which goes on in its parent"
    assert (done.stdout.split("\n"), done.returncode) == ([told, "20", ""], 0)


def test_nothing_is_awaited_for_ever_at_the_end_of_the_interpreter() -> None:
    code = """
import asyncio, atexit
def late():
    client.apply(irsa.Binding("default", "late"))
    try:
        asyncio.run(client.list_async())
    except RuntimeError as error:
        print(error)
atexit.register(late)
import irsa
client = irsa.Client.sandbox()
"""
    done = run(code)
    assert (done.stdout.strip(), done.returncode) == (
        "the interpreter is ending: nothing can be awaited any more",
        0,
    )
