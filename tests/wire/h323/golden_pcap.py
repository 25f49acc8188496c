#!/usr/bin/python3
"""Puts what per_vectors prints of RAS and call signalling into a capture, for tshark to read:

  per_vectors h323 COUNT SEED | golden_pcap.py OUT.pcap
"""

import struct
import sys

CALLER, CALLEE = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
MOST = 1200  # octets of a message: one segment each


def ip(protocol, payload):
    return struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, CALLER,
                       CALLEE) + payload


def packets(lines):
    sequence = 1
    for line in lines:
        name, _, octets = line.rstrip('\n').split('\t')
        per = bytes.fromhex(octets)
        if len(per) > MOST:
            continue
        if name == 'H225-RasMessage':
            yield ip(17, struct.pack('!HHHH', 1719, 1719, 8 + len(per), 0) + per)
        elif name == 'H225-H323-UserInformation':  # Setup of call 1, User-user, in TPKT
            setup = b'\x08\x02\x00\x01\x05\x7e' + struct.pack('!HB', len(per) + 1, 5) + per
            payload = struct.pack('!BBH', 3, 0, len(setup) + 4) + setup
            yield ip(6, struct.pack('!HHIIBBHHH', 40000, 1720, sequence, 1, 0x50, 0x18, 65535, 0, 0) +
                     payload)
            sequence += len(payload)


def main():
    with open(sys.argv[1], 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for second, packet in enumerate(packets(sys.stdin)):
            frame = bytes(12) + b'\x08\x00' + packet
            out.write(struct.pack('<IIII', second, 0, len(frame), len(frame)) + frame)


main()
