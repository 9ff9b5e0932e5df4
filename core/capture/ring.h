/*
 * One BPF ring buffer, mapped and read in place (Documentation/bpf/ringbuf.rst; the layout is
 * uapi: BPF_RINGBUF_BUSY_BIT and BPF_RINGBUF_DISCARD_BIT in <linux/bpf.h>).
 *
 * libbpf's ring_buffer hides what the merge must see: the producer position, and whether a record
 * that was reserved is not yet written ("busy"). One reader; the reading side is this header's
 * inline functions, so that a test can run them over plain memory.
 */
#ifndef XGOTOPFS_CAPTURE_RING_H
#define XGOTOPFS_CAPTURE_RING_H

#include <linux/bpf.h>

#include "core/base/util.h"

struct ring {
	uint64_t *consumer;       /* written by us: what lies before may be overwritten */
	const uint64_t *producer; /* written by the kernel: what lies before is reserved */
	const uint8_t *data;      /* `size` bytes, mapped twice in a row: a record never wraps */
	uint64_t size;            /* bytes, a power of two */
	int fd;
	void *map_rw, *map_ro;
	size_t page;
};

/* Makes a ring buffer map of `size` bytes and maps it. 0 or -errno. */
int ring_open(struct ring *r, size_t size);
void ring_close(struct ring *r); /* a zeroed ring with fd -1 is fine */

static inline uint64_t ring_produced(const struct ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
}

static inline void ring_consumed(struct ring *r, uint64_t pos)
{
	__atomic_store_n(r->consumer, pos, __ATOMIC_RELEASE);
}

enum ring_state { RING_RECORD, RING_DISCARDED, RING_BUSY };

/* The record at `pos`, which must lie before ring_produced(). Moves *pos past it unless busy. */
static inline enum ring_state ring_take(const struct ring *r, uint64_t *pos, const void **ret_data,
					uint32_t *ret_len)
{
	const uint8_t *record = r->data + (*pos & (r->size - 1));
	uint32_t header = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
	uint32_t len = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

	if (header & BPF_RINGBUF_BUSY_BIT)
		return RING_BUSY;
	*ret_data = record + BPF_RINGBUF_HDR_SZ;
	*ret_len = len;
	*pos += (len + BPF_RINGBUF_HDR_SZ + 7) & ~7ull;
	return header & BPF_RINGBUF_DISCARD_BIT ? RING_DISCARDED : RING_RECORD;
}

#endif
