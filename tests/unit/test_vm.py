#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which guests tests/vm/run boots again, and what it makes of the others.

Its guests are made up here: what their consoles have and how they ended. TAP.
"""

import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import types

from tap import finish, result

VM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vm")
sys.path.insert(0, VM)
loader = importlib.machinery.SourceFileLoader("vmrun", os.path.join(VM, "run"))
vmrun = importlib.util.module_from_spec(importlib.util.spec_from_loader("vmrun", loader))
loader.exec_module(vmrun)

PANIC = "[    4.2] Kernel panic - not syncing: Fatal exception in interrupt"
FINE = "[    1.0] Linux version"
START = "[    5.0] " + vmrun.STARTS
WARNING = "[    6.0] WARNING: CPU: 0 PID: 76 at fs/x.c:734 elsewhere+0x1a3/0x270"


def ended(*lines, status=None, why=None, qemu=0):
    """A guest that has ended, and the lines of its console."""
    return types.SimpleNamespace(status=status, ended=why,
                                 proc=types.SimpleNamespace(returncode=qemu)), list(lines)


def run(*guests, expect_panic=None, excuse=None):
    """The status, how many guests were booted, which logs there are."""
    args = types.SimpleNamespace(kernel="x", log=None, output=None, verbose=True, timeout=1,
                                 expect_panic=expect_panic, excuse=excuse)
    todo = list(guests)
    vmrun.guest.Kernel = lambda name: types.SimpleNamespace(name=name)
    vmrun.guest.base = lambda kernel: (None, None)
    vmrun.pack_run = lambda *a: None
    vmrun.boot = lambda *a: todo.pop(0)
    with tempfile.TemporaryDirectory() as work:
        args.log = os.path.join(work, "log")
        stderr, sys.stderr = sys.stderr, open(os.devnull, "w", encoding="utf-8")
        try:
            status = vmrun.run(args, work)
        finally:
            sys.stderr.close()
            sys.stderr = stderr
        return status, len(guests) - len(todo), sorted(os.listdir(work))


good = ended(FINE, START, status=0)
fell = ended(FINE, PANIC)

got = run(good, fell)
result(got == (0, 1, ["log"]), "a guest that does its work runs once", got)
got = run(fell, good, good)
result(got == (0, 2, ["log", "log.boot1"]), "one whose kernel falls over in its boot runs again", got)
got = run(ended(FINE, qemu=-6), good)
result(got == (0, 2, ["log", "log.boot1"]), "and one whose QEMU crashed then", got)
got = run(fell, ended(FINE, START, status=3))
result(got == (3, 2, ["log", "log.boot1"]), "the status is that of the one that ran", got)
got = run(fell, fell, fell, good)
result(got == (99, 3, ["log", "log.boot1", "log.boot2"]), "three such are one too many", got)
for name, vm, status in (
        ("panics once the command has started", ended(FINE, START, PANIC), 99),
        ("complains and goes on", ended(FINE, PANIC, START, status=0), 99),
        ("says a status and panics", ended(FINE, PANIC, status=0), 99),
        ("ends without a word in its boot", ended(FINE), 98),
        ("ends without a word later", ended(FINE, START), 98),
        ("hangs", ended(FINE, why=vmrun.TIMEOUT), 124),
        ("panics when its time is up", ended(FINE, PANIC, why=vmrun.TIMEOUT), 99)):
    got = run(vm, good)
    result(got == (status, 1, ["log"]), "one that %s runs once" % name, got)
got = run(ended(FINE, START, PANIC), good, expect_panic=vmrun.re.compile("Fatal"))
result(got == (0, 1, ["log"]), "one that panics as it should runs once", got)
for name, lines, status in (("that warning", (WARNING,), 0), ("no other", (WARNING, PANIC), 99)):
    got = run(ended(FINE, START, *lines, status=0), excuse=vmrun.re.compile(r"elsewhere\+"))
    result(got == (status, 1, ["log"]), "a warning is excused: " + name, got)
sys.exit(finish())
