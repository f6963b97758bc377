# SPDX-License-Identifier: GPL-2.0
"""Results for the tests written in Python."""

count = 0
failed = 0


def result(good, name, *notes):
    """A case; what explains a failure is printed with one."""
    global count, failed
    count += 1
    failed += not good
    for note in notes if not good else []:
        print("# " + str(note).strip().replace("\n", "\n# "))
    print("%s %d - %s" % ("ok" if good else "not ok", count, name))


def skip(name, why):
    """A case that cannot be tried here."""
    global count
    count += 1
    print("ok %d - %s # SKIP %s" % (count, name, why))


def finish():
    """The plan. Returns the exit status."""
    print("1..%d" % count)
    return bool(failed)
