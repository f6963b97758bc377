#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Does Documentation/troubleshooting.rst have every message of the module?

Those of fs/*.[ch], and the reasons that fs/core/super.c and fs/journal_dev.c give, stand
there as literals, with anything in place of what varies. TAP on standard output.
"""

import glob
import os
import re
import sys

from tap import finish, result

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
STRINGS = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def joined(strings):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', strings))


def messages():
    """Formats, without the prefix that all of them have."""
    for path in sorted(glob.glob(os.path.join(TOP, "fs/*.[ch]"))):
        text = read(path)
        for m in re.finditer(r"\b(?:pr_(?:err|warn|notice|info)\w*\(|(?:inval|error|warn|info)f\(\w+,)"
                             r"\s*" + STRINGS, text):
            yield re.sub(r"^lnkfs( \(%s\))?: |\\n$", "", joined(m[1]))


def reasons():
    """What stands in the place of a %s."""
    for path in ("fs/core/super.c", "fs/journal_dev.c"):
        yield from re.findall(r'\b(?:return|\*?why =) "([^"]+)"', read(path))
    for m in re.finditer(r'lnkfs_stop\(\w+, "([^"]*)"', read("fs/ioctl.c")):
        yield "shut down" + m[1]
    yield from re.findall(r'-EIO, 0, 0, "(.*)"\)', read("fs/journal.c"))


def pattern(fmt):
    """A regular expression for what a format can print."""
    parts = re.split(r"%p[gV]|%#?(?:ll|l|z)?[sdux]", fmt)
    return ".*".join(map(re.escape, parts))


def main():
    page = read("Documentation/troubleshooting.rst")
    told = {re.sub(r"\s+", " ", t) for t in re.findall(r"``(.+?)``", page, re.S)}
    found = list(messages())
    for fmt in sorted(set(found)):
        if fmt == "%s":
            continue
        result(any(re.fullmatch(pattern(fmt), t) for t in told), "message: " + fmt)
    for text in sorted(set(reasons())):
        result(any(t == text or t.endswith(": " + text) for t in told), "reason: " + text)
    # a search that finds nothing proves nothing
    result(len(found) > 40, "there are messages", len(found))
    return finish()


if __name__ == "__main__":
    sys.exit(main())
