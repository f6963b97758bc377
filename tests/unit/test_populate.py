#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# mkfs.lnkfs -d: volumes made of directories and archives are what these were,
# by lnkctl and fsck.lnkfs. TAP on standard output. $TOOLS is where the tools are.
import hashlib
import io
import os
import random
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile

from tap import finish, result

TOOLS = os.environ["TOOLS"]
os.environ["ASAN_OPTIONS"] = "detect_leaks=0"
os.environ["PATH"] += ":/usr/sbin:/sbin"
os.environ.pop("SOURCE_DATE_EPOCH", None)


def tool(name, *args, env=None, stdin=subprocess.DEVNULL):
    return subprocess.run([TOOLS + "/" + name, *map(str, args)], stdin=stdin, capture_output=True,
                          text=True, errors="surrogateescape", env={**os.environ, **(env or {})})


def make_tree(top, xattrs):
    rng = random.Random(1)
    os.makedirs(top + "/a/b/c")
    os.makedirs(top + "/many")
    for i in range(700):
        with open(f"{top}/many/a-name-that-is-not-short-{i}", "w") as f:
            f.write(str(i) * (i % 7))
    for name, size in (("zero", 0), ("one", 1), ("block", 4096), ("odd", 123457),
                       ("large", 3000001)):
        with open(f"{top}/a/{name}", "wb") as f:
            f.write(rng.randbytes(size))
    with open(top + "/a/sparse", "wb") as f:
        f.seek(1000000)
        f.write(b"middle")
        f.seek(5000000)
        f.write(b"end")
    with open(top + "/a/hole", "wb") as f:
        f.truncate(70000)
    os.link(top + "/a/odd", top + "/a/b/second")
    os.link(top + "/a/odd", top + "/third")
    os.symlink("odd", top + "/a/link")
    os.link(top + "/a/link", top + "/a/link2", follow_symlinks=False)
    os.symlink("x" * 300, top + "/long")
    os.symlink("/" * 4094, top + "/longest")
    os.mkfifo(top + "/fifo")
    with open(os.fsencode(top) + b"/\xff\n name", "w") as f:
        f.write("odd name")
    os.chmod(top + "/a/one", 0o4751)
    os.chmod(top + "/a/b", 0o1770)
    os.utime(top + "/a/block", ns=(10**18, 946684799123456789))
    os.utime(top + "/a/link", (1000000000, 1000000000), follow_symlinks=False)
    if xattrs:
        os.setxattr(top + "/a/one", "user.color", b"blue")
        os.setxattr(top + "/a/one", "user.empty", b"")
        os.setxattr(top + "/a/one", "user.large", b"v" * 3000)
        os.setxattr(top + "/a/b", "user.dir", b"\0\1\2")
        os.setxattr(top, "user.top", b"1")


def describe(top):
    rows = {}
    for path, dirs, files in os.walk(os.fsencode(top)):
        if path == os.fsencode(top) and b"lost+found" in dirs:
            dirs.remove(b"lost+found")
        for name in [*dirs, *files]:
            full = path + b"/" + name
            st = os.lstat(full)
            row = [stat.filemode(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns]
            if not stat.S_ISDIR(st.st_mode):
                row.append(st.st_nlink)
            if stat.S_ISREG(st.st_mode):
                with open(full, "rb") as f:
                    row += [st.st_size, hashlib.sha256(f.read()).hexdigest()]
            if stat.S_ISLNK(st.st_mode):
                row.append(os.readlink(full))
            rows[full[len(top):]] = row
    return rows


def check_volume(image, source, name):
    run = tool("fsck.lnkfs", "-f", "-n", image)
    result(run.returncode == 0, name + ": fsck.lnkfs finds nothing", run.stdout + run.stderr)
    shutil.rmtree("out", ignore_errors=True)
    os.mkdir("out")
    run = tool("lnkctl", "cp", "-a", image + ":/", "out")
    was, now = describe(source), describe("out")
    wrong = [k for k in {*was, *now} if was.get(k) != now.get(k)]
    result(run.returncode == 0 and not wrong, name + ": the files are the same",
           run.stderr + "\n".join(f"{k} {was.get(k)} {now.get(k)}" for k in wrong[:5]))


def test_directory(bs, xattrs):
    run = tool("mkfs.lnkfs", "-q", "-f", "-b", bs, "-d", "src", "vol", "40M")
    result(run.returncode == 0, f"{bs}: from a directory", run.stderr)
    check_volume("vol", "src", f"{bs}")
    text = tool("dump.lnkfs", "vol", "inode", "/").stdout
    st = os.stat("src")
    result(f"mode: {stat.filemode(st.st_mode)}" in text, f"{bs}: the root is the directory's",
           text)
    text = tool("dump.lnkfs", "-j", "vol", "extents", "/a/large").stdout
    result('"extents":1,' in text, f"{bs}: a large file is in one piece", text)
    text = tool("dump.lnkfs", "-j", "vol", "extents", "/a/sparse").stdout
    result('"extents":2,' in text, f"{bs}: holes are holes", text)
    text = tool("dump.lnkfs", "-j", "vol", "extents", "/a/hole").stdout
    result('"extents":0,' in text, f"{bs}: nothing but a hole", text)
    if xattrs:
        text = tool("dump.lnkfs", "vol", "inode", "/a/one").stdout
        result("color" in text and "large" in text, f"{bs}: attributes", text)


def make_race():
    """A source with a file that takes its time."""
    shutil.rmtree("race", ignore_errors=True)
    for name in ("race/src/a", "race/src/z"):
        os.makedirs(name)
    with open("race/src/a/0", "wb") as f:
        f.write(random.Random(4).randbytes(64 << 20))


def mkfs_while(change):
    """Make a volume of that, and change the source while the file is copied."""
    with subprocess.Popen([TOOLS + "/mkfs.lnkfs", "-q", "-d", "race/src", "race/vol", "100M"],
                          stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None and not (
                os.path.exists("race/vol") and os.stat("race/vol").st_blocks > 10 << 11):
            pass
        change()
        error = run.communicate()[1]
    return subprocess.CompletedProcess(run.args, run.returncode, stderr=error)


def give_way():
    os.rename("race/src/z", "race/z")
    os.symlink("../out", "race/src/z")


def test_swapped():
    """A directory gives way to a symlink that leads out, while another one is copied."""
    make_race()
    os.mkdir("race/out")
    with open("race/out/secret", "w") as f:
        f.write("secret")
    for i in range(3000):
        with open(f"race/src/a/f{i}", "w") as f:
            f.write(str(i))
    run = mkfs_while(give_way)
    names = tool("lnkctl", "ls", "-R", "race/vol:/z").stdout
    result("secret" not in names, "a directory that has become a symlink is not followed", names)
    result(run.returncode == 1 and "race/src/z: " in run.stderr, "and that is said", run.stderr)
    shutil.rmtree("race")


def test_moved():
    """A directory is moved out of the source while a file in it is copied."""
    make_race()
    run = mkfs_while(lambda: os.rename("race/src/a", "race/a"))
    result(run.returncode == 1 and "race/src/a: Stale" in run.stderr,
           "a directory that is moved meanwhile: what comes after it is not left out", run.stderr)
    shutil.rmtree("race")


def test_deep():
    """Paths of more than 64 KiB."""
    os.mkdir("deep")
    top = os.open(".", os.O_RDONLY)
    os.chdir("deep")
    with open("z", "w") as f:
        f.write("after it")
    for _ in range(270):
        os.mkdir("d" * 255)
        os.chdir("d" * 255)
    with open("file", "w") as f:
        f.write("at the bottom")
    os.chdir(top)
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "deep", "vol", "40M")
    found = [tool("lnkctl", "cat", "vol:/" + path).stdout
             for path in ("z", ("d" * 255 + "/") * 270 + "file")]
    result(run.returncode == 0 and found == ["after it", "at the bottom"], "a deep tree",
           run.stderr + str(found))
    os.chdir("deep")
    for _ in range(270):
        os.chdir("d" * 255)
    os.unlink("file")
    for _ in range(270):
        os.chdir("..")
        os.rmdir("d" * 255)
    os.chdir(top)
    os.close(top)
    shutil.rmtree("deep")


def test_disturbed():
    env = {"LD_PRELOAD": TOOLS + "/disturb.so",
           "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}
    os.mkdir("odd")
    os.mkdir("odd/dir")
    for name in ("a", "b", "c"):
        with open("odd/dir/" + name, "w") as f:
            f.write(name)
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "odd", "vol", "20M", env=env)
    result(run.returncode == 0, "an undisturbed tree", run.stderr)
    with open("odd/dir/unreadable", "w") as f:
        f.write("1")
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "odd", "vol", "20M", env=env)
    result(run.returncode == 1 and "odd/dir: Input/output error" in run.stderr,
           "a directory that cannot be read to its end", run.stderr)
    os.rename("odd/dir/unreadable", "odd/dir/shrinking")
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "odd", "vol", "20M", env=env)
    result(run.returncode == 1 and "odd/dir/shrinking: Stale" in run.stderr,
           "a file that has become empty", run.stderr)
    shutil.rmtree("odd")


def test_link(xattrs):
    os.symlink("src", "tosrc")
    for source in ("tosrc", "tosrc/"):
        run = tool("mkfs.lnkfs", "-q", "-f", "-d", source, "vol", "40M")
        result(run.returncode == 0, f"a source behind a symlink ({source})", run.stderr)
        check_volume("vol", "src", source)
    if xattrs:
        text = tool("dump.lnkfs", "vol", "inode", "/").stdout
        result("name top" in text, "attributes of a source behind a symlink", text)
    os.unlink("tosrc")


def test_archive():
    subprocess.run(["tar", "-C", "src", "--format=posix", "-cf", "src.tar", "."], check=True)
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "src.tar", "vol", "40M")
    result(run.returncode == 0, "from an archive", run.stderr)
    check_volume("vol", "src", "archive")
    with open("src.tar", "rb") as f:
        run = tool("mkfs.lnkfs", "-q", "-f", "-d", "-", "vol", "40M", stdin=f)
    result(run.returncode == 0, "from an archive on standard input", run.stderr)
    check_volume("vol", "src", "standard input")
    subprocess.run(["gzip", "-kf", "src.tar"], check=True)
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "src.tar.gz", "vol", "40M")
    result(run.returncode == 0, "from a compressed archive", run.stderr)
    subprocess.run(["tar", "-C", "src", "--sparse", "-cf", "sparse.tar", "."], check=True)
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "sparse.tar", "vol", "40M")
    text = tool("dump.lnkfs", "-j", "vol", "extents", "/a/sparse").stdout
    result(run.returncode == 0 and '"extents":2,' in text, "from an archive with holes", text)


def cpio_of(form, *members):
    """An archive with (name, mode, inode, links, data) in cpio's format newc or odc."""
    def entry(name, mode, ino, links, data):
        path = name.encode() + b"\0"
        if form == "odc":
            return b"070707%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o" % (
                1, ino, mode, 0, 0, links, 0, 10**9, len(path), len(data)) + path + data
        head = b"070701" + b"".join(b"%08x" % n for n in (
            ino, mode, 0, 0, links, 10**9, len(data), 0, 1, 0, 0, len(path), 0)) + path
        return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
    with open("src.cpio", "wb") as f:
        f.write(b"".join(entry(*m) for m in members) + entry("TRAILER!!!", 0, 0, 1, b""))


def test_cpio():
    shutil.rmtree("names", ignore_errors=True)
    os.mkdir("names")
    data = random.Random(3).randbytes(123457)
    reg, sym, fifo = stat.S_IFREG | 0o640, stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o600
    last = [("a", reg, 5, 3, b""), ("d/b", reg, 5, 3, b""), ("c", reg, 5, 3, data)]
    each = [(name, reg, 5, 3, data) for name in ("a", "d/b", "c")]
    other = [("l", sym, 6, 2, b"a"), ("m", sym, 6, 2, b"a"), ("empty", reg, 7, 2, b""),
             ("d/empty", reg, 7, 2, b""), ("f", fifo, 8, 2, b""), ("g", fifo, 8, 2, b""),
             ("one", reg, 9, 1, b"1")]
    for form, files in (("newc", last), ("newc", each), ("odc", each)):
        name = f"{form}, data with {'each' if files is each else 'the last'} name"
        cpio_of(form, ("d", stat.S_IFDIR | 0o755, 4, 2, b""), *files, *other)
        run = tool("mkfs.lnkfs", "-q", "-f", "-d", "src.cpio", "vol", "40M")
        result(run.returncode == 0, name, run.stderr)
        shutil.rmtree("names")
        os.mkdir("names")
        for names, content in ((("a", "d/b", "c"), data), (("empty", "d/empty"), b""),
                               (("one",), b"1")):
            first = "names/" + names[0]
            with open(first, "wb") as f:
                f.write(content)
            os.chmod(first, 0o640)
            os.utime(first, (10**9, 10**9))
            os.makedirs("names/d", mode=0o755, exist_ok=True)
            for more in names[1:]:
                os.link(first, "names/" + more)
        os.symlink("a", "names/l")
        os.mkfifo("names/f", 0o600)
        os.link("names/l", "names/m", follow_symlinks=False)
        os.link("names/f", "names/g")
        for what in ("l", "f", "d"):
            os.utime("names/" + what, (10**9, 10**9), follow_symlinks=False)
        check_volume("vol", "names", name)
    cpio_of("newc", *last[:2], ("c", reg, 5, 3, data * 200))
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "src.cpio", "vol", "20M")
    result(run.returncode == 1 and "No space" in run.stderr, "newc: data that have no room",
           run.stderr)
    with open("src.cpio", "r+b") as f:
        f.truncate(5 << 20)
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "src.cpio", "vol", "40M")
    result(run.returncode == 1 and run.stderr, "newc: an end within the data", run.stderr)


def archive_of(*members):
    with tarfile.open("bad.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, link, data in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = link
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def member_of(name, **fields):
    with tarfile.open("bad.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        for key, value in fields.items():
            setattr(info, key, value)
        info.size = int(info.type == tarfile.REGTYPE)
        tar.addfile(info, io.BytesIO(b"1"))


def test_odd_archives():
    reg, sym, hard, folder = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
    good = (
        ("missing directories are made", [("x/y/z/f", reg, "", b"1")]),
        ("absolute paths and dots", [("/etc/./f", reg, "", b"1"), ("./etc//g", reg, "", b"2")]),
        ("a directory after what is in it", [("d/f", reg, "", b"1"), ("d", folder, "", b"")]),
        ("a directory twice", [("d", folder, "", b""), ("d/", folder, "", b"")]),
        ("a hard link to a hard link", [("a", reg, "", b"1"), ("b", hard, "a", b""),
                                        ("c", hard, "b", b"")]),
        ("nothing", []))
    for name, members in good:
        archive_of(*members)
        run = tool("mkfs.lnkfs", "-q", "-f", "-d", "bad.tar", "vol", "20M")
        check = tool("fsck.lnkfs", "-f", "-n", "vol")
        result(run.returncode == 0 and check.returncode == 0, "archive: " + name,
               run.stderr + check.stdout)
    bad = (
        ("a path out of the volume", [("../f", reg, "", b"1")], "Invalid"),
        ("a path out of it further down", [("a/../../f", reg, "", b"1")], "Invalid"),
        ("a file twice", [("f", reg, "", b"1"), ("f", reg, "", b"2")], "exists"),
        ("a path through a symlink", [("l", sym, "/etc", b""), ("l/f", reg, "", b"1")],
         "Not a directory"),
        ("a link to nothing", [("b", hard, "a", b"")], "No such file"),
        ("a link to a directory", [("d", folder, "", b""), ("b", hard, "d", b"")], "permitted"),
        ("a name that is too long", [("n" * 256, reg, "", b"1")], "too long"),
        ("a symlink that is too long", [("l", sym, "t" * 4096, b"")], "too long"))
    for name, members, text in bad:
        archive_of(*members)
        run = tool("mkfs.lnkfs", "-q", "-f", "-d", "bad.tar", "vol", "20M")
        check = tool("fsck.lnkfs", "-p", "vol")
        result(run.returncode == 1 and text in run.stderr and "clean" not in check.stdout,
               "archive: " + name, run.stderr + check.stdout)
    huge = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1",
            "GNU.sparse.name": "f", "GNU.sparse.size": str((1 << 63) - 1)}
    for name, fields, text in (
            ("an owner that nobody can be", {"uid": 0xffffffff}, "too large"),
            ("an owner of more than 32 bits", {"uid": 1 << 32}, "too large"),
            ("a group of more than 32 bits", {"gid": (1 << 32) + 5}, "too large"),
            ("a device that cannot be", {"type": tarfile.CHRTYPE, "devmajor": 5000}, "too large"),
            ("a file that cannot be so large", {"pax_headers": huge}, "too large"),
            ("an ACL that makes no sense",
             {"pax_headers": {"SCHILY.acl.access": "user:joe:rwx:1000"}}, "Invalid"),
            ("the same as an attribute",
             {"pax_headers": {"SCHILY.xattr.system.posix_acl_access": "1"}}, "Invalid"),
            ("a default ACL of a file",
             {"pax_headers": {"SCHILY.acl.default": "user::rw-,group::r--,other::r--"}}, None),
            ("a user attribute of a symlink",
             {"type": sym, "linkname": "t", "pax_headers": {"SCHILY.xattr.user.a": "b"}}, None)):
        member_of("f", **fields)
        run = tool("mkfs.lnkfs", "-q", "-f", "-d", "bad.tar", "vol", "20M")
        check = tool("fsck.lnkfs", "-f", "-n", "vol")
        if text:
            result(run.returncode == 1 and text in run.stderr, "archive: " + name, run.stderr)
        else:
            result(run.returncode == 0 and check.returncode == 0, "archive: " + name,
                   run.stderr + check.stdout)
    for kind in (0, 0o070000):
        cpio_of("newc", ("f", kind | 0o644, 1, 1, b"1"))
        run = tool("mkfs.lnkfs", "-q", "-f", "-d", "src.cpio", "vol", "20M")
        result(run.returncode == 1 and "Invalid" in run.stderr,
               f"archive: a type that there is not ({kind:o})", run.stderr)
    archive_of(("f\x1b[2J\x9b", reg, "", b"1"), ("f\x1b[2J\x9b", reg, "", b"2"))
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "bad.tar", "vol", "20M", env={"LC_ALL": "C.UTF-8"})
    result("mkfs.lnkfs: f\\033[2J\\302\\233: File exists" in run.stderr,
           "archive: a name that is a command to a terminal", run.stderr)
    with open("bad.tar", "wb") as f:
        f.write(random.Random(2).randbytes(100000))
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "bad.tar", "vol", "20M")
    result(run.returncode == 1 and run.stderr, "no archive", run.stderr)


def test_itself():
    os.mkdir("self")
    with open("self/a", "w") as f:
        f.write("1")
    run = tool("mkfs.lnkfs", "-q", "-d", "self", "self/vol", "20M")
    result(run.returncode == 1 and "self/vol: Device or resource busy" in run.stderr,
           "a volume in its own source", run.stderr)
    shutil.rmtree("self")
    with open("src.tar", "rb") as f:
        before = f.read()
    for source in ("src.tar", "-"):
        with open("src.tar", "rb") as f:
            run = tool("mkfs.lnkfs", "-q", "-f", "-d", source, "src.tar", "40M", stdin=f)
        with open("src.tar", "rb") as f:
            result(run.returncode == 1 and "src.tar: is what" in run.stderr and
                   f.read() == before, f"an archive on itself ({source})", run.stderr)


def test_limits():
    run = tool("mkfs.lnkfs", "-q", "-f", "-b", "1024", "-d", "src", "vol", "5M")
    result(run.returncode == 1 and "No space" in run.stderr, "too small a volume", run.stderr)
    check = tool("fsck.lnkfs", "-p", "vol")
    result("clean" not in check.stdout, "it does not pass for a good one", check.stdout)
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "src", "-o", "max-links=2", "vol", "40M")
    result(run.returncode == 1 and "Too many links" in run.stderr, "too many links", run.stderr)
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "missing", "vol", "40M")
    result(run.returncode == 1 and "missing: No such file" in run.stderr, "no source", run.stderr)
    for args in (("--minimize", "x"), ("--minimize", "-d", "-", "x"),
                 ("--minimize", "-d", "src", "x", "40M")):
        run = tool("mkfs.lnkfs", *args)
        result(run.returncode == 1 and "--minimize" in run.stderr and not os.path.exists("x"),
               "refused: " + " ".join(args), run.stderr)


def test_repeatable():
    env = {"SOURCE_DATE_EPOCH": "1700000000"}
    for i in (1, 2):
        tool("mkfs.lnkfs", "-q", "-f", "-d", "src", f"r{i}", "40M", env=env)
    with open("r1", "rb") as f, open("r2", "rb") as g:
        result(f.read() == g.read(), "the same input and time give the same bytes")
    text = tool("dump.lnkfs", "r1", "inode", "/a/odd").stdout
    result("born: 2023-11-14T22:13:20" in text and "modified: 2023-11-14T22:13:20" in text,
           "no time is later", text)
    tool("mkfs.lnkfs", "-q", "-f", "-d", "src", "r2", "40M",
         env={"SOURCE_DATE_EPOCH": "1700000001"})
    with open("r1", "rb") as f, open("r2", "rb") as g:
        result(f.read() != g.read(), "another time gives others")


def test_minimize():
    run = tool("mkfs.lnkfs", "-q", "-d", "src", "--minimize", "-L", "l" * 64, "small")
    result(run.returncode == 1 and "63 bytes" in run.stderr and not os.path.exists("small"),
           "minimize says what cannot be formatted", run.stderr)
    run = tool("mkfs.lnkfs", "-q", "-d", "src", "--minimize", "small")
    result(run.returncode == 0, "minimize", run.stderr)
    check_volume("small", "src", "minimized")
    text = tool("dump.lnkfs", "-j", "small", "free").stdout
    size = os.stat("small").st_size
    blocks = int(text.split('"blocks":')[1].split(",")[0])
    result(blocks * 4096 <= size // 16, "little is free on it", f"{size} {text}")
    run = tool("mkfs.lnkfs", "-q", "-f", "-d", "sparse.tar", "--minimize", "small")
    result(run.returncode == 0 and abs(os.stat("small").st_size - size) < size // 16,
           "minimize an archive", f"{size} {os.stat('small').st_size} {run.stderr}")


def main():
    here = tempfile.mkdtemp()
    os.chdir(here)
    xattrs = True
    try:
        with open("probe", "w"):
            pass
        os.setxattr("probe", "user.probe", b"1")
    except OSError:
        xattrs = False
    os.mkdir("src")
    make_tree("src", xattrs)
    print("TAP version 13")
    for bs in (1024, 4096):
        test_directory(bs, xattrs)
    test_swapped()
    test_moved()
    test_deep()
    test_disturbed()
    test_link(xattrs)
    test_archive()
    test_cpio()
    test_odd_archives()
    test_itself()
    test_limits()
    test_repeatable()
    test_minimize()
    os.chdir("/")
    shutil.rmtree(here)
    return finish()


sys.exit(main())
