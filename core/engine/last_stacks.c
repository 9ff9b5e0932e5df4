/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One lock, held for copies of texts only; what is given is a text nobody changes, counted. */
#include "core/engine/last_stacks.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/model/model.h"

/* What comes from a reading; shared by whoever gives it just now. */
struct text {
	unsigned refs; /* protected by the lock */
	uint64_t as_of_ns;
	bool whole;
	struct buf bytes;
};

struct last_stacks {
	pthread_mutex_t lock;
	struct text *texts[MODEL_PROCS_MAX][LIVE_STACKS_KINDS]; /* protected by lock */
};

struct last_taking {
	struct last_stacks *to;
	unsigned proc;
	enum live_stacks what;
	struct text *text;
	bool cut;
};

int last_stacks_new(struct last_stacks **ret)
{
	struct last_stacks *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	*ret = l;
	return 0;
}

/* Under the lock. */
static void unref(struct text *text)
{
	if (!text || --text->refs)
		return;
	buf_free(&text->bytes);
	free(text);
}

void last_stacks_free(struct last_stacks *l)
{
	if (!l)
		return;
	for (unsigned proc = 0; proc < MODEL_PROCS_MAX; proc++) {
		for (unsigned what = 0; what < LIVE_STACKS_KINDS; what++)
			unref(l->texts[proc][what]);
	}
	pthread_mutex_destroy(&l->lock);
	free(l);
}

struct last_taking *last_stacks_begin(struct last_stacks *l, unsigned proc, enum live_stacks what,
				      uint64_t now_ns)
{
	struct last_taking *t = calloc(1, sizeof(*t));
	struct text *text = calloc(1, sizeof(*text));

	if (!t || !text || proc >= MODEL_PROCS_MAX) {
		free(t);
		free(text);
		return NULL;
	}
	*text = (struct text){.refs = 1, .as_of_ns = now_ns};
	*t = (struct last_taking){.to = l, .proc = proc, .what = what, .text = text};
	return t;
}

void last_stacks_add(struct last_taking *t, const char *text, size_t len)
{
	if (!t || t->cut)
		return;
	t->cut = t->text->bytes.len + len > LAST_STACKS_BYTES;
	if (t->cut)
		buf_addf(&t->text->bytes, "\n... cut: only the first %u MiB were kept\n",
			 LAST_STACKS_BYTES >> 20);
	else
		buf_add(&t->text->bytes, text, len);
}

/* Under the lock. */
static void make_room(struct last_stacks *l)
{
	for (;;) {
		struct text **oldest = NULL;
		size_t bytes = 0;

		for (unsigned i = 0; i < MODEL_PROCS_MAX * LIVE_STACKS_KINDS; i++) {
			struct text **text =
				&l->texts[i / LIVE_STACKS_KINDS][i % LIVE_STACKS_KINDS];

			if (!*text)
				continue;
			bytes += (*text)->bytes.cap;
			if (!oldest || (*text)->as_of_ns < (*oldest)->as_of_ns)
				oldest = text;
		}
		if (bytes <= LAST_STACKS_ALL)
			return;
		unref(*oldest);
		*oldest = NULL;
	}
}

static bool counts(const struct text *now, const struct text *before)
{
	return now->whole || !before || !before->whole ||
	       sub_u64(now->as_of_ns, before->as_of_ns) >= LAST_STACKS_WHOLE_NS;
}

void last_stacks_end(struct last_taking *t, bool ok, bool whole)
{
	struct last_stacks *l;

	if (!t)
		return;
	l = t->to;
	t->text->whole = whole;
	pthread_mutex_lock(&l->lock);
	if (ok && !buf_error(&t->text->bytes) && counts(t->text, l->texts[t->proc][t->what])) {
		struct text **at = &l->texts[t->proc][t->what];

		unref(*at);
		*at = t->text;
		make_room(l);
	} else {
		unref(t->text);
	}
	pthread_mutex_unlock(&l->lock);
	free(t);
}

/* The part that is one goroutine's; false when it is not there. */
static bool cut_out(uint64_t goid, const char **text, size_t *len)
{
	char head[48];
	const char *at = *text, *end;
	int n = snprintf(head, sizeof(head), "\ngoroutine %llu [", (unsigned long long)goid);

	if (strncmp(at, head + 1, (size_t)n - 1) != 0)
		at = memmem(at, *len, head, (size_t)n);
	if (!at)
		return false;
	at += *at == '\n';
	end = memmem(at, *len - (size_t)(at - *text), "\n\n", 2);
	*len = (size_t)((end ? end + 1 : *text + *len) - at);
	*text = at;
	return true;
}

int last_stacks_give(struct last_stacks *l, unsigned proc, enum live_stacks what, uint64_t goid,
		     live_text_fn *fn, void *arg, uint64_t *ret_as_of_ns)
{
	struct text *text = NULL;
	const char *p = NULL;
	size_t len = 0;
	int err = -ESRCH;

	if (proc >= MODEL_PROCS_MAX)
		return -ESRCH;
	pthread_mutex_lock(&l->lock);
	text = l->texts[proc][what] ? l->texts[proc][what] : l->texts[proc][LIVE_STACKS_AS_GO];
	if (text)
		text->refs++;
	pthread_mutex_unlock(&l->lock);
	if (!text)
		return -ESRCH;
	p = text->bytes.data;
	len = text->bytes.len;
	if (len && (!goid || cut_out(goid, &p, &len))) {
		*ret_as_of_ns = text->as_of_ns;
		err = fn(arg, p, len);
	}
	pthread_mutex_lock(&l->lock);
	unref(text);
	pthread_mutex_unlock(&l->lock);
	return err;
}
