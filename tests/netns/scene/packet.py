"""A captured packet, taken apart as far as the tests look: addresses, ports, payload."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD

_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


@dataclass(frozen=True, slots=True)
class Packet:
    time: float  # seconds since the epoch, stamped by the kernel
    outgoing: bool  # left the namespace through the tapped interface, rather than arrived
    protocol: str  # udp, tcp, icmp, icmpv6, or the number
    source: str
    source_port: int
    destination: str
    destination_port: int
    payload: bytes  # of UDP or TCP; of IP for others
    frame: bytes  # from the Ethernet header on
    tcp_sequence: int = 0
    tcp_flags: int = 0

    def __str__(self) -> str:
        arrow = "->" if self.outgoing else "<-"
        return (f"{self.time:.3f} {arrow} {self.protocol} {self.source}:{self.source_port} > "
                f"{self.destination}:{self.destination_port} {len(self.payload)} octets "
                f"{self.payload[:24].hex()}")


def parse_frame(frame: bytes, time: float, outgoing: bool) -> Packet | None:
    """None for what is not IP (ARP)."""
    if len(frame) < 14:
        return None
    (ethertype,) = struct.unpack_from("!H", frame, 12)
    if ethertype == ETHERTYPE_IPV4 and len(frame) >= 34:
        header = (frame[14] & 0x0F) * 4
        length, fragment, number = struct.unpack_from("!H2xHxB", frame, 16)
        source = socket_text(frame[26:30])
        destination = socket_text(frame[30:34])
        body = frame[14 + header:14 + length]
        if fragment & 0x1FFF:  # not the first fragment: no ports
            return Packet(time, outgoing, "fragment", source, 0, destination, 0, body, frame)
    elif ethertype == ETHERTYPE_IPV6 and len(frame) >= 54:
        length, number = struct.unpack_from("!HB", frame, 18)
        source = socket_text(frame[22:38])
        destination = socket_text(frame[38:54])
        body = frame[54:54 + length]
    else:
        return None
    protocol = _PROTOCOLS.get(number, str(number))
    if protocol == "udp" and len(body) >= 8:
        sport, dport = struct.unpack_from("!HH", body)
        return Packet(time, outgoing, protocol, source, sport, destination, dport, body[8:], frame)
    if protocol == "tcp" and len(body) >= 20:
        sport, dport, sequence = struct.unpack_from("!HHI", body)
        payload = body[(body[12] >> 4) * 4:]
        return Packet(time, outgoing, protocol, source, sport, destination, dport, payload, frame,
                      sequence, body[13])
    return Packet(time, outgoing, protocol, source, 0, destination, 0, body, frame)


def cut(frame: bytes, segment: int) -> list[bytes]:
    """The frames that an interface makes of one that is to be cut (UDP_SEGMENT) into datagrams
    of so many octets of payload. Checksums stay as they are."""
    ipv4 = frame[12:14] == b"\x08\x00"
    udp = 14 + ((frame[14] & 0x0F) * 4 if ipv4 else 40)
    head, payload = frame[:udp + 8], frame[udp + 8:]
    out = []
    for begin in range(0, len(payload), segment):
        part = payload[begin:begin + segment]
        header = bytearray(head)
        struct.pack_into("!H", header, udp + 4, 8 + len(part))
        where, length = (16, udp - 14 + 8 + len(part)) if ipv4 else (18, 8 + len(part))
        struct.pack_into("!H", header, where, length)
        out.append(bytes(header) + part)
    return out


def socket_text(octets: bytes) -> str:
    if len(octets) == 4:
        return "%d.%d.%d.%d" % tuple(octets)
    return str(ipaddress.IPv6Address(octets))
