/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a confined thread cannot do and what it still can; that the threads it makes are confined
 * from the start, and the others not. Works without root, too: what is refused is refused to root.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/confine_internal.h"
#include "core/base/privilege.h"

struct work {
	struct confine *confine;
	struct sock_fprog *filter;
	void (*fn)(struct work *w);
	char folder[64];
	int folder_fd;
	pid_t victim;
	bool seccomp;
	uint64_t expected; /* refused calls */
	char failed[512]; /* what was not as it should be: cmocka asserts on the main thread only */
	char status[4096]; /* /proc/self/task/TID/status, as the main thread reads it */
};

static void check(struct work *w, bool ok, const char *what)
{
	size_t len = strlen(w->failed);

	if (!ok)
		snprintf(w->failed + len, sizeof(w->failed) - len, "%s (%s); ", what,
			 strerror(errno));
}

static void refused(struct work *w, long result, const char *what)
{
	int err = errno;

	w->expected++;
	check(w, result == -1 && err == EPERM, what);
}

static void *work_main(void *arg)
{
	struct work *w = arg;

	confine_enter(w->confine);
	w->fn(w);
	return NULL;
}

static bool has_landlock(void)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	confine_describe(&text);
	return !strstr(text.data, "no Landlock");
}

static bool has_seccomp(void)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	confine_describe(&text);
	return !strstr(text.data, "no seccomp");
}

static void run(struct work *w, void (*fn)(struct work *w))
{
	struct confine_config config = {.write_below = w->folder};
	pthread_t thread;

	w->failed[0] = '\0';
	w->expected = 0;
	w->seccomp = has_seccomp();
	w->fn = fn;
	assert_int_equal(confine_new(&config, &w->confine), 0);
	assert_int_equal(pthread_create(&thread, NULL, work_main, w), 0);
	pthread_join(thread, NULL);
	assert_string_equal(w->failed, "");
	if (w->seccomp)
		assert_int_equal(confine_refused(w->confine), w->expected);
	confine_free(w->confine);
}

static int setup(void **state)
{
	struct work *w = calloc(1, sizeof(*w));

	strcpy(w->folder, "/tmp/xgotopfs-confine.XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	w->folder_fd = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->victim = fork();
	if (!w->victim) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct work *w = *state;

	kill(w->victim, SIGKILL);
	waitpid(w->victim, NULL, 0);
	close(w->folder_fd);
	rmdir(w->folder);
	free(w);
	return 0;
}

/* --- system calls ----------------------------------------------------------------------------- */

static void forbidden_calls(struct work *w)
{
	char byte;
	struct iovec local = {&byte, 1}, remote = {&local, 1};
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
	char path[] = "/bin/true", *argv[] = {path, NULL};

	refused(w, execve(argv[0], argv, argv + 1), "execve");
	refused(w, syscall(SYS_execveat, AT_FDCWD, argv[0], argv, argv + 1, 0), "execveat");
	refused(w, ptrace(PTRACE_SEIZE, w->victim, NULL, NULL), "ptrace");
	refused(w, process_vm_readv(w->victim, &local, 1, &remote, 1, 0), "process_vm_readv");
	refused(w, process_vm_writev(w->victim, &local, 1, &remote, 1, 0), "process_vm_writev");
	refused(w, syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)), "bpf");
	refused(w, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0), "perf_event_open");
	refused(w, mount("none", w->folder, "tmpfs", 0, NULL), "mount");
	refused(w, umount2(w->folder, MNT_DETACH), "umount");
	refused(w, kill(w->victim, SIGKILL), "kill");
	refused(w, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), "fork");
	refused(w, unshare(CLONE_NEWUSER), "unshare");
	refused(w, setns(w->folder_fd, 0), "setns");
	refused(w, syscall(SYS_pidfd_open, w->victim, 0), "pidfd_open");
	refused(w, socket(AF_INET, SOCK_STREAM, 0), "socket");
	refused(w, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable");
	refused(w, chmod(w->folder, 0777), "chmod");
	refused(w, chroot("/"), "chroot");
	refused(w, truncate("/etc/shadow.not", 0), "truncate");
	refused(w, fcntl(w->folder_fd, F_SETOWN, w->victim), "signals to others");
	refused(w, fcntl(w->folder_fd, F_SETLEASE, F_RDLCK), "a lease");
	refused(w, setpriority(PRIO_PROCESS, (id_t)w->victim, 19), "the priority of others");
	w->expected++;
	check(w,
	      mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		      MAP_FAILED,
	      "executable memory");
}

static void test_calls(void **state)
{
	struct work *w = *state;

	if (!has_seccomp())
		skip();
	run(w, forbidden_calls);
	assert_int_equal(kill(w->victim, 0), 0);
}

/* --- files ------------------------------------------------------------------------------------ */

static void files(struct work *w)
{
	char path[128], other[160];
	int fd;

	errno = 0;
	check(w, open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES, "read shadow");
	check(w, open("/etc/shadow", O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES, "write shadow");
	check(w, open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES, "read passwd");
	check(w, open("/proc/self/mem", O_RDWR | O_CLOEXEC) < 0 && errno == EACCES, "own memory");
	check(w,
	      open("/tmp/xgotopfs-confine.no", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 &&
		      errno == EACCES,
	      "a file outside");
	check(w, openat(w->folder_fd, "../..", O_RDONLY | O_CLOEXEC) < 0, "above, by ..");
	snprintf(path, sizeof(path), "%s/file", w->folder);
	snprintf(other, sizeof(other), "%s.tmp", path);
	fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(w, fd >= 0, "a file in the folder");
	check(w, write(fd, "x", 1) == 1 && !fsync(fd) && !close(fd), "writing it");
	check(w, !rename(other, path), "renaming it");
	fd = openat(w->folder_fd, "file", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	check(w, fd >= 0 && read(fd, other, 1) == 1 && !close(fd), "reading it");
	check(w, !unlinkat(w->folder_fd, "file", 0), "removing it");
}

static void test_files(void **state)
{
	if (!has_landlock())
		skip();
	run(*state, files);
}

/* As where the kernel has no Landlock: nothing is opened for writing, and nothing removed. */
static void *without_landlock_main(void *arg)
{
	struct work *w = arg;
	int fd;

	if (privilege_keep(0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, w->filter)) {
		check(w, false, "loading the filter");
		return NULL;
	}
	fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	check(w, fd >= 0 && !close(fd), "reading");
	refused(w, open("/etc/shadow", O_WRONLY | O_CLOEXEC), "write shadow");
	refused(w, open("/etc/shadow", O_RDWR | O_CLOEXEC), "read and write shadow");
	refused(w, openat(w->folder_fd, "file", O_RDONLY | O_CREAT | O_CLOEXEC, 0600), "creating");
	refused(w, openat(w->folder_fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600), "a new file");
	refused(w, unlinkat(w->folder_fd, "file", 0), "removing");
	refused(w, renameat(w->folder_fd, "file", w->folder_fd, "other"), "renaming");
	return NULL;
}

static void test_without_landlock(void **state)
{
	struct sock_fprog filter = {0};
	struct work *w = *state;
	pthread_t thread;

	if (!has_seccomp())
		skip();
	w->failed[0] = '\0';
	w->filter = &filter;
	assert_int_equal(confine_filter(false, false, &filter), 0);
	assert_int_equal(pthread_create(&thread, NULL, without_landlock_main, w), 0);
	pthread_join(thread, NULL);
	free(filter.filter);
	assert_string_equal(w->failed, "");
}

/* --- what goes on working --------------------------------------------------------------------- */

static void *child_main(void *arg)
{
	struct work *w = arg;
	char path[] = "/bin/true", *argv[] = {path, NULL};

	if (w->seccomp)
		refused(w, execve(argv[0], argv, argv + 1), "execve in a thread it made");
	return NULL;
}

static void ordinary(struct work *w)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	char *much = malloc(64 << 20);
	struct tm tm;
	time_t now = time(NULL);
	pthread_t child;
	char path[64];
	int fds[2];

	check(w, much && memset(much, 1, 64 << 20), "memory");
	free(much);
	check(w, localtime_r(&now, &tm) != NULL, "time of day");
	check(w, !pthread_mutex_lock(&lock) && !pthread_mutex_unlock(&lock), "locks");
	check(w, !pipe2(fds, O_CLOEXEC) && write(fds[1], "x", 1) == 1 && read(fds[0], path, 1) == 1,
	      "a pipe");
	close(fds[0]);
	close(fds[1]);
	check(w, !pthread_create(&child, NULL, child_main, w) && !pthread_join(child, NULL),
	      "a thread");
}

static void test_ordinary(void **state)
{
	run(*state, ordinary);
}

/* --- what /proc says -------------------------------------------------------------------------- */

static uint64_t status_key(const char *text, const char *key, int base)
{
	const char *at = strstr(text, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, base);
}

static void read_status(pid_t tid, char *ret, size_t size)
{
	char path[64];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(ret, 1, size - 1, f);
	ret[n] = '\0';
	fclose(f);
}

struct waiter {
	struct confine *confine;
	int ready[2], go[2];
	pid_t tid;
};

static void *wait_main(void *arg)
{
	struct waiter *w = arg;
	char byte;

	w->tid = gettid();
	confine_enter(w->confine);
	if (write(w->ready[1], "x", 1) == 1)
		(void)!read(w->go[0], &byte, 1);
	return NULL;
}

static void test_status(void **state)
{
	struct confine_config config = {0};
	char theirs[4096], ours[4096], byte;
	struct waiter w = {0};
	pthread_t thread;

	assert_int_equal(confine_new(&config, &w.confine), 0);
	assert_int_equal(pipe2(w.ready, O_CLOEXEC) | pipe2(w.go, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_main, &w), 0);
	assert_int_equal(read(w.ready[0], &byte, 1), 1);
	read_status(w.tid, theirs, sizeof(theirs));
	read_status(gettid(), ours, sizeof(ours));
	assert_int_equal(write(w.go[1], "x", 1), 1);
	pthread_join(thread, NULL);
	confine_free(w.confine);
	for (int i = 0; i < 2; i++) {
		close(w.ready[i]);
		close(w.go[i]);
	}
	assert_int_equal(status_key(theirs, "CapEff:", 16), 0);
	assert_int_equal(status_key(theirs, "CapPrm:", 16), 0);
	assert_int_equal(status_key(theirs, "NoNewPrivs:", 10), 1);
	if (has_seccomp())
		assert_int_equal(status_key(theirs, "Seccomp:", 10), 2);
	/* The others keep what they have. */
	assert_int_equal(status_key(ours, "CapEff:", 16) != 0, privilege_have_any());
}

/* --- capabilities ----------------------------------------------------------------------------- */

static void *keep_main(void *arg)
{
	bool *ok = arg;

	ok[0] = privilege_keep(CAP_BIT(CAP_SYS_PTRACE) | CAP_BIT(CAP_BPF)) == 0;
	ok[1] = privilege_have(CAP_SYS_PTRACE) && privilege_have(CAP_BPF);
	ok[2] = !privilege_have(CAP_SYS_ADMIN) && !privilege_have(CAP_DAC_OVERRIDE);
	ok[3] = privilege_keep(CAP_BIT(CAP_BPF) | CAP_BIT(CAP_SYS_ADMIN)) == 0;
	ok[4] = privilege_have(CAP_BPF) && !privilege_have(CAP_SYS_PTRACE) &&
		!privilege_have(CAP_SYS_ADMIN);
	ok[5] = privilege_keep(0) == 0 && !privilege_have_any();
	return NULL;
}

static void test_keep(void **state)
{
	bool ok[6] = {0};
	pthread_t thread;

	(void)state;
	if (!privilege_have(CAP_SYS_PTRACE) || !privilege_have(CAP_BPF))
		skip();
	assert_int_equal(pthread_create(&thread, NULL, keep_main, ok), 0);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < sizeof(ok); i++)
		assert_true(ok[i]);
	assert_true(privilege_have(CAP_SYS_PTRACE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_without_landlock),
		cmocka_unit_test(test_ordinary),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_keep),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
