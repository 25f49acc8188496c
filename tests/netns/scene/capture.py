"""What crossed an interface, kept in memory while it happens.

One thread reads every tap of a scene. Time stamps are the kernel's, so a busy machine does not
blur them; a tap that lost packets says so and fails the test that asks it.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .namespace import Namespace, SceneError
from .packet import Packet, cut, parse_frame

ETH_P_ALL = 0x0003
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_VNET_HDR = 15
VNET_HEADER = 10
GSO_UDP_L4 = 5  # of linux/virtio_net.h
PACKET_OUTGOING = 4
BUFFER = 32 << 20


class Tap:
    """The packets of one interface, in the order in which they crossed."""

    def __init__(self, where: Namespace, interface: str):
        self.name = f"{where.name}.{interface}"
        self.packets: list[Packet] = []
        self._socket = where.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except PermissionError:  # a user namespace may only have what the host's limit gives
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        # Between namespaces nobody cuts what was sent in one piece (UDP_SEGMENT), as an interface
        # to a real wire does: so it is cut here. Before Linux 6.2 this is not told.
        self._told_segments = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 2)
        if self._told_segments:
            self._socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self._socket.bind((interface, 0))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def _read(self) -> None:
        for _ in range(256):
            try:
                frame, ancillary, _, sender = self._socket.recvmsg(70000, 64)
            except (BlockingIOError, OSError):
                return
            stamp = time.time()
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("qq", data[:16])
                    stamp = seconds + nanoseconds / 1e9
            for each in self._frames(frame):
                packet = parse_frame(each, stamp, sender[2] == PACKET_OUTGOING)
                if packet is not None:
                    self.packets.append(packet)

    def _frames(self, told: bytes) -> list[bytes]:
        if not self._told_segments:
            return [told]
        kind, segment = struct.unpack_from("=xB2xH", told)
        frame = told[VNET_HEADER:]
        return cut(frame, segment) if kind == GSO_UDP_L4 else [frame]

    def lost(self) -> int:
        """Packets that the kernel could not queue for this tap since it was asked last."""
        _, dropped = struct.unpack("II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        return dropped

    def since(self, begin: float) -> Iterator[Packet]:
        return (packet for packet in tuple(self.packets) if packet.time >= begin)

    def select(self, wanted: Callable[[Packet], bool], begin: float = 0.0) -> list[Packet]:
        return [packet for packet in self.since(begin) if wanted(packet)]

    def write(self, path: Path) -> None:
        """As a pcap file (nanosecond magic, Ethernet), for people and for tshark."""
        with path.open("wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
            for packet in tuple(self.packets):
                seconds = int(packet.time)
                nanoseconds = int((packet.time - seconds) * 1e9)
                size = len(packet.frame)
                out.write(struct.pack("<IIII", seconds, nanoseconds, size, size))
                out.write(packet.frame)

    def _close(self) -> None:
        self._socket.close()


class Capture:
    """All taps of a scene, and the thread that reads them."""

    def __init__(self) -> None:
        self.taps: list[Tap] = []
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    def tap(self, where: Namespace, interface: str) -> Tap:
        """Taps an interface from now on; every later call gets the same tap."""
        name = f"{where.name}.{interface}"
        for tap in self.taps:
            if tap.name == name:
                return tap
        tap = Tap(where, interface)
        with self._lock:
            self.taps.append(tap)
            self._selector.register(tap, selectors.EVENT_READ, tap)
        os.write(self._wake_write, b"+")
        return tap

    def settle(self) -> None:
        """Returns when every packet that has crossed by now is in its tap's list."""
        for tap in self.taps:
            while True:
                readable = selectors.DefaultSelector()
                readable.register(tap, selectors.EVENT_READ)
                waiting = readable.select(0)
                readable.close()
                if not waiting:
                    break
                time.sleep(0.001)
            if tap.lost():
                raise SceneError(f"the tap {tap.name} lost packets: the machine is too busy")

    def close(self) -> None:
        if self._thread.is_alive():
            os.write(self._wake_write, b"!")
            self._thread.join()
        for tap in self.taps:
            tap._close()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is not None:
                    key.data._read()
                elif os.read(self._wake_read, 1) == b"!":
                    return
