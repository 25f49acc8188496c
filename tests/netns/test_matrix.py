"""Media of the real program over the whole matrix: carriage, far side, family, and what happens to it.

Every packet that is heard is one that was said, octet for octet. All cells run with the soaks; of
these, each two values meet in one cell that always runs. (tests/sim/matrix_test.cc has the same
matrix in virtual time, where nothing is left to chance.)
"""

import itertools
import time
from collections.abc import Iterator

import pytest
from scene import audio
from scene.baresip import Baresip
from scene.figure1 import SERVER6, BadWire, Scene
from scene.waiting import until
from scene.world import World
from test_media_way import blocked_site

SERVERS = {
    "bound": {"media.carriage": "bound"},
    "in-clear": {"media.carriage": "tagged", "media.encrypt": False},
    "sealed": {"media.carriage": "tagged"},
    "stream": {"media.carriage": "tagged"},
}
FARS = ("agent", "public")
FAMILIES = ("ipv4", "ipv6")
WIRES = {
    "loss": {"loss": 0.05, "jitter_ms": 0},
    "reordering": {"loss": 0, "jitter_ms": 50},
    "doubling": {"loss": 0, "jitter_ms": 0, "doubles": 0.2},
}
EVENTS = ("clean", *WIRES, "rebinding", "carriage-change")

Cell = tuple[str, str, str, str]


def exists(cell: Cell) -> bool:
    carriage, far, family, event = cell
    if family == "ipv6" and (far == "public" or event == "rebinding" or carriage == "stream"):
        return False  # these scenes have no public phone, no NAT and no closed firewall of IPv6
    # TCP knows no loss; what it makes of it, and of a NAT that forgets, is
    # tests/netns/test_media_way.py's. A stream has no other carriage.
    return carriage != "stream" or event == "clean"


CELLS = [cell for cell in itertools.product(SERVERS, FARS, FAMILIES, EVENTS) if exists(cell)]


def pairs(cell: Cell) -> set:
    return set(itertools.combinations(enumerate(cell), 2))


def cover() -> list[Cell]:
    """Few cells in which each pair of values occurs that occurs at all; the same ones each time."""
    missing = set().union(*map(pairs, CELLS))
    chosen = []
    while missing:
        best = max(CELLS, key=lambda cell: len(pairs(cell) & missing))
        chosen.append(best)
        missing -= pairs(best)
    return chosen


def parameters() -> Iterator:
    always = cover()
    for cell in CELLS:
        yield pytest.param(*cell, id="-".join(cell), marks=() if cell in always else pytest.mark.soak)


def packets(scene: Scene, phone: Baresip, outgoing: bool, begin: float) -> list[bytes]:
    """The RTP on this phone's wire, whole."""
    return [p.payload for p in scene.tap(phone.host).select(
        lambda p: p.protocol == "udp" and p.outgoing == outgoing
        and audio.parse_rtp(p.payload) is not None, begin)]


def happen(world: World, carriage: str, event: str) -> None:
    if event == "rebinding":
        world.scene.sites["a"].router.flush()
    elif event == "carriage-change":
        other = "tagged" if carriage == "bound" else "bound"
        world.server.command("carriage", "agent-a", other)
        until(lambda: world.server.calls()[0]["legs"][0]["media"][0]["carriage"] == other, f"{other} media")


@pytest.mark.parametrize(("carriage", "far", "family", "event"), parameters())
def test_what_is_heard_is_what_was_said(scene: Scene, carriage: str, far: str, family: str, event: str):
    world = World(scene, SERVERS[carriage])
    ipv6 = family == "ipv6"
    for number, site in enumerate(("a", "b") if far == "agent" else ("a",)):
        if carriage == "stream":
            blocked_site(world, site)
            continue
        wire = BadWire(scene, site, seed=number + 1, **WIRES[event]) if event in WIRES else None
        settings = {"multiplex.servers": [f"[{SERVER6}]:2776"]} if ipv6 else None
        world.add_site(site, agent_settings=settings, ipv6=ipv6, wire=wire)
    alice = world.phone("a", "alice", ipv6=ipv6)
    bob = world.phone("b", "bob", ipv6=ipv6) if far == "agent" else world.public_phone("bob", register=True)
    world.call(alice, bob)
    began = time.time()
    world.both_hear(alice, bob, began)
    happen(world, carriage, event)
    world.both_hear(alice, bob, time.time(), seconds=2)
    # A NAT that forgets cuts the connection, too: the call's figures are had again when it is back.
    call = until(lambda: next((one for one in world.server.calls() if one["carriage"]), None), "the agent to be back")
    if event != "carriage-change":
        assert call["carriage"] == ("bound" if carriage == "bound" else "tagged")
        assert call["encrypted"] == (carriage in ("sealed", "stream"))
    assert world.agents["a"].json("status")["media"]["way"] in ({"stream"} if carriage == "stream" else {"", "udp"})
    scene.capture.settle()
    for speaker, listener in ((alice, bob), (bob, alice)):
        said = packets(scene, speaker, True, 0.0)
        heard = packets(scene, listener, False, began)
        assert set(heard) <= set(said)
        span = world.heard(listener, speaker, began)
        kept = len(set(heard)) / len(set(packets(scene, speaker, True, began)))
        assert kept > (0.8 if event in ("loss", "rebinding") else 0.95), f"{kept:.2f} of what was said"
        assert span.longest_gap() < 1.0
    world.hang_up(alice, bob)
