"""Many agents at once on one server, played by the load tool of bench/ (see docs/BENCHMARKS.md)."""

import sys
from collections.abc import Iterator

import pytest
from scene.namespace import Namespace
from scene.product import TOP, binary

sys.path.insert(0, str(TOP / "bench" / "load"))
import whole_server  # noqa: E402

TOOL = TOP / "build" / "release" / "bench" / "agent_load"

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason="needs the release build's agent_load")


@pytest.fixture
def loopback() -> Iterator[None]:
    with Namespace("load").entered():
        yield


def test_calls_of_many_agents_are_set_up_and_leave_nothing_behind(loopback):
    # Fails by itself when a call or its media is still there in the end.
    figures = whole_server.set_up(binary(), TOOL, rate=50, seconds=2)
    assert figures["answered"] == figures["calls"] == 100


def test_media_of_many_agents_reaches_whom_it_is_for(loopback):
    figures = whole_server.media(binary(), TOOL, calls=50, seconds=2)
    assert figures["misdelivered"] == 0
    assert figures["received"] >= 0.99 * figures["sent"] > 9000


def test_all_agents_are_back_after_the_server_was_killed(loopback):
    back = whole_server.reconnect(binary(), TOOL, 100)
    assert back["agents"] == 100
    assert back["last_s"] < 20
