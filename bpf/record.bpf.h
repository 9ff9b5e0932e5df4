/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records: how one comes into its ring, and what is counted when there is no room for it. Part of
 * xgotopfs.bpf.c, whose functions it uses; every program writes by these.
 */
#ifndef XGOTOPFS_RECORD_BPF_H
#define XGOTOPFS_RECORD_BPF_H

/* The rings' slots, one ring after the other. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 64); /* set before loading */
	__type(key, __u32);
	__type(value, struct wire_slot);
} slots SEC(".maps");

/* Carries nothing: the way to wake somebody who polls. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} wakeups SEC(".maps");

/* How a record is to be written, in one word: a function's arguments are few. */
#define HOW(flags, from, to, slot) ((flags) | (from) << 8 | (to) << 16 | (slot) << 24)
#define HOW_FLAGS(how)             ((how)&0xff)
#define HOW_FROM(how)              ((how) >> 8 & 0xff)
#define HOW_TO(how)                ((how) >> 16 & 0xff)
#define HOW_SLOT(how)              ((how) >> 24 & 0xff)
/* What was made of it is made again where it is used: that takes less than a place on the stack. */
#define MAKE_AGAIN(how) asm volatile("" : "+r"(how))

/* The events that a record would have told, and hidden ones: they are missing all the same. */
static __noinline int count_lost(__u32 type, __u32 flags)
{
	struct wire_cpu *cpu = this_cpu();

	if (type == WIRE_MAKESLICE || type == WIRE_MAKEMAP || type == WIRE_NEWOBJECT) {
		count(&cpu->lost[type]);
		return 0;
	}
	if (flags & WIRE_EMIT_STATE)
		count(&cpu->lost[WIRE_CASGSTATUS]);
	if (flags & WIRE_EMIT_CREATE)
		count(&cpu->lost[WIRE_NEWGOROUTINE]);
	if (flags & WIRE_EMIT_EXIT)
		count(&cpu->lost[WIRE_GOEXIT]);
	if (!(flags & (WIRE_EMIT_STATE | WIRE_EMIT_CREATE | WIRE_EMIT_EXIT)))
		count(&cpu->hidden);
	return 0;
}

/*
 * A record under way. What was written into its slot is not read back, not even by who writes it:
 * stores wait for the slot's cache line, which the reader had last, beside what comes after them,
 * but a load from it waits itself.
 */
struct record {
	void *slot; /* what comes behind its seq; NULL: there is no room */
	__u64 number, time_ns;
};

/*
 * Room for a record, its header filled but for the actor. `how` is HOW(). The time is read after
 * the slot was taken: user space rests its order on that (core/capture/merge.h). Called before the
 * target's memory is read: the slot's line comes meanwhile.
 */
static __always_inline void *record_take(struct record *r, struct wire_cpu *cpu, __u32 type,
					 __u32 how)
{
	struct wire_ring *ring = cpu_ring(cpu);
	struct wire_slot *slot;
	struct wire_header *h;
	__u32 key;

	r->number = __sync_fetch_and_add(&ring->head, 1);
	key = cpu->ring * (WIRE_NEAR + ring_slots) +
	      wire_slot_index(r->number, ring->tail, ring_slots);
	slot = bpf_map_lookup_elem(&slots, &key);
	if (!slot) { /* cannot be */
		r->slot = NULL;
		return NULL;
	}
	slot->seq = r->number; /* busy; record_submit() writes one more */
	r->time_ns = bpf_ktime_get_ns();
	h = &slot->record.h;
	h->time_ns = r->time_ns;
	*(__u32 *)h = type | how << 8; /* type, flags, from, to: as both lie in memory */
	h->pid_cpu = hit_pid() | cpu->number;
	r->slot = h;
	return h;
}

static __always_inline void *record_reserve(struct record *r, __u32 type, __u32 how)
{
	struct wire_cpu *cpu = this_cpu();

	r->slot = NULL;
	if (pidns_ino && !target_tgid && !process_id()) {
		count(&cpu->outside);
		return NULL;
	}
	if (wire_ring_full(cpu_ring(cpu), ring_slots - ring_spare)) {
		count(&cpu->refused);
		count_lost(type, HOW_FLAGS(how));
		return NULL;
	}
	return record_take(r, cpu, type, how);
}

static __noinline int wake_reader(void)
{
	void *nothing;

	control.want_wakeup = 0;
	nothing = bpf_ringbuf_reserve(&wakeups, 8, 0);
	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
	return 0;
}

static __always_inline void record_submit(const struct record *r)
{
	struct wire_slot *slot = r->slot - __builtin_offsetof(struct wire_slot, record);

	publish(&slot->seq, r->number + 1);
	/* The reader sets this and then looks at `head`, which was moved before: one of us sees the
	 * other. */
	if (control.want_wakeup)
		wake_reader();
}

/* Gives back a slot that nothing could be written into: counted as lost. */
static __always_inline void record_cancel(const struct record *r, __u32 type, __u32 how)
{
	count(&this_cpu()->cancelled);
	count_lost(type, HOW_FLAGS(how));
	((struct wire_header *)r->slot)->type = WIRE_NOTHING;
	record_submit(r);
}

#endif
