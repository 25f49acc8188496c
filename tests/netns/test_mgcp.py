"""MGCP: gateways behind agents, controlled by a call agent in the public network."""

from __future__ import annotations

import struct
import threading
import time

import pytest
from scene import audio, proof
from scene.call_agent import CallAgent
from scene.figure1 import DOMAIN, PUBLIC_PHONE, SERVER, Host, Scene
from scene.osmo_mgw import OsmoMgw
from scene.waiting import until
from scene.world import figure_1

CALL_AGENT = "192.0.2.60"
SECOND_SPEAKER = "192.0.2.61"
OPTIONS = ("L: p:20, a:PCMU, nt:IN",)
SETTINGS = {"mgcp.enabled": True, "mgcp.call_agents": [{"address": CALL_AGENT}]}


class Speaker:
    """A destination that says its tone to one address from the port at which it listens."""

    def __init__(self, scene: Scene, host: Host, tone: int, port: int = 7000):
        self.scene, self.host, self.tone = scene, host, tone
        self.media = (host.address, port)
        self._socket = host.namespace.socket()
        self._socket.bind(self.media)
        self._quiet = threading.Event()

    def talk_to(self, media: tuple[str, int]) -> None:
        threading.Thread(target=self._talk, args=(media,), daemon=True).start()

    def hears(self, tone: int, seconds: float = 1.0, begin: float = 0.0) -> None:
        def heard() -> float:
            return audio.arriving(self.scene.tap(self.host), self.host.address, tone, begin).seconds

        until(lambda: heard() >= seconds, lambda: f"{tone} Hz at {self.host.name}; {heard()} s")

    def close(self) -> None:
        self._quiet.set()
        self._socket.close()

    def _talk(self, media: tuple[str, int]) -> None:
        frame = audio.rtp_tone(self.tone, 0)[8:]
        number, due = 0, time.monotonic()
        while not self._quiet.wait(max(0.0, due - time.monotonic())):
            header = struct.pack("!BBHI", 0x80, 0, number & 0xFFFF,
                                 number * audio.FRAME & 0xFFFFFFFF)
            try:
                self._socket.sendto(header + frame, media)
            except OSError:
                return
            number, due = number + 1, due + 0.02


class Telephony:
    """Two sites, each with a gateway of the same name and address; a call agent; two speakers."""

    def __init__(self, scene: Scene):
        self.scene = scene
        self.world = figure_1(scene, server_settings=SETTINGS)
        self.agent = CallAgent(scene.public_host("ca", CALL_AGENT), SERVER)
        self.one = Speaker(scene, scene.public_host("one", PUBLIC_PHONE), audio.TONES[0])
        self.two = Speaker(scene, scene.public_host("two", SECOND_SPEAKER), audio.TONES[1])
        self.gateways = {site: OsmoMgw(scene, scene.sites[site].host("mgw", 40)) for site in "ab"}
        for closing in (self.agent, self.one, self.two):
            scene.on_close(closing.close)
        for site, gateway in self.gateways.items():
            gateway.say(self.world.agents[site].host,
                        f"RSIP 1 *@{gateway.domain} MGCP 1.0\r\nRM: restart\r\n")
            self.agent.await_command("RSIP", self.endpoint(site, "*"))

    @staticmethod
    def endpoint(site: str, local: str) -> str:
        return f"{local}@mgw.agent-{site}.{DOMAIN}"

    def connect(self, endpoint: str, call: int, media: tuple[str, int] | None = None,
                mode: str = "sendrecv"):
        made = self.agent.command("CRCX", endpoint, f"C: {call}", *OPTIONS, f"M: {mode}",
                                  media=media)
        assert made.code == 200, made.text
        assert made.media[0] == SERVER, "the destination talks to the server"
        return made

    def modify(self, endpoint: str, call: int, connection: str, media: tuple[str, int]) -> None:
        changed = self.agent.command("MDCX", endpoint, f"C: {call}", f"I: {connection}",
                                     "M: sendrecv", media=media)
        assert changed.code == 200, changed.text

    def delete(self, endpoint: str, call: int) -> None:
        assert self.agent.command("DLCX", endpoint, f"C: {call}").code in (200, 250)

    def prove_hidden(self) -> None:
        """Only Table 1's flows crossed, and no address was betrayed."""
        self.scene.capture.settle()
        for site in self.scene.sites.values():
            assert proof.strays(site.router, SERVER) == []
            assert {"X out", "X in", "Z out", "Z in"} <= set(proof.crossed(site.router, SERVER))
        texts = [packet.payload for packet in self.scene.tap(self.agent.host).select(
            lambda p: p.protocol == "udp" and b"MGCP" in p.payload or b"\nv=0" in p.payload)]
        assert texts
        public = [address for site in self.scene.sites.values()
                  for address in site.router.public_addresses]
        assert proof.betrayed(texts, [SERVER, CALL_AGENT, PUBLIC_PHONE, SECOND_SPEAKER],
                              public) == {}
        assert self.agent.senders == {SERVER}


@pytest.fixture
def telephony(scene: Scene) -> Telephony:
    return Telephony(scene)


def test_a_gateway_sends_back_what_a_destination_says(telephony: Telephony):
    endpoint = telephony.endpoint("a", "rtpbridge/1")
    made = telephony.connect(endpoint, 77, telephony.one.media, mode="loopback")
    telephony.one.talk_to(made.media)
    telephony.one.hears(telephony.one.tone)
    calls = telephony.world.server.calls()
    assert [(call["protocol"], call["from"]) for call in calls] == [("mgcp", endpoint)]
    telephony.delete(endpoint, 77)
    telephony.world.await_no_calls()


def test_two_gateways_of_one_name_bridge_two_destinations(telephony: Telephony):
    """one - A's two connections - B's two connections - two: and between A and B, straight."""
    a, b = telephony.endpoint("a", "rtpbridge/1"), telephony.endpoint("b", "rtpbridge/1")
    to_one = telephony.connect(a, 77, telephony.one.media)
    a_to_b = telephony.connect(a, 77, mode="recvonly")
    b_to_a = telephony.connect(b, 77, a_to_b.media)
    to_two = telephony.connect(b, 77, telephony.two.media)
    telephony.modify(a, 77, a_to_b.parameters["I"], b_to_a.media)
    telephony.one.talk_to(to_one.media)
    telephony.two.talk_to(to_two.media)
    telephony.one.hears(telephony.two.tone)
    telephony.two.hears(telephony.one.tone)
    assert len(telephony.world.server.calls()) == 3, "between the gateways it is one call"
    telephony.delete(a, 77)
    telephony.delete(b, 77)
    telephony.world.await_no_calls()
    telephony.prove_hidden()
    for agent in telephony.world.agents.values():
        agent.verify_audit()


def test_gateways_are_known_after_the_server_was_restarted(telephony: Telephony):
    server = telephony.world.server
    server.stop()
    server.start()
    for site in "ab":
        server.await_agent(telephony.world.agents[site].name)
    endpoint = telephony.endpoint("b", "rtpbridge/2")
    made = until(lambda: _created(telephony, endpoint), "the gateway is reached again")
    telephony.one.talk_to(made.media)
    telephony.one.hears(telephony.one.tone)


def _created(telephony: Telephony, endpoint: str):
    made = telephony.agent.command("CRCX", endpoint, "C: 78", *OPTIONS, "M: loopback",
                                   media=telephony.one.media)
    assert made.code in (200, 501), made.text
    return made if made.code == 200 else None


def test_a_stranger_controls_no_gateway(telephony: Telephony):
    stranger = CallAgent(telephony.scene.public_host("stranger", "192.0.2.66"), SERVER)
    telephony.scene.on_close(stranger.close)
    assert stranger.command("AUEP", telephony.endpoint("a", "rtpbridge/1")).code == 500
    assert telephony.agent.command("AUEP", telephony.endpoint("a", "rtpbridge/1")).code == 200
    assert telephony.agent.command("AUEP", f"rtpbridge/1@mgw.agent-c.{DOMAIN}").code == 500
    assert telephony.world.server.json("status")["mgcp"]["stranger"] >= 1
