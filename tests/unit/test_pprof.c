/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A profile is what went in, read with protobuf-c and zlib; tests/cases/pprof.sh has Go's own
 * reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "core/pprof/pprof.h"
#include "proto/profile.pb-c.h"

typedef Perftools__Profiles__Profile Profile;

static const struct pprof_type types[] = {{"objects", "count"}, {"space", "bytes"}};
static const struct pprof_about about = {.binary = "/srv/server", .time_ns = 5, .duration_ns = 7};

static Profile *unpack(const struct buf *packed)
{
	static uint8_t plain[32 << 20];
	z_stream z = {.next_in = (Bytef *)packed->data,
		      .avail_in = (uInt)packed->len,
		      .next_out = plain,
		      .avail_out = sizeof(plain)};

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);
	return perftools__profiles__profile__unpack(NULL, z.total_out, plain);
}

static const char *text(const Profile *p, int64_t i)
{
	assert_true(i >= 0 && (size_t)i < p->n_string_table);
	return p->string_table[i];
}

/* The function of frame i of a sample; its line goes to *line. */
static const char *function(const Profile *p, const Perftools__Profiles__Sample *s, size_t i,
			    int64_t *line)
{
	for (size_t l = 0; l < p->n_location; l++) {
		const Perftools__Profiles__Location *loc = p->location[l];

		if (loc->id != s->location_id[i])
			continue;
		*line = loc->line[0]->line;
		for (size_t f = 0; f < p->n_function; f++) {
			if (p->function[f]->id == loc->line[0]->function_id)
				return text(p, p->function[f]->name);
		}
	}
	fail_msg("no location %llu", (unsigned long long)s->location_id[i]);
	return NULL;
}

static void test_what_went_in(void **state)
{
	const struct pprof_frame leaf = {PPROF_TEXT("main.leaf"), PPROF_TEXT("/a.go"), 12};
	const struct pprof_frame root = {PPROF_TEXT("main.root"), {NULL, 0}, 0};
	const struct pprof_frame both[] = {leaf, root};
	struct pprof_sample s = {.frames = both, .n = 2, .values = {1, 96}};
	cleanup_buf_ struct buf out = BUF_INIT;
	struct pprof *pprof;
	int64_t line = -1;
	Profile *p;

	assert_int_equal(pprof_new(types, 2, &pprof), 0);
	s.labels[0] = (struct pprof_label){PPROF_TEXT("type"), PPROF_TEXT("main.T")};
	assert_int_equal(pprof_add(pprof, &s), 0);
	assert_int_equal(pprof_add(pprof, &s), 0);
	s.labels[0].value.len = 0; /* the same stack without the label is another sample */
	assert_int_equal(pprof_add(pprof, &s), 0);
	s.n = 1;
	assert_int_equal(pprof_add(pprof, &s), 0);
	pprof_comment(pprof, "%d of %d", 1, 2);
	assert_int_equal(pprof_finish(pprof, &about, &out), 0);
	pprof_free(pprof);

	p = unpack(&out);
	assert_non_null(p);
	assert_string_equal(text(p, 0), "");
	assert_int_equal(p->n_sample_type, 2);
	assert_string_equal(text(p, p->sample_type[1]->type), "space");
	assert_string_equal(text(p, p->sample_type[1]->unit), "bytes");
	assert_string_equal(text(p, p->default_sample_type), "space");
	assert_string_equal(text(p, p->mapping[0]->filename), "/srv/server");
	assert_string_equal(text(p, p->comment[0]), "1 of 2");
	assert_int_equal(p->time_nanos, 5);
	assert_int_equal(p->duration_nanos, 7);

	assert_int_equal(p->n_sample, 3);
	assert_int_equal(p->sample[0]->value[0], 2);
	assert_int_equal(p->sample[0]->value[1], 192);
	assert_int_equal(p->sample[0]->n_location_id, 2);
	assert_string_equal(function(p, p->sample[0], 0, &line), "main.leaf");
	assert_int_equal(line, 12);
	assert_string_equal(function(p, p->sample[0], 1, &line), "main.root");
	assert_int_equal(line, 0);
	assert_int_equal(p->sample[0]->n_label, 1);
	assert_string_equal(text(p, p->sample[0]->label[0]->key), "type");
	assert_string_equal(text(p, p->sample[0]->label[0]->str), "main.T");
	assert_int_equal(p->sample[1]->n_label, 0);
	assert_int_equal(p->sample[2]->n_location_id, 1);
	perftools__profiles__profile__free_unpacked(p, NULL);
}

/* Deeper and more than is kept: cut and counted, not refused. */
static void test_bounds(void **state)
{
	static struct pprof_frame deep[PPROF_DEPTH_MAX + 10];
	struct pprof_sample s = {.frames = deep, .n = ARRAY_SIZE(deep), .values = {1, 1}};
	cleanup_buf_ struct buf out = BUF_INIT;
	struct pprof *pprof;
	uint64_t sum = 0;
	Profile *p;

	for (size_t i = 0; i < ARRAY_SIZE(deep); i++)
		deep[i] = (struct pprof_frame){.function = PPROF_TEXT("f"), .line = (uint32_t)i};
	assert_int_equal(pprof_new(types, 1, &pprof), 0);
	assert_int_equal(pprof_add(pprof, &s), 0);
	s.n = 1;
	for (uint32_t i = 0; i < PPROF_SAMPLES_MAX + 5; i++) {
		deep[0].line = i + 1000;
		assert_int_equal(pprof_add(pprof, &s), 0);
	}
	assert_int_equal(pprof_finish(pprof, &about, &out), 0);
	pprof_free(pprof);
	p = unpack(&out);
	assert_non_null(p);
	assert_int_equal(p->n_sample_type, 1);
	assert_int_equal(p->sample[0]->n_location_id, PPROF_DEPTH_MAX);
	for (size_t i = 0; i < p->n_sample; i++)
		sum += (uint64_t)p->sample[i]->value[0];
	assert_int_equal(sum, PPROF_SAMPLES_MAX + 6);
	assert_int_equal(p->n_comment, 1);
	perftools__profiles__profile__free_unpacked(p, NULL);
}

/* A session may say anything: what does not fit is the largest there is. */
static void test_large(void **state)
{
	struct pprof_frame frame = {.function = PPROF_TEXT("f"), .line = 1};
	struct pprof_sample s = {.frames = &frame, .n = 1, .values = {INT64_MAX / 2, 1}};
	cleanup_buf_ struct buf out = BUF_INIT;
	struct pprof *pprof;
	Profile *p;

	assert_int_equal(pprof_new(types, 2, &pprof), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(pprof_add(pprof, &s), 0);
	assert_int_equal(pprof_finish(pprof, &about, &out), 0);
	pprof_free(pprof);
	p = unpack(&out);
	assert_non_null(p);
	assert_int_equal(p->n_sample, 1);
	assert_true(p->sample[0]->value[0] == INT64_MAX);
	assert_int_equal(p->sample[0]->value[1], 5);
	perftools__profiles__profile__free_unpacked(p, NULL);
}

static void test_nothing(void **state)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	struct pprof *pprof;
	Profile *p;

	assert_int_equal(pprof_new(types, 2, &pprof), 0);
	assert_int_equal(pprof_finish(pprof, &about, &out), 0);
	pprof_free(pprof);
	p = unpack(&out);
	assert_non_null(p);
	assert_int_equal(p->n_sample, 0);
	assert_string_equal(text(p, 0), "");
	perftools__profiles__profile__free_unpacked(p, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_went_in),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
