/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Read as a dump's headers, kept as text by goroutine. */
#include "core/view/labels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/view/dump.h"
#include "core/view/family.h"

#define BYTES_MAX (64u << 20) /* of labels of all goroutines; the others are left out */

struct known {
	uint64_t goid;
	size_t at, len; /* in text */
};

struct labels {
	struct known *known; /* by goid */
	size_t n, cap;
	struct buf text, texts;
	int err;
};

static void take_header(void *ctx, const struct dump_stack *stack)
{
	struct labels *l = ctx;

	if (l->err || !stack->labels || l->text.len + stack->labels_len > BYTES_MAX)
		return;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct known *known = reallocarray(l->known, cap, sizeof(*known));

		if (!known) {
			l->err = -ENOMEM;
			return;
		}
		l->known = known;
		l->cap = cap;
	}
	l->known[l->n++] = (struct known){stack->goid, l->text.len, stack->labels_len};
	buf_add(&l->text, stack->labels, stack->labels_len);
	l->err = buf_error(&l->text);
}

static int take_text(void *arg, const char *text, size_t len)
{
	struct labels *l = arg;

	dump_parse(text, len, take_header, l);
	return l->err;
}

static int drop_labels(void *arg)
{
	struct labels *l = arg;

	l->n = l->text.len = 0;
	return 0;
}

static int by_goid(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return (x->goid > y->goid) - (x->goid < y->goid);
}

int labels_read(const struct view *v, unsigned proc, struct labels **ret)
{
	struct labels *l = calloc(1, sizeof(*l));
	uint64_t as_of_ns;

	if (!l)
		return -ENOMEM;
	(void)view_each_stack(v, proc, LIVE_STACKS_LABELS,
			      &(struct stack_taker){l, take_text, drop_labels}, &as_of_ns);
	if (l->err) {
		labels_free(l);
		return -ENOMEM;
	}
	if (l->n)
		qsort(l->known, l->n, sizeof(*l->known), by_goid);
	*ret = l;
	return 0;
}

void labels_free(struct labels *l)
{
	if (!l)
		return;
	free(l->known);
	buf_free(&l->text);
	buf_free(&l->texts);
	free(l);
}

void labels_add_text(const char *text, size_t len, struct pprof_sample *sample, unsigned n,
		     struct buf *texts)
{
	struct dump_label found[PPROF_LABELS_MAX];
	size_t n_found;

	buf_reset(texts);
	n_found = dump_labels(text, len, found, PPROF_LABELS_MAX - n, texts);
	for (size_t i = 0; i < n_found; i++) {
		const char *from = texts->data ? texts->data : "";

		sample->labels[n + i] =
			(struct pprof_label){.key = {from + found[i].key, found[i].key_len},
					     .value = {from + found[i].value, found[i].value_len}};
	}
}

void labels_add(struct labels *l, uint64_t goid, struct pprof_sample *sample, unsigned n)
{
	struct known key = {.goid = goid}, *found;

	found = l->n ? bsearch(&key, l->known, l->n, sizeof(key), by_goid) : NULL;
	if (found)
		labels_add_text(l->text.data + found->at, found->len, sample, n, &l->texts);
}

/* --- for folders ------------------------------------------------------------------------------ */

static int by_label(const void *a, const void *b)
{
	const struct view_label *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	if (!order)
		order = strcmp(x->value, y->value);
	return order ? order : (x->goid > y->goid) - (x->goid < y->goid);
}

/* The labels of all, as offsets into `texts`, which are pointers once all are there. */
static int take_all(const struct labels *l, struct buf *texts, struct view_labels *ret)
{
	struct dump_label found[PPROF_LABELS_MAX];

	for (size_t i = 0; i < l->n; i++) {
		struct view_label *more;
		struct buf part cleanup_buf_ = BUF_INIT;
		size_t n = dump_labels(l->text.data + l->known[i].at, l->known[i].len, found,
				       PPROF_LABELS_MAX, &part);

		more = reallocarray(ret->list, ret->n + n + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		ret->list = more;
		for (size_t k = 0; k < n; k++) {
			ret->list[ret->n++] = (struct view_label){
				.goid = l->known[i].goid,
				.key = (const char *)(uintptr_t)texts->len,
				.value = (const char *)(uintptr_t)(texts->len + found[k].key_len +
								   1),
			};
			buf_add(texts, part.data + found[k].key, found[k].key_len);
			buf_addc(texts, '\0');
			buf_add(texts, part.data + found[k].value, found[k].value_len);
			buf_addc(texts, '\0');
		}
	}
	return buf_error(texts);
}

int view_labels(const struct view *v, unsigned proc, struct view_labels *ret)
{
	struct buf texts = BUF_INIT;
	struct labels *l;
	int err = labels_read(v, proc, &l);

	*ret = (struct view_labels){0};
	if (err)
		return err;
	err = take_all(l, &texts, ret);
	labels_free(l);
	if (err) {
		buf_free(&texts);
		view_labels_done(ret);
		return err;
	}
	ret->texts = texts.data;
	for (size_t i = 0; i < ret->n; i++) {
		ret->list[i].key = ret->texts + (uintptr_t)ret->list[i].key;
		ret->list[i].value = ret->texts + (uintptr_t)ret->list[i].value;
	}
	if (ret->n)
		qsort(ret->list, ret->n, sizeof(*ret->list), by_label);
	return 0;
}

void view_labels_done(struct view_labels *l)
{
	free(l->list);
	free(l->texts);
	*l = (struct view_labels){0};
}
