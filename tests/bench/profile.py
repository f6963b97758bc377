#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What icount.c counted, by function: profile.py LINES SAID COUNTS [FUNCTION].

SAID is what phases.c said (the n-th line "R" belongs to the n-th set of counts) and the
guest's /proc/kallsyms, each line with "K" and a tab before it. With a FUNCTION, what was
counted are its callers.
"""

import bisect
import collections
import re
import sys


def load_symbols(lines):
    found = []
    for line in lines:
        m = re.match(r"K\t([0-9a-f]+) [tTwW] (\S+)(?:\s+\[(\S+)\])?", line)
        if m:
            found.append((int(m[1], 16), m[2], m[3] or "kernel"))
    return sorted(found)


def main():
    most = int(sys.argv[1])
    what = "calls of %s" % sys.argv[4] if len(sys.argv) > 4 else "instructions"
    with open(sys.argv[2], encoding="utf-8", errors="replace") as f:
        said = f.readlines()
    symbols = load_symbols(said)
    starts = [s[0] for s in symbols]
    phases = [line.split("\t") for line in said if line.startswith("R\t")]
    counts, number = collections.defaultdict(dict), 0
    wholes = collections.defaultdict(list)
    with open(sys.argv[3], encoding="ascii") as f:
        for line in f:
            a, b, *calls = line.split()
            if a == "=":
                number = int(b)
            elif calls:
                wholes[number].append((int(a, 16), int(b), int(calls[0])))
            else:
                counts[number][int(a, 16)] = int(b)
    for i, words in enumerate(phases, 1):
        if words[3].endswith(".total"):
            continue
        ops = int(words[4])
        if wholes:
            print("\n%s %s: instructions with all that is called, calls" % (words[2], words[3]))
            for address, n, calls in sorted(wholes[i], key=lambda w: -w[1]):
                name = symbols[bisect.bisect_right(starts, address) - 1][1]
                print("  %9.1f  %7.2f  %s" % (n / ops, calls / ops, name))
            continue
        functions, parts = collections.Counter(), collections.Counter()
        for address, n in counts[i].items():
            at = bisect.bisect_right(starts, address) - 1
            if address == 1 or at < 0:
                name, part = "(userspace)", "userspace"
            else:
                name, part = symbols[at][1:]
            functions[name, part] += n
            parts[part] += n
        total = sum(functions.values()) or 1
        print("\n%s %s: %.4g %s each" % (words[2], words[3], total / ops, what))
        print("  " + ", ".join("%s %.0f" % (p, n / ops) for p, n in parts.most_common()))
        for (name, part), n in functions.most_common(most):
            print("  %9.2f  %5.1f%%  %s%s" % (n / ops, 100 * n / total, name,
                                            "" if part == "kernel" else " [%s]" % part))


main()
