"""Plays RTP streams of G.729 on sockets that it inherits, until its standard input ends.

    stream_player.py SEED DESCRIPTOR...

Each stream has a phase of its own within the 20 ms, and no two packets have the same payload.
"""

from __future__ import annotations

import heapq
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator

INTERVAL = 0.02
G729 = 18  # RFC 3551: 10 octets for 10 ms
PAYLOAD = 20
STEP = 160


def packets(number: int, chance: random.Random) -> Iterator[bytes]:
    sequence, timestamp, ssrc = (chance.getrandbits(bits) for bits in (16, 32, 32))
    count = 0
    while True:
        header = struct.pack("!BBHII", 0x80, G729 | (0x80 if count == 0 else 0),
                             (sequence + count) & 0xFFFF, (timestamp + count * STEP) & 0xFFFFFFFF,
                             ssrc)
        yield header + struct.pack("!II", number, count) + chance.randbytes(PAYLOAD - 8)
        count += 1


def play(seed: int, lines: list[socket.socket]) -> None:
    chance = random.Random(seed)
    streams = [packets(number, chance) for number in range(len(lines))]
    began = time.monotonic()
    due = [(began + chance.random() * INTERVAL, number) for number in range(len(lines))]
    heapq.heapify(due)
    while True:
        when, number = due[0]
        wait = when - time.monotonic()
        if wait > 0:
            if select.select([0], [], [], wait)[0]:
                return
            continue
        heapq.heapreplace(due, (when + INTERVAL, number))
        try:
            lines[number].send(next(streams[number]))
        except ConnectionRefusedError:
            pass  # the call is over at the far end


if __name__ == "__main__":
    play(int(sys.argv[1]), [socket.socket(fileno=int(each)) for each in sys.argv[2:]])
