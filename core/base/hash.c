/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See hash.h. */
#include "core/base/hash.h"

#include <sys/random.h>

uint64_t hash_secret[2] = {0x9e3779b97f4a7c15ull, 0xff51afd7ed558ccdull};

/* Before main(), as tables are made anywhere and by any thread. */
__attribute__((constructor)) static void choose_secret(void)
{
	uint64_t random[2];

	/* Very early in the boot there is none: then it is where the kernel has put us. */
	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random[0] = random[1] = (uint64_t)(uintptr_t)hash_secret * hash_secret[0];
	hash_secret[0] ^= random[0];
	hash_secret[1] = (hash_secret[1] ^ random[1]) | 1;
}
