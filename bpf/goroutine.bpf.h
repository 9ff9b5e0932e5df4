/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a record tells of a goroutine: who it is, why it waits, what it will run and who made it,
 * read from the runtime's g. Part of xgotopfs.bpf.c, whose functions it uses.
 */
#ifndef XGOTOPFS_GOROUTINE_BPF_H
#define XGOTOPFS_GOROUTINE_BPF_H

/* By g.startpc: what such a wrapper will call. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before loading */
	__type(key, __u64);
	__type(value, struct wire_held);
} held SEC(".maps");

/* What a creation tells of the goroutine, as it is in its memory: one read where the fields lie
 * together, as they do in every known release. Out of line for the block it reads into: see the
 * note on the stack. */
static __noinline int read_birth(struct wire_create *r, __u64 gp)
{
	__u64 fields[WIRE_BLOCK_BYTES / 8];

	if (!r)
		return 0;
	if (!layout.birth_together || read_user(fields, sizeof(fields), gp + layout.g_birth)) {
		r->start_pc = read_word(gp + layout.g_startpc);
		r->go_pc = read_word(gp + layout.g_gopc);
		r->parent = layout.has_parent ? read_word(gp + layout.g_parent_goid) : 0;
		return 0;
	}
#define FIELD(name) fields[(layout.name - layout.g_birth) / 8 % (WIRE_BLOCK_BYTES / 8)]
	r->start_pc = FIELD(g_startpc);
	r->go_pc = FIELD(g_gopc);
	r->parent = layout.has_parent ? FIELD(g_parent_goid) : 0;
#undef FIELD
	return 0;
}

#define HELD_DEPTH 3 /* a closure that holds a closure */

/* What a goroutine will run, by its start pc: past a wrapper, what the closure holds. */
static __noinline __u64 will_call(__u64 gp, __u64 start_pc, __u64 bias)
{
	__u64 closure = 0, pc = start_pc;

	if (!g_sched_ctxt)
		return start_pc;
	for (int i = 0; i < HELD_DEPTH; i++) {
		struct wire_held *how = bpf_map_lookup_elem(&held, &pc);
		__u64 holder, next;

		if (!how)
			break;
		if (!i)
			closure = read_word(gp + g_sched_ctxt);
		holder = read_word(closure + how->at);
		next = read_word(holder + how->method);
		if (!next)
			break;
		pc = next - bias;
		closure = how->method ? 0 : holder;
	}
	return pc;
}

/* Writes a creation. */
static __noinline int emit_creation(go_regs *regs, __u64 gp, __u32 how)
{
	const volatile struct wire_site *site =
		&control.sites[HOW_SLOT(how) & (WIRE_SITES_MAX - 1)];
	struct record w;
	struct wire_create *r = record_reserve(&w, WIRE_NEWGOROUTINE, how);
	__u64 bias = REG_IP(regs) - site->addr;
	__u32 to = HOW_TO(how);
	__u64 goid;

	if (!r)
		return 0;
	if (read_user(&goid, sizeof(goid), gp + layout.g_goid)) {
		record_cancel(&w, WIRE_NEWGOROUTINE, how);
		return 0;
	}
	if (!to) /* from newproc1: the transition is over, or still to come (Go 1.24 on) */
		to = layout.goid_stale ? read_byte(gp + layout.g_atomicstatus) : GO_RUNNABLE;
	r->h.to = to;
	r->target = goid;
	read_birth(r, gp);
	r->start_pc = will_call(gp, r->start_pc - bias, bias);
	r->go_pc -= bias;
	if (to == GO_SYSCALL) { /* a C thread came in: its own doing, and nobody's child */
		r->h.goid = goid;
		r->parent = 0;
	} else if (layout.has_parent) { /* newproc: the caller's goid, which is the actor's */
		r->h.goid = r->parent;
	} else {
		r->h.goid = actor_through_m(REG_G(regs), gp, goid);
		r->parent = r->h.goid;
	}
	if (layout.g_sched_pc)
		made(regs, r, bias);
	record_submit(&w);
	return 0;
}

#define IDENTITY_NONE       (~0ull) /* not to be read */
#define IDENTITY_GOID(id)   ((id)&0xffffffffffffffull)
#define IDENTITY_REASON(id) ((id) >> 56)

/* The id of a goroutine that is about to wait, and why: one read where both lie together, as they
 * do in every known release. Out of line, as above. */
static __noinline __u64 read_waiting(__u64 gp)
{
	__u64 fields[WIRE_BLOCK_BYTES / 8];
	__u64 reason;

	if (!layout.identity_together) {
		if (read_user(fields, sizeof(fields[0]), gp + layout.g_goid))
			return IDENTITY_NONE;
		reason = read_byte(gp + layout.g_waitreason);
	} else {
		if (read_user(fields, sizeof(fields), gp + layout.g_goid))
			return IDENTITY_NONE;
		reason = ((__u8 *)fields)[(layout.g_waitreason - layout.g_goid) % WIRE_BLOCK_BYTES];
	}
	return IDENTITY_GOID(fields[0]) | reason << 56;
}

/* The same of one that goes on, from what was read before where that is kept (goids.bpf.h). Who
 * begins to run and who ends is read in any case, which proves it. */
static __noinline __u64 read_identity(__u64 gp, __u32 how)
{
	/* Who waits is made to run by others: what is kept of it would go from one CPU to another.
	 */
	bool keeps = control.goids_epoch && HOW_FROM(how) != GO_WAITING;
	struct wire_goid *entry = goid_entry(gp);
	__u64 goid = 0, key = 0;

	if (HOW_TO(how) == GO_WAITING)
		return read_waiting(gp);
	if (keeps) {
		key = goid_key(gp, hit_pid(), goids_epoch());
		if (HOW_FROM(how) != GO_RUNNABLE && !is_dead(HOW_TO(how)))
			goid = goid_use(entry, key);
		if (goid)
			return IDENTITY_GOID(goid);
	}
	if (read_user(&goid, sizeof(goid), gp + layout.g_goid))
		return IDENTITY_NONE;
	if (keeps && goid && !goid_proves(entry, key, goid))
		goid_keep(entry, key, goid);
	return IDENTITY_GOID(goid);
}

/* The same of a goroutine that goes into or comes out of a system call. */
static __always_inline __u64 identity_kept(__u64 gp, __u32 how)
{
	__u64 goid = control.goids_epoch ? goid_kept(gp, hit_pid()) : 0;

	return goid ? IDENTITY_GOID(goid) : read_identity(gp, how);
}

/* There is no room for the record: what is known of the goroutine from before is not to be taken
 * for what came next. */
static __noinline int state_untold(go_regs *regs, __u64 gp, __u32 how)
{
	if (layout.g_sched_pc)
		since_forget(gp);
	if (is_dead(HOW_TO(how)) && control.goids_epoch)
		goid_ends(REG_G(regs), gp);
	return 0;
}

static __always_inline __u32 state_type(__u32 how)
{
	return HOW_FLAGS(how) & WIRE_STATE_SEEN ? WIRE_CASGSTATUS : WIRE_GOEXIT;
}

/* `known`: what the change is, is known where this is compiled, and little is left of it. */
static __always_inline int write_state(go_regs *regs, __u64 gp, __u32 how, bool known)
{
	struct record w;
	struct wire_state *r = record_reserve(&w, state_type(how), how);
	__u64 id;

	if (!r)
		return state_untold(regs, gp, how);
	if (!known)
		MAKE_AGAIN(how);
	id = known ? identity_kept(gp, how) : read_identity(gp, how);
	if (is_dead(HOW_TO(how)) && control.goids_epoch)
		goid_ends(REG_G(regs), gp);
	if (id == IDENTITY_NONE) {
		record_cancel(&w, state_type(how), how);
		return 0;
	}
	r->reason = IDENTITY_REASON(id);
	r->pad = 0;
	id = IDENTITY_GOID(id);
	MAKE_AGAIN(id);
	r->target = id;
	/* Who runs, or is about to, does so on its own thread: m.curg is gp (execute, park_m,
	 * goexit0, newstack). Else somebody else may act. */
	if (HOW_FROM(how) == GO_RUNNING || HOW_TO(how) == GO_RUNNING)
		r->h.goid = id;
	else
		r->h.goid = actor_through_m(REG_G(regs), gp, id);
	if (layout.g_sched_pc &&
	    HOW_FLAGS(how) & WIRE_EMIT_STATE) /* else of its states none is told */
		off_cpu(regs, gp, how, id, &w, known);
	record_submit(&w);
	return 0;
}

static __noinline int emit_state(go_regs *regs, __u64 gp, __u32 how)
{
	return write_state(regs, gp, how, false);
}

#endif
