"""Media that the kernel relays by itself, with the whole product around it."""

import signal
import time

import pytest

from scene.figure1 import Scene
from scene.waiting import until
from scene.world import World

EBPF = {"media.fast_path": "ebpf"}


# What rides on a trunk, one packet in a datagram: what goes into bundles is user space's to send.
IN_CLEAR = {"media.carriage": "tagged", "media.encrypt": False, "media.bundle": "0 s"}


def world_with(scene: Scene, *sites: str, agents: dict | None = None, carriage: dict | None = None,
               **options) -> World:
    world = World(scene, {**EBPF, **(carriage or {"media.carriage": "bound"})})
    for site in sites:
        world.add_site(site, agent_settings=agents, **options)
    refused = world.server.events("user space relays all media: the kernel's fast path is not to be had")
    if refused:
        pytest.skip(f"the kernel's fast path is not to be had here: {refused[0]['why']}")
    return world


def media(world: World) -> dict:
    return world.server.json("status")["media"]


def await_offloaded(world: World, directions: int) -> None:
    until(lambda: media(world)["offloaded"] >= directions,
          lambda: f"{directions} directions in the kernel: {media(world)}")


def assert_adds_up(world: World) -> None:
    told = media(world)
    handled = told["received"] - told["relayed"] - sum(told["drops"].values())
    assert 0 <= handled < 200, f"probes, and nothing else, are neither relayed nor dropped: {told}"


@pytest.mark.parametrize("carriage", [None, IN_CLEAR], ids=["bound", "tagged"])
def test_agent_to_agent_audio_both_ways_through_the_kernel(scene: Scene, carriage: dict | None):
    world = world_with(scene, "a", "b", agents=EBPF, carriage=carriage)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    await_offloaded(world, 2)
    before = media(world)
    world.both_hear(alice, bob, time.time(), seconds=2)
    after = media(world)
    assert after["relayed_by_kernel"] - before["relayed_by_kernel"] >= 150
    assert after["relayed"] - before["relayed"] - \
        (after["relayed_by_kernel"] - before["relayed_by_kernel"]) < 30, "user space sees RTCP only"
    assert_adds_up(world)
    world.hang_up(alice, bob)
    until(lambda: media(world)["offloaded"] == 0, "the call's directions to be taken back")


@pytest.mark.parametrize("carriage", [None, IN_CLEAR], ids=["bound", "tagged"])
def test_a_public_phone_and_one_in_a_site_through_the_kernel(scene: Scene, carriage: dict | None):
    world = world_with(scene, "a", carriage=carriage, agents=EBPF)
    alice, paul = world.phone("a", "alice"), world.public_phone("paul", register=True)
    world.call(paul, alice)
    await_offloaded(world, 2)
    world.both_hear(alice, paul, time.time(), seconds=2)
    assert_adds_up(world)
    (call,) = world.server.calls()
    assert call["carriage"] == ("tagged" if carriage else "bound")
    assert not call["encrypted"]


def test_what_the_kernel_relays_is_known_as_well_as_what_user_space_does(scene: Scene):
    """Loss and jitter: a tenth of what leaves site a is lost on its way, and none of what comes."""
    world = world_with(scene, "a", "b", agents=EBPF)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    await_offloaded(world, 2)
    scene.sites["a"].router.namespace.nft("""
table ip lossy {
  chain out {
    type filter hook forward priority mangle;
    oifname "wan" udp dport 2776 numgen inc mod 10 0 drop
  }
}
""")
    world.hears(bob, alice, time.time(), seconds=4)

    def streams() -> tuple[dict, dict]:
        flow = world.server.calls()[0]["legs"][0]["media"][0]["flow"]
        return flow["to_server"], flow["to_agent"]

    until(lambda: streams()[0]["jitter_ms"] is not None, "the clock to be found out")
    lossy, whole = streams()
    assert 0.04 < lossy["lost"] / lossy["packets"] < 0.12, lossy
    assert whole["lost"] == 0, whole
    assert 0 <= lossy["jitter_ms"] < 20
    assert world.server.calls()[0]["to_hears"] != "nothing"
    world.hang_up(alice, bob)


@pytest.mark.parametrize("carriage", [None, IN_CLEAR], ids=["bound", "tagged"])
def test_audio_goes_on_when_the_nat_gives_the_flows_new_mappings(scene: Scene, carriage: dict | None):
    world = world_with(scene, "a", "b", carriage=carriage)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    await_offloaded(world, 2)
    scene.sites["a"].router.renumber("203.0.113.77")
    began = time.time()
    world.both_hear(alice, bob, began, seconds=3)
    await_offloaded(world, 2)


def test_audio_goes_on_after_hold_and_resume(scene: Scene):
    world = world_with(scene, "a", "b", agents=EBPF)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    await_offloaded(world, 2)
    alice.hold()
    until(lambda: world.heard(alice, bob, time.time() - 1).seconds == 0, "silence after hold")
    resumed = time.time()
    alice.resume()
    world.both_hear(alice, bob, resumed, seconds=2)
    await_offloaded(world, 2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_nothing_is_relayed_two_seconds_after_the_server_is(scene: Scene, number: signal.Signals):
    world = world_with(scene, "a", "b")
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    await_offloaded(world, 2)
    world.both_hear(alice, bob, time.time())
    world.server.process.signal(number)
    silent_from = time.time() + 2
    until(lambda: time.time() > silent_from + 1, "a second of silence")
    scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        assert world.heard(listener, speaker, silent_from).seconds == 0
    if number == signal.SIGSTOP:
        world.server.process.signal(signal.SIGCONT)
        world.both_hear(alice, bob, time.time())
