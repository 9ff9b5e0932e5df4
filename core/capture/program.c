/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Loads the BPF program: see program.h. */
#include "core/capture/program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

#include "core/base/buf.h"
#include "core/base/log.h"
#include "core/capture/capture.h"
#include "core/capture/empty.h"
#include "core/capture/uprobe_multi.h"
#include "xgotopfs.skel.h"

#define RING_SLOTS_MIN 64
#define RING_SLOTS_MAX (16u << 20)
/* More programs than this are never between looking at a ring and taking a slot. */
#define RING_SPARE_MAX 1024

/* include/linux/proc_ns.h: the initial pid namespace's inode, fixed since Linux 3.8. */
#define PROC_PID_INIT_INO 0xEFFFFFFCu

_Static_assert((int)SITE_FILTER_BRANCH == (int)WIRE_SITE_FILTER_BRANCH, "site flags");
_Static_assert((int)PROBE_CASGSTATUS == (int)WIRE_PROBE_CASGSTATUS &&
		       (int)PROBE_NEWPROC_GOID == (int)WIRE_PROBE_NEWPROC_GOID &&
		       (int)PROBE_GDESTROY == (int)WIRE_PROBE_GDESTROY &&
		       (int)PROBE_NEWOBJECT == (int)WIRE_PROBE_NEWOBJECT &&
		       (int)PROBE_MALLOC_SPECIAL == (int)WIRE_PROBE_MALLOC_SPECIAL &&
		       (int)PROBE_MAKESLICE == (int)WIRE_PROBE_MAKESLICE &&
		       (int)PROBE_MAKESLICECOPY == (int)WIRE_PROBE_MAKESLICECOPY &&
		       (int)PROBE_MAKEMAP == (int)WIRE_PROBE_MAKEMAP &&
		       (int)PROBE_MAKEMAP_SMALL == (int)WIRE_PROBE_MAKEMAP_SMALL &&
		       (int)PROBE_ENTERSYSCALL == (int)WIRE_PROBE_ENTERSYSCALL &&
		       (int)PROBE_EXITSYSCALL == (int)WIRE_PROBE_EXITSYSCALL &&
		       (int)PROBE_STATE_SWAP == (int)WIRE_PROBE_STATE_SWAP &&
		       (int)PROBE_REFILL == (int)WIRE_PROBE_REFILL &&
		       (int)PROBE_ALLOC_LARGE == (int)WIRE_PROBE_ALLOC_LARGE &&
		       (int)PROBE_KINDS == (int)WIRE_PROBES,
	       "probe kinds");
_Static_assert((int)SITE_STACK_CHECK == (int)WIRE_SITE_STACK_CHECK &&
		       (int)SITE_ZERO_IS_SWAPPED == (int)WIRE_SITE_ZERO_IS_SWAPPED,
	       "site flags");

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level; /* what matters to a user is said by whoever called libbpf */
	log_writev(LOG_LEVEL_DEBUG, fmt, ap);
	return 0;
}

void program_route_log(void)
{
	libbpf_set_print(print_libbpf);
}

/* --- knobs -------------------------------------------------------------------------------- */

/* What is read of an mspan where its memory is used up: elemsize, allocCount and, from Go 1.19 on,
 * allocCountBeforeCache. */
static void span_knobs(const struct go_heap_layout *heap, struct wire_layout *ret)
{
	uint32_t first = MIN(heap->span_elem_size, heap->span_alloc_count);
	uint32_t end = MAX(heap->span_elem_size + 8, heap->span_alloc_count + 2);

	if (heap->span_alloc_before) {
		first = MIN(first, heap->span_alloc_before);
		end = MAX(end, heap->span_alloc_before + 2);
	}
	ret->mcache_alloc = heap->mcache_alloc;
	ret->span_elem_size = heap->span_elem_size;
	ret->span_alloc_count = heap->span_alloc_count;
	ret->span_alloc_before = heap->span_alloc_before;
	ret->span_block = first & ~7u;
	ret->span_together =
		end - ret->span_block <= WIRE_BLOCK_BYTES && heap->span_elem_size % 8 == 0;
}

static struct wire_layout layout_knobs(const struct go_layout *go)
{
	struct wire_layout knobs;
	uint32_t first = MIN(go->g_gopc, go->g_startpc), last = MAX(go->g_gopc, go->g_startpc);

	if (go->g_parent_goid) {
		first = MIN(first, go->g_parent_goid);
		last = MAX(last, go->g_parent_goid);
	}
	knobs = (struct wire_layout){
		.g_m = go->g_m,
		.g_goid = go->g_goid,
		.g_waitreason = go->g_waitreason,
		.m_curg = go->m_curg,
		/* follows stack.lo and stack.hi, the first words of g, in every version: the
		 * assembler knows it as 16(g) */
		.g_stackguard0 = 16,
		.g_atomicstatus = go->g_atomicstatus,
		.g_parent_goid = go->g_parent_goid,
		.g_gopc = go->g_gopc,
		.g_startpc = go->g_startpc,
		.g_birth = first,
		.birth_together = last + sizeof(uint64_t) - first <= WIRE_BLOCK_BYTES,
		.identity_together = go->g_waitreason > go->g_goid &&
				     go->g_waitreason - go->g_goid < WIRE_BLOCK_BYTES,
		.has_parent = go->g_parent_goid != 0,
		.goid_stale = !go->goid_before_status,
		.register_abi = go->register_abi,
		.syscall_sites = go->syscall_sites,
	};
	span_knobs(&go->heap, &knobs);
	return knobs;
}

/* Inside a pid namespace of its own, the kernel's process ids are not the ones we know. */
int program_namespace(uint64_t *ret_dev, uint64_t *ret_ino)
{
	struct stat st;
	int err;

	if (stat("/proc/self/ns/pid", &st) < 0) {
		err = -errno;
		return log_error(err, "/proc/self/ns/pid: %m; is /proc mounted?");
	}
	if (st.st_ino == PROC_PID_INIT_INO)
		return 0;
	*ret_dev = (uint64_t)major(st.st_dev) << 20 | minor(st.st_dev);
	*ret_ino = st.st_ino;
	return 0;
}

static uint32_t fill_ranges(const struct target *target, enum exclude_kind kind,
			    struct wire_range *ret, uint32_t n)
{
	struct pc_range ranges[EXCLUDE_RANGES_MAX];
	size_t found = target_exclude(target, kind, ranges);

	for (size_t i = 0; i < found && n < WIRE_RANGES_MAX; i++)
		ret[n++] = (struct wire_range){.lo = ranges[i].lo, .hi = ranges[i].hi};
	return n;
}

/* The range that holds them all, behind the last possible one. */
static void span_ranges(struct wire_range *ranges, uint32_t n)
{
	struct wire_range span = {.lo = UINT64_MAX};

	for (uint32_t i = 0; i < n; i++) {
		span.lo = MIN(span.lo, ranges[i].lo);
		span.hi = MAX(span.hi, ranges[i].hi);
	}
	ranges[WIRE_RANGES_MAX] = n ? span : (struct wire_range){0};
}

/* Of each kind so many stacks a second and CPU at most, in windows of WIRE_STACKS_WINDOW_NS; on
 * large machines fewer a CPU, as one thread of ours names them all. */
#define STACKS_A_WINDOW     16
#define STACKS_A_WINDOW_ALL 256
/* Of allocations, whose shares are to be known within a percent soon. */
#define ALLOCS_A_WINDOW     100
#define ALLOCS_A_WINDOW_ALL 1600

static uint32_t stacks_a_cpu(uint32_t one, uint32_t all, unsigned n_cpus)
{
	return MAX(2u, MIN(one, all / MAX(n_cpus, 1u)));
}

static void fill_stacks(struct wire_layout *ret, const struct go_layout *go, unsigned n_cpus)
{
	ret->allocs_budget = stacks_a_cpu(ALLOCS_A_WINDOW, ALLOCS_A_WINDOW_ALL, n_cpus);
	if (!go->g_sched_pc || !go->g_sched_bp)
		return;
	ret->g_sched_pc = go->g_sched_pc;
	ret->g_sched_bp = go->g_sched_bp;
	ret->stacks_budget = stacks_a_cpu(STACKS_A_WINDOW, STACKS_A_WINDOW_ALL, n_cpus);
}

static int fill_knobs(struct xgotopfs_bpf__rodata *knobs, const struct program_config *config,
		      const struct target *target)
{
	knobs->layout = layout_knobs(target_layout(target));
	knobs->target_tgid = (uint32_t)config->pid;
	/* mallocgc calls the specialised mallocs; makemap and what is in maps call newobject and
	 * from Go 1.27 on might call those. */
	knobs->n_exclude_maps = fill_ranges(target, EXCLUDE_MAPS, knobs->exclude_maps, 0);
	knobs->n_exclude_malloc = fill_ranges(target, EXCLUDE_MALLOC, knobs->exclude_malloc, 0);
	knobs->n_exclude_malloc =
		fill_ranges(target, EXCLUDE_MAPS, knobs->exclude_malloc, knobs->n_exclude_malloc);
	span_ranges(knobs->exclude_maps, knobs->n_exclude_maps);
	span_ranges(knobs->exclude_malloc, knobs->n_exclude_malloc);
	return program_namespace((uint64_t *)&knobs->pidns_dev, (uint64_t *)&knobs->pidns_ino);
}

/* --- loading ------------------------------------------------------------------------------- */

/* What the kernel lacks, or forbids, says more than the error of the program it refuses. */
static int refused_error(int err)
{
	cleanup_buf_ struct buf lacks = BUF_INIT;
	struct utsname u = {0};
	int why = capture_check_kernel(&lacks);

	if (why && !buf_error(&lacks))
		return log_error(why, "this kernel cannot trace: %.*s; xgotopfs -doctor says more",
				 (int)strcspn(lacks.data, "\n"), lacks.data);
	(void)uname(&u);
	return log_error(-ENOTSUP,
			 "Linux %s does not take the BPF program (%s), though it has all that is "
			 "known to be needed; -log-level debug has the verifier's words",
			 u.release, strerror(-err));
}

static int load_error(int err)
{
	switch (err) {
	case -EPERM:
		return log_error(-EPERM,
				 "not allowed to load BPF programs: run as root, or with "
				 "CAP_BPF and CAP_PERFMON (lockdown mode can forbid it too)");
	case -EACCES: /* the verifier's way to refuse */
	case -EINVAL:
	case -ENOTSUP:
		return refused_error(err);
	case -ENOMEM:
		return log_error(err, "no memory for the rings of the BPF program, which a smaller "
				      "-ring-size needs less of");
	default:
		return log_error(err, "loading the BPF program failed: %s", strerror(-err));
	}
}

/* Rings: as many as readers, but at most one a CPU. Slots: a power of two. Before loading. */
static int size_rings(struct program *p, const struct program_config *config)
{
	struct xgotopfs_bpf__rodata *knobs = p->skeleton->rodata;
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned most = MIN(online > 0 ? (unsigned)online : 1u, WIRE_RINGS_MAX);
	uint32_t n_slots = RING_SLOTS_MIN;

	p->n_rings = MAX(1u, MIN(config->n_rings, most));
	while (n_slots < config->ring_bytes / sizeof(struct wire_slot) && n_slots < RING_SLOTS_MAX)
		n_slots *= 2;
	knobs->ring_slots = n_slots;
	knobs->ring_spare = MIN(n_slots / 8, RING_SPARE_MAX);
	n_slots += WIRE_NEAR;
	p->ring_bytes = (size_t)p->n_rings * n_slots * sizeof(struct wire_slot);
	return bpf_map__set_max_entries(p->skeleton->maps.slots, p->n_rings * n_slots);
}

/* Wrappers that call what their closures hold: BPF follows them, as at a goroutine's creation the
 * closure is sure to be there. */
struct held {
	uint64_t *pcs;
	struct wire_held *how;
	uint32_t n, cap;
};

static int add_held(void *ctx, uint64_t pc, const struct target_start *start)
{
	struct held *h = ctx;

	if (h->n == h->cap) {
		uint32_t cap = h->cap ? h->cap * 2 : 64;
		uint64_t *pcs = reallocarray(h->pcs, cap, sizeof(*pcs));
		struct wire_held *how;

		if (!pcs)
			return -ENOMEM;
		h->pcs = pcs;
		how = reallocarray(h->how, cap, sizeof(*how));
		if (!how)
			return -ENOMEM;
		h->how = how;
		h->cap = cap;
	}
	h->pcs[h->n] = pc;
	h->how[h->n++] = (struct wire_held){start->at, start->method};
	return 0;
}

/* Before loading. */
static int find_held(struct program *p, const struct target *target, struct held *h)
{
	int err = target_each_held(target, add_held, h);

	if (err || !h->n)
		return err;
	/* gobuf: sp, pc, g, ctxt (runtime2.go), in every release */
	p->skeleton->rodata->g_sched_ctxt = target_layout(target)->g_sched + 24;
	return bpf_map__set_max_entries(p->skeleton->maps.held, h->n);
}

/* After loading. */
static int fill_held(struct program *p, const struct held *h)
{
	int fd = bpf_map__fd(p->skeleton->maps.held), err = 0;

	for (uint32_t i = 0; i < h->n && !err; i++)
		err = bpf_map_update_elem(fd, &h->pcs[i], &h->how[i], BPF_ANY);
	return err;
}

static void held_free(struct held *h)
{
	free(h->pcs);
	free(h->how);
}

static int on_wakeup(void *ctx, void *data, size_t size)
{
	return 0;
}

/* Maps the slots and tells each CPU which ring is its. After loading. */
static int open_rings(struct program *p)
{
	uint32_t n_slots = p->skeleton->rodata->ring_slots;
	int err;

	p->rings = calloc(p->n_rings, sizeof(*p->rings));
	if (!p->rings)
		return -ENOMEM;
	p->slots = mmap(NULL, p->ring_bytes, PROT_READ, MAP_SHARED,
			bpf_map__fd(p->skeleton->maps.slots), 0);
	if (p->slots == MAP_FAILED) {
		err = -errno;
		p->slots = NULL;
		return log_error(err, "cannot map the rings: %m");
	}
	for (unsigned i = 0; i < p->n_rings; i++)
		p->rings[i] = (struct ring){.control = &p->skeleton->bss->rings[i],
					    .slots = (const struct wire_slot *)p->slots +
						     (size_t)i * (WIRE_NEAR + n_slots),
					    .n_slots = n_slots};
	for (unsigned cpu = 0; cpu < WIRE_CPUS_MAX; cpu++) {
		p->skeleton->bss->cpus[cpu].ring = cpu % p->n_rings;
		p->skeleton->bss->cpus[cpu].number = cpu << WIRE_PID_BITS;
	}
	p->wakeups =
		ring_buffer__new(bpf_map__fd(p->skeleton->maps.wakeups), on_wakeup, NULL, NULL);
	return p->wakeups ? 0 : load_error(-errno);
}

static bool is_probe(const struct bpf_program *prog)
{
	return bpf_program__type(prog) == BPF_PROG_TYPE_KPROBE;
}

static void prefer_multi(struct program *p)
{
	struct bpf_program *prog;

	p->multi = uprobe_multi_works();
	if (!p->multi)
		return;
	bpf_object__for_each_program(prog, p->skeleton->obj) if (is_probe(prog))
		bpf_program__set_expected_attach_type(
			prog, (enum bpf_attach_type)UPROBE_MULTI_ATTACH_TYPE);
}

/* Linux 6.0 on: uprobe programs that may sleep, and so can read memory that is not there just now.
 */
static bool sleeping_works(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_SLEEPABLE);
	cleanup_close_ int prog = empty_program_load(&opts);

	return prog >= 0;
}

static void prefer_sleeping(struct program *p)
{
	struct bpf_program *prog;

	p->skeleton->rodata->may_sleep = sleeping_works();
	if (!p->skeleton->rodata->may_sleep)
		return;
	bpf_object__for_each_program(prog, p->skeleton->obj) if (is_probe(prog))
		bpf_program__set_flags(prog, bpf_program__flags(prog) | BPF_F_SLEEPABLE);
}

/* Opens and loads; what is there is freed by program_free(). *ret_logged: what is wrong was said.
 */
static int load_once(struct program *p, const struct program_config *config,
		     const struct target *target, bool samples, bool *ret_logged)
{
	cleanup_(held_free) struct held held = {0};
	int err;

	p->skeleton = xgotopfs_bpf__open();
	if (!p->skeleton)
		return -errno;
	err = fill_knobs(p->skeleton->rodata, config, target);
	*ret_logged = err != 0;
	if (err)
		return err;
	if (samples)
		fill_stacks(&p->skeleton->rodata->layout, target_layout(target), p->n_cpus);
	err = size_rings(p, config);
	if (!err)
		err = find_held(p, target, &held);
	prefer_multi(p);
	prefer_sleeping(p);
	(void)bpf_program__set_autoload(p->skeleton->progs.on_refill, samples);
	(void)bpf_program__set_autoload(p->skeleton->progs.on_alloc_large, samples);
	p->samples = samples;
	if (!err)
		err = xgotopfs_bpf__load(p->skeleton);
	return err ? err : fill_held(p, &held);
}

/* Samples are an extra: where the kernel does not take them, all else is traced. */
static int load_program(struct program *p, const struct program_config *config,
			const struct target *target, bool *ret_logged)
{
	int err = load_once(p, config, target, true, ret_logged);

	if (!err || *ret_logged ||
	    (err != -EACCES && err != -EINVAL && err != -ENOTSUP && err != -E2BIG))
		return err;
	xgotopfs_bpf__destroy(p->skeleton);
	p->skeleton = NULL;
	return load_once(p, config, target, false, ret_logged);
}

int program_load(const struct program_config *config, const struct target *target,
		 struct program **ret)
{
	struct program *p = calloc(1, sizeof(*p));
	int cpus = libbpf_num_possible_cpus();
	bool logged = false;
	int err;

	if (!p)
		return -ENOMEM;
	p->exec_fd = -1;
	if (cpus < 0) { /* it is what capture_check_kernel() looks for first */
		err = refused_error(-ENOTSUP);
		goto fail;
	}
	p->n_cpus = MIN((unsigned)cpus, WIRE_CPUS_MAX);
	p->tells_cpus = cpus <= WIRE_CPUS_MAX;
	err = load_program(p, config, target, &logged);
	if (err) {
		if (!logged && (err != -ENOMEM || !config->quiet))
			err = load_error(err);
		goto fail;
	}
	/* libbpf loads without them where its probe of the kernel says that they cannot be mapped.
	 */
	if (!p->skeleton->bss || !p->skeleton->data_control) {
		err = log_error(-ENOTSUP,
				"the kernel does not map the data of BPF programs (Linux 5.5), "
				"or is short of memory");
		goto fail;
	}
	p->control = &p->skeleton->data_control->control;
	p->cpus = p->skeleton->bss->cpus;
	err = open_rings(p);
	if (err)
		goto fail;
	*ret = p;
	return 0;
fail:
	program_free(p);
	return err;
}

int program_none(struct program **ret)
{
	struct program *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->exec_fd = -1;
	p->multi = true; /* asks for no capability */
	p->own = calloc(1, sizeof(*p->own));
	p->control = p->own;
	if (!p->own) {
		program_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void program_free(struct program *p)
{
	if (!p)
		return;
	free(p->own);
	close_fd(&p->exec_fd);
	ring_buffer__free(p->wakeups);
	if (p->slots)
		munmap(p->slots, p->ring_bytes);
	free(p->rings);
	xgotopfs_bpf__destroy(p->skeleton);
	free(p);
}

int program_watch_execs(struct program *p)
{
	if (p->own)
		return 0; /* they are looked for (pump.c) */
	p->exec_fd = bpf_raw_tracepoint_open("sched_process_exec",
					     bpf_program__fd(p->skeleton->progs.on_exec));
	return MIN(p->exec_fd, 0);
}

void program_keep_nothing(struct program *p)
{
	p->control->goids_epoch = 0;
}

void program_may_keep(struct program *p)
{
	struct program_counters counters;

	if (p->own || p->exec_fd < 0)
		return;
	program_counters(p, &counters);
	if (!counters.misnamed)
		p->control->goids_epoch = monotonic_ns();
}

int program_samples_fd(const struct program *p)
{
	return bpf_map__fd(p->skeleton->maps.samples);
}

struct bpf_program *program_for(struct program *p, enum probe_kind kind)
{
	struct xgotopfs_bpf *s = p->skeleton;

	switch (kind) {
	case PROBE_CASGSTATUS:
		return s->progs.on_casgstatus;
	case PROBE_NEWPROC_GOID:
		return s->progs.on_newproc_goid;
	case PROBE_GDESTROY:
		return s->progs.on_gdestroy;
	case PROBE_NEWOBJECT:
		return s->progs.on_newobject;
	case PROBE_MALLOC_SPECIAL:
		return s->progs.on_malloc_special;
	case PROBE_MAKESLICE:
		return s->progs.on_makeslice;
	case PROBE_MAKESLICECOPY:
		return s->progs.on_makeslicecopy;
	case PROBE_MAKEMAP:
		return s->progs.on_makemap;
	case PROBE_MAKEMAP_SMALL:
		return s->progs.on_makemap_small;
	case PROBE_ENTERSYSCALL:
		return s->progs.on_entersyscall;
	case PROBE_EXITSYSCALL:
		return s->progs.on_exitsyscall;
	case PROBE_STATE_SWAP:
		return s->progs.on_state_swap;
	case PROBE_REFILL:
		return s->progs.on_refill;
	case PROBE_ALLOC_LARGE:
		return s->progs.on_alloc_large;
	case PROBE_KINDS:
		break;
	}
	return NULL;
}

static void count_stacks(const volatile struct wire_stacks *s, struct program_counters *sum)
{
	sum->samples_lost[WIRE_SAMPLE_OFF_CPU] += s->lost[0];
	sum->samples_lost_weight[WIRE_SAMPLE_OFF_CPU] += s->lost_weight[0];
	sum->samples_lost[WIRE_SAMPLE_CREATED] += s->lost[1];
	sum->samples_lost_weight[WIRE_SAMPLE_CREATED] += s->lost_weight[1];
}

void program_counters(const struct program *p, struct program_counters *ret)
{
	struct program_counters sum = {0};

	for (unsigned i = 0; i < p->n_cpus; i++) {
		const volatile struct wire_cpu *c = &p->cpus[i];

		sum.skipped += c->skipped;
		sum.stepped += c->stepped;
		sum.faulted += c->faulted;
		sum.refused += c->refused;
		sum.cancelled += c->cancelled;
		sum.hidden += c->hidden;
		sum.absent += c->absent;
		sum.outside += c->outside;
		sum.misnamed += c->misnamed;
		sum.hits += c->skipped + c->passed + c->refused + c->outside - c->execs;
		sum.lost_execs += c->lost_execs;
		sum.prog_ns_sum += c->prog_ns_sum;
		sum.prog_ns_samples += c->prog_ns_samples;
		for (unsigned t = 0; t < WIRE_TYPES; t++) {
			sum.lost[t] += c->lost[t];
			sum.unchosen[t] += c->unchosen[t];
		}
	}
	for (unsigned i = 0; i < p->n_cpus; i++) {
		const volatile struct wire_sampled *s = &p->skeleton->bss->sampled[i];

		sum.sample_hits += s->hits;
		sum.samples_lost[WIRE_SAMPLE_ALLOC] += s->lost;
		sum.samples_lost_weight[WIRE_SAMPLE_ALLOC] += s->lost_weight;
		count_stacks(&p->skeleton->bss->stacks[i], &sum);
	}
	/* Nothing is kept since: what was used until then, nobody proves any more. */
	for (unsigned i = 0; sum.misnamed && i < WIRE_GOIDS; i++)
		sum.misnamed += p->skeleton->bss->goids[i].unproven;
	sum.hits += sum.sample_hits;
	for (unsigned i = 0; i < p->n_rings; i++)
		sum.hits += ring_produced(&p->rings[i]);
	*ret = sum;
}
