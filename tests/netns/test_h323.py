"""H.323: terminals find their gatekeeper at the agent, register, and call each other and the public
network in every way that there is."""

import itertools
import socket
import struct
from dataclasses import dataclass

import pytest
from scene import proof
from scene.figure1 import PUBLIC_PHONE, SERVER, SITE_ADDRESSES, Host, Scene
from scene.h323 import CALL, Endpoint, betraying
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
    world = World(scene, {"h323.authenticate": False})
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
    world = World(scene)
    world.add_site("a")
    terminal = Terminal(world.scene.sites["a"].host("room", 40))
    answer, _ = terminal.ask(RRQ, (world.agents["a"].host.address, 1719))
    assert answer == CONFIRMED["RRQ"] + 1
    world.server.await_event("h323 registration refused", reason="securityDenial", why="no_token")


# --- calls: the matrix of docs/INTEROP.md ---

PLACES = ("agent-agent", "agent-public", "public-agent", "one-agent")
SET_UPS = {
    "fast": ((), ()),
    "fast-late": ((), ("--fast-answer", "connect")),
    "fast-refused": ((), ("--fast-answer", "never")),
    "slow": (("--slow",), ()),
}
CONTROLS = {
    "tunnelled": ((), ()),
    "tunnelled-from-setup": (("--control", "setup"), ()),
    "separate": (("--no-tunnel",), ("--no-tunnel",)),
    "separate-early": (("--no-tunnel",), ("--no-tunnel", "--control", "proceeding")),
    "separate-to-the-caller": (("--no-tunnel", "--control", "setup"), ("--no-tunnel",)),
    "only-the-caller-tunnels": ((), ("--no-tunnel",)),
}
CHANNELS = {"audio": ("audio",), "video": ("audio", "video", "slides")}

ALL = list(itertools.product(PLACES, SET_UPS, CONTROLS, CHANNELS))


def pairwise(cells: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """As few of these as hold every pair of values that all of them hold."""
    def pairs(cell: tuple[str, ...]) -> set:
        return set(itertools.combinations(enumerate(cell), 2))

    chosen, open_pairs = [], set().union(*map(pairs, cells))
    while open_pairs:
        best = max(cells, key=lambda cell: len(pairs(cell) & open_pairs))
        chosen.append(best)
        open_pairs -= pairs(best)
    return chosen


@dataclass
class Pair:
    """A caller, a callee, and how the one reaches the other."""

    world: World
    caller: Endpoint
    callee: Endpoint
    dial: str

    def call(self) -> None:
        self.caller.say(f"call {self.dial}")
        self.caller.await_event("connected")
        self.callee.await_event("connected")

    def both_hear(self, channels: tuple[str, ...]) -> None:
        self.caller.hears(self.callee, channels)
        self.callee.hears(self.caller, channels)

    def hang_up(self) -> None:
        self.callee.say("hang-up")
        self.caller.await_event("ended")
        self.world.await_no_calls()
        for endpoint in (self.caller, self.callee):
            assert endpoint.report()["complaints"] == []


def pair_of(scene: Scene, places: str, channels: tuple[str, ...] = ("audio",),
            caller_options: tuple[str, ...] = (), callee_options: tuple[str, ...] = ()) -> Pair:
    """Alice calls Bob; both sites have the same addresses."""
    world = World(scene, {"h323.enabled": True, "h323.authenticate": False})
    world.add_site("a")
    if places == "agent-agent":
        world.add_site("b")

    def endpoint(name: str, site: str | None, options: tuple[str, ...], number: int) -> Endpoint:
        if site is None:
            host = scene.public_host(name, PUBLIC_PHONE)
            return Endpoint(scene, host, name, *options, channels=channels)
        host = scene.sites[site].host(name, number)
        made = Endpoint(scene, host, name, *options, channels=channels,
                        gatekeeper=world.agents[site].host.address)
        made.await_registered()
        return made

    callee_site = {"agent-agent": "b", "agent-public": None}.get(places, "a")
    caller_site = None if places == "public-agent" else "a"
    callee = endpoint("bob", callee_site, callee_options, 12 if places == "one-agent" else 11)
    caller = endpoint("alice", caller_site, caller_options, 11)
    dial = {"agent-public": f"- {PUBLIC_PHONE}:{CALL}",
            "public-agent": f"bob {SERVER}:{CALL}"}.get(places, "bob")
    return Pair(world, caller, callee, dial)


def assert_nothing_else_crossed(pair: Pair) -> None:
    """Only Table 1's flows at the firewalls, and no private address or router's in the open."""
    scene = pair.world.scene
    scene.capture.settle()
    for site in scene.sites.values():
        assert [p for p in proof.strays(site.router, SERVER) if p.protocol != "icmp"] == []
        assert site.router.dropped() == 0
    secrets = {host.host.address for host in pair.world.agents.values()}
    secrets |= {each.address for each in (pair.caller, pair.callee)
                if each.address != PUBLIC_PHONE}
    if PUBLIC_PHONE in (pair.caller.address, pair.callee.address):
        public = pair.caller if pair.caller.address == PUBLIC_PHONE else pair.callee
        secrets |= {SITE_ADDRESSES["a"]}
        assert betraying(scene.tap(public.host), tuple(secrets)) == []


def run_cell(scene: Scene, places: str, set_up: str, control: str, channels: str) -> None:
    caller = SET_UPS[set_up][0] + CONTROLS[control][0]
    callee = SET_UPS[set_up][1] + CONTROLS[control][1]
    pair = pair_of(scene, places, CHANNELS[channels], caller, callee)
    pair.call()
    pair.both_hear(CHANNELS[channels])
    assert pair.caller.call_state()["fast"] == (set_up in ("fast", "fast-late"))
    pair.hang_up()
    assert_nothing_else_crossed(pair)


@pytest.mark.parametrize("cell", pairwise(ALL), ids="-".join)
def test_a_call_is_heard_both_ways(scene: Scene, cell: tuple[str, str, str, str]):
    run_cell(scene, *cell)


@pytest.mark.soak
@pytest.mark.parametrize("cell", ALL, ids="-".join)
def test_a_call_is_heard_both_ways_in_every_way(scene: Scene, cell: tuple[str, str, str, str]):
    run_cell(scene, *cell)


@pytest.mark.parametrize("places", PLACES)
def test_every_kind_of_channel_at_once(scene: Scene, places: str):
    """Camera control over RTP, T.38 and T.120 over TCP beside what has been seen."""
    channels = ("audio", "video", "slides", "camera", "fax", "data")
    pair = pair_of(scene, places, channels)
    pair.call()
    pair.both_hear(channels)
    pair.caller.say("digit 5")
    pair.callee.await_event("digit")
    pair.hang_up()
    assert_nothing_else_crossed(pair)


def test_a_held_call_is_silent_and_comes_back(scene: Scene):
    """Third party pause: an empty capability set, and a full one again."""
    pair = pair_of(scene, "agent-agent")
    pair.call()
    pair.both_hear(("audio",))
    begin = pair.caller.mark()
    pair.callee.say("hold")
    pair.caller.await_event("paused", begin)
    assert pair.caller.call_state()["sends"] == {}
    pair.callee.say("resume")
    pair.caller.await_event("resumed", begin)
    pair.caller.await_event("sends", begin)
    before = pair.callee.call_state()["heard"]["alice/audio"]["packets"]
    pair.callee.hears(pair.caller, ("audio",), packets=before + 25)
    pair.hang_up()


def test_a_busy_callee_is_told_as_busy(scene: Scene):
    pair = pair_of(scene, "agent-agent", callee_options=("--reject", "17"))
    pair.caller.say(f"call {pair.dial}")
    assert pair.caller.await_event("ended")["detail"] == "17"
    pair.world.await_no_calls()
