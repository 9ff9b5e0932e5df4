/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * runtime/pprof/label.go: what g.labels points at is a list of pairs of strings from 1.24 on, a
 * map[string]string before (runtime/map.go: buckets of eight, others linked behind them). A set of
 * labels is never changed once a g has it, but may be freed when the g gets another.
 */
#include "core/memory/about.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/safe_file.h"
#include "core/memory/memory.h"

#define LABELS_LIST_SINCE 24
#define BUCKETS_MAX       64 /* far more than LABELS_MAX need */
#define ENVIRON_MAX       (256u << 10)
#define TRIES             8

struct go_string {
	uint64_t p, len;
};

/* runtime.hmap and runtime.bmap of a map[string]string, up to 1.23. */
struct hmap {
	uint64_t count;
	uint8_t flags, log2_buckets;
	uint16_t overflows;
	uint32_t hash0;
	uint64_t buckets, old_buckets;
};
#define SLOTS       8
#define MIN_TOPHASH 5 /* less: empty, or moved */
struct bucket {
	uint8_t tophash[SLOTS];
	struct go_string keys[SLOTS], values[SLOTS];
	uint64_t overflow;
};

struct pair {
	struct go_string key, value;
};

struct pairs {
	struct pair at[LABELS_MAX];
	size_t n;
	bool more;
	unsigned buckets; /* read */
};

static void add_pair(struct pairs *pairs, struct go_string key, struct go_string value)
{
	if (pairs->n < LABELS_MAX)
		pairs->at[pairs->n++] = (struct pair){key, value};
	else
		pairs->more = true;
}

static int read_list(pid_t pid, uint64_t labels, struct pairs *ret)
{
	uint64_t slice[3]; /* of struct{ Key, Value string } */
	int err = memory_read(pid, labels, slice, sizeof(slice));

	if (err || !slice[1])
		return err;
	ret->n = MIN(slice[1], (uint64_t)LABELS_MAX);
	ret->more = slice[1] > LABELS_MAX;
	return memory_read(pid, slice[0], ret->at, ret->n * sizeof(*ret->at));
}

static int read_bucket(pid_t pid, uint64_t at, struct pairs *ret)
{
	struct bucket b;

	for (; at; at = b.overflow) {
		int err =
			ret->buckets++ < BUCKETS_MAX ? memory_read(pid, at, &b, sizeof(b)) : -E2BIG;

		if (err)
			return err;
		for (int i = 0; i < SLOTS; i++) {
			if (b.tophash[i] >= MIN_TOPHASH)
				add_pair(ret, b.keys[i], b.values[i]);
		}
	}
	return 0;
}

static int read_buckets(pid_t pid, uint64_t at, uint64_t n, struct pairs *ret)
{
	int err = 0;

	for (uint64_t i = 0; at && i < n && !err; i++)
		err = read_bucket(pid, at + i * sizeof(struct bucket), ret);
	return err;
}

static int read_map(pid_t pid, uint64_t labels, struct pairs *ret)
{
	struct hmap h;
	uint64_t at;
	int err = memory_read(pid, labels, &at, sizeof(at));

	if (!err)
		err = memory_read(pid, at, &h, sizeof(h));
	if (err || !h.count)
		return err;
	if (h.log2_buckets > 6)
		return -E2BIG;
	err = read_buckets(pid, h.buckets, 1ull << h.log2_buckets, ret);
	/* What a growing map has not moved yet. */
	if (!err && h.old_buckets)
		err = read_buckets(pid, h.old_buckets, (1ull << h.log2_buckets) / 2, ret);
	return err;
}

static int read_strings(pid_t pid, const struct pairs *pairs, struct goroutine_about *ret)
{
	struct memory_piece pieces[2 * LABELS_MAX];
	size_t n = 0;
	int err;

	for (size_t i = 0; i < pairs->n; i++) {
		const struct go_string *key = &pairs->at[i].key, *value = &pairs->at[i].value;
		struct memory_label *l = &ret->labels[i];

		l->key_len = key->len;
		l->value_len = value->len;
		pieces[n++] = (struct memory_piece){
			key->p, l->key, MIN(key->len, (uint64_t)LABEL_BYTES_MAX), false};
		pieces[n++] = (struct memory_piece){
			value->p, l->value, MIN(value->len, (uint64_t)LABEL_BYTES_MAX), false};
	}
	err = memory_read_pieces(pid, pieces, n);
	for (size_t i = 0; i < n && !err; i++) {
		if (pieces[i].size && !pieces[i].ok)
			err = -EFAULT;
	}
	return err;
}

static int by_key(const void *a, const void *b)
{
	const struct memory_label *x = a, *y = b;
	size_t nx = MIN(x->key_len, (uint64_t)LABEL_BYTES_MAX);
	size_t ny = MIN(y->key_len, (uint64_t)LABEL_BYTES_MAX);
	int order = memcmp(x->key, y->key, MIN(nx, ny));

	return order ? order : (nx > ny) - (nx < ny);
}

static int read_labels(const struct target *t, pid_t pid, uint64_t labels,
		       struct goroutine_about *ret)
{
	const bool list = target_go_minor(t) >= LABELS_LIST_SINCE;
	struct pairs pairs = {.n = 0};
	int err = list ? read_list(pid, labels, &pairs) : read_map(pid, labels, &pairs);

	if (!err)
		err = read_strings(pid, &pairs, ret);
	if (err)
		return err;
	ret->n = pairs.n;
	ret->more = pairs.more;
	if (!list) /* as LabelSet.String() and later releases order them */
		qsort(ret->labels, ret->n, sizeof(*ret->labels), by_key);
	return 0;
}

static int read_bubble(const struct target *t, pid_t pid, uint64_t bubble, uint64_t *ret)
{
	const struct go_layout *l = target_layout(t);
	uint32_t at = l->bubble_id ? l->bubble_id : l->bubble_root;
	uint64_t value;
	int err = at ? memory_read(pid, bubble + at, &value, sizeof(value)) : -ENOSYS;

	if (!err && !l->bubble_id)
		err = memory_read(pid, value + l->g_goid, &value, sizeof(value));
	*ret = err ? 0 : value;
	return err;
}

/* What the g points at by now, if it still is that goroutine's: what was read first is. */
static int read_pointers(const struct target *t, pid_t pid, const struct memory_goroutine *g,
			 uint64_t *labels, uint64_t *bubble)
{
	const struct go_layout *l = target_layout(t);
	uint64_t goid = 0;
	struct memory_piece pieces[] = {
		{g->address + l->g_labels, labels, *labels ? sizeof(*labels) : 0, false},
		{g->address + l->g_bubble, bubble, *bubble ? sizeof(*bubble) : 0, false},
		{g->address + l->g_goid, &goid, sizeof(goid), false},
	};
	int err = memory_read_pieces(pid, pieces, ARRAY_SIZE(pieces));

	if (!err && (!pieces[2].ok || goid != g->goid))
		err = -ESRCH;
	return err;
}

/* While the g holds them they are not freed: what it held before and after was right between. */
void memory_about(const struct target *t, pid_t pid, const struct memory_goroutine *g,
		  struct goroutine_about *ret)
{
	uint64_t labels = g->labels, bubble = g->bubble;

	for (int i = 0; i < TRIES; i++) {
		const uint64_t was_labels = labels, was_bubble = bubble;

		ret->n = 0;
		ret->more = false;
		ret->bubble = 0;
		if (!labels && !bubble)
			return;
		if (bubble)
			(void)read_bubble(t, pid, bubble, &ret->bubble);
		if (labels)
			(void)read_labels(t, pid, labels, ret);
		if (read_pointers(t, pid, g, &labels, &bubble))
			break;
		if (labels == was_labels && bubble == was_bubble)
			return;
	}
	ret->n = 0;
	ret->more = false;
	ret->bubble = 0;
}

/* --- are they shown? ------------------------------------------------------------------------- */

static void read_environ(pid_t pid, struct buf *out)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)file_load(fd, ENVIRON_MAX, out); /* of a longer one its beginning */
	close(fd);
}

bool memory_shows_labels(const struct target *t, pid_t pid)
{
	static const char key[] = "GODEBUG=";
	cleanup_buf_ struct buf text = BUF_INIT;
	bool shows = target_shows_labels(t);

	if (target_go_minor(t) < 26) /* traceback.go knew none */
		return false;
	read_environ(pid, &text);
	for (const char *at = text.data, *end = text.len ? at + text.len : at; at < end;) {
		size_t len = strnlen(at, (size_t)(end - at));

		if (len > strlen(key) && !memcmp(at, key, strlen(key))) {
			int says = target_godebug_labels(at + strlen(key), len - strlen(key));

			return says ? says > 0 : shows;
		}
		at += len + 1;
	}
	return shows;
}
