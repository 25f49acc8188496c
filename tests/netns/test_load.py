"""Many agents at once on one server, played by the load tool of bench/ (see docs/BENCHMARKS.md)."""

import os
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from scene.ground import TOOLS, Ground, whole_server
from scene.namespace import Namespace
from scene.product import binary
from scene.waiting import until

TOOL = TOOLS / "agent_load"

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


def test_a_media_flow_takes_less_than_2_kb_of_the_server(loopback, tmp_path: Path):
    """RTP and RTCP of it, bound; all that the media plane has for it in user space, on both of its threads."""

    def memory_kb(flows: int) -> int:
        output = tmp_path / f"{flows}"
        with output.open("w") as out:
            plane = subprocess.Popen([TOOLS / "bench_relay", "--rtcp", "--streams", str(flows)], stdout=out)
        try:
            until(lambda: "ready\n" in output.read_text(), "the flows to be open")
            subprocess.run([TOOLS / "media_load", "flows", "--rtcp", "--calls", str(flows // 2), "--targets",
                            output, "--warm-up", "0", "--measure", "0"], check=True, stdout=subprocess.DEVNULL)
            return whole_server.memory_kb(plane.pid)
        finally:
            plane.terminate()
            plane.wait()

    assert 500 < (memory_kb(20_000) - memory_kb(2)) * 1024 / 20_000 < 2048


@pytest.mark.figures
@pytest.mark.skipif(os.geteuid() != 0 or not (TOOLS / "bare_tc").exists(), reason="the kernel takes no programs")
def test_1500_calls_through_one_server_with_the_fast_path(ground: Ground, capsys):
    runs = [whole_server.media(binary(), TOOL, 1500, 10, place=ground.place(), fast_path="ebpf")
            for _ in range(3)]
    with capsys.disabled():
        for run in runs:
            print(f"\n{run['packets_per_second']:,.0f} packets a second: {run['lost']} of {run['sent']} lost, "
                  f"p99 {run['p99_us'] / 1000:.2f} ms; server {run['relay_percent']:.1f} % of a core; "
                  f"load {os.getloadavg()[0]:.1f}")
    assert statistics.median(run["packets_per_second"] for run in runs) >= 0.98 * 150_000
    assert statistics.median(run["lost"] / run["sent"] for run in runs) <= 1e-4
    assert all(run["misdelivered"] == 0 for run in runs)
