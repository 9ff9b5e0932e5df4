/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Numbers of goroutines that were read before, and need not be read again: a read of the target's
 * memory is what costs most in a hit. Part of xgotopfs.bpf.c, whose functions it uses.
 *
 * A g has the number of whoever is in it, until another one is. So what is kept of a g is right
 * from a read on until its goroutine ends, which a probe sees; user space says when all ends are
 * seen (control.goids_epoch). That nothing was missed is not taken on trust: no number is given
 * twice, so where the same one is read again from that g, it had it all the time between. Each use
 * is counted, and the count is cleared by the next read: when the goroutine is about to run (but
 * for a coroutine's switches), when it ends, and after WIRE_GOID_USES of them. Where another number
 * is read, so many hits at most were told of the wrong goroutine: that is counted for good
 * (wire_cpu.misnamed), and nothing is kept any more.
 *
 * Only the thread that runs a goroutine or is about to touches what is kept of its g: so it is one
 * thread at a time, one after the other by the scheduler's own order. Two gs that share a place
 * push each other out, but never what was used and is not proven yet. `check` is made of all that
 * is known of the entry, so that a half written one, or halves of two, is no entry.
 */
#ifndef XGOTOPFS_GOIDS_BPF_H
#define XGOTOPFS_GOIDS_BPF_H

struct wire_goid goids[WIRE_GOIDS] ALIGNED_TO_LINES;
/* Counts execs: another program's gs lie where those of the one before did. */
__u64 goids_execs;

#define GOID_NONE (~0ull) /* it cannot be read */

/* Odd, so that of two numbers none makes the same check of the same g. */
#define GOID_MIX(value) ((value)*0xd6e8feb86659fd93ull)

/* 0: nothing is kept now. */
static __always_inline __u64 goids_epoch(void)
{
	__u64 epoch = control.goids_epoch;

	return epoch ? epoch + goids_execs : 0;
}

static __always_inline struct wire_goid *goid_entry(__u64 g)
{
	return &goids[g * 0x9e3779b97f4a7c15ull >> 32 & (WIRE_GOIDS - 1)];
}

static __always_inline __u64 goid_key(__u64 g, __u32 pid, __u64 epoch)
{
	return g + pid * 0x94d049bb133111ebull + epoch * 0xbf58476d1ce4e5b9ull;
}

/* What is kept under `key`, and is used now; 0: nothing, or it is to be proven. */
static __always_inline __u64 goid_use(struct wire_goid *entry, __u64 key)
{
	__u64 value = entry->value;

	if (entry->check != (key ^ GOID_MIX(value)) || entry->unproven >= WIRE_GOID_USES)
		return 0;
	entry->unproven++;
	return value;
}

static __always_inline __u64 goid_kept(__u64 g, __u32 pid)
{
	return goid_use(goid_entry(g), goid_key(g, pid, goids_epoch()));
}

/* `value` was read: so is what is kept under `key`? Then it had it all the time. */
static __always_inline bool goid_proves(struct wire_goid *entry, __u64 key, __u64 value)
{
	if (entry->check != (key ^ GOID_MIX(value)) || entry->value != value)
		return false;
	entry->unproven = 0;
	return true;
}

/* `value` was read: proves what is kept under `key`, or takes its place. */
static __noinline int goid_keep(struct wire_goid *entry, __u64 key, __u64 value)
{
	__u64 epoch = goids_epoch();

	if (!entry || !epoch)
		return 0;
	if (goid_proves(entry, key, value))
		return 0;
	if (entry->check == (key ^ GOID_MIX(entry->value))) {
		if (entry->unproven) {
			__sync_fetch_and_add(&this_cpu()->misnamed, entry->unproven);
			control.goids_epoch = 0;
		}
	} else if (entry->unproven && entry->epoch == epoch) {
		return 0;
	}
	entry->check = 0;
	entry->unproven = 0;
	entry->epoch = epoch;
	entry->value = value;
	entry->check = key ^ GOID_MIX(value);
	return 0;
}

/* The goroutine in `g` ends. */
static __always_inline void goid_forget(struct wire_goid *entry, __u64 key)
{
	if (entry->check != (key ^ GOID_MIX(entry->value)))
		return;
	entry->check = 0;
	entry->unproven = 0;
}

/* Its number, and keeps it; 0: it has none (a thread's own g), or GOID_NONE. */
static __noinline __u64 goid_read(__u64 g, __u32 pid)
{
	__u64 goid;

	if (read_user(&goid, sizeof(goid), g + layout.g_goid))
		return GOID_NONE;
	if (goid)
		goid_keep(goid_entry(g), goid_key(g, pid, goids_epoch()), goid);
	return goid;
}

/*
 * The m of the g0 that a thread is on, kept of both together: a g0 and its m end with their thread,
 * and what is there afterwards is another thread's. It says nothing of goroutines: it may be pushed
 * out at any time.
 */
static __always_inline __u64 m_key(__u64 g0)
{
	return ~goid_key(g0, (__u32)bpf_get_current_pid_tgid(), goids_epoch());
}

static __noinline int m_keep(__u64 g0, __u64 key, __u64 m)
{
	struct wire_goid *entry = goid_entry(g0);

	goid_keep(entry, key, m);
	if (entry->check == (key ^ GOID_MIX(m)))
		entry->epoch = 0;
	return 0;
}

/* The goroutine in `gp` ends, on a thread that is on `g`. */
static __noinline int goid_ends(__u64 g, __u64 gp)
{
	__u32 pid = hit_pid();

	goid_forget(goid_entry(gp), goid_key(gp, pid, goids_epoch()));
	goid_forget(goid_entry(g), m_key(g));
	return 0;
}

#endif
