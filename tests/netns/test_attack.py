"""Strangers at full strength against the server's media port, while 100 calls are heard through it.

The agents are the load tool's, the attacker is bench/load/media_attack: it has overheard what the
agents sent, and can send from any address, also from theirs. Server, agents and attacker have a
network namespace each, and share this machine's cores.
"""

from __future__ import annotations

import json
import os
import statistics

import pytest
from scene.ground import AGENTS, TOOLS, Ground, whole_server
from scene.product import binary

CALLS = 100

pytestmark = pytest.mark.skipif(not (TOOLS / "media_attack").exists(),
                                reason="needs the release build's media_attack")


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
    assert media["received"] + media["taken"] == (media["relayed"] + media["handled"] + media["waiting"] + media["passed"]
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
