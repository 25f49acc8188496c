"""Registrations relayed to a registrar elsewhere: a hosted PBX sees each phone at the server."""

import re

import pytest
from scene import proof
from scene.baresip import Baresip
from scene.figure1 import SERVER, SERVER6, Scene
from scene.kamailio import Kamailio
from scene.waiting import until
from scene.world import World

PBX = "192.0.2.200"
PBX_DOMAIN = "pbx.example.net"


def relayed(scene: Scene, relay: dict | None = None, **options) -> tuple[World, Kamailio]:
    pbx = Kamailio(scene, scene.public_host("pbx", PBX), PBX_DOMAIN, "secret", **options)
    world = World(scene, {
        "sip.domains": [], "sip.default_domain": PBX_DOMAIN,
        f'sip.relay."{PBX_DOMAIN}"': {"registrar": f"{PBX}:5060", **(relay or {})}})
    world.add_site("a")
    return world, pbx


def phone_in_site(world: World, user: str, number: int = 11, **options) -> Baresip:
    made = Baresip(world.scene, world.scene.sites["a"].host(user, number), user, next(world._tones),
                   **{"domain": PBX_DOMAIN, "proxy": world.agents["a"].host.address,
                      "password": "secret", **options})
    made.await_registered()
    return made


def public_phone(world: World, user: str) -> Baresip:
    made = Baresip(world.scene, world.scene.public_host(user, "192.0.2.61"), user,
                   next(world._tones), domain=PBX_DOMAIN, proxy=PBX, password="secret")
    made.await_registered()
    return made


@pytest.mark.parametrize("challenge_invites", [False, True], ids=["trusting", "challenging"])
def test_a_hosted_pbx_reaches_private_phones_at_the_server(scene: Scene, challenge_invites: bool):
    world, pbx = relayed(scene, challenge_invites=challenge_invites)
    alice, paul = phone_in_site(world, "alice"), public_phone(world, "paul")
    for caller, callee in ((alice, paul), (paul, alice)):
        world.call(caller, callee)
        world.hang_up(callee, caller)
    scene.capture.settle()
    texts = proof.sip_texts(scene.tap(pbx.host)) + proof.sip_texts(scene.tap(paul.host))
    site = scene.sites["a"]
    secrets = [alice.address, world.agents["a"].host.address, site.router.wan]
    assert proof.betrayed(texts, [SERVER, SERVER6, PBX, paul.address], secrets) == {}


def test_request_uri_and_digest_arrive_as_the_phone_wrote_them(scene: Scene):
    world, pbx = relayed(scene)
    alice = phone_in_site(world, "alice")

    def registers(tap):
        scene.capture.settle()
        return [p.payload for p in tap.select(
            lambda p: p.payload.startswith(b"REGISTER") and b"\r\nAuthorization:" in p.payload)]

    sent, arrived = registers(scene.tap(alice.host)), registers(scene.tap(pbx.host))
    assert sent and arrived
    for pattern in (rb"^REGISTER (\S+) SIP/2.0", rb"\r\nAuthorization: *([^\r]+)"):
        assert re.search(pattern, arrived[0]).group(1) == re.search(pattern, sent[0]).group(1)


def test_the_server_answers_the_challenge_for_phones_that_know_only_their_agent(scene: Scene):
    world, _ = relayed(scene, {"holds_credentials": True})
    world.server.add_user("alice", "secret", PBX_DOMAIN)
    agent = world.agents["a"].host.address
    alice = phone_in_site(world, "alice", domain=agent)
    paul = public_phone(world, "paul")
    world.call(paul, alice, uri=f"sip:alice@{PBX_DOMAIN}")
    world.hang_up(paul, alice)


def test_the_server_answers_a_challenge_of_sha_256(scene: Scene):
    world, _ = relayed(scene, {"holds_credentials": True}, algorithm="SHA-256",
                       challenge_invites=True)
    world.server.add_user("alice", "secret", PBX_DOMAIN)
    alice = phone_in_site(world, "alice", domain=world.agents["a"].host.address)
    began = alice.dial(f"sip:nobody@{PBX_DOMAIN}")
    closed = until(lambda: alice.seen("CALL_CLOSED", began), "the PBX's word")[0]
    assert "404" in closed["param"], "it was let through, and nobody of that name is there"


def test_a_phone_that_unregisters_is_gone_from_the_pbx(scene: Scene):
    world, _ = relayed(scene)
    alice, paul = phone_in_site(world, "alice"), public_phone(world, "paul")
    alice.quit()
    began = paul.dial(alice.uri)
    closed = until(lambda: paul.seen("CALL_CLOSED", began), "a refusal")[0]
    assert "404" in closed["param"] or "480" in closed["param"]
