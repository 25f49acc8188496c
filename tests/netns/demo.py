"""The scene of Figure 1, told while it happens. Run by script/demo."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from scene import proof  # noqa: E402
from scene.figure1 import SERVER, Scene  # noqa: E402
from scene.namespace import SceneError  # noqa: E402
from scene.product import Agent, Side  # noqa: E402
from scene.waiting import NotInTime  # noqa: E402
from scene.world import World  # noqa: E402

BEGAN = time.monotonic()
LISTEN_SECONDS = 3.0

PICTURE = """\
  site A  10.1.1.0/24                                            site B  10.1.1.0/24
  alice 10.1.1.11                                                bob 10.1.1.11
  agent 10.1.1.2 --- router ===== public network ===== router --- agent 10.1.1.2
                     NAPT,         server {server}     NAPT,
                     firewall                          firewall
"""


_mouth = threading.Lock()


def say(text: str = "") -> None:
    with _mouth:
        print(f"{time.monotonic() - BEGAN:6.2f} s  {text}" if text else "", flush=True)


class Narrator:
    """Tells what the sides log and what the agents' audit logs record, while it happens."""

    def __init__(self) -> None:
        self._sides: list[Side] = []
        self._told: dict[str, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def follow(self, side: Side) -> None:
        self._sides.append(side)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            for side in tuple(self._sides):
                self._tell(side)

    def _tell(self, side: Side) -> None:
        begin = self._told.get(side.name, 0)
        events = side.events(begin=begin)
        self._told[side.name] = begin + len(events)
        for event in events:
            if event.get("level") != "debug":
                fields = "  ".join(f"{key}={value}" for key, value in event.items()
                                   if key not in ("ts", "level", "event"))
                say(f"  {side.name:9} {event['event']}  {fields}")
        if not isinstance(side, Agent) or not side.audit_file.exists():
            return
        lines = side.audit_file.read_text().split("\n")[:-1]
        begin = self._told.get(f"audit {side.name}", 0)
        self._told[f"audit {side.name}"] = len(lines)
        for line in lines[begin:]:
            entry = json.loads(line)
            say(f"  {side.name:9} is told by the {entry['by']}: {entry['act']} {entry['what']}"
                f" ... {entry['result']}")


def probes(world: World, site: str, begin: float) -> str:
    """How this site's way to the server was kept open, and what went over it, as its router saw it."""
    tap = world.scene.sites[site].router.tap
    ours = [p for p in tap.since(begin)
            if p.protocol == "udp" and p.payload and 4 <= p.payload[0] <= 15]
    sent = [p for p in ours if p.outgoing and p.payload[0] == 8]
    answers = [p for p in ours if not p.outgoing and p.payload[0] == 9]
    sealed = [p for p in ours if p.payload[0] >= 12]
    waits = [min((a.time - p.time for a in answers if a.time > p.time), default=None) for p in sent]
    slowest = max((wait for wait in waits if wait is not None), default=0.0)
    opened = (f"{len(sent)} probes, {len(answers)} confirmations, each within {slowest * 1000:.0f} ms"
              if sent else "no probe: the way was open")
    return f"{opened}; {len(sealed)} sealed datagrams of media"


def main() -> int:
    with Scene("demo") as scene:
        say("Two private networks with the same addresses, each behind NAPT and a default-drop")
        say("firewall that holds the six rules of Table 1. The server is in the public network.")
        print("\n" + PICTURE.format(server=SERVER))
        narrator = Narrator()
        scene.on_close(narrator.stop)
        world = World(scene)
        narrator.follow(world.server)
        for name in ("a", "b"):
            world.add_site(name, start=False)
            agent = world.agents[name]
            narrator.follow(agent)
            agent.start()
            world.server.await_agent(agent.name)
        say("Both agents are connected: they dialled out, nothing was opened in the firewalls.")
        alice, bob = world.phone("a", "alice"), world.phone("b", "bob")
        for phone in (alice, bob):
            say(f"{phone.user} has registered: {phone.uri}, from {phone.address} of "
                f"{phone.user}'s own network")

        good = True
        for caller, callee, ender in ((alice, bob, alice), (bob, alice, alice)):
            print()
            say(f"{caller.user} calls {callee.user}")
            began = caller.dial(callee.uri)
            callee.await_event("CALL_INCOMING", began)
            say(f"{callee.user}'s phone rings; {callee.user} answers")
            callee.accept()
            caller.await_event("CALL_ESTABLISHED", began)
            world.both_hear(caller, callee, began, LISTEN_SECONDS)
            scene.capture.settle()
            for name in ("a", "b"):
                say(f"  router {name.upper()} saw {probes(world, name, began)}")
            for call in world.server.calls():
                for leg in call["legs"]:
                    for media in leg["media"]:
                        say(f"  {leg['place']} talks with its phone at {media['theirs']} from "
                            f"{' and '.join(media['ours'])}")
            for listener, speaker in ((caller, callee), (callee, caller)):
                heard = world.heard(listener, speaker, began)
                verdict = heard.other_frames == 0 and heard.longest_gap() < 0.5
                good &= verdict
                say(f"  {listener.user} hears {speaker.user}: tone of {speaker.tone} Hz, "
                    f"{heard.seconds:.1f} s, longest gap {heard.longest_gap() * 1000:.0f} ms"
                    f" -- {'GOOD' if verdict else 'BAD'}")
            world.hang_up(ender, callee if ender is caller else caller)
            say(f"{ender.user} hangs up; both phones and the server agree that it is over")

        print()
        scene.capture.settle()
        for name, site in scene.sites.items():
            counts = proof.crossed(site.router, SERVER)
            strays = counts.pop(None, 0)
            good &= strays == 0
            told = ", ".join(f"{rule}: {counts[rule]}" for rule in sorted(counts))
            say(f"firewall {name.upper()}  packets by rule of Table 1: {told}")
            say(f"             {strays} packets of any other kind crossed; "
                f"{site.router.dropped()} were refused")
        for name, agent in world.agents.items():
            say(f"agent {name}: audit log {agent.verify_audit().strip()}")
        print()
        say("VERDICT: both hear each other, in both directions of call."
            if good else "VERDICT: something is wrong, see above.")
        return 0 if good else 1


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    try:
        sys.exit(main())
    except (SceneError, NotInTime) as error:
        say(f"FAILED: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
