#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tables and plots of what tests/bench/bench has measured.

usage: report.py [--json FILE] [--plots DIR] [--document FILE] RESULT.tsv...

The input is described in phases.c, the goals in goals.tab.
"""

import argparse
import collections
import fnmatch
import json
import os
import re
import sys

sys.dont_write_bytecode = True
import plot  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = ["tmpfs", "lnkfs", "lnkfs-commits", "ext4", "xfs", "btrfs", "f2fs"]
FIELDS = ["ops", "wall", "busy", "reads", "read", "writes", "written", "flushes"]
UNITS = {
    "insn": "instructions",
    "clat": "instructions",
    "reads": "reads of the device",
    "read": "bytes read",
    "writes": "writes to the device",
    "written": "bytes written",
    "flushes": "flushes",
    "bytes": "bytes of space",
    "slab": "bytes of slab",
    "slab and targets": "bytes of slab, targets read",
    "pages": "bytes of page cache",
    "memory": "bytes of all memory",
    "speedup": "times what one process does",
}

FARMS = ["pnpm: store", "pnpm: node_modules", "pnpm: follow the symlinks", "pnpm: read a project",
         "pnpm: rm -rf node_modules", "pnpm: rm -rf the store", "stow: packages", "stow: farm",
         "stow: list", "stow: follow the symlinks", "stow: rm the symlinks"]

# Section: title, pattern of sets, then (pattern of phases, unit).
SECTIONS = [
    ("Links and targets in one directory: instructions for each", "links * dir=same *",
     [(p, "insn") for p in ("symlink", "symlink.sync", "warm readlink", "warm stat",
                            "cold readlink", "cold lstat", "cold stat", "replace", "rm")]),
    ("Targets in another directory: instructions for each", "links * dir=other *",
     [(p, "insn") for p in ("symlink", "warm readlink", "warm stat", "cold stat", "replace",
                            "rm")]),
    ("Each symlink and fsync of the directory", "links * dir=same *",
     [("symlink fsync", u) for u in ("insn", "writes", "written", "flushes")]),
    ("Hard links: instructions for each", "hard *",
     [(p, "insn") for p in ("link", "link.sync", "unlink", "unlink.sync")]),
    ("Hard links: bytes written, mount to unmount, for each", "hard *",
     [(p, "written") for p in ("link.total", "unlink.total")]),
    ("Many links: I/O for each", "io *",
     [("symlink.total", "written"), ("symlink.total", "writes"), ("cold readlink", "read"),
      ("cold readlink", "reads"), ("cold lstat", "read"), ("cold lstat", "reads"),
      ("cold stat", "read"), ("cold stat", "reads"), ("rm.total", "written")]),
    ("Space and memory for each link", "io *",
     [("space", "bytes"), ("cached", "slab"), ("cached", "slab and targets"),
      ("cached", "pages"), ("cached", "memory")]),
    ("A directory that grows: instructions for each", "growth *",
     [(p, "insn") for p in ("symlink", "missing name", "unlink at random",
                            "symlink at random", "cold readlink")]),
    ("Small files: instructions for each", "files *",
     [(p, "insn") for p in ("create and write", "create and write.sync",
                            "create and write.total", "cold read", "warm read", "rm files",
                            "rm files.total", "append fsync")]),
    ("Small files: I/O for each", "files *",
     [("create and write.total", "written"), ("create and write.total", "writes"),
      ("cold read", "read"), ("cold read", "reads"), ("rm files.total", "written"),
      ("append fsync", "writes"), ("append fsync", "written"), ("append fsync", "flushes")]),
    ("Data of one file: instructions for each operation", "data *",
     [("%s %s%s" % (r, k, t), "insn") for k in ("buffered", "direct") for r in (
         "1M write", "1M read", "1M random write", "1M random read",
         "4K write", "4K read", "4K random write", "4K random read")
      for t in (("", ".sync") if "write" in r and k == "buffered" else ("",))]),
    ("Data of one file: bytes written, mount to unmount, for each operation", "data *",
     [("%s %s.total" % (r, k), "written") for k in ("buffered", "direct") for r in (
         "1M write", "1M random write", "4K write", "4K random write")]),
    ("Part of a kernel's source: instructions for each file, mount to unmount", "command *",
     [(p + ".total", "insn") for p in ("untar", "cp -al", "rsync --link-dest", "find -size",
                                       "read all", "cp -as", "read all through symlinks",
                                       "rm -rf of symlinks", "rm -rf of hard links", "rm -rf")]),
    ("Part of a kernel's source: I/O for each file, mount to unmount", "command *",
     [("untar.total", "written"), ("cp -al.total", "written"),
      ("rsync --link-dest.total", "written"), ("find -size.total", "read"),
      ("read all.total", "read"), ("cp -as.total", "written"),
      ("rm -rf of symlinks.total", "written"), ("rm -rf of hard links.total", "written"),
      ("rm -rf.total", "written")]),
    ("Farms of links: instructions for each name, mount to unmount", "command *",
     [(p + ".total", "insn") for p in FARMS]),
    ("Farms of links: bytes written for each name, mount to unmount", "command *",
     [(p + ".total", "written") for p in FARMS if "follow" not in p and "read" not in p and "list" not in p]),
    ("Farms of links: bytes read for each name, mount to unmount", "command *",
     [(p + ".total", "read") for p in FARMS if "follow" in p or "read" in p or "list" in p]),
    ("Farms of links: reads of the device for each name, mount to unmount", "command *",
     [(p + ".total", "reads") for p in FARMS if "follow" in p or "read" in p or "list" in p]),
    ("Processes side by side: times what one does", "parallel *",
     [("%d processes, %s" % (n, where), "speedup")
      for where in ("a directory each", "one directory") for n in (2, 4)]),
    # of reads it would have the waiting in it
    ("fio, buffered: instructions for each write, by fio", "command *",
     [("%s buffered" % r, "clat") for r in (
         "1M write", "1M random write", "4K write", "4K random write")]),
    ("fio: bytes written, mount to unmount, for each operation", "command *",
     [("%s %s.total" % (r, k), "written") for k in ("buffered", "direct") for r in (
         "1M write", "1M random write", "4K write", "4K random write")]),
]

Row = collections.namedtuple("Row", "section set phase unit values goal missed")


def load(paths):
    """What the guests printed: cells[set, phase, unit][peer], the guest, the notes."""
    cells, info, notes = collections.OrderedDict(), {}, []
    for path in paths:
        with open(path, encoding="utf-8") as f:
            lines = f.readlines()
        for line in lines:
            words = line.rstrip("\n").split("\t")
            if words[0] == "R" and len(words) == 12:
                peer, setting, phase = words[1:4]
                n = dict(zip(FIELDS, map(int, words[4:])))
                each = {k: n[k] / n["ops"] for k in FIELDS[3:]}
                each["insn"] = n["busy"] / n["ops"]
                for unit, v in each.items():
                    cells.setdefault((setting, phase, unit), {})[peer] = v
            elif words[0] == "V" and len(words) == 6:
                peer, setting, phase, unit, v = words[1:]
                cells.setdefault((setting, phase, unit), {})[peer] = float(v)
            elif words[0] == "N":
                notes.append(words[1:])
            elif words[0] == "I":
                info[words[1]] = words[2]
    return cells, info, notes


def load_goals():
    goals = []
    with open(os.path.join(HERE, "goals.tab"), encoding="utf-8") as f:
        for line in f:
            if "|" in line and not line.startswith("#"):
                goals.append([w.strip() for w in line.split("|")])
    return goals


def goal_of(goals, cells, key):
    """The figure that lnkfs must not exceed, or None."""
    setting, phase, unit = key
    values = cells[key]
    for s, p, u, what in goals:
        if u != unit or not fnmatch.fnmatchcase(phase, p) or not fnmatch.fnmatchcase(setting + " ", s + " "):
            continue
        name, _, factor = (w.strip() for w in what.partition("*"))
        factor = float(factor or 1)
        if re.fullmatch(r"[\d.]+", name):
            return float(name)
        if name.startswith("entries="):
            other = (re.sub(r"entries=\d+", name, setting), phase, unit)
            base = cells.get(other, {}).get("lnkfs")
            return base * factor if base and other != key else None
        peers = {"best": ["ext4", "xfs", "btrfs", "f2fs"], "floor": ["tmpfs"]}.get(name, name.split(","))
        found = [values[p] for p in peers if p in values]
        return min(found) * factor if found else None
    return None


def rows_of(cells):
    goals, rows = load_goals(), []
    for title, sets, phases in SECTIONS:
        for pattern, unit in phases:
            for key, values in cells.items():
                setting, phase, u = key
                if u != unit or phase != pattern or not fnmatch.fnmatchcase(setting + " ", sets):
                    continue
                if phase == "cached" and not any(values.values()):
                    continue
                goal = goal_of(goals, cells, key)
                mine = values.get("lnkfs")
                # half a percent is the benchmark's own uncertainty
                missed = goal is not None and mine is not None and mine > goal * 1.005
                rows.append(Row(title, setting, phase, unit, values, goal, missed))
    return rows


def figure(v):
    if v is None:
        return "-"
    if v == 0:
        return "0"
    if abs(v) >= 1e8:
        return "%.0fM" % (v / 1e6)
    if abs(v) >= 1e5:
        return "%.1fk" % (v / 1e3) if abs(v) < 1e6 else "%.0fk" % (v / 1e3)
    if abs(v) >= 1e4:
        return "%.1fk" % (v / 1e3)
    return "%.0f" % v if abs(v) >= 10 else "%.2f" % v if abs(v) >= 1 else "%.4f" % v


def label_of(row):
    """Phase and what distinguishes the row from others of its section."""
    m = re.search(r"len=(\d+)", row.set) if row.set.startswith(("links", "io")) else None
    text = row.phase
    if text.endswith(".total"):
        text = text[:-6] if "mount to unmount" in row.section else text[:-6] + ", to unmount"
    elif text.endswith(".sync"):
        text = text[:-5] + ", the sync after it"
    if m:
        text += " [%s]" % m[1]
    m = re.search(r"entries=(\d+)", row.set)
    if m:
        text += " %s" % format(int(m[1]), ",")
    if "for each" in row.section and UNITS[row.unit].split()[0] not in row.section:
        text += ": " + UNITS[row.unit]
    elif row.section.startswith(("Each symlink", "Space")):
        text += ": " + UNITS[row.unit]
    return text


def sections(rows):
    by = collections.OrderedDict()
    for row in rows:
        by.setdefault(row.section, []).append(row)
    return by.items()


def peers_of(rows):
    return [p for p in PEERS if any(p in r.values for r in rows)]


def inode_sizes(cells):
    """A sentence on the size of an inode in memory."""
    sizes = ["%s %d" % (cache, values["all"]) for (_, phase, cache), values in cells.items()
             if phase == "inode"]
    return "Bytes of an inode in memory (slab objects): %s." % ", ".join(sizes) if sizes else ""


def print_tables(rows, cells, info, notes, out):
    print("kernel %s, crc32c by %s, disk of %s" % tuple(info.get(k, "?") for k in (
        "kernel", "crc32c", "disk")), file=out)
    for title, part in sections(rows):
        peers = peers_of(part)
        labels = [label_of(r) for r in part]
        width = max(map(len, labels)) + 2
        room = [max(9, len(p) + 1) for p in peers]
        print("\n%s\n%s%s%9s" % (title, " " * width, "".join(
            "%*s" % (n, p) for n, p in zip(room, peers)), "goal"), file=out)
        for label, r in zip(labels, part):
            values = [figure(r.values.get(p)) for p in peers]
            print("%-*s%s%9s %s" % (width, label, "".join("%*s" % v for v in zip(room, values)),
                                    figure(r.goal) if r.goal is not None else "",
                                    "missed" if r.missed else "ok" if r.goal is not None else ""),
                  file=out)
    judged = [r for r in rows if r.goal is not None and "lnkfs" in r.values]
    if inode_sizes(cells):
        print("\n" + inode_sizes(cells), file=out)
    print("\n%d goals, %d missed" % (len(judged), sum(r.missed for r in judged)), file=out)
    for n in notes:
        print("note: %s: %s: %s: %s" % tuple(n), file=out)


def write_json(path, rows, cells, info, notes):
    data = {
        "guest": info,
        "notes": notes,
        "goals": [{"set": r.set, "phase": r.phase, "unit": r.unit, "goal": r.goal,
                   "lnkfs": r.values["lnkfs"], "missed": r.missed}
                  for r in rows if r.goal is not None and "lnkfs" in r.values],
        "results": [{"set": s, "phase": p, "unit": u, "values": v}
                    for (s, p, u), v in cells.items()],
    }
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f, indent=1)
        f.write("\n")


def rst_table(part):
    """A grid that reads as text: RST's simple table."""
    peers = peers_of(part)
    head = [""] + peers + ["goal"]
    body = []
    for r in part:
        mine = figure(r.values.get("lnkfs"))
        goal = "" if r.goal is None else figure(r.goal)
        body.append([label_of(r)] + ["**%s**" % mine if p == "lnkfs" and r.missed else
                                     figure(r.values.get(p)) for p in peers] + [goal])
    widths = [max(len(line[i]) for line in [head] + body) for i in range(len(head))]
    rule = " ".join("=" * max(w, 1) for w in widths)

    def text(line):
        return (" ".join("%-*s" % (w, c) if i == 0 else "%*s" % (w, c)
                         for i, (w, c) in enumerate(zip(widths, line)))).rstrip()
    first = text(["\\"] + head[1:]) if widths[0] else text(head)
    lines = [rule, first, rule]
    for line in body:
        lines.append(text([line[0] or "\\"] + line[1:-1] + [line[-1] or "\\"]))
    return "\n".join(lines + [rule])


def document(path, kernel, rows, cells, info, plots):
    """Replace the figures of this kernel in the document."""
    text = ["", "Kernel %s, crc32c by ``%s``, a disk of %s." % tuple(
        info.get(k, "?") for k in ("kernel", "crc32c", "disk")), "", inode_sizes(cells), ""]
    for name, title in plots:
        text += [".. figure:: performance/%s" % name, "   :alt: %s" % title, ""]
    for title, part in sections(rows):
        text += [title, "~" * len(title), "", rst_table(part), ""]
    begin, finish = ".. begin %s" % kernel, ".. end %s" % kernel
    with open(path, encoding="utf-8") as f:
        old = f.read()
    if begin not in old or finish not in old:
        sys.exit("report: %s has no place for the kernel %s" % (path, kernel))
    head, _, rest = old.partition(begin + "\n")
    tail = rest.partition(finish + "\n")[2]
    with open(path, "w", encoding="utf-8") as f:
        f.write(head + begin + "\n" + "\n".join(text) + "\n" + finish + "\n" + tail)


def bar_groups(rows, sets, wanted):
    """Labels and values of the bars: one group of bars a row."""
    groups = []
    for phase, unit in wanted:
        for r in rows:
            if r.phase == phase and r.unit == unit and fnmatch.fnmatchcase(r.set + " ", sets):
                m = re.search(r"len=(\d+)", r.set)
                label = phase.replace(".total", "")
                if m and r.set.startswith(("links", "io")):
                    label += " [%s]" % m[1]
                groups.append((label, r.values, r.goal))
                break
    return groups


def write_plots(directory, kernel, rows, cells):
    """Files and titles of the plots, written into the directory."""
    os.makedirs(directory, exist_ok=True)
    done = []

    def put(stem, title, svg):
        if svg:
            name = "%s-%s.svg" % (stem, kernel)
            with open(os.path.join(directory, name), "w", encoding="utf-8") as f:
                f.write(svg)
            done.append((name, title))

    for stem, title, sets, wanted, unit in (
            ("links", "Links: thousands of instructions", "links len=40 dir=same *",
             [(p, "insn") for p in ("symlink", "replace", "rm", "warm readlink", "warm stat")], 1e3),
            ("long-links", "Links with targets of 300 bytes: thousands of instructions",
             "links len=300 dir=same *",
             [(p, "insn") for p in ("symlink", "replace", "rm", "warm readlink", "warm stat")], 1e3),
            ("hard-links", "Hard links: thousands of instructions", "hard *",
             [(p, "insn") for p in ("link", "unlink")], 1e3),
            ("io", "Links with targets of 40 bytes: bytes for each", "io len=40 *",
             [("symlink.total", "written"), ("cold readlink", "read"), ("space", "bytes")], 1),
            ("trees", "Part of a kernel's source: thousands of instructions for each file",
             "command *", [(p + ".total", "insn") for p in (
                 "untar", "cp -al", "rsync --link-dest", "cp -as", "read all", "rm -rf")], 1e3)):
        groups = bar_groups(rows, sets, wanted)
        put(stem, title, plot.bars(title, groups, PEERS, unit))
    for stem, phase in (("growth-create", "symlink"), ("growth-unlink", "unlink at random")):
        curves = collections.OrderedDict()
        for (setting, p, unit), values in cells.items():
            m = re.search(r"entries=(\d+)", setting)
            if m and p == phase and unit == "insn":
                for peer in PEERS:
                    if peer in values:
                        curves.setdefault(peer, []).append((int(m[1]), values[peer] / 1e3))
        title = "%s in a directory that grows: thousands of instructions" % phase
        put(stem, title, plot.curves(title, curves, "entries"))
    return done


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--json")
    p.add_argument("--plots")
    p.add_argument("--document")
    p.add_argument("result", nargs="+")
    args = p.parse_args()
    cells, info, notes = load(args.result)
    rows = rows_of(cells)
    kernel = ".".join(info.get("kernel", "0.0").split(".")[:2])
    if args.json:
        write_json(args.json, rows, cells, info, notes)
    plots = []
    if args.document and not args.plots:
        args.plots = os.path.join(os.path.dirname(args.document), "performance")
    if args.plots:
        plots = write_plots(args.plots, kernel, rows, cells)
    if args.document:
        document(args.document, kernel, rows, cells, info, plots)
    print_tables(rows, cells, info, notes, sys.stdout)
    sys.exit(0 if cells else 1)


main()
