/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the session tests share: a storage folder, a model, and a recording of the typical mix. */
#ifndef XGOTOPFS_TESTS_SESSION_FIXTURE_H
#define XGOTOPFS_TESTS_SESSION_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/session/reader.h"
#include "core/session/recorder.h"
#include "core/session/store.h"
#include "tests/unit/session_mix.h"

struct fixture {
	char dir[64];
	struct names *names;
	struct model *model;
	struct mix mix;
	char id[SESSION_ID_LEN + 1]; /* of the last recording */
};

static inline void fixture_open(struct fixture *f, size_t retain)
{
	struct proc_info info = {.pid = 4242, .binary_path = "/srv/demo", .go_version = "go1.26.8"};

	memset(f, 0, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "/tmp/test_session.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(names_new(1 << 16, &f->names), 0);
	assert_int_equal(model_new(&(struct model_config){.retain = retain,
							  .retain_exited = 100,
							  .workers = 1,
							  .wall_offset_ns = 1234567,
							  .names = f->names},
				   &f->model),
			 0);
	assert_int_equal(model_proc_add(f->model, &info), 0);
	mix_init(&f->mix, f->names, 1);
}

static inline void fixture_close(struct fixture *f)
{
	struct session_info *list;
	struct store *store;
	size_t n;

	assert_int_equal(store_new(f->dir, &store), 0);
	assert_int_equal(store_list(store, &list, &n), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(store_delete(store, list[i].meta.id), 0);
	free(list);
	store_free(store);
	model_free(f->model);
	names_free(f->names);
	assert_int_equal(rmdir(f->dir), 0);
}

static inline struct recorder_config fixture_config(struct fixture *f, enum session_format format,
						    size_t batch)
{
	return (struct recorder_config){
		.storage_dir = f->dir,
		.format = format,
		.batch_size = batch,
		.flush_interval_ns = NS_PER_SEC / 100,
		.pid = 4242,
		.model = f->model,
		.version = "test",
	};
}

static inline void fixture_apply(struct fixture *f, size_t n)
{
	struct event events[100];

	while (n) {
		size_t part = MIN(n, ARRAY_SIZE(events));

		for (size_t i = 0; i < part; i++)
			mix_next(&f->mix, &events[i]);
		model_apply(f->model, events, part);
		n -= part;
	}
}

/* Records n events of the mix as one session. */
static inline void fixture_record(struct fixture *f, enum session_format format, size_t batch,
				  size_t n)
{
	struct recorder_config config = fixture_config(f, format, batch);
	struct recorder *recorder;

	assert_int_equal(recorder_new(&config, &recorder), 0);
	fixture_apply(f, n);
	recorder_stop(recorder);
	recorder_id(recorder, f->id);
	recorder_free(recorder);
}

static inline int fixture_folder(struct fixture *f)
{
	int fd = session_resolve(f->dir, f->id);

	assert_true(fd >= 0);
	return fd;
}

static inline char *read_whole(int dir, const char *name, size_t *ret_len)
{
	int fd = openat(dir, name, O_RDONLY);
	struct stat st;
	char *data;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	data[st.st_size] = '\0';
	close(fd);
	*ret_len = (size_t)st.st_size;
	return data;
}

/* A reader over these bytes. */
static inline struct session_reader *reader_of(const void *data, size_t len,
					       enum session_format format, struct names *names)
{
	FILE *file = tmpfile();
	struct session_reader *reader;

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(session_reader_open_fd(dup(fileno(file)), format, names, &reader), 0);
	fclose(file);
	return reader;
}

static inline void read_all(struct session_reader *reader, size_t *ret_events,
			    struct session_end *ret_end)
{
	struct session_chunk chunk;

	*ret_events = 0;
	while (session_reader_next(reader, &chunk) > 0)
		*ret_events += chunk.n;
	session_reader_end(reader, ret_end);
}

#endif
