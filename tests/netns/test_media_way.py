"""Sites whose firewall lets no UDP through to X: media goes by another port or over a stream, and back."""

import time

import pytest
from scene.figure1 import SERVER, Scene
from scene.tinyproxy import Tinyproxy
from scene.waiting import until
from scene.world import World
from test_ladder import AGENT, PROXY, firewall, proxy_settings, strict_site

TAGGED = {"media.carriage": "tagged"}


def way_of(world: World, name: str = "a") -> str:
    return world.agents[name].json("status").get("media", {}).get("way", "")


def await_way(world: World, way: str, name: str = "a", timeout: float = 20.0) -> None:
    until(lambda: way_of(world, name) == way,
          lambda: f"media by {way!r}; it goes by {way_of(world, name)!r}", timeout)


def udp_crossed(world: World, begin: float = 0.0, name: str = "a") -> set[int]:
    """The server's UDP ports that answered that site."""
    world.scene.capture.settle()
    return {p.source_port for p in world.scene.sites[name].router.tap.select(
        lambda p: p.protocol == "udp" and p.source == SERVER and len(p.payload) > 0, begin)}


def blocked_site(world: World, name: str, udp: bool = False, settings: dict | None = None) -> None:
    site = strict_site(world, firewall((AGENT, 2776), udp=udp), name)
    world.add_agent(name, site.host("agent", 2), settings=settings)


@pytest.mark.parametrize("far", ["public", "streaming", "udp"])
def test_calls_are_heard_where_udp_is_blocked(scene: Scene, far: str):
    world = World(scene, TAGGED)
    blocked_site(world, "a")
    alice = world.phone("a", "alice")
    if far == "public":
        bob = world.public_phone("bob", register=True)
    else:
        blocked_site(world, "b", udp=far == "udp")
        bob = world.phone("b", "bob")
    for caller, callee in ((alice, bob), (bob, alice)):
        world.call(caller, callee)
        assert way_of(world) == "stream"
        world.hang_up(callee, caller)
    assert udp_crossed(world) == set()
    if far == "udp":
        assert way_of(world, "b") == "udp"
    at_server = {agent["name"]: agent["media_tls_connections"] for agent in world.server.json("agents")}
    assert at_server["agent-a"] == 1
    # The second call did not wait to find out.
    first = world.agents["a"].events("UDP does not get through: media goes over a stream")
    assert len(first) == 1


def test_a_call_goes_over_to_a_stream_and_back(scene: Scene):
    """UDP is blocked during the call, and opened again."""
    world = World(scene, TAGGED)
    blocked_site(world, "a", udp=True)
    alice, bob = world.phone("a", "alice"), world.public_phone("bob", register=True)
    world.call(alice, bob)
    assert way_of(world) == "udp"
    router = scene.sites["a"].router
    blocked = time.time()
    router.firewall(firewall((AGENT, 2776), udp=False))
    await_way(world, "stream")
    world.both_hear(alice, bob, time.time(), seconds=2.0)
    scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        gap = world.heard(listener, speaker, blocked).longest_gap(begin=blocked)
        assert gap < 4.0, f"{listener} did not hear {speaker} for {gap:.2f} s"
    opened = time.time()
    router.firewall(firewall((AGENT, 2776)))
    await_way(world, "udp", timeout=30)
    world.both_hear(alice, bob, time.time() + 4.0, seconds=2.0)  # the stream is gone by then
    scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        gap = world.heard(listener, speaker, opened).longest_gap(begin=opened)
        assert gap < 0.3, f"{listener} did not hear {speaker} for {gap:.2f} s"
    assert udp_crossed(world, opened) == {2776}
    until(lambda: world.server.json("agents")[0]["media_tls_connections"] == 0, "the stream closed")
    world.hang_up(bob, alice)


def test_udp_that_is_blocked_between_calls_costs_the_next_one_moments(scene: Scene):
    world = World(scene, TAGGED)
    blocked_site(world, "a", udp=True)
    alice, bob = world.phone("a", "alice"), world.public_phone("bob", register=True)
    world.call(alice, bob)
    world.hang_up(bob, alice)
    scene.sites["a"].router.firewall(firewall((AGENT, 2776), udp=False))
    began = time.time()
    world.call(alice, bob)
    assert time.time() - began < 8
    assert way_of(world) == "stream"
    world.hang_up(bob, alice)


def test_another_port_is_tried_before_udp_is_given_up(scene: Scene):
    world = World(scene, {**TAGGED, "media.alternative_port": 443})
    site = strict_site(world, firewall((AGENT, 2776), udp=False) + f"""
table inet sallyport {{
  chain forward {{
    ip saddr {AGENT} ip daddr {SERVER} udp dport 443 accept
    ip saddr {SERVER} ip daddr {AGENT} udp sport 443 accept
  }}
}}
""")
    world.add_agent("a", site.host("agent", 2))
    alice, bob = world.phone("a", "alice"), world.public_phone("bob", register=True)
    for caller, callee in ((alice, bob), (bob, alice)):
        world.call(caller, callee)
        assert way_of(world) == "udp 443"
        world.hang_up(callee, caller)
    assert udp_crossed(world) == {443}


def test_a_stream_goes_through_the_proxy_of_the_site(scene: Scene):
    world = World(scene, TAGGED)
    site = strict_site(world, firewall((PROXY, 2776), udp=False))
    Tinyproxy(scene, site.host("proxy", 3), ports=[2776], user="jo", password="let-me-out")
    world.add_agent("a", site.host("agent", 2), settings=proxy_settings(world))
    alice, bob = world.phone("a", "alice"), world.public_phone("bob", register=True)
    world.call(alice, bob)
    assert way_of(world) == "stream"
    world.hang_up(bob, alice)
    assert udp_crossed(world) == set()


def test_a_stream_that_breaks_is_dialled_again(scene: Scene):
    world = World(scene, TAGGED)
    blocked_site(world, "a")
    alice, bob = world.phone("a", "alice"), world.public_phone("bob", register=True)
    world.call(alice, bob)
    began = time.time()
    world.agents["a"].host.namespace.run(["ss", "-K", "dst", SERVER])
    world.both_hear(alice, bob, began, seconds=2.0)
    scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        gap = world.heard(listener, speaker, began).longest_gap(begin=began)
        assert gap < 3.0, f"{listener} did not hear {speaker} for {gap:.2f} s"
    world.hang_up(alice, bob)


def test_a_stream_can_be_asked_for(scene: Scene):
    world = World(scene, TAGGED)
    blocked_site(world, "a", udp=True, settings={"media.way": "stream"})
    alice, bob = world.phone("a", "alice"), world.public_phone("bob", register=True)
    world.call(alice, bob)
    assert way_of(world) == "stream"
    world.hang_up(bob, alice)
