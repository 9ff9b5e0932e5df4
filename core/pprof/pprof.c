/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Strings, functions and locations are interned by struct names: its ids count from 1 without gaps,
 * as the format wants them. A message is packed a field at a time, which makes the same bytes.
 */
#include "core/pprof/pprof.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "core/base/hash.h"
#include "core/model/names.h"
#include "proto/profile.pb-c.h"

#define KEY_MAX      (PPROF_DEPTH_MAX + 2 * PPROF_LABELS_MAX)
#define COMMENTS_MAX 8
#define MAPPING      1
#define GZIP_WINDOW  (15 + 16) /* zlib: the largest window, with gzip's header */

struct entry {
	int64_t values[PPROF_VALUES_MAX];
	size_t at;         /* of its key in p->keys */
	uint32_t n, hash;  /* locations in the key … */
	uint32_t n_labels; /* … and labels, key and value of each, behind them */
};

struct pprof {
	struct pprof_type types[PPROF_VALUES_MAX];
	unsigned n_types, n_comments;
	uint32_t comments[COMMENTS_MAX];
	struct names *names;
	uint32_t locations; /* ids of sites up to this one are in use, as functions or locations */
	struct buf keys;    /* uint32_t each */
	struct entry *entries;
	size_t n, cap;
	uint32_t *table; /* open addressing, entry + 1 */
	size_t table_cap;
	uint64_t others; /* samples past PPROF_SAMPLES_MAX */
	int err;
	uint64_t period;
};

int pprof_new(const struct pprof_type *types, unsigned n, struct pprof **ret)
{
	struct pprof *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->n_types = MIN(n, PPROF_VALUES_MAX);
	memcpy(p->types, types, p->n_types * sizeof(*types));
	err = names_new(NAMES_MAX, &p->names);
	if (err) {
		pprof_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

void pprof_free(struct pprof *p)
{
	if (!p)
		return;
	names_free(p->names);
	buf_free(&p->keys);
	free(p->entries);
	free(p->table);
	free(p);
}

static uint32_t text_id(struct pprof *p, const char *text)
{
	return names_intern(p->names, text, strlen(text));
}

void pprof_period(struct pprof *p, uint64_t period)
{
	p->period = period;
}

void pprof_comment(struct pprof *p, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (p->n_comments == COMMENTS_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	p->comments[p->n_comments++] = text_id(p, text);
}

/* --- samples ---------------------------------------------------------------------------------- */

/* A location is a site, its function the site without a line; where no line is known they are the
 * same: ids of the two kinds never mean different things. */
static uint32_t location_id(struct pprof *p, const struct pprof_frame *f)
{
	struct site site = {.func_id = names_intern(p->names, f->function.p, f->function.len),
			    .line = f->line};
	uint32_t id, function;

	if (f->file.len)
		site.file_id = names_intern(p->names, f->file.p, f->file.len);
	id = names_add_site(p->names, site);
	if (id > p->locations) { /* a new one */
		site.line = 0;
		function = names_add_site(p->names, site);
		p->locations = MAX(id, function);
	}
	return id;
}

static size_t key_len(const struct entry *e)
{
	return e->n + 2 * e->n_labels;
}

static bool same(const struct pprof *p, const struct entry *e, const uint32_t *key,
		 const struct entry *want)
{
	return e->hash == want->hash && e->n == want->n && e->n_labels == want->n_labels &&
	       !memcmp(p->keys.data + e->at, key, key_len(e) * sizeof(*key));
}

static int grow_table(struct pprof *p)
{
	size_t cap = p->table_cap ? p->table_cap * 2 : 1024;
	uint32_t *table;

	if (p->n * 2 < p->table_cap)
		return 0;
	table = calloc(cap, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++) {
		size_t at = p->entries[i].hash & (cap - 1);

		while (table[at])
			at = (at + 1) & (cap - 1);
		table[at] = (uint32_t)i + 1;
	}
	free(p->table);
	p->table = table;
	p->table_cap = cap;
	return 0;
}

static int grow_entries(struct pprof *p)
{
	size_t cap = p->cap ? p->cap * 2 : 256;
	struct entry *entries;

	if (p->n < p->cap)
		return 0;
	entries = realloc(p->entries, cap * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	p->entries = entries;
	p->cap = cap;
	return 0;
}

/* The entry of a key, made when there is none. */
static int find(struct pprof *p, const uint32_t *key, uint32_t n, uint32_t n_labels,
		struct entry **ret)
{
	struct entry want = {.n = n, .n_labels = n_labels};
	size_t len = key_len(&want), at;
	int err = grow_table(p);

	want.hash = hash_bytes(key, len * sizeof(*key), 0);

	if (err)
		return err;
	for (at = want.hash & (p->table_cap - 1); p->table[at];
	     at = (at + 1) & (p->table_cap - 1)) {
		*ret = &p->entries[p->table[at] - 1];
		if (same(p, *ret, key, &want))
			return 0;
	}
	err = grow_entries(p);
	if (err)
		return err;
	*ret = &p->entries[p->n];
	**ret = want;
	(*ret)->at = p->keys.len;
	buf_add(&p->keys, key, len * sizeof(*key));
	if (buf_error(&p->keys))
		return -ENOMEM;
	p->table[at] = (uint32_t)++p->n;
	return 0;
}

int pprof_add(struct pprof *p, const struct pprof_sample *s)
{
	static const struct pprof_frame others = {.function = {"(others)", 8}};
	bool full = p->n >= PPROF_SAMPLES_MAX;
	const struct pprof_frame *frames = full ? &others : s->frames;
	uint32_t n = full ? 1 : (uint32_t)MIN(s->n, PPROF_DEPTH_MAX), key[KEY_MAX], n_labels = 0;
	struct entry *e;

	if (p->err)
		return p->err;
	p->others += full;
	for (uint32_t i = 0; i < n; i++)
		key[i] = location_id(p, &frames[i]);
	for (unsigned i = 0; i < PPROF_LABELS_MAX; i++) {
		const struct pprof_label *l = &s->labels[i];

		if (full || !l->value.len)
			continue;
		key[n + 2 * n_labels] = names_intern(p->names, l->key.p, l->key.len);
		key[n + 2 * n_labels++ + 1] = names_intern(p->names, l->value.p, l->value.len);
	}
	p->err = find(p, key, n, n_labels, &e);
	for (unsigned i = 0; i < p->n_types && !p->err; i++)
		e->values[i] = sum_i64(e->values[i], s->values[i]);
	return p->err;
}

/* --- the file --------------------------------------------------------------------------------- */

static void put(const Perftools__Profiles__Profile *part, struct buf *out)
{
	size_t len = perftools__profiles__profile__get_packed_size(part);

	if (!buf_reserve(out, len))
		out->len +=
			perftools__profiles__profile__pack(part, (uint8_t *)out->data + out->len);
}

static void put_sample(const struct pprof *p, const struct entry *e, struct buf *out)
{
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT, *samples = &sample;
	Perftools__Profiles__Label labels[PPROF_LABELS_MAX], *list[PPROF_LABELS_MAX];
	uint64_t ids[PPROF_DEPTH_MAX];
	int64_t values[PPROF_VALUES_MAX];
	uint32_t key[KEY_MAX];

	memcpy(key, p->keys.data + e->at, key_len(e) * sizeof(*key));
	for (uint32_t i = 0; i < e->n; i++)
		ids[i] = key[i];
	memcpy(values, e->values, sizeof(values));
	sample.n_location_id = e->n;
	sample.location_id = ids;
	sample.n_value = p->n_types;
	sample.value = values;
	for (unsigned i = 0; i < e->n_labels; i++) {
		Perftools__Profiles__Label *l = &labels[sample.n_label];

		perftools__profiles__label__init(l);
		l->key = key[e->n + 2 * i];
		l->str = key[e->n + 2 * i + 1];
		list[sample.n_label++] = l;
	}
	sample.label = list;
	part.n_sample = 1;
	part.sample = &samples;
	put(&part, out);
}

static void put_location(const struct pprof *p, uint32_t id, struct buf *out)
{
	const struct site *site = names_site(p->names, id);
	struct site function = {.func_id = site->func_id, .file_id = site->file_id};
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT,
				      *ls = &location;
	Perftools__Profiles__Line line = PERFTOOLS__PROFILES__LINE__INIT, *lines = &line;
	Perftools__Profiles__Function f = PERFTOOLS__PROFILES__FUNCTION__INIT, *fs = &f;

	line.function_id = names_add_site(p->names, function);
	line.line = site->line;
	location.id = id;
	location.mapping_id = MAPPING;
	location.n_line = 1;
	location.line = &lines;
	part.n_location = 1;
	part.location = &ls;
	if (!site->line) {
		f.id = id;
		f.name = f.system_name = site->func_id;
		f.filename = site->file_id;
		part.n_function = 1;
		part.function = &fs;
	}
	put(&part, out);
}

static void put_head(struct pprof *p, const struct pprof_about *about, struct buf *out)
{
	Perftools__Profiles__Profile head = PERFTOOLS__PROFILES__PROFILE__INIT;
	Perftools__Profiles__ValueType types[PPROF_VALUES_MAX], *list[PPROF_VALUES_MAX];
	Perftools__Profiles__Mapping map = PERFTOOLS__PROFILES__MAPPING__INIT, *maps = &map;
	int64_t comments[COMMENTS_MAX];

	for (unsigned i = 0; i < p->n_types; i++) {
		list[i] = &types[i];
		perftools__profiles__value_type__init(list[i]);
		types[i].type = text_id(p, p->types[i].type);
		types[i].unit = text_id(p, p->types[i].unit);
	}
	head.n_sample_type = p->n_types;
	head.sample_type = list;
	head.period_type = list[p->n_types - 1];
	head.period = (int64_t)MAX(p->period, (uint64_t)1);
	head.default_sample_type = types[p->n_types - 1].type;
	map.id = MAPPING;
	map.filename = text_id(p, about->binary);
	/* So that no reader looks for symbols: all there is, is here. */
	map.has_functions = map.has_filenames = map.has_line_numbers = map.has_inline_frames = true;
	head.n_mapping = 1;
	head.mapping = &maps;
	head.time_nanos = (int64_t)about->time_ns;
	head.duration_nanos = (int64_t)about->duration_ns;
	if (p->others)
		pprof_comment(p, "(others): %llu samples with stacks past the first %d",
			      (unsigned long long)p->others, PPROF_SAMPLES_MAX);
	for (unsigned i = 0; i < p->n_comments; i++)
		comments[i] = p->comments[i];
	head.n_comment = p->n_comments;
	head.comment = comments;
	put(&head, out);
}

/* Last: other parts add to it. String 0 is the empty one. */
static void put_strings(const struct pprof *p, struct buf *out)
{
	const char *text = "";

	for (uint32_t id = 0; !id || *text; id++) {
		Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
		char *string = (char *)text;

		part.n_string_table = 1;
		part.string_table = &string;
		put(&part, out);
		text = names_string(p->names, id + 1);
	}
}

static int compress_gzip(const struct buf *plain, struct buf *out)
{
	z_stream z = {0};
	int done = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
				Z_DEFAULT_STRATEGY);

	if (done != Z_OK)
		return -ENOMEM;
	if (!buf_reserve(out, deflateBound(&z, plain->len))) {
		z.next_in = (Bytef *)plain->data;
		z.avail_in = (uInt)plain->len;
		z.next_out = (Bytef *)out->data + out->len;
		z.avail_out = (uInt)(out->cap - out->len);
		done = deflate(&z, Z_FINISH);
		out->len += z.total_out;
	}
	deflateEnd(&z);
	return done == Z_STREAM_END ? buf_error(out) : -ENOMEM;
}

int pprof_finish(struct pprof *p, const struct pprof_about *about, struct buf *out)
{
	cleanup_buf_ struct buf plain = BUF_INIT;

	if (p->err)
		return p->err;
	put_head(p, about, &plain);
	for (size_t i = 0; i < p->n; i++)
		put_sample(p, &p->entries[i], &plain);
	for (uint32_t id = 1; id <= p->locations; id++)
		put_location(p, id, &plain);
	put_strings(p, &plain);
	return buf_error(&plain) ? -ENOMEM : compress_gzip(&plain, out);
}
