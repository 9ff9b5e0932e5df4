/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any memory as that of a Go program whose goroutines wait: sudogs, channels, the table of
 * semaphores. The input is the release, the goroutines' heads, and an image in which what is odd
 * points into the image, so that lists, rings and trees come about. Reading ends, within bounds,
 * and what was found fits together.
 */
#include <elf.h>
#include <sys/mman.h>

#include "core/memory/wait_sudogs.h"
#include "core/memory/waits.h"
#include "core/target/layout.h"
#include "tests/fuzz/fuzz.h"

#define IMAGE    (64u << 10)
#define HEADS    64
#define CHANNELS 64

static uint8_t *image;

static void map_image(void)
{
	image = mmap(NULL, IMAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FUZZ_ASSERT(image != MAP_FAILED);
}

static uint64_t pointer(uint64_t value)
{
	return (uint64_t)(uintptr_t)image + (value >> 1 & (IMAGE - 1) & ~7ull);
}

static void fill_image(struct fuzz_input *in)
{
	memset(image, 0, IMAGE);
	for (size_t at = 0; at + 8 <= IMAGE && fuzz_left(in); at += 8) {
		uint64_t value = fuzz_number(in, 3);

		if (value & 1)
			value = pointer(value);
		memcpy(image + at, &value, sizeof(value));
	}
}

static void check_sudogs(const struct sudogs *s)
{
	FUZZ_ASSERT(s->n <= WAIT_SUDOGS_MAX && s->n <= s->cap);
	for (size_t i = 0; i < s->n; i++)
		FUZZ_ASSERT(address_map_get(&s->by_address, s->list[i].address) == i);
}

static void check_channels(const struct go_layout *l, pid_t pid, struct sudogs *s)
{
	struct channel list[CHANNELS] = {0};
	size_t n = 0, budget = 1000;

	for (size_t i = 0; i < s->n && n < CHANNELS; i++) {
		if (s->list[i].c)
			list[n++].address = s->list[i].c;
	}
	FUZZ_ASSERT(!channels_read(l, pid, list, n));
	for (size_t i = 0; i < n; i++) {
		FUZZ_ASSERT(!list[i].ok || list[i].len <= list[i].cap);
		if (list[i].ok)
			FUZZ_ASSERT(!channel_mark_queues(l, pid, &list[i], s, &budget));
	}
	FUZZ_ASSERT(budget <= 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = fuzz_input(data, size);
	struct sudog_head heads[HEADS];
	bool broken[HEADS] = {0};
	struct sudogs s = {0}, semaphores = {0};
	struct go_layout l;
	pid_t pid = getpid();
	size_t n;

	if (!image)
		map_image();
	FUZZ_ASSERT(!layout_of_release(LAYOUT_OLDEST +
					       fuzz_u8(&in) % (LAYOUT_NEWEST - LAYOUT_OLDEST + 1),
				       fuzz_u8(&in) & 1 ? EM_AARCH64 : EM_X86_64, &l));
	n = fuzz_u8(&in) % HEADS;
	for (size_t i = 0; i < n; i++) {
		heads[i] = (struct sudog_head){
			.address = pointer(fuzz_number(&in, 3)),
			.owner = (uint32_t)i,
			.chain = fuzz_u8(&in) & 1,
		};
		heads[i].g = pointer(fuzz_number(&in, 3));
	}
	fill_image(&in);
	/* Most goroutines are those that their sudogs name. */
	for (size_t i = 0; i < n; i += 2)
		memcpy(&heads[i].g, (void *)(uintptr_t)heads[i].address, sizeof(heads[i].g));
	FUZZ_ASSERT(!sudogs_read(&l, pid, heads, n, broken, &s));
	check_sudogs(&s);
	for (size_t i = 0; i < s.n; i++)
		FUZZ_ASSERT(s.list[i].owner < n && s.list[i].g == heads[s.list[i].owner].g);
	check_channels(&l, pid, &s);
	FUZZ_ASSERT(!sudogs_check(&l, pid, &s, broken));
	FUZZ_ASSERT(!sudogs_read_semaphores(&l, pid, (uint64_t)(uintptr_t)image, &semaphores));
	check_sudogs(&semaphores);
	for (size_t i = 0; i < semaphores.n; i++)
		FUZZ_ASSERT(semaphores.list[i].elem && semaphores.list[i].owner == ADDRESS_NONE);
	sudogs_free(&s);
	sudogs_free(&semaphores);
	return 0;
}
