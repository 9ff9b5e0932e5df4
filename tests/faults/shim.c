/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Preloaded into the program (LD_PRELOAD): lets one call of a chosen kind fail, as a full machine
 * would. tests/faults/faults.py runs the program once for each call it makes.
 *
 * XGOTOPFS_FAULT=KIND:N   the Nth call of that kind fails (from 1 on)
 * XGOTOPFS_FAULT=KIND@N   the first call from the Nth different place fails: a place is who called
 * and from where in the program that came XGOTOPFS_FAULT=KIND+N   the Nth call and all that follow
 * fail XGOTOPFS_FAULT_TRAP=1   a debugger stops there XGOTOPFS_FAULT_LOG=FILE counts calls and
 * places a kind there, as struct counts (survives a crash)
 *
 * Counts over all threads, and over the processes that the program forks. Whatever calls inside the
 * C library does not pass here.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <dlfcn.h>

enum kind {
	MALLOC,
	MMAP,
	OPEN,
	READ,
	WRITE,
	THREAD,
	EPOLL,
	BPF,
	FSYNC,
	FORK,
	FD,
	SOCKET,
	RENAME,
	STAT,
	KINDS
};

static const char *const names[KINDS] = {
	"malloc", "mmap",  "open", "read", "write",  "thread", "epoll",
	"bpf",    "fsync", "fork", "fd",   "socket", "rename", "stat",
};

#define SITES  4096
#define FRAMES 24

/* Read by faults.py: KINDS times calls, sites. */
struct counts {
	_Atomic uint32_t calls[KINDS];
	_Atomic uint32_t sites[KINDS];
	_Atomic uint32_t failed; /* how many were made to fail */
	int32_t task;            /* which, of the last that was, */
	char thread[16];         /* its name, */
	uint64_t where[FRAMES]; /* and its calls, innermost first, as in the file; 0: outside of the
				   program */
	_Atomic uint64_t seen[KINDS][SITES];
};

static struct counts *counts;
static int wanted = -1;
static char how;
static bool trap;
static uint32_t which;
static uintptr_t text_lo, text_hi, load_base;

static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_X) {
			load_base = info->dlpi_addr;
			text_lo = info->dlpi_addr + p->p_vaddr;
			text_hi = text_lo + p->p_memsz;
		}
	}
	return 1; /* the first is the program itself */
}

__attribute__((constructor)) static void start(void)
{
	const char *fault = getenv("XGOTOPFS_FAULT"), *log = getenv("XGOTOPFS_FAULT_LOG");
	int fd = -1;
	void *at;

	trap = getenv("XGOTOPFS_FAULT_TRAP");
	(void)backtrace(&at, 1); /* loads what it needs, which allocates */

	(void)dl_iterate_phdr(find_text, NULL);
	/* What the program executes is not the program. */
	unsetenv("LD_PRELOAD");
	if (log) {
		fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || syscall(SYS_ftruncate, fd, sizeof(*counts)))
			_exit(99);
	}
	at = (void *)syscall(SYS_mmap, NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
			     fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	if (fd >= 0)
		syscall(SYS_close, fd);
	if (at == MAP_FAILED)
		_exit(99);
	for (int i = 0; fault && i < KINDS; i++) {
		size_t len = strlen(names[i]);

		if (strncmp(fault, names[i], len) == 0 && strchr(":@+", fault[len])) {
			wanted = i;
			how = fault[len];
			which = (uint32_t)atoi(fault + len + 1);
		}
	}
	if (fault && wanted < 0)
		_exit(99);
	counts = at;
}

/* Who called, and the innermost place of the program on the stack (a guess: any word that could
 * be). */
static uint64_t place(void *caller)
{
	const uintptr_t *sp = __builtin_frame_address(0);
	uintptr_t self = (uintptr_t)caller;

	if (self >= text_lo && self < text_hi)
		return self;
	for (int i = 0; i < 256; i++)
		if (sp[i] >= text_lo && sp[i] < text_hi)
			return self * 31 + sp[i];
	return self;
}

/* The number of the place, from 1 on, when it is new; 0 when it was seen. */
static uint32_t new_place(enum kind kind, uint64_t key)
{
	for (uint32_t i = 0; i < SITES; i++) {
		uint64_t had = 0;

		if (atomic_load(&counts->seen[kind][i]) == key)
			return 0;
		if (atomic_compare_exchange_strong(&counts->seen[kind][i], &had, key)) {
			atomic_fetch_add(&counts->sites[kind], 1);
			return i + 1;
		}
		if (had == key)
			return 0;
	}
	return 0;
}

/* For who reads that something ended badly: which thread it was, and where. */
static void tell_where(void)
{
	void *frames[FRAMES];
	int n = backtrace(frames, FRAMES);

	for (int i = 0; i < FRAMES; i++)
		counts->where[i] =
			i < n && (uintptr_t)frames[i] >= text_lo && (uintptr_t)frames[i] < text_hi
				? (uintptr_t)frames[i] - load_base
				: 0;
	counts->task = (int32_t)syscall(SYS_gettid);
	(void)prctl(PR_GET_NAME, counts->thread);
}

static bool fails(enum kind kind, void *caller)
{
	uint32_t call, site;
	bool yes;

	if (!counts)
		return false;
	call = atomic_fetch_add(&counts->calls[kind], 1) + 1;
	site = how == ':' || how == '+' ? 0 : new_place(kind, place(caller));
	yes = (int)kind == wanted &&
	      ((how == ':' && call == which) || (how == '+' && call >= which) ||
	       (how == '@' && site == which && site));
	if (yes) {
		tell_where();
		atomic_fetch_add(&counts->failed, 1);
	}
	if (yes && trap)
		__builtin_trap();
	return yes;
}

#define CALLER     __builtin_return_address(0)
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
/* Looked up once; dlsym() of a second thread finds the same. */
#define NEXT(name)                                                                                 \
	({                                                                                         \
		static _Atomic(void *) real_;                                                      \
		void *p_ = atomic_load(&real_);                                                    \
		if (!p_)                                                                           \
			atomic_store(&real_, p_ = (void *)REAL(name));                             \
		(__typeof__(&name))p_;                                                             \
	})
#define FAIL(kind, error, value)                                                                   \
	do {                                                                                       \
		if (fails(kind, CALLER)) {                                                         \
			errno = error;                                                             \
			return value;                                                              \
		}                                                                                  \
	} while (0)

/* glibc's own names for them: no dlsym(), which allocates. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	FAIL(MALLOC, ENOMEM, NULL);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	FAIL(MALLOC, ENOMEM, NULL);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	FAIL(MALLOC, ENOMEM, NULL);
	return __libc_realloc(p, n);
}

char *strdup(const char *text)
{
	size_t n = strlen(text) + 1;
	char *copy;

	FAIL(MALLOC, ENOMEM, NULL);
	copy = __libc_malloc(n);
	return copy ? memcpy(copy, text, n) : NULL;
}

void *mmap(void *addr, size_t n, int prot, int flags, int fd, off_t offset)
{
	FAIL(MMAP, ENOMEM, MAP_FAILED);
	return (void *)syscall(SYS_mmap, addr, n, prot, flags, fd, offset);
}

void *mmap64(void *addr, size_t n, int prot, int flags, int fd, off_t offset)
	__attribute__((alias("mmap")));

static mode_t mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | __O_TMPFILE) ? (mode_t)va_arg(ap, int) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	FAIL(OPEN, EMFILE, -1);
	return NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	FAIL(OPEN, EMFILE, -1);
	return NEXT(openat)(dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...) __attribute__((alias("openat")));

FILE *fopen(const char *path, const char *mode)
{
	FAIL(OPEN, EMFILE, NULL);
	return NEXT(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode) __attribute__((alias("fopen")));

DIR *opendir(const char *path)
{
	FAIL(OPEN, EMFILE, NULL);
	return NEXT(opendir)(path);
}

DIR *fdopendir(int fd)
{
	FAIL(MALLOC, ENOMEM, NULL);
	return NEXT(fdopendir)(fd);
}

ssize_t read(int fd, void *buf, size_t n)
{
	FAIL(READ, EIO, -1);
	return NEXT(read)(fd, buf, n);
}

ssize_t pread(int fd, void *buf, size_t n, off_t offset)
{
	FAIL(READ, EIO, -1);
	return NEXT(pread)(fd, buf, n, offset);
}

ssize_t pread64(int fd, void *buf, size_t n, off_t offset) __attribute__((alias("pread")));

/* stderr stays: what is said is what is tested. An eventfd has no file type, and takes what is
 * written. */
static bool may_fail(int fd)
{
	struct stat st;

	return fd != STDERR_FILENO && !syscall(SYS_fstat, fd, &st) && st.st_mode & S_IFMT;
}

ssize_t write(int fd, const void *buf, size_t n)
{
	if (may_fail(fd))
		FAIL(WRITE, ENOSPC, -1);
	return NEXT(write)(fd, buf, n);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
{
	FAIL(WRITE, ENOSPC, -1);
	return NEXT(pwrite)(fd, buf, n, offset);
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off_t offset) __attribute__((alias("pwrite")));

ssize_t writev(int fd, const struct iovec *v, int n)
{
	FAIL(WRITE, EIO, -1);
	return NEXT(writev)(fd, v, n);
}

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	if (fails(THREAD, CALLER))
		return EAGAIN;
	return NEXT(pthread_create)(t, attr, fn, arg);
}

int epoll_create(int size)
{
	FAIL(EPOLL, EMFILE, -1);
	return NEXT(epoll_create)(size);
}

int epoll_create1(int flags)
{
	FAIL(EPOLL, EMFILE, -1);
	return NEXT(epoll_create1)(flags);
}

int epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	FAIL(EPOLL, ENOMEM, -1);
	return NEXT(epoll_ctl)(ep, op, fd, ev);
}

/* bpf(2), perf_event_open(2), pidfd_open(2) have no name in the C library. */
long syscall(long number, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_bpf || number == SYS_perf_event_open)
		FAIL(BPF, ENOMEM, -1);
	else if (number == SYS_pidfd_open)
		FAIL(FD, EMFILE, -1);
	return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int fsync(int fd)
{
	FAIL(FSYNC, EIO, -1);
	return NEXT(fsync)(fd);
}

int fdatasync(int fd)
{
	FAIL(FSYNC, EIO, -1);
	return NEXT(fdatasync)(fd);
}

pid_t fork(void)
{
	FAIL(FORK, EAGAIN, -1);
	return NEXT(fork)();
}

int pipe2(int fds[2], int flags)
{
	FAIL(FD, EMFILE, -1);
	return NEXT(pipe2)(fds, flags);
}

int pipe(int fds[2])
{
	FAIL(FD, EMFILE, -1);
	return NEXT(pipe)(fds);
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
	FAIL(FD, EMFILE, -1);
	return NEXT(socketpair)(domain, type, protocol, fds);
}

int eventfd(unsigned count, int flags)
{
	FAIL(FD, EMFILE, -1);
	return ((int (*)(unsigned, int))dlsym(RTLD_NEXT, "eventfd"))(count, flags);
}

int timerfd_create(int clock, int flags)
{
	FAIL(FD, EMFILE, -1);
	return ((int (*)(int, int))dlsym(RTLD_NEXT, "timerfd_create"))(clock, flags);
}

int signalfd(int fd, const sigset_t *mask, int flags)
{
	FAIL(FD, EMFILE, -1);
	return ((int (*)(int, const sigset_t *, int))dlsym(RTLD_NEXT, "signalfd"))(fd, mask, flags);
}

int memfd_create(const char *name, unsigned flags)
{
	FAIL(FD, EMFILE, -1);
	return NEXT(memfd_create)(name, flags);
}

int socket(int domain, int type, int protocol)
{
	FAIL(SOCKET, EMFILE, -1);
	return NEXT(socket)(domain, type, protocol);
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
	FAIL(SOCKET, ENOMEM, -1);
	return NEXT(bind)(fd, address, len);
}

int listen(int fd, int backlog)
{
	FAIL(SOCKET, ENOMEM, -1);
	return NEXT(listen)(fd, backlog);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	FAIL(SOCKET, EMFILE, -1);
	return NEXT(accept4)(fd, address, len, flags);
}

int rename(const char *from, const char *to)
{
	FAIL(RENAME, EIO, -1);
	return NEXT(rename)(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	FAIL(RENAME, EIO, -1);
	return NEXT(renameat)(from_dir, from, to_dir, to);
}

int mkdir(const char *path, mode_t mode)
{
	FAIL(RENAME, EACCES, -1);
	return NEXT(mkdir)(path, mode);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	FAIL(RENAME, EACCES, -1);
	return NEXT(mkdirat)(dir, path, mode);
}

int fstat(int fd, struct stat *st)
{
	FAIL(STAT, EIO, -1);
	return NEXT(fstat)(fd, st);
}

int fstat64(int fd, struct stat64 *st)
{
	FAIL(STAT, EIO, -1);
	return NEXT(fstat64)(fd, st);
}
