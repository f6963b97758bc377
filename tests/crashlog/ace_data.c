// SPDX-License-Identifier: GPL-2.0
/*
 * What the data of a file may be after a crash: promises DATA, GROW, TRUNCATE and ALLOC
 * of crash-guarantees.rst.
 */
#include "ace_data.h"

void ace_data_init(struct ace_data *d, u32 seq, u32 unit)
{
	memset(d, 0, sizeof(*d));
	d->seq = seq;
	d->unit = unit;
	d->nr_size = 1;
}

static void set_range(struct ace_data *d, u64 from, u64 to, u32 bits)
{
	for (; from < min_t(u64, to, ACE_SIZE); from++)
		d->from[from] = bits;
}

static void add_range(struct ace_data *d, u64 from, u64 to, u32 bits)
{
	for (; from < min_t(u64, to, ACE_SIZE); from++)
		d->from[from] |= bits;
}

static void only_size(struct ace_data *d, u64 size)
{
	d->size[0] = size;
	d->nr_size = 1;
	d->low = size;
	d->high = size;
	d->now = size;
}

static void also_size(struct ace_data *d, u64 size)
{
	if (d->nr_size < ACE_SIZES)
		d->size[d->nr_size++] = size;
	d->high = size;
	d->now = size;
}

static u64 block_up(const struct ace_data *d, u64 at)
{
	return (at + d->unit - 1) / d->unit * d->unit;
}

static u64 block_down(const struct ace_data *d, u64 at)
{
	return at / d->unit * d->unit;
}

static void least_size(struct ace_data *d, u64 size)
{
	u32 i, n = 0;

	for (i = 0; i < d->nr_size; i++)
		if (d->size[i] >= size)
			d->size[n++] = d->size[i];
	d->nr_size = n;
	if (d->low < size)
		d->low = size;
}

/* Bytes past the end read as zeroes once the file has grown over them. */
static void data_write(struct ace_data *d, const struct ace_step *s, u32 bit, enum ace_when when)
{
	u64 end = s->off + s->len;

	if (when == ACE_LATER) {
		add_range(d, s->off, end, bit);
		return;
	}
	if (end > d->now) {
		set_range(d, d->now, end, ACE_ZERO_BIT);
		also_size(d, end);
	}
	if (when == ACE_DURABLE) {
		set_range(d, s->off, end, bit);
		least_size(d, end);
	} else {
		add_range(d, s->off, end, bit);
	}
}

static void data_truncate(struct ace_data *d, u64 size, enum ace_when when)
{
	if (when == ACE_LATER) {
		/* What is past the new end in its block has been zeroed before. */
		if (size < d->now)
			add_range(d, size, block_up(d, size), ACE_ZERO_BIT);
		return;
	}
	set_range(d, min_t(u64, size, d->now), ACE_SIZE, ACE_ZERO_BIT);
	only_size(d, size);
}

/* A range that becomes zero: whole blocks in the record, the rest as if written. */
static void data_zero(struct ace_data *d, const struct ace_step *s, enum ace_when when)
{
	u64 end = s->off + s->len;

	if (s->code == ACE_PUNCH && end >= d->now)
		end = block_up(d, end);
	if (when == ACE_DURABLE) {
		set_range(d, s->off, end, ACE_ZERO_BIT);
		return;
	}
	add_range(d, s->off, end, ACE_ZERO_BIT);
	if (when == ACE_DONE)
		set_range(d, block_up(d, s->off), block_down(d, end), ACE_ZERO_BIT);
}

/* The file has room to @end now: the size follows, with the data up to the old one. */
static void data_extend(struct ace_data *d, u64 end, enum ace_when when)
{
	if (end > d->now && when != ACE_LATER) {
		set_range(d, d->now, end, ACE_ZERO_BIT);
		only_size(d, end);
	}
}

/**
 * ace_data_step() - one more step that is about the file
 * @d: the file
 * @s: the step; those that are not about data do nothing
 * @index: its place in the sequence
 * @when: how much of it the disk has
 */
void ace_data_step(struct ace_data *d, const struct ace_step *s, u32 index, enum ace_when when)
{
	switch (s->code) {
	case ACE_TRUNCATE:
		data_truncate(d, s->off, when);
		break;
	case ACE_PUNCH:
		data_zero(d, s, when);
		break;
	case ACE_ZERO:
		data_zero(d, s, when);
		data_extend(d, s->off + s->len, when);
		break;
	case ACE_FALLOC:
		data_extend(d, s->off + s->len, when);
		break;
	default:
		if (ace_is_write(s->code))
			data_write(d, s, 1u << index, when);
		break;
	}
}

/**
 * ace_data_size_ok() - may the file have a size?
 * @d: the file
 * @size: the size
 */
bool ace_data_size_ok(const struct ace_data *d, u64 size)
{
	u32 i;

	for (i = 0; i < d->nr_size; i++)
		if (d->size[i] == size)
			return true;
	return size % d->unit == 0 && size > d->low && size < d->high;
}

/**
 * ace_data_check() - look for a byte that cannot be there
 * @d: the file
 * @data: its bytes
 * @size: its size
 *
 * Return: where the first one is; @size: nowhere.
 */
u64 ace_data_check(const struct ace_data *d, const u8 *data, u64 size)
{
	static u8 ok[ACE_SIZE], want[ACE_SIZE];
	u32 used = 0, step;
	u64 i;

	size = min_t(u64, size, ACE_SIZE);
	for (i = 0; i < size; i++) {
		used |= d->from[i];
		/* Nothing was ever written here. */
		ok[i] = !data[i] && (d->from[i] & ACE_ZERO_BIT || !d->from[i]);
	}
	for (step = 0; step < ACE_STEPS; step++) {
		if (!(used & 1u << step))
			continue;
		ace_fill(want, d->seq, step, 0, size);
		for (i = 0; i < size; i++)
			ok[i] |= d->from[i] >> step & 1 && data[i] == want[i];
	}
	for (i = 0; i < size && ok[i]; i++)
		;
	return i;
}
