#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""mkfs.lnkfs over whatever libblkid knows.

Each case is an image that blkid(8) or wipefs(8) takes for something, made by
the program that makes such things or of the bytes that libblkid looks for.
mkfs.lnkfs must refuse it, and with -f leave nothing that either finds, also without
discarding anything (-K). What has a wrong checksum only wipefs finds: that is not
refused, but does not stay. TAP on standard output; $TOOLS is the directory of the
programs.
"""

import os
import shutil
import struct
import subprocess
import sys
import tempfile

from tap import finish, result

MKFS = os.path.join(os.environ["TOOLS"], "mkfs.lnkfs")
LNKFS_ID = os.path.join(os.environ["TOOLS"], "lnkfs-id")
SIZE = 80 << 20
ENV = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin", LC_ALL="C")


def run(*command):
    return subprocess.run(command, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True, errors="replace", check=False)


def raid1(at):
    """A superblock of md's version 1, with its checksum."""
    sb = bytearray(256)
    struct.pack_into("<II", sb, 0, 0xa92b4efc, 1)
    sb[16:32] = range(1, 17)
    struct.pack_into("<Q", sb, 0x90, at // 512)
    total = sum(struct.unpack("<64I", sb))
    struct.pack_into("<I", sb, 0xd8, (total + (total >> 32)) & 0xffffffff)
    return at, bytes(sb)


def uberblocks():
    """All that a ZFS pool can have: two labels at each end."""
    for label in (0, 256 << 10, SIZE - (512 << 10), SIZE - (256 << 10)):
        for n in range(128):
            yield label + (128 << 10) + n * 1024, struct.pack("<QQ", 0x00bab10c, 1)


# name: what stands where
RAW = {
    "swap": [(4086, b"SWAPSPACE2"), (1024, struct.pack("<II", 1, 0x4fff))],
    "LUKS": [(0, b"LUKS\xba\xbe\0\1")],
    "romfs": [(0, b"-rom1fs-")],
    "squashfs": [(0, b"hsqs" + bytes(24) + b"\4\0")],
    "iso9660": [(0x8000, b"\1CD001\1")],
    "minix": [(1024, struct.pack("<HHHHHHI", 100, 200, 1, 1, 10, 0, 0x10081c00)),
              (1040, b"\x7f\x13")],
    "ocfs2": [(4096, b"OCFSV2")],
    "gfs2": [(0x10000, b"\1\x16\x19\x70"), (0x10018, struct.pack(">II", 1801, 1900))],
    "cramfs": [(0, b"\x45\x3d\xcd\x28")],
    "vxfs": [(1024, b"\xf5\xfc\x01\xa5")],
    "sysv": [(0x3f8, b"\x20\x7e\x18\xfd")],
    "ufs": [(0x255c, b"\x54\x19\x01\0")],
    "ufs at 256 KiB": [(0x4055c, b"\x54\x19\x01\0")],
    "hpfs": [(0x2000, b"\x49\xe8\x95\xf9"), (0x2200, b"\x49\x18\x91\xf9")],
    "hfs": [(1024, b"BD"), (1044, struct.pack(">I", 4096))],
    "hfsplus": [(1024, b"H+"), (1064, struct.pack(">I", 4096))],
    "DM snapshot": [(0, b"SnAp")],
    "LVM2, damaged": [(512, b"LABELONE" + struct.pack("<QII", 1, 0, 32) + b"LVM2 001")],
    "md raid 0.90": [((SIZE & ~0xffff) - 0x10000, struct.pack("<IIII", 0xa92b4efc, 0, 90, 0))],
    "md raid 1.0": [raid1((SIZE >> 9) - 16 << 9)],
    "md raid 1.1": [raid1(0)],
    "md raid 1.2": [raid1(4096)],
    "isw raid": [(SIZE - 1024, b"Intel Raid ISM Cfg Sig. 1.2.00")],
    "lsi raid": [(SIZE - 512, b"$XIDE$")],
    "via raid, damaged": [(SIZE - 512, b"\x55\xaa")],
    "silicon raid, damaged": [(SIZE - 416, b"\0\0\0\x2f")],
    "ddf raid": [(SIZE - 512, b"\xde\x11\xde\x11")],
    "nvidia raid": [(SIZE - 1024, b"NVIDIA")],
    "hpt37x raid": [(4640, b"\xf0\x16\x78\x5a")],
    "hpt45x raid": [(SIZE - 11 * 512, b"\xf3\x16\x78\x5a")],
    "jmicron raid": [(SIZE - 512, b"JM")],
    "promise raid": [(SIZE - 63 * 512, b"Promise Technology, Inc.")],
    "VMFS member": [(1 << 20, b"\x0d\xd0\x01\xc0")],
    "VMFS": [(2 << 20, b"\x5e\xf1\xab\x2f")],
    "ubifs": [(0, b"\x31\x18\x10\x06")],
    "ubi": [(0, b"UBI#")],
    "exfat": [(3, b"EXFAT   ")],
    "f2fs": [(1024, b"\x10\x20\xf5\xf2\1\0\0\0")],
    "zfs": list(uberblocks()),
    "nss": [(4096, b"SPB5")],
    "oracleasm": [(32, b"ORCLDISK")],
    "vdo": [(0, b"dmvdo001")],
    "erofs": [(1024, b"\xe2\xe1\xf5\xe0")],
    "zonefs": [(0, b"SFOZ")],
    "drbd": [(SIZE - 4096 + 60, b"\x83\x74\x02\x6b")],
    "drbdproxy": [(0, b"DRBDdlh*")],
    "dos partitions": [(446, b"\x80\1\1\0\x83\xfe\xff\xff" + struct.pack("<II", 2048, 20000)),
                       (510, b"\x55\xaa")],
    "mac partitions": [(0, b"ER\2\0"), (512, b"PM\0\0\0\0\0\1\0\0\0\1\0\0\0\x3f")],
    "raid over swap": [(4086, b"SWAPSPACE2"), (1024, struct.pack("<II", 1, 0x4fff)),
                       raid1((SIZE >> 9) - 16 << 9)],
}

# name: commands, the image being the last argument; or a script for sfdisk
MADE = {
    "ext4": ["mkfs.ext4", "-qF", "-L", "old"],
    "ext4 of 1 KiB blocks": ["mkfs.ext4", "-qF", "-b", "1024"],
    "journal of ext4": ["mkfs.ext4", "-qF", "-O", "journal_dev"],
    "btrfs": ["mkfs.btrfs", "-q", "-f", "-M"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "vfat": ["mkfs.vfat"],
    "fat16": ["mkfs.vfat", "-F", "16"],
    "minix, made": ["mkfs.minix"],
    "bfs": ["mkfs.bfs"],
    "swap, made": ["mkswap", "-q"],
    "gpt": "label: gpt\nsize=10M\n",
    "dos": "label: dos\nsize=10M\n",
    "sun": "label: sun\nsize=10M\n",
    "sgi": "label: sgi\nsize=10M\n",
}


def make(path, what):
    """The image, or False where its program is not to be had."""
    size = 320 << 20 if what[0] == "mkfs.xfs" else 120 << 20 if what[0] == "mkfs.btrfs" else SIZE
    with open(path, "wb") as f:
        f.truncate(size)
        for at, data in what if isinstance(what[0], tuple) else []:
            f.seek(at)
            f.write(data)
    if isinstance(what, str):
        return subprocess.run(["sfdisk", "-q", path], input=what, text=True, env=ENV,
                              check=False).returncode == 0
    if isinstance(what[0], tuple):
        return True
    if not shutil.which(what[0], path=ENV["PATH"]):
        return False
    return run(*what, path).returncode == 0


def signatures(path):
    found = run("wipefs", "-n", path)
    return found.stdout + found.stderr


def check(path, name, what):
    if not make(path, what):
        result(True, name + " # SKIP cannot be made here")
        return
    there = signatures(path)
    refused = run(MKFS, "-n", path)
    formatted = run(MKFS, "-fqK", path)
    left = signatures(path)
    blkid = run("blkid", "-p", path)
    ours = run(LNKFS_ID, path)
    refuses = refused.returncode == 1 and "contains" in refused.stderr
    result(there and refuses != name.endswith("damaged") and
           formatted.returncode == 0 and not left and blkid.returncode == 2 and
           "ID_FS_TYPE=lnkfs\n" in ours.stdout,
           name, "there: " + there, "refused: " + refused.stderr, formatted.stderr,
           "left: " + left, "blkid: " + blkid.stdout + blkid.stderr)


def check_lies(tmp):
    """Files are where libblkid looks: the user is told what it says then."""
    image, files = os.path.join(tmp, "image"), os.path.join(tmp, "files")
    os.mkdir(files)
    with open(os.path.join(files, "file"), "wb") as f:
        f.write(b"\x0d\xd0\x01\xc0".ljust(1024, b"\0") * 8192)
    formatted = run(MKFS, "-q", "-b", "1k", "-d", files, image, "20M")
    result(formatted.returncode == 0 and "warning" in formatted.stderr and
           "VMFS" in formatted.stderr, "lies in files", formatted.stderr)
    with open(os.path.join(files, "file"), "wb") as f:
        f.write(b"\1CD001\1".ljust(1024, b"\0") * 8192)
    formatted = run(MKFS, "-q", "-f", "-b", "1k", "-d", files, image)
    result(formatted.returncode == 0 and not formatted.stderr and signatures(image) == "",
           "files are not where a CD has its names", formatted.stderr)
    with open(os.path.join(files, "file"), "wb") as f:
        f.write(b"nothing" * 8192)
    formatted = run(MKFS, "-q", "-f", "-b", "1k", "-d", files, image)
    result(formatted.returncode == 0 and not formatted.stderr, "no lies", formatted.stderr)


def main():
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/tmp")) as tmp:
        for table in RAW, MADE:
            for name, what in table.items():
                path = os.path.join(tmp, "image")
                check(path, name, what)
                os.unlink(path)
        check_lies(tmp)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
