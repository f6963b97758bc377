#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the programs say of themselves: --help, manual pages, completion in bash.

TAP on standard output; $TOOLS is the directory of the programs.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

from tap import finish, result

TOOLS = os.environ["TOOLS"]
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PAGES = [p for where in ("tools/*", "tools/*/*", "Documentation/man/*")
         for p in sorted(glob.glob(os.path.join(TOP, where + ".[1-8]")))]
# Programs with a table of options of their own; lnkctl's test is test_lnkctl.py.
PROGRAMS = ["mkfs.lnkfs", "fsck.lnkfs", "dump.lnkfs", "resize.lnkfs"]
LNKCTL = ["chmod", "chflags", "flags", "links", "ln", "map", "quota", "stat", "ls", "cat",
          "readlink", "cp"]


def run(*command, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, **kw)


def page_of(program):
    return next(p for p in PAGES if os.path.basename(p)[:-2] == program)


def test_help():
    for words in [[p] for p in PROGRAMS + ["lnkctl"]] + [["lnkctl", c] for c in LNKCTL]:
        got = run(os.path.join(TOOLS, words[0]), *words[1:], "--help")
        lines = got.stdout.splitlines()
        result(got.returncode == 0 and not got.stderr and lines and
               lines[0].startswith("usage: " + " ".join(words)) and len(lines) <= 24 and
               max(map(len, lines)) <= 80, " ".join(words) + " --help fits on a screen",
               got.returncode, got.stderr, got.stdout)


def parsed_options(program):
    """Those that the source takes: letters, and words with two dashes."""
    with open(os.path.join(TOP, "tools", program + ".c"), encoding="utf-8") as f:
        text = f.read()
    letters = re.search(r'getopt(?:_long)?\(argc, argv, "([^"]*)"', text)[1]
    longs = re.findall(r'^\t\t\{ "([\w-]+)", \w+, NULL,', text, re.M)
    return {"-" + c for c in letters if c.isalpha()} | {"--" + w for w in longs}


def named_options(text):
    return set(re.findall(r"(?<![\w-])(--[a-z][\w-]*|-[A-Za-z])(?![\w-])", text))


def test_options():
    """--help, the page and the completion name all options, and no other."""
    for program in PROGRAMS:
        takes = parsed_options(program)
        told = named_options(run(os.path.join(TOOLS, program), "--help").stdout)
        # of dump.lnkfs the usual two need not be told
        missing = {o for o in takes - told if o not in ("-h", "--help")}
        result(not missing and told <= takes, program + " --help names its options",
               missing, told - takes)
        with open(page_of(program), encoding="utf-8") as f:
            page = f.read().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
        section = page[page.index(".SH OPTIONS"):page.index(".SH EXIT STATUS")]
        heads = re.findall(r"^\.TP\n(.*)$", section, re.M)
        told = named_options(re.sub(r'[",]', " ", "\n".join(heads)))
        result(told == takes, "%s(8) has its options" % program, takes ^ told)


def complete(program, *words):
    script = r'''
        _init_completion() {
            words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD
            cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD - 1]}
        }
        _filedir() { :; }
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        fn=$(complete -p "$1" | sed 's/.*-F \([^ ]*\).*/\1/')
        "$fn" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"'''
    got = run("/bin/bash", "--norc", "-uc", script, "bash",
              os.path.join(TOP, "tools/completions", program), program, *words)
    return set(got.stdout.split()), got.stderr


def test_completion():
    for program in PROGRAMS:
        offered = complete(program, "-")[0]
        takes = parsed_options(program)
        # dump.lnkfs offers the long ones
        takes = {o for o in takes if o.startswith("--")} if "-V" not in offered else takes
        result(offered == takes, "completion knows the options of " + program, offered ^ takes)
    for words, expect in (
            (["mkfs.lnkfs", "--m"], "--minimize"), (["mkfs.lnkfs", "-b", ""], "1024 2048 4096"),
            (["mkfs.lnkfs", "-q", "-E", "e"], "errors="), (["mkfs.lnkfs", "-L", ""], ""),
            (["mkfs.lnkfs", "-o", "errors", "=", "r"], "remount-ro"),
            (["mkfs.lnkfs", "-o", "errors", "="], "continue remount-ro panic"),
            (["mkfs.lnkfs", "-o", "quota,ma"], "quota,max-links="),
            (["mkfs.lnkfs", "-o", "quota,quotatype", "=", "usrquota:p"], "usrquota:prjquota"),
            (["mkfs.lnkfs", "-J", "d"], "device="), (["mkfs.lnkfs", "-J", "device", "=", "/d"], ""),
            (["mkfs.lnkfs", "-O", "j"], "journal_dev"), (["mkfs.lnkfs", "-U", ""], "random"),
            (["mkfs.lnkfs", "/de"], ""), (["mkfs.lnkfs", ""], ""),
            (["fsck.lnkfs", "-C", ""], ""),
            (["fsck.lnkfs", "-b", ""], "32256 15872 7680"), (["fsck.lnkfs", "-b", "3"], "32256"),
            (["fsck.lnkfs", "/"], ""), (["dump.lnkfs", "image", "gr"], "groups"),
            (["dump.lnkfs", "--picture", "x", "--j"], "--json")):
        got, err = complete(*words)
        result(got == set(expect.split()) and not err, "completion of '%s'" % " ".join(words),
               got, err)


def test_mount_options():
    with open(os.path.join(TOP, "fs/options.c"), encoding="utf-8") as f:
        takes = set(re.findall(r'^\tfsparam_\w+\("(\w+)"', f.read(), re.M))
    with open(page_of("lnkfs"), encoding="utf-8") as f:
        page = f.read()
    section = page[page.index(".SH MOUNT OPTIONS"):page.index(".SH FINDING")]
    section = re.sub(r"\\f.", " ", section)
    missing = {o for o in takes if not re.search(r"\b%s\b" % o, section)}
    result(takes and not missing, "lnkfs(5) has the mount options", missing)


def test_lnkctl_page():
    with open(page_of("lnkctl"), encoding="utf-8") as f:
        page = named_options(re.sub(r"[][,]", " ", f.read().replace("\\-", "-")))
    for command in LNKCTL:
        told = named_options(run(os.path.join(TOOLS, "lnkctl"), command, "--help").stdout)
        result(told <= page, "lnkctl(1) has the options of " + command, told - page)


def test_pages():
    for page in PAGES:
        name = os.path.basename(page)
        for program, command in (
                ("mandoc", ["mandoc", "-T", "lint", "-W", "warning", page]),
                ("groff", ["groff", "-man", "-ww", "-t", "-T", "utf8", "-K", "utf8", "-z",
                           "-rLL=80n", page])):
            if not shutil.which(program):
                result(True, "%s: %s # SKIP not installed" % (name, program))
                continue
            got = run(*command)
            result(got.returncode == 0 and not got.stdout + got.stderr,
                   "%s: %s has nothing to say" % (name, program), got.stdout, got.stderr)
        with open(page, encoding="utf-8") as f:
            text = f.read()
        # pages of ours that are referred to exist
        others = set(re.findall(r"^\.BR ([\w.]*lnk[\w.-]*) \((\d)\)", text, re.M))
        gone = [o for o in others if not any(p.endswith("/%s.%s" % o) for p in PAGES)]
        result(not gone, name + ": the pages that it names are there", gone)


def main():
    for test in (test_help, test_options, test_completion, test_mount_options,
                 test_lnkctl_page, test_pages):
        print("# " + test.__name__)
        test()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
