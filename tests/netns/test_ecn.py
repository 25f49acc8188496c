"""ECN (RFC 3168) from phone to phone: as it was sent, or as the networks on the way have marked it."""

import time
from collections import Counter

import pytest
from scene import audio
from scene.baresip import Baresip
from scene.figure1 import Scene
from scene.waiting import until
from scene.world import World

NOT_CAPABLE, CAPABLE_0, CONGESTED = 0, 2, 3

CARRIAGES = {
    "bound": {"media.carriage": "bound"},
    "sealed": {"media.carriage": "tagged"},
    "in-clear": {"media.carriage": "tagged", "media.encrypt": False},
    "kernel": {"media.carriage": "bound", "media.fast_path": "ebpf"},
}


def takes_part(phone: Baresip) -> None:
    """From now on this phone's RTP says ECT(0)."""
    phone.host.namespace.nft("""
table ip partaking {
  chain out {
    type filter hook output priority mangle;
    meta l4proto udp @th,64,2 2 ip ecn set ect0
  }
}
""")


def heard(scene: Scene, listener: Baresip, begin: float) -> Counter:
    """How many RTP packets arrived with which ECN."""
    scene.capture.settle()
    packets = scene.tap(listener.host).select(
        lambda p: p.protocol == "udp" and not p.outgoing and audio.parse_rtp(p.payload) is not None,
        begin)
    return Counter(p.frame[15] & 3 for p in packets)


@pytest.mark.parametrize("carriage", CARRIAGES)
def test_a_packet_arrives_as_it_was_sent_or_marked_on_the_way(scene: Scene, carriage: str):
    world = World(scene, CARRIAGES[carriage])
    for site in ("a", "b"):
        world.add_site(site)
    kernel = carriage == "kernel"
    refused = world.server.events("user space relays all media: the kernel's fast path is not to be had")
    if kernel and refused:
        pytest.skip(f"the kernel's fast path is not to be had here: {refused[0]['why']}")
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    takes_part(alice)
    if kernel:
        until(lambda: world.server.json("status")["media"]["offloaded"] >= 2, "both directions in the kernel")
    began = time.time() + 0.2  # what is under way
    world.both_hear(alice, bob, began)
    assert set(heard(scene, bob, began)) == {CAPABLE_0}
    assert set(heard(scene, alice, began)) == {NOT_CAPABLE}, "nobody else is marked"

    scene.sites["a"].router.namespace.nft("""
table ip congested {
  chain out {
    type filter hook forward priority mangle;
    oifname "wan" udp dport { 2776, 2777 } ip ecn ect0 ip ecn set ce
  }
}
""")
    began = time.time() + 0.2
    world.both_hear(alice, bob, began)
    assert set(heard(scene, bob, began)) == {CONGESTED}
    world.hang_up(alice, bob)
