"""Attended transfer (RFC 3515, RFC 3891): whoever transfers has talked to the target before.

alice is a real phone with two calls. bob, whom she transfers, is sipp, because the phone at hand does
not follow a Refer-To that holds Replaces; carol, the target, is a real phone that takes the call.
"""

from __future__ import annotations

import re
import time
import urllib.parse

import pytest

from scene import audio
from scene.figure1 import Scene
from scene.sipp import Scenario, audio_sdp
from scene.waiting import until
from scene.world import figure_1

BOBS_TONE = 1450
REPORT = "Event: refer\nSubscription-State: "


def sip_messages(scene: Scene, host, begin: float, outgoing: bool, head: str) -> list[str]:
    """What that host sent or received since `begin`, by first line; without retransmissions."""
    scene.capture.settle()
    packets = scene.tap(host).select(
        lambda p: p.outgoing == outgoing and p.payload.startswith(head.encode()), begin)
    return list(dict.fromkeys(p.payload.decode() for p in packets))


def header(message: str, name: str) -> str:
    return re.search(rf"^{name}: *(.*?)\r$", message, re.M | re.I)[1]


def tag(message: str, name: str) -> str:
    return re.search(r";tag=([^;>\s]+)", header(message, name))[1]


def transferee() -> Scenario:
    """Answers the call, takes the REFER, and reports when it is asked for the hold's answer: that is
    alice's sign that the new call is there."""
    return (Scenario("bob").await_request("INVITE")
            .respond("200 OK", audio_sdp(), retransmit=True).await_request("ACK")
            .await_request("INVITE").respond("200 OK", audio_sdp(direction="recvonly"),
                                             retransmit=True).await_request("ACK")
            .await_request("REFER", find="Replaces").respond("202 Accepted")
            .request("NOTIFY", body="SIP/2.0 100 Trying\n", content_type="message/sipfrag",
                     headers=REPORT + "active;expires=60").receive(200)
            .await_request("INVITE").respond("200 OK", audio_sdp(), retransmit=True)
            .await_request("ACK")
            .request("NOTIFY", body="SIP/2.0 200 OK\n", content_type="message/sipfrag",
                     headers=REPORT + "terminated;reason=noresource").receive(200)
            .await_request("BYE").respond("200 OK"))


def new_call(replaces: str, speech) -> Scenario:
    scenario = (Scenario("bob").invite(audio_sdp("[rtpstream_audio_port]"),
                                       headers=f"Supported: replaces\nReplaces: {replaces}")
                .receive(180, optional=True).receive(200).ack())
    scenario.steps.append(f'<nop><action><exec rtp_stream="{speech},-1,0"/></action></nop>')
    return scenario.await_request("BYE").respond("200 OK")


@pytest.mark.parametrize("target", ["at bob's site", "in the public network"])
def test_a_call_is_transferred_after_a_consultation(scene: Scene, target: str):
    world = figure_1(scene)
    alice = world.phone("a", "alice")
    bob = world.sipp("b", "bob")
    carol = (world.phone("b", "carol", account="answermode=auto") if target == "at bob's site"
             else world.public_phone("carol", register=True, account="answermode=auto"))
    speech = bob.folder / "tone"
    speech.write_bytes(audio.mulaw_tone(BOBS_TONE) * 50)

    first = bob.start(transferee())
    began = alice.dial(f"sip:bob@{world.server.domain}")
    alice.await_event("CALL_ESTABLISHED", began)
    alice.hold()
    until(lambda: len(sip_messages(scene, bob.host, began, False, "ACK ")) == 2, "the hold")
    consulted = alice.dial(carol.uri)
    alice.await_event("CALL_ESTABLISHED", consulted)
    world.both_hear(alice, carol, consulted)

    # alice names her dialog with carol, as she knows it.
    invite = next(m for m in sip_messages(scene, alice.host, consulted, True, "INVITE ")
                  if "To: <sip:carol@" in m)
    answer = next(m for m in sip_messages(scene, alice.host, consulted, False, "SIP/2.0 200")
                  if header(m, "Call-ID") == header(invite, "Call-ID"))
    dialog = (f"{header(answer, 'Call-ID')};to-tag={tag(answer, 'To')}"
              f";from-tag={tag(answer, 'From')}")
    alice.command("line", "1")
    alice.transfer(f"<{carol.uri}?Replaces={urllib.parse.quote(dialog, safe='')}>")
    refer = until(lambda: sip_messages(scene, bob.host, began, False, "REFER "), "REFER")[0]
    named = urllib.parse.unquote(re.search(r"Replaces=([^>&]+)", header(refer, "Refer-To"))[1])

    transferred = time.time()
    second = bob.start(new_call(named, speech), "-p", "5062", "-mp", "42000", service="carol",
                       await_open=False)
    carol.await_event("CALL_ESTABLISHED", transferred)
    # What carol is told is the dialog that she knows: the one with alice.
    known, offered, *_ = sip_messages(scene, carol.host, consulted, False, "INVITE ")
    accepted = next(m for m in sip_messages(scene, carol.host, consulted, True, "SIP/2.0 200")
                    if header(m, "Call-ID") == header(known, "Call-ID"))
    assert header(offered, "Replaces").split(";") == [
        header(known, "Call-ID"), f"to-tag={tag(accepted, 'To')}",
        f"from-tag={tag(accepted, 'From')}"]

    for host, address, tone in ((carol.host, carol.address, BOBS_TONE),
                                (bob.host, bob.address, carol.tone)):
        until(lambda h=host, a=address, t=tone:
              audio.arriving(scene.tap(h), a, t, transferred).seconds >= 1,
              f"{tone} Hz at {host.name}")
    alice.resume()  # the transferee's cue to report success, after which alice leaves
    alice.await_event("CALL_CLOSED", transferred)
    first.succeeded()
    alice.hang_up()
    until(lambda: len(world.server.calls()) == 1, "only the new call is left")
    carol.hang_up()
    second.succeeded()
    world.await_no_calls()
