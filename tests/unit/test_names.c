/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Interned strings, types and sites: identity, bounds, and readers beside a writer. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/text.h"
#include "core/model/names.h"

static uint32_t intern(struct names *n, const char *text)
{
	return names_intern(n, text, strlen(text));
}

static void test_strings(void **state)
{
	struct names *n;
	const char *first;
	uint32_t a, b;

	assert_int_equal(names_new(100000, &n), 0);
	assert_string_equal(names_string(n, 0), "");
	assert_string_equal(names_string(n, 1), "");
	assert_string_equal(names_string(n, UINT32_MAX), "");
	assert_int_equal(intern(n, ""), 0);
	a = intern(n, "main.worker");
	b = intern(n, "main.worker2");
	assert_int_equal(a, 1);
	assert_int_equal(b, 2);
	assert_int_equal(intern(n, "main.worker"), a);
	assert_int_equal(names_intern(n, "main.worker2", 11), a);
	first = names_string(n, a);
	for (int i = 0; i < 50000; i++) {
		char text[32];

		snprintf(text, sizeof(text), "name%d", i);
		assert_int_equal(intern(n, text), 3 + i);
	}
	/* Nothing moved, nothing changed. */
	assert_ptr_equal(names_string(n, a), first);
	assert_string_equal(first, "main.worker");
	assert_string_equal(names_string(n, 3 + 49999), "name49999");
	assert_int_equal(intern(n, "name123"), 3 + 123);
	assert_int_equal(names_dropped(n), 0);
	names_free(n);
}

static void test_odd_strings(void **state)
{
	struct names *n;
	char *big = test_malloc(100000);
	struct go_type type = {.size = 1};
	size_t len;
	uint32_t id;

	assert_int_equal(names_new(10, &n), 0);
	/* A string ends at a NUL. */
	assert_int_equal(names_intern(n, "ab\0cd", 5), intern(n, "ab"));
	assert_int_equal(names_intern(n, "\0cd", 3), 0);
	memset(big, 'x', 99999);
	big[99999] = '\0';
	/* Bounded, and one that differs only past the bound is another name. */
	id = intern(n, big);
	names_string_len(n, id, &len);
	assert_int_equal(len, TEXT_NAME_SIZE - 1);
	big[50000] = 'y';
	assert_int_not_equal(intern(n, big), id);
	type.name = big;
	assert_int_equal(names_add_type(n, &type), 1);
	assert_int_equal(strlen(names_type(n, 1)->name), TEXT_NAME_SIZE - 1);
	/* Cut before a character, not inside it. */
	for (int i = 0; i + 2 < 99999; i += 3)
		memcpy(big + i, "\xe2\x82\xac", 3);
	id = intern(n, big);
	assert_non_null(strstr(names_string(n, id), "\xe2\x82\xac\xe2\x80\xa6~"));
	/* What a terminal would act on. */
	id = intern(n, "main.\x1b[31m\n\xff\xc2\x9b");
	assert_string_equal(names_string(n, id), "main.\\x1b[31m\\n\\xff\\u009b");
	names_free(n);
	test_free(big);
}

static void test_bound(void **state)
{
	struct names *n;
	struct go_type type = {.name = "third", .size = 1};

	assert_int_equal(names_new(2, &n), 0);
	assert_int_equal(intern(n, "one"), 1);
	assert_int_equal(intern(n, "two"), 2);
	assert_int_equal(intern(n, "three"), 0);
	assert_int_equal(intern(n, "one"), 1);
	assert_int_equal(names_dropped(n), 1);
	/* A type whose name has no room. */
	assert_int_equal(names_add_type(n, &type), 0);
	assert_int_equal(names_dropped(n), 2);
	assert_int_equal(names_types(n), 0);
	names_free(n);
	names_free(NULL);
}

/* Strings have a bound together, too. */
static void test_bytes(void **state)
{
	char text[TEXT_NAME_SIZE];
	struct names *n;
	unsigned i = 0;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(names_new(1u << 20, &n), 0);
	do {
		snprintf(text, 16, "%09u", i++);
		text[9] = 'x';
	} while (intern(n, text));
	assert_in_range(i, 200000, 270000);
	assert_int_equal(names_dropped(n), 1);
	assert_true(names_memory(n) < 400u << 20);
	/* What is there stays. */
	snprintf(text, 16, "%09u", 7);
	text[9] = 'x';
	assert_int_not_equal(intern(n, text), 0);
	names_free(n);
}

static void test_types(void **state)
{
	struct names *n;
	char name[] = "main.T";
	struct go_type t = {.name = name, .size = 32, .kind = 25};
	struct go_type map = {.name = "map[string]int",
			      .size = 8,
			      .kind = 21,
			      .key_size = 16,
			      .elem_size = 8,
			      .key_kind = 24,
			      .elem_kind = 2};
	struct go_type none = {.name = ""};
	uint32_t id;

	assert_int_equal(names_new(1000, &n), 0);
	assert_string_equal(names_type(n, 0)->name, "");
	assert_int_equal(names_type(n, 7)->kind, 0);
	id = names_add_type(n, &t);
	assert_int_equal(id, 1);
	memcpy(name, "other!", 6); /* the name was copied */
	assert_string_equal(names_type(n, id)->name, "main.T");
	memcpy(name, "main.T", 6);
	assert_int_equal(names_add_type(n, &t), id);
	t.size = 40; /* another main.T, say of another package version */
	assert_int_equal(names_add_type(n, &t), 2);
	t.kind = 17;
	assert_int_equal(names_add_type(n, &t), 3);
	assert_int_equal(names_add_type(n, &map), 4);
	assert_int_equal(names_type(n, 4)->key_size, 16);
	assert_int_equal(names_type(n, 4)->elem_kind, 2);
	assert_int_equal(names_types(n), 4);
	/* Known by size only (Go 1.25 and on: merged variables). */
	none.size = 24;
	assert_int_equal(names_add_type(n, &none), 5);
	assert_int_equal(names_add_type(n, &none), 5);
	names_free(n);
}

static void test_sites(void **state)
{
	struct names *n;
	struct site site = {.func_id = 3, .file_id = 4, .line = 12};
	uint32_t id;

	assert_int_equal(names_new(1000, &n), 0);
	assert_int_equal(names_site(n, 0)->line, 0);
	assert_int_equal(names_add_site(n, (struct site){0}), 0);
	id = names_add_site(n, site);
	assert_int_equal(id, 1);
	assert_int_equal(names_add_site(n, site), id);
	site.line++;
	assert_int_equal(names_add_site(n, site), 2);
	assert_int_equal(names_site(n, id)->line, 12);
	names_free(n);
}

static void test_kinds(void **state)
{
	assert_string_equal(go_kind_name(0), "invalid");
	assert_string_equal(go_kind_name(2), "int");
	assert_string_equal(go_kind_name(8), "uint8");
	assert_string_equal(go_kind_name(21), "map");
	assert_string_equal(go_kind_name(24), "string");
	assert_string_equal(go_kind_name(25), "struct");
	assert_string_equal(go_kind_name(26), "unsafe.Pointer");
	assert_string_equal(go_kind_name(27), "unknown");
}

#define SHARED 20000

struct shared {
	struct names *n;
	_Atomic uint32_t newest;
	_Atomic bool done;
	_Atomic uint64_t wrong;
};

static void *add_names(void *arg)
{
	struct shared *s = arg;

	for (int i = 1; i <= SHARED; i++) {
		char text[32];
		struct go_type type = {.name = text, .size = (uint64_t)i, .kind = 25};

		snprintf(text, sizeof(text), "type%d", i);
		names_add_type(s->n, &type);
		atomic_store(&s->newest, (uint32_t)i);
	}
	atomic_store(&s->done, true);
	return NULL;
}

/* What a reader sees of an id that exists is complete, whatever is added meanwhile. */
static void *read_names(void *arg)
{
	struct shared *s = arg;

	do {
		uint32_t newest = names_types(s->n);

		for (uint32_t id = newest; id > 0 && id + 50 > newest; id--) {
			const struct go_type *type = names_type(s->n, id);
			char text[32];

			snprintf(text, sizeof(text), "type%u", (unsigned)type->size);
			if (strcmp(type->name, text) != 0 || type->kind != 25)
				atomic_fetch_add(&s->wrong, 1);
		}
	} while (!atomic_load(&s->done));
	return NULL;
}

static void test_concurrency(void **state)
{
	struct shared s = {0};
	pthread_t threads[4];

	assert_int_equal(names_new(100000, &s.n), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, i < 2 ? add_names : read_names, &s), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(s.wrong, 0);
	/* Two threads added the same names: each is there once. */
	assert_int_equal(names_types(s.n), SHARED);
	names_free(s.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings), cmocka_unit_test(test_odd_strings),
		cmocka_unit_test(test_bound),   cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_types),   cmocka_unit_test(test_sites),
		cmocka_unit_test(test_kinds),   cmocka_unit_test(test_concurrency),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
