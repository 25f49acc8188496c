"""The baseline: the phones alone, with nothing of ours between them."""

import pytest
from scene import audio
from scene.baresip import Baresip
from scene.conversations import PAIRS, converse
from scene.figure1 import Scene
from scene.kamailio import Kamailio
from scene.sipp import Sipp
from scene.waiting import until


def test_two_phones_that_call_directly_hear_each_other(scene: Scene):
    one = scene.public_host("one", "192.0.2.50")
    two = scene.public_host("two", "192.0.2.51")
    alice = Baresip(scene, one, "alice", tone=400, register=False)
    bob = Baresip(scene, two, "bob", tone=1000, register=False)

    alice.dial(bob.uri)
    bob.await_event("CALL_INCOMING")
    bob.accept()
    alice.await_event("CALL_ESTABLISHED")

    until(lambda: audio.arriving(scene.tap(one), one.address, 1000).seconds > 1, "bob at alice")
    until(lambda: audio.arriving(scene.tap(two), two.address, 400).seconds > 1, "alice at bob")
    bob.hang_up()
    alice.await_event("CALL_CLOSED")

    # The tap and the phone's own recording agree, and nobody hears himself.
    scene.capture.settle()
    for phone, host, other, own in ((alice, one, 1000, 400), (bob, two, 400, 1000)):
        arrived = audio.arriving(scene.tap(host), host.address, other)
        assert arrived.other_frames == 0
        assert arrived.longest_gap() < 0.5
        assert audio.heard_in_wav(phone.recording(), other).seconds > 0.5
        assert audio.heard_in_wav(phone.recording(), own).seconds == 0


def test_a_phone_behind_napt_without_help_is_not_reached(scene: Scene):
    """What all of this is for: the private contact leads nowhere from outside."""
    site = scene.site("a")
    inside = site.host("phone", 11)
    outside = scene.public_host("outside", "192.0.2.50")
    Baresip(scene, inside, "alice", tone=400, register=False)
    caller = Baresip(scene, outside, "bob", tone=1000, register=False)

    caller.dial(f"sip:alice@{inside.address}:5060")

    invites = until(lambda: scene.capture.tap(scene.internet.namespace, "p2").select(
        lambda p: p.payload.startswith(b"INVITE")), "the INVITE at the public network")
    assert invites[0].destination == inside.address
    scene.capture.settle()
    assert not scene.tap(inside).select(lambda p: p.protocol == "udp" and p.destination_port == 5060)


@pytest.mark.parametrize("pair", PAIRS)
def test_two_phones_that_talk_directly_agree_on(scene: Scene, pair: str):
    """The baseline: these scenarios are right when nothing of ours is between them."""
    one = scene.public_host("one", "192.0.2.50")
    two = scene.public_host("two", "192.0.2.51")
    converse(Sipp(scene, one, "alice", two.address), Sipp(scene, two, "bob", one.address),
             PAIRS[pair])


def test_two_phones_call_by_way_of_a_hosted_pbx(scene: Scene):
    pbx = Kamailio(scene, scene.public_host("pbx", "192.0.2.200"), "pbx.example.net", "secret")
    options = {"domain": pbx.domain, "proxy": pbx.host.address, "password": "secret"}
    one = scene.public_host("one", "192.0.2.50")
    alice = Baresip(scene, one, "alice", tone=400, **options)
    bob = Baresip(scene, scene.public_host("two", "192.0.2.51"), "bob", tone=1000, **options)
    alice.await_registered()
    bob.await_registered()
    alice.dial(bob.uri)
    bob.await_event("CALL_INCOMING")
    bob.accept()
    until(lambda: audio.arriving(scene.tap(one), one.address, 1000).seconds > 1, "bob at alice")


def test_two_phones_that_call_directly_encrypt_what_they_say(scene: Scene):
    secure = {"register": False, "srtp": True, "account": "mediaenc=srtp-mand"}
    one = scene.public_host("one", "192.0.2.50")
    alice = Baresip(scene, one, "alice", tone=400, **secure)
    bob = Baresip(scene, scene.public_host("two", "192.0.2.51"), "bob", tone=1000, **secure)
    began = alice.dial(bob.uri)
    bob.await_event("CALL_INCOMING", began)
    bob.accept()
    alice.await_event("CALL_ESTABLISHED", began)
    until(lambda: len(scene.tap(one).select(
        lambda p: not p.outgoing and audio.parse_rtp(p.payload) is not None)) > 75, "media")
    assert not audio.arriving(scene.tap(one), one.address, 1000).moments
    bob.hang_up()
    alice.await_event("CALL_CLOSED", began)
    until(lambda: audio.heard_in_wav(alice.recording(), 1000).seconds > 1, "bob in the recording")


def test_a_call_is_transferred_between_phones_that_call_directly(scene: Scene):
    hosts = [scene.public_host(name, f"192.0.2.{50 + n}") for n, name in enumerate("abc")]
    alice = Baresip(scene, hosts[0], "alice", tone=400, register=False)
    bob = Baresip(scene, hosts[1], "bob", tone=700, register=False)
    carol = Baresip(scene, hosts[2], "carol", tone=1000, register=False,
                    account="answermode=auto")
    began = alice.dial(bob.uri)
    bob.await_event("CALL_INCOMING", began)
    bob.accept()
    alice.await_event("CALL_ESTABLISHED", began)
    bob.transfer(carol.uri)
    carol.await_event("CALL_ESTABLISHED", began)
    until(lambda: audio.arriving(scene.tap(hosts[0]), alice.address, 1000).seconds > 1,
          "carol at alice")
    bob.await_event("CALL_CLOSED", began)
