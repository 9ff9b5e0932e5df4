/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The filter language: what is refused is said in one line; a term and its negation are never both
 * true of a goroutine, nor both false.
 */
#include "core/view/filter.h"
#include "tests/fuzz/fuzz.h"

static struct names *names;
static struct goroutine some[4];

static void make_goroutines(void)
{
	static const char *const texts[] = {"main.worker", "net/http.(*conn).serve", "chan receive",
					    "IO wait", "main.\xff\xfe*?[x]"};
	uint32_t ids[5];

	FUZZ_ASSERT(!names_new(100, &names));
	for (unsigned i = 0; i < 5; i++)
		ids[i] = names_intern(names, texts[i], strlen(texts[i]));
	for (unsigned i = 0; i < 4; i++) {
		some[i] =
			(struct goroutine){.goid = i ? 4711 * i : 1,
					   .parent = i,
					   .state = (uint8_t)(i ? GSTATE_WAITING : GSTATE_RUNNING),
					   .reason_id = ids[2 + i % 2],
					   .start_func_id = ids[i % 2 ? 0 : 1 + i],
					   .created_ns = 1000 * i,
					   .state_since_ns = 5000000000u * i,
					   .alloc_bytes = 1000000 * i,
					   .children = i};
		some[i].flags = (uint16_t)(i == 3 ? GOROUTINE_EXITED | GOROUTINE_SYSTEM : 0);
		some[i].exited_ns = i == 3 ? 20000000000u : 0;
		some[i].created_site_id =
			names_add_site(names, (struct site){.func_id = ids[4], .line = i});
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size);
	char *text = fuzz_text(&in), why[200] = "";
	const struct filter_stay stays[] = {{0, GSTATE_RUNNING}, {3, GSTATE_WAITING}, {0, GSTATES}};
	const struct filter_was was = {.v = stays, .n = size % 4};
	struct filter filter;

	if (!names)
		make_goroutines();
	if (filter_parse(text, &filter, why, sizeof(why))) {
		FUZZ_ASSERT(*why && memchr(why, '\0', sizeof(why)));
		free(text);
		return 0;
	}
	FUZZ_ASSERT(filter.n <= FILTER_TERMS_MAX);
	for (unsigned g = 0; g < 4; g++) {
		bool all = true;

		for (unsigned i = 0; i < filter.n; i++) {
			struct filter one = {.n = 1, .terms = {filter.terms[i]}};
			bool is = filter_match(&one, names, &some[g], 30000000000u, &was);

			all = all && is;
			one.terms[0].negated = !one.terms[0].negated;
			FUZZ_ASSERT(filter_match(&one, names, &some[g], 30000000000u, &was) != is);
		}
		FUZZ_ASSERT(filter_match(&filter, names, &some[g], 30000000000u, &was) == all);
	}
	free(text);
	return 0;
}
