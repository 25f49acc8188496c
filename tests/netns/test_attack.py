"""Strangers at full strength against the server's media port, while 100 calls are heard through it.

The agents are the load tool's, the attacker is bench/load/media_attack: it has overheard what the
agents sent, and can send from any address, also from theirs. Server, agents and attacker have a
network namespace each, and share this machine's cores.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator

import pytest
from scene.namespace import Namespace
from scene.product import TOP, binary

sys.path.insert(0, str(TOP / "bench" / "load"))
import whole_server  # noqa: E402

TOOLS = TOP / "build" / "release" / "bench"
CALLS = 100
SERVER, AGENTS, STRANGERS = "10.0.0.1", "10.64.0.1", "10.66.0.1"

pytestmark = pytest.mark.skipif(not (TOOLS / "media_attack").exists(),
                                reason="needs the release build's media_attack")


class Ground:
    """The server's namespace, and on a link of its own each the agents and the attacker."""

    def __init__(self) -> None:
        self.server, self.agents, self.attacker = (Namespace(n) for n in ("srv", "agents", "attacker"))
        for namespace in (self.server, self.agents, self.attacker):
            for which in ("all", "default"):
                namespace.sysctl(f"net.ipv4.conf.{which}.rp_filter", 0)
        self.server.ip(f"address add {SERVER}/32 dev lo")
        for number, (other, range_) in enumerate(((self.agents, "10.64.0.0/16"),
                                                  (self.attacker, "10.66.0.0/16")), 1):
            device = f"to-{other.name}"
            self.server.ip(f"link add {device} type veth peer name out netns {other.path}",
                           f"address add 10.0.{number}.1/24 dev {device}", f"link set {device} up")
            other.ip(f"address add 10.0.{number}.2/24 dev out", "link set out up",
                     f"route add {SERVER} via 10.0.{number}.1")
            self.server.ip(f"route add {range_} via 10.0.{number}.2")
        self.agents.ip("route add local 10.64.0.0/16 dev lo")
        # What is answered to a stranger arrives, is counted, and is answered by nobody.
        self.attacker.ip("route add blackhole 10.66.0.0/16")

    @staticmethod
    def inside(namespace: Namespace) -> list[str]:
        return ["nsenter", f"--net={namespace.path}", "--"]

    def place(self) -> whole_server.Place:
        return whole_server.Place(SERVER, AGENTS, self.inside(self.server), self.inside(self.agents))

    def attack(self, rate: int, seconds: float) -> subprocess.Popen:
        """It listens; a line on its input begins the attack."""
        return subprocess.Popen(
            [*self.inside(self.attacker), TOOLS / "media_attack", "--victim", f"{SERVER}:2776",
             "--overheard-in", self.server.path, "--strangers", STRANGERS, "--rate", str(rate),
             "--time", str(int(seconds * 1000))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def crossed(self) -> dict[str, int]:
        """Packets and octets on the attacker's link, as the attacker sees it."""
        stats = json.loads(self.attacker.run(["ip", "-s", "-j", "link", "show", "dev", "out"]))[0]["stats64"]
        return {f"{way}_{what}": stats[way][what] for way in ("rx", "tx") for what in ("packets", "bytes")}

    def close(self) -> None:
        for namespace in (self.attacker, self.agents, self.server):
            namespace.close()


@pytest.fixture
def ground() -> Iterator[Ground]:
    made = Ground()
    try:
        yield made
    finally:
        made.close()


def grown(before: dict, after: dict) -> dict:
    return {key: after[key] - before[key] for key in after}


def attacked(ground: Ground, carriage: str, rate: int, seconds: float) -> dict:
    """What the calls suffered, and what the server told of the attack; all asserted that is no figure."""
    with whole_server.Server(binary(), TOOLS / "agent_load", 100, ground.place(), carriage=carriage,
                             log_level="info") as server:
        attacker = ground.attack(rate, seconds)
        load = server.load("media", "--calls", str(CALLS), "--warm-up", "1000",
                           "--measure", str(int(seconds * 1000)), "--first", AGENTS)
        whole_server.told(load, "measuring")
        before, crossed, lines = server.status()["media"], ground.crossed(), len(server.log_lines())
        attacker.stdin.write("now\n")
        attacker.stdin.close()
        sent = json.loads(attacker.stdout.read())
        assert attacker.wait(timeout=10) == 0
        logged = server.log_lines()[lines:]
        figures = whole_server.told(load, "media")
        media, crossed = server.status()["media"], grown(crossed, ground.crossed())
        drops = grown(before["drops"], media["drops"])
        missed = media["missed"] - before["missed"]
        whole_server.finish(load)

    kinds = sent["kinds"]
    assert sent["refused"] == 0
    assert media["received"] == (media["relayed"] + media["handled"] + media["waiting"]
                                 + sum(media["drops"].values())), "every datagram is accounted for"
    assert figures["misdelivered"] == 0
    assert (kinds["replayed_sealed"] > 0) == (carriage == "tagged")

    # Each was dropped for the reason that it deserves; the kernel may have dropped some before.
    def about(expected: int, beside: int = 0) -> range:
        return range(expected - missed - beside, expected + missed + 1)

    copies = 4 * sent["probes"]  # of the latest probe of each flow, so many copies are challenged
    assert drops["bad_tag"] in about(kinds["altered_probe"] + kinds["forged_sealed"])
    assert drops["unknown_token"] in about(kinds["forged_probe"])
    assert drops["replayed"] in about(kinds["copied_probe"] + kinds["replayed_probe"] + kinds["replayed_sealed"]
                                      + kinds["altered_sealed"], copies)
    assert drops["unknown_source"] + drops["unsupported"] in about(
        kinds["rubbish"] + kinds["strangers_rtp"] + kinds["neighbours_rtp"] + kinds["copied_media"])
    assert sum(drops.values()) in about(sent["sent"], copies)

    # Nothing is amplified: answers are few, and small.
    assert crossed["tx_packets"] >= sent["sent"]
    assert crossed["rx_packets"] < (1000 * (seconds + 1) + copies), "1,000 probe please a second"
    assert crossed["rx_bytes"] < crossed["tx_bytes"] / 20
    assert len(logged) < 5, logged
    return {"attack_per_second": sent["sent"] / seconds, "missed": missed,
            "lost": (figures["sent"] - figures["received"]) / figures["sent"],
            "p99_ms": figures["p99_us"] / 1000, **figures}


@pytest.mark.parametrize("carriage", ["bound", "tagged"])
def test_what_strangers_send_is_dropped_by_reason_and_answered_by_little(ground: Ground, carriage: str):
    figures = attacked(ground, carriage, rate=10_000, seconds=2)
    assert figures["attack_per_second"] > 5_000
    assert figures["received"] > 0.99 * figures["sent"] > 15_000


@pytest.mark.figures
@pytest.mark.parametrize("carriage", ["bound", "tagged"])
def test_a_flood_at_x_is_not_heard_in_the_calls(ground: Ground, carriage: str, capsys):
    """As many a second as were asked for, or as the attacker can make on the cores that it shares
    with those it attacks: how many that were is printed."""
    runs = [attacked(ground, carriage, rate=100_000, seconds=10) for _ in range(3)]
    lost, p99 = (statistics.median(run[key] for run in runs) for key in ("lost", "p99_ms"))
    with capsys.disabled():
        print(f"\n{carriage}: of {[round(run['attack_per_second']) for run in runs]} packets a second, "
              f"{[run['missed'] for run in runs]} missed; of the calls' packets {lost:.4%} lost "
              f"({[round(run['lost'], 5) for run in runs]}), "
              f"p99 {p99:.2f} ms ({[round(run['p99_ms'], 2) for run in runs]}); "
              f"load {os.getloadavg()[0]:.1f}")
    assert lost <= 0.001
    assert p99 <= 20
