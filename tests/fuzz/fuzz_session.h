/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads a session's bytes to their end, as a replay and the tree do, and applies them to a model.
 */
#ifndef XGOTOPFS_FUZZ_SESSION_H
#define XGOTOPFS_FUZZ_SESSION_H

#include <stdlib.h>
#include <sys/mman.h>

#include "core/session/reader.h"

static inline void fuzz_apply(struct model *model, struct session_chunk *chunk)
{
	for (size_t i = 0; i < chunk->n_procs; i++) {
		if (chunk->proc_index[i] == model_procs(model))
			(void)model_proc_add(model, &chunk->procs[i]);
	}
	for (size_t i = 0; i < chunk->n_seen; i++)
		model_heal(model, chunk->seen_proc[i], &chunk->seen[i], 1, chunk->seen_ns, false);
	model_apply(model, chunk->events, chunk->n);
}

static inline void fuzz_session(const uint8_t *data, size_t size, enum session_format format)
{
	struct model_config config = {.retain = 64, .retain_exited = 10, .workers = 1};
	int fd = memfd_create("session", MFD_CLOEXEC);
	struct session_reader *reader;
	struct session_chunk chunk;
	struct session_end end;
	struct buf text = BUF_INIT;
	struct model *model;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || names_new(4096, &config.names) ||
	    model_new(&config, &model) || session_reader_open_fd(fd, format, config.names, &reader))
		abort();
	while (session_reader_next(reader, &chunk) > 0) {
		buf_reset(&text);
		for (size_t i = 0; i < chunk.n; i++)
			session_reader_json(reader, &chunk, i, &text);
		fuzz_apply(model, &chunk);
		if (chunk.next > size)
			abort();
	}
	session_reader_end(reader, &end);
	if (end.good_bytes + end.missing_bytes != size || (end.missing_bytes && !end.reason[0]))
		abort();
	buf_free(&text);
	session_reader_close(reader);
	model_free(model);
	names_free(config.names);
}

#endif
