# SPDX-License-Identifier: GPL-2.0
"""Checksums, and changes of superblocks, for the tests written in Python."""

import contextlib
import struct


def _table():
    for c in range(256):
        for _ in range(8):
            c = c >> 1 ^ (0x82F63B78 if c & 1 else 0)
        yield c


TABLE = list(_table())


def crc32c(crc, data):
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def sealed(sb):
    """The superblock with its checksum made right."""
    sb[4:8] = bytes(4)
    struct.pack_into("<I", sb, 4, crc32c(0xffffffff, sb))
    return sb


@contextlib.contextmanager
def superblock(image):
    """That of an image, to be changed."""
    with open(image, "r+b") as f:
        f.seek(1024)
        sb = bytearray(f.read(1024))
        yield sb
        f.seek(1024)
        f.write(sealed(sb))
