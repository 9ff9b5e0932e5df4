/* Opens and maps BPF ring buffers; the reading side is inline in ring.h. */
#include "core/capture/ring.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/log.h"

int ring_open(struct ring *r, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int err;

	*r = (struct ring){.fd = -1, .size = size, .page = page};
	r->fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "xgotop_ring", 0, 0, (uint32_t)size, NULL);
	if (r->fd < 0) {
		err = -errno;
		return log_error(err, "cannot make a ring buffer of %zu bytes: %m", size);
	}
	r->map_rw = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->map_rw == MAP_FAILED) {
		err = -errno;
		r->map_rw = NULL;
		goto fail;
	}
	r->map_ro = mmap(NULL, page + 2 * size, PROT_READ, MAP_SHARED, r->fd, (off_t)page);
	if (r->map_ro == MAP_FAILED) {
		err = -errno;
		r->map_ro = NULL;
		goto fail;
	}
	r->consumer = r->map_rw;
	r->producer = r->map_ro;
	r->data = (const uint8_t *)r->map_ro + page;
	return 0;
fail:
	ring_close(r);
	return log_error(err, "cannot map a ring buffer of %zu bytes", size);
}

void ring_close(struct ring *r)
{
	if (r->map_rw)
		munmap(r->map_rw, r->page);
	if (r->map_ro)
		munmap(r->map_ro, r->page + 2 * r->size);
	if (r->fd >= 0)
		close(r->fd);
	*r = (struct ring){.fd = -1};
}
