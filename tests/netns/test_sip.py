"""SIP beyond a keypad: sipp plays phones that do what the standards allow."""

import hashlib
import re
import struct
import time

import pytest
from scene import audio
from scene.certificates import Authority
from scene.conversations import PAIRS, converse
from scene.figure1 import SERVER, Scene
from scene.sipp import Scenario, Sipp, audio_sdp, t38_sdp
from scene.waiting import until
from scene.world import PASSWORD, World, figure_1


def answering(user: str = "bob") -> Scenario:
    """A phone that answers and waits for the end."""
    return (Scenario(user).await_request("INVITE").respond("180 Ringing")
            .respond("200 OK", audio_sdp(), retransmit=True).await_request("ACK")
            .await_request("BYE").respond("200 OK"))


def test_a_callee_that_only_echoes_is_heard(scene: Scene):
    """An echo never sends first, so the caller's packets must open everything."""
    world = figure_1(scene)
    alice = world.phone("a", "alice")
    echo = world.sipp("b", "echo")
    running = echo.start(answering("echo"), "-rtp_echo")
    began = alice.dial("sip:echo@example.org")
    alice.await_event("CALL_ESTABLISHED", began)
    world.hears(alice, alice, began, seconds=2.0)
    alice.hang_up()
    running.succeeded()


def test_early_media_is_heard_before_the_answer(scene: Scene):
    world = figure_1(scene)
    alice = world.phone("a", "alice")
    bob = world.sipp("b", "bob")
    scenario = (Scenario("bob").await_request("INVITE")
                .respond("183 Session Progress", audio_sdp())
                .await_request("CANCEL").respond("200 OK")
                .respond("487 Request Terminated", to_first=True, retransmit=True)
                .await_request("ACK"))
    bob.start(scenario, "-rtp_echo")
    began = alice.dial("sip:bob@example.org")
    alice.await_event("CALL_PROGRESS", began)
    world.hears(alice, alice, began)
    assert not alice.seen("CALL_ESTABLISHED", began)
    alice.hang_up()
    world.await_no_calls()


@pytest.mark.parametrize("pair", PAIRS)
def test_phones_of_two_sites_may_use(scene: Scene, pair: str):
    world = figure_1(scene)
    converse(world.sipp("a", "alice"), world.sipp("b", "bob"), PAIRS[pair])


def test_a_call_forks_to_two_phones_and_one_wins(scene: Scene):
    world = World(scene)
    world.add_site("a")
    world.add_site("b")
    alice = world.phone("a", "alice")
    desk = world.phone("b", "bob")
    kitchen = world.phone("b", "bob")
    began = alice.dial(desk.uri)
    desk.await_event("CALL_INCOMING", began)
    kitchen.await_event("CALL_INCOMING", began)
    kitchen.accept()
    alice.await_event("CALL_ESTABLISHED", began)
    desk.await_event("CALL_CLOSED", began)
    world.both_hear(alice, kitchen, began)
    world.hang_up(kitchen, alice)


def test_a_wrong_password_does_not_register(scene: Scene):
    world = World(scene)
    world.add_site("a")
    world.server.add_user("eve", PASSWORD)
    host = scene.sites["a"].host("eve", 99)
    from scene.baresip import Baresip
    eve = Baresip(scene, host, "eve", 1450, domain="example.org",
                  proxy=world.agents["a"].host.address, password="wrong")
    refused = until(eve.registrations, "an answer to the wrong password")
    assert refused[0] in (401, 403)
    assert 200 not in refused


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_phones_use_tcp_and_tls(scene: Scene, transport: str):
    world = World(scene, {"sip.inside_tls": 5061} if transport == "tls" else None)
    authority = Authority(scene.folder_for("certificates"))
    certificate = authority.certify("agent", "IP:10.1.1.2", "DNS:example.org")
    for name in ("a", "b"):
        world.add_site(name, agent_settings={
            "tls.certificate_file": str(certificate.certificate),
            "tls.key_file": str(certificate.key)} if transport == "tls" else {})
    extra = {"transport": transport}
    if transport == "tls":
        extra["sip_extra"] = f"sip_cafile {authority.own.certificate}"
    alice = world.phone("a", "alice", **extra)
    bob = world.phone("b", "bob", **extra)
    carol = world.phone("b", "carol")
    for caller, callee in ((alice, bob), (bob, alice), (alice, carol), (carol, alice)):
        world.call(caller, callee)
        world.hang_up(callee, caller)
    scene.capture.settle()
    in_clear = scene.tap(alice.host).select(
        lambda p: p.protocol == "udp" and b"SIP/2.0" in p.payload)
    assert not in_clear, "a TCP or TLS phone was spoken to over UDP"


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_public_phone_uses_tcp_or_tls(scene: Scene, transport: str):
    """It can only be reached over the connection that it opened."""
    authority = Authority(scene.folder_for("certificates"))
    certificate = authority.certify("server", f"IP:{SERVER}", "DNS:example.org")
    world = World(scene, {
        "sip.listen": [f"tcp:{SERVER}:5060", f"tls:{SERVER}:5061"],
        "tls.certificate_file": str(certificate.certificate),
        "tls.key_file": str(certificate.key)})
    world.add_site("a")
    alice = world.phone("a", "alice")
    paul = world.public_phone("paul", register=True, home_nat=True, transport=transport,
                              sip_extra=f"sip_cafile {authority.own.certificate}")
    for caller, callee in ((alice, paul), (paul, alice)):
        world.call(caller, callee)
        world.hang_up(callee, caller)


def test_a_phone_may_prove_itself_with_sha_256(scene: Scene):
    """RFC 8760. No phone of Debian 12 can, so the algorithm is written out here."""
    world = World(scene, {"sip.digests": ["sha-256", "md5"]})
    world.add_site("a")
    world.server.add_user("alice", PASSWORD)
    host = scene.sites["a"].host("alice", 11)
    agent = (world.agents["a"].host.address, 5060)
    line = host.namespace.socket()
    line.bind((host.address, 5060))
    line.settimeout(10)

    def register(number: int, authorization: str = "") -> str:
        line.sendto("\r\n".join([
            "REGISTER sip:example.org SIP/2.0",
            f"Via: SIP/2.0/UDP {host.address}:5060;branch=z9hG4bK{number}",
            "Max-Forwards: 70", "From: <sip:alice@example.org>;tag=1",
            "To: <sip:alice@example.org>", "Call-ID: sha", f"CSeq: {number} REGISTER",
            f"Contact: <sip:alice@{host.address}:5060>", *filter(None, [authorization]),
            "Content-Length: 0", "", ""]).encode(), agent)
        return line.recv(4000).decode()

    def sha(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    def proof_of(password: str, challenge: str) -> str:
        nonce = re.search(r'algorithm=SHA-256.*?nonce="([^"]+)"|nonce="([^"]+)"', challenge)
        nonce = nonce.group(1) or nonce.group(2)
        answer = sha(":".join([sha(f"alice:example.org:{password}"), nonce, "00000001", "cn",
                               "auth", sha("REGISTER:sip:example.org")]))
        return ('Authorization: Digest username="alice", realm="example.org", '
                f'nonce="{nonce}", uri="sip:example.org", algorithm=SHA-256, qop=auth, '
                f'nc=00000001, cnonce="cn", response="{answer}"')

    challenge = register(1)
    offered = re.findall(r"WWW-Authenticate: (.*)", challenge)
    assert ["SHA-256" in each for each in offered] == [True, False], "the better one first"
    assert register(2, proof_of("wrong", offered[0])).startswith("SIP/2.0 401")
    challenge = re.findall(r"WWW-Authenticate: (.*)", register(3))
    assert register(4, proof_of(PASSWORD, challenge[0])).startswith("SIP/2.0 200")
    line.close()


def test_a_fax_of_5000_packets_arrives_whole(scene: Scene):
    """UDPTL's sequence numbers begin with every octet, also with those (4..15) that mark our own
    datagrams between agent and server."""
    world = figure_1(scene)
    alice, bob = world.sipp("a", "alice"), world.sipp("b", "bob")
    called = bob.start(
        Scenario("bob").await_request("INVITE").respond("180 Ringing")
        .respond("200 OK", t38_sdp(42000), retransmit=True).await_request("ACK")
        .await_request("BYE").respond("200 OK"))
    calling = alice.start(
        Scenario("alice").invite(t38_sdp(42000)).receive(180).receive(200).ack()
        .await_request("INFO").respond("200 OK").bye(), service="bob", )
    far_ends = {}
    for phone, wanted in ((alice, b"SIP/2.0 200"), (bob, b"INVITE ")):
        answers = until(lambda p=phone, w=wanted: scene.tap(p.host).select(
            lambda k: k.destination == p.address and k.payload.startswith(w)
            and b"udptl" in k.payload), f"the far side's port at {phone.user}")
        text = answers[0].payload.decode()
        far_ends[phone.user] = (re.search(r"c=IN IP4 (\S+)", text).group(1),
                                int(re.search(r"m=image (\d+)", text).group(1)))
    lines = {}
    for phone in (alice, bob):
        line = phone.host.namespace.socket()
        line.bind((phone.address, 42000))
        line.settimeout(5)
        lines[phone.user] = line
    for speaker, listener in (("alice", "bob"), ("bob", "alice")):
        arrived = set()
        for first in range(0, 5000, 50):
            for number in range(first, first + 50):
                lines[speaker].sendto(struct.pack("!HB", number, 1) + b"fax" * 20,
                                      far_ends[speaker])
            while len(arrived) < first + 50:
                datagram = lines[listener].recv(2000)
                assert datagram[2:] == b"\x01" + b"fax" * 20
                arrived.add(struct.unpack_from("!H", datagram)[0])
            time.sleep(0.04)  # far more than a fax sends, and less than a flood
        assert arrived == set(range(5000))
    for line in lines.values():
        line.close()
    del called, calling


def test_many_calls_at_once(scene: Scene):
    world = figure_1(scene)
    alice, bob = world.sipp("a", "alice"), world.sipp("b", "bob")
    called = bob.start(answering(), "-rtp_echo", calls=100)
    calling = alice.start(
        Scenario("alice").invite(audio_sdp()).receive(180).receive(200).ack().pause(1000).bye(),
        "-r", "20", service="bob", calls=100)
    calling.succeeded()
    called.succeeded()
    world.await_no_calls()


__all__ = ["audio", "time"]
