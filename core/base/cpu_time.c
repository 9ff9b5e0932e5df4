/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/base/cpu_time.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/parse.h"

#define THREADS_MAX 1024

/* schedstat: "time on CPUs, time waiting for one, turns". Documentation/scheduler/sched-stats.rst
 */
static bool add_thread(int dir, const char *thread, uint64_t *sum)
{
	cleanup_close_ int fd = -1;
	char path[64], text[128];
	const char *at = text;
	uint64_t ran, waited;
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/schedstat", thread) >= (int)sizeof(path))
		return false;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT; /* it has ended */
	n = read(fd, text, sizeof(text));
	if (n <= 0)
		return n < 0 && errno == ESRCH;
	if (scan_u64(&at, text + n, &ran) || at == text + n || *at++ != ' ' ||
	    scan_u64(&at, text + n, &waited))
		return false;
	*sum = sum_u64(*sum, waited);
	return true;
}

uint64_t process_cpu_wait_ns(pid_t pid)
{
	char path[64];
	uint64_t sum = 0;
	unsigned n = 0;
	bool ok = true;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return UINT64_MAX;
	for (struct dirent *d = readdir(dir); d && ok; d = readdir(dir)) {
		if (d->d_name[0] != '.')
			ok = n++ < THREADS_MAX && add_thread(dirfd(dir), d->d_name, &sum);
	}
	closedir(dir);
	return ok && sum ? sum : UINT64_MAX;
}

#define FILES_COUNTED 65536

/* From Linux 6.2 on the folder's size says how many; before, they are counted, up to a bound. */
static bool count_files(pid_t pid, uint64_t *ret)
{
	struct stat st;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	if (!stat(path, &st) && st.st_size > 0) {
		*ret = (uint64_t)st.st_size;
		return true;
	}
	dir = opendir(path);
	if (!dir)
		return false;
	*ret = 0;
	for (struct dirent *d = readdir(dir); d && *ret < FILES_COUNTED; d = readdir(dir))
		*ret += d->d_name[0] != '.';
	closedir(dir);
	return *ret > 0;
}

/* A file of the process's folder, as a string; what does not fit is cut. "": it cannot be read. */
static const char *read_of(pid_t pid, const char *name, char *ret, size_t size)
{
	cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, size - 1);
	ret[MAX(n, (ssize_t)0)] = '\0';
	return ret;
}

/* proc_pid_limits(5): "Max open files  SOFT  HARD  files". */
bool process_files(pid_t pid, uint64_t *ret_open, uint64_t *ret_most)
{
	static const char key[] = "\nMax open files";
	char text[2048];
	const char *at = strstr(read_of(pid, "limits", text, sizeof(text)), key);

	if (!at)
		return false;
	at += strlen(key);
	at += strspn(at, " ");
	return !scan_u64(&at, text + strlen(text), ret_most) && *ret_most &&
	       count_files(pid, ret_open);
}

/* A thread of a cgroup that is frozen sleeps where a signal would be taken (the second: compiled
 * into it), and with cgroups of the first version where all threads are for the machine to sleep.
 */
static bool is_frozen(pid_t pid)
{
	static const char *const places[] = {"do_freezer_trap", "get_signal", "__refrigerator"};
	char place[64];
	bool ret = false;

	(void)read_of(pid, "wchan", place, sizeof(place));
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
		ret |= !strcmp(place, places[i]);
	return ret;
}

/* proc_pid_stat(5): "PID (NAME) STATE …", of the first thread, which a stop of all stops, too. A
 * name may have parentheses of its own. */
bool process_stopped(pid_t pid)
{
	char text[256];
	const char *rest = strrchr(read_of(pid, "stat", text, sizeof(text)), ')');

	if (!rest || rest[1] != ' ')
		return false;
	return rest[2] == 'T' || rest[2] == 't' ||
	       ((rest[2] == 'S' || rest[2] == 'D') && is_frozen(pid));
}
