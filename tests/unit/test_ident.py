#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What others are told a device is: lnkfs-id for udev, the magic for file(1).

TAP on standard output; $TOOLS is the directory of the programs.
"""

import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

from superblock import sealed
from tap import finish, result

TOOLS = os.environ["TOOLS"]
MAGIC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/magic/lnkfs")
ENV = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin", LC_ALL="C")
UUID = "0f0e0d0c-0b0a-4908-8706-050403020100"


def run(*command):
    return subprocess.run(command, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, check=False)


def mkfs(image, *options):
    made = run(os.path.join(TOOLS, "mkfs.lnkfs"), "-qf", "-U", UUID, *options, image, "8M")
    if made.returncode:
        sys.exit(made.stderr.decode(errors="replace"))


def ident(image):
    """Exit status, standard output, properties."""
    got = run(os.path.join(TOOLS, "lnkfs-id"), image)
    props = dict(line.split(b"=", 1) for line in got.stdout.splitlines() if b"=" in line)
    return got.returncode, got.stdout, {k.decode(): v for k, v in props.items()}


def write(image, sb):
    with open(image, "r+b") as f:
        f.seek(1024)
        f.write(sb)


def read(image):
    with open(image, "rb") as f:
        f.seek(1024)
        return bytearray(f.read(1024))


def test_names(image):
    mkfs(image, "-b", "1k", "-L", "a label")
    status, out, props = ident(image)
    expected = {"ID_FS_TYPE": b"lnkfs", "ID_FS_USAGE": b"filesystem", "ID_FS_LABEL": b"a_label",
                "ID_FS_LABEL_ENC": b"a\\x20label", "ID_FS_UUID": UUID.encode(),
                "ID_FS_UUID_ENC": UUID.encode(), "ID_FS_BLOCKSIZE": b"1024",
                "ID_FS_LASTBLOCK": b"8192"}
    result(status == 0 and props == expected, "a volume", out)
    mkfs(image)
    status, out, props = ident(image)
    result(status == 0 and "ID_FS_LABEL" not in props and "ID_FS_LABEL_ENC" not in props,
           "without a label", out)
    mkfs(image, "-O", "journal_dev", "-L", "log")
    status, out, props = ident(image)
    result(status == 0 and props["ID_FS_TYPE"] == b"lnkfs_external_journal" and
           props["ID_FS_USAGE"] == b"other" and props["ID_FS_LABEL"] == b"log", "a journal", out)


def test_labels(image, other):
    """As libblkid does for a filesystem that it knows."""
    for label in (b"plain", b" two  words ", b"/../x", b"%k$devnode", b"\\x2f\\", b"K\xc3\xa4se",
                  b"\xff\xfe\xc0", b"=a,b;c:d@", b"#hash", b"a'b\"c`d"):
        if shutil.which("mkfs.ext4", path=ENV["PATH"]):
            mkfs(image, b"-L", label)
            run("mkfs.ext4", "-qF", "-L", label, other)
            theirs = run("blkid", "-p", "-o", "udev", other).stdout.splitlines()
            theirs = sorted(t for t in theirs if t.startswith(b"ID_FS_LABEL"))
            ours = sorted(t for t in ident(image)[1].splitlines() if t.startswith(b"ID_FS_LABEL"))
            result(theirs == ours and len(ours) == 2, "label %r" % label, theirs, ours)
        else:
            result(True, "label %r # SKIP no mkfs.ext4" % label)
    mkfs(image, b"-L", b"a\nID_FS_TYPE=ext4\n\x1b[2J\x7f")
    status, out, props = ident(image)
    result(status == 0 and out.count(b"\n") == 8 and props["ID_FS_TYPE"] == b"lnkfs" and
           props["ID_FS_LABEL"] == b"a_ID_FS_TYPE=ext4__[2J_" and
           props["ID_FS_LABEL_ENC"] == b"a\\x0aID_FS_TYPE=ext4\\x0a\\x1b\\x5b2J\\x7f",
           "control characters", out)
    mkfs(image, b"-L", b"\"q\"")
    result(b'ID_FS_LABEL=""q""\n' in ident(image)[1], "quotes are quoted", ident(image)[1])


def test_damage(image):
    mkfs(image, "-L", "label")
    good = read(image)
    wrong = []
    for at in range(0, 1024, 19):
        sb = bytearray(good)
        sb[at] ^= 1 << at % 8
        write(image, sb)
        status, out, _ = ident(image)
        if status != 1 or out:
            wrong.append((at, status, out))
    result(not wrong, "a damaged superblock has no name", *wrong[:5])
    random.seed(1)
    wrong = []
    for n in range(100):
        sb = bytearray(good)
        for _ in range(random.choice((1, 2, 10))):
            at = random.randrange(8, 1024 if n % 2 else 0xa0)
            sb[at:at + 8] = random.randbytes(8)[:1024 - at]
        write(image, sealed(sb))
        status, out, _ = ident(image)
        if (status, bool(out)) not in ((0, True), (1, False)) or \
           not all(re.match(rb"ID_FS_[A-Z_]+=[^\0-\x1f\x7f]+$", line) for line in out.splitlines()):
            wrong.append((n, status, out))
    result(not wrong, "nonsense with a good checksum", *wrong[:5])
    sb = bytearray(good)
    sb[0x40:0x80] = b"\xff" * 64
    write(image, sealed(sb))
    result(ident(image)[0] == 1, "a label without an end", ident(image)[1])
    struct.pack_into("<I", sb, 0x14, 1 << 31)
    write(image, sealed(sb))
    status, out, props = ident(image)
    result(status == 0 and props["ID_FS_LABEL_ENC"] == b"\\xff" * 64 and
           "ID_FS_BLOCKSIZE" not in props, "features from the future", out)
    write(image, good)
    os.truncate(image, (8 << 20) - 4096)
    result(ident(image)[:2] == (1, b""), "a device that ends before its volume")
    for size in (2047, 1024, 0):
        os.truncate(image, size)
        result(ident(image)[:2] == (1, b""), "%d bytes" % size)
    for path in "/dev/null", "/", "/nonexistent", "/dev/zero":
        result(ident(path)[:2] == (1, b""), path)
    result(run(os.path.join(TOOLS, "lnkfs-id")).returncode == 2, "usage")
    result(run(os.path.join(TOOLS, "lnkfs-id"), "-x").returncode == 2, "no options")


def says(image):
    return run("file", "-b", "-m", MAGIC, image).stdout.decode(errors="replace").strip()


def test_magic(image, journal):
    if not shutil.which("file"):
        result(True, "file # SKIP not installed")
        return
    compiled = run("file", "-c", "-m", MAGIC)
    warnings = [w for w in compiled.stderr.splitlines()
                if b"arning" in w and b"using regular magic file" not in w]
    result(compiled.returncode == 0 and not warnings, "the magic is correct", *warnings)
    for bits, size in (10, "1024"), (11, "2048"), (12, "4096"):
        mkfs(image, "-b", size, "-L", "a\033label")
        expected = "lnkfs filesystem, label \"a\\033label\", UUID %s, %s-byte blocks, %u blocks, clean" % (
            UUID, size, 8 << 20 >> bits)
        result(says(image) == expected, "blocks of %s bytes" % size, says(image), expected)
    mkfs(image)
    result(says(image).startswith("lnkfs filesystem, UUID"), "no label", says(image))
    for state, words in (0, "mounted or needs journal recovery"), (3, "clean, errors"), \
                        (2, "mounted or needs journal recovery, errors"):
        sb = read(image)
        struct.pack_into("<H", sb, 0x1e, state)
        write(image, sealed(sb))
        result(says(image).endswith(" blocks, " + words), words, says(image))
    mkfs(journal, "-O", "journal_dev", "-L", "log")
    expected = "lnkfs external journal, label \"log\", UUID %s, 4096-byte blocks, 2048 blocks" % UUID
    result(says(journal) == expected, "a journal", says(journal), expected)
    mkfs(image, "-J", "device=" + journal)
    result(says(image).endswith(" blocks, external journal, clean"), "a volume that has it",
           says(image))
    with open(image, "r+b") as f:
        f.truncate(0)
        f.truncate(8 << 20)
    result("lnkfs" not in says(image), "nothing", says(image))


def main():
    with tempfile.TemporaryDirectory() as tmp:
        image, other = os.path.join(tmp, "image"), os.path.join(tmp, "other")
        with open(other, "wb") as f:
            f.truncate(8 << 20)
        test_names(image)
        test_labels(image, other)
        os.unlink(other)
        test_damage(image)
        test_magic(image, other)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
