"""A name server for the scene, and a resolv.conf that makes one process ask it."""

from __future__ import annotations

import socket
import struct
import threading

from .figure1 import Host, Scene

A, NAPTR, AAAA, SRV = 1, 35, 28, 33


def _name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def a(address: str) -> tuple[int, bytes]:
    return A, socket.inet_aton(address)


def srv(priority: int, weight: int, port: int, target: str) -> tuple[int, bytes]:
    return SRV, struct.pack("!HHH", priority, weight, port) + _name(target)


def naptr(order: int, preference: int, service: str, replacement: str) -> tuple[int, bytes]:
    def text(value: str) -> bytes:
        return bytes([len(value)]) + value.encode()

    return NAPTR, (struct.pack("!HH", order, preference) + text("s") + text(service) + text("")
                   + _name(replacement))


class NameServer:
    """Answers over UDP from `records`: name -> what a(), srv() and naptr() make."""

    def __init__(self, scene: Scene, host: Host, records: dict[str, list[tuple[int, bytes]]]):
        self.records = {name.lower(): values for name, values in records.items()}
        self.asked: list[tuple[str, int]] = []
        self.resolv_conf = scene.folder_for(f"dns-{host.name}") / "resolv.conf"
        self.resolv_conf.write_text(f"nameserver {host.address}\noptions timeout:1\n")
        self._socket = host.namespace.socket()
        self._socket.bind((host.address, 53))
        scene.on_close(self._close)
        threading.Thread(target=self._serve, daemon=True).start()

    def wrap(self, command: list[str]) -> list[str]:
        """The command, with this name server as its own."""
        return ["unshare", "--mount", "sh", "-c",
                f"mount --bind {self.resolv_conf} /etc/resolv.conf && exec \"$@\"", "sh", *command]

    def _close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                query, sender = self._socket.recvfrom(2000)
            except OSError:
                return
            if len(query) < 17 or not sender:
                if not query:
                    return
                continue
            self._socket.sendto(self._answer(query), sender)

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        (kind,) = struct.unpack_from("!H", query, at + 1)
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        found = [data for k, data in self.records.get(name, []) if k == kind]
        known = name in self.records
        flags = 0x8580 | (0 if known else 3)  # authoritative; NXDOMAIN for what is not here
        answers = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data
                           for data in found)
        return (query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0)
                + query[12:at + 5] + answers)



