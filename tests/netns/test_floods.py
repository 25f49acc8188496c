"""What one caller too many may use up, outside or in a site: its own share, and never the others'."""

import threading
import time

from scene.figure1 import DOMAIN, SERVER, Host, Scene
from scene.waiting import until
from scene.world import World

STRANGER = "192.0.2.66"


def invite(caller: str, number: int, callee: str = f"sip:dead@{DOMAIN}") -> bytes:
    sdp = (f"v=0\r\no=- 1 1 IN IP4 {caller}\r\ns=-\r\nc=IN IP4 {caller}\r\nt=0 0\r\n"
           "m=audio 20000 RTP/AVP 0\r\n")
    return "\r\n".join([
        f"INVITE {callee} SIP/2.0",
        f"Via: SIP/2.0/UDP {caller}:5060;branch=z9hG4bKflood{number}", "Max-Forwards: 70",
        f"From: <sip:flood@{caller}>;tag={number}", f"To: <{callee}>", f"Call-ID: flood-{number}",
        "CSeq: 1 INVITE", f"Contact: <sip:flood@{caller}>", "Content-Type: application/sdp",
        f"Content-Length: {len(sdp)}", "", sdp]).encode()


def flood(host: Host, server: str, begin: int, calls: int, a_second: int) -> None:
    with host.namespace.socket() as line:
        line.bind((host.address, 5060))
        began = time.monotonic()
        for number in range(calls):
            time.sleep(max(0.0, began + number / a_second - time.monotonic()))
            line.sendto(invite(host.address, begin + number), (server, 5060))


def counters(world: World) -> dict:
    return world.server.json("status")["sip"]


def a_site_with_a_dead_phone(scene: Scene, settings: dict) -> World:
    world = World(scene, settings)
    world.add_site("a")
    world.sipp("a", "dead")  # it registers, and nothing listens there any more
    return world


def test_calls_to_a_dead_phone_leave_room_for_those_of_others(scene: Scene):
    world = a_site_with_a_dead_phone(scene, {"limits.calls_per_agent": 40})
    alice = world.phone("a", "alice")
    paul = world.public_phone("paul", proxy=SERVER)
    stranger = scene.public_host("stranger", STRANGER)
    rogue = scene.sites["a"].host("rogue", 66)
    flood(stranger, SERVER, 0, 60, 31)
    flood(rogue, world.agents["a"].host.address, 1000, 60, 31)
    until(lambda: counters(world).get("unanswered_calls_over_share", 0) > 0, "the flood refused")
    assert len(world.server.calls()) < 40
    world.call(paul, alice)
    ringing = [call for call in world.server.calls() if call["state"] != "established"]
    assert len(ringing) > 20, "the others are still there"
    assert len(world.server.events("call ended")) < 60


def test_a_site_that_floods_delays_nobody_elses_call(scene: Scene):
    world = a_site_with_a_dead_phone(scene, {})
    world.add_site("b")
    bob = world.phone("b", "bob")
    paul = world.public_phone("paul", proxy=SERVER)
    rogue = scene.sites["a"].host("rogue", 66)
    mark = world.server.mark()
    flooding = threading.Thread(
        target=flood, args=(rogue, world.agents["a"].host.address, 0, 20_000, 4_000))
    flooding.start()
    try:
        until(lambda: counters(world).get("flood_unheard", 0) > 0, "messages that are not heard")
        began = time.time()
        world.call(paul, bob, listen=False)
        assert flooding.is_alive()
        assert time.time() - began < 2.0
    finally:
        flooding.join()
    told = world.server.events("requests over the limit, refused until there are fewer", mark)
    assert len(told) == 1
    assert counters(world)["flood_refused"] < 1500
