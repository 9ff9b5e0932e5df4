/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The folder of recordings: rotation, deleting, the files of one. */
#include "tests/unit/session_fixture.h"

#include "core/session/files.h"

static uint64_t stored_bytes(struct store *store, size_t *ret_n)
{
	struct session_info *list;
	uint64_t sum = 0;

	assert_int_equal(store_list(store, &list, ret_n), 0);
	for (size_t i = 0; i < *ret_n; i++)
		sum += list[i].bytes;
	free(list);
	return sum;
}

static void test_rotation(void **state)
{
	struct fixture f;
	struct recorder_config config;
	struct recorder *recorder;
	struct session_info *list;
	struct store *store;
	char first[SESSION_ID_LEN + 1];
	size_t n;
	uint64_t deadline = monotonic_ns() + 120 * NS_PER_SEC;

	fixture_open(&f, 100000);
	fixture_record(&f, SESSION_PROTOBUF, 1000, 20000);
	memcpy(first, f.id, sizeof(first));
	assert_int_equal(store_new(f.dir, &store), 0);
	config = fixture_config(&f, SESSION_PROTOBUF, 1000);
	config.max_size = 400000;
	assert_int_equal(recorder_new(&config, &recorder), 0);
	recorder_id(recorder, f.id);
	do { /* the recorder looks once a second */
		char now[SESSION_ID_LEN + 1];

		fixture_apply(&f, 12000);
		usleep(50000);
		recorder_id(recorder, now);
		assert_true(monotonic_ns() < deadline);
		if (strcmp(now, f.id) != 0)
			break;
	} while (true);
	recorder_stop(recorder);
	recorder_free(recorder);
	assert_true(store_rotate(store, config.max_size, 0) >= 0);
	assert_true(stored_bytes(store, &n) <= config.max_size);
	assert_int_equal(store_list(store, &list, &n), 0);
	assert_true(n >= 1);
	for (size_t i = 0; i < n; i++)
		assert_string_not_equal(list[i].meta.id, first);
	assert_true(session_id_valid(list[n - 1].meta.continues));
	free(list);
	/* Everything is older than a nanosecond. */
	assert_int_equal(store_rotate(store, 0, 1), n);
	store_free(store);
	fixture_close(&f);
}

/* None has more than its half of the bound, though batches are large. */
static void test_rotation_of_large_batches(void **state)
{
	uint64_t deadline = monotonic_ns() + 120 * NS_PER_SEC;
	struct recorder_config config;
	struct recorder *recorder;
	struct session_info *list;
	unsigned segments = 0;
	struct store *store;
	struct fixture f;
	size_t n;

	fixture_open(&f, 100000);
	assert_int_equal(store_new(f.dir, &store), 0);
	config = fixture_config(&f, SESSION_JSONL, 1000);
	config.max_size = 1 << 20;
	assert_int_equal(recorder_new(&config, &recorder), 0);
	recorder_id(recorder, f.id);
	while (segments < 3) {
		char now[SESSION_ID_LEN + 1];

		fixture_apply(&f, 1000);
		usleep(5000);
		recorder_id(recorder, now);
		assert_true(monotonic_ns() < deadline);
		segments += strcmp(now, f.id) != 0;
		memcpy(f.id, now, sizeof(now));
	}
	recorder_stop(recorder);
	recorder_free(recorder);
	assert_in_range(stored_bytes(store, &n), 0, config.max_size + 8192);
	assert_int_equal(store_list(store, &list, &n), 0);
	for (size_t i = 0; i < n; i++)
		assert_in_range(list[i].bytes, 0, config.max_size / 2 + 4096);
	free(list);
	store_free(store);
	fixture_close(&f);
}

static void test_deleting(void **state)
{
	struct fixture f;
	struct recorder_config config;
	struct recorder *recorder;
	struct session_info info;
	struct store *store;
	char path[200], id[SESSION_ID_LEN + 1];
	FILE *file;

	fixture_open(&f, 1000);
	config = fixture_config(&f, SESSION_JSONL, 10);
	assert_int_equal(recorder_new(&config, &recorder), 0);
	recorder_id(recorder, id);
	assert_int_equal(store_new(f.dir, &store), 0);
	assert_int_equal(store_get(store, id, &info), 0);
	assert_int_equal(info.state, SESSION_RUNNING);
	assert_int_equal(store_delete(store, id), -EBUSY);
	assert_int_equal(store_delete_file(store, id, "metadata.json"), -EBUSY);
	recorder_free(recorder);
	assert_int_equal(store_get(store, id, &info), 0);
	assert_int_equal(info.state, SESSION_DONE);
	assert_int_equal(store_get(store, "../../etc", &info), -EINVAL);
	assert_int_equal(store_delete(store, ".."), -EINVAL);
	/* What is not ours is not deleted, nor anything beside it. */
	snprintf(path, sizeof(path), "%s/%s/notes", f.dir, id);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(store_delete(store, id), -ENOTEMPTY);
	assert_int_equal(store_get(store, id, &info), 0);
	assert_true(info.has_events);
	unlink(path);
	assert_int_equal(store_delete(store, id), 0);
	assert_int_equal(store_get(store, id, &info), -ENOENT);
	store_free(store);
	fixture_close(&f);
}

/* events.jsonl of a protobuf session: the same bytes from any offset, in any order. */
static void test_files(void **state)
{
	struct fixture f;
	struct session_files *files;
	struct store *store;
	struct buf whole = BUF_INIT, part = BUF_INIT;
	uint64_t size, mtime;
	void *handle;

	fixture_open(&f, 100000);
	fixture_record(&f, SESSION_PROTOBUF, 500, 40000);
	assert_int_equal(store_new(f.dir, &store), 0);
	assert_int_equal(session_files_new(store, &files), 0);
	assert_int_equal(session_files_stat(files, f.id, "events.jsonl", true, &size, &mtime), 0);
	assert_true(size > 4000000);
	assert_int_equal(session_files_open(files, f.id, "events.jsonl", &handle), 0);
	while (whole.len < size) {
		size_t before = whole.len;

		assert_int_equal(session_files_read(files, handle, whole.len, 123457, &whole), 0);
		assert_true(whole.len > before);
	}
	assert_int_equal(whole.len, size);
	assert_int_equal(session_files_read(files, handle, size, 10, &part), 0);
	assert_int_equal(part.len, 0);
	for (int i = 0; i < 40; i++) {
		uint64_t at = mix_random(&f.mix, (uint32_t)size);

		buf_reset(&part);
		assert_int_equal(session_files_read(files, handle, at, 5000, &part), 0);
		assert_int_equal(part.len, MIN(size - at, 5000));
		assert_memory_equal(part.data, whole.data + at, part.len);
	}
	session_files_close(files, handle);
	assert_int_equal(session_files_rmdir(files, f.id), -ENOTEMPTY);
	assert_int_equal(session_files_unlink(files, f.id, "events.jsonl"), 0);
	assert_int_equal(session_files_rmdir(files, f.id), -ENOTEMPTY);
	assert_int_equal(session_files_unlink(files, f.id, "metadata.json"), 0);
	assert_int_equal(session_files_stat(files, f.id, "events.jsonl", true, &size, &mtime), 0);
	assert_int_equal(session_files_unlink(files, f.id, "events.pb"), 0);
	assert_int_equal(session_files_unlink(files, f.id, "events.pb"), -ENOENT);
	assert_int_equal(session_files_stat(files, f.id, "events.jsonl", true, &size, &mtime),
			 -ENOENT);
	/* rm -r holds the folder still. */
	assert_int_equal(session_files_stat(files, f.id, NULL, true, &size, &mtime), 0);
	assert_int_equal(session_files_rmdir(files, f.id), 0);
	assert_int_equal(session_files_stat(files, f.id, NULL, true, &size, &mtime), -ENOENT);
	assert_int_equal(session_files_stat(files, "..", NULL, true, &size, &mtime), -ENOENT);
	buf_free(&whole);
	buf_free(&part);
	session_files_free(files);
	store_free(store);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_rotation_of_large_batches),
		cmocka_unit_test(test_deleting),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests_name("session_store", tests, NULL, NULL);
}
