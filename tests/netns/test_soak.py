"""Calls that come and go for a long time: nothing grows, nothing leaks, and every packet is accounted for.

The same runs with 60 calls for a minute in every run of the tests, and with 300 for twenty minutes
with `script/test --full`.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator

import pytest
from scene.ground import TOOLS, whole_server
from scene.namespace import Namespace
from scene.product import binary, sanitized

TOOL = TOOLS / "agent_load"
HOLD = 8.0  # seconds, of a call, give or take a half
# A server remembers a transaction for 32 s after its end (RFC 3261 17.2, timers H and J): before,
# its memory cannot be flat.
WARM_UP = 34.0
GROWTH_KB = 1024

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason="needs the release build's agent_load")


@pytest.fixture
def loopback() -> Iterator[Namespace]:
    namespace = Namespace("soak")
    with namespace.entered():
        yield namespace
    namespace.close()


def unaccounted(media: dict) -> int:
    return media["received"] + media["taken"] - (media["relayed"] + media["handled"] + media["waiting"] + media["passed"]
                                                 + sum(media["drops"].values()))


def journalled(server: whole_server.Server) -> int:
    """How many parties the server would have to tell of calls if it were killed now."""
    with contextlib.closing(sqlite3.connect(f"file:{server.folder}/state/server.db?mode=ro", uri=True)) as database:
        return database.execute("SELECT count(*) FROM journal").fetchone()[0]


class Watch(threading.Thread):
    """Looks at the server once a second."""

    def __init__(self, server: whole_server.Server):
        super().__init__()
        self.server, self.over = server, threading.Event()
        self.memory: list[int] = []
        self.unaccounted: list[int] = []
        self.ends: list[int] = []

    def run(self) -> None:
        while not self.over.wait(1.0):
            media = self.server.status()["media"]
            self.memory.append(self.server.memory_kb())
            self.unaccounted.append(unaccounted(media))
            self.ends.append(media["ends"])

    def end(self) -> None:
        self.over.set()
        self.join()


@pytest.mark.parametrize("carriage", ["bound", "tagged"])
@pytest.mark.parametrize("calls, seconds", [
    pytest.param(60, 15, id="short"), pytest.param(300, 1200, id="long", marks=pytest.mark.soak)])
def test_calls_that_come_and_go_leave_nothing_behind(loopback: Namespace, carriage: str, calls: int,
                                                     seconds: int, capsys):
    with whole_server.Server(binary(), TOOL, 50, carriage=carriage) as server:
        load = server.load("churn", "--calls", str(calls), "--hold", str(int(HOLD * 1000)), "--warm-up",
                           str(int(WARM_UP * 1000)), "--measure", str(int(seconds * 1000)))
        whole_server.told(load, "ready")
        descriptors = server.descriptors()
        whole_server.told(load, "measuring")
        watch = Watch(server)
        watch.start()
        try:
            figures = whole_server.told(load, "churn")
        finally:
            watch.end()
        whole_server.wait_until(lambda: server.status()["media"]["ends"] == 0, "all media ends to close")
        whole_server.wait_until(lambda: journalled(server) == 0, "the journal to be empty")
        media, left = server.status()["media"], server.descriptors()
        whole_server.finish(load)

    half = len(watch.memory) // 2
    grown = max(watch.memory[half:]) - max(watch.memory[:half])
    at_a_time = sorted(watch.ends)[half] / 2
    with capsys.disabled():
        print(f"\n{carriage}, {seconds} s: {figures['begun']} calls, about {at_a_time:.0f} at a time; "
              f"{figures['lost']} of {figures['sent']} packets lost, p99 {figures['p99_us'] / 1000:.1f} ms; "
              f"memory {watch.memory[0]} to {watch.memory[-1]} KB, {grown} KB more in the second half")
    assert figures["refused"] == 0
    assert figures["begun"] == figures["answered"] == figures["ended"] > calls * seconds / (2 * HOLD)
    assert at_a_time > 0.7 * calls
    assert left == descriptors
    assert set(watch.unaccounted) == {0} and unaccounted(media) == 0
    assert figures["misdelivered"] == 0
    assert figures["lost"] <= 0.001 * figures["sent"]
    if not sanitized():  # which keeps for a while what was freed
        assert grown < GROWTH_KB
