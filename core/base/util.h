/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Small things every room needs: scope-bound cleanup, checked sizes, clocks.
 * Header only, no state; safe from any thread.
 */
#ifndef XGOTOPFS_BASE_UTIL_H
#define XGOTOPFS_BASE_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a)          (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)              ((a) < (b) ? (a) : (b))
#define MAX(a, b)              ((a) > (b) ? (a) : (b))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NS_PER_SEC             1000000000ull

/* cleanup_(f): call f(&variable) when the variable goes out of scope. */
#define cleanup_(f)    __attribute__((cleanup(f)))
#define cleanup_free_  cleanup_(free_ptr)
#define cleanup_close_ cleanup_(close_fd)

static inline void free_ptr(void *p)
{
	free(*(void **)p);
}

static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Hands a pointer over: the variable is NULL afterwards, so its cleanup does nothing. */
#define move_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) moved_ = (p);                                                        \
		(p) = NULL;                                                                        \
		moved_;                                                                            \
	})

/* The same for a file descriptor. */
static inline int move_fd(int *fd)
{
	int moved = *fd;

	*fd = -1;
	return moved;
}

/* Closes all descriptors from `lo` on but these, which ascend. Only system calls: also for the
 * child of a process with threads. */
static inline void close_all_but(unsigned lo, const int *kept, size_t n)
{
	for (size_t i = 0; i <= n; i++) {
		unsigned hi = i < n ? (unsigned)kept[i] : UINT32_MAX;

		if (hi > lo)
			(void)syscall(SYS_close_range, lo, hi - 1, 0);
		if (hi >= lo)
			lo = hi + 1;
	}
}

/* Is it about this machine, now, and not about what was asked for? -errno. */
static inline bool is_shortage(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -EIO;
}

/* a + b, or the largest there is: times and sizes of a recorded session are anybody's. */
static inline uint64_t sum_u64(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* The same for signed ones, none of them negative. */
static inline int64_t sum_i64(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* a - b, or 0 where b is greater: two readings of a clock or a counter that may go back. */
static inline uint64_t sub_u64(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* A time of CLOCK_MONOTONIC as UNIX time, by what CLOCK_REALTIME is ahead. Both may be a recorded
 * session's, which may say anything: before 1970 is 1970, and what does not fit is the latest. */
static inline uint64_t unix_ns(uint64_t monotonic, int64_t ahead)
{
	return ahead < 0 ? sub_u64(monotonic, 0 - (uint64_t)ahead)
			 : sum_u64(monotonic, (uint64_t)ahead);
}

/* For qsort(3) and bsearch(3). */
static inline int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Ascending; of none the list may be NULL, which qsort(3) must not be told. */
static inline void sort_u64(uint64_t *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (v[i - 1] > v[i]) {
			qsort(v, n, sizeof(*v), compare_u64);
			return;
		}
	}
}

/* The same, and each once. Returns how many are left. */
static inline size_t sort_unique_u64(uint64_t *v, size_t n)
{
	size_t kept = 0;

	sort_u64(v, n);
	for (size_t i = 0; i < n; i++) {
		if (!kept || v[kept - 1] != v[i])
			v[kept++] = v[i];
	}
	return kept;
}

/*
 * Of n elements `stride` bytes apart, ascending by the uint64_t at byte `at` of each: the index of
 * the first that is not below `key`, or, with `above`, that is above it; n when there is none.
 */
static inline size_t sorted_find(const void *list, size_t n, size_t stride, size_t at, uint64_t key,
				 bool above)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		uint64_t value;

		memcpy(&value, (const char *)list + mid * stride + at, sizeof(value));
		if (value < key || (above && value == key))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The same of an array of structs and a member of them. */
#define SORTED_FIND(list, n, member, key, above)                                                   \
	sorted_find(list, n, sizeof(*(list)),                                                      \
		    offsetof(__typeof__(*(list)), member) +                                        \
			    0 * sizeof(char[sizeof((list)->member) == 8 ? 1 : -1]),                \
		    key, above)
#define FIRST_NOT_BELOW(list, n, member, key) SORTED_FIND(list, n, member, key, false)
#define FIRST_ABOVE(list, n, member, key)     SORTED_FIND(list, n, member, key, true)

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns() and so of every event. */
static inline uint64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* CLOCK_REALTIME minus CLOCK_MONOTONIC. Constant until somebody sets the machine's clock, or the
 * machine sleeps. */
static inline int64_t wall_offset_ns(void)
{
	uint64_t before = monotonic_ns(), wall = clock_ns(CLOCK_REALTIME), after = monotonic_ns();

	return (int64_t)(wall - (before + (after - before) / 2));
}

#endif
