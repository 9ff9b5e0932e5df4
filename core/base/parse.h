/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Numbers that come from outside: options, files, requests, control writes. The one place that
 * reads them; tests/check_layers.sh keeps strtoul() and its like out of everywhere else.
 *
 * Decimal digits only: no sign, no blank, no exponent, no 0x, no locale. A number that does not fit
 * is an error, never the largest one. *ret is written only on success. Pure functions, any thread.
 *
 * -EINVAL: not such a text; -ERANGE: well-formed, but out of range.
 */
#ifndef XGOTOPFS_BASE_PARSE_H
#define XGOTOPFS_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- all of a text ------------------------------------------------------------------------- */

int parse_u64(const char *text, uint64_t *ret);
/* In [min, max]. */
int parse_u64_in(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
/* The one spelling a number has: "7", not "07". For what is a name. */
int parse_u64_name(const char *text, uint64_t *ret);

/* "12", "1.5", ".5", "5.": finite and not negative; 0 only if it says so. */
int parse_real(const char *text, double *ret);
/* The same in whole parts of 1/one: "12.5" with one = 1000 is 12500. Digits below a part are
 * dropped. */
int parse_scaled(const char *text, uint64_t one, uint64_t *ret);

/* "500M": bytes in powers of 1024 (K, M, G, T), as du and dd read them; a "B" or "iB" after the
 * letter changes nothing. */
int parse_size(const char *text, uint64_t *ret);

/*
 * "1,5,9-12" into ret[0..max), in the order given: numbers and ranges with both ends in them. ""
 * is none. -EINVAL also for a range that goes down; -E2BIG: more than max. On an error ret[] holds
 * what came before it.
 */
int parse_u64_list(const char *text, uint64_t *ret, size_t max, size_t *ret_n);

/* --- the beginning of [*at, end) ------------------------------------------------------------ */

/* These move *at past what they read, when they return 0. */
int scan_u64(const char **at, const char *end, uint64_t *ret);
/* As parse_scaled(). *ret_rest: what was dropped was not 0. */
int scan_scaled(const char **at, const char *end, uint64_t one, uint64_t *ret, bool *ret_rest);

#endif
