#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Does Documentation/features.rst promise nothing that no test proves?

Every row of its tables ends in a cell for lnkfs. That cell names tests, each a
file in tests/ and perhaps a case in it; or it says "no", with an entry of the
roadmap, or nothing where ext4 says no as well. TAP on standard output.
"""

import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DOC = os.path.join(TOP, "Documentation", "features.rst")
ROADMAP = os.path.join(TOP, "Documentation", "roadmap.rst")


def tables(lines):
    """Each simple table of five columns, as rows of cells."""
    rows, borders, columns = [], 0, []
    for line in lines:
        if re.fullmatch(r"=+( +=+)+", line):
            borders += 1
            columns = [m.start() for m in re.finditer(r"=+", line)]
            if borders == 3:
                if len(columns) == 5:
                    yield rows
                rows, borders = [], 0
        elif borders == 2:
            ends = columns[1:] + [None]
            cells = [line[a:b].strip() for a, b in zip(columns, ends)]
            # a line with nothing about ext4 goes on with the row above
            if cells[1]:
                rows.append(cells)
            else:
                rows[-1] = [(a + " " + b).strip() for a, b in zip(rows[-1], cells)]


def all_tests():
    """Paths by the names that the page may give them."""
    found = {}
    for where, dirs, files in os.walk(os.path.join(TOP, "tests")):
        dirs.sort()
        for name in files:
            path = os.path.join(where, name)
            found.setdefault(name, []).append(path)
            found.setdefault(os.path.basename(where) + "/" + name, []).append(path)
    return found


def has_case(path, case):
    """A case of the harness, a function, or a word of a script."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if path.endswith(".c"):
        return re.search(r"^TEST(_F)?\((\w+, )?%s\)|^[\w *]+\b%s\(" % (case, case), text, re.M)
    return re.search(r"\b%s\b" % re.escape(case), text)


def faults(row, tests, roadmap):
    """What is wrong with the row, as texts."""
    cell = row[4]
    named = re.findall(r"``([\w./-]+\.(?:c|sh|py)|\w+/run)(?:: (\w+))?``", cell)
    if cell.startswith("no"):
        planned = re.search(r"\(roadmap: ([^)]*)\)", cell)
        if not planned:
            if row[1] != "no":
                yield "ext4 has it, and no entry of the roadmap is named"
        elif not all(w.strip().lower() in roadmap for w in planned[1].split(",")):
            yield "roadmap.rst does not have '%s'" % planned[1]
    elif not named:
        yield "no test is named"
    for name, case in named:
        if name not in tests:
            yield "no test %s" % name
        elif case and not any(has_case(p, case) for p in tests[name]):
            yield "no case %s in %s" % (case, name)


def main():
    with open(DOC, encoding="utf-8") as f:
        rows = [row for table in tables(f.read().splitlines()) for row in table]
    with open(ROADMAP, encoding="utf-8") as f:
        roadmap = re.sub(r"\s+", " ", f.read().lower())
    tests = all_tests()
    failed = 0
    for n, row in enumerate(rows, 1):
        bad = list(faults(row, tests, roadmap))
        for text in bad:
            print("# %s: %s" % (row[0], text))
        failed += bool(bad)
        print("%s %d - %s" % ("not ok" if bad else "ok", n, row[0]))
    print("1..%d" % len(rows))
    # a page whose tables are not found proves nothing
    return 1 if failed or len(rows) < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
