/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* metadata.json from anywhere; what was read can be written and reads the same again. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/session/meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/fuzz_session_meta.XXXXXX";
	int dir = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY) : -1, fd;
	struct session_meta meta, again;

	if (dir < 0)
		abort();
	fd = openat(dir, "metadata.json", O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	if (session_meta_load(dir, &meta, NULL, 0) == 0) {
		if (session_meta_save(dir, &meta, false) || session_meta_load(dir, &again, NULL, 0))
			abort();
		/* Both were zeroed before they were filled. */
		if (memcmp(&meta, &again, sizeof(meta)))
			abort();
	}
	(void)unlinkat(dir, "metadata.json", 0);
	close(dir);
	rmdir(path);
	return 0;
}
