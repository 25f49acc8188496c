"""Who is heard: tones recognised in RTP payload and in recordings, by content.

Every phone plays a tone of its own, a multiple of 50 Hz, so that a frame of 20 ms holds whole
periods of every tone and each is orthogonal to the others.
"""

from __future__ import annotations

import array
import bisect
import functools
import math
import struct
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from operator import mul
from pathlib import Path

from .capture import Tap
from .packet import Packet

RATE = 8000
FRAME = 160  # samples of 20 ms
TONES = (400, 550, 700, 850, 1000, 1150, 1300, 1450)


def _mulaw(octet: int) -> int:
    octet = ~octet & 0xFF
    magnitude = (((octet & 0x0F) << 3) + 0x84) << ((octet & 0x70) >> 4)
    return (0x84 - magnitude) if octet & 0x80 else (magnitude - 0x84)


def _alaw(octet: int) -> int:
    octet ^= 0x55
    magnitude = (octet & 0x0F) << 4
    segment = (octet & 0x70) >> 4
    magnitude = magnitude + 8 if segment == 0 else (magnitude + 0x108) << (segment - 1)
    return magnitude if octet & 0x80 else -magnitude


# ITU-T G.711, by static RTP payload type (RFC 3551).
DECODE = {0: [_mulaw(i) for i in range(256)], 8: [_alaw(i) for i in range(256)]}

_COS = {f: [math.cos(2 * math.pi * f * n / RATE) for n in range(FRAME)] for f in TONES}
_SIN = {f: [math.sin(2 * math.pi * f * n / RATE) for n in range(FRAME)] for f in TONES}


def tone_of(samples: list[int]) -> int | None:
    """The tone that holds nearly all energy of these samples; None for silence or anything else."""
    samples = samples[:FRAME]
    n = len(samples)
    if n < FRAME // 2:
        return None
    energy = sum(map(mul, samples, samples))
    if energy / n < 100 ** 2:  # -50 dB: silence
        return None
    for tone in TONES:
        a = sum(map(mul, samples, _COS[tone]))
        b = sum(map(mul, samples, _SIN[tone]))
        # A pure tone of amplitude A gives A^2 n/2 of energy, and A n/2 in its own bin.
        if 2 * (a * a + b * b) / n > 0.8 * energy:
            return tone
    return None


def mulaw_tone(tone: int) -> bytes:
    """A frame of that tone in G.711, which can be repeated without a seam."""
    table = DECODE[0]
    return bytes(min(range(256), key=lambda o: abs(table[o] - 8000 * cosine))
                 for cosine in _COS[tone])


@dataclass(frozen=True, slots=True)
class RtpPacket:
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(datagram: bytes) -> RtpPacket | None:
    """None for what is not RTP (RTCP, probes, STUN)."""
    if len(datagram) < 12 or datagram[0] >> 6 != 2 or 192 <= datagram[1] <= 223:
        return None
    begin = 12 + 4 * (datagram[0] & 0x0F)
    if datagram[0] & 0x10 and len(datagram) >= begin + 4:
        begin += 4 + 4 * struct.unpack_from("!H", datagram, begin + 2)[0]
    kind, sequence, timestamp, ssrc = struct.unpack_from("!BHII", datagram, 1)
    return RtpPacket(kind & 0x7F, sequence, timestamp, ssrc, datagram[begin:])


_MULAW_OF = {}
for _octet in range(256):
    _MULAW_OF.setdefault(DECODE[0][_octet], _octet)
_LEVELS = sorted(_MULAW_OF)


def encode_mulaw(sample: float) -> int:
    place = bisect.bisect_left(_LEVELS, sample)
    near = _LEVELS[max(0, place - 1):place + 1]
    return _MULAW_OF[min(near, key=lambda level: abs(level - sample))]


def rtp_tone(tone: int, number: int, ssrc: int = 0x5A11) -> bytes:
    """The RTP packet `number` of a stream of PCMU that holds this tone."""
    samples = bytes(encode_mulaw(8000 * math.sin(2 * math.pi * tone * n / RATE))
                    for n in range(FRAME))
    return struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * FRAME & 0xFFFFFFFF,
                       ssrc) + samples


@dataclass(frozen=True)
class Heard:
    """When a tone arrived: one moment for each frame in which it was recognised."""

    tone: int
    moments: tuple[float, ...]
    other_frames: int  # frames of audio that held something else

    @property
    def seconds(self) -> float:
        """How much of it was heard, in seconds of audio."""
        return len(self.moments) * FRAME / RATE

    def longest_gap(self, begin: float | None = None, end: float | None = None) -> float:
        """The longest time in [begin, end] without the tone, in seconds."""
        marks = [m for m in self.moments
                 if (begin is None or m >= begin) and (end is None or m <= end)]
        if begin is not None:
            marks.insert(0, begin)
        if end is not None:
            marks.append(end)
        return max((b - a for a, b in zip(marks, marks[1:])), default=math.inf)


def heard_in(packets: Iterable[Packet], tone: int) -> Heard:
    """The tone as it arrives in these packets."""
    moments, others = [], 0
    for packet in packets:
        found = tone_in_packet(packet)
        if found == tone:
            moments.append(packet.time)
        elif found is not None:
            others += 1
    return Heard(tone, tuple(moments), others)


def tone_in_packet(packet: Packet) -> int | None:
    return _tone_in_datagram(packet.payload) if packet.protocol == "udp" else None


@functools.lru_cache(maxsize=1 << 17)
def _tone_in_datagram(datagram: bytes) -> int | None:
    """Remembered, since a test asks again and again until it has heard enough."""
    rtp = parse_rtp(datagram)
    if rtp is None or rtp.payload_type not in DECODE:
        return None
    table = DECODE[rtp.payload_type]
    return tone_of([table[octet] for octet in rtp.payload])


def arriving(tap: Tap, address: str, tone: int, begin: float = 0.0) -> Heard:
    """What arrives at `address` by the tap, from `begin` on."""
    return heard_in((p for p in tap.since(begin) if p.destination == address and not p.outgoing),
                    tone)


def heard_in_wav(path: Path, tone: int) -> Heard:
    """The same of a recording, whose time starts at 0."""
    with wave.open(str(path)) as recording:
        assert recording.getsampwidth() == 2, "16-bit recordings only"
        channels, rate = recording.getnchannels(), recording.getframerate()
        samples = array.array("h", recording.readframes(recording.getnframes()))[::channels]
    step = rate // RATE
    samples = samples[::step]
    moments, others = [], 0
    for begin in range(0, len(samples) - FRAME + 1, FRAME):
        found = tone_of(list(samples[begin:begin + FRAME]))
        if found == tone:
            moments.append(begin / RATE)
        elif found is not None:
            others += 1
    return Heard(tone, tuple(moments), others)
