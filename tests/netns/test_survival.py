"""What happens to networks and processes mid-call, and that calls and registrations outlive it."""

import signal
import time

import pytest
from scene.figure1 import SERVER, Scene
from scene.waiting import until
from scene.world import World, figure_1


def talking(scene: Scene, **options):
    world = figure_1(scene, **options)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    return world, alice, bob


def assert_audio_is_back(world: World, alice, bob, began: float) -> None:
    """Both hear each other after `began`, and nobody missed a second of the other."""
    world.both_hear(alice, bob, began, seconds=2.0)
    world.scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        gap = world.heard(listener, speaker, began).longest_gap(begin=began)
        assert gap < 1.0, f"{listener} did not hear {speaker} for {gap:.2f} s"


def test_a_call_outlives_a_router_that_forgets_every_mapping(scene: Scene):
    world, alice, bob = talking(scene)
    began = time.time()
    scene.sites["a"].router.flush()
    assert_audio_is_back(world, alice, bob, began)
    world.server.await_agent("agent-a")
    world.hang_up(bob, alice)


def test_a_call_outlives_a_router_that_gets_another_public_address(scene: Scene):
    world, alice, bob = talking(scene)
    began = time.time()
    scene.sites["a"].router.renumber("198.51.100.77")
    assert_audio_is_back(world, alice, bob, began)
    world.hang_up(alice, bob)


def test_signalling_is_back_soon_after_a_new_public_address(scene: Scene):
    """Media shows the change, so the multiplex need not wait for its dead time."""
    world, alice, bob = talking(scene)
    scene.sites["b"].router.renumber("198.51.100.177")
    began = time.time()
    alice.hang_up()
    bob.await_event("CALL_CLOSED", began, timeout=10)
    world.await_no_calls()


@pytest.mark.parametrize("side", ["agent", "server"])
def test_a_call_outlives_the_killing_of_the_multiplex_connection(scene: Scene, side: str):
    world, alice, bob = talking(scene)
    where = world.agents["a"].host if side == "agent" else world.server.host
    selector = ["dst", SERVER] if side == "agent" else ["src", SERVER]
    began = time.time()
    where.namespace.run(["ss", "-K", *selector, "and", "(", "dport", "=", ":2776", "or", "sport",
                         "=", ":2776", ")"])
    assert_audio_is_back(world, alice, bob, began)
    world.hang_up(bob, alice)


def test_signalling_sent_while_the_connection_is_dead_arrives_once(scene: Scene):
    world, alice, bob = talking(scene)
    world.agents["a"].host.namespace.run(["ss", "-K", "dst", SERVER])
    began = time.time()
    alice.hold()
    alice.resume()
    alice.hang_up()
    bob.await_event("CALL_CLOSED", began)
    scene.capture.settle()
    byes = scene.tap(bob.host).select(lambda p: p.payload.startswith(b"BYE"), began)
    assert len(byes) == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restarted_server_knows_its_registrations_and_ends_what_cannot_go_on(
        scene: Scene, how: int):
    world, alice, bob = talking(scene)
    began = time.time()
    world.server.stop(how)
    world.server.start()
    for agent in world.agents.values():
        world.server.await_agent(agent.name)
    # The old call has ended on both sides, by itself.
    alice.await_event("CALL_CLOSED", began, timeout=30)
    bob.await_event("CALL_CLOSED", began, timeout=30)
    world.await_no_calls()
    # Nobody has registered again, and a new call goes through.
    assert alice.registrations() == bob.registrations() == [200]
    world.call(bob, alice)
    world.hang_up(alice, bob)


def test_a_restarted_agent_ends_its_calls_and_serves_again(scene: Scene):
    world, alice, bob = talking(scene)
    agent = world.agents["a"]
    began = time.time()
    agent.stop(signal.SIGKILL)
    agent.start()
    bob.await_event("CALL_CLOSED", began, timeout=90)
    world.await_no_calls(timeout=90)
    until(lambda: agent.name in world.server.agents_connected(), "the agent again")
    alice.await_event("CALL_CLOSED", began)  # her phone knew of nothing
    world.call(bob, alice)
    world.hang_up(alice, bob)
    agent.verify_audit()


@pytest.mark.parametrize("killed", ["srv", "agent-a", "agent-b"])
def test_no_phone_rings_for_a_process_that_was_killed(scene: Scene, killed: str):
    """Neither side of a call that was not answered yet is left in it."""
    world = figure_1(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    began = alice.dial(bob.uri)
    alice.await_event("CALL_RINGING", began)
    victim = next(p for p in (world.server, *world.agents.values()) if p.name == killed)
    until(lambda: world.server.journalled() == 2, "both sides in the journal")
    victim.stop(signal.SIGKILL)
    victim.start()
    for phone in (alice, bob):
        phone.await_event("CALL_CLOSED", began, timeout=60)
    world.await_no_calls()
    world.call(bob, alice)
    world.hang_up(alice, bob)


def test_a_server_that_ends_in_order_ends_its_calls_first(scene: Scene):
    world, alice, bob = talking(scene)
    began = time.time()
    assert world.server.stop(signal.SIGTERM) == 0
    alice.await_event("CALL_CLOSED", began)
    bob.await_event("CALL_CLOSED", began)
