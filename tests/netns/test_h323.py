"""H.323: a terminal finds its gatekeeper at the agent, and registers."""

import socket
import struct

import pytest
from scene.figure1 import Host, Scene
from scene.world import World

GROUP = "224.0.1.41"
# A terminal that says it is 10.1.2.3, with the number 5551234 (made with Erlang's asn1ct, read back
# by tshark): gatekeeperRequest and registrationRequest.
GRQ = bytes.fromhex("00201266060008914a0005000a01020306b7020002030088845674040041"
                    "006c006900630065")
RRQ = bytes.fromhex("0e800001060008914a00058001000a01020306b801000a01020306b7020001030088845670b5"
                    "00534c348b00000002003b010001800100")
CONFIRMED = {"GRQ": 1, "RRQ": 4}


class Terminal:
    """Speaks just enough RAS to see who answers, and what kind of answer it is."""

    def __init__(self, host: Host):
        self.socket = host.namespace.socket()
        self.socket.settimeout(5)
        self.socket.bind((host.address, 0))

    def ask(self, request: bytes, to: tuple[str, int]) -> tuple[int, tuple[str, int]]:
        """The number of the answer among the RAS messages, and who gave it."""
        self.socket.sendto(request, to)
        answer, who = self.socket.recvfrom(2048)
        return answer[0] >> 2 & 0x1f, who


@pytest.fixture
def world(scene: Scene) -> World:
    world = World(scene, {"h323.enabled": True, "h323.authenticate": False})
    world.add_site("a")
    return world


def test_a_terminal_discovers_and_registers_at_its_agent(world: World):
    agent = world.agents["a"].host
    terminal = Terminal(world.scene.sites["a"].host("room", 40))
    answer, who = terminal.ask(GRQ, (agent.address, 1719))
    assert (answer, who) == (CONFIRMED["GRQ"], (agent.address, 1719))

    terminal.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, struct.pack("b", 1))
    answer, who = terminal.ask(GRQ, (GROUP, 1718))
    assert (answer, who) == (CONFIRMED["GRQ"], (agent.address, 1719)), "whoever it is, from its port"

    answer, _ = terminal.ask(RRQ, (agent.address, 1719))
    assert answer == CONFIRMED["RRQ"]
    registered = world.server.json("registrations")["registrations"]
    assert [(each["protocol"], each["agent"]) for each in registered] == [("h323", "agent-a")]


def test_a_terminal_without_a_password_does_not_register(scene: Scene):
    world = World(scene, {"h323.enabled": True})
    world.add_site("a")
    terminal = Terminal(world.scene.sites["a"].host("room", 40))
    answer, _ = terminal.ask(RRQ, (world.agents["a"].host.address, 1719))
    assert answer == CONFIRMED["RRQ"] + 1
    world.server.await_event("h323 registration refused", reason="securityDenial", why="no_token")
