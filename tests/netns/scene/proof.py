"""What a capture proves: that only Table 1's flows crossed, and that no address is betrayed."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from .capture import Tap
from .packet import Packet
from .router import X, Y, Z, Router

_IPV4 = re.compile(rb"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})(?![\d.])")
_IPV6 = re.compile(rb"(?<![0-9A-Fa-f:])((?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4})(?![0-9A-Fa-f:])")


def rule_of(packet: Packet, inside: Iterable[str], server: str, x: int = X, y: int = Y,
            z: int = Z) -> str | None:
    """Which rule of Table 1 lets this packet pass; None if none does."""
    own = set(inside)
    if packet.source in own and packet.destination == server:
        port, way = packet.destination_port, "out"
    elif packet.source == server and packet.destination in own:
        port, way = packet.source_port, "in"
    else:
        return None
    if packet.protocol == "tcp" and port == z:
        return f"Z {way}"
    if packet.protocol == "udp" and port == x:
        return f"X {way}"
    if packet.protocol == "udp" and port == y:
        return f"Y {way}"
    return None


def crossed(router: Router, server: str, x: int = X, y: int = Y, z: int = Z,
            own: Iterable[str] | None = None) -> Counter:
    """Counts, by rule, what crossed the router's public side; key None holds what no rule covers."""
    addresses = set(own) if own else set(router.public_addresses)
    counts: Counter = Counter()
    for packet in tuple(router.tap.packets):
        if _of_the_link(packet):
            continue
        counts[rule_of(packet, addresses, server, x, y, z)] += 1
    return counts


def strays(router: Router, server: str, x: int = X, y: int = Y, z: int = Z,
           own: Iterable[str] | None = None) -> list[Packet]:
    """The packets that crossed the router's public side and that no rule of Table 1 covers."""
    addresses = set(own) if own else set(router.public_addresses)
    return [packet for packet in tuple(router.tap.packets)
            if not _of_the_link(packet) and rule_of(packet, addresses, server, x, y, z) is None]


def _of_the_link(packet: Packet) -> bool:
    """Neighbour discovery between two routers: it crosses nothing."""
    if packet.protocol not in ("icmpv6", "0"):
        return False
    return all(ipaddress.ip_address(a).is_link_local or ipaddress.ip_address(a).is_multicast
               or ipaddress.ip_address(a).is_unspecified
               for a in (packet.source, packet.destination))


def sip_texts(tap: Tap, begin: float = 0.0) -> list[bytes]:
    """All SIP that crossed the tap in clear: each datagram, and each direction of a TCP connection
    as one text, so that nothing hides between two segments."""
    texts: list[bytes] = []
    streams: dict[tuple, dict[int, bytes]] = defaultdict(dict)
    for packet in tap.since(begin):
        if packet.protocol == "udp" and looks_like_sip(packet.payload):
            texts.append(packet.payload)
        elif packet.protocol == "tcp" and packet.payload:
            key = (packet.source, packet.source_port, packet.destination, packet.destination_port)
            streams[key][packet.tcp_sequence] = packet.payload
    for segments in streams.values():
        text = b"".join(segments[sequence] for sequence in sorted(segments))
        if looks_like_sip(text):
            texts.append(text)
    return texts


def looks_like_sip(payload: bytes) -> bool:
    return b"SIP/2.0" in payload[:4000]


def addresses_in(text: bytes) -> set[str]:
    """Every IP address that is written anywhere in the text."""
    found = set()
    for match in _IPV4.findall(text):
        try:
            found.add(str(ipaddress.IPv4Address(match.decode())))
        except ValueError:
            continue
    for match in _IPV6.findall(text):
        try:
            found.add(str(ipaddress.IPv6Address(match.decode())))
        except ValueError:
            continue
    return found


def betrayed(texts: Iterable[bytes], allowed: Iterable[str],
             secret: Iterable[str] = ()) -> dict[str, bytes]:
    """Addresses in these texts beyond the allowed ones, each with a text that holds it; and
    secret addresses also where they are written in hexadecimal."""
    permitted = {str(ipaddress.ip_address(a)) for a in allowed} | {"0.0.0.0"}
    hexadecimal = {ipaddress.ip_address(a).packed.hex().encode(): a for a in secret}
    found: dict[str, bytes] = {}
    for text in texts:
        for address in addresses_in(text) - permitted:
            found.setdefault(address, text)
        lower = text.lower()
        for code, address in hexadecimal.items():
            if code in lower:
                found.setdefault(f"{address} in hexadecimal", text)
    return found
