#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# fsck.lnkfs and logs that are damaged: what a person should look at is not replayed
# without a word. TAP on standard output. $TOOLS is where the tools are.
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

from superblock import crc32c, sealed, superblock
from tap import finish, result

TOOLS = os.environ["TOOLS"]
os.environ["ASAN_OPTIONS"] = "detect_leaks=0"
BS = 1024
MAGIC = 0xC03B3998
DESCRIPTOR, COMMIT, REVOKE = 1, 2, 5
SAME_UUID, LAST_TAG = 2, 8


class Log:
    """The journal of an image, written transaction by transaction."""

    def __init__(self, image):
        self.f = open(image, "r+b")
        self.sb = self.read(1)
        self.start = struct.unpack_from("<Q", self.sb, 0xa0)[0]
        self.js = self.read(self.start)
        self.seed = crc32c(0xffffffff, self.js[0x30:0x40])
        self.sequence = self.first = struct.unpack_from(">I", self.js, 0x18)[0]
        self.at = 1
        self.places = {}

    def read(self, block):
        self.f.seek(block * BS)
        return bytearray(self.f.read(BS))

    def write(self, block, data):
        self.f.seek(block * BS)
        self.f.write(data)

    def head(self, kind):
        data = bytearray(BS)
        struct.pack_into(">III", data, 0, MAGIC, kind, self.sequence)
        return data

    def add(self, data, sum_at, name):
        struct.pack_into(">I", data, sum_at, crc32c(self.seed, data))
        self.places[name, self.sequence - self.first + 1] = self.start + self.at
        self.write(self.start + self.at, data)
        self.at += 1

    def revoke(self, block):
        data = self.head(REVOKE)
        struct.pack_into(">IQ", data, 12, 24, block)
        self.add(data, BS - 4, "revoke")

    def block(self, block, copy):
        data = self.head(DESCRIPTOR)
        tag_sum = crc32c(crc32c(self.seed, struct.pack(">I", self.sequence)), copy)
        struct.pack_into(">IIII", data, 12, block, LAST_TAG, 0, tag_sum)
        self.add(data, BS - 4, "descriptor")
        self.write(self.start + self.at, copy)
        self.at += 1

    def commit(self):
        data = self.head(COMMIT)
        struct.pack_into(">Q", data, 0x30, 1700000000 + self.sequence)
        self.add(data, 0x10, "commit")
        self.sequence += 1

    def close(self, clean=False, error=0):
        """As after a crash; or the superblock says that the volume is clean."""
        struct.pack_into(">Ii", self.js, 0x1c, int(self.at > 1), error)
        struct.pack_into(">I", self.js, 0x28, 0x13)
        self.js[0x50] = 4
        self.js[0xfc:0x100] = bytes(4)
        struct.pack_into(">I", self.js, 0xfc, crc32c(0xffffffff, self.js))
        self.write(self.start, self.js)
        self.sb[0x1e] = self.sb[0x1e] & ~1 | clean
        self.write(1, sealed(self.sb))
        self.f.close()


def block_of(image, block):
    with open(image, "rb") as f:
        f.seek(block * BS)
        return f.read(BS)


def fsck(*args):
    return subprocess.run([TOOLS + "/fsck.lnkfs", *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)


def contents(image):
    with open(image, "rb") as f:
        return f.read()


A, B, C = b"A" * BS, b"B" * BS, b"C" * BS


def three_transactions(image, clean=False):
    """Blocks in the last group, which nobody uses."""
    log = Log(image)
    free = 35000
    log.block(free, A)
    log.commit()
    log.revoke(free)
    log.block(free + 1, B)
    log.commit()
    log.block(free + 2, C)
    log.commit()
    log.close(clean)
    return free, log.places


def damaged(what, free, place, spot):
    shutil.copyfile("logged", "vol")
    with open("vol", "r+b") as f:
        f.seek(place * BS + spot)
        byte = f.read(1)[0]
        f.seek(place * BS + spot)
        f.write(bytes([byte ^ 0x10]))
    before = contents("vol")
    for opts, text in ((("-n",), "journal: damaged, transactions 2 to 3 are lost"),
                       (("-p",), "RUN fsck MANUALLY"), ((), "transactions 2 to 3 are lost")):
        run = fsck(*opts, "vol")
        result(run.returncode == 4 and text in run.stdout,
               f"{what}: {' '.join(opts) or 'nobody to ask'}", (run.returncode, run.stdout))
    run = subprocess.run([TOOLS + "/lnkctl", "ls", "vol:/"], capture_output=True, text=True)
    result(run.returncode == 1 and "vol: the journal is damaged" in run.stderr and
           "lost+found" in run.stdout, f"{what}: lnkctl ls", run)
    result(contents("vol") == before, f"{what}: the volume is untouched")
    run = fsck("-y", "vol")
    result(run.returncode == 1 and "journal: 1 transactions replayed" in run.stdout and
           "vol: repaired" in run.stdout, f"{what}: -y", (run.returncode, run.stdout))
    result([block_of("vol", free + i) for i in range(3)] == [A, bytes(BS), bytes(BS)],
           f"{what}: what came before is there")
    run = fsck("-n", "vol")
    result(run.returncode == 0 and "clean" in run.stdout, f"{what}: after that", run.stdout)


def tune(*args):
    run = subprocess.run([TOOLS + "/tune.lnkfs", *args], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr)
    return run.stdout


BACKUPS = (7680, 3 * 7680, 5 * 7680)


def interrupted(*args):
    """A change of the journal that was interrupted when the backups were to be written."""
    shutil.copyfile("fresh", "vol")
    tune(*args, "vol")
    with open("vol", "r+b") as f:
        for block in BACKUPS:
            f.seek(block * BS)
            f.write(block_of("fresh", block))
    with superblock("vol") as sb:
        sb[0x1e] |= 2


def journal_of(image):
    return [line for line in tune("-l", image).splitlines() if "ournal" in line]


def old_backups():
    """The journal in use is the one that the primary superblock names."""
    subprocess.run([TOOLS + "/mkfs.lnkfs", "-q", "-b", "1024", "-O", "^fast_commit", "fresh",
                    "40M"], check=True)
    subprocess.run([TOOLS + "/mkfs.lnkfs", "-q", "-b", "1024", "-O", "journal_dev", "log", "4M"],
                   check=True)
    for what, args in (("elsewhere", ("-J", "size=5M")), ("shorter", ("-J", "size=1500k"))):
        interrupted(*args)
        free, _ = three_transactions("vol")
        before = journal_of("vol")
        run = fsck("-p", "vol")
        result(run.returncode == 1 and "3 transactions replayed" in run.stdout,
               f"a journal {what}, used since: -p", (run.returncode, run.stdout))
        result([block_of("vol", free + i) for i in range(3)] == [bytes(BS), B, C] and
               journal_of("vol") == before, f"a journal {what}: replayed", run.stdout)
        run = fsck("-fn", "vol")
        result(run.returncode == 0, f"a journal {what}: after that", run.stdout)
    interrupted("-J", "device=log")
    before = journal_of("vol")
    run = fsck("-p", "-j", "log", "vol")
    result(run.returncode == 1 and journal_of("vol") == before, "a journal on another device: -p",
           run.stdout)
    run = fsck("-fn", "-j", "log", "vol")
    result(run.returncode == 0, "a journal on another device: after that", run.stdout)


def clean_with_log():
    """resize.lnkfs commits while the superblock says that the volume is clean."""
    shutil.copyfile("fresh", "vol")
    free, _ = three_transactions("vol", clean=True)
    run = fsck("-n", "vol")
    result(run.returncode == 0 and "3 transactions taken into account" in run.stdout,
           "a volume that says it is clean, and has a log: -n", run.stdout)
    run = fsck("-p", "vol")
    result(run.returncode == 0 and "3 transactions replayed" in run.stdout and
           "vol: clean" in run.stdout, "a volume that says it is clean: -p", run.stdout)
    result([block_of("vol", free + i) for i in range(3)] == [bytes(BS), B, C], "replayed")

    shutil.copyfile("fresh", "vol")
    log = Log("vol")
    log.block(1, bytes(log.sb))
    log.commit()
    log.close(clean=True)
    run = subprocess.run([TOOLS + "/tune.lnkfs", "-L", "new", "vol"], capture_output=True,
                         text=True)
    result(run.returncode == 1 and "interrupted: run fsck.lnkfs" in run.stderr,
           "a superblock in the log: tune.lnkfs", (run.returncode, run.stderr))
    run = fsck("-p", "vol")
    result(run.returncode == 0 and "1 transactions replayed" in run.stdout, "fsck.lnkfs -p",
           (run.returncode, run.stdout))
    tune("-L", "new", "vol")
    run = fsck("-p", "vol")
    result(run.returncode == 0 and run.stdout.startswith("vol: clean") and
           re.search(r"^Label: *new$", tune("-l", "vol"), re.M), "and the label stays", run.stdout)


def clean_with_error():
    """An error of which only the journal knows, beside a superblock that says clean."""
    shutil.copyfile("fresh", "vol")
    Log("vol").close(clean=True, error=-5)
    before = contents("vol")
    run = fsck("-n", "vol")
    result(run.returncode == 0 and "journal: it records an error" in run.stdout and
           contents("vol") == before, "a clean volume whose journal records an error: -n",
           (run.returncode, run.stdout))
    run = fsck("-p", "vol")
    result(run.returncode == 0 and "journal: it records an error" in run.stdout and
           "2 directories" in run.stdout, "it is checked: -p", (run.returncode, run.stdout))
    run = fsck("-p", "vol")
    result(run.returncode == 0 and run.stdout.startswith("vol: clean"), "the next time it is not",
           (run.returncode, run.stdout))


def bad_block():
    """One block of a transaction is not what was written: jbd2 refuses to go on."""
    shutil.copyfile("fresh", "vol")
    free, places = three_transactions("vol")
    with open("vol", "r+b") as f:
        f.seek((places["descriptor", 2] + 1) * BS + 5)
        f.write(b"?")
    before = contents("vol")
    for opts in ("-n",), ("-p",), ():
        run = fsck(*opts, "vol")
        result(run.returncode == 4 and "1 blocks with a wrong checksum are lost" in run.stdout and
               contents("vol") == before, f"a bad block in the log: {' '.join(opts)}",
               (run.returncode, run.stdout))
    run = fsck("-y", "vol")
    result(run.returncode == 1 and "3 transactions replayed" in run.stdout, "it is left out: -y",
           (run.returncode, run.stdout))
    result([block_of("vol", free + i) for i in range(3)] == [bytes(BS), bytes(BS), C],
           "the others are there")


def left_alone():
    """What -p does not repair is not clean for whoever looks next."""
    subprocess.run([TOOLS + "/mkfs.lnkfs", "-q", "-b", "1024", "-d", "tree", "bad", "40M"],
                   check=True)
    data = bytearray(contents("bad"))
    at = data.index(b"a target that is nowhere else")
    data[at] ^= 1
    for state in 1, 0:
        with open("vol", "wb") as f:
            f.write(data)
        with superblock("vol") as sb:
            struct.pack_into("<H", sb, 0x1e, state)
        for opts, status, text in ((("-fp",), 4, "(?s).*RUN fsck MANUALLY"), (("-p",), 4, ""),
                                   ((), 4, ""), (("-y",), 1, ""), (("-p",), 0, "vol: clean")):
            run = fsck(*opts, "vol")
            result(run.returncode == status and re.match(text, run.stdout),
                   f"a damaged symlink, state {state}: {' '.join(opts)}",
                   (run.returncode, run.stdout))


def lost_journal():
    """An external journal is gone for good."""
    subprocess.run([TOOLS + "/mkfs.lnkfs", "-q", "-b", "1024", "-O", "journal_dev", "log2", "4M"],
                   check=True)
    shutil.copyfile("fresh", "vol")
    tune("-J", "device=log2", "vol")
    with superblock("vol") as sb:
        sb[0x1e:0x20] = bytes(2)
    before = contents("vol")
    for opts, status in (("-y",), 8), (("-y", "-j", "nosuch"), 8), (("-p", "-j", "none"), 4), \
            (("-j", "none"), 4), (("-fn", "-j", "none"), 0):
        run = fsck(*opts, "vol")
        result(run.returncode == status and contents("vol") == before,
               f"a lost journal: {' '.join(opts)}", (run.returncode, run.stdout, run.stderr))
    run = fsck("-y", "-j", "none", "vol")
    result(run.returncode == 1 and "journal: lost" in run.stdout and "vol: repaired" in run.stdout,
           "a lost journal: -y -j none", (run.returncode, run.stdout))
    run = fsck("-fn", "-j", "log2", "vol")
    result(run.returncode == 8, "the old one is not the volume's any more", run.stderr)
    tune("-J", "size=2M", "vol")
    run = fsck("-fn", "vol")
    result(run.returncode == 0, "and it gets another", (run.returncode, run.stdout))


def torn_commit(free, place):
    """It is written when all that it commits is durable: its head is enough, as for jbd2."""
    shutil.copyfile("logged", "vol")
    with open("vol", "r+b") as f:
        f.seek(place * BS + 512)
        f.write(b"x" * 512)
    run = fsck("-p", "vol")
    result(run.returncode == 0 and "3 transactions replayed" in run.stdout and
           block_of("vol", free + 2) == C, "a commit block that is torn behind its head", run)


def fast_head():
    """Nobody knows then if fast commits were being applied; the log is as good as ever."""
    subprocess.run([TOOLS + "/mkfs.lnkfs", "-q", "-b", "1024", "-O", "fast_commit", "fast", "40M"],
                   check=True)
    free, _ = three_transactions("fast")
    sb = block_of("fast", 1)
    start, blocks, area = struct.unpack_from("<QII", sb, 0xa0)
    with open("fast", "r+b") as f:
        f.seek((start + blocks - area) * BS + 9)
        f.write(b"x")
    before = contents("fast")
    text = "journal: the head of the fast commits is damaged"
    for opts, more in ("-n", "not replayed"), ("-p", "RUN fsck MANUALLY"):
        run = fsck(opts, "fast")
        result(run.returncode == 4 and text in run.stdout and more in run.stdout,
               f"fast commits, damaged head: {opts}", (run.returncode, run.stdout))
    result(contents("fast") == before, "fast commits, damaged head: the volume is untouched")
    run = fsck("-y", "fast")
    result(run.returncode == 1 and text in run.stdout and "3 transactions replayed" in run.stdout,
           "fast commits, damaged head: -y", (run.returncode, run.stdout))
    result([block_of("fast", free + i) for i in range(3)] == [bytes(BS), B, C],
           "fast commits, damaged head: what the log has is replayed")
    run = fsck("-fn", "fast")
    result(run.returncode == 0, "fast commits, damaged head: mended", (run.returncode, run.stdout))


def main():
    subprocess.run([TOOLS + "/mkfs.lnkfs", "-q", "-b", "1024", "logged", "40M"], check=True)
    free, places = three_transactions("logged")
    shutil.copyfile("logged", "vol")
    run = fsck("-p", "vol")
    result(run.returncode == 0 and "3 transactions replayed" in run.stdout and
           "vol: clean" in run.stdout, "all is well", (run.returncode, run.stdout))
    result([block_of("vol", free + i) for i in range(3)] == [bytes(BS), B, C], "and replayed")
    for name in "descriptor", "revoke", "commit":
        place = places[name, 2]
        # What is behind the head of a commit block does not count.
        damaged(f"{name} block, its checksum", free, place, 0x39 if name == "commit" else 900)
        damaged(f"{name} block, its head", free, place, 1)
    torn_commit(free, places["commit", 3])
    fast_head()
    old_backups()
    clean_with_log()
    clean_with_error()
    bad_block()
    os.mkdir("tree")
    os.symlink("a target that is nowhere else " + "x" * 500, "tree/link")
    left_alone()
    lost_journal()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        print("TAP version 13")
        main()
        sys.exit(finish())
