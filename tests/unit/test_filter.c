/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The filter language, by the cases that the UI's own reading of it is tested with, too. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/view/filter.h"
#include "core/view/view.h"

static uint32_t intern(struct names *names, const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return *text ? names_intern(names, text, strlen(text)) : 0;
}

static uint64_t seconds(const json_t *row, const char *key)
{
	return (uint64_t)(json_number_value(json_object_get(row, key)) * 1e9);
}

static void read_row(const json_t *row, struct names *names, struct goroutine *g)
{
	size_t i;
	json_t *v;
	int state;

	memset(g, 0, sizeof(*g));
	g->goid = (uint64_t)json_integer_value(json_object_get(row, "goid"));
	g->parent = (uint64_t)json_integer_value(json_object_get(row, "parent"));
	state = view_state_parse(json_string_value(json_object_get(row, "state")));
	assert_true(state >= 0);
	/* Whatever was known last: it does not count. */
	g->state = (uint8_t)(state == GSTATES ? GSTATE_WAITING : state);
	g->flags = state == GSTATES ? GOROUTINE_STATE_UNKNOWN : 0;
	g->start_func_id = intern(names, row, "func");
	g->reason_id = intern(names, row, "reason");
	g->created_site_id =
		names_add_site(names, (struct site){.func_id = intern(names, row, "site")});
	g->created_ns = seconds(row, "created_s");
	g->state_since_ns = seconds(row, "since_s");
	g->began_ns = json_object_get(row, "began_s") ? seconds(row, "began_s") : 0;
	g->exited_ns = seconds(row, "exited_s");
	g->alloc_bytes = (uint64_t)json_integer_value(json_object_get(row, "bytes"));
	g->counts[0] = (uint64_t)json_integer_value(json_object_get(row, "events"));
	g->children = (uint64_t)json_integer_value(json_object_get(row, "children"));
	json_array_foreach(json_object_get(row, "flags"), i, v)
	{
		const char *f = json_string_value(v);

		g->flags |= !strcmp(f, "system")   ? GOROUTINE_SYSTEM
			    : !strcmp(f, "exited") ? GOROUTINE_EXITED
						   : GOROUTINE_FOUND;
	}
}

static bool listed(const json_t *list, uint64_t goid)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
	{
		if ((uint64_t)json_integer_value(v) == goid)
			return true;
	}
	return false;
}

static struct filter_was read_was(const json_t *data, struct names *names, uint64_t goid,
				  struct filter_stay ret[8])
{
	struct filter_was was = {.v = ret};
	size_t i, k;
	json_t *v, *in;

	json_array_foreach(json_object_get(data, "was"), i, v)
	{
		if ((uint64_t)json_integer_value(json_object_get(v, "goid")) != goid)
			continue;
		json_array_foreach(json_object_get(v, "in"), k, in)
		{
			const char *reason = json_string_value(json_array_get(in, 1));

			ret[was.n++] =
				(struct filter_stay){names_intern(names, reason, strlen(reason)),
						     (uint8_t)view_state_parse(json_string_value(
							     json_array_get(in, 0)))};
		}
	}
	return was;
}

static void check_was(const json_t *data, struct names *names)
{
	struct filter_stay stays[8];
	struct filter f;
	char why[160];
	json_t *c, *row;
	size_t i, k;

	json_array_foreach(json_object_get(data, "was_cases"), i, c)
	{
		const char *text = json_string_value(json_object_get(c, "filter"));

		assert_int_equal(filter_parse(text, &f, why, sizeof(why)), 0);
		assert_true(filter_asks_was(&f));
		json_array_foreach(json_object_get(data, "rows"), k, row)
		{
			struct filter_was was;
			struct goroutine g;
			bool want, got;

			read_row(row, names, &g);
			was = read_was(data, names, g.goid, stays);
			want = listed(json_object_get(c, "match"), g.goid);
			got = filter_match(&f, names, &g, 100 * NS_PER_SEC, &was);
			if (want != got)
				print_error("\"%s\" on %d\n", text, (int)g.goid);
			assert_int_equal(got, want);
		}
	}
}

static void test_filter(void **state)
{
	json_t *data = json_load_file(SOURCE_ROOT "/tests/data/filter.json", 0, NULL), *c, *row;
	struct filter f;
	struct names *names;
	char why[160];
	size_t i, k;

	assert_non_null(data);
	assert_int_equal(names_new(1000, &names), 0);
	json_array_foreach(json_object_get(data, "cases"), i, c)
	{
		const char *text = json_string_value(json_object_get(c, "filter"));

		assert_int_equal(filter_parse(text, &f, why, sizeof(why)), 0);
		json_array_foreach(json_object_get(data, "rows"), k, row)
		{
			struct goroutine g;
			bool want, got;

			read_row(row, names, &g);
			want = listed(json_object_get(c, "match"), g.goid);
			got = filter_match(&f, names, &g, 100 * NS_PER_SEC, NULL);
			if (want != got)
				print_error("\"%s\" on %d\n", text, (int)g.goid);
			assert_int_equal(got, want);
		}
	}
	check_was(data, names);
	json_array_foreach(json_object_get(data, "bad"), i, c)
	{
		const char *text = json_string_value(json_object_get(c, "filter"));

		assert_int_equal(filter_parse(text, &f, why, sizeof(why)), -EINVAL);
		assert_int_equal(strncmp(why, "filter: ", 8), 0);
		assert_string_equal(why + 8, json_string_value(json_object_get(c, "why")));
	}
	json_decref(data);
	names_free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
