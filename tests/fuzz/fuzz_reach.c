/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Marking over a heap that no runtime made: spans of any size, some of them noscan, some that
 * overlap with others or lie outside of what can be read, objects whose words point anywhere in it.
 * Marking ends, reads each span once, and what was reached is what a plain walk over the same
 * memory reaches.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "core/memory/reach.h"
#include "tests/fuzz/fuzz.h"

#define PAGES 64
#define PAGE  (1u << HEAP_PAGE_SHIFT)
#define IMAGE ((size_t)PAGES * PAGE)
#define SPANS 32
#define ROOTS 16
#define STEPS (1u << 20)

static uint8_t *image; /* its last page cannot be read */

static void map_image(void)
{
	uint8_t *all = mmap(NULL, IMAGE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	FUZZ_ASSERT(all != MAP_FAILED);
	image = (uint8_t *)(((uintptr_t)all + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
	FUZZ_ASSERT(!mprotect(image + IMAGE - PAGE, PAGE, PROT_NONE));
}

static uint64_t pointer(uint64_t value)
{
	return (uint64_t)(uintptr_t)image + value % IMAGE;
}

static size_t make_spans(struct fuzz_input *in, struct heap_span *spans)
{
	size_t n = fuzz_u8(in) % SPANS, at = 0, made = 0;

	for (size_t i = 0; i < n && at < PAGES; i++) {
		size_t pages = 1 + fuzz_u8(in) % 8;
		uint64_t elem = 8 * (1 + fuzz_number(in, 2) % 2048);

		at += fuzz_u8(in) % 3;
		if (at + pages > PAGES)
			break;
		elem = MIN(elem, (uint64_t)pages * PAGE);
		spans[made++] = (struct heap_span){
			.base = pointer(at * PAGE),
			.limit = pointer(at * PAGE) + (uint64_t)pages * PAGE / elem * elem,
			.elem_size = elem,
			.noscan = fuzz_u8(in) & 1,
		};
		at += pages;
	}
	return made;
}

static void fill_image(struct fuzz_input *in)
{
	memset(image, 0, IMAGE - PAGE);
	while (fuzz_left(in) >= 6) {
		size_t at = fuzz_number(in, 3) % (IMAGE - PAGE) & ~(size_t)7;
		uint64_t value = pointer(fuzz_number(in, 3));

		memcpy(image + at, &value, sizeof(value));
	}
}

/* How much of an object is skipped: a stack's bounds. */
static uint64_t begin(const struct heap *h, const struct heap_span *s, uint64_t at)
{
	uint64_t words[REACH_G_WORDS];

	if (s->elem_size <= 256)
		return 0;
	memcpy(words, (void *)(uintptr_t)at, sizeof(words));
	return reach_begins_with_stack(h, words) ? REACH_G_STACK : 0;
}

/* Object by object, until nothing changes. */
static void walk(const struct heap *h, const uint64_t *roots, size_t n, uint8_t *reached)
{
	const uint64_t readable = (uint64_t)(uintptr_t)image + IMAGE - PAGE;
	bool more = true;

	for (size_t i = 0; i < n; i++) {
		const struct heap_span *s = heap_span_at(h, roots[i]);

		if (s)
			reached[s->first + heap_object_in_span(s, roots[i])] = 1;
	}
	while (more) {
		more = false;
		for (size_t i = 0; i < h->n; i++) {
			const struct heap_span *s = &h->spans[i];

			for (uint64_t o = 0; o < s->objects && !s->noscan; o++) {
				uint64_t at = s->base + o * s->elem_size;

				if (reached[s->first + o] != 1 || s->limit > readable)
					continue;
				reached[s->first + o] = 2;
				for (uint64_t w = at + begin(h, s, at); w + 8 <= at + s->elem_size;
				     w += 8) {
					const struct heap_span *to;
					uint64_t value;

					memcpy(&value, (void *)(uintptr_t)w, sizeof(value));
					to = heap_span_at(h, value);
					if (to &&
					    !reached[to->first + heap_object_in_span(to, value)])
						reached[to->first +
							heap_object_in_span(to, value)] = more = 1;
				}
			}
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size);
	struct heap_span spans[SPANS];
	uint64_t roots[ROOTS];
	struct heap *h = NULL;
	struct reach *r = NULL;
	uint8_t *reached;
	size_t n, n_roots;
	int err;

	if (!image)
		map_image();
	n = make_spans(&in, spans);
	n_roots = fuzz_u8(&in) % ROOTS;
	for (size_t i = 0; i < n_roots; i++)
		roots[i] = pointer(fuzz_number(&in, 3));
	fill_image(&in);
	FUZZ_ASSERT(!heap_from_spans(spans, n, &h));
	FUZZ_ASSERT(!reach_new(h, getpid(), &r));
	for (size_t i = 0; i < n_roots; i++)
		reach_value(r, roots[i]);
	for (unsigned step = 0; (err = reach_run(r, 4096)) == 1; step++)
		FUZZ_ASSERT(step < STEPS);
	FUZZ_ASSERT(!err);
	reached = calloc(h->objects + 1, 1);
	FUZZ_ASSERT(reached != NULL);
	walk(h, roots, n_roots, reached);
	for (size_t i = 0; i < h->n; i++) {
		const struct heap_span *s = &h->spans[i];

		/* A span that cannot be read as a whole is not: it is counted. */
		for (uint64_t o = 0; o < s->objects; o++)
			FUZZ_ASSERT(reach_is_reached(r, s->base + o * s->elem_size) ==
				    (reached[s->first + o] != 0));
	}
	free(reached);
	reach_free(r);
	heap_free(h);
	return 0;
}
