/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Samples summed up; see samples.h. Two tables with open addressing, under one lock. */
#include "core/model/samples.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

struct stack_row {
	uint64_t hash;
	uint32_t proc;
	struct sample_row row;
};

struct goroutine_row {
	uint64_t goid; /* with proc the key */
	uint32_t proc;
	bool used;
	uint64_t seen; /* the sample's number */
	struct sample_sum sum;
};

/* By a hash of the key: whoever comes later takes the place. */
struct last_row {
	uint64_t goid, time_ns;
	uint32_t proc, row; /* row: number plus 1; 0 free */
};

struct recent_sample {
	uint64_t time_ns, goid, weight;
	uint32_t proc, stack; /* number of its row */
};

/* Of one kind. */
struct table {
	struct stack_row *stacks;
	size_t n_stacks, stacks_cap;
	uint32_t *slots; /* by hash: number of the row plus 1; 0 free */
	size_t n_slots;
	struct goroutine_row *goroutines;
	size_t n_goroutines, goroutines_cap; /* cap: a power of two, twice what may be in use */
	struct last_row *last;               /* SAMPLES_LAST_MAX; NULL: none yet */
	/* The newest, oldest first from `oldest` on: a ring of recent_max at most, none of which is
	 * older by kept_ns than the newest. */
	uint64_t kept_ns;
	size_t recent_max; /* 0: of this kind none is kept */
	struct recent_sample *recent;
	size_t n_recent, recent_cap, oldest;
	uint64_t forgotten_ns; /* up to here some are gone; 0: none is */
	/* Of each process, by its number: so that none has to walk the rows. */
	struct sample_sum *sums;
	uint32_t n_sums;
	uint64_t count, from_ns, lost, lost_weight;
	uint64_t ended_ns; /* when taking them was switched off; 0: it is on, or never was */
	uint64_t marks[SAMPLE_MARKS];
};

struct samples {
	pthread_mutex_t lock;
	struct table tables[SAMPLE_KINDS];
};

int samples_new(struct samples **ret)
{
	struct samples *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->tables[SAMPLE_CPU].kept_ns = SAMPLES_KEPT_NS;
	s->tables[SAMPLE_CPU].recent_max = SAMPLES_RECENT_MAX;
	s->tables[SAMPLE_ALLOC].kept_ns = SAMPLES_ALLOC_KEPT_NS;
	s->tables[SAMPLE_ALLOC].recent_max = SAMPLES_ALLOC_RECENT_MAX;
	*ret = s;
	return 0;
}

static void table_free(struct table *s)
{
	for (size_t i = 0; i < s->n_stacks; i++)
		free((void *)(uintptr_t)s->stacks[i].row.sites);
	free(s->stacks);
	free(s->slots);
	free(s->goroutines);
	free(s->last);
	free(s->recent);
	free(s->sums);
}

void samples_free(struct samples *s)
{
	if (!s)
		return;
	for (unsigned kind = 0; kind < SAMPLE_KINDS; kind++)
		table_free(&s->tables[kind]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0xff51afd7ed558ccdull;
	return hash ^ hash >> 32;
}

/*
 * Samples of one window are not independent of each other: what a program does in it stands for
 * what it does until the next. The variance of a sum of such is half the squares of the differences
 * between one and the next, those that have nothing of it too.
 */
static void window_add(struct sample_sum *sum, uint8_t window, double weight)
{
	double more;

	if (window != sum->window) {
		bool next = sum->window && window == sum->window % SAMPLE_WINDOWS + 1;

		if (!next)
			sum->squares += sum->in_window * sum->in_window / 2;
		sum->before = next ? sum->in_window : 0;
		sum->in_window = 0;
		sum->window = window;
		sum->squares += sum->before * sum->before / 2;
	}
	more = sum->in_window - sum->before;
	sum->squares += ((more + weight) * (more + weight) - more * more) / 2;
	sum->in_window += weight;
}

static void sum_add(struct sample_sum *sum, const struct stack_sample *sample)
{
	double weight = (double)sample->weight;

	sum->hits++;
	sum->weight = sum_u64(sum->weight, sample->weight);
	if (sample->window)
		window_add(sum, sample->window, weight);
	else
		sum->squares += weight * weight;
	if (sample->size)
		sum->objects += weight / (double)sample->size;
}

uint64_t sample_error(const struct sample_sum *sum)
{
	double error = sqrt(sum->squares);

	return error < (double)UINT64_MAX / 2 ? (uint64_t)error : UINT64_MAX / 2;
}

/* --- by stack -------------------------------------------------------------------------------- */

static int rehash(struct table *s)
{
	size_t n = s->n_slots ? 2 * s->n_slots : 512;
	uint32_t *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_stacks; i++) {
		size_t at = s->stacks[i].hash & (n - 1);

		while (slots[at])
			at = (at + 1) & (n - 1);
		slots[at] = (uint32_t)i + 1;
	}
	free(s->slots);
	s->slots = slots;
	s->n_slots = n;
	return 0;
}

static bool is_row(const struct stack_row *row, uint64_t hash, const struct stack_sample *sample)
{
	return row->hash == hash && row->proc == sample->proc && row->row.n == sample->n &&
	       row->row.cut == sample->cut && row->row.state == sample->state &&
	       row->row.reason_id == sample->reason_id &&
	       row->row.start_func_id == sample->start_func_id &&
	       row->row.system == sample->system &&
	       !memcmp(row->row.sites ? row->row.sites : sample->sites, sample->sites,
		       sample->n * sizeof(sample->sites[0]));
}

/* A new row; *at is its slot. NULL: no memory. */
static struct stack_row *add_row(struct table *s, uint64_t hash, const struct stack_sample *sample,
				 size_t at)
{
	uint32_t *sites = NULL;
	struct stack_row *row;

	if (s->n_stacks == s->stacks_cap) {
		size_t cap = s->stacks_cap ? 2 * s->stacks_cap : 256;
		struct stack_row *grown = reallocarray(s->stacks, cap, sizeof(*grown));

		if (!grown)
			return NULL;
		s->stacks = grown;
		s->stacks_cap = cap;
	}
	if (sample->n) {
		sites = malloc(sample->n * sizeof(*sites));
		if (!sites)
			return NULL;
		memcpy(sites, sample->sites, sample->n * sizeof(*sites));
	}
	row = &s->stacks[s->n_stacks++];
	*row = (struct stack_row){.hash = hash,
				  .proc = sample->proc,
				  .row = {.sites = sites,
					  .n = sample->n,
					  .cut = sample->cut,
					  .state = sample->state,
					  .reason_id = sample->reason_id,
					  .start_func_id = sample->start_func_id,
					  .system = sample->system}};
	s->slots[at] = (uint32_t)s->n_stacks;
	return row;
}

static struct stack_row *stack_row(struct table *s, const struct stack_sample *sample)
{
	uint64_t hash = mix(sample->cut, sample->proc);
	size_t at;

	if (2 * (s->n_stacks + 1) > s->n_slots && rehash(s))
		return NULL;
	hash = mix(hash, (uint64_t)sample->reason_id << 8 | sample->state);
	hash = mix(hash, sample->start_func_id);
	for (uint32_t i = 0; i < sample->n; i++)
		hash = mix(hash, sample->sites[i]);
	for (at = hash & (s->n_slots - 1); s->slots[at]; at = (at + 1) & (s->n_slots - 1)) {
		struct stack_row *row = &s->stacks[s->slots[at] - 1];

		if (is_row(row, hash, sample))
			return row;
	}
	return s->n_stacks < SAMPLES_STACKS_MAX || !sample->n ? add_row(s, hash, sample, at) : NULL;
}

/* Room for the sum of a process. */
static int make_sum(struct table *s, uint32_t proc)
{
	uint32_t n = MAX(proc + 1, 2 * s->n_sums);
	struct sample_sum *grown;

	if (proc < s->n_sums)
		return 0;
	grown = reallocarray(s->sums, n, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + s->n_sums, 0, (n - s->n_sums) * sizeof(*grown));
	s->sums = grown;
	s->n_sums = n;
	return 0;
}

/* --- by goroutine ---------------------------------------------------------------------------- */

static struct goroutine_row *goroutine_slot(struct goroutine_row *rows, size_t cap, unsigned proc,
					    uint64_t goid)
{
	size_t at = mix(goid, proc) & (cap - 1);

	while (rows[at].used && (rows[at].goid != goid || rows[at].proc != proc))
		at = (at + 1) & (cap - 1);
	return &rows[at];
}

/* Room for one more: grows, or forgets those that were not seen in the last so many samples. */
static int make_room(struct table *s)
{
	bool full = s->n_goroutines >= SAMPLES_GOROUTINES_MAX;
	size_t cap = full ? s->goroutines_cap : s->goroutines_cap ? 2 * s->goroutines_cap : 256;
	struct goroutine_row *rows = calloc(cap, sizeof(*rows));
	size_t n = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < s->goroutines_cap; i++) {
		struct goroutine_row *old = &s->goroutines[i];

		if (!old->used || (full && s->count - old->seen > SAMPLES_GOROUTINES_MAX / 2))
			continue;
		*goroutine_slot(rows, cap, old->proc, old->goid) = *old;
		n++;
	}
	free(s->goroutines);
	s->goroutines = rows;
	s->goroutines_cap = cap;
	s->n_goroutines = n;
	return 0;
}

static void add_to_goroutine(struct table *s, const struct stack_sample *sample)
{
	struct goroutine_row *row;

	if ((s->n_goroutines >= SAMPLES_GOROUTINES_MAX ||
	     2 * (s->n_goroutines + 1) > s->goroutines_cap) &&
	    make_room(s))
		return;
	row = goroutine_slot(s->goroutines, s->goroutines_cap, sample->proc, sample->goid);
	if (!row->used) {
		*row = (struct goroutine_row){
			.goid = sample->goid, .proc = sample->proc, .used = true};
		s->n_goroutines++;
	}
	row->seen = s->count;
	sum_add(&row->sum, sample);
}

/* NULL: there is none, or it is forgotten. */
static const struct goroutine_row *goroutine_find(const struct table *s, unsigned proc,
						  uint64_t goid)
{
	const struct goroutine_row *row;

	if (!s->goroutines_cap)
		return NULL;
	row = goroutine_slot(s->goroutines, s->goroutines_cap, proc, goid);
	return row->used ? row : NULL;
}

void samples_of_goroutine(struct samples *s, unsigned proc, enum sample_kind kind, uint64_t goid,
			  struct sample_sum *ret)
{
	const struct goroutine_row *row;

	*ret = (struct sample_sum){0};
	pthread_mutex_lock(&s->lock);
	row = goroutine_find(&s->tables[kind], proc, goid);
	if (row)
		*ret = row->sum;
	pthread_mutex_unlock(&s->lock);
}

/* --- the last of a goroutine ------------------------------------------------------------------ */

static struct last_row *last_row(struct table *t, unsigned proc, uint64_t goid)
{
	return &t->last[mix(mix(0, goid), proc) & (SAMPLES_LAST_MAX - 1)];
}

static void note_last(struct table *t, const struct stack_sample *sample, uint32_t stack)
{
	if (!t->last)
		t->last = calloc(SAMPLES_LAST_MAX, sizeof(*t->last));
	if (t->last)
		*last_row(t, sample->proc, sample->goid) =
			(struct last_row){.goid = sample->goid,
					  .time_ns = sample->time_ns,
					  .proc = sample->proc,
					  .row = stack + 1};
}

bool samples_last(struct samples *s, unsigned proc, enum sample_kind kind, uint64_t goid,
		  struct sample_row *ret, uint64_t *ret_time_ns)
{
	struct table *t = &s->tables[kind];
	const struct last_row *last;
	bool found = false;

	pthread_mutex_lock(&s->lock);
	if (t->last) {
		last = last_row(t, proc, goid);
		found = last->row && last->goid == goid && last->proc == proc;
	}
	if (found) {
		*ret = t->stacks[last->row - 1].row;
		*ret_time_ns = last->time_ns;
	}
	pthread_mutex_unlock(&s->lock);
	return found && ret->n;
}

/* --- the newest ------------------------------------------------------------------------------ */

static bool make_recent_room(struct table *s)
{
	size_t cap = s->recent_cap ? 2 * s->recent_cap : 1024;
	struct recent_sample *grown;

	if (s->n_recent < s->recent_cap)
		return true;
	grown = cap <= s->recent_max ? malloc(cap * sizeof(*grown)) : NULL;
	if (!grown)
		return false;
	for (size_t i = 0; i < s->n_recent; i++)
		grown[i] = s->recent[(s->oldest + i) % s->recent_cap];
	free(s->recent);
	s->recent = grown;
	s->recent_cap = cap;
	s->oldest = 0;
	return true;
}

static void drop_oldest(struct table *s)
{
	s->forgotten_ns = MAX(s->forgotten_ns, s->recent[s->oldest].time_ns + 1);
	s->oldest = (s->oldest + 1) % s->recent_cap;
	s->n_recent--;
}

static void add_recent(struct table *s, const struct stack_sample *sample, uint32_t stack)
{
	while (s->n_recent && s->recent[s->oldest].time_ns + s->kept_ns < sample->time_ns)
		drop_oldest(s);
	if (!make_recent_room(s)) {
		if (!s->n_recent)
			return;
		drop_oldest(s);
	}
	s->recent[(s->oldest + s->n_recent++) % s->recent_cap] =
		(struct recent_sample){.time_ns = sample->time_ns,
				       .goid = sample->goid,
				       .weight = sample->weight,
				       .proc = sample->proc,
				       .stack = stack};
}

static int by_stack_and_goid(const void *a, const void *b)
{
	const struct sample_row *x = a, *y = b;

	if (x->sites != y->sites)
		return x->sites < y->sites ? -1 : 1;
	return x->goid < y->goid ? -1 : x->goid > y->goid;
}

static size_t merge_rows(struct sample_row *rows, size_t n)
{
	size_t kept = 0;

	qsort(rows, n, sizeof(*rows), by_stack_and_goid);
	for (size_t i = 0; i < n; i++) {
		if (kept && !by_stack_and_goid(&rows[kept - 1], &rows[i]))
			sample_sum_up(&rows[i].sum, &rows[kept - 1].sum);
		else
			rows[kept++] = rows[i];
	}
	return kept;
}

/* They come as the CPUs' buffers are emptied: not quite in the order of time. */
#define LATE_NS (5 * NS_PER_SEC)

/* The first that may be of since_ns or later, by what is before it. */
static size_t first_recent(const struct table *t, uint64_t since_ns)
{
	size_t i = t->n_recent;

	while (i && t->recent[(t->oldest + i - 1) % t->recent_cap].time_ns + LATE_NS >= since_ns)
		i--;
	return i;
}

int samples_recent(struct samples *s, unsigned proc, enum sample_kind kind, uint64_t since_ns,
		   uint64_t until_ns, struct sample_row **ret, size_t *ret_n, uint64_t *ret_from_ns)
{
	struct table *t = &s->tables[kind];
	struct sample_row *rows;
	size_t n = 0, first;

	*ret_from_ns = 0;
	pthread_mutex_lock(&s->lock);
	first = first_recent(t, since_ns);
	rows = malloc((t->n_recent - first + 1) * sizeof(*rows));
	for (size_t i = first; rows && i < t->n_recent; i++) {
		const struct recent_sample *r = &t->recent[(t->oldest + i) % t->recent_cap];
		double weight = (double)r->weight;

		if (r->proc != proc || r->time_ns < since_ns || r->time_ns >= until_ns)
			continue;
		if (!n || r->time_ns < *ret_from_ns)
			*ret_from_ns = r->time_ns;
		rows[n] = t->stacks[r->stack].row;
		rows[n].goid = r->goid;
		rows[n++].sum = (struct sample_sum){
			.hits = 1, .weight = r->weight, .squares = weight * weight};
	}
	pthread_mutex_unlock(&s->lock);
	if (!rows)
		return -ENOMEM;
	*ret_n = merge_rows(rows, n);
	*ret = rows;
	return 0;
}

/* --- all of it ------------------------------------------------------------------------------- */

static void count_marks(struct table *s, unsigned marks)
{
	for (unsigned bit = 0; bit < SAMPLE_MARKS; bit++)
		s->marks[bit] += marks >> bit & 1;
}

void samples_begin(struct samples *s, enum sample_kind kind, uint64_t time_ns)
{
	pthread_mutex_lock(&s->lock);
	if (!s->tables[kind].from_ns)
		s->tables[kind].from_ns = time_ns;
	s->tables[kind].ended_ns = 0;
	pthread_mutex_unlock(&s->lock);
}

void samples_end(struct samples *s, enum sample_kind kind, uint64_t time_ns)
{
	pthread_mutex_lock(&s->lock);
	if (s->tables[kind].from_ns && !s->tables[kind].ended_ns)
		s->tables[kind].ended_ns = time_ns;
	pthread_mutex_unlock(&s->lock);
}

bool samples_on(struct samples *s, enum sample_kind kind, uint64_t time_ns)
{
	const struct table *t = &s->tables[kind];
	bool on;

	pthread_mutex_lock(&s->lock);
	on = t->from_ns && (!t->ended_ns || t->ended_ns >= time_ns);
	pthread_mutex_unlock(&s->lock);
	return on;
}

bool samples_begun(struct samples *s, enum sample_kind kind)
{
	bool begun;

	pthread_mutex_lock(&s->lock);
	begun = s->tables[kind].from_ns != 0;
	pthread_mutex_unlock(&s->lock);
	return begun;
}

void samples_add(struct samples *all, const struct stack_sample *sample)
{
	struct stack_sample others = {.proc = sample->proc, .kind = sample->kind};
	struct table *s = &all->tables[sample->kind];
	struct stack_row *row;

	pthread_mutex_lock(&all->lock);
	s->count++;
	if (!s->from_ns)
		s->from_ns = sample->time_ns;
	row = make_sum(s, sample->proc) ? NULL : stack_row(s, sample);
	if (!row && sample->proc < s->n_sums)
		row = stack_row(s, &others);
	if (row) {
		uint32_t stack = (uint32_t)(row - s->stacks);

		sum_add(&row->row.sum, sample);
		sum_add(&s->sums[sample->proc], sample);
		count_marks(s, sample->marks);
		if (sample->kind == SAMPLE_ALLOC || sample->kind == SAMPLE_CPU)
			add_to_goroutine(s, sample);
		if (sample->kind != SAMPLE_ALLOC)
			note_last(s, sample, stack);
		if (s->recent_max)
			add_recent(s, sample, stack);
	} else {
		s->lost++;
		s->lost_weight += sample->weight;
	}
	pthread_mutex_unlock(&all->lock);
}

void samples_lost(struct samples *s, enum sample_kind kind, uint64_t n, uint64_t weight)
{
	pthread_mutex_lock(&s->lock);
	s->tables[kind].lost += n;
	s->tables[kind].lost_weight += weight;
	pthread_mutex_unlock(&s->lock);
}

void sample_sum_up(const struct sample_sum *from, struct sample_sum *to)
{
	to->hits += from->hits;
	to->weight = sum_u64(to->weight, from->weight);
	to->squares += from->squares;
	to->objects += from->objects;
}

/* Holding the lock. */
static void total_up(const struct table *s, unsigned proc, struct sample_totals *ret)
{
	*ret = (struct sample_totals){
		.lost = s->lost, .lost_weight = s->lost_weight, .from_ns = s->from_ns};
	ret->recent_from_ns = MAX(s->forgotten_ns, s->from_ns);
	memcpy(ret->marks, s->marks, sizeof(ret->marks));
	if (proc < s->n_sums)
		ret->sum = s->sums[proc];
}

int samples_copy(struct samples *s, unsigned proc, enum sample_kind kind, struct sample_row **ret,
		 size_t *ret_n, struct sample_totals *ret_totals)
{
	const struct table *t = &s->tables[kind];
	struct sample_row *rows;
	size_t n = 0;

	pthread_mutex_lock(&s->lock);
	rows = malloc((t->n_stacks + 1) * sizeof(*rows));
	for (size_t i = 0; rows && i < t->n_stacks; i++) {
		if (t->stacks[i].proc == proc)
			rows[n++] = t->stacks[i].row;
	}
	total_up(t, proc, ret_totals);
	pthread_mutex_unlock(&s->lock);
	if (!rows)
		return -ENOMEM;
	*ret = rows;
	*ret_n = n;
	return 0;
}

bool samples_best_at(struct samples *s, unsigned proc, enum sample_kind kind, uint32_t site,
		     struct sample_row *ret, uint64_t *ret_weight)
{
	const struct table *t = &s->tables[kind];
	const struct sample_row *best = NULL;

	*ret_weight = 0;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < t->n_stacks; i++) {
		const struct sample_row *row = &t->stacks[i].row;

		if (t->stacks[i].proc != proc || !row->n || row->sites[0] != site)
			continue;
		*ret_weight = sum_u64(*ret_weight, row->sum.weight);
		if (!best || row->sum.weight > best->sum.weight)
			best = row;
	}
	if (best)
		*ret = *best;
	pthread_mutex_unlock(&s->lock);
	return best;
}

uint64_t samples_lost_all(struct samples *s, enum sample_kind kind)
{
	uint64_t lost;

	pthread_mutex_lock(&s->lock);
	lost = s->tables[kind].lost;
	pthread_mutex_unlock(&s->lock);
	return lost;
}

void samples_totals(struct samples *s, unsigned proc, enum sample_kind kind,
		    struct sample_totals *ret)
{
	pthread_mutex_lock(&s->lock);
	total_up(&s->tables[kind], proc, ret);
	pthread_mutex_unlock(&s->lock);
}
