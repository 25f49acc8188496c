"""What many calls cost on the line between an agent and its server: 30 calls of G.729."""

import statistics
import time
from dataclasses import dataclass

import pytest
from scene.figure1 import SERVER, Host, Scene
from scene.sipp import Scenario, Sipp, audio_sdp
from scene.streams import Playing, agreed
from scene.waiting import until
from scene.world import World

CALLS = 30
FAR = "192.0.2.60"
FAR_DOMAIN = "partner.example"
MEASURED = 5.0  # seconds
ETHERNET = 14
LONGEST_FRAME = ETHERNET + 1500
G729_SDP = audio_sdp("[auto_media_port+1000]").replace("AVP 0", "AVP 18").replace(
    "rtpmap:0 PCMU", "rtpmap:18 G729")

pytestmark = pytest.mark.figures


@dataclass
class Line:
    """One direction of the line between the site's router and the server."""

    packets: int
    bits: int  # IP headers included
    delay: float  # median of all packets, from the sender's wire to the hearer's

    def beside(self, other: "Line") -> str:
        return (f"packets / {other.packets / self.packets:.1f}, "
                f"bits * {self.bits / other.bits:.2f}, "
                f"{(self.delay - other.delay) * 1000:+.2f} ms")


def delays(scene: Scene, sender: Host, hearer: Host, begin: float, end: float) -> list[float]:
    """Of each packet sent in that time; each arrives, as it was."""
    sent = {p.payload: p.time for p in scene.tap(sender).select(
        lambda p: p.outgoing and p.protocol == "udp" and len(p.payload) == 32, begin)
        if p.time < end}
    heard = {p.payload: p.time for p in scene.tap(hearer).select(
        lambda p: not p.outgoing and p.protocol == "udp" and len(p.payload) == 32, begin)}
    assert len(sent) > 0.95 * CALLS * 50 * (end - begin)
    assert sent.keys() <= heard.keys(), "lost, or not the same octets"
    return [heard[packet] - sent[packet] for packet in sent]


def measure(scene: Scene, inside: Host, outside: Host) -> dict[str, Line]:
    begin = time.time()
    end = begin + MEASURED
    until(lambda: time.time() > end + 0.2, "the end of the measurement", MEASURED + 5)
    scene.capture.settle()
    crossed = [p for p in scene.sites["a"].router.tap.select(
        lambda p: p.protocol == "udp" and {p.source_port, p.destination_port} & {2776, 2777}
        and SERVER in (p.source, p.destination), begin) if p.time < end]
    assert all(len(p.frame) <= LONGEST_FRAME for p in crossed), "counted as they cross"
    out = {}
    for name, sender, hearer, mine in (("up", inside, outside, "destination"),
                                       ("down", outside, inside, "source")):
        way = [p for p in crossed if getattr(p, mine) == SERVER]
        out[name] = Line(packets=len(way), bits=sum(8 * (len(p.frame) - ETHERNET) for p in way),
                         delay=statistics.median(delays(scene, sender, hearer, begin, end)))
    return out


@pytest.mark.parametrize(("window", "packets", "bits"), [(2, 3.0, 0.65), (8, 10.0, 0.5)],
                         ids=["2ms", "8ms"])
def test_thirty_calls_of_g729_tagged_beside_bound(scene: Scene, capsys, window: int,
                                                  packets: float, bits: float):
    world = World(scene, {"media.bundle": f"{window} ms", "media.compress": True,
                          "sip.routes": [{"domain": FAR_DOMAIN, "targets": [f"{FAR}:5060"]}]})
    world.add_site("a")
    alice = world.sipp("a", "alice")
    far = Sipp(scene, scene.public_host("far", FAR), "far", f"{SERVER}:5060")
    called = far.start(
        Scenario("far").await_request("INVITE").respond("200 OK", G729_SDP, retransmit=True)
        .await_request("ACK").await_request("BYE").respond("200 OK"), calls=CALLS)
    calling = alice.start(
        Scenario("alice").invite(G729_SDP, uri=f"sip:far@{FAR_DOMAIN}").receive(200).ack()
        .pause(25_000)
        .bye(), "-r", "30", calls=CALLS)
    until(lambda: sum(call["state"] == "established" for call in world.server.calls()) == CALLS,
          "all calls", 20)
    scene.capture.settle()
    streams = [*agreed(scene.tap(alice.host), alice.host), *agreed(scene.tap(far.host), far.host)]
    assert len(streams) == 2 * CALLS
    with Playing(streams):
        until(lambda: all(call["from_hears"].startswith("0.0 %") and "jitter" in call["to_hears"]
                          for call in world.server.calls()), "every call's media", 20)
        bound = measure(scene, alice.host, far.host)
        assert all((call["carriage"], call["encrypted"]) == ("bound", False)
                   for call in world.server.calls())
        world.server.command("carriage", "agent-a", "tagged")
        until(lambda: all((call["carriage"], call["encrypted"]) == ("tagged", True)
                          for call in world.server.calls()), "the other carriage")
        until(lambda: world.agents["a"].media_ends() == 2 * CALLS, "the old flows are closed")
        tagged = measure(scene, alice.host, far.host)
    with capsys.disabled():
        for way in bound:
            print(f"\n{CALLS} calls of G.729, {window} ms, {way}: {tagged[way].beside(bound[way])}",
                  end="")
    for way in bound:
        assert tagged[way].packets <= bound[way].packets / packets
        assert tagged[way].bits <= bits * bound[way].bits
        assert tagged[way].delay - bound[way].delay <= window / 1000 + 0.001
    calling.succeeded()
    called.succeeded()
    world.await_no_calls()
