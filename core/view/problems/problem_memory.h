/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was wrong a moment ago. A lock that is taken every three seconds makes a convoy that is
 * there in two of three looks, and a rate is now above its threshold, now below: what was seen is
 * told on for as long as problem_rules[] says, with its age, and what was critical stays so for
 * PROBLEM_SEVERE_NS. One store of all who look (files, API, UI), of at most 64 problems. Any
 * thread.
 */
#ifndef XGOTOPFS_VIEW_PROBLEM_MEMORY_H
#define XGOTOPFS_VIEW_PROBLEM_MEMORY_H

struct problem_memory;
struct scene;

/* 0 or -ENOMEM. */
int problem_memory_new(struct problem_memory **ret);
void problem_memory_free(struct problem_memory *m); /* NULL is fine */

/* Keeps what was found, adds what no longer is, and says whether it is the only look; of a process
 * that has ended, neither. For problems.c, before the list is put in order. m NULL: nothing is
 * kept. */
void problem_memory_merge(struct problem_memory *m, struct scene *s);

#endif
