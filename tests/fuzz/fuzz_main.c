/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A plain main for the fuzz targets, so that they always build and run over their corpus in the
 * tests: each argument is a file, or a folder of files, that is given to the target once. With
 * -random N, N changed forms of each are given, too (always the same ones). A real engine
 * (-fsanitize=fuzzer) brings its own main and leaves this file out.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX (1u << 20)

static uint64_t state;

static uint32_t random_below(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? (uint32_t)((state >> 16) % below) : 0;
}

/* Each file has its own, as it always had: the file system names them in some order of its own. */
static void begin_random(const char *path)
{
	const char *name = strrchr(path, '/');

	state = 88172645463325252ull;
	for (name = name ? name + 1 : path; *name; name++)
		state = (state ^ (uint8_t)*name) * 0x100000001b3ull;
	state |= 1; /* from 0 nothing would follow */
}

/* A few bytes changed, some cut off, a piece repeated. */
static size_t change(uint8_t *data, size_t size)
{
	static const uint8_t odd[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '"', '\\', '{', '9'};

	for (uint32_t n = 1 + random_below(6); n && size; n--) {
		uint32_t at = random_below((uint32_t)size);

		switch (random_below(4)) {
		case 0:
			data[at] = odd[random_below(sizeof(odd))];
			break;
		case 1:
			data[at] ^= (uint8_t)(1u << random_below(8));
			break;
		case 2:
			memmove(data + at, data + random_below((uint32_t)size),
				random_below((uint32_t)size - at) / 2);
			break;
		default:
			if (random_below(4) == 0)
				size = at;
		}
	}
	return size;
}

/* memmove above may read past a piece's end, never past `size`. */
static int run_file(const char *path, long random_runs)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(2 * FILE_MAX), *copy = malloc(2 * FILE_MAX);
	size_t size;

	if (!file || !data || !copy) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, FILE_MAX, file);
	fclose(file);
	(void)LLVMFuzzerTestOneInput(data, size);
	begin_random(path);
	for (long i = 0; i < random_runs; i++) {
		memcpy(copy, data, size);
		memset(copy + size, 0, size);
		(void)LLVMFuzzerTestOneInput(copy, change(copy, size));
	}
	free(data);
	free(copy);
	return 1;
}

static int shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int run(const char *path, long random_runs)
{
	struct dirent **entries;
	char inner[4096];
	int n = 0, all = scandir(path, &entries, shown, alphasort);

	if (all < 0)
		return run_file(path, random_runs);
	for (int i = 0; i < all; i++) {
		snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name);
		n += run_file(inner, random_runs);
		free(entries[i]);
	}
	free(entries);
	return n;
}

int main(int argc, char **argv)
{
	long random_runs = 0;
	int n = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-random") == 0 && i + 1 < argc)
			random_runs = strtol(argv[++i], NULL, 10);
		else
			n += run(argv[i], random_runs);
	}
	printf("%d inputs\n", n);
	return n ? 0 : 1;
}
