# SPDX-License-Identifier: GPL-2.0
"""Build the initial RAM disks that the test guests boot.

A guest's root is two cpio archives, one after the other: a base, made of
Debian's own programs and one kernel's modules and kept in build/guest until
one of them changes, and what belongs to one run (lnkfs.ko, the tools, the
tests, the command), made afresh each time because that takes no time.
"""

import fcntl
import functools
import glob
import hashlib
import lzma
import os
import re
import shutil
import stat
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, "build")
CACHE = os.environ.get("LNKFS_CACHE") or BUILD

# Directories that are symlinks into /usr on a merged-/usr system.
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


class GuestError(Exception):
    """Something the guest needs is missing or broken."""


def read_list(name):
    """The lines of a list beside this file, comments removed, split in words."""
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        lines = (line.split("#")[0].split() for line in f)
        return [words for words in lines if words]


def usr(path):
    """The path's place in a root where /bin, /lib and the like are in /usr."""
    first = path.lstrip("/").split("/")[0]
    return "/usr" + path if first in MERGED else path


def needed(path):
    """The interpreter and the library names that an ELF64 object asks for."""
    with open(path, "rb") as f:
        data = f.read()
    if data[4:6] != b"\x02\x01":
        return []
    phoff, = struct.unpack_from("<Q", data, 32)
    phsize, phnum = struct.unpack_from("<HH", data, 54)
    loads, dynamic, names = [], None, []
    for i in range(phnum):
        kind, _, off, vaddr, _, size = struct.unpack_from("<IIQQQQ", data, phoff + i * phsize)
        if kind == 1:           # PT_LOAD
            loads.append((vaddr, vaddr + size, off))
        elif kind == 2:         # PT_DYNAMIC
            dynamic = (off, size)
        elif kind == 3:         # PT_INTERP
            names.append(data[off:off + size].rstrip(b"\0").decode())
    if not dynamic:
        return names
    tags = [struct.unpack_from("<QQ", data, dynamic[0] + i) for i in range(0, dynamic[1], 16)]
    strtab = next((v for t, v in tags if t == 5), None)         # DT_STRTAB
    base = next((off + strtab - lo for lo, hi, off in loads if lo <= strtab < hi), None)
    for tag, value in tags:
        if tag == 0:            # DT_NULL
            break
        if tag == 1:            # DT_NEEDED
            names.append(data[base + value:data.index(b"\0", base + value)].decode())
    return names


@functools.lru_cache(None)
def library_paths():
    """Where this machine's loader finds each shared library."""
    out = subprocess.run(["ldconfig", "-p"], stdout=subprocess.PIPE, text=True, check=True,
                         env=admin_env()).stdout
    paths = {}
    for line in out.splitlines()[1:]:
        name, _, path = line.strip().partition(" => ")
        if "x86-64" in name:
            paths.setdefault(name.split()[0], path)
    return paths


def admin_env():
    """The environment, with the directories of system programs in PATH."""
    return dict(os.environ, PATH=os.environ.get("PATH", "/usr/bin") + ":/usr/sbin:/sbin")


class Cpio:
    """Writes a newc archive owned by root, without needing to be root."""

    def __init__(self, path):
        self.f = open(path, "wb")
        self.ino = 0
        self.names = set()
        self.objects = []

    def _entry(self, name, mode, size=0, rdev=(0, 0), mtime=0):
        self.ino += 1
        raw = name.encode("utf-8", "surrogateescape") + b"\0"
        head = b"070701" + b"".join(b"%08X" % v for v in (
            self.ino, mode, 0, 0, 1, int(mtime) & 0xffffffff, size, 0, 0,
            rdev[0], rdev[1], len(raw), 0))
        self.f.write(head + raw + b"\0" * (-(len(head) + len(raw)) % 4))

    def _body(self, data):
        self.f.write(data + b"\0" * (-len(data) % 4))

    def _new(self, path):
        """The archive's name for path, or None when it is there already."""
        name = path.strip("/")
        if not name or name in self.names:
            return None
        self.mkdir(os.path.dirname(name))
        self.names.add(name)
        return name

    def mkdir(self, path, mode=0o755):
        name = self._new(path)
        if name:
            self._entry(name, stat.S_IFDIR | mode)

    def symlink(self, target, path):
        name = self._new(path)
        if name:
            raw = target.encode("utf-8", "surrogateescape")
            self._entry(name, stat.S_IFLNK | 0o777, len(raw))
            self._body(raw)

    def data(self, data, path, mode=0o644, mtime=0):
        name = self._new(path)
        if name:
            self._entry(name, stat.S_IFREG | mode, len(data), mtime=mtime)
            self._body(data)

    def node(self, path, mode, major, minor):
        name = self._new(path)
        if name:
            self._entry(name, mode, rdev=(major, minor))

    def file(self, src, path):
        """Copy a regular file; remember it if it may need shared libraries."""
        with open(src, "rb") as f:
            data = f.read()
        st = os.stat(src)
        if data[:4] == b"\x7fELF":
            self.objects.append(src)
        self.data(data, path, stat.S_IMODE(st.st_mode), st.st_mtime)

    def program(self, src):
        """Copy a program or library of this machine to the same place."""
        real = os.path.realpath(src)
        if usr(real) != usr(src):
            self.symlink(real, usr(src))
        if os.path.isfile(real):
            self.file(real, usr(real))

    def tree(self, src, path):
        """Copy a file or a whole tree, links as links."""
        if os.path.islink(src):
            self.symlink(os.readlink(src), path)
        elif os.path.isdir(src):
            self.mkdir(path)
            for name in sorted(os.listdir(src)):
                self.tree(os.path.join(src, name), path + "/" + name)
        elif os.path.isfile(src):
            self.file(src, path)

    def libraries(self):
        """Copy the shared libraries that the objects copied so far need."""
        while self.objects:
            path = self.objects.pop()
            for name in needed(path):
                lib = os.path.join(os.path.dirname(path), name)
                if name.startswith("/"):
                    lib = name
                elif not os.path.exists(lib):
                    lib = library_paths().get(name)
                if not lib:
                    raise GuestError("%s needs %s, which is not here" % (path, name))
                if usr(lib).strip("/") not in self.names:
                    self.program(lib)

    def close(self):
        self._entry("TRAILER!!!", 0)
        self.f.write(b"\0" * (-self.f.tell() % 512))
        self.f.close()


class Kernel:
    """A kernel the tests can boot: $CACHE/kernels/NAME."""

    def __init__(self, name):
        self.name = name
        self.dir = os.path.join(CACHE, "kernels", name)
        self.image = os.path.join(self.dir, "vmlinuz")
        try:
            with open(os.path.join(self.dir, "abi"), encoding="ascii") as f:
                self.abi = f.read().strip()
        except FileNotFoundError:
            raise GuestError("no kernel '%s' here: run tests/vm/setup" % name) from None
        self.moddir = os.path.join(self.dir, "lib/modules", self.abi)
        self.ko = os.path.join(BUILD, "ko-" + self.abi, "lnkfs.ko")

    def extra_args(self):
        """Kernel arguments that this kernel wants, from its 'cmdline' file.

        In it, @TSC_KHZ@ stands for the rate of an emulated processor's time
        stamp counter: this machine's.
        """
        try:
            with open(os.path.join(self.dir, "cmdline"), encoding="ascii") as f:
                words = f.read()
        except FileNotFoundError:
            return []
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
            mhz = re.search(r"^cpu MHz\s*: ([\d.]+)", f.read(), re.M)
        return words.replace("@TSC_KHZ@", str(round(float(mhz[1]) * 1000)) if mhz else "0").split()

    def _wanted_modules(self):
        """Paths under moddir of the listed modules and of all they depend on."""
        deps, byname = {}, {}
        try:
            with open(os.path.join(self.moddir, "modules.dep"), encoding="ascii") as f:
                for line in f:
                    path, _, rest = line.partition(":")
                    deps[path] = rest.split()
                    name = os.path.basename(path).split(".ko")[0]
                    byname[name.replace("-", "_")] = path
        except FileNotFoundError:
            return []
        wanted = []
        for words in read_list("modules"):
            path = byname.get(words[0].replace("-", "_"))
            for p in [path] + deps[path] if path else []:
                if p not in wanted:
                    wanted.append(p)
        return wanted

    def stage_modules(self, dest):
        """Lay out the wanted modules, uncompressed, in dest/lib/modules/ABI."""
        base = os.path.join(dest, "lib/modules", self.abi)
        os.makedirs(base)
        for path in self._wanted_modules():
            src = os.path.join(self.moddir, path)
            out = os.path.join(base, path)
            os.makedirs(os.path.dirname(out), exist_ok=True)
            if path.endswith(".xz"):
                with lzma.open(src) as i, open(out[:-3], "wb") as o:
                    shutil.copyfileobj(i, o)
            else:
                shutil.copyfile(src, out)
        for name in ("modules.builtin", "modules.builtin.modinfo"):
            src = os.path.join(self.moddir, name)
            if os.path.exists(src):
                shutil.copyfile(src, os.path.join(base, name))
        # depmod wants the file; the order it gives is of no use here
        with open(os.path.join(base, "modules.order"), "w", encoding="ascii"):
            pass


def depmod(root, abi):
    """Index the modules under root/lib/modules/abi."""
    subprocess.run(["depmod", "-b", root, abi], check=True, env=admin_env())


def guest_packages():
    return [words[0] for words in read_list("packages") if "guest" in words[1:]]


def base_key(kernel):
    """A digest of everything that the base is made of."""
    h = hashlib.sha256()
    for name in ("guest.py", "init", "packages", "modules"):
        with open(os.path.join(HERE, name), "rb") as f:
            h.update(f.read())
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n",
                          "busybox-static", "libc6"] + guest_packages(),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if out.returncode:
        raise GuestError(out.stderr.decode().strip() + " (run tests/vm/setup)")
    h.update(out.stdout)
    st = os.stat(kernel.image)
    h.update(b"%s %d %d" % (kernel.abi.encode(), st.st_mtime_ns, st.st_size))
    return h.hexdigest()[:16]


def build_base(kernel, path, modtree):
    cpio = Cpio(path)
    for name in ("proc", "sys", "dev", "run", "mnt", "tmp", "root", "out", "in", "var/tmp",
                 "etc", "lnkfs", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64"):
        cpio.mkdir(name, 0o1777 if name.endswith("tmp") else 0o755)
    for name in ("bin", "sbin", "lib", "lib64"):
        cpio.symlink("usr/" + name, name)
    cpio.node("dev/console", stat.S_IFCHR | 0o600, 5, 1)
    cpio.node("dev/null", stat.S_IFCHR | 0o666, 1, 3)
    cpio.symlink("/proc/mounts", "etc/mtab")
    cpio.data(b"root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/sh\n"
              b"alice:x:1000:1000::/tmp:/bin/sh\nbob:x:1001:1001::/tmp:/bin/sh\n", "etc/passwd")
    cpio.data(b"root:x:0:\nnogroup:x:65534:\nalice:x:1000:\nbob:x:1001:\nshared:x:1002:alice,bob\n",
              "etc/group")
    cpio.file(os.path.join(HERE, "init"), "init")

    out = subprocess.run(["dpkg", "-L"] + guest_packages(), stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    programs = [p for p in out.splitlines()
                if os.path.dirname(p) in ("/bin", "/sbin", "/usr/bin", "/usr/sbin")]
    unwanted = {word[1:] for words in read_list("packages") for word in words[2:]}
    for p in programs + ["/usr/bin/awk", "/usr/bin/busybox"]:
        if os.path.exists(p) and os.path.basename(p) not in unwanted and usr(p).lstrip("/") not in cpio.names:
            cpio.program(p)
    cpio.file("/etc/mke2fs.conf", "etc/mke2fs.conf")
    cpio.tree("/usr/lib/locale/C.utf8", "usr/lib/locale/C.utf8")
    for path in glob.glob("/usr/lib/*/perl-base/*"):
        if os.path.basename(path) != "unicore":
            cpio.tree(path, path)
    applets = subprocess.run(["/usr/bin/busybox", "--list"], stdout=subprocess.PIPE,
                             text=True, check=True).stdout.split()
    for applet in applets:
        if "usr/sbin/" + applet not in cpio.names:
            cpio.symlink("/usr/bin/busybox", "usr/bin/" + applet)
    cpio.libraries()
    cpio.tree(os.path.join(modtree, "lib/modules"), "usr/lib/modules")
    cpio.close()


def base(kernel):
    """The base archive and the module tree of a kernel, built if need be."""
    gdir = os.path.join(BUILD, "guest")
    os.makedirs(gdir, exist_ok=True)
    stem = os.path.join(gdir, "%s-%s" % (kernel.name, base_key(kernel)))
    path, modtree = stem + ".cpio", stem + ".modules"
    with open(os.path.join(gdir, ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(path):
            return path, modtree
        for old in os.listdir(gdir):
            if old.startswith(kernel.name + "-"):
                old = os.path.join(gdir, old)
                shutil.rmtree(old) if os.path.isdir(old) else os.unlink(old)
        kernel.stage_modules(modtree)
        depmod(modtree, kernel.abi)
        build_base(kernel, path + ".tmp", modtree)
        os.rename(path + ".tmp", path)
    return path, modtree
