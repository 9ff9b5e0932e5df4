/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this kernel can do, found out by trying, and what a probe costs here. Everything tried is
 * undone before returning.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "core/base/buf.h"
#include "core/base/isolated.h"
#include "core/base/log.h"
#include "core/capture/capture.h"
#include "core/capture/empty.h"
#include "core/capture/program.h"
#include "core/capture/uprobe_multi.h"

/* --- a function of ours to probe ------------------------------------------------------------- */

/* The first instruction of one is emulated by the kernel as those that probes stand on are: a
 * branch to the next line. The other's is not: it is stepped out of line. */
void capture_calibrate_emulated(void);
void capture_calibrate_stepped(void);
#if defined(__x86_64__)
#define EMULATED "	jmp 1f\n1:\n"
#define STEPPED  "	mov %rsp, %rax\n"
#define FUNCTION "@function"
#elif defined(__aarch64__)
#define EMULATED "	b 1f\n1:\n"
#define STEPPED  "	mov x0, x1\n"
#define FUNCTION "%function"
#else
#error "no function to calibrate on for this architecture"
#endif
/* clang-format off */
#define CALIBRATE(name, code)                                                                      \
	__asm__(".text\n"                                                                          \
		".globl " name "\n"                                                                \
		".hidden " name "\n"                                                               \
		".type " name ", " FUNCTION "\n"                                                   \
		name ":\n" code "	ret\n"                                                      \
		".size " name ", . - " name "\n")
/* clang-format on */
CALIBRATE("capture_calibrate_emulated", EMULATED);
CALIBRATE("capture_calibrate_stepped", STEPPED);

/* The file offset of an address of this process. */
static int own_offset(uintptr_t addr, uint64_t *ret)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int err = -ENOENT;

	if (!maps)
		return -errno;
	while (err && fgets(line, sizeof(line), maps)) {
		unsigned long lo, hi, offset;

		if (sscanf(line, "%lx-%lx %*s %lx", &lo, &hi, &offset) != 3)
			continue;
		if (addr >= lo && addr < hi) {
			*ret = addr - lo + offset;
			err = 0;
		}
	}
	fclose(maps);
	return err;
}

typedef void calibrate_fn(void);

/* Only in a process that nobody kills (in_own_process()): the kernel cannot take a breakpoint out
 * on behalf of one that is being killed (keeper.h). */
static int attach_to_self(calibrate_fn *function, int *ret_fd)
{
	uint64_t offset;
	int err = own_offset((uintptr_t)function, &offset);

	return err ? err : empty_probe_attach("/proc/self/exe", offset, getpid(), ret_fd);
}

#define CALIBRATE_CALLS 101
#define CALIBRATE_BYTES (64u << 10)

/*
 * What a program does between two hits: it works, and the kernel for it. In a loop of its own a
 * trap is a quarter cheaper than it is for who has used the caches for something else meanwhile
 * (held against programs by tests/bench/overhead_estimate.py).
 */
struct between {
	int pipe[2], file;
	volatile unsigned char *bytes;
};

static void between_close(struct between *b)
{
	close_fd(&b->pipe[0]);
	close_fd(&b->pipe[1]);
	close_fd(&b->file);
	free((void *)b->bytes);
}

static int between_open(struct between *b)
{
	*b = (struct between){.pipe = {-1, -1}};
	b->file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	b->bytes = calloc(1, CALIBRATE_BYTES);
	if (!b->bytes)
		return -ENOMEM;
	return pipe2(b->pipe, O_CLOEXEC | O_NONBLOCK) ? -errno : 0;
}

static void between_hits(const struct between *b)
{
	char text[512] = {0};
	ssize_t n;

	for (size_t i = 0; i < CALIBRATE_BYTES; i += 64)
		b->bytes[i]++;
	n = write(b->pipe[1], text, sizeof(text));
	if (n > 0)
		n = read(b->pipe[0], text, sizeof(text));
	if (n >= 0)
		n = pread(b->file, text, sizeof(text), 0);
	(void)n; /* what came of it is of no interest */
}

/* ns of a call, the middle of several: what the machine does besides is not the probe's cost. */
static uint64_t time_calls(calibrate_fn *function, const struct between *b)
{
	uint64_t calls[CALIBRATE_CALLS];

	for (unsigned i = 0; i < CALIBRATE_CALLS; i++) {
		uint64_t start;

		between_hits(b);
		start = monotonic_ns();
		function();
		calls[i] = monotonic_ns() - start;
	}
	qsort(calls, CALIBRATE_CALLS, sizeof(calls[0]), compare_u64);
	return calls[CALIBRATE_CALLS / 2];
}

static int calibrate(calibrate_fn *function, const struct between *b, uint64_t *ret_ns)
{
	uint64_t idle = time_calls(function, b), probed;
	cleanup_close_ int probe = -1;
	int err = attach_to_self(function, &probe);

	if (err)
		return err;
	probed = time_calls(function, b);
	*ret_ns = probed > idle ? probed - idle : 0;
	return 0;
}

static int calibrate_all(const void *arg, void *ret)
{
	cleanup_(between_close) struct between b;
	struct capture_price *price = ret;
	int err = between_open(&b);

	(void)arg;
	if (!err)
		err = calibrate(capture_calibrate_emulated, &b, &price->trap_ns);
	if (!err)
		err = calibrate(capture_calibrate_stepped, &b, &price->step_ns);
	return err;
}

/* As many seconds as the keeper waits for the kernel. */
static int in_own_process(int (*fn)(const void *arg, void *ret), void *ret, size_t size)
{
	const struct isolated how = {.fn = fn, .size = size, .seconds = 10, .outlives = true};

	program_route_log();
	return isolated_call(&how, NULL, ret);
}

int capture_calibrate(struct capture_price *ret)
{
	struct capture_price price;
	int err = in_own_process(calibrate_all, &price, sizeof(price));

	if (!err)
		*ret = price;
	return err;
}

/* --- what is missing ---------------------------------------------------------------------------
 */

static bool not_allowed(int err)
{
	return err == -EPERM || err == -EACCES;
}

static int check_ring_buffer(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "xgotop_check", 0, 0,
				(uint32_t)sysconf(_SC_PAGESIZE), NULL);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* A program that asks for its cookie: the verifier knows the helper, or not. */
static int check_cookie(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_attach_cookie},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "xgotop_check", "GPL", insns,
			       ARRAY_SIZE(insns), NULL);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int attach_once(const void *arg, void *ret)
{
	cleanup_close_ int probe = -1;

	(void)arg;
	(void)ret;
	return attach_to_self(capture_calibrate_emulated, &probe);
}

static int check_uprobe(void)
{
	if (!uprobe_multi_works() && access("/sys/bus/event_source/devices/uprobe/type", F_OK) < 0)
		return -errno;
	return in_own_process(attach_once, NULL, 0);
}

static int check_btf(void)
{
	/* libbpf must tell the kernel the types of our maps' data. One type is the least it takes.
	 */
	const struct {
		struct btf_header header;
		struct btf_type type;
		__u32 encoding;
		char strings[4];
	} one_int = {
		.header = {.magic = BTF_MAGIC,
			   .version = BTF_VERSION,
			   .hdr_len = sizeof(struct btf_header),
			   .type_len = sizeof(struct btf_type) + sizeof(__u32),
			   .str_off = sizeof(struct btf_type) + sizeof(__u32),
			   .str_len = 4},
		.type = {.name_off = 1, .info = BTF_KIND_INT << 24, .size = 4},
		.encoding = BTF_INT_SIGNED << 24 | 32,
		.strings = {0, 'i', '3', 0},
	};
	int fd = bpf_btf_load(&one_int, sizeof(one_int), NULL);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static bool locked_down(void)
{
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");
	char line[128] = "";

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	return strstr(line, "[confidentiality]") != NULL;
}

#define SHIFTED_CLOCK                                                                              \
	"this is a time namespace, whose clock is not the one that the kernel gives events; run "  \
	"it in the machine's (nsenter -T -t 1)"

/* time_namespaces(7): "monotonic SECONDS NANOSECONDS". */
static bool clock_is_shifted(void)
{
	static const char key[] = "monotonic";
	FILE *file = fopen("/proc/self/timens_offsets", "re");
	char line[128];
	bool ret = false;

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		ret |= !strncmp(line, key, strlen(key)) && strpbrk(line, "123456789");
	fclose(file);
	return ret;
}

int capture_check_clock(void)
{
	return clock_is_shifted() ? log_error(-ENOTSUP, SHIFTED_CLOCK) : 0;
}

bool capture_kernel_needs_admin(void)
{
	return !uprobe_multi_works();
}

int capture_check_kernel(struct buf *out)
{
	static const struct {
		int (*check)(void);
		const char *what;
	} checks[] = {
		{check_ring_buffer, "BPF ring buffers (Linux 5.8, CONFIG_BPF_SYSCALL)"},
		{check_btf,
		 "BTF loading (CONFIG_DEBUG_INFO_BTF is not needed, CONFIG_BPF_SYSCALL is)"},
		{check_cookie, "BPF programs with attach cookies (Linux 5.15, CONFIG_BPF_EVENTS)"},
		{check_uprobe, "BPF links on uprobes (Linux 5.15, CONFIG_UPROBES, "
			       "CONFIG_UPROBE_EVENTS; /sys mounted)"},
	};
	struct utsname u = {0};
	int ret = 0;

	program_route_log();
	(void)uname(&u);
	if (locked_down()) {
		buf_adds(out, "lockdown: the kernel is in confidentiality mode, which forbids BPF "
			      "programs to read memory\n");
		ret = -EPERM;
	}
	if (clock_is_shifted()) {
		buf_adds(out, SHIFTED_CLOCK "\n");
		ret = -ENOTSUP;
	}
	if (libbpf_num_possible_cpus() < 0) {
		buf_adds(out, "missing: /sys/devices/system/cpu/possible, which says how many "
			      "CPUs there are: mount /sys (mount -t sysfs sysfs /sys)\n");
		ret = ret ? ret : -ENOTSUP;
	}
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int err = checks[i].check();

		if (!err)
			continue;
		if (not_allowed(err)) {
			buf_addf(out,
				 "permission: not allowed to try %s: run as root, or with CAP_BPF "
				 "and CAP_PERFMON (and CAP_SYS_ADMIN before Linux 6.10)\n",
				 checks[i].what);
			return ret ? ret : -EPERM; /* the others would say the same */
		}
		buf_addf(out, "missing: %s on Linux %s: %s\n", checks[i].what, u.release,
			 strerror(-err));
		ret = ret ? ret : -ENOTSUP;
	}
	return ret;
}
