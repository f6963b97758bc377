#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Do fs/lnkfs_format.h and Documentation/ondisk-format.rst agree?

Offsets and sizes come from the compiler, members and constants from the
header's text. TAP on standard output.
"""

import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HEADER = os.path.join(TOP, "fs", "lnkfs_format.h")
DOC = os.path.join(TOP, "Documentation", "ondisk-format.rst")


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def parse_header(text):
    """Structures: {name: [(member, flexible)]}; constants; other macros."""
    bare = without_comments(text).replace("\\\n", " ")
    structs = {}
    for m in re.finditer(r"^struct (\w+) \{(.*?)^\};", bare, re.S | re.M):
        members = []
        for decl in filter(None, (d.strip() for d in m[2].split(";"))):
            mm = re.fullmatch(r"(?:struct )?\w+\s+(\w+)(\[(\w*)\])?", decl)
            if not mm:
                sys.exit("cannot parse '%s' in struct %s" % (decl, m[1]))
            members.append((mm[1], mm[3] == ""))
        structs[m[1]] = members
    numbers, others = {}, set()
    for m in re.finditer(r"^#define[ \t]+(LNKFS_\w+)(\(?)(.*)$", bare, re.M):
        value = m[3].strip()
        if m[2] or not value:
            continue
        if re.fullmatch(r"0x[0-9a-f]+|\d+", value):
            numbers[m[1]] = int(value, 0)
        else:
            others.add(m[1])
    return structs, numbers, others


def header_offsets(text):
    """The offsets that the header's own comments give: {struct: [offset]}."""
    found = {}
    for m in re.finditer(r"^struct (\w+) \{(.*?)^\};", text, re.S | re.M):
        found[m[1]] = [int(x, 16) for x in
                       re.findall(r"^\t/\* ([0-9a-f]+) \*/\s+\w", m[2], re.M)]
    return found


def measure(structs):
    """What the compiler says: {struct: [(member, offset, size or 'rest')]}."""
    lines = ["#include <stddef.h>", "#include <stdio.h>", '#include "lnkfs_format.h"',
             "int main(void)", "{"]
    for name, members in structs.items():
        for member, flexible in members:
            size = "0UL" if flexible else "sizeof(((struct %s *)0)->%s)" % (name, member)
            lines.append('\tprintf("%%s %%s %%zu %%zu\\n", "%s", "%s", offsetof(struct %s, %s), '
                         "(size_t)%s);" % (name, member, name, member, size))
    lines += ["\treturn 0;", "}"]
    with tempfile.TemporaryDirectory() as tmp:
        prog = os.path.join(tmp, "offsets")
        with open(prog + ".c", "w") as f:
            f.write("\n".join(lines) + "\n")
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-I", os.path.dirname(HEADER),
                        "-o", prog, prog + ".c"], check=True)
        out = subprocess.run([prog], check=True, stdout=subprocess.PIPE, text=True).stdout
    result = {name: [] for name in structs}
    for line in out.splitlines():
        name, member, off, size = line.split()
        flexible = dict(structs[name])[member]
        result[name].append((member, int(off), "rest" if flexible else int(size)))
    return result


def parse_doc(text):
    """Tables of structures (as measure()) and of constants."""
    tables, numbers = {}, {}
    lines = text.splitlines()
    title = None
    for i, line in enumerate(lines):
        if re.fullmatch(r"[-=]{4,}", line) and i and len(lines[i - 1]) == len(line):
            m = re.fullmatch(r"struct (\w+)", lines[i - 1])
            title = m[1] if m else None
        m = re.match(r"0x([0-9a-f]+)\s+(\d+|rest)\s+(\w+)\s+\S", line)
        if m and title:
            size = m[2] if m[2] == "rest" else int(m[2])
            tables.setdefault(title, []).append((m[3], int(m[1], 16), size))
        m = re.match(r"(LNKFS_\w+)\s+(0x[0-9a-f]+|\d+)\s+\S", line)
        if m:
            numbers[m[1]] = int(m[2], 0)
    return tables, numbers


def differences(measured, numbers, others, text):
    """What the document says wrongly, as a list of sentences."""
    tables, doc_numbers = parse_doc(text)
    diff = []
    for name in sorted(measured.keys() | tables.keys()):
        if measured.get(name) != tables.get(name):
            want = set(measured.get(name) or [])
            have = set(tables.get(name) or [])
            diff.append("struct %s: header only %s, document only %s" %
                        (name, sorted(want - have), sorted(have - want)))
    for name in sorted(numbers.keys() | doc_numbers.keys()):
        if numbers.get(name) != doc_numbers.get(name):
            diff.append("%s: header %s, document %s" %
                        (name, numbers.get(name), doc_numbers.get(name)))
    for name in sorted(others):
        if not re.search(r"\b%s\b" % name, text):
            diff.append("%s is not mentioned" % name)
    return diff


def main():
    with open(HEADER) as f:
        header = f.read()
    with open(DOC) as f:
        doc = f.read()
    structs, numbers, others = parse_header(header)
    measured = measure(structs)
    results = []

    def check(name, problems):
        for problem in problems:
            print("# " + problem)
        results.append(not problems)
        print("%sok %d - %s" % ("not " if problems else "", len(results), name))

    print("TAP version 13")
    check("the header was understood",
          [] if len(structs) > 15 and len(numbers) > 50 and others else
          ["%d structures, %d constants" % (len(structs), len(numbers))])
    comments = header_offsets(header)
    check("the offsets in the header's comments are right",
          ["struct %s" % n for n in measured if comments[n] != [m[1] for m in measured[n]]])
    check("header and document agree", differences(measured, numbers, others, doc))
    # A comparison that finds nothing must be one that could have.
    for what, old, new in (
            ("a wrong offset", r"^0x90 ( +8 +s_root_ino)", r"0x98 \1"),
            ("a wrong size", r"^(0x20 +)16( +s_uuid)", r"\g<1>12\2"),
            ("a wrong name", r"\bbg_free_slots\b", "bg_slots_free"),
            ("a missing member", r"^0x20 .*bg_reserved.*\n", ""),
            ("a missing structure", r"^struct lnkfs_device$", "Device nodes again ...."),
            ("a wrong constant", r"^(LNKFS_NAME_LEN +)255", r"\g<1>254"),
            ("a missing constant", r"^LNKFS_SLOT_CONT .*\n", ""),
            ("a macro not mentioned", r"LNKFS_LF_ALL", "all")):
        broken, n = re.subn(old, new, doc, flags=re.M)
        check("%s is noticed" % what,
              [] if n and differences(measured, numbers, others, broken) else ["it is not"])
    print("1..%d" % len(results))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
