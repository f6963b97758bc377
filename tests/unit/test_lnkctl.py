#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""lnkctl on the host's filesystem: modes against chmod(1), lists against ls -b,
trees, names, JSON, messages, completion. TAP on standard output; $TOOLS is
where the tool is. What needs lnkfs is in tests/tools/lnkctl.sh."""

import ctypes
import errno
import fcntl
import json
import os
import random
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import threading

from tap import finish, result, skip

# A copy, in a place that ordinary users can reach: the source tree need not be one.
PLACE = tempfile.mkdtemp()
LNKCTL = os.path.join(PLACE, "lnkctl")
COMPLETION = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "../../tools/completions/lnkctl")
COMMANDS = ("chmod", "chflags", "flags", "links", "ln", "map", "names", "quota", "stat")
ENV = dict(os.environ, LC_ALL="C", ASAN_OPTIONS="detect_leaks=1")
ENV.pop("POSIXLY_CORRECT", None)
MODES = (0, 0o644, 0o755, 0o100, 0o010, 0o7777, 0o4755, 0o2644, 0o1666, 0o624, 0o2070)
HOSTILE = (b"new\nline", b"tab\tbell\x07esc\x1b[31m\x7f\x01", b"\xff\xfe\x80", b'q"b\\s',
           b" spaces  ", "é€𝄞 ü".encode(), b"\xed\xa0\x80\xed\xb3\xbf", b"\xc0\xaf\xe0\x80\x80",
           b"\xf4\x90\x80\x80\xf8", b"cut\xe2\x82", b"\xc2\x9b1m\xc2\x80", b"-rf", b"--help",
           b"\\udcff", b"\xef\xbf\xbd", b"x" * 255)


def run(*args, cmd=LNKCTL, **kw):
    """The finished process; bytes in, bytes out."""
    kw.setdefault("env", ENV)
    return subprocess.run([cmd, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False, **kw)


def works(name, *args, out=None, **kw):
    p = run(*args, **kw)
    result(p.returncode == 0 and not p.stderr and (out is None or p.stdout == out), name,
           p.returncode, p.stdout, p.stderr)
    return p


def fails(name, status, pattern, *args, **kw):
    """Exit status, and standard error from begin to end."""
    p = run(*args, **kw)
    result(p.returncode == status and re.fullmatch(pattern, p.stderr, re.S), name,
           p.returncode, p.stdout, p.stderr)
    return p


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def tree_modes(top):
    modes = {b"": mode_of(top)}
    for path, dirs, files in os.walk(top):
        for name in dirs + files:
            full = os.path.join(path, name)
            try:
                modes[os.path.relpath(full, top)] = mode_of(full)
            except PermissionError:     # a name in a directory without search permission
                modes[os.path.relpath(full, top)] = None
    return modes


def put(path, mode=None):
    with open(path, "wb"):
        pass
    if mode is not None:
        os.chmod(path, mode)


def remove(name):
    """A tree, whatever modes it has been given."""
    if os.path.lexists(name):
        subprocess.run(["chmod", "-R", "u+rwx", "--", name], check=False)
        subprocess.run(["rm", "-rf", "--", name], check=True)


def fresh(name):
    remove(name)
    os.mkdir(name)
    return name


# ---- modes, with chmod(1) as the oracle ----

def random_mode(rng):
    """Mostly right, sometimes not."""
    if rng.random() < 0.12:
        return "".join(rng.choice("01234567") for _ in range(rng.randint(1, 6)))
    clauses = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        text = "".join(rng.choice("ugoa") for _ in range(rng.choice((0, 1, 1, 2, 3))))
        for _ in range(rng.choice((1, 1, 2, 3))):
            text += rng.choice("+-=")
            kind = rng.random()
            if kind < 0.2:
                text += rng.choice("ugo")
            elif kind < 0.28:
                text += "".join(rng.choice("01234567") for _ in range(rng.randint(1, 5)))
            else:
                text += "".join(rng.choice("rwxXst") for _ in range(rng.randint(0, 4)))
        clauses.append(text)
    text = ",".join(clauses)
    if rng.random() < 0.08:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(",+-=ugoarwxXst089 zR") + text[at:]
    return text


def compare_modes(modes, name):
    """Each of modes, on files and directories of every starting mode."""
    ours, theirs = fresh("ours"), fresh("theirs")
    names = []
    for top in (ours, theirs):
        for m in MODES:
            put("%s/f%o" % (top, m))
            os.mkdir("%s/d%o" % (top, m))
    names = sorted(os.listdir(ours))
    wrong, valid = [], 0
    rng = random.Random(name)
    for text in modes:
        mask = rng.choice((0o22, 0, 0o77, 0o27, 0o777, 0o133, 0o2))
        got = []
        for top, program in ((ours, (LNKCTL, "chmod")), (theirs, ("/bin/chmod",))):
            for n in names:
                os.chmod("%s/%s" % (top, n), int(n[1:], 8))
            p = run(*program[1:], "--", text, *names, cmd=program[0], umask=mask, cwd=top)
            got.append((p.returncode == 0, [mode_of("%s/%s" % (top, n)) for n in names]))
        valid += got[1][0]
        if got[0] != got[1]:
            bad = [(n, "%o" % a, "%o" % b) for n, a, b in zip(names, got[0][1], got[1][1])
                   if a != b][:3]
            wrong.append("mode %r, umask %o: %s, chmod: %s %s" %
                         (text, mask, got[0][0], got[1][0], bad))
        elif not got[0][0] and p.returncode and run("chmod", "--", text, "/").returncode != 2:
            wrong.append("mode %r: not a usage error" % text)
    result(not wrong and valid, "%s: %d modes, %d of them valid" % (name, len(modes), valid),
           *wrong[:10])


def test_modes():
    chosen = """0 7 07 644 0644 00644 04755 4755 04000 2000 02000 002000 7777 07777 10000 17777
        00000 000000 8 08 0x1 -1 +7 -7 =7 =0 =07777 +4000 a+7 u=7 =7,u+r =7+r =7u +u+7 = + -
        a= u= g= o= = +t -t a+t u+t o+t o-t +s u+s g+s o+s a+s ug+s u-s g-s =s u=s a=s a=,a+X
        +X a+X u+X -X =X a-x+X u=rwX g=u o=g u=o a=u u=g+s u+rw-x=x u=rw,g=r,o= go=u-w ug=o
        u=rwxs,g=rws,o=rwt u+gr u+ug u , u+ a ugoa +rwxXst =rwxXst a=rwxXst -rwxXst u+r, ,u+r
        u+r,,g+w u+rz R r rw x777 7.0 777777777777777777777777777777 u=rwx,go=rx+X uu+r
        a=t u=t g=st ugo=t =t +x,-x u+x-w+r=g o=u+X""".split()
    compare_modes(chosen + ["", " ", "u +r", "755 "], "chosen")
    rng = random.Random(1)
    for i in range(4):
        compare_modes([random_mode(rng) for _ in range(100)], "random %d" % i)


def test_mode_options():
    """A mode that looks like an option, as chmod(1) takes it."""
    for args in (["-w", "f"], ["f", "-w"], ["-x", "f"], ["-rwx", "f"], ["-w,u+x", "f"],
                 ["-R", "-w", "d"], ["-w", "-x", "f"], ["-x+w", "f"],
                 ["--", "-w", "f"], ["-77", "f"], ["-o", "f"], ["-X", "d"]):
        got = []
        for top, program in ((fresh("ours"), (LNKCTL, "chmod")),
                             (fresh("theirs"), ("/bin/chmod",))):
            put(top + "/f", 0o777)
            os.mkdir(top + "/d")
            put(top + "/d/f", 0o777)
            run(*program[1:], *args, cmd=program[0], cwd=top, umask=0)
            got.append(tree_modes(os.fsencode(top)))
        result(got[0] == got[1], "chmod " + " ".join(args), *got)
    works("chmod -vx: behind other options", "chmod", "-vx", "f", cwd="ours", out=b"f: 0777 -> 0666\n")


def test_reference():
    top = fresh("ref")
    put("ref/a", 0o640)
    put("ref/f", 0o777)
    os.mkdir("ref/d")
    os.chmod("ref/d", 0o6755)
    os.symlink("a", "ref/l")
    works("--reference", "chmod", "--reference=l", "f", "d", cwd=top)
    result(mode_of("ref/f") == 0o640 and mode_of("ref/d") == 0o640,
           "--reference gives the whole mode, directories' setgid too",
           oct(mode_of("ref/f")), oct(mode_of("ref/d")))
    works("--reference with -h: that of the link", "chmod", "-h", "--reference=l", "f", cwd=top)
    result(mode_of("ref/f") == 0o777, "that is 0777", oct(mode_of("ref/f")))
    fails("--reference of nothing", 1, rb"lnkctl: chmod: none: No such file or directory\n",
          "chmod", "--reference=none", "f", cwd=top)
    fails("--reference and a mode", 2, rb"lnkctl: chmod: .*\nTry .*\n",
          "chmod", "--reference=l", "-w", "f", cwd=top)


# ---- trees ----

def make_tree(top):
    os.mkdir(top)
    for d in ("a", "a/b", "a/b/c", "z"):
        os.mkdir("%s/%s" % (top, d))
    for f in ("f", "a/f", "a/b/c/f", "z/f"):
        put("%s/%s" % (top, f), 0o664)
    os.link(top + "/f", top + "/z/hard")
    os.mkfifo(top + "/a/pipe")
    os.symlink("../z", top + "/a/todir")
    os.symlink("../f", top + "/a/tofile")
    os.symlink("nowhere", top + "/z/dangling")
    os.symlink("a", top + "/named")
    os.chmod(top + "/z", 0o2775)


def test_trees():
    """chmod -R, as root and as an ordinary user, against chmod(1)."""
    users = [None, 65534] if os.geteuid() == 0 else [None]
    for user in users:
        for args in (["u=rwX,go="], ["0500"], ["u-x"], ["000"], ["a-r"], ["g+s"], ["a+X"]):
            for name in ("top", "top/named", "top/f"):
                got = []
                for program in ((LNKCTL, "chmod"), ("/bin/chmod",)):
                    remove("top")
                    make_tree("top")
                    if user:
                        run("-hR", "%d:%d" % (user, user), "top", cmd="/bin/chown")
                    p = run(*program[1:], "-R", *args, name, cmd=program[0], user=user)
                    got.append((p.returncode, tree_modes(b"top")))
                result(got[0] == got[1], "chmod -R %s %s as %s" % (args[0], name, user or "ourselves"),
                       *got)
    remove("top")


def test_links():
    top = fresh("links")
    put("links/f", 0o600)
    os.mkdir("links/d")
    put("links/d/f", 0o600)
    os.symlink("f", "links/l")
    os.symlink("d", "links/ld")
    os.symlink("../d", "links/d/up")
    os.symlink("none", "links/dangling")
    works("a named link is followed", "chmod", "644", "l", cwd=top)
    result(mode_of("links/f") == 0o644, "its target was changed")
    fails("a dangling one has no target", 1,
          rb"lnkctl: chmod: dangling: No such file or directory\n", "chmod", "644", "dangling", cwd=top)
    fails("-h: this filesystem keeps no modes of links", 1,
          rb"lnkctl: chmod: l: Operation not supported\n", "chmod", "-h", "600", "l", cwd=top)
    result(mode_of("links/f") == 0o644, "and the target is as it was")
    works("-R -P passes over a named link", "chmod", "-R", "-P", "0", "ld", "l", cwd=top)
    result(mode_of("links/d/f") == 0o600 and mode_of("links/f") == 0o644, "nothing was changed")
    works("-R -H follows it", "chmod", "-R", "-H", "u=rwX", "ld", cwd=top)
    fails("-L finds a loop, and does the rest", 1,
          rb"lnkctl: chmod: ld/up: Too many levels of symbolic links\n",
          "chmod", "-R", "-L", "g=rX", "ld", cwd=top)
    result(mode_of("links/d/f") & 0o70 == 0o40, "the rest was done")
    fails("-L and -h", 2, rb"lnkctl: flags: .*\nTry .*\n", "flags", "-RLh", ".", cwd=top)


def deep_tree(top, depth, name):
    """Levels, each a directory, a file and, after both in the alphabet, another."""
    os.mkdir(top)
    fd = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        for f in ("a", "z"):
            os.close(os.open(f, os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd))
        os.mkdir(name, 0o700, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


def deep_modes(top, name):
    modes = []
    fd = os.open(top, os.O_RDONLY)
    while True:
        modes += [stat.S_IMODE(os.stat(f, dir_fd=fd).st_mode) for f in os.listdir(fd)]
        try:
            below = os.open(name, os.O_RDONLY, dir_fd=fd)
        except FileNotFoundError:
            break
        finally:
            os.close(fd)
        fd = below
    return modes


def limited(command, files):
    return ("-c", 'ulimit -n %d; exec "$0" "$@"' % files, *command)


def test_deep():
    depth, name = 700, "m" * 200
    deep_tree("deep", depth, name)
    for files, mode in ((10, "711"), (64, "722"), (1024, "733")):
        p = run(*limited((LNKCTL, "chmod", "-R", mode, "deep"), files), cmd="/bin/bash")
        modes = deep_modes("deep", name)
        result(p.returncode == 0 and not p.stderr and len(modes) == 3 * depth and
               set(modes) == {int(mode, 8)},
               "a tree %d bytes deep with %d descriptors" % (depth * 201, files),
               p.returncode, p.stderr[:300], len(modes), set(modes))
    p = run("flags", "-R0", "deep")
    names = [entry.split(b" ", 1)[1] for entry in p.stdout.split(b"\0")[:-1]]
    result(p.returncode == 0 and len(set(names)) == 3 * depth + 1 and
           max(map(len, names)) == 4 + depth * 201, "and every name is listed once",
           p.returncode, len(names), len(set(names)))
    remove("deep")


def test_way_back():
    """Under -L the way back is not "..": it has to be found from the top."""
    top, depth = fresh("flat"), 40
    for i in range(depth):
        os.mkdir("%s/s%d" % (top, i))
        # in most directories some of these come after the link, whatever the order is
        for f in range(8):
            put("%s/s%d/%d-%d" % (top, i, f, i), 0o600)
        if i + 1 < depth:
            os.symlink("../s%d" % (i + 1), "%s/s%d/next%d" % (top, i, i))
    p = run(*limited((LNKCTL, "chmod", "-RL", "a=rwx", "flat/s0"), 10), cmd="/bin/bash")
    modes = set(tree_modes(b"flat").values())
    result(p.returncode == 0 and not p.stderr and modes - {mode_of("flat")} == {0o777},
           "-L through %d links with 10 descriptors" % depth, p.returncode, p.stderr[:400], modes)
    remove(top)


class LongNames(threading.Thread):
    """A FUSE filesystem: top, in it a name of 600 bytes, in that a chain of links to
    directories, s2, s3 and so on. In each there are files after the link."""
    COUNT = 30

    def __init__(self, place):
        super().__init__(daemon=True)
        self.place = os.path.realpath(place)
        self.changed = set()
        self.dirs = {1: [("top", 2)] + [("s%d" % i, 100 * i) for i in range(2, self.COUNT)],
                     2: [("n" * 600, 100)]}
        for i in range(1, self.COUNT):
            self.dirs[100 * i] = [("to", 100 * i + 1)] + [
                ("z%d" % j, 100 * i + j) for j in range(2, 6)]
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        libc = ctypes.CDLL(None, use_errno=True)
        self.umount = lambda: libc.umount2(os.fsencode(self.place), 2)
        if libc.mount(b"names", os.fsencode(self.place), b"fuse", 0,
                      b"fd=%d,rootmode=40000,user_id=0,group_id=0" % self.fd):
            os.close(self.fd)
            raise OSError(ctypes.get_errno(), "mount")

    def attr(self, node):
        link = node % 100 == 1 and node > 100
        mode = 0o040700 if node in self.dirs else 0o120777 if link else 0o100600
        return struct.pack("<6Q10I", node, 10 * link, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def entries(self, node, offset, size):
        out = b""
        for i, (name, child) in enumerate(self.dirs[node]):
            row = struct.pack("<2Q2I", child, i + 1, len(name), 0) + name.encode()
            row += bytes(-len(row) % 8)
            if i >= offset and len(out) + len(row) <= size:
                out += row
        return out

    def answer(self, code, node, data):
        if code == 26:
            return struct.pack("<4I2H2I2H8I", 7, 31, 65536, 0, 0, 0, 65536, 1, 0, 0, *[0] * 8)
        if code == 1:
            child = dict(self.dirs.get(node, ())).get(data[:-1].decode())
            return child and struct.pack("<4Q2I", child, 0, 0, 0, 0, 0) + self.attr(child)
        if code in (3, 4):
            self.changed |= {node} if code == 4 else set()
            return struct.pack("<Q2I", 0, 0, 0) + self.attr(node)
        if code == 5:
            return os.fsencode(self.place) + b"/s%d" % (node // 100 + 1)
        if code == 28:
            return self.entries(node, *struct.unpack_from("<QI", data, 8))
        return struct.pack("<Q2I", 0, 0, 0) if code in (14, 27) else None

    def run(self):
        while True:
            try:
                message = os.read(self.fd, 1 << 18)
                _, code, unique, node = struct.unpack_from("<2I2Q", message)
                if code in (2, 42):
                    continue
                body = self.answer(code, node, message[40:])
                error = 0 if body is not None else -2 if code == 1 else -38
                os.write(self.fd, struct.pack("<IiQ", 16 + len(body or b""), error, unique) +
                         (body or b""))
            except OSError as e:
                if e.errno == errno.ENODEV:
                    return


def test_long_names():
    """The way back by a name that is longer than NAME_MAX."""
    top = fresh("fuse")
    try:
        server = LongNames(top)
    except OSError as e:
        skip("names longer than NAME_MAX", "no FUSE: %s" % e)
        return
    server.start()
    try:
        p = run(*limited((LNKCTL, "chmod", "-RL", "0700", "fuse/top"), 10), cmd="/bin/bash")
    finally:
        server.umount()
    files = {node for node in server.changed if node > 100 and node % 100 > 1}
    result(p.returncode == 1 and re.fullmatch(rb"lnkctl: chmod: .*: No such file or directory\n",
                                              p.stderr) and
           len(files) == 4 * (server.COUNT - 1), "names longer than NAME_MAX", p.returncode,
           p.stderr[-600:], len(files))


def test_swapped():
    """Names that mean one thing and then another while the walk is there."""
    top = fresh("swap")
    for d in ("outside", "tree", "tree/d"):
        os.mkdir("swap/" + d)
    put("swap/outside/secret", 0o600)
    put("swap/tree/d/f", 0o600)
    os.symlink("../outside", "swap/link")
    exchange = ctypes.CDLL(None, use_errno=True).renameat2
    names = (-100, b"swap/tree/d", -100, b"swap/link", 2)
    if exchange(*names) or exchange(*names):
        skip("names that are exchanged", "not on this filesystem")
        return
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            exchange(*names)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        statuses = [run("chmod", "-R", "u+x,g=u", "tree", cwd=top).returncode for _ in range(100)]
    finally:
        stop.set()
        thread.join()
    secret = mode_of("swap/outside/secret")
    result(secret == 0o600 and set(statuses) <= {0, 1},
           "no link that takes the place of a directory is followed", oct(secret), statuses)
    if os.path.islink("swap/tree/d"):
        exchange(*names)
    p = run("chmod", "-R", "g=u", "tree", cwd=top)
    result(p.returncode == 0 and mode_of("swap/tree/d/f") == 0o770, "in peace all is done",
           p.stderr, oct(mode_of("swap/tree/d/f")))


def test_errors():
    top = fresh("errors")
    os.mkdir("errors/d")
    for f in ("a", "d/b", "z"):
        put("errors/" + f, 0o600)
    fails("the walk goes on after an error", 1, rb"lnkctl: chmod: no\\nne: No such file or directory\n",
          "chmod", "640", "a", "no\nne", "z", cwd=top)
    result(mode_of("errors/a") == 0o640 and mode_of("errors/z") == 0o640, "on both sides of it")
    fails("-f says nothing, but the exit status does", 1, b"", "chmod", "-f", "640", "none", cwd=top)
    fails("a name that is too long", 1, rb"lnkctl: flags: x+: File name too long\n", "flags", "x" * 256)
    fails("a file in a path", 1, rb"lnkctl: stat: a/b: Not a directory\n", "stat", "a/b", cwd=top)
    p = subprocess.run([LNKCTL, "stat", "a"], cwd=top, env=ENV, stderr=subprocess.PIPE, check=False,
                       stdout=open("/dev/full", "wb"))
    result(p.returncode == 1 and p.stderr.startswith(b"lnkctl: stat: standard output: No space"),
           "a full output is an error", p.returncode, p.stderr)
    if os.geteuid():
        skip("an ordinary user", "not root")
        return
    os.chmod("errors/d", 0o700)
    os.chmod("errors", 0o755)
    os.chown("errors/a", 65534, 65534)
    fails("an ordinary user: a directory that cannot be read, the rest is done", 1,
          rb"(lnkctl: chmod: (\./[zd]|\.): Operation not permitted\n|lnkctl: chmod: \./d: Permission denied\n){4}",
          "chmod", "-R", "604", ".", cwd=top, user=65534)
    result(mode_of("errors/a") == 0o604, "the rest")
    os.chown("errors/a", 65534, 0)
    works("-v says what came of it: not setgid for who is not of that group",
          "chmod", "-v", "ug+s", "a", cwd=top, user=65534, group=65534, extra_groups=[],
          out=b"a: 0604 -> 4604\n")


# ---- output ----

def hostile_tree():
    top = os.fsencode(fresh("names"))
    for name in HOSTILE:
        os.symlink(name + b"/" + name, os.path.join(top, b"to" + name[:250]))
        put(os.path.join(top, name))
    return top


def test_list():
    top = hostile_tree()
    names = sorted(os.listdir(top))
    for locale in ("C", "C.UTF-8"):
        env = dict(ENV, LC_ALL=locale)
        ours = run("flags", "-h", ".", cwd=top, env=env)
        theirs = run("-1bA", "--quoting-style=escape", cmd="/bin/ls", cwd=top, env=env)
        got = sorted(line.split(b" ", 1)[1].lstrip(b" ")[2:] for line in ours.stdout.splitlines())
        result(ours.returncode == 0 and got == sorted(theirs.stdout.splitlines()),
               "names are escaped as by ls -b in %s" % locale, ours.stderr, got, theirs.stdout)
    p = works("-0: names as they are", "flags", "-0", ".", cwd=top)
    got = sorted(entry.split(b" ", 1)[1][2:] for entry in p.stdout.split(b"\0")[:-1])
    result(got == names, "all of them", got)
    p = works("-d: the directory itself", "flags", "-d", ".", cwd=top)
    result(p.stdout.split()[1:] == [b"."], "and nothing else", p.stdout)
    works("where the filesystem has none: a question mark", "flags", "-d0", "/proc/version",
          out=b"? /proc/version\0")
    p = works("no FILE: the working directory", "flags", "-0", cwd=top)
    result(len(p.stdout.split(b"\0")) == len(names) + 1, "its entries")


def strict_json(text):
    def twice(pairs):
        assert len({k for k, _ in pairs}) == len(pairs), "a member twice"
        return dict(pairs)
    return json.loads(text.decode("utf-8", "strict"), object_pairs_hook=twice)


def test_json():
    top = hostile_tree()
    names = sorted(os.listdir(top))
    p = works("stat --json", "stat", "--json", "-h", "--", *names, cwd=top)
    objects = strict_json(p.stdout)
    result([os.fsencode(o["name"]) for o in objects] == names, "names come back exactly",
           [o["name"] for o in objects])
    wrong = []
    for o in objects:
        name = os.path.join(top, os.fsencode(o["name"]))
        st = os.lstat(name)
        said = (o["inode"], o["links"], o["size"], o["uid"], o["gid"], o["blocks"], int(o["mode"], 8),
                o["mtime"]["sec"] * 10**9 + o["mtime"]["nsec"],
                os.makedev(o["device"]["major"], o["device"]["minor"]))
        if said != (st.st_ino, st.st_nlink, st.st_size, st.st_uid, st.st_gid, st.st_blocks,
                    stat.S_IMODE(st.st_mode), st.st_mtime_ns, st.st_dev):
            wrong.append((o, st))
        if stat.S_ISLNK(st.st_mode) != (o["type"] == "symlink"):
            wrong.append(o)
        if stat.S_ISLNK(st.st_mode) and (
                os.fsencode(o["target"]) != os.readlink(name) or
                o["storage"] != ("slow" if st.st_blocks else "fast")):
            wrong.append(o)
    result(objects and not wrong, "types, numbers and targets are those of lstat", *wrong[:3])
    result(not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", p.stdout),
           "no control characters in it")
    p = run("stat", "--json", "none", ".", "none2", cwd=top)
    result(p.returncode == 1 and [o["name"] for o in strict_json(p.stdout)] == ["."],
           "what fails has no object", p.returncode, p.stdout)
    p = run("stat", "--json", "none", cwd=top)
    result(p.returncode == 1 and strict_json(p.stdout) == [], "nothing at all is an empty array", p.stdout)
    p = works("flags that are not known", "stat", "--json", "/proc/version")
    result("flags" not in strict_json(p.stdout)[0], "are left out", p.stdout)
    p = works("stat -R --json", "stat", "-R", "--json", ".", cwd=top)
    result(len(strict_json(p.stdout)) == len(names) + 1, "the whole tree")
    os.mkfifo(os.path.join(top, b"fifo"))
    p = works("a FIFO is not opened", "stat", "--json", "fifo", "/dev/null", cwd=top)
    fifo, null = strict_json(p.stdout)
    result((fifo["type"], null["type"], null["rdev"]) ==
           ("fifo", "character device", {"major": 1, "minor": 3}) and "project" not in fifo,
           "types and device numbers", fifo, null)
    p = works("stat for people", "stat", "-h", "--", *names, cwd=top)
    result(len(re.findall(rb"^ +name: .+$", p.stdout, re.M)) == len(names) and
           p.stdout.count(b"\n\n") == len(names) - 1, "a paragraph each", p.stdout[:2000])


def test_flags():
    """Those flags that the host's filesystem has, if any."""
    top = fresh("flags")
    put("flags/f")
    p = run("chflags", "-v", "nodump", "f", cwd=top)
    if b"not supported" in p.stderr:
        skip("flags", "the host's filesystem has none")
        return
    result(p.returncode == 0 and p.stdout == b"f: - -> nodump\n", "chflags nodump", p.stdout, p.stderr)
    works("what is there already is not touched", "chflags", "-v", "nodump,nouchg", "f", cwd=top, out=b"")
    works("flags lists it", "flags", "-0", "f", cwd=top, out=b"nodump f\0")
    fd = os.open("flags/f", os.O_RDONLY)
    word = int.from_bytes(fcntl.ioctl(fd, 0x80086601, b"\0" * 8), sys.byteorder)
    os.close(fd)
    result(word & 0x40, "FS_IOC_GETFLAGS says so too", hex(word))
    works("a number replaces", "chflags", "-v", "0", "f", cwd=top, out=b"f: nodump -> -\n")
    works("octal", "chflags", "-v", "0000001", "f", cwd=top, out=b"f: - -> nodump\n")
    works("clearing wins over setting", "chflags", "-v", "dump,nodump", "f", cwd=top,
          out=b"f: nodump -> -\n")
    run("chflags", "nodump", "f", cwd=top)
    works("none", "chflags", "-v", "none", "f", cwd=top, out=b"f: nodump -> -\n")
    fails("a flag that this filesystem has not", 1,
          rb"lnkctl: chflags: f: Operation not supported\n", "chflags", "hidden", "f", cwd=top)
    os.symlink("f", "flags/l")
    works("a named link is followed", "chflags", "-v", "nodump", "l", cwd=top, out=b"l: - -> nodump\n")
    works("-R passes over links in the tree", "chflags", "-R", "dump", ".", cwd=top)
    p = run("chflags", "-h", "uchg", "l", cwd=top)
    result(p.returncode == 1 and b"lnkctl: chflags: l: " in p.stderr, "-h: not this link", p.stderr)


# ---- links ----

def listing(top):
    """Names, and what they are; the same file by the same number."""
    found, numbers = {}, {}
    for path, dirs, files in os.walk(top):
        for name in sorted(dirs + files):
            full = os.path.join(path, name)
            st = os.lstat(full)
            what = os.readlink(full).replace("/theirs", "/ours") if stat.S_ISLNK(st.st_mode) else \
                numbers.setdefault(st.st_ino, len(numbers)) if stat.S_ISREG(st.st_mode) else "dir"
            found[os.path.relpath(full, top)] = what
    return found


def ln_tree(name):
    top = fresh(name)
    for d in ("d", "d/e", "g"):
        os.mkdir("%s/%s" % (top, d))
    for f in ("a", "b", "d/a", "g/c", "-n"):
        put("%s/%s" % (top, f))
    os.link(top + "/b", top + "/b2")
    for text, link in (("a", "la"), ("d", "ld"), ("../a", "d/up"), ("none", "dangling"), ("loop", "loop")):
        os.symlink(text, "%s/%s" % (top, link))
    return top


def test_ln():
    """ln(1) is the oracle, for what it makes."""
    rng = random.Random(7)
    names = ["a", "b", "b2", "d", "d/", "d/e", "d/a", "g", "g/c", "la", "ld", "ld/", "ld/e/..", "d/up",
             "dangling", "loop", "none", "none/x", "new", "d/new", "new/", ".", "a/x", "./a",
             "d//a", "x" * 255, "x" * 256, ""]
    wrong, made = [], 0
    for _ in range(250):
        options = [o for o in ("-f", "-n", "-v", "-T", "-L") if rng.random() < 0.25]
        symbolic = rng.random() < 0.6
        if symbolic:
            options += ["-s"] if rng.random() < 0.6 else ["-sr"]
            options = [o for o in options if o != "-L"]
        words = [rng.choice(names) for _ in range(rng.choice((1, 2, 2, 2, 2, 3)))]
        if "-sr" in options and set(words) & {"dangling", "loop", "", "x" * 256}:
            continue        # what these are canonically is anybody's guess
        got = []
        for name, program in (("ours", (LNKCTL, "ln")), ("theirs", ("/bin/ln",))):
            top = ln_tree(name)
            p = run(*program[1:], *options, "--", *words, cmd=program[0], cwd=top)
            got.append((p.returncode == 0, listing(top), p.stdout, p.stderr))
        # ln(1) asks this as if the text of the link were for the working directory
        if symbolic and (b"lead to" in got[0][3] or b"the same file" in got[1][3]):
            continue
        made += got[1][0]
        if got[0][:3] != got[1][:3]:
            wrong.append((options, words, *got))
    result(not wrong and made > 50, "ln as ln(1): %d made" % made, len(wrong), *wrong[:6])


def test_ln_special():
    top = ln_tree("special")
    for args in (["-d", "d", "new"], ["/D", "d", "new"], ["/J", "/etc", "new"], ["-t", "a", "new"],
                 ["-t=path-first", "a", "new"], ["-ft=identity-first", "a", "new"],
                 ["--tracked=path-first", "a", "new"], ["--remote", "//s/h", "new"],
                 ["--kind=file", "a", "new"], ["-f", "--kind=junction", "/etc", "new"]):
        fails("%s: lnkfs only" % " ".join(args), 1, rb"lnkctl: ln: new: only lnkfs [^\n]*\n",
              "ln", *args, cwd=top)
    result(not os.path.lexists(top + "/new") and not [n for n in os.listdir(top) if n[0] == "."],
           "and nothing is left")
    works("/H is -H", "ln", "/H", "a", "new", cwd=top)
    result(os.path.samefile(top + "/a", top + "/new"), "a hard link")
    fails("mklink's letters stand before the first name", 1, rb"lnkctl: ln: /D: No such file [^\n]*\n",
          "ln", "-s", "a", "/H", "/D", cwd=top)
    fails("-f leaves a file alone that the link would lead to", 1, rb"lnkctl: ln: a: .*\n",
          "ln", "-sf", "a", "a", cwd=top)
    fails("and one of the links that were just made", 1, rb"lnkctl: ln: g/a: .*\n",
          "ln", "-f", "a", "d/a", "g", cwd=top)
    fails("a directory has no hard links", 1, rb"lnkctl: ln: d: is a directory: .*\n",
          "ln", "d", "hard", cwd=top)
    if os.stat("/dev/shm").st_dev != os.stat(top).st_dev:
        fails("hard links stay on a volume", 1, rb"lnkctl: ln: a: is on another volume: .*\n",
              "ln", "a", "/dev/shm/lnkctl-test", cwd=top)
    text = "./" * 2047 + "a"
    works("4,095 bytes", "ln", "-s", text, "long", cwd=top)
    result(os.readlink(top + "/long") == text, "all there")
    fails("4,096 bytes", 1, rb"lnkctl: ln: long2: File name too long\n", "ln", "-s", text + "x",
          "long2", cwd=top)
    for name in HOSTILE:
        works("a link of an awkward name", "ln", "-s", "--", name, b"./" + name, cwd=top)
        result(os.readlink(os.path.join(os.fsencode(top), name)) == name, "is there")


# ---- audits ----

def audit(*args, status=0, **kw):
    p = run("links", "--json", *args, **kw)
    found = strict_json(p.stdout)
    result(p.returncode == status, "links " + " ".join(map(str, args)), p.returncode, p.stderr)
    return {l["name"]: l for l in found["links"]}, found


def test_audit():
    top = fresh("audit")
    real = os.path.realpath(top)
    for d in ("a", "b", "b/sub"):
        os.mkdir("audit/" + d)
    put("audit/a/file")
    put("audit/b/moved")
    put("audit/a/twice")
    put("audit/b/twice")
    for text, link in ((real + "/a/file", "b/abs"), (real + "/b/sub/../../a/file", "b/dots"),
                       ("/etc/passwd", "outside"), ("moved", "a/gone"), ("twice", "b/sub/tw"),
                       ("absent", "none"), ("a/file/x", "notdir"), ("y", "x"), ("z", "y"), ("x", "z"),
                       ("z", "entry"), ("self", "self"), ("a/file", "fine"), ("./" * 1000 + "a", "long"),
                       ("..", "b/up"), (b"\xff\n", b"bad\xfe\n")):
        os.symlink(text, os.path.join(os.fsencode(top), os.fsencode(link)))
    for i in range(45):
        os.symlink("c%d" % (i + 1), "audit/c%d" % i)
    put("audit/c45")
    links, all_of_it = audit("-R", ".", cwd=top)
    classes = {n: set(l["classes"]) - {"slow"} for n, l in links.items()}
    expect = {"b/abs": "absolute", "b/dots": "absolute", "outside": "absolute", "a/gone": "dangling",
              "b/sub/tw": "dangling", "none": "dangling", "notdir": "dangling", "x": "loop",
              "y": "loop", "z": "loop", "entry": "loop", "self": "loop", "bad\udcfe\n": "dangling"}
    expect.update({"c%d" % i: "loop" for i in range(5)})
    expect = {"./" + n: {c} for n, c in expect.items()}
    if os.stat("/etc/passwd").st_dev != os.stat(top).st_dev:
        expect["./outside"].add("cross-volume")
    if os.lstat(top + "/long").st_blocks:
        expect["./long"] = set()
        result("slow" in links["./long"]["classes"], "a slow one")
    result(classes == expect, "each in its classes", classes, expect)
    result(all_of_it["count"] == 61 and all_of_it["classes"]["loop"]["count"] == 10, "and counted",
           all_of_it["count"], all_of_it["classes"])
    result(links["./entry"]["loop"] == ["./z", "./x", "./y"] and links["./self"]["loop"] == ["./self"]
           and "loop" not in links["./c0"], "who leads to whom", links["./entry"], links["./self"])
    result([links[n]["missing"] for n in ("./none", "./notdir", "./a/gone")] ==
           ["./absent", "./a/file", "./a/moved"], "what is missing", links["./notdir"])
    repairs = {n: l["repair"]["text"] for n, l in links.items() if "repair" in l}
    result(repairs == {"./b/abs": "../a/file", "./b/dots": "../a/file", "./a/gone": "../b/moved"},
           "what could be done", repairs)
    p = works("for people", "links", "-R", ".", cwd=top)
    result(b"could be ../a/file (--fix=absolute)\n" in p.stdout and
           b"\n61 links\n" in p.stdout and b"./z -> ./x -> ./y -> ./z\n" in p.stdout, "the same",
           p.stdout)
    p = works("a summary", "links", "-Rsc", "loop,dangling", ".", cwd=top)
    result(re.fullmatch(rb"61 links\n +5 dangling, 1 could be repaired\n +10 loop\n", p.stdout),
           "three lines", p.stdout)
    links, _ = audit(".", cwd=top)
    result("./none" in links and "./b/abs" not in links, "without -R: what is in the directory")
    links, _ = audit("b/abs", "a/file", cwd=top)
    result(list(links) == ["b/abs"], "a link that is named")
    links, _ = audit("-a", "fine", cwd=top)
    result(links["fine"]["classes"] == [] and links["fine"]["leads_to"]["inode"] ==
           os.stat("audit/a/file").st_ino, "-a: any link", links)
    audit("nothing", status=1, cwd=top)
    # repairs
    os.utime("audit/b/abs", ns=(10**18, 10**18 + 7), follow_symlinks=False)
    if not os.geteuid():
        os.chown("audit/b/abs", 4711, 4712, follow_symlinks=False)
    before = os.lstat("audit/b/abs")
    links, _ = audit("-R", "--fix=absolute,dangling", ".", cwd=top)
    done = {n for n, l in links.items() if l.get("repair", {}).get("done")}
    after = os.lstat("audit/b/abs")
    result(done == set(repairs) and os.readlink("audit/b/abs") == "../a/file" and
           os.readlink("audit/a/gone") == "../b/moved" and
           os.readlink("audit/outside") == "/etc/passwd", "repaired", done)
    result((before.st_uid, before.st_gid, before.st_mtime_ns) ==
           (after.st_uid, after.st_gid, after.st_mtime_ns), "owner and time were kept", before, after)
    links, _ = audit("-R", "-c", "absolute", ".", cwd=top)
    result(set(links) == {"./outside"}, "nothing to be repaired is left", links)
    links, _ = audit("--fix=hard", "fine", cwd=top)
    result(os.path.samefile("audit/fine", "audit/a/file") and not os.path.islink("audit/fine"),
           "a hard link instead")
    result(not [n for n in os.listdir(top) if n.startswith(".lnkctl")], "no temporary names are left")


def test_audit_users():
    """Links that belong to somebody else, directories that cannot be written to."""
    if os.geteuid():
        skip("audits as another user", "not root")
        return
    top = fresh("users")
    real = os.path.realpath(top)
    put(top + "/f")
    os.mkdir(top + "/mine")
    os.mkdir(top + "/closed", 0o700)
    for d in (".", "mine", "closed"):
        os.symlink(real + "/f", "%s/%s/link" % (top, d))
    os.chown(top + "/mine", 65534, 65534)
    p = run("links", "-R", "--fix=absolute", ".", cwd=top, user=65534, group=65534, extra_groups=[])
    result(p.returncode == 1 and set(p.stderr.splitlines()) == {
        b"lnkctl: links: ./closed: Permission denied", b"lnkctl: links: ./link: Permission denied",
        b"lnkctl: links: ./mine/link: Operation not permitted"}, "each has its message", p.stderr)
    result(os.readlink(top + "/mine/link") == real + "/f" == os.readlink(top + "/link") and
           os.listdir(top + "/mine") == ["link"], "and nothing has changed")


def test_audit_hard():
    """Hard links instead of links that others have made: not to anything."""
    if os.geteuid():
        skip("hard links for others", "not root")
        return
    top = fresh("hard")
    os.makedirs(top + "/tree/home")
    os.mkdir(top + "/tree.not")
    for name, uid, mode in (("secret", 0, 0o600), ("own", 65534, 0o600), ("tree/in", 0, 0o644),
                            ("tree/suid", 0, 0o4755), ("tree/sgid", 0, 0o2755),
                            ("ownsuid", 65534, 0o4755), ("tree.not/near", 0, 0o644)):
        put(top + "/" + name)
        os.chown(top + "/" + name, uid, uid)
        os.chmod(top + "/" + name, mode)
    files = {"secret": "../../secret", "own": os.path.realpath(top) + "/own", "in": "../in",
             "suid": "../suid", "sgid": "../sgid", "ownsuid": "../../ownsuid",
             "near": "../../tree.not/near", "through": "up/secret"}
    os.symlink("../..", top + "/tree/home/up")
    for name, text in files.items():
        os.symlink(text, top + "/tree/home/" + name)
        os.chown(top + "/tree/home/" + name, 65534, 65534, follow_symlinks=False)
    before, _ = audit("-R", "-c", "hard", "tree", cwd=top)
    links, _ = audit("-R", "--fix=hard", "tree", cwd=top)
    base = "tree/home/"
    kept = {n for n in files if os.path.islink(top + "/" + base + n)}
    result(kept == {"secret", "suid", "sgid", "near", "through"}, "what is not theirs stays a link",
           kept)
    result(os.path.samefile(top + "/own", top + "/" + base + "own") and
           os.path.samefile(top + "/tree/in", top + "/" + base + "in"), "the others are hard links")
    said = {n: links[base + n].get("refused") for n in files}
    result({n for n in said if said[n]} == kept and "set-ID" in said["suid"] and
           "out of the tree" in said["secret"] and
           {n: before[base + n].get("refused") for n in files} == said, "and why", said)
    result("repair" not in before[base + "secret"] and "repair" in before[base + "own"],
           "nothing is suggested that is not done", before[base + "secret"])
    p = works("for people", "links", "--fix=hard", base + "secret", cwd=top)
    result(b"    no hard link: it leads to a file of another owner, out of the tree\n" in p.stdout,
           "the reason", p.stdout)


def test_audit_deep():
    """Below what a path can say, with few descriptors."""
    depth, name = 300, "m" * 100
    deep_tree("deep", depth, name)
    fd = os.open("deep", os.O_RDONLY)
    for i in range(depth):
        os.symlink("../z", "up", dir_fd=fd)
        os.symlink("gone", "dangling", dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    p = run(*limited((LNKCTL, "links", "-Rs", "deep"), 20), cmd="/bin/bash")
    # the first "up" leads out of the tree
    result(p.returncode == 0 and re.match(rb"600 links\n +301 dangling\n", p.stdout), "a deep tree",
           p.stdout, p.stderr)
    remove("deep")


def test_audit_race():
    """Links that come, go and change while they are repaired."""
    top = fresh("race")
    real = os.path.realpath(top)
    put(top + "/f")
    stop = threading.Event()

    def change():
        i = 0
        while not stop.is_set():
            i += 1
            name = "%s/l%d" % (top, i % 20)
            try:
                os.symlink(real + "/f" if i % 3 else "mine", name + ".new")
                os.rename(name + ".new", name)
                if not i % 7:
                    os.unlink(name)
            except OSError:
                pass

    thread = threading.Thread(target=change)
    thread.start()
    try:
        runs = [run("links", "--fix=absolute", ".", cwd=top) for _ in range(40)]
    finally:
        stop.set()
        thread.join()
    said = {line.split(b": ", 3)[-1] for p in runs for line in p.stderr.splitlines()}
    texts = {os.readlink(os.path.join(top, n)) for n in os.listdir(top) if n != "f"}
    result(said <= {b"has been changed meanwhile", b"No such file or directory"} and
           texts <= {real + "/f", "mine", "f"} and
           not [n for n in os.listdir(top) if n.startswith(".")], "nothing is lost", said, texts)


# ---- the command line ----

def test_usage():
    top = fresh("usage")
    put("usage/f", 0o600)
    put("usage/-R", 0o600)
    for args in ([], ["bogus"], ["-q"], ["chmod"], ["chmod", "644"], ["chmod", "-q", "644", "f"],
                 ["chmod", "zzz", "f"], ["chmod", "u=rwz", "f"], ["chmod", "78", "f"],
                 ["chmod", "--bogus"], ["chflags"], ["chflags", "uchg"], ["chflags", "uchgg", "f"],
                 ["chflags", "uchg,bogus,hidden", "f"], ["chflags", "8", "f"], ["chflags", "", "f"],
                 ["chflags", "77777777777777", "f"], ["chflags", "40000000000", "f"],
                 ["chflags", "0z", "f"], ["chflags", "nonodump", "f"],
                 ["flags", "-q"], ["stat"], ["stat", "-f", "f"], ["stat", "--json=x", "f"],
                 ["quota"], ["quota", "bogus", "."], ["quota", "report"], ["quota", "report", "-q", "."],
                 ["quota", "report", ".", "x"], ["quota", "set", "."],
                 ["quota", "show", ".", "nobody-of-this-name"], ["quota", "show", ".", "4294967295"],
                 ["quota", "show", "-P", "."], ["quota", "grace", ".", "blocks=0"],
                 ["quota", "grace", ".", "blocks=9999999w"], ["quota", "grace", ".", "days=1"],
                 ["ln"], ["ln", "-s"], ["ln", "-sH", "a", "b"], ["ln", "-dj", "a", "b"],
                 ["ln", "--kind=blob", "a", "b"], ["ln", "-t=none", "a", "b"], ["ln", "-t=", "x"],
                 ["ln", "-s=path-first", "a", "b"], ["ln", "--tracked=p", "a", "b"],
                 ["ln", "/H", "/D", "a", "b"], ["ln", "/J", "/D", "a", "b"], ["ln", "-r", "a", "b"],
                 ["ln", "-jr", "a", "b"], ["ln", "-t", "--remote", "a", "b"],
                 ["ln", "-T", "a"], ["ln", "-T", "a", "b", "c"], ["ln", "-q", "a", "b"],
                 ["ln", "-sT", "--target-directory=.", "a", "b"], ["ln", "-j", "-t=path-first", "a", "b"],
                 ["ln", "--set", "a"], ["ln", "--set", "-sf", "a"], ["ln", "--set", "-s"],
                 ["links"], ["links", "-q", "."], ["links", "-c", "bogus", "."],
                 ["links", "--fix=slow", "."], ["links", "--fix=", "."], ["links", "-c", "loop,", "."],
                 ["map"], ["map", ".", "x"], ["map", ".", "x", "/y"], ["map", ".", "//s/h", "y"],
                 ["map", "-d", "."], ["map", ".", "//s/h/x", "/y"], ["map", ".", "smb://s/%41", "/y"],
                 ["map", ".", "//s/h", "/a\nb"], ["map", "--json", ".", "//s/h", "/y"],
                 ["map", ".", "//s", "/y"], ["map", ".", "//s/h", "/" + 4096 * "x"],
                 ["chmod", "-RLh", "644", "f"], ["cho\x1bmod"]):
        p = run(*args, cwd=top)
        result(p.returncode == 2 and not p.stdout and p.stderr.startswith(b"lnkctl: ") and
               re.search(rb"\nTry 'lnkctl .*--help'\.\n$", p.stderr) and b"\x1b" not in p.stderr,
               "usage error: " + " ".join(args).replace("\x1b", "ESC"),
               p.returncode, p.stdout, p.stderr)
    result(mode_of("usage/f") == 0o600, "and nothing was done")
    works("-- ends the options", "chmod", "--", "644", "-R", cwd=top)
    result(mode_of("usage/-R") == 0o644 and mode_of("usage/f") == 0o600, "that was a file")
    works("options may come last", "chmod", "611", "f", "-v", cwd=top, out=b"f: 0600 -> 0611\n")
    p = works("--version", "--version")
    result(re.fullmatch(rb"lnkctl \(lnkfs\) [0-9.]+\n", p.stdout), "one line", p.stdout)
    p = works("--help", "--help")
    result(all(re.search(rb"^  %s +\S" % c.encode(), p.stdout, re.M) for c in COMMANDS), "has all commands")
    for c in COMMANDS:
        p = works(c + " --help", c, "--help")
        lines = p.stdout.decode().splitlines()
        result(lines[0].startswith("usage: lnkctl " + c) and len(lines) <= 24 and
               max(map(len, lines)) <= 80, "fits on a screen", len(lines), max(map(len, lines)))


def complete(*words):
    script = r'''
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        fn=$(complete -p lnkctl | sed 's/.*-F \([^ ]*\).*/\1/')
        "$fn" lnkctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"'''
    p = run("--norc", "-uc", script, "bash", COMPLETION, "lnkctl", *words, cmd="/bin/bash")
    return p.stdout.decode().split(), p.stderr


def test_completion():
    for words, expect in (
            (["ch"], "chmod chflags"), (["chf"], "chflags"), (["--v"], "--version"),
            (["", ], "chmod chflags flags links ln map names quota stat ls cat readlink cp --help "
                   "--version"),
            (["ln", "--tr"], "--tracked"), (["ln", "--ta"], "--target-directory="),
            (["links", "-R", "--fi"], "--fix="), (["quota", "s"], "show set sync state"), (["quota", "set", "-P", "--u"], "--user"),
            (["stat", "--j"], "--json"), (["chmod", "--ref"], "--reference="),
            (["chflags", "uc"], "uchg"), (["chflags", "-R", "hid"], "hidden"),
            (["chflags", "hidden,uc"], "hidden,uchg"), (["chflags", "uchg,nosch"], "uchg,noschg"),
            (["chflags", "nod"], "nodump"), (["chflags", "du"], "dump"),
            (["chflags", "uchg", "hid"], ""), (["chflags", "uchg", "f", ""], ""),
            (["chflags", "--", "-"], ""), (["flags", "/tm"], ""), (["bogus", "x"], "")):
        got, err = complete(*words)
        result(sorted(got) == sorted(expect.split()) and not err,
               "completion of '%s'" % " ".join(words), got, err)
    for c in COMMANDS:
        offered = set(complete(c, "-")[0])
        text = run(c, "--help").stdout.decode()
        options = set(re.findall(r"^  +(-\w)[, ]", text, re.M)) | \
            set(re.findall(r"(?:^  +|, )(--[\w-]+=?)", text, re.M))
        result(offered == options, "completion knows the options of " + c, offered ^ options)
    known = set(complete("chflags", "")[0])
    p = [w for w in known if run("chflags", w, "/nonexistent").returncode != 1]
    result(len(known) > 15 and not p, "every flag that is offered is one", p)


def main():
    os.umask(0o22)
    os.chmod(PLACE, 0o755)
    try:
        shutil.copy(os.path.join(os.environ["TOOLS"], "lnkctl"), LNKCTL)
        os.mkdir(PLACE + "/work")
        os.chdir(PLACE + "/work")
        for test in (test_usage, test_modes, test_mode_options, test_reference, test_trees,
                     test_links, test_deep, test_way_back, test_long_names, test_swapped,
                     test_errors, test_list, test_json, test_flags, test_ln, test_ln_special,
                     test_audit, test_audit_users, test_audit_hard, test_audit_deep,
                     test_audit_race, test_completion):
            print("# " + test.__name__)
            sys.stdout.flush()
            test()
    finally:
        os.chdir("/")
        remove(PLACE)
    sys.exit(finish())


if __name__ == "__main__":
    main()
