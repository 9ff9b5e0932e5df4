/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Views of a process that has ended, as text and as JSON. After cmocka.h and jansson.h. */
#ifndef XGOTOPFS_TESTS_VIEW_RENDER_H
#define XGOTOPFS_TESTS_VIEW_RENDER_H

#include "core/base/util.h"
#include "core/view/view.h"
#include "tests/unit/view_fixture.h"

#define MS 1000000ull
#define T0 (1000 * NS_PER_SEC)

static inline int health(void *ctx, unsigned proc, struct health *ret)
{
	*ret = ((struct fixture *)ctx)->health;
	return 0;
}

/* Goroutine 1 found, 7 created by it in a known life that ends the process at T0 + 100 ms. */
static inline void fill(struct fixture *x)
{
	struct go_type request = {.name = "main.Request", .size = 96, .kind = 25};
	struct event events[] = {
		{.type = EVENT_CASGSTATUS, .goid = 1, .target = 7, .from = 6, .to = 1},
		{.type = EVENT_NEWGOROUTINE, .goid = 1, .target = 7},
		{.type = EVENT_CASGSTATUS, .goid = 7, .target = 7, .from = 1, .to = 2},
		{.type = EVENT_NEWOBJECT, .goid = 7, .size = 96},
		{.type = EVENT_MAKEMAP, .goid = 7},
		{.type = EVENT_CASGSTATUS, .goid = 7, .target = 7, .from = 2, .to = 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		events[i].time_ns = T0 + 10 * MS * i;
	events[1].string_id = intern(x, "main.worker");
	events[1].site_id = names_add_site(
		x->names, (struct site){intern(x, "main.main"), intern(x, "/src/main.go"), 12});
	events[3].type_id = names_add_type(x->names, &request);
	events[5].string_id = intern(x, "chan receive");
	model_apply(x->m, events, ARRAY_SIZE(events));
	model_proc_exited(x->m, 0, T0 + 100 * MS);
}

static inline int setup(void **state)
{
	struct proc_info info = {.pid = 4711,
				 .attached_ns = T0,
				 .binary_path = "/srv/a \"quoted\"\nname",
				 .go_version = "go1.24.1"};
	struct fixture *x = fixture_new(1000, 5, &info);

	assert_int_equal(meter_new(&x->meter), 0);
	x->v.meter = x->meter;
	fill(x);
	*state = x;
	return 0;
}

static inline int ask(struct fixture *x, view_fn *fn, unsigned proc, uint64_t goid,
		      enum view_form form)
{
	struct view_query q = {.proc = proc, .goid = goid, .form = form};

	return fn(&x->v, &q, &x->out);
}

static inline const char *render(struct fixture *x, view_fn *fn, uint64_t goid, enum view_form form)
{
	buf_reset(&x->out);
	assert_int_equal(ask(x, fn, 0, goid, form), 0);
	return x->out.data;
}

static inline void starts_with(const char *text, const char *start)
{
	assert_int_equal(strncmp(text, start, strlen(start)), 0);
}

static inline void has_line(const char *text, const char *line)
{
	const char *at = text;
	size_t len = strlen(line);

	while ((at = strstr(at, line))) {
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return;
		at++;
	}
	fail_msg("no line \"%s\" in:\n%s", line, text);
}

static inline json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("%s in: %s", error.text, text);
	return root;
}

/* Each key of the text is one of the JSON form, and the other way round. */
static inline void same_keys(struct fixture *x, view_fn *fn, uint64_t goid)
{
	char *text = strdup(render(x, fn, goid, VIEW_TEXT));
	json_t *root = parse(render(x, fn, goid, VIEW_JSON));
	size_t in_text = 0;
	char *save, *previous = NULL;

	assert_true(json_is_object(root));
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(line, ' ');

		assert_non_null(space);
		assert_true(space[1] != '\0');
		*space = '\0';
		for (const char *c = line; *c; c++)
			assert_true((*c >= 'a' && *c <= 'z') || *c == '_' ||
				    (*c >= '0' && *c <= '9'));
		if (!json_object_get(root, line))
			fail_msg("%s is not in the JSON form", line);
		/* A list has a line for each item. */
		in_text += !previous || strcmp(previous, line) != 0;
		previous = line;
	}
	for (const char *key = json_object_iter_key(json_object_iter(root)); key;) {
		json_t *value = json_object_get(root, key);

		if (json_is_array(value) && json_array_size(value) == 0)
			in_text++;
		key = json_object_iter_key(
			json_object_iter_next(root, json_object_key_to_iter(key)));
	}
	assert_int_equal(in_text, json_object_size(root));
	json_decref(root);
	free(text);
}

static inline const char *render_row(struct fixture *x, view_fn *fn)
{
	struct view_query q = {.form = VIEW_TEXT};
	unsigned i = 0;

	while (views[i].fn != fn)
		i++;
	buf_reset(&x->out);
	assert_int_equal(view_render(&views[i], &x->v, &q, &x->out), 0);
	return x->out.data;
}

#endif
