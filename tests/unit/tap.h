/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test output in TAP: a test program is a list of functions, each one test.
 */
#ifndef LNKFS_TAP_H
#define LNKFS_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int tap_failed;

/* Prints why and fails the running test; the test goes on. */
#define CHECK(cond) tap_check(!!(cond), __FILE__, __LINE__, #cond)

/* Like CHECK(), but ends the program: for what nothing after makes sense without. */
#define REQUIRE(cond)							\
	do {								\
		if (!CHECK(cond))					\
			tap_bail(__FILE__, __LINE__);			\
	} while (0)

#define CHECK_EQ(a, b)							\
	tap_check_eq((long long)(a), (long long)(b), __FILE__, __LINE__, #a, #b)

static inline int tap_check(int ok, const char *file, int line, const char *text)
{
	if (!ok) {
		printf("# %s:%d: failed: %s\n", file, line, text);
		tap_failed = 1;
	}
	return ok;
}

static inline int tap_check_eq(long long a, long long b, const char *file, int line,
			       const char *ta, const char *tb)
{
	if (a != b) {
		printf("# %s:%d: failed: %s == %s: %lld, %lld\n", file, line, ta, tb, a, b);
		tap_failed = 1;
	}
	return a == b;
}

static inline void __attribute__((noreturn)) tap_bail(const char *file, int line)
{
	printf("Bail out! %s:%d\n", file, line);
	fflush(stdout);
	exit(1);
}

struct tap_test {
	const char *name;
	void (*run)(void);
};

static inline int tap_main(const struct tap_test *tests, int count)
{
	int i, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%d\n", count);
	for (i = 0; i < count; i++) {
		tap_failed = 0;
		tests[i].run();
		printf("%sok %d - %s\n", tap_failed ? "not " : "", i + 1, tests[i].name);
		bad |= tap_failed;
	}
	return bad;
}

#define TAP_MAIN(tests)	int main(void) { return tap_main(tests, (int)(sizeof(tests) / sizeof((tests)[0]))); }

#endif /* LNKFS_TAP_H */
