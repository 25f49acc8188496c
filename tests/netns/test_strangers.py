"""What strangers in the public network try, and that no call is captured, heard or broken by it."""

import re
import time

from scene import audio
from scene.figure1 import SERVER, Scene
from scene.waiting import until
from scene.world import World, figure_1

STRANGER = "192.0.2.66"


def bursts(scene: Scene, send, seconds: float = 2.0) -> None:
    """Calls `send(n)` as often as a phone sends RTP, for the length of a sentence."""
    del scene
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < seconds:
        if time.monotonic() - began >= number * 0.02:
            send(number)
            number += 1
        else:
            time.sleep(0.002)


def test_a_second_sender_to_the_servers_media_port_is_ignored(scene: Scene):
    world = World(scene)
    world.add_site("a")
    alice = world.phone("a", "alice")
    paul = world.public_phone("paul", register=True)
    stranger = scene.public_host("stranger", STRANGER)
    world.call(alice, paul)
    invite = scene.tap(paul.host).select(
        lambda p: not p.outgoing and p.payload.startswith(b"INVITE"))[-1].payload.decode()
    port = int(re.search(r"m=audio (\d+)", invite).group(1))
    began = time.time()
    with stranger.namespace.socket() as line:
        line.bind((STRANGER, 20000))
        bursts(scene, lambda n: line.sendto(audio.rtp_tone(1450, n), (SERVER, port)))
    world.both_hear(alice, paul, began)
    scene.capture.settle()
    assert world.heard(alice, paul, began).other_frames == 0
    assert not scene.tap(stranger).select(
        lambda p: not p.outgoing and audio.tone_in_packet(p) is not None)
    world.hang_up(alice, paul)


def test_rtp_from_a_stranger_to_port_x_reaches_nobody(scene: Scene):
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    stranger = scene.public_host("stranger", STRANGER)
    world.call(alice, bob)
    began = time.time()
    with stranger.namespace.socket() as line:
        line.bind((STRANGER, 20000))
        bursts(scene, lambda n: line.sendto(audio.rtp_tone(1450, n), (SERVER, 2776)))
    world.both_hear(alice, bob, began)
    scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        assert world.heard(listener, speaker, began).other_frames == 0
    sent = sum(len(p.payload) for p in scene.tap(stranger).select(lambda p: p.outgoing))
    answered = sum(len(p.payload) for p in scene.tap(stranger).select(lambda p: not p.outgoing))
    assert answered < sent / 10, "an answer to a stranger is small and rare"


def test_a_copied_probe_moves_no_call(scene: Scene):
    """Who sees a probe on its way and sends it again from elsewhere gets nothing for it."""
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    stranger = scene.public_host("stranger", STRANGER)
    world.call(alice, bob)
    scene.capture.settle()
    probes = scene.sites["a"].router.tap.select(
        lambda p: p.outgoing and p.protocol == "udp" and 4 <= p.payload[0] <= 15)
    assert probes
    began = time.time()
    with stranger.namespace.socket() as line:
        line.bind((STRANGER, 20000))
        for _ in range(20):
            for probe in probes:
                line.sendto(probe.payload, (SERVER, probe.destination_port))
    world.both_hear(alice, bob, began, seconds=2.0)
    scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        assert world.heard(listener, speaker, began).longest_gap(begin=began) < 0.5
    assert not scene.tap(stranger).select(
        lambda p: not p.outgoing and audio.tone_in_packet(p) is not None)
    world.hang_up(bob, alice)


def test_rubbish_on_every_open_port_of_the_server_harms_nothing(scene: Scene):
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    stranger = scene.public_host("stranger", STRANGER)
    world.call(alice, bob)
    began = time.time()
    rubbish = [b"\x00" * 10, b"\xff" * 1400, b"\x08" * 60, b"INVITE", b"\r\n\r\n", b"\x80" * 11,
               b"INVITE sip:bob@example.org SIP/2.0\r\nVia: \r\n\r\n", bytes(range(256)) * 4]
    with stranger.namespace.socket() as line:
        line.bind((STRANGER, 20000))
        for octets in rubbish * 20:
            for port in (2776, 2777, 5060):
                line.sendto(octets, (SERVER, port))
    for octets in rubbish:
        for port in (2776, 5060):
            with stranger.namespace.connect((SERVER, port)) as stream:
                stream.sendall(octets)
    world.both_hear(alice, bob, began, seconds=2.0)
    world.server.assert_healthy()
    world.hang_up(alice, bob)


def test_a_scanner_is_counted_and_fills_no_log(scene: Scene):
    world = World(scene)
    stranger = scene.public_host("scanner", STRANGER)

    def asks(method: str, number: int, call_id: str) -> bytes:
        return "\r\n".join([
            f"{method} sip:{number}@{SERVER} SIP/2.0",
            f"Via: SIP/2.0/UDP {STRANGER}:5060;branch=z9hG4bK{method}{number}", "Max-Forwards: 70",
            "From: <sip:100@1.1.1.1>;tag=1", "To: <sip:100@1.1.1.1>", *filter(None, [call_id]),
            f"CSeq: 1 {method}", "User-Agent: friendly-scanner", "Content-Length: 0", "", ""]).encode()

    def counters() -> dict:
        return world.server.json("status")["sip"]

    before, begin = counters(), world.server.mark()
    with stranger.namespace.socket() as line:
        line.bind((STRANGER, 5060))
        for number in range(100):
            line.sendto(asks("MESSAGE", number, f"Call-ID: scan-{number}"), (SERVER, 5060))
            line.sendto(asks("INFO", number, ""), (SERVER, 5060))  # nothing to answer it by
        until(lambda: counters().get("unknown_callee", 0) - before.get("unknown_callee", 0) == 100,
              "every question counted")
    grown = sum(counters().values()) - sum(before.values())
    assert grown >= 200, "what is not answered is counted as well"
    assert len(world.server.events(begin=begin)) < 5
    scene.capture.settle()
    answers = scene.tap(stranger).select(lambda p: not p.outgoing and b"SIP/2.0" in p.payload)
    assert len({a.payload for a in answers}) == 100
    assert all(b"Call-ID: scan-" in a.payload for a in answers)


def test_calls_that_nobody_answers_are_counted_and_fill_no_log(scene: Scene):
    world = World(scene)
    world.add_site("b")
    bob = world.phone("b", "bob")
    mallory = world.public_phone("mallory")
    before, begin = world.server.json("status")["sip"].get("call_unanswered", 0), world.server.mark()
    for _ in range(20):
        began = mallory.dial(f"sip:{bob.user}@{SERVER}")
        bob.await_event("CALL_INCOMING", began)
        bob.hang_up()
        mallory.await_event("CALL_CLOSED", began)
    until(lambda: world.server.json("status")["sip"]["call_unanswered"] == before + 20, "all counted")
    told = [event for event in world.server.events(begin=begin) if event["level"] != "debug"]
    assert len(told) <= 2, "one a minute"
    assert all(event["event"] == "call refused" for event in told)


def test_a_stranger_cannot_call_through_the_server_to_elsewhere(scene: Scene):
    """The server is no open relay: what is not its own is not routed for strangers."""
    world = figure_1(scene)
    mallory = world.public_phone("mallory", proxy=SERVER)
    for target in ("sip:victim@192.0.2.77", "sip:victim@elsewhere.example.com"):
        began = time.time()
        mallory.command("dial", f"{target}")
        # dialled by way of the server: its address is mallory's outbound proxy
        closed = until(lambda: mallory.seen("CALL_CLOSED", began), "a refusal")[0]
        assert any(code in closed["param"] for code in ("403", "404", "480", "407"))
