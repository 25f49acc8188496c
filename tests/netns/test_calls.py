"""Calls between phones in two private networks that share one address range, and the public."""

import os
import time

import pytest

from scene import audio, proof
from scene.figure1 import DOMAIN, SERVER, Scene
from scene.waiting import until
from scene.world import World, figure_1


def test_phones_of_two_sites_call_each_other_in_both_directions(scene: Scene):
    world = figure_1(scene)
    alice = world.phone("a", "alice")
    bob = world.phone("b", "bob")
    assert alice.address == bob.address, "both sites use the same private addresses"

    world.call(alice, bob)
    world.hang_up(alice, bob)
    world.call(bob, alice)
    world.hang_up(alice, bob)

    for phone, other in ((alice, bob), (bob, alice)):
        until(lambda: audio.heard_in_wav(phone.recording(), other.tone).seconds > 0.5,
              f"{other} in the recording of {phone}")
        assert audio.heard_in_wav(phone.recording(), phone.tone).seconds == 0
    for agent in world.agents.values():
        agent.verify_audit()


def test_each_hears_the_other_from_the_first_moment(scene: Scene):
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        answered = listener.seen("CALL_ESTABLISHED")[0]["at"]
        first = world.heard(listener, speaker, 0.0).moments[0]
        assert first - answered < 0.5


def test_the_callee_may_hang_up(scene: Scene):
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    world.hang_up(bob, alice)


def test_a_caller_who_gives_up_stops_the_ringing(scene: Scene):
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    began = alice.dial(bob.uri)
    bob.await_event("CALL_INCOMING", began)
    alice.await_event("CALL_RINGING", began)
    alice.hang_up()
    bob.await_event("CALL_CLOSED", began)
    world.await_no_calls()


def test_a_callee_who_declines_is_reported_to_the_caller(scene: Scene):
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    began = alice.dial(bob.uri)
    bob.await_event("CALL_INCOMING", began)
    bob.hang_up()
    alice.await_event("CALL_CLOSED", began)
    world.await_no_calls()


def test_a_removed_user_is_nowhere_registered_any_more(scene: Scene):
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    world.hang_up(alice, bob)
    world.server.command("user", "remove", f"bob@{DOMAIN}")
    began = alice.dial(bob.uri)
    assert "404" in alice.await_event("CALL_CLOSED", began)["param"]
    world.server.assert_healthy()


def test_an_unknown_callee_is_refused_with_404(scene: Scene):
    world = World(scene)
    world.add_site("a")
    alice = world.phone("a", "alice")
    began = alice.dial(f"sip:nobody@{world.server.domain}")
    closed = alice.await_event("CALL_CLOSED", began)
    assert "404" in closed["param"]
    told = world.server.await_event("call refused")
    assert told["from"] == alice.uri and told["to"].startswith("sip:nobody@")
    assert (told["agent"], told["status"], told["why"]) == ("agent-a", 404, "unknown callee")
    assert world.server.json("status")["calls_refused"] == {"unknown_callee": 1}


def test_a_callee_whose_agent_is_away_is_refused_with_480(scene: Scene):
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.agents["b"].stop()
    until(lambda: "agent-b" not in world.server.agents_connected(), "agent b gone")
    began = alice.dial(bob.uri)
    closed = alice.await_event("CALL_CLOSED", began)
    assert "480" in closed["param"]


def test_a_private_and_a_public_phone_call_each_other(scene: Scene):
    world = World(scene)
    world.add_site("a")
    alice = world.phone("a", "alice")
    paul = world.public_phone("paul", register=True)
    world.call(alice, paul)
    world.hang_up(paul, alice)
    world.call(paul, alice)
    world.hang_up(paul, alice)


def test_a_public_phone_behind_a_home_nat_talks_with_a_private_one(scene: Scene):
    world = World(scene)
    world.add_site("a")
    alice = world.phone("a", "alice")
    paul = world.public_phone("paul", register=True, home_nat=True)
    world.call(alice, paul)
    world.hang_up(paul, alice)
    world.call(paul, alice)
    world.hang_up(alice, paul)


def test_two_phones_behind_one_agent_are_joined_inside_it(scene: Scene):
    world = World(scene)
    site = world.add_site("a")
    alice, carol = world.phone("a", "alice"), world.phone("a", "carol")
    world.call(alice, carol)
    scene.capture.settle()
    media = site.router.tap.select(
        lambda p: p.protocol == "udp" and audio.tone_in_packet(p) is not None)
    assert not media, "audio left the site"
    world.hang_up(alice, carol)


def test_a_held_call_outlives_a_nat_that_forgets(scene: Scene):
    """Both routers forget a mapping after 20 s; the call is held for longer than that."""
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    alice.hold()
    until(lambda: not bob_heard_lately(world, alice, bob), "silence after hold")
    held = time.time()
    until(lambda: time.time() - held > 25, "25 s of hold", timeout=60)
    resumed = time.time()
    alice.resume()
    world.both_hear(alice, bob, resumed)
    scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        first = world.heard(listener, speaker, resumed).moments[0]
        assert first - resumed < 1.0
    world.hang_up(bob, alice)


def bob_heard_lately(world: World, alice, bob) -> bool:
    return bool(world.heard(alice, bob, time.time() - 0.5).moments)


def test_a_call_with_a_phone_that_was_switched_off_is_ended(scene: Scene):
    """It says no BYE; asked by the server, it knows nothing of a call any more."""
    world = figure_1(scene, server_settings={"sip.ask_after": "2 s"})
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    began = time.time()
    bob.process.kill()
    world.phone("b", "bob", host=bob.host)
    alice.await_event("CALL_CLOSED", began, timeout=60)
    world.await_no_calls()


def test_a_held_call_of_phones_that_are_there_goes_on(scene: Scene):
    world = figure_1(scene, server_settings={"sip.ask_after": "2 s"})
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    began = time.time()
    alice.hold()
    bob.hold()
    for phone in (alice, bob):
        until(lambda p=phone: len({k.payload for k in scene.tap(p.host).select(
            lambda k: not k.outgoing and k.payload.startswith(b"OPTIONS"), began)}) >= 3,
            f"questions to {phone}", timeout=60)
    assert world.server.calls(), "still held"
    resumed = time.time()
    alice.resume()
    bob.resume()
    world.both_hear(alice, bob, resumed)
    world.hang_up(bob, alice)


def test_a_call_is_transferred_to_a_phone_at_another_place(scene: Scene):
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    carol = world.phone("b", "carol", account="answermode=auto")
    world.call(alice, bob)
    began = time.time()
    bob.transfer(carol.uri)
    carol.await_event("CALL_ESTABLISHED", began)
    world.both_hear(alice, carol, began)
    until(lambda: len(world.server.calls()) == 1, "only the new call is left")
    world.hang_up(carol, alice)


@pytest.mark.parametrize("carriage", ["bound", "tagged"])
def test_nothing_but_table_1_crosses_the_firewall(scene: Scene, carriage: str):
    world = figure_1(scene, server_settings={"media.carriage": carriage})
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    world.hang_up(alice, bob)
    scene.capture.settle()
    for site in scene.sites.values():
        assert proof.strays(site.router, SERVER) == []
        counts = proof.crossed(site.router, SERVER)
        used = {"X out", "X in", "Z out", "Z in"} | ({"Y out"} if carriage == "bound" else set())
        assert set(counts) >= used


def test_encrypted_media_passes_untouched(scene: Scene):
    """SRTP with keys in SDP (RFC 4568): only the phones can tell what is said."""
    world = figure_1(scene)
    secure = {"srtp": True, "account": "mediaenc=srtp-mand"}
    alice, bob = world.phone("a", "alice", **secure), world.phone("b", "bob", **secure)
    began = alice.dial(bob.uri)
    bob.await_event("CALL_INCOMING", began)
    bob.accept()
    alice.await_event("CALL_ESTABLISHED", began)

    def arriving(phone) -> int:
        return len(scene.tap(phone.host).select(
            lambda p: not p.outgoing and audio.parse_rtp(p.payload) is not None, began))

    until(lambda: arriving(alice) > 75 and arriving(bob) > 75, "media at both")
    assert not world.heard(alice, bob, began).moments, "that was not encrypted"
    world.hang_up(alice, bob)
    for phone, other in ((alice, bob), (bob, alice)):
        until(lambda: audio.heard_in_wav(phone.recording(), other.tone).seconds > 1,
              f"{other} in the recording of {phone}")


@pytest.mark.soak
def test_a_call_lasts(scene: Scene):
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice", expires=60), world.phone("b", "bob", expires=60)
    world.call(alice, bob)
    began = time.time()
    seconds = float(os.environ.get("NETNS_SOAK_SECONDS", "1200"))
    until(lambda: time.time() - began > seconds, "the end of the soak", timeout=seconds + 60)
    scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        assert world.heard(listener, speaker, began).longest_gap() < 0.5
    world.hang_up(bob, alice)
