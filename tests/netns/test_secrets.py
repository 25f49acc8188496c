"""Topology hiding: over every byte of SIP, what a destination could learn."""

from scene import proof
from scene.figure1 import PUBLIC_PHONE, SERVER, SERVER6, SITE_ADDRESSES, Scene
from scene.world import World


def test_a_public_destination_sees_only_the_server(scene: Scene):
    world = World(scene)
    site = world.add_site("a")
    alice = world.phone("a", "alice")
    paul = world.public_phone("paul", register=True)
    world.call(alice, paul)
    alice.hold()
    alice.resume()
    world.hang_up(alice, paul)
    world.call(paul, alice)
    world.hang_up(paul, alice)
    scene.capture.settle()
    texts = proof.sip_texts(scene.tap(paul.host)) + proof.sip_texts(scene.tap(world.server.host))
    assert len(texts) > 20
    secrets = [alice.address, world.agents["a"].host.address, site.router.wan]
    assert proof.betrayed(texts, [SERVER, SERVER6, PUBLIC_PHONE], secrets) == {}


def test_a_destination_behind_another_agent_sees_only_its_own_agent(scene: Scene):
    world = World(scene)
    world.add_site("a")
    world.add_site("b", agent_number=22)
    alice = world.phone("a", "alice")
    bob = world.phone("b", "bob", number=31)
    for caller, callee in ((alice, bob), (bob, alice)):
        world.call(caller, callee)
        caller.hold()
        caller.resume()
        world.hang_up(callee, caller)
    scene.capture.settle()
    for own, other in (("a", "b"), ("b", "a")):
        phone = alice if own == "a" else bob
        texts = proof.sip_texts(scene.tap(phone.host))
        assert len(texts) > 10
        secrets = [(bob if own == "a" else alice).address, world.agents[other].host.address,
                   SITE_ADDRESSES[other]]
        allowed = [phone.address, world.agents[own].host.address, SERVER, SERVER6]
        assert proof.betrayed(texts, allowed, secrets) == {}


def test_phones_that_name_only_addresses_betray_none(scene: Scene):
    """Without a domain a phone writes its agent's address into everything: From, To, even cname."""
    world = World(scene)
    site = world.add_site("a")
    agent = world.agents["a"].host.address
    alice = world.phone("a", "alice", domain=agent)
    paul = world.public_phone("paul", register=True)
    world.call(alice, paul)
    world.hang_up(paul, alice)
    scene.capture.settle()
    texts = proof.sip_texts(scene.tap(paul.host))
    assert proof.betrayed(texts, [SERVER, SERVER6, PUBLIC_PHONE],
                          [alice.address, agent, site.router.wan]) == {}
