// SPDX-License-Identifier: GPL-2.0
/*
 * The kept inputs of the fuzzer, without the fuzzer: each line of a file is one, in
 * hexadecimal, and gets a process of its own. Prints TAP.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzzer.h"

#define SECONDS	60

static u8 data[65536];

/* Bytes of a line, 0: it is empty or a comment. */
static size_t decode(const char *line)
{
	unsigned int byte;
	size_t len = 0;

	while (len < sizeof(data) && sscanf(line + 2 * len, "%2x", &byte) == 1)
		data[len++] = (u8)byte;
	return *line == '#' ? 0 : len;
}

static bool run(size_t len)
{
	const char *slow = getenv("LNKFS_SLOW");
	int status, null;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		alarm(SECONDS * (slow && atoi(slow) > 0 ? (unsigned int)atoi(slow) : 1));
		null = open("/dev/null", O_WRONLY);
		if (dup2(null, 1) < 0)
			_exit(2);
		LLVMFuzzerTestOneInput(data, len);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

int main(int argc, char **argv)
{
	u32 nr = 0, inputs = 0, failed = 0;
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
	char *line = NULL;
	size_t size = 0;

	if (!f)
		die("usage: replay FILE");
	for (nr = 0; nr < nr_recipes; nr++)
		case_volume_nr(nr);
	for (nr = 1; getline(&line, &size, f) > 0; nr++) {
		size_t len = decode(line);

		if (!len)
			continue;
		inputs++;
		if (run(len))
			continue;
		printf("# line %u fails\n", nr);
		failed++;
	}
	printf("TAP version 13\n1..1\n%sok 1 - %u kept inputs of the fuzzer, %u failures\n",
	       failed || !inputs ? "not " : "", inputs, failed);
	return failed || !inputs;
}
