/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Preloaded into the tracer: as long as the file $BLIND is there, its thread xgotop-runners sees no
 * process, as it may for the moment in which one executes something. Else it makes $BLIND.looked
 * at each look.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int blind(const char *path)
{
	const char *file = getenv("BLIND");
	char name[17] = "", looked[4096];

	(void)prctl(PR_GET_NAME, name);
	if (strcmp(name, "xgotop-runners") || strncmp(path, "/proc/", 6) || !file)
		return 0;
	if (access(file, F_OK)) {
		(void)snprintf(looked, sizeof(looked), "%s.looked", file);
		(void)close(open(looked, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		return 0;
	}
	errno = ENOENT;
	return 1;
}

int stat(const char *path, struct stat *ret)
{
	return blind(path) ? -1 : fstatat(AT_FDCWD, path, ret, 0);
}

int stat64(const char *path, struct stat64 *ret)
{
	return blind(path) ? -1 : fstatat64(AT_FDCWD, path, ret, 0);
}

static FILE *really_open(const char *function, const char *path, const char *mode)
{
	FILE *(*real)(const char *, const char *) =
		(FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, function);

	return blind(path) ? NULL : real(path, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	return really_open("fopen", path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
	return really_open("fopen64", path, mode);
}
