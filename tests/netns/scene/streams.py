"""Many RTP streams at once, as sipp's calls have agreed on them: who sends what from where.

A process of its own plays them (stream_player.py), so that neither the tests nor what reads the
taps decides when a packet leaves.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .capture import Tap
from .figure1 import Host


@dataclass(frozen=True)
class Stream:
    host: Host
    port: int
    target: tuple[str, int]


def agreed(tap: Tap, host: Host) -> list[Stream]:
    """The streams of the calls that this host has made, or got: its own port, and where it sends."""
    own: dict[str, int] = {}
    theirs: dict[str, tuple[str, int]] = {}
    for packet in tap.select(lambda p: b"\nm=audio " in p.payload):
        call = re.search(rb"\nCall-ID: *(\S+)", packet.payload, re.IGNORECASE)[1].decode()
        port = int(re.search(rb"\nm=audio (\d+)", packet.payload)[1])
        address = re.search(rb"\nc=IN IP4 (\S+)", packet.payload)[1].decode()
        if packet.outgoing:
            own[call] = port
        else:
            theirs[call] = (address, port)
    return [Stream(host, own[call], theirs[call]) for call in own if call in theirs]


class Playing:
    """All of them, until the block ends."""

    def __init__(self, streams: list[Stream], seed: int = 1):
        self._sockets = []
        for stream in streams:
            made = stream.host.namespace.socket()
            made.bind((stream.host.address, stream.port))
            made.connect(stream.target)
            self._sockets.append(made)
        descriptors = [each.fileno() for each in self._sockets]
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("stream_player.py")), str(seed),
             *map(str, descriptors)], pass_fds=descriptors, stdin=subprocess.PIPE)

    def __enter__(self) -> "Playing":
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        assert self._process.wait(10) == 0
        for each in self._sockets:
            each.close()
