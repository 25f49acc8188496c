"""A bad wire: loses, doubles, delays unevenly and so reorders frames between two interfaces.

For kernels without netem. It runs as a process of its own in a namespace that holds nothing but
the wire's two ends; frames cross with their offload headers, so checksums and large TCP segments
survive as they are. Random numbers come from a given seed.

    python3 wire.py LEFT RIGHT LOSS JITTER_MS SEED DOUBLES
"""

import heapq
import random
import select
import socket
import sys
import time

ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
IP_TYPES = (b"\x08\x00", b"\x86\xdd")
VNET_HEADER = 10


def end(interface: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    made.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    try:
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    except PermissionError:
        pass
    made.bind((interface, 0))
    made.setblocking(False)
    return made


def carry(left: socket.socket, right: socket.socket, loss: float, jitter: float, seed: int,
          doubles: float) -> None:
    chance = random.Random(seed)
    waiting: list[tuple[float, int, socket.socket, bytes]] = []
    count = 0
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, out, frame = heapq.heappop(waiting)
            try:
                out.send(frame)
            except (BlockingIOError, OSError):
                pass  # a full queue loses frames, as a wire may
        pause = max(0.0, waiting[0][0] - now) if waiting else None
        for source in select.select([left, right], [], [], pause)[0]:
            out = right if source is left else left
            try:
                frame = source.recv(70000)
            except (BlockingIOError, OSError):
                continue
            delays = [0.0]
            if frame[VNET_HEADER + 12:VNET_HEADER + 14] in IP_TYPES:
                if chance.random() < loss:
                    continue
                times = 2 if chance.random() < doubles else 1
                delays = [chance.uniform(0, jitter) for _ in range(times)]
            for delay in delays:
                count += 1
                heapq.heappush(waiting, (time.monotonic() + delay, count, out, frame))


if __name__ == "__main__":
    ends = end(sys.argv[1]), end(sys.argv[2])
    print("carrying", flush=True)
    carry(*ends, float(sys.argv[3]), float(sys.argv[4]) / 1000, int(sys.argv[5]),
          float(sys.argv[6]))
