/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A sample Go program for a test: built by tests/targets/build.sh, kept under tests/.cache. */
#ifndef XGOTOPFS_TESTS_SAMPLE_H
#define XGOTOPFS_TESTS_SAMPLE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define SAMPLE_PATH_MAX 4096

/* False when this machine cannot build it (no go command, a mode that version does not have): the
 * test says so and goes on without. SOURCE_ROOT comes from the build. */
static inline bool sample_build(const char *version, const char *mode, const char *program,
				char ret[SAMPLE_PATH_MAX])
{
	char command[SAMPLE_PATH_MAX];
	FILE *out;
	int status;

	snprintf(command, sizeof(command), "timeout 300 sh '%s/tests/targets/build.sh' %s %s %s",
		 SOURCE_ROOT, version, mode, program);
	out = popen(command, "r");
	if (!out)
		return false;
	if (!fgets(ret, SAMPLE_PATH_MAX, out))
		ret[0] = 0;
	status = pclose(out);
	ret[strcspn(ret, "\n")] = 0;
	if (status == 0 && ret[0])
		return true;
	fprintf(stderr, "# skipped: no %s %s of %s\n", version, mode, program);
	return false;
}

#endif
