"""The judges are judged: each oracle finds what it is to find, and only that."""

import math
import socket
import struct
import time

import pytest
from scene import audio, proof
from scene.figure1 import SERVER, SERVER6, BadWire, Scene
from scene.packet import Packet
from scene.router import Nat, table_1
from scene.waiting import until


def packet(protocol: str, source: str, source_port: int, destination: str,
           destination_port: int) -> Packet:
    return Packet(0.0, True, protocol, source, source_port, destination, destination_port, b"", b"")


def test_each_rule_of_table_1_is_told_apart_and_nothing_else_passes():
    site = "198.51.100.1"
    told = [proof.rule_of(packet(*p), [site], SERVER) for p in (
        ("tcp", site, 40000, SERVER, 2776), ("tcp", SERVER, 2776, site, 40000),
        ("udp", site, 40000, SERVER, 2776), ("udp", SERVER, 2776, site, 40000),
        ("udp", site, 40000, SERVER, 2777), ("udp", SERVER, 2777, site, 40000))]
    assert told == ["Z out", "Z in", "X out", "X in", "Y out", "Y in"]
    for stranger in (("udp", site, 40000, "192.0.2.1", 2776), ("udp", site, 2776, SERVER, 5060),
                     ("tcp", site, 40000, SERVER, 2777), ("icmp", site, 0, SERVER, 0),
                     ("udp", "10.1.1.2", 40000, SERVER, 2776), ("udp", SERVER, 2777, "10.1.1.2", 9)):
        assert proof.rule_of(packet(*stranger), [site], SERVER) is None


def test_an_address_is_found_wherever_it_stands():
    told = proof.betrayed([b"SIP/2.0 200 OK\r\nContact: <sip:a@10.1.1.11:5060>\r\n"], [SERVER])
    assert list(told) == ["10.1.1.11"]
    assert proof.betrayed([b"a=candidate:1 1 UDP 1 2001:db8:a::b 5000 typ host"], [SERVER])
    assert proof.betrayed([b"Call-ID: 0A01010B-1"], [SERVER], secret=["10.1.1.11"])
    assert not proof.betrayed([b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 203.0.113.10"], [SERVER])
    assert not proof.betrayed([b"Via: SIP/2.0/UDP [2001:db8:5::10]:5060"], [SERVER6])
    assert not proof.betrayed([b"User-Agent: phone 1.2.3 at 12:30:45"], [SERVER])


@pytest.mark.parametrize("payload_type", [0, 8], ids=["mu-law", "A-law"])
def test_a_tone_is_recognised_in_each_encoding(payload_type: int):
    table = audio.DECODE[payload_type]
    for tone in audio.TONES:
        samples = bytes(min(range(256), key=lambda o: abs(table[o] - wanted))
                        for wanted in (8000 * math.sin(2 * math.pi * tone * n / 8000)
                                       for n in range(160)))
        frame = Packet(1.0, False, "udp", "x", 1, "y", 2,
                       struct.pack("!BBHII", 0x80, payload_type, 1, 160, 7) + samples, b"")
        assert audio.tone_in_packet(frame) == tone
    assert audio.tone_of([0] * 160) is None


def test_a_tone_that_is_made_is_the_tone_that_is_recognised():
    for tone in audio.TONES:
        frame = Packet(1.0, False, "udp", "x", 1, "y", 2, audio.rtp_tone(tone, 3), b"")
        assert audio.tone_in_packet(frame) == tone


def test_a_gap_is_measured_also_at_both_ends():
    heard = audio.Heard(400, tuple(n / 50 for n in range(50, 100)) + (3.0,), 0)
    assert heard.longest_gap() == pytest.approx(1.02)
    assert heard.longest_gap(begin=0.0) == pytest.approx(1.02)
    assert heard.longest_gap(begin=0.0, end=9.0) == pytest.approx(6.0)
    assert audio.Heard(400, (), 0).longest_gap(begin=0.0) == math.inf


def test_the_firewall_drops_and_counts_what_table_1_does_not_name(scene: Scene):
    site = scene.site("a")
    agent = site.host("agent", 2)
    server = scene.public_host("server", SERVER, SERVER6)
    site.router.firewall(table_1(agent.address, SERVER))
    at_x, at_other = server.namespace.socket(), server.namespace.socket()
    at_x.bind((SERVER, 2776))
    at_other.bind((SERVER, 5060))
    inside = agent.namespace.socket()
    for port in (5060, 5060, 2776):
        inside.sendto(b"knock", (SERVER, port))
    _, seen_from = at_x.recvfrom(100)
    assert seen_from[0] == site.router.wan
    at_x.sendto(b"answer", seen_from)
    assert inside.recv(100) == b"answer"
    assert site.router.dropped() == 2
    scene.capture.settle()
    assert proof.strays(site.router, SERVER) == []
    assert proof.crossed(site.router, SERVER) == {"X out": 1, "X in": 1}
    for used in (at_x, at_other, inside):
        used.close()


def public_port(scene: Scene, inside: socket.socket, at: socket.socket) -> int:
    inside.sendto(b"who am I", at.getsockname())
    return at.recvfrom(100)[1][1]


@pytest.mark.parametrize("nat, same", [(Nat.PORT_RESTRICTED, True), (Nat.SYMMETRIC, False),
                                       (Nat.ONE_TO_ONE, True)])
def test_a_nat_maps_as_its_name_says(scene: Scene, nat: Nat, same: bool):
    site = scene.site("a", nat)
    agent = site.host("agent", 2)
    server = scene.public_host("server", SERVER)
    ends = []
    for port in range(4):
        at = server.namespace.socket()
        at.bind((SERVER, 3000 + port))
        ends.append(at)
    inside = agent.namespace.socket()
    inside.bind((agent.address, 40404))
    ports = {public_port(scene, inside, at) for at in ends}
    assert (ports == {40404}) if same else len(ports) > 1
    before = public_port(scene, inside, ends[0])
    assert public_port(scene, inside, ends[0]) == before, "a mapping in use stays"
    site.router.flush()
    after = public_port(scene, inside, ends[0])
    assert (after == before) if same else (after != before)
    site.router.renumber("198.51.100.77")
    if nat is not Nat.ONE_TO_ONE:
        inside.sendto(b"who am I", ends[0].getsockname())
        assert ends[0].recvfrom(100)[1][0] == "198.51.100.77"
    for used in (*ends, inside):
        used.close()


def test_a_bad_wire_loses_and_reorders_about_as_much_as_it_says(scene: Scene):
    site = scene.site("a", wire=BadWire(scene, "a", loss=0.05, jitter_ms=30))
    agent = site.host("agent", 2)
    server = scene.public_host("server", SERVER)
    at = server.namespace.socket()
    at.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    at.bind((SERVER, 3000))
    inside = agent.namespace.socket()
    for number in range(600):
        inside.sendto(struct.pack("!I", number), (SERVER, 3000))
        time.sleep(0.001)
    tap = scene.tap(server)

    def arrived() -> list[int]:
        return [struct.unpack("!I", p.payload)[0]
                for p in tap.select(lambda p: p.protocol == "udp" and not p.outgoing)]

    until(lambda: len(arrived()) > 500, lambda: f"most of 600 packets; {len(arrived())} came")
    until(lambda: tap.packets[-1].time < time.time() - 0.2, "the last of them")
    numbers = arrived()
    assert 540 <= len(numbers) <= 590
    assert sum(1 for a, b in zip(numbers, numbers[1:]) if b < a) > 100
    at.close()
    inside.close()


def test_nothing_is_left_on_the_host(scene: Scene):
    site = scene.site("a")
    host = site.host("agent", 2)
    sleeper = host.namespace.spawn(["sleep", "1000"], scene.folder_for("sleeper") / "log")
    pid = sleeper.pid
    scene.close()
    assert not sleeper.running
    with pytest.raises(ProcessLookupError):
        import os
        os.kill(pid, 0)
