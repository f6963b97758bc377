// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU (its interface, version 1, is declared here: Debian has no header):
 * how many instructions the guest executes in each block of code, between two marks.
 *
 * A mark is a no-op with a certain displacement (see mark() in measure.c). The first kind
 * sets all counters to zero, the second appends them to the file given with out=FILE:
 * "= number", then "address instructions" of each block in use. One processor only.
 *
 * With callers=ADDRESS, of a function, what is counted is not instructions, but how often
 * each block went over to that function. With whole=ADDRESS:ADDRESS... it is the
 * instructions of these functions with all that they call, "address instructions calls".
 * Functions that are reached by a jump (tail calls) cannot be seen that way.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
		void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *ptr,
		uint64_t imm);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
		void (*cb)(unsigned int cpu, void *data), int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
		void (*cb)(unsigned int cpu, void *data), int flags, void *data);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
			       char **argv);

#define SLOTS (1u << 20)

static struct {
	uint64_t address, count;
} slots[SLOTS];
static unsigned int used;
static unsigned int marks;
static FILE *out;
static uint64_t callee;

struct block {
	uint64_t start, end;
	uint64_t insns;
};

static struct block nowhere;
static struct block *last = &nowhere;	/* executed last */

/* Functions whose calls are measured as a whole. */
static struct {
	uint64_t address;
	uint64_t back;			/* where the call returns to, 0: not in it */
	uint64_t since;			/* what had been executed then */
	uint64_t insns, calls;
} whole[64];
static unsigned int wholes;
static uint64_t executed_insns;

static const uint8_t mark[] = { 0x0f, 0x1f, 0x80, 'L', 'N', 'K' };

/* The counter of the block at @address; all of userspace has one. */
static uint64_t *slot_of(uint64_t address)
{
	unsigned int i;

	if (!(address >> 63))
		address = 1;
	i = (address * 0x9e3779b97f4a7c15ULL) >> 44;
	while (slots[i].address && slots[i].address != address)
		i = (i + 1) % SLOTS;
	if (!slots[i].address && used < SLOTS / 2) {
		slots[i].address = address;
		used++;
	}
	return &slots[i].count;
}

static void marked(unsigned int cpu, void *data)
{
	unsigned int i;

	(void)cpu;
	if (data) {
		fprintf(out, "= %u\n", ++marks);
		for (i = 0; i < SLOTS; i++)
			if (slots[i].count)
				fprintf(out, "%" PRIx64 " %" PRIu64 "\n", slots[i].address,
					slots[i].count);
		for (i = 0; i < wholes; i++)
			fprintf(out, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", whole[i].address,
				whole[i].insns, whole[i].calls);
		fflush(out);
		return;
	}
	for (i = 0; i < wholes; i++)
		whole[i].insns = whole[i].calls = 0;
	for (i = 0; i < SLOTS; i++)
		slots[i].count = 0;
}

/* With callers=: a block is executed. */
static void executed(unsigned int cpu, void *data)
{
	struct block *b = data;

	(void)cpu;
	if (b->start == callee)
		++*slot_of(last->start);
	last = b;
}

/* With whole=: a block is executed. */
static void counted(unsigned int cpu, void *data)
{
	struct block *b = data;
	unsigned int i;

	(void)cpu;
	for (i = 0; i < wholes; i++) {
		if (whole[i].back == b->start) {
			whole[i].insns += executed_insns - whole[i].since;
			whole[i].calls++;
			whole[i].back = 0;
		} else if (whole[i].address == b->start && !whole[i].back) {
			whole[i].back = last->end;
			whole[i].since = executed_insns;
		}
	}
	executed_insns += b->insns;
	last = b;
}

static struct block *block_of(const struct qemu_plugin_tb *tb, size_t n)
{
	struct block *b = malloc(sizeof(*b));
	size_t i;

	if (!b)
		abort();
	b->start = qemu_plugin_tb_vaddr(tb);
	b->end = b->start;
	b->insns = n;
	for (i = 0; i < n; i++)
		b->end += qemu_plugin_insn_size(qemu_plugin_tb_get_insn(tb, i));
	return b;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;

	(void)id;
	if (callee)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block_of(tb, n));
	else if (wholes)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, counted, 0, block_of(tb, n));
	else
		qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, slot_of(qemu_plugin_tb_vaddr(tb)), n);
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *bytes = qemu_plugin_insn_data(insn);

		if (qemu_plugin_insn_size(insn) == 7 && !memcmp(bytes, mark, sizeof(mark)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, 0,
							       bytes[6] == 2 ? slots : NULL);
	}
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	char *p;
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "callers=", 8))
			callee = strtoull(argv[i] + 8, NULL, 16);
		else if (!strncmp(argv[i], "whole=", 6))
			for (p = argv[i] + 5; *p && wholes < 64; wholes++)
				whole[wholes].address = strtoull(p + 1, &p, 16);
	}
	if (!out) {
		fputs("icount: no file to write to (out=FILE)\n", stderr);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
