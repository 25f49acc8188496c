"""The same call through every kind of NAT, bad wires, meddling routers, and unusual places."""

import itertools
import time

import pytest
from scene import proof
from scene.certificates import Authority
from scene.dns import SRV, NameServer, a, naptr, srv
from scene.figure1 import PUBLIC_PHONE, SECOND_SERVER, SERVER, SERVER6, BadWire, Scene
from scene.product import Server
from scene.router import Nat
from scene.world import World, figure_1

PAIRS = list(itertools.combinations_with_replacement(list(Nat), 2))
# A site without NAT has addresses that the public network routes.
OPEN_LANS = {"a": "198.51.100.32/28", "b": "198.51.100.160/28"}


@pytest.mark.parametrize("nat_a, nat_b", PAIRS, ids=lambda nat: nat.value)
def test_calls_pass_every_pair_of_nats(scene: Scene, nat_a: Nat, nat_b: Nat):
    world = World(scene)
    for name, nat in (("a", nat_a), ("b", nat_b)):
        options = {}
        if nat is Nat.NONE:
            options = {"lan": OPEN_LANS[name],
                       "agent_settings": {"policy.terminals": [OPEN_LANS[name]]}}
        world.add_site(name, nat, **options)
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    world.hang_up(alice, bob)
    world.call(bob, alice)
    world.hang_up(alice, bob)
    scene.capture.settle()
    for site, nat in ((scene.sites["a"], nat_a), (scene.sites["b"], nat_b)):
        own = [str(site.lan[2])] if nat is Nat.NONE else None
        assert proof.strays(site.router, SERVER, own=own) == []


def test_media_that_a_firewall_keeps_out_is_told_with_what_to_check(scene: Scene):
    """The call itself is set up, over TCP: only silence would tell. Tagged media would go another way."""
    world = World(scene, {"media.carriage": "bound"})
    site = world.add_site("a", firewall=False)
    agent = world.agents["a"]
    rules = world.server.firewall(agent.host.address)
    site.router.firewall("\n".join(rule for rule in rules.splitlines() if "udp" not in rule))
    alice, paul = world.phone("a", "alice"), world.public_phone("paul", register=True)
    world.call(alice, paul, listen=False)
    told = world.server.await_event("media not confirmed", agent="agent-a", level="warning")
    assert told["why"].startswith(f"no probe of agent agent-a arrived at X ({SERVER}:2776)")
    assert f"no answer from X ({SERVER}:2776)" in agent.await_event("media not confirmed")["why"]
    assert world.server.calls()[0]["media_problem"] == told["why"]
    media = world.server.json("status")["agents_media"]
    assert media["not_confirmed"] == 1 and not media["problems"][0]["ever_confirmed"]
    assert agent.json("status")["media"]["not_confirmed"] > 0
    world.hang_up(alice, paul)


def test_a_call_is_heard_through_loss_jitter_and_reordering(scene: Scene):
    world = World(scene)
    world.add_site("a", wire=BadWire(scene, "a", loss=0.05, jitter_ms=30, seed=7))
    world.add_site("b", wire=BadWire(scene, "b", loss=0.05, jitter_ms=30, seed=8))
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    for caller, callee in ((alice, bob), (bob, alice)):
        began = time.time()
        world.call(caller, callee)
        world.both_hear(caller, callee, began, seconds=4.0)
        scene.capture.settle()
        for listener, speaker in ((caller, callee), (callee, caller)):
            heard = world.heard(listener, speaker, began)
            span = heard.moments[-1] - heard.moments[0]
            assert heard.seconds / span > 0.8, "two wires lose 10 %, the relay nothing"
            assert heard.longest_gap() < 0.5
        # Where it went wrong can be seen: on the wires between agents and server, nowhere else.
        call, = world.server.calls()
        for leg in call["legs"]:
            stream = leg["media"][0]
            assert stream["rtp"]["received"]["packets"] > 150
            assert stream["rtp"]["received"]["lost"] == 0, "by the phone's own network"
            for way in ("to_server", "to_agent"):
                assert stream["flow"][way]["lost"] > 0, way
                assert 1 < stream["flow"][way]["jitter_ms"] < 30, way
        assert all("% lost" in call[hears] for hears in ("from_hears", "to_hears"))
        world.hang_up(callee, caller)


def test_a_router_that_meddles_with_sip_finds_nothing_to_meddle_with(scene: Scene):
    world = figure_1(scene)
    for site in scene.sites.values():
        site.router.sip_helper()
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    world.hang_up(bob, alice)


def test_the_agent_may_sit_on_the_phones_own_host(scene: Scene):
    world = World(scene)
    site = world.add_site("a", agent_settings={"policy.terminals": ["10.0.0.0/8", "127.0.0.0/8"]})
    world.add_site("b")
    host = world.agents["a"].host
    alice = world.phone("a", "alice", host=host, sip_port=5062, rtp_ports="20000-20199")
    bob = world.phone("b", "bob")
    for caller, callee in ((alice, bob), (bob, alice)):
        began = caller.dial(callee.uri)
        callee.await_event("CALL_INCOMING", began)
        callee.accept()
        caller.await_event("CALL_ESTABLISHED", began)
        world.hears(bob, alice, began)
        # Between two programs of one host nothing crosses eth0: the phone's loopback is tapped.
        tap = scene.capture.tap(host.namespace, "lo")
        from scene import audio
        from scene.waiting import until
        until(lambda: audio.heard_in(tap.since(began), bob.tone).seconds > 1, "bob at alice")
        world.hang_up(callee, caller)
    assert site.router.tap


def test_the_server_may_stand_behind_a_clouds_1_to_1_nat(scene: Scene):
    """It binds its private address and shows its public one, in messages and for media."""
    world = World(scene, cloud=True)
    world.add_site("a")
    world.add_site("b")
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    paul = world.public_phone("paul", register=True)
    for caller, callee in ((alice, bob), (bob, paul), (paul, alice)):
        world.call(caller, callee)
        world.hang_up(callee, caller)
    scene.capture.settle()
    assert proof.betrayed(proof.sip_texts(scene.tap(paul.host)), [SERVER, PUBLIC_PHONE],
                          [world.server.host.address]) == {}


def test_two_servers_call_each_other_over_the_public_network(scene: Scene):
    """Each server has agents of its own; to one another they are plain SIP destinations."""
    world = World(scene, {"sip.routes": [
        {"domain": "example.net", "targets": [f"{SECOND_SERVER}:5060"]}]})
    second = Server(scene, scene.public_host("server2", SECOND_SERVER), name="srv2",
                    domain="example.net", settings={"sip.routes": [
                        {"domain": "example.org", "targets": [f"{SERVER}:5060"]}]})
    second.start()
    world.add_site("a")
    world.add_site("b", server=second)
    alice = world.phone("a", "alice")
    bob = world.phone("b", "bob", server=second)
    for caller, callee in ((alice, bob), (bob, alice)):
        world.call(caller, callee)
        world.hang_up(callee, caller)
    scene.capture.settle()
    between = [text for text in proof.sip_texts(scene.tap(world.server.host))]
    assert between, "the servers spoke SIP with each other"
    assert proof.betrayed(between, [SERVER, SERVER6, SECOND_SERVER]) == {}


def test_two_servers_call_each_other_over_tls(scene: Scene):
    """Each asks for the certificate of the target as it is configured: a name, or an address."""
    authority = Authority(scene.folder_for("certificates"))
    names = NameServer(scene, scene.public_host("dns", "192.0.2.53"), {
        "sip.example.net": [a(SECOND_SERVER)]})

    def settings(own: str, target: str, domain: str) -> dict:
        certificate = authority.certify(domain, own)
        return {"sip.listen": ["tls:0.0.0.0:5061"],
                "tls.certificate_file": str(certificate.certificate),
                "tls.key_file": str(certificate.key),
                "tls.trusted_file": str(authority.own.certificate),
                "sip.routes": [{"domain": domain, "targets": [target], "transport": "tls"}]}

    world = World(scene, settings(f"IP:{SERVER}", "sip.example.net", "example.net"), names)
    second = Server(scene, scene.public_host("server2", SECOND_SERVER), name="srv2",
                    domain="example.net",
                    settings=settings("DNS:sip.example.net", SERVER, "example.org"))
    second.start()
    world.add_site("a")
    world.add_site("b", server=second)
    alice = world.phone("a", "alice")
    bob = world.phone("b", "bob", server=second)
    for caller, callee in ((alice, bob), (bob, alice)):
        world.call(caller, callee)
        world.hang_up(callee, caller)
    scene.capture.settle()
    assert not proof.sip_texts(scene.tap(world.server.host)), "SIP in clear"


def test_a_server_with_the_certificate_of_another_gets_no_call(scene: Scene):
    authority = Authority(scene.folder_for("certificates"))
    certificate = authority.certify("another", "DNS:another.example.net")
    world = World(scene, {"tls.trusted_file": str(authority.own.certificate),
                          "sip.routes": [{"domain": "example.net", "targets": [SECOND_SERVER],
                                          "transport": "tls"}]})
    second = Server(scene, scene.public_host("server2", SECOND_SERVER), name="srv2",
                    domain="example.net", settings={
                        "sip.listen": ["tls:0.0.0.0:5061"],
                        "tls.certificate_file": str(certificate.certificate),
                        "tls.key_file": str(certificate.key)})
    second.start()
    world.add_site("a")
    world.add_site("b", server=second)
    alice = world.phone("a", "alice")
    bob = world.phone("b", "bob", server=second)
    alice.dial(bob.uri)
    alice.await_event("CALL_CLOSED")
    assert not bob.seen("CALL_INCOMING")


def test_a_call_over_ipv6_all_the_way(scene: Scene):
    world = World(scene)
    for name in ("a", "b"):
        world.add_site(name, ipv6=True, agent_settings={
            "multiplex.servers": [f"[{SERVER6}]:2776"]})
    alice = world.phone("a", "alice", ipv6=True)
    bob = world.phone("b", "bob", ipv6=True)
    for caller, callee in ((alice, bob), (bob, alice)):
        world.call(caller, callee)
        world.hang_up(callee, caller)
    scene.capture.settle()
    for name, site in scene.sites.items():
        own = [world.agents[name].host.address6 or ""]
        assert proof.strays(site.router, SERVER6, own=own) == []
        assert proof.crossed(site.router, SERVER6, own=own)["X out"] > 50


def test_one_port_serves_for_rtp_and_rtcp(scene: Scene):
    world = figure_1(scene, server_settings={"media.y": 2776})
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
    world.call(alice, bob)
    world.hang_up(alice, bob)
    scene.capture.settle()
    for site in scene.sites.values():
        assert proof.strays(site.router, SERVER, y=2776) == []


def test_calls_to_other_domains_are_routed_by_dns(scene: Scene):
    """RFC 3263: NAPTR, SRV and A lead to the host and port of another domain."""
    names = NameServer(scene, scene.public_host("dns", "192.0.2.53"), {
        "elsewhere.example.com": [naptr(10, 10, "SIP+D2U", "_sip._udp.elsewhere.example.com")],
        "_sip._udp.elsewhere.example.com": [srv(10, 0, 5070, "phone.elsewhere.example.com")],
        "phone.elsewhere.example.com": [a(PUBLIC_PHONE)]})
    world = World(scene, {"sip.dns_routing": True}, name_server=names)
    world.add_site("a")
    alice = world.phone("a", "alice")
    paul = world.public_phone("paul", sip_port=5070)
    world.call(alice, paul, uri="sip:paul@elsewhere.example.com")
    world.hang_up(paul, alice)
    assert ("_sip._udp.elsewhere.example.com", SRV) in names.asked
