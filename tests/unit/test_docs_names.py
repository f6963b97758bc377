#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Is there what the documents name?

In Documentation/*.rst and the *.md files at the top: files and directories, targets of
make and tests, functions, sections of other documents, manual pages, and the documents
in the index; and no row of a table is torn apart. What is made by a build (build/...), and what is on somebody's system
(/...), is not looked for. TAP on standard output.
"""

import glob
import os
import re
import subprocess
import sys

from tap import finish, result

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DOCS = sorted(glob.glob(os.path.join(TOP, "Documentation/*.rst")) +
              glob.glob(os.path.join(TOP, "*.md")))
# The placeholders in `tests/NAME/run`, which stand for any name.
PLACEHOLDER = re.compile(r"(?<![\w])[A-Z]{2,}(?![\w])")
SUFFIXES = "c|h|sh|py|rst|md|tab|fio|svg|rules|in|S"


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def all_files():
    """Every file and directory of the repository, relative to its top."""
    found = set()
    for where, dirs, files in os.walk(TOP):
        if where == TOP:
            dirs[:] = [d for d in dirs if d not in ("build", ".git")]
        for name in dirs + files:
            found.add(os.path.relpath(os.path.join(where, name), TOP))
    return found


FILES = all_files()
BASENAMES = {os.path.basename(f) for f in FILES}
TOPS = {f for f in FILES if "/" not in f and os.path.isdir(os.path.join(TOP, f))}


def is_markdown(text):
    return text.startswith(("#", "<!--"))


def literals(text):
    if is_markdown(text):
        text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M).replace("`", "``")
    return [re.sub(r"\s+", " ", m) for m in re.findall(r"``(.+?)``", text, re.S)]


def blocks(text):
    """Lines of the literal blocks, and in Markdown of the fenced and the indented ones."""
    inside = indent = None
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if line.startswith("```"):
            inside, indent = ("fence" if inside != "fence" else None), 0
        elif inside == "fence":
            yield line.strip()
        elif line.strip() and inside and depth > indent:
            yield line.strip()
        elif line.strip():
            markdown = is_markdown(text)
            inside = "block" if markdown or re.search(r"::( none)?$", line) else None
            indent = 3 if markdown else depth


def is_there(name):
    """A path from the top, or a name or the end of a path anywhere; * is any text."""
    if "*" in name or PLACEHOLDER.search(name):
        pattern = re.escape(PLACEHOLDER.sub("*", name)).replace(r"\*", "[^/]*")
        return any(re.fullmatch("(.*/)?" + pattern, f) for f in FILES)
    name = os.path.normpath(name)
    return name in FILES or name in BASENAMES or any(f.endswith("/" + name) for f in FILES)


def named_files(text):
    """Literals, first words of commands, and links that are to be files of ours."""
    for literal in literals(text):
        word = literal.split(" ")[0].rstrip(":,")
        if re.match(r"(%s)/" % "|".join(sorted(map(re.escape, TOPS))), word):
            yield word
        elif re.fullmatch(r"[\w.*-]+\.(%s)" % SUFFIXES, literal):
            yield literal
    for line in blocks(text):
        for word in re.findall(r"(?<![\w./-])((?:tests|tools|fs|Documentation)/[\w./*-]+)", line):
            yield word.rstrip(".")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        yield target


def test_files(doc, text):
    gone = sorted({n for n in named_files(text) if not is_there(n)})
    result(not gone, doc + ": the files are there", gone)


def makefile_targets(path):
    names = set()
    for line in read(path).splitlines():
        m = re.match(r"([^\s#=:][^#=:]*):(?!=)", line)
        names |= set(m[1].split() if m else [])
    return names


def make_commands(text):
    """(directory, targets) of every command of make in the text."""
    places = literals(text) + list(blocks(text))
    for place in places:
        place = re.sub(r"'[^']*'|\"[^\"]*\"", "Q", place)
        for command in re.split(r"&&|;|\|\|?|#", place):
            m = re.match(r"(?:[A-Z_]+=\S* )*(?:sudo |\$ )?make(?: |$)(.*)", command.strip())
            if not m:
                continue
            where, targets, words = "", [], m[1].split()
            while words:
                word = words.pop(0)
                if word == "-C":
                    where = words.pop(0)
                elif word.startswith("-") or "=" in word or word in ("...", ">"):
                    continue
                else:
                    targets.append(word.rstrip(".,:"))
            yield where, targets


def test_make(doc, text):
    bad = []
    for where, targets in make_commands(text):
        path = os.path.join(TOP, where, "Makefile")
        if where.startswith("/"):
            continue
        if not os.path.exists(path):
            bad.append("no " + os.path.join(where, "Makefile"))
            continue
        known = makefile_targets(path)
        for target in targets:
            patterns = [k for k in known if "%" in k]
            target = PLACEHOLDER.sub("x", target)
            if target not in known and not any(
                    re.fullmatch(re.escape(p).replace("%", ".+"), target) for p in patterns):
                bad.append("no target '%s' in '%s'" % (target, os.path.join(where, "Makefile")))
    result(not bad, doc + ": make knows the targets", sorted(set(bad)))


def titles(text):
    return {a for a, b in zip(text.splitlines(), text.splitlines()[1:])
            if a.strip() and re.fullmatch(r"([=\-~^])\1{2,}", b)}


def test_sections(doc, text):
    """"Repair" in ``design.rst``, ``testing.rst`` ... under "Security"."""
    bad = []
    flat = re.sub(r"\s+", " ", text)
    named = re.findall(r'"([^"]+)",? in ``([\w-]+\.rst)``', flat)
    named += [(t, d) for d, t in re.findall(r'``([\w-]+\.rst)``[^."]* under "([^"]+)"', flat)]
    for title, other in named:
        path = os.path.join(TOP, "Documentation", other)
        if not os.path.exists(path) or title not in titles(read(path)):
            bad.append('no section "%s" in %s' % (title, other))
    result(not bad, doc + ": the sections that it names are there", bad)


def test_functions(doc, text):
    """lnkfs_foo() is in the sources."""
    named = {m for m in re.findall(r"``((?:LNKFS|lnkfs|lnk)_\w+?)(?:\(\))?``", text)
             if not m.endswith("_")}
    gone = sorted(n for n in named if not re.search(r"\b%s\b" % n, SOURCES))
    result(not gone, doc + ": functions and constants are there", gone)


def test_pages(doc, text):
    named = set(re.findall(r"\b([\w.-]*lnk[\w.-]*)\((\d)\)", text))
    gone = sorted("%s(%s)" % n for n in named if "%s.%s" % n not in BASENAMES)
    result(not gone, doc + ": the manual pages are there", gone)


def test_tables(doc, text):
    """A line with text in the first column only is no row: a first column cannot be folded."""
    torn, columns, lines = [], None, text.splitlines()
    for number, line in enumerate(lines, 1):
        if re.fullmatch(r"=+( +=+)+", line):
            columns = [m.start() for m in re.finditer(r"=+", line)]
        elif not line.strip() or columns and lines[number - 2].strip() == "":
            columns = None
        elif columns and line[:columns[1]].strip() and not line[columns[1]:].strip():
            torn.append("line %d: %s" % (number, line))
    result(not torn, doc + ": tables have whole rows", torn)


def test_index():
    """Every document is told of in the index, and in its table of contents."""
    text = read(os.path.join(TOP, "Documentation/index.rst"))
    for doc in DOCS:
        name = os.path.basename(doc)
        if name == "index.rst" or not name.endswith(".rst"):
            continue
        result("``%s``" % name in text and re.search(r"^   %s$" % name[:-4], text, re.M),
               "index.rst has " + name)


def test_help():
    """"make help" tells the targets that somebody may call, and no others."""
    got = subprocess.run(["make", "-s", "--no-print-directory", "-C", TOP, "help"], text=True,
                         stdout=subprocess.PIPE, check=False, env={**os.environ, "MAKEFLAGS": ""})
    told = {line.split()[0] for line in got.stdout.splitlines() if line.strip()}
    makefile = read(os.path.join(TOP, "Makefile"))
    phony = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", makefile, re.M)
    phony = set(" ".join(phony).replace("\\", " ").split())
    hidden = {"help", "run-says", "sphinx", "clean-docs"}
    result(told and told == phony - hidden, "make help has the targets", told ^ (phony - hidden))


def sources():
    """Programs, module, tests and scripts, as one text."""
    return "\n".join(read(os.path.join(TOP, f)) for f in sorted(FILES)
                     if f.startswith(("fs/", "tools/", "tests/", "Makefile")) and
                     (f.endswith((".c", ".h", ".sh")) or "." not in os.path.basename(f)) and
                     os.path.isfile(os.path.join(TOP, f)))


SOURCES = sources()


def main():
    for doc in DOCS:
        text = read(doc)
        name = os.path.relpath(doc, TOP)
        for test in (test_files, test_make, test_sections, test_functions, test_pages, test_tables):
            test(name, text)
    test_index()
    test_help()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
