/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names and other bytes of unknown origin, as text and as JSON.
 */
#ifndef LNKCTL_TEXT_H
#define LNKCTL_TEXT_H

#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

void text_word(FILE *out, const char *name);
void text_message(FILE *out, const char *name);
void text_complain(const char *program, const char *what, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
void text_json(FILE *out, const void *bytes, size_t size);
void text_mode(mode_t mode, char buf[11]);

#endif /* LNKCTL_TEXT_H */
