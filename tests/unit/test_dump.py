#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# dump.lnkfs: what it shows of a healthy volume, and that no damage makes it
# fail in an unclean way. TAP on standard output. $TOOLS is where the tools are.
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import xml.dom.minidom

from tap import finish, result

TOOLS = os.environ["TOOLS"]
os.environ["ASAN_OPTIONS"] = "detect_leaks=0"
os.environ["PATH"] += ":/usr/sbin:/sbin"


def dump(*args):
    return subprocess.run([TOOLS + "/dump.lnkfs", *map(str, args)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="surrogateescape")


def shown(*args):
    run = dump("-j", *args)
    if run.returncode:
        raise RuntimeError(run.stderr)
    return json.loads(run.stdout)


def mkfs(image, size, *args):
    if os.path.exists(image):
        os.unlink(image)
    subprocess.run([TOOLS + "/mkfs.lnkfs", "-q", *args, image, size], check=True)


def healthy(bs):
    image = "vol"
    uuid = "01234567-89ab-cdef-0123-456789abcdef"
    mkfs(image, "80M", "-b", str(bs), "-L", "la bel\xe9", "-U", uuid)
    sb = shown(image)["superblock"]
    blocks = (80 << 20) // bs
    result(sb["label"] == "la bel\xe9" and sb["uuid"] == uuid and sb["state"] == "clean" and
           sb["default_options"] == "none" and
           sb["blocks"] == blocks and sb["block_size"] == bs, f"{bs}: superblock", sb)
    groups = shown(image, "groups")["groups"]
    result(len(groups) == sb["groups"] and sum(g["blocks"] for g in groups) == blocks and
           sum(g["free"] for g in groups) == sb["free_blocks"], f"{bs}: groups", groups)
    free = shown(image, "free")["free_space"]
    rows = free["histogram"]
    result(free["blocks"] == sb["free_blocks"] and
           sum(r["blocks"] for r in rows) == free["blocks"] and
           sum(r["extents"] for r in rows) == free["extents"], f"{bs}: free space", free)
    root = shown(image, "dir", "/")["directory"]
    result(root["inode"] == sb["root_inode"] and root["problems"] == 0 and
           [(e["name"], e["type"], e["inode"]) for e in root["entries"]] ==
           [("lost+found", "dir", sb["lost_found_inode"])], f"{bs}: root directory", root)
    lpf = shown(image, "inode", "//lost+found/")["inode"]
    number = shown(image, "inode", sb["lost_found_inode"])["inode"]
    result(lpf == number and lpf["mode"] == "drwx------" and lpf["links"] == 2 and
           lpf["parent"] == sb["root_inode"], f"{bs}: an inode by path and by number", lpf)
    block = shown(image, "block", lpf["block"])["block"]
    result(block["type"] == "inodes" and block["inodes"] == 2 and "problem" not in block and
           block["records"][1] == lpf, f"{bs}: its block", block)
    journal = shown(image, "journal")["journal"]
    result(journal["start"] == 0 and journal["blocks"] == sb["journal_blocks"] -
           sb.get("fast_commit_blocks", 0),
           f"{bs}: journal", journal)
    run = dump("--picture", "p.svg", image)
    doc = xml.dom.minidom.parse("p.svg")
    result(run.returncode == 0 and not run.stdout and
           len(doc.getElementsByTagName("rect")) > 100, f"{bs}: picture", run.stderr)
    with open(image, "rb") as f:
        before = f.read()
    run = dump("--picture", image, image)
    with open(image, "rb") as f:
        result(run.returncode == 1 and "busy" in run.stderr and f.read() == before,
               f"{bs}: no picture over the volume", run.stderr)
    before = subprocess.check_output(["sha256sum", image])
    for subject in ("super", "groups", "free", "journal"):
        dump(image, subject)
    result(before == subprocess.check_output(["sha256sum", image]), f"{bs}: nothing is written")
    return sb, lpf


def tree_records(image, number):
    """What the leaves below a block say, and how many blocks there are."""
    block = shown(image, "block", number)["block"]
    rows, blocks = list(block.get("references", [])), 1
    for key in block.get("keys", []):
        more, count = tree_records(image, key["block"])
        rows += more
        blocks += count
    return rows, blocks


def references(bs):
    os.makedirs("tree/sub")
    for i in range(300):
        open(f"tree/f{i % 2}", "a").close()
        os.link(f"tree/f{i % 2}", f"tree/sub/link{i}")
    mkfs("refs", "80M", "-b", str(bs), "-d", "tree")
    sub = shown("refs", "dir", "/sub")["directory"]
    root = shown("refs", "dir", "/")["directory"]
    want = {}
    for d in root, sub:
        for e in d["entries"]:
            want.setdefault(e["inode"], set()).add((d["inode"], e["position"]))
    got = {number: {(n["directory"], n["position"])
                    for n in shown("refs", "inode", number)["names"]} for number in want}
    result(got == want, f"{bs}: all names of inodes", [got, want])
    result(not shown("refs", "inode", "/")["names"], f"{bs}: the root has none")
    groups = [g["names"] for g in shown("refs", "groups")["groups"] if g["names"]]
    head = shown("refs", "block", groups[0])["block"]
    result(len(groups) == 1 and head["type"] == "back-references" and "problem" not in head,
           f"{bs}: root of back references", head)
    rows, blocks = tree_records("refs", groups[0])
    f0 = shown("refs", "inode", "/f0")["inode"]
    first = (f0["parent"], f0["parent_position"])
    mine = {(r["directory"], r["position"]) for r in rows if r["inode"] == f0["number"]}
    result(len(rows) == 300 and mine | {first} == want[f0["number"]] and first not in mine,
           f"{bs}: a tree of {blocks} blocks and {len(rows)} names", rows[:3])
    mkfs("refs", "80M", "-b", str(bs), "-O", "^backref", "-d", "tree")
    plain = shown("refs", "inode", "/f0")
    head = shown("refs")["superblock"]
    result(("fast_commit" in head["features"]) == ("fast_commit_blocks" in head) == (bs == 1024),
           f"{bs}: features", head)
    result("backref" not in head["features"] and "names" not in plain and
           "parent" not in plain["inode"] and
           "names" not in shown("refs", "groups")["groups"][0], f"{bs}: without back references",
           plain)
    shutil.rmtree("tree")


def special_links(bs):
    """A trusted attribute of a symlink becomes what the symlink is besides its target."""
    with tarfile.open("links.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/mnt/dir"
        info.pax_headers = {"SCHILY.xattr.trusted.a": "fifteen letters"}
        tar.addfile(info)
    for name, attr, want, ls in (
            ("tracked", (3, 1, 0, 0xfedcba98, 4711),
             {"kind": "junction", "flags": "tracked", "inode": 4711, "generation": 0xfedcba98},
             "/mnt/dir (junction, tracked: 4711)"),
            ("of a kind", (2, 0, 0, 0, 0), {"kind": "directory", "flags": "none"},
             "/mnt/dir (directory)")):
        mkfs("special", "8M", "-b", str(bs), "-d", "links.tar")
        old = struct.pack("<BBBBI", 2, 1, 0, 0, 15) + b"afifteen letters"
        new = struct.pack("<BBBBI", 6, 0, 0, 0, 16) + struct.pack("<BBHIQ", *attr)
        with open("special", "r+b") as f:
            at = f.read().index(old)
            f.seek(at)
            f.write(new)
        # It sets the checksum and the flag right, without a loss.
        run = subprocess.run([TOOLS + "/fsck.lnkfs", "-fy", "special"], capture_output=True,
                             text=True)
        ino = shown("special", "inode", "/link")["inode"]
        result(run.returncode == 1 and ino["link"] == want and ino["target"] == "/mnt/dir" and
               ino["linux_flags"] == "link-attribute", f"{bs}: a symlink, {name}",
               [run.stdout, ino])
        text = dump("special", "inode", "/link").stdout
        result(f"    kind: {want['kind']}\n    flags: {want['flags']}\n" in text,
               f"{bs}: the same as text", text)
        text = subprocess.run([TOOLS + "/lnkctl", "ls", "-l", "special:/link"],
                              capture_output=True, text=True).stdout
        result(text.endswith(ls + "\n"), f"{bs}: as lnkctl ls shows it", text)


def refusals(image, sb, lpf):
    for name, args, status, text in (
            ("no such inode", ("inode", 3), 1, "No such file"),
            ("an inode past the end", ("inode", 1 << 60), 1, "No such file"),
            ("no such name", ("inode", "/nothing"), 1, "No such file"),
            ("a name that is too long", ("inode", "/" + 300 * "x"), 1, "too long"),
            ("a block past the end", ("block", sb["blocks"]), 1, "No such file"),
            ("a block that is no number", ("block", "x"), 1, "Invalid"),
            ("an inode that is no number", ("inode", "x"), 1, "Invalid"),
            ("an unknown subject", ("color",), 2, "usage"),
            ("a missing argument", ("inode",), 2, "usage"),
            ("an argument too many", ("free", "x"), 2, "usage")):
        run = dump(image, *args)
        result(run.returncode == status and text in run.stderr, name, run)
    for name, args, status, text in (
            ("no such file", ("missing",), 1, "No such file"),
            ("a directory", (".",), 1, "dump.lnkfs: ."),
            ("no volume", ("/bin/true",), 1, "not an lnkfs"),
            ("no arguments", (), 2, "usage"),
            ("an unknown option", ("-x", image), 2, "usage")):
        run = dump(*args)
        result(run.returncode == status and text in run.stderr, name, run)
    with open("/dev/full", "w") as full:
        run = subprocess.run([TOOLS + "/dump.lnkfs", image], stdout=full, stderr=subprocess.PIPE)
    result(run.returncode == 1, "nowhere to write to", run)


def damaged(bs, sb, lpf, rounds):
    rng = random.Random(bs)
    size = (80 << 20)
    spots = [1024 + rng.randrange(1024) for _ in range(8)]
    spots += [rng.randrange(16 * bs) for _ in range(30)]
    spots += [lpf["block"] * bs + rng.randrange(1024) for _ in range(30)]
    spots += [sb["journal_start"] * bs + rng.randrange(256) for _ in range(10)]
    bad = []
    for i in range(rounds):
        shutil.copyfile("vol", "broken")
        with open("broken", "r+b") as f:
            for _ in range(rng.choice((1, 1, 3, 20))):
                f.seek(min(rng.choice(spots), size - 8))
                f.write(rng.choice((b"\0", b"\xff", b"\x80", b"\xff" * 8, b"\1")))
        for args in (("super",), ("groups",), ("free",), ("dir", "/"), ("inode", "/lost+found"),
                     ("inode", sb["root_inode"]), ("block", lpf["block"]), ("extents", "/"),
                     ("block", 2), ("journal",)):
            run = dump("-j", *rng.choice(((), ("-r",))), "broken", *args)
            if run.returncode not in (0, 1) or "Sanitizer" in run.stderr:
                bad.append((i, args, run.stderr[:500]))
            elif run.stdout:
                try:
                    json.loads(run.stdout)
                except ValueError as e:
                    bad.append((i, args, str(e)))
    result(not bad, f"{bs}: {rounds} damaged volumes", bad)


def main():
    here = tempfile.mkdtemp()
    os.chdir(here)
    print("TAP version 13")
    for bs in (1024, 4096):
        sb, lpf = healthy(bs)
        damaged(bs, sb, lpf, 25)
        references(bs)
        special_links(bs)
    refusals("vol", sb, lpf)
    os.chdir("/")
    shutil.rmtree(here)
    return finish()


sys.exit(main())
