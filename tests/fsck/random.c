// SPDX-License-Identifier: GPL-2.0
/*
 * Random numbers that can be repeated.
 */
#include "fscktest.h"

/**
 * power_random() - the next random number of a repeatable sequence
 * @at: where the sequence is
 */
u64 power_random(u64 *at)
{
	u64 z = (*at += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}
