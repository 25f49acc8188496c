"""How media crosses between agent and server: sealed, on one port, or as it is; and what changes it."""

import time

import pytest
from scene import audio, proof
from scene.figure1 import SERVER, SERVER6, Host, Scene
from scene.sipp import Scenario, audio_sdp
from scene.streams import agreed
from scene.waiting import until
from scene.world import World

PROBES = range(8, 11)
SEALED = range(12, 16)
TAGGED = {"media.carriage": "tagged"}


def between(world: World, name: str, begin: float = 0.0) -> list:
    """The media datagrams that crossed between that site's router and the server."""
    return world.scene.sites[name].router.tap.select(
        lambda p: p.protocol == "udp" and {p.source_port, p.destination_port} & {2776, 2777}
        and {p.source, p.destination} & {SERVER, SERVER6} and len(p.payload) > 0, begin)


def two_sites(scene: Scene, server_settings: dict | None = None, agent_settings: dict | None = None,
              **options) -> World:
    world = World(scene, {**TAGGED, **(server_settings or {})})
    for name in ("a", "b"):
        world.add_site(name, agent_settings=agent_settings, **options)
    return world


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_media_is_sealed_and_leaves_from_one_port(scene: Scene, ipv6: bool):
    settings = {"media.trunk_port": 40404}
    if ipv6:
        settings["multiplex.servers"] = [f"[{SERVER6}]:2776"]
    world = two_sites(scene, agent_settings=settings, ipv6=ipv6)
    alice, bob = world.phone("a", "alice", ipv6=ipv6), world.phone("b", "bob", ipv6=ipv6)
    for caller, callee in ((alice, bob), (bob, alice)):
        world.call(caller, callee)
        world.hang_up(callee, caller)
    scene.capture.settle()
    server = SERVER6 if ipv6 else SERVER
    for name in ("a", "b"):
        crossed = between(world, name)
        assert sum(p.payload[0] in SEALED for p in crossed) > 100
        assert {p.payload[0] for p in crossed} <= {*PROBES, *SEALED}
        assert all(audio.tone_in_packet(p) is None for p in crossed)
        assert {p.destination_port for p in crossed if p.destination == server} == {2776}
        agent = world.agents[name].host
        own = agent.address6 if ipv6 else agent.address
        ports = {p.source_port for p in scene.tap(agent).select(
            lambda p: p.protocol == "udp" and p.destination == server)
            if p.source == own}
        assert ports == {40404}, "a firewall's rule can name it"


@pytest.mark.parametrize("settings", [
    {"media.encrypt": False},
    {"media.compress": True, "media.bundle": "8 ms"},
    {"media.bundle": "0 s"},
], ids=["in-clear", "compressed", "unbundled"])
def test_a_call_is_heard_however_the_trunk_is_configured(scene: Scene, settings: dict):
    world = two_sites(scene, settings)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    began = time.time()
    scene.sites["a"].router.flush()
    world.both_hear(alice, bob, began, seconds=2.0)
    scene.capture.settle()
    for listener, speaker in ((alice, bob), (bob, alice)):
        assert world.heard(listener, speaker, began).longest_gap(begin=began) < 1.0
    first = {p.payload[0] for p in between(world, "a")} - set(PROBES)
    assert first <= ({4} if settings.get("media.encrypt") is False else set(SEALED))
    world.hang_up(bob, alice)


def test_media_is_bound_where_the_server_says_so(scene: Scene):
    world = two_sites(scene, {"media.bound_agents": ["agent-a"]})
    said = {agent["name"]: (agent["carriage"], agent["media_encrypted"])
            for agent in world.server.json("agents")}
    assert said == {"agent-a": ("bound", False), "agent-b": ("tagged", True)}
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    began = time.time()
    scene.sites["a"].router.flush()
    world.both_hear(alice, bob, began, seconds=2.0)
    world.hang_up(alice, bob)
    scene.capture.settle()
    assert any(audio.tone_in_packet(p) for p in between(world, "a")), "as the phone sent it"
    assert not any(audio.tone_in_packet(p) for p in between(world, "b"))
    for site in scene.sites.values():
        # A router says to the server itself that it has forgotten a mapping.
        assert [p for p in proof.strays(site.router, SERVER) if p.protocol != "icmp"] == []


@pytest.mark.parametrize("y", [2776, 2777])
def test_bound_media_uses_both_ports_unless_there_is_one(scene: Scene, y: int):
    world = two_sites(scene, {"media.carriage": "bound", "media.y": y})
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    for caller, callee in ((alice, bob), (bob, alice)):
        world.call(caller, callee)
        world.hang_up(callee, caller)
    scene.capture.settle()
    for name in ("a", "b"):
        out = {p.destination_port for p in between(world, name) if p.destination == SERVER}
        assert out == {2776, y}


def test_media_goes_on_with_new_keys_when_the_connection_is_new(scene: Scene):
    """Each TLS connection brings keys of its own; a call hears nothing of that."""
    world = two_sites(scene)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    scene.capture.settle()
    before = {p.payload[0] for p in between(world, "a")} & set(SEALED)
    assert len(before) == 1
    began = time.time()
    for _ in range(2):
        mark = world.server.mark()
        world.agents["a"].host.namespace.run(["ss", "-K", "dst", SERVER])
        world.server.await_event("agent connected", mark)
        world.both_hear(alice, bob, time.time(), seconds=2.0)
    scene.capture.settle()
    after = {p.payload[0] for p in between(world, "a", time.time() - 1.0)} & set(SEALED)
    assert after and not after & before, "sealed with the keys of another connection"
    for listener, speaker in ((alice, bob), (bob, alice)):
        assert world.heard(listener, speaker, began).longest_gap(begin=began) < 0.3
    world.hang_up(bob, alice)


def test_an_agent_whose_port_is_taken_has_bound_media(scene: Scene):
    """The fixed port belongs to somebody else there: its calls go without a trunk."""
    world = World(scene, TAGGED)
    world.add_site("a", agent_settings={"media.trunk_port": 40404}, start=False)
    world.add_site("b")
    agent = world.agents["a"]
    with agent.host.namespace.socket() as taken:
        taken.bind(("0.0.0.0", 40404))
        agent.start()
        world.server.await_agent(agent.name)
        alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
        world.call(alice, bob)
        world.hang_up(bob, alice)
    agent.assert_healthy()


def sequence_numbers(scene: Scene, host: Host, outgoing: bool, begin: float, end: float) -> list[int]:
    """Of the RTP that this host's wire carried in that time, in its order."""
    packets = scene.tap(host).select(
        lambda p: p.protocol == "udp" and p.outgoing == outgoing and p.time < end, begin)
    rtp = [audio.parse_rtp(p.payload) for p in packets]
    return [each.sequence for each in rtp if each is not None]


@pytest.mark.parametrize("others", ["bound", "tagged"])
def test_the_carriage_changes_during_a_call_and_nothing_is_lost(scene: Scene, others: str):
    world = two_sites(scene, {"media.carriage": "bound"})
    world.server.command("carriage", "agent-b", others)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    began = time.time()
    for carriage in ("tagged", "bound", "tagged"):
        mark = time.time()
        world.server.command("carriage", "agent-a", carriage)
        until(lambda carriage=carriage: world.server.calls()[0]["legs"][0]["media"][0]["carriage"]
              == carriage, f"{carriage} media")
        world.both_hear(alice, bob, mark, seconds=3.0)  # the old flow is closed after 2 s
        call = world.server.calls()[0]
        assert call["encrypted"] == (carriage == others == "tagged")
        assert call["from_hears"].startswith("0.0 % lost")
        assert call["to_hears"].startswith("0.0 % lost")
    ended = time.time()
    until(lambda: world.heard(alice, bob, ended).seconds > 0.5, "what was under way")
    scene.capture.settle()
    for speaker, listener in ((alice, bob), (bob, alice)):
        sent = sequence_numbers(scene, speaker.host, True, began, ended)
        heard = sequence_numbers(scene, listener.host, False, began, ended + 0.5)
        first = heard.index(sent[0])
        assert heard[first:first + len(sent)] == sent
        assert world.heard(listener, speaker, began).longest_gap(begin=began) < 0.2
    status = world.agents["a"].json("status")["media"]
    assert (status["carriage"], status["encrypted"], status["trunks"]) == ("tagged", True, 1)
    world.hang_up(bob, alice)


def test_calls_of_an_agent_are_spread_over_its_trunks(scene: Scene):
    world = two_sites(scene, {"media.trunks": 2}, {"media.trunk_port": 40404})
    phones = [(world.phone("a", f"alice{n}"), world.phone("b", f"bob{n}")) for n in (1, 2)]
    for caller, callee in phones:
        world.call(caller, callee)
    scene.capture.settle()
    agent = world.agents["a"].host
    ports = {p.source_port for p in scene.tap(agent).select(
        lambda p: p.protocol == "udp" and p.source == agent.address and p.destination == SERVER)}
    assert ports == {40404, 40405}
    assert world.agents["a"].json("status")["media"]["trunks"] == 2
    for caller, callee in phones:
        caller.hang_up()
    world.await_no_calls()


@pytest.mark.parametrize("mtu", [1280, 1500])
def test_a_packet_too_large_for_the_path_crosses_in_two_datagrams(scene: Scene, mtu: int):
    """1280 is a tunnel on the way, of which nobody tells: the firewall lets no ICMP through."""
    world = two_sites(scene)
    router = scene.sites["a"].router
    router.namespace.ip(f"link set wan mtu {mtu}")
    scene.internet.namespace.ip(f"link set {router.internet_port} mtu {mtu}")
    alice, bob = world.sipp("a", "alice"), world.sipp("b", "bob")
    called = bob.start(
        Scenario("bob").await_request("INVITE").respond("200 OK", audio_sdp(42000), retransmit=True)
        .await_request("ACK").await_request("BYE").respond("200 OK"))
    calling = alice.start(Scenario("alice").invite(audio_sdp(42000)).receive(200).ack()
                          .await_request("INFO").respond("200 OK").bye(), service="bob")
    until(lambda: any(call["state"] == "established" for call in world.server.calls()), "the call")
    scene.capture.settle()
    lines = {}
    for phone in (alice, bob):
        (stream,) = agreed(scene.tap(phone.host), phone.host)
        lines[phone.user] = phone.host.namespace.socket()
        lines[phone.user].bind((phone.address, stream.port))
        lines[phone.user].connect(stream.target)
        lines[phone.user].settimeout(5)
    for size in range(172, 1473, 100):
        for speaker, listener in (("alice", "bob"), ("bob", "alice")):
            packet = bytes([0x80, 0, size >> 8, size & 0xFF]) + bytes(
                n * size & 0xFF for n in range(size - 4))
            lines[speaker].send(packet)
            assert lines[listener].recv(3000) == packet
    scene.capture.settle()
    assert not router.tap.select(lambda p: p.protocol == "fragment")
    crossed = between(world, "a")
    assert max(len(p.frame) for p in crossed) <= 14 + mtu
    assert {p.payload[0] for p in crossed} <= {*PROBES, *SEALED}
    for line in lines.values():
        line.close()
    del called, calling
