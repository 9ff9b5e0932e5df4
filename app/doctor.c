/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The report of -doctor: the machine first, then the target. See doctor.h. */
#include "app/doctor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/exit_status.h"
#include "app/print.h"
#include "core/target/go_file.h"
#include "core/target/parts.h"
#include "core/target/process.h"
#include "core/base/confine.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/base/privilege.h"
#include "core/capture/capture.h"
#include "core/memory/goroutines.h"
#include "core/memory/memory.h"
#include "core/target/target.h"
#include "fs/fs.h"

struct report {
	struct buf out;
	bool bad; /* something is missing */
};

static void say(struct report *r, const char *mark, const char *what, const char *detail)
{
	buf_addf(&r->out, "%-5s %-14s ", mark, what);
	text_line(&r->out, detail);
	buf_addc(&r->out, '\n');
}

static void fail(struct report *r, const char *what, const char *detail)
{
	say(r, "FAIL", what, detail);
	r->bad = true;
}

/* --- the machine ------------------------------------------------------------------------ */

static bool check_kernel(struct report *r)
{
	cleanup_buf_ struct buf lacks = BUF_INIT;
	struct utsname u = {0};
	char line[256];

	uname(&u);
	snprintf(line, sizeof(line), "%s %s %s", u.sysname, u.release, u.machine);
	if (capture_check_kernel(&lacks) == 0) {
		say(r, "ok", "kernel", line);
		return true;
	}
	say(r, "note", "kernel", line);
	for (char *p = lacks.data, *end; p && *p; p = end + 1) {
		end = strchr(p, '\n');
		if (end)
			*end = '\0';
		fail(r, "kernel", p);
		if (!end)
			break;
	}
	return false;
}

/* Without them nothing can be traced; without the others, part of it cannot. */
static bool check_needed(struct report *r)
{
	static const struct {
		int bit;
		const char *text;
	} needed[] = {
		{CAP_BPF, "CAP_BPF is missing (to load the BPF program): run as root"},
		{CAP_PERFMON, "CAP_PERFMON is missing (to attach uprobes): run as root"},
		{CAP_SYS_ADMIN, "CAP_SYS_ADMIN is missing (to attach uprobes before Linux 6.10): "
				"run as root"},
	};
	bool missing = false;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (privilege_have(needed[i].bit))
			continue;
		if (needed[i].bit == CAP_SYS_ADMIN && (missing || !capture_kernel_needs_admin()))
			continue;
		fail(r, "capabilities", needed[i].text);
		missing = true;
	}
	return !missing;
}

static bool check_capabilities(struct report *r)
{
	bool needed = check_needed(r), all = needed;

	if (!privilege_have(CAP_SYS_PTRACE)) {
		say(r, "note", "capabilities",
		    "CAP_SYS_PTRACE is missing: only processes of this user can be traced");
		all = false;
	}
	if (!privilege_have(CAP_DAC_READ_SEARCH)) {
		say(r, "note", "capabilities",
		    "CAP_DAC_READ_SEARCH is missing: only programs that this user may read can be "
		    "traced");
		all = false;
	}
	if (all)
		say(r, "ok", "capabilities", "all that are needed");
	return needed;
}

/* What holds the threads that serve. Their capabilities go in any case. */
static void check_confinement(struct report *r)
{
	cleanup_buf_ struct buf text = BUF_INIT;

	confine_describe(&text);
	if (buf_error(&text))
		return;
	say(r, strstr(text.data, "no ") ? "note" : "ok", "confinement", text.data);
}

/* What is left where nothing can be attached. */
static void check_without_bpf(struct report *r, bool can_trace)
{
	const char *whose =
		privilege_have(CAP_SYS_PTRACE) ? "any process" : "a process of this user";
	char line[200];

	snprintf(line, sizeof(line), "-probes none %s: it shows %s from memory alone, without BPF",
		 can_trace ? "works, too" : "works here all the same", whose);
	say(r, can_trace ? "ok" : "note", "without BPF", line);
}

/* Of a child, since a process may always read its own. */
static bool check_memory(struct report *r)
{
	uint64_t here = 1, there = 0;
	pid_t parent = getpid(), child;
	char line[256];
	int err;

	if (!privilege_have(CAP_SYS_PTRACE))
		return true; /* was said; its own user's processes' can be */
	child = fork();
	if (!child) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent) /* else it was killed before that */
			pause();
		_exit(0);
	}
	err = child < 0 ? -errno : memory_read(child, (uintptr_t)&here, &there, sizeof(there));
	if (child > 0) {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
	}
	if (!err) {
		say(r, "ok", "memory", "of other processes can be read");
		return true;
	}
	snprintf(line, sizeof(line),
		 "of other processes cannot be read (%s; sysctl kernel.yama.ptrace_scope 3 forbids "
		 "it): no stacks, nothing of goroutines from before the start",
		 strerror(-err));
	fail(r, "memory", line);
	return false;
}

/* An extra: what cannot have them traces without. */
static void check_cpu(struct report *r)
{
	char why[300];
	int err = capture_check_cpu(why, sizeof(why));

	say(r, err ? "note" : "ok", "CPU samples",
	    err ? why : "the CPUs' clocks can be had (pprof/cpu)");
}

static void check_fuse(struct report *r)
{
	char why[512];

	if (fs_may_mount(why, sizeof(why)))
		fail(r, "fuse", why);
	else if (privilege_have(CAP_SYS_ADMIN))
		say(r, "ok", "fuse", "/dev/fuse and CAP_SYS_ADMIN");
	else
		say(r, "ok", "fuse", "/dev/fuse and fusermount3");
}

static void check_probe_cost(struct report *r)
{
	struct capture_price price;
	char line[160];
	int err = capture_calibrate(&price);

	if (err)
		snprintf(line, sizeof(line), "could not be measured: %s", strerror(-err));
	else
		snprintf(
			line, sizeof(line),
			"%llu ns a hit where the kernel emulates the instruction, %llu ns where it "
			"steps it out of line (measured now)",
			(unsigned long long)price.trap_ns, (unsigned long long)price.step_ns);
	if (err)
		fail(r, "probe cost", line);
	else
		say(r, "ok", "probe cost", line);
}

/* --- the target ------------------------------------------------------------------------- */

static int report_sites(struct report *r, const struct target *t)
{
	cleanup_free_ struct probe_site *sites = NULL;
	char line[256];
	size_t n = 0;
	int err = target_sites(t, WANT_ALL, &sites, &n);

	if (err) {
		fail(r, "probes", "no safe place for a probe was found (see above)");
		return err;
	}
	for (size_t i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "%s+%llu  %s  %s", sites[i].symbol,
			 (unsigned long long)(sites[i].addr - sites[i].func_entry),
			 sites[i].instruction,
			 sites[i].emulated ? "(emulated: one trap)"
					   : "(stepped out of line: about ten times the cost)");
		say(r, sites[i].emulated ? "ok" : "note", "probe", line);
	}
	return 0;
}

static void report_goroutines(struct report *r, const struct target *t, pid_t pid)
{
	cleanup_free_ struct memory_goroutine *all = NULL;
	uint64_t bias = 0;
	bool cut = false;
	char line[128];
	size_t n = 0;
	int err = target_load_bias(t, pid, &bias);

	if (!err)
		err = memory_goroutines(t, pid, bias, &all, &n, &cut);
	if (err)
		snprintf(line, sizeof(line), "cannot be read from memory: %s", strerror(-err));
	else
		snprintf(line, sizeof(line), "%zu now%s, read from memory", n,
			 cut ? " (cut: there are more)" : "");
	say(r, err ? "note" : "ok", "goroutines", line);
}

/* What else of Go the process has mapped. */
struct modules {
	struct report *r;
	const struct target *t;
	pid_t pid;
	dev_t dev; /* of the file looked at last */
	ino_t ino;
};

static void report_plugin(struct report *r, const struct target *of, int fd, const char *name)
{
	struct target *part;
	char path[64], why[512], line[1024];
	int err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = target_open_part(path, of, &part, why, sizeof(why));
	snprintf(line, sizeof(line), "%.400s%s%s", name, err ? ": " : "",
		 !err   ? ""
		 : *why ? why
			: strerror(-err));
	if (err) {
		fail(r, "plugin", line);
		return;
	}
	say(r, "ok", "plugin", line);
	target_free(part);
}

static int report_module(void *ctx, const struct mapping *map)
{
	struct modules *m = ctx;
	cleanup_close_ int fd = -1;
	char line[512];

	if (!map->executable || !map->ino || target_is_mapped_by(m->t, map) ||
	    (map->dev == m->dev && map->ino == m->ino))
		return 0;
	m->dev = map->dev;
	m->ino = map->ino;
	fd = mapping_open(map);
	switch (fd < 0 ? GO_FILE_NONE : go_file_kind(fd)) {
	case GO_FILE_PART:
		report_plugin(m->r, m->t, fd, map->path);
		break;
	case GO_FILE_PROGRAM:
		snprintf(line, sizeof(line),
			 "%.400s has a Go runtime of its own, which is not followed; -b with its "
			 "path does that",
			 map->path);
		fail(m->r, "second Go", line);
		break;
	case GO_FILE_NONE:
		break;
	}
	return 0;
}

static void report_modules(struct report *r, const struct target *t, pid_t pid)
{
	struct modules m = {.r = r, .t = t, .pid = pid};

	(void)mappings_each(pid, report_module, &m);
}

/* Probes are in files: does the process run what is in this one? */
static void report_code(struct report *r, const struct target *t, pid_t pid)
{
	uint64_t bias, moved = 0;
	char line[256];
	int err = target_load_bias(t, pid, &bias);

	if (!err)
		err = target_code_moved(t, pid, bias, &moved);
	if (err || !moved)
		return;
	snprintf(line, sizeof(line),
		 "%llu KiB of its Go code were moved to memory that is not the file's, as for huge "
		 "pages: what runs there cannot be probed; stacks and lists from memory work",
		 (unsigned long long)moved >> 10);
	fail(r, "code", line);
}

static int report_target(struct report *r, const struct config *c)
{
	cleanup_(go_program_close) struct go_program program = {.fd = -1};
	const char *path = c->pid ? program.open_path : c->binary;
	char line[512];
	struct target *t;
	int err = 0;

	if (c->pid)
		err = process_check((pid_t)c->pid);
	if (!err)
		err = c->pid ? go_program_open((pid_t)c->pid, &t, &program)
			     : go_program_open_path(c->binary, &t);
	if (err) {
		fail(r, "target",
		     err == -ENOEXEC ? "cannot be traced (see above)" : strerror(-err));
		return err;
	}
	say(r, "ok", "target", c->pid ? program.path : c->binary);
	snprintf(line, sizeof(line), "%s %s%s", target_go_version(t), target_arch(t),
		 target_is_pie(t) ? " PIE" : "");
	say(r, "ok", "Go", line);
	say(r, "ok", "symbols", target_symbols_from(t));
	say(r, "ok", "offsets", target_offsets_from(t));
	if (c->pid) {
		report_goroutines(r, t, (pid_t)c->pid);
		report_code(r, t, (pid_t)c->pid);
		report_modules(r, t, (pid_t)c->pid);
	}
	err = report_sites(r, t);
	if (!err) {
		err = target_check_runnable(t);
		if (err)
			fail(r, "target", "it does not run on this machine (see above)");
	}
	if (capture_file_can_be_held(path))
		say(r, "ok", "file", "a lease on it makes writers wait until the probes are out");
	else
		say(r, "note", "file",
		    "no lease can be had on it: each process is probed on its own, from some "
		    "milliseconds after its start");
	if (target_unseen(t)[0])
		fail(r, "not seen", target_unseen(t));
	if (target_not_covered(t)[0])
		say(r, "note", "not covered", target_not_covered(t));
	target_free(t);
	return err;
}

int doctor(const struct config *config)
{
	struct report r = {.out = BUF_INIT};
	bool kernel_can, allowed;
	int err = 0, status;

	kernel_can = check_kernel(&r);
	allowed = check_capabilities(&r);
	if (check_memory(&r))
		check_without_bpf(&r, kernel_can && allowed);
	check_cpu(&r);
	check_fuse(&r);
	check_confinement(&r);
	if (kernel_can)
		check_probe_cost(&r);
	if (config->pid || config->binary)
		err = report_target(&r, config);
	status = err ? (int)exit_status(err) : r.bad ? EXIT_ERROR : EXIT_FINE;
	buf_adds(&r.out, status == EXIT_FINE ? "all is well\n" : "not everything works\n");
	if (print_buf(&r.out))
		status = EXIT_ERROR;
	buf_free(&r.out);
	return status;
}
