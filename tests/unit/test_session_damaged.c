/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Recordings that are cut off, written over or flipped: what is whole is read, the rest is told. */
#include "tests/unit/session_fixture.h"

#include <sys/mman.h>
#include <zlib.h>

#include "proto/event.pb-c.h"

/* Whole records, and how many events they hold, of what is before `len`. */
static size_t whole_records(const char *data, size_t len, size_t *ret_events)
{
	size_t at = 0;

	*ret_events = 0;
	while (len - at >= 8) {
		uint32_t n;
		Pb__RuntimeEventBatch *batch;

		memcpy(&n, data + at + 4, 4);
		if (n > len - at - 8)
			break;
		batch = pb__runtime_event_batch__unpack(NULL, n, (const uint8_t *)data + at + 8);
		assert_non_null(batch);
		*ret_events += batch->n_events;
		pb__runtime_event_batch__free_unpacked(batch, NULL);
		at += 8 + n;
	}
	return at;
}

/* A protobuf session cut off at every byte is read up to its last whole record. */
static void test_cut_off_protobuf(void **state)
{
	struct fixture f;
	size_t len, events, want;
	char *data;
	int dir;

	fixture_open(&f, 1000);
	fixture_record(&f, SESSION_PROTOBUF, 20, 60);
	dir = fixture_folder(&f);
	data = read_whole(dir, "events.pb", &len);
	close(dir);
	for (size_t cut = 0; cut <= len; cut++) {
		struct session_reader *reader = reader_of(data, cut, SESSION_PROTOBUF, f.names);
		size_t good = whole_records(data, cut, &want);
		struct session_end end;

		read_all(reader, &events, &end);
		assert_int_equal(events, want);
		assert_int_equal(end.good_bytes, good);
		assert_int_equal(end.missing_bytes, cut - good);
		assert_int_equal(end.reason[0] != '\0', cut != good);
		session_reader_close(reader);
	}
	free(data);
	fixture_close(&f);
}

static void put_at(int fd, const char *data, size_t from, size_t to)
{
	assert_int_equal(pwrite(fd, data + from, to - from, (off_t)from), to - from);
}

/* A session only grows. One that somebody writes over while it is read is no session; what a
 * recorder takes back, since it could not write all of it, is none of that. */
static void test_written_over(void **state)
{
	for (enum session_format format = 0; format < 2; format++) {
		struct fixture f;
		struct session_reader *reader;
		struct session_chunk chunk;
		struct session_end end;
		size_t len, events, half;
		char *data;
		int dir, fd;

		fixture_open(&f, 100000);
		fixture_record(&f, format, 1000, 50000);
		dir = fixture_folder(&f);
		data = read_whole(dir, session_format_file(format), &len);
		close(dir);
		assert_true(len > 600000);
		half = format == SESSION_JSONL
			       ? (size_t)((char *)memchr(data + len / 2, '\n', len / 2) - data) + 1
			       : whole_records(data, len / 2, &events);
		for (unsigned how = 0; how < 4; how++) {
			fd = memfd_create("session", 0);
			put_at(fd, data, 0, half + 7);
			assert_int_equal(session_reader_open_fd(dup(fd), format, f.names, &reader),
					 0);
			if (how == 0) { /* a record is taken back and written anew */
				read_all(reader, &events, &end);
				assert_int_equal(end.good_bytes, half);
				assert_int_equal(ftruncate(fd, (off_t)half), 0);
				read_all(reader, &events, &end);
				put_at(fd, data, half, len);
				read_all(reader, &events, &end);
				assert_int_equal(end.good_bytes, len);
				assert_false(end.changed);
				session_reader_close(reader);
				close(fd);
				continue;
			}
			if (how == 3)
				read_all(reader, &events, &end);
			else
				assert_int_equal(session_reader_next(reader, &chunk), 1);
			if (how == 1) /* the same length */
				put_at(fd, data + 1, 0, half);
			else if (how == 2) /* shorter */
				assert_int_equal(ftruncate(fd, 100), 0);
			else /* the begin is as it was, and it has grown */
				put_at(fd, data + 1, 200000, len - 1);
			while (session_reader_next(reader, &chunk) > 0)
				;
			assert_int_equal(session_reader_next(reader, &chunk), -ESTALE);
			session_reader_end(reader, &end);
			assert_true(end.changed);
			assert_non_null(strstr(end.reason, "changed in place"));
			assert_int_equal(session_reader_seek(reader, 0), 0);
			if (how != 3)
				assert_int_equal(session_reader_next(reader, &chunk), -ESTALE);
			session_reader_close(reader);
			close(fd);
		}
		free(data);
		fixture_close(&f);
	}
}

static void test_cut_off_jsonl(void **state)
{
	struct fixture f;
	size_t len, events;
	char *data;
	int dir;

	fixture_open(&f, 1000);
	fixture_record(&f, SESSION_JSONL, 20, 30);
	dir = fixture_folder(&f);
	data = read_whole(dir, "events.jsonl", &len);
	close(dir);
	for (size_t cut = 0; cut <= len; cut++) {
		struct session_reader *reader = reader_of(data, cut, SESSION_JSONL, f.names);
		struct session_end end;
		size_t want = 0, good = 0;

		for (size_t i = 0; i < cut; i++) {
			if (data[i] == '\n') {
				want++;
				good = i + 1;
			}
		}
		/* All but the newline of the next line is there, too. */
		if (cut < len && data[cut] == '\n') {
			want++;
			good = cut;
		}
		read_all(reader, &events, &end);
		assert_int_equal(events, want);
		assert_int_equal(end.good_bytes, good);
		assert_int_equal(end.missing_bytes, cut - good);
		session_reader_close(reader);
	}
	free(data);
	fixture_close(&f);
}

/* Any changed bit of a batch is noticed; what is before it stays. */
static void test_flipped_bits(void **state)
{
	struct fixture f;
	size_t len, events, whole;
	char *data;
	int dir;

	fixture_open(&f, 1000);
	fixture_record(&f, SESSION_PROTOBUF, 20, 40);
	dir = fixture_folder(&f);
	data = read_whole(dir, "events.pb", &len);
	close(dir);
	(void)whole_records(data, len, &whole);
	for (size_t bit = 0; bit < len * 8; bit++) {
		struct session_reader *reader;
		struct session_end end;

		data[bit / 8] ^= (char)(1 << bit % 8);
		reader = reader_of(data, len, SESSION_PROTOBUF, f.names);
		read_all(reader, &events, &end);
		/* The last batch may hold no events. */
		assert_true(events <= whole);
		assert_true(end.good_bytes <= bit / 8);
		assert_true(end.missing_bytes > 0);
		assert_int_not_equal(end.reason[0], 0);
		session_reader_close(reader);
		data[bit / 8] ^= (char)(1 << bit % 8);
	}
	free(data);
	fixture_close(&f);
}

/* Bytes that claim what they are not: 4 GiB, nested batches, wrong types. */
static void test_hostile(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		size_t events;
	} cases[] = {
		{"\xfe\xff\xff\xff\x08\x01", 6, 0},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\x08", 9, 0},
		{"\x02\0\0\0\x08\x05\xff\xff\xff\xff\xfe\xff\xff\xff", 14, 1},
		/* A batch in a batch: an event whose field 1 is bytes. */
		{"\xff\xff\xff\xff\x04\0\0\0\x0a\x02\x0a\x00", 12, 0},
		/* One good event, then a varint without end. */
		{"\x02\0\0\0\x08\x05\x0b\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 21, 1},
		/* A text with an id out of order. */
		{"\xff\xff\xff\xff\x06\0\0\0\x8a\x01\x03\x08\xf0\x01", 14, 0},
		/* A check that is a varint. */
		{"\xff\xff\xff\xff\x03\0\0\0\xf8\x01\x05", 11, 0},
		/* Unknown fields are skipped. */
		{"\xff\xff\xff\xff\x09\0\0\0\x82\x06\x01x\x0a\x03\x08\x05\x78", 17, 0},
		{"\xff\xff\xff\xff\x08\0\0\0\x82\x06\x01x\x0a\x02\x08\x05", 16, 1},
		{"\0\0\0\0", 4, 1}, /* all zero is an event of zeros */
	};
	struct fixture f;
	size_t events;

	fixture_open(&f, 1000);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct session_reader *reader =
			reader_of(cases[i].bytes, cases[i].len, SESSION_PROTOBUF, f.names);
		struct session_end end;

		read_all(reader, &events, &end);
		assert_int_equal(events, cases[i].events);
		session_reader_close(reader);
	}
	fixture_close(&f);
}

/* A process's number that no process has is nobody's, and said to be out of range. */
static void test_pid_out_of_range(void **state)
{
	static const uint32_t pids[] = {INT32_MAX, 1u << 31, UINT32_MAX};

	for (unsigned i = 0; i < ARRAY_SIZE(pids); i++) {
		Pb__RuntimeEventBatch batch = PB__RUNTIME_EVENT_BATCH__INIT;
		Pb__RuntimeEvent event = PB__RUNTIME_EVENT__INIT, *events = &event;
		Pb__Process process = PB__PROCESS__INIT, *processes = &process;
		uint32_t head[2] = {UINT32_MAX};
		struct session_reader *reader;
		struct session_chunk chunk;
		struct session_end end;
		uint8_t bytes[128];
		struct fixture f;

		fixture_open(&f, 1000);
		process.pid = pids[i];
		event.timestamp = 1000;
		batch.n_events = batch.n_processes = 1;
		batch.events = &events;
		batch.processes = &processes;
		head[1] = (uint32_t)pb__runtime_event_batch__pack(&batch, bytes + sizeof(head));
		batch.check = (uint32_t)crc32(0, bytes + sizeof(head), head[1]);
		head[1] = (uint32_t)pb__runtime_event_batch__pack(&batch, bytes + sizeof(head));
		memcpy(bytes, head, sizeof(head));
		reader =
			reader_of((char *)bytes, sizeof(head) + head[1], SESSION_PROTOBUF, f.names);
		assert_int_equal(session_reader_next(reader, &chunk), 1);
		assert_int_equal(chunk.n_procs, 1);
		assert_int_equal(chunk.procs[0].pid, i ? 0 : INT32_MAX);
		session_reader_end(reader, &end);
		assert_int_equal(end.out_of_range, i ? 1 : 0);
		session_reader_close(reader);
		fixture_close(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_off_protobuf), cmocka_unit_test(test_cut_off_jsonl),
		cmocka_unit_test(test_written_over),     cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_hostile),          cmocka_unit_test(test_pid_out_of_range),
	};

	return cmocka_run_group_tests_name("session_damaged", tests, NULL, NULL);
}
