"""However many calls are made at once, they open few connections."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import pytest

import irsa

FILES = 256
CALLS = 150


def sockets() -> int:
    """How many sockets this process has open."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.is_symlink() and str(link.readlink()).startswith("socket:") for link in links)


def many_at_once(namespace: str, max_connections: int | None, found: Any) -> None:
    """In a process of its own, with few files: applies many bindings at once while the host opens files of its own."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    client = irsa.Client("demo", max_connections=max_connections)
    most = 0

    async def host(until: asyncio.Event) -> None:
        nonlocal most
        while not until.is_set():
            kept = [Path(__file__).open() for _ in range(50)]  # noqa: SIM115
            most = max(most, sockets())
            for file in kept:
                file.close()
            await asyncio.sleep(0.01)

    async def work() -> list[Any]:
        done = asyncio.Event()
        hosting = asyncio.create_task(host(done))
        bindings = [irsa.Binding(namespace, f"app-{n}") for n in range(CALLS)]
        made = await asyncio.gather(*(client.apply_async(one) for one in bindings), return_exceptions=True)
        done.set()
        await hosting
        return made

    made = asyncio.run(work())
    found.put(([repr(one) for one in made if isinstance(one, BaseException)], sum(one.changed for one in made), most))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the files of /proc")
@pytest.mark.parametrize(("max_connections", "sockets"), [(None, 70), (4, 20)])
def test_calls_at_once_leave_files_to_the_host(namespace: str, max_connections: int | None, sockets: int) -> None:
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    child = context.Process(target=many_at_once, args=(namespace, max_connections, found))
    child.start()
    failures, changed, most = found.get(timeout=200)
    child.join(30)
    assert failures == []
    assert (changed, child.exitcode) == (CALLS, 0)
    assert most <= sockets


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_bound_is_at_least_one(wrong: int) -> None:
    with pytest.raises(ValueError, match="max_connections"):
        irsa.Client("demo", max_connections=wrong)
