"""Figures that are promised. They are taken alone, without other tests beside them."""

import statistics
import time

import pytest
from scene.baresip import Baresip
from scene.figure1 import Scene
from scene.waiting import until
from scene.world import figure_1

CALLS = 15
ADDED_SECONDS = 0.015

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
