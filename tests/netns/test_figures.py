"""Figures that are promised. They are taken alone, without other tests beside them."""

import statistics
import time

import pytest
from scene.baresip import Baresip
from scene.figure1 import PUBLIC_PHONE, Scene
from scene.h323 import CALL, Endpoint
from scene.waiting import until
from scene.world import World, figure_1

CALLS = 15
ADDED_SECONDS = 0.015
H323_ADDED_CONNECT_MS = 12
H323_ADDED_MEDIA_MS = 15
H323_CALLS_A_SECOND = 200

pytestmark = pytest.mark.figures


def set_up_seconds(scene: Scene, caller: Baresip, callee: Baresip) -> float:
    """From the caller's INVITE on its wire to the 200 on its wire, by the kernel's stamps."""
    began = caller.dial(callee.uri)
    caller.await_event("CALL_ESTABLISHED", began)
    scene.capture.settle()
    tap = scene.tap(caller.host)
    invite = tap.select(lambda p: p.outgoing and p.payload.startswith(b"INVITE"), began - 1)[-1]
    answer = tap.select(lambda p: not p.outgoing and p.payload.startswith(b"SIP/2.0 200")
                        and b" INVITE\r\n" in p.payload, invite.time)[0]
    ended = time.time()
    caller.hang_up()
    callee.await_event("CALL_CLOSED", ended)
    return answer.time - invite.time


def test_agents_and_server_add_less_than_15_ms_to_the_set_up_of_a_call(scene: Scene, capsys):
    world = figure_1(scene)
    automatic = {"account": "answermode=auto"}
    alice, bob = world.phone("a", "alice"), world.phone("b", "bob", **automatic)
    one = Baresip(scene, scene.public_host("one", "192.0.2.60"), "one", 400, register=False)
    two = Baresip(scene, scene.public_host("two", "192.0.2.61"), "two", 550, register=False,
                  **automatic)
    direct, through = [], []
    for _ in range(CALLS):  # by turns, so that what else the machine does meets both alike
        direct.append(set_up_seconds(scene, one, two))
        through.append(set_up_seconds(scene, alice, bob))
        until(lambda: not world.server.calls(), "no calls left")
    added = statistics.median(through) - statistics.median(direct)
    with capsys.disabled():
        print(f"\ncall set-up, median of {CALLS}: direct {statistics.median(direct) * 1000:.1f} ms, "
              f"through agents and server {statistics.median(through) * 1000:.1f} ms, "
              f"added {added * 1000:.1f} ms")
    assert added < ADDED_SECONDS


def h323_site(world: World, site: str, name: str, *options: str) -> Endpoint:
    host = world.scene.sites[site].host(name, 11)
    made = Endpoint(world.scene, host, name, *options, gatekeeper=world.agents[site].host.address)
    made.await_registered()
    return made


def h323_set_up_ms(caller: Endpoint, callee: Endpoint, dial: str) -> tuple[float, float]:
    """From Setup to Connect, and to the first media heard, as the caller tells it."""
    begin = caller.mark()
    caller.say(f"call {dial}")
    caller.await_event("connected", begin)
    told = caller.hears(callee, ("audio",), packets=1)
    caller.say("hang-up")
    caller.await_event("ended", begin)
    return told["connect_ms"], told["first_media_ms"]


def test_an_h323_call_is_set_up_nearly_as_fast_as_a_direct_one(scene: Scene, capsys):
    world = figure_1(scene, server_settings={"h323.enabled": True, "h323.authenticate": False})
    alice, bob = h323_site(world, "a", "alice"), h323_site(world, "b", "bob")
    one = Endpoint(scene, scene.public_host("one", "192.0.2.60"), "one")
    two = Endpoint(scene, scene.public_host("two", PUBLIC_PHONE), "two")
    direct, through = [], []
    for _ in range(CALLS):
        direct.append(h323_set_up_ms(one, two, f"two {PUBLIC_PHONE}:{CALL}"))
        through.append(h323_set_up_ms(alice, bob, "bob"))
        until(lambda: not world.server.calls(), "no calls left")
    told = {name: [statistics.median(column) for column in zip(*runs)]
            for name, runs in (("direct", direct), ("through", through))}
    connect, media = (through - direct for through, direct in zip(told["through"], told["direct"]))
    with capsys.disabled():
        print(f"\nH.323, Setup to Connect and to the first media, median of {CALLS}: "
              + "; ".join(f"{name} {c:.1f} and {m:.1f} ms" for name, (c, m) in told.items())
              + f"; added {connect:.1f} and {media:.1f} ms")
    assert connect < H323_ADDED_CONNECT_MS
    assert media < H323_ADDED_MEDIA_MS


def test_200_h323_calls_a_second_through_one_server(scene: Scene, capsys):
    """With two agents and two endpoints beside it on the same machine."""
    world = figure_1(scene, server_settings={
        "h323.enabled": True, "h323.authenticate": False, "limits.new_calls_per_second": 1000,
        "limits.requests_per_second": 5000, "limits.unanswered_per_source": 1000})
    alice = h323_site(world, "a", "alice", "--silent")
    h323_site(world, "b", "bob", "--silent", "--forget")
    begin = alice.mark()
    count = 10 * H323_CALLS_A_SECOND
    alice.say(f"load bob {H323_CALLS_A_SECOND} {count} 500")
    told = alice.await_event("load", begin, timeout=60)
    with capsys.disabled():
        print(f"\n{H323_CALLS_A_SECOND} H.323 calls a second: {told['established']} of {count} "
              f"established, median {told['median_ms']:.1f} ms, p99 {told['p99_ms']:.1f} ms; "
              f"{told['failures']}")
    assert told["established"] == count
    world.await_no_calls()
