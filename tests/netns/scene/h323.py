"""An H.323 endpoint of ours (tests/h323_endpoint), since no other is packaged.

Its packets say who sends them, of which kind of channel, and their number, and it tells whose it
hears: so what is heard is known by content. It does every way of fast connect and of H.245 that its
options name (main.cc).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from .capture import Tap
from .figure1 import Host, Scene
from .product import binary
from .waiting import until

RAS = 1719
CALL = 1720
# Those that an endpoint has; T.120 is over TCP, and only one line of text each way.
KINDS = ("audio", "video", "slides", "camera", "fax", "data")


def program() -> str:
    """Of the same build as the program under test."""
    return str(Path(binary()).parents[1] / "tests" / "h323_endpoint" / "h323_endpoint")


class Endpoint:
    """One endpoint: registered at `gatekeeper` if there is one."""

    def __init__(self, scene: Scene, host: Host, name: str, *options: str,
                 gatekeeper: str | None = None, channels: tuple[str, ...] = ("audio",)):
        self.host = host
        self.name = name
        self.address = host.address
        folder = scene.folder_for(f"{host.name}.h323")
        self._events: list[dict] = []
        self._read_to = 0
        self._log = folder / "log"
        pipe = folder / "commands.pipe"
        os.mkfifo(pipe)
        self._commands = os.open(pipe, os.O_RDWR)
        scene.on_close(lambda: os.close(self._commands))
        own = [program(), "--own", host.address, "--name", name]
        if gatekeeper:
            own += ["--gatekeeper", f"{gatekeeper}:{RAS}"]
        for channel in channels:
            own += ["--channel", channel]
        self.process = host.namespace.spawn(
            ["sh", "-c", f'exec "$@" <{pipe}', "sh", *own, *options], self._log)
        self.await_event("ready")

    def __str__(self) -> str:
        return self.name

    def say(self, command: str) -> None:
        os.write(self._commands, f"{command}\n".encode())

    def events(self, what: str | None = None, begin: int = 0) -> list[dict]:
        with self._log.open() as log:
            log.seek(self._read_to)
            for line in iter(log.readline, ""):
                if not line.endswith("\n"):
                    break
                self._read_to += len(line.encode())
                if line.startswith("{"):
                    self._events.append(json.loads(line))
        return [event for event in self._events[begin:] if what is None or event["what"] == what]

    def mark(self) -> int:
        """The number of events so far, to look only at later ones."""
        return len(self.events())

    def await_event(self, what: str, begin: int = 0, timeout: float = 20.0) -> dict:
        return until(lambda: self.events(what, begin),
                     lambda: f"{what!r} at {self.name}; it told {self.events()[-8:]}", timeout)[0]

    def await_registered(self) -> None:
        until(lambda: self.report()["registered"],
              lambda: f"{self.name} registered; it told {self.events()[-8:]}")

    def report(self) -> dict:
        begin = self.mark()
        self.say("report")
        return self.await_event("report", begin)

    def call_state(self) -> dict:
        """What it tells of its newest call."""
        calls = self.report()["calls"]
        return calls[-1] if calls else {}

    def hears(self, speaker: "Endpoint", kinds: tuple[str, ...], packets: int = 25,
              timeout: float = 20.0) -> dict:
        """Awaits that many packets of each kind from `speaker`, RTCP too where there is any."""
        def heard() -> dict:
            state = self.call_state()
            for kind in kinds:
                one = state.get("heard", {}).get(f"{speaker.name}/{kind}", {})
                if one.get("packets", 0) < (1 if kind == "data" else packets):
                    return {}
                if kind not in ("data", "fax") and not one.get("control_packets"):
                    return {}
            return state
        return until(heard, lambda: f"{kinds} of {speaker} at {self}; {self.call_state()}", timeout)


def betraying(tap: Tap, secrets: tuple[str, ...], begin: float = 0.0) -> list[str]:
    """What crossed the tap with one of these addresses in its payload: in four octets, as H.323 has
    them, or in text, wherever segments begin and end."""
    patterns = {}
    for address in secrets:
        patterns[bytes(map(int, address.split(".")))] = address
        patterns[address.encode()] = address
    streams: dict[tuple, dict[int, bytes]] = {}
    found = []

    def search(octets: bytes, where: object) -> None:
        for pattern, address in patterns.items():
            if pattern in octets:
                found.append(f"{address} in {where}")

    for packet in tap.since(begin):
        if packet.protocol == "udp":
            search(packet.payload, packet)
        elif packet.protocol == "tcp" and packet.payload:
            key = (packet.source, packet.source_port, packet.destination, packet.destination_port)
            streams.setdefault(key, {})[packet.tcp_sequence] = packet.payload
    for key, segments in streams.items():
        search(b"".join(segments[sequence] for sequence in sorted(segments)), key)
    return found
