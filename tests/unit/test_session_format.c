/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pieces of a session's format: metadata, the wire walker against protobuf-c, JSON lines, and
 * what an encoder writes as an old reader and as ours see it. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/model/event_format.h"
#include "core/session/encoder.h"
#include "core/session/json_line.h"
#include "core/session/meta.h"
#include "core/session/tables.h"
#include "proto/event.pb-c.h"
#include "tests/unit/session_mix.h"

static int make_folder(char path[64])
{
	snprintf(path, 64, "/tmp/test_session.XXXXXX");
	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY);
}

static void write_file(int dir, const char *name, const void *data, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

/* --- metadata --------------------------------------------------------------------------------- */

static void test_meta_round_trip(void **state)
{
	struct session_meta meta = {.ours = true, .has_wall_offset = true, .many = true}, back;
	char path[64];
	int dir = make_folder(path);
	struct stat st;

	assert_int_equal(session_id_new(meta.id), 0);
	assert_true(session_id_valid(meta.id));
	assert_int_equal(meta.id[14], '4');
	meta.start_time_ns = 1795410450358415102;
	meta.end_time_ns = 1795410455081317720;
	meta.pid = 6228;
	meta.wall_offset_ns = 1795405466918201582;
	meta.event_count = 12;
	meta.events[3] = 12;
	meta.lost = 5;
	strcpy(meta.binary_path, "/srv/\"demo\"/\xffhttpd");
	strcpy(meta.go_version, "go1.26.8");
	assert_int_equal(session_meta_save(dir, &meta, true), 0);
	assert_int_equal(fstatat(dir, "metadata.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(fstatat(dir, "metadata.json.tmp", &st, 0), -1);
	assert_int_equal(session_meta_load(dir, &back, NULL, 0), 0);
	assert_string_equal(back.binary_path,
			    "/srv/\"demo\"/\xef\xbf\xbdhttpd"); /* JSON is UTF-8 */
	memcpy(back.binary_path, meta.binary_path, sizeof(meta.binary_path));
	assert_memory_equal(&meta, &back, sizeof(meta));
	unlinkat(dir, "metadata.json", 0);
	close(dir);
	rmdir(path);
}

static void test_meta_of_the_original(void **state)
{
	static const char text[] = "{\n  \"id\": \"ad662111-7874-4aa4-b982-cac648075fbf\",\n"
				   "  \"start_time\": \"2026-11-23T07:07:30.358415102+02:00\",\n"
				   "  \"end_time\": \"2026-11-23T05:07:35.08131772Z\",\n"
				   "  \"pid\": 6228,\n  \"binary_path\": \"/srv/demo/httpd\",\n"
				   "  \"event_count\": 3489\n}";
	struct session_meta meta;
	char path[64];
	int dir = make_folder(path);

	write_file(dir, "metadata.json", text, strlen(text));
	assert_int_equal(session_meta_load(dir, &meta, NULL, 0), 0);
	assert_int_equal(meta.start_time_ns, 1795410450358415102);
	assert_int_equal(meta.end_time_ns, 1795410455081317720);
	assert_int_equal(meta.pid, 6228);
	assert_int_equal(meta.event_count, 3489);
	assert_string_equal(meta.binary_path, "/srv/demo/httpd");
	assert_false(meta.ours);
	unlinkat(dir, "metadata.json", 0);
	close(dir);
	rmdir(path);
}

/* Whatever was read can be written, and reads the same again. */
static void test_meta_read_write_read(void **state)
{
	static const char *const texts[] = {
		"{\"lost_events\":5}", /* ours without a wall_offset_ns */
		"{\"event_counts\":{\"3\":7}}",
		"{\"many_processes\":true,\"wall_offset_ns\":\"odd\"}",
		"{\"stopped\":\"No space left on device\",\"not_recorded_events\":3}",
		/* A character across the end of the room there is. */
		"{\"id\":\"ad662111-7874-4aa4-b982-cac648075fb\u00fc\"}",
		/* Out of the years that a text can say, by the offset. */
		"{\"start_time\":\"1970-01-01T00:00:00+01:00\"}",
		"{\"end_time\":\"2200-12-31T23:59:59-01:00\"}",
		"{\"start_time\":\"2026-01-01T00:00:00+99:59\"}",
		"{\"end_time\":\"2026-01-01T00:00:00-00:60\"}",
		/* Of no process; the third would be 7's when it is cut to 32 bits. */
		"{\"pid\":-1}",
		"{\"pid\":2147483648}",
		"{\"pid\":4294967303}",
		/* No key has a part after a point, and not all of them fit into a double. */
		"{\"pid\":1e400,\"event_count\":-1.5E+9999,\"x\":[123456789e-1,0.25]}",
	};
	struct session_meta meta, back;
	char path[64];
	int dir = make_folder(path);

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		write_file(dir, "metadata.json", texts[i], strlen(texts[i]));
		assert_int_equal(session_meta_load(dir, &meta, NULL, 0), 0);
		assert_int_equal(meta.ours, i < 4);
		assert_int_equal(session_meta_save(dir, &meta, false), 0);
		assert_int_equal(session_meta_load(dir, &back, NULL, 0), 0);
		assert_memory_equal(&meta, &back, sizeof(meta));
		assert_int_equal(meta.lost, i == 0 ? 5 : 0);
		assert_int_equal(meta.pid, 0);
		assert_int_equal(meta.event_count, 0);
		assert_int_equal(meta.start_time_ns, 0);
		assert_int_equal(meta.end_time_ns, 0);
	}
	unlinkat(dir, "metadata.json", 0);
	close(dir);
	rmdir(path);
}

static void test_meta_bad(void **state)
{
	static const char *const bad[] = {"",
					  "{",
					  "[]",
					  "null",
					  "{\"id\": }",
					  "\xff\xfe",
					  "{\"id\":\"\xff\"}",
					  "{\"id\": 1} trailing",
					  "{\"pid\":018446744073709551616}",
					  "{\"pid\":--18446744073709551616}",
					  "{\"pid\":1e}",
					  "{\"pid\":123.}",
					  "{\"pid\":1234.5e+}",
					  "{\"pid\":01234.5}",
					  "{\"pid\":x18446744073709551616}"};
	static const char odd[] = "{\"id\":[1],\"pid\":\"x\",\"event_count\":-3,\"start_time\":9,"
				  "\"binary_path\":{},\"end_time\":\"yesterday\"}";
	/* Integers of more than 64 bits are not there; in a text they are text. */
	static const char large[] = "{\"pid\":-9223372036854775809,\"event_count\":7,"
				    "\"lost_events\":18446744073709551616,\"first_event_ns\":"
				    "9223372036854775807,\"last_event_ns\":9223372036854775808 ,"
				    "\"x\":[-1000000000000000000000000000000],"
				    "\"host\":\"\\\\\\\"18446744073709551616\","
				    "\"wall_offset_ns\":-9223372036854775808}";
	struct session_meta meta;
	char path[64], why[100];
	bool estimate;
	int dir = make_folder(path);

	assert_int_equal(session_meta_load(dir, &meta, why, sizeof(why)), -ENOENT);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		write_file(dir, "metadata.json", bad[i], strlen(bad[i]));
		why[0] = '\0';
		assert_int_equal(session_meta_load(dir, &meta, why, sizeof(why)), -EINVAL);
		assert_int_not_equal(why[0], 0);
	}
	write_file(dir, "metadata.json", odd, strlen(odd));
	assert_int_equal(session_meta_load(dir, &meta, why, sizeof(why)), 0);
	assert_int_equal(meta.pid, 0);
	assert_int_equal(meta.event_count, 0);
	assert_int_equal(meta.end_time_ns, 0);
	write_file(dir, "metadata.json", large, strlen(large));
	assert_int_equal(session_meta_load(dir, &meta, why, sizeof(why)), 0);
	assert_int_equal(meta.pid, 0);
	assert_int_equal(meta.lost, 0);
	assert_int_equal(meta.last_event_ns, 0);
	assert_int_equal(meta.event_count, 7);
	assert_true(meta.first_event_ns == INT64_MAX);
	assert_true(meta.has_wall_offset && meta.wall_offset_ns == INT64_MIN);
	/* No machine's clock was ever there, so it is as if it were not said. */
	assert_true(session_wall_offset(&meta, 100, &estimate) == 0 && estimate);
	meta.start_time_ns = 1795405466918201582;
	assert_true(session_wall_offset(&meta, 100, &estimate) == 1795405466918201482 && estimate);
	assert_true(session_wall_offset(&meta, UINT64_MAX, &estimate) == 0 && estimate);
	assert_true(session_wall_offset(&meta, INT64_MAX, &estimate) < 0 && estimate);
	meta.wall_offset_ns = -5;
	assert_true(session_wall_offset(&meta, 100, &estimate) == -5 && !estimate);
	assert_string_equal(meta.host, "\\\"18446744073709551616");
	unlinkat(dir, "metadata.json", 0);
	assert_int_equal(mkdirat(dir, "metadata.json", 0700), 0);
	assert_int_equal(session_meta_load(dir, &meta, why, sizeof(why)), -EISDIR);
	unlinkat(dir, "metadata.json", AT_REMOVEDIR);
	close(dir);
	rmdir(path);
}

static void test_ids(void **state)
{
	assert_true(session_id_valid("ad662111-7874-4aa4-b982-cac648075fbf"));
	assert_false(session_id_valid(""));
	assert_false(session_id_valid(".."));
	assert_false(session_id_valid("../d662111-7874-4aa4-b982-cac648075fb"));
	assert_false(session_id_valid("AD662111-7874-4aa4-b982-cac648075fbf"));
	assert_false(session_id_valid("ad662111-7874-4aa4-b982-cac648075fbf/"));
	assert_false(session_id_valid("ad662111-7874-4aa4-b982-cac648075fb"));
	assert_false(session_id_valid("ad662111-7874-4aa4-b982-cac648075f\n\n"));
}

/* --- the wire --------------------------------------------------------------------------------- */

static uint64_t odd_number(struct mix *m)
{
	uint64_t value = (uint64_t)mix_random(m, UINT32_MAX) << 32 | mix_random(m, UINT32_MAX);

	return value >> mix_random(m, 64);
}

static void assert_same(const Pb__RuntimeEvent *want, const struct raw_event *got)
{
	assert_int_equal(want->timestamp, got->timestamp);
	assert_int_equal(want->event_type, got->type);
	assert_int_equal(want->goroutine, got->goroutine);
	assert_int_equal(want->parent_goroutine, got->parent);
	for (size_t a = 0; a < 5; a++)
		assert_int_equal(a < want->n_attributes ? want->attributes[a] : 0,
				 got->attributes[a]);
}

/* Every event that protobuf-c packs is read as it was. */
static void test_wire_reads_protobuf_c(void **state)
{
	struct mix m = {.random = 99};
	uint8_t bytes[256];

	for (int i = 0; i < 20000; i++) {
		Pb__RuntimeEvent event = PB__RUNTIME_EVENT__INIT;
		uint64_t attributes[7];
		struct raw_event raw;
		size_t n;

		event.timestamp = odd_number(&m);
		event.event_type = odd_number(&m);
		event.goroutine = odd_number(&m);
		event.parent_goroutine = odd_number(&m);
		event.n_attributes = mix_random(&m, 8);
		event.attributes = attributes;
		for (size_t a = 0; a < event.n_attributes; a++)
			attributes[a] = odd_number(&m);
		n = pb__runtime_event__pack(&event, bytes);
		assert_int_equal(wire_event(bytes, bytes + n, &raw), 0);
		assert_same(&event, &raw);
	}
}

/* Whatever the bytes: when both readers take them, they read the same. Ours takes nothing more. */
static void test_wire_against_protobuf_c(void **state)
{
	struct mix m = {.random = 7};
	uint8_t bytes[64];
	unsigned both = 0;

	for (int i = 0; i < 200000; i++) {
		Pb__RuntimeEvent event = PB__RUNTIME_EVENT__INIT, *unpacked;
		uint64_t attributes[3] = {mix_random(&m, 300), odd_number(&m), 5};
		struct raw_event raw;
		size_t n;
		int err;

		event.timestamp = odd_number(&m);
		event.goroutine = mix_random(&m, 1000);
		event.n_attributes = 3;
		event.attributes = attributes;
		n = pb__runtime_event__pack(&event, bytes);
		for (unsigned flips = mix_random(&m, 4); flips; flips--)
			bytes[mix_random(&m, (uint32_t)n)] ^= (uint8_t)(1u << mix_random(&m, 8));
		n = mix_random(&m, 3) ? n : mix_random(&m, (uint32_t)n + 1);
		err = wire_event(bytes, bytes + n, &raw);
		unpacked = pb__runtime_event__unpack(NULL, n, bytes);
		if (unpacked && !err) {
			assert_same(unpacked, &raw);
			both++;
		}
		if (unpacked)
			pb__runtime_event__free_unpacked(unpacked, NULL);
	}
	assert_true(both > 50000);
}

static void test_wire_hostile(void **state)
{
	static const uint8_t endless[] = {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
	static const uint8_t long_packed[] = {0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1};
	static const uint8_t wrong_type[] = {0x0a, 1, 1};
	static const uint8_t group[] = {0x33, 0x34};
	static const uint8_t unpacked[] = {0x28, 7, 0x28, 8};
	static const uint8_t unknown[] = {0x82, 0x01, 2, 'h', 'i', 0x08, 5};
	struct raw_event raw;

	assert_int_equal(wire_event(endless, endless + sizeof(endless), &raw), -EBADMSG);
	assert_int_equal(wire_event(long_packed, long_packed + sizeof(long_packed), &raw),
			 -EBADMSG);
	assert_int_equal(wire_event(wrong_type, wrong_type + sizeof(wrong_type), &raw), -EBADMSG);
	assert_int_equal(wire_event(group, group + sizeof(group), &raw), -EBADMSG);
	assert_int_equal(wire_event(unpacked, unpacked + sizeof(unpacked), &raw), 0);
	assert_int_equal(raw.attributes[0], 7);
	assert_int_equal(raw.attributes[1], 8);
	assert_int_equal(wire_event(unknown, unknown + sizeof(unknown), &raw), 0);
	assert_int_equal(raw.timestamp, 5);
}

/* --- the encoder ------------------------------------------------------------------------------ */

/* protobuf-c, which knows all fields, reads a batch just as the encoder was given it. */
static void test_encoder_content(void **state)
{
	struct names *names;
	struct encoder *encoder;
	struct buf out = BUF_INIT;
	struct event events[1500];
	Pb__RuntimeEventBatch *batch;
	struct mix m;

	assert_int_equal(names_new(1 << 16, &names), 0);
	assert_int_equal(encoder_new(names, &encoder), 0);
	mix_init(&m, names, 3);
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		mix_next(&m, &events[i]);
	assert_int_equal(encoder_batch(encoder, events, ARRAY_SIZE(events), NULL, &out), 0);
	batch = pb__runtime_event_batch__unpack(NULL, out.len, (uint8_t *)out.data);
	assert_non_null(batch);
	assert_int_equal(batch->n_events, ARRAY_SIZE(events));
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		const Pb__RuntimeEvent *e = batch->events[i];
		uint64_t want[5];

		event_attributes(&events[i], names, want);
		assert_int_equal(e->timestamp, events[i].time_ns);
		assert_int_equal(e->event_type, events[i].type);
		assert_int_equal(e->goroutine, events[i].goid);
		assert_int_equal(e->parent_goroutine, events[i].parent);
		for (size_t a = 0; a < 5; a++)
			assert_int_equal(a < e->n_attributes ? e->attributes[a] : 0, want[a]);
	}
	pb__runtime_event_batch__free_unpacked(batch, NULL);

	/* The second batch defines nothing again. */
	buf_reset(&out);
	assert_int_equal(encoder_batch(encoder, events, ARRAY_SIZE(events), NULL, &out), 0);
	batch = pb__runtime_event_batch__unpack(NULL, out.len, (uint8_t *)out.data);
	assert_non_null(batch);
	assert_int_equal(batch->n_texts + batch->n_types + batch->n_sites + batch->n_new_contexts,
			 0);
	assert_true(batch->n_contexts > 1000);
	pb__runtime_event_batch__free_unpacked(batch, NULL);
	buf_free(&out);
	encoder_free(encoder);
	names_free(names);
}

/* The goal of 24 bytes an event, for goids of up to five digits and days of uptime. */
static void test_encoder_size(void **state)
{
	struct names *names;
	struct encoder *encoder;
	struct buf out = BUF_INIT;
	struct event events[1000];
	struct mix m;
	size_t bytes = 0;

	assert_int_equal(names_new(1 << 16, &names), 0);
	assert_int_equal(encoder_new(names, &encoder), 0);
	mix_init(&m, names, 1);
	for (int batch = 0; batch < 250; batch++) {
		for (size_t i = 0; i < ARRAY_SIZE(events); i++)
			mix_next(&m, &events[i]);
		buf_reset(&out);
		assert_int_equal(encoder_batch(encoder, events, ARRAY_SIZE(events), NULL, &out), 0);
		bytes += out.len + 8;
	}
	print_message("# %.2f bytes an event\n", (double)bytes / 250000);
	assert_true(bytes <= 24 * 250000);
	buf_free(&out);
	encoder_free(encoder);
	names_free(names);
}

/* --- JSON lines ------------------------------------------------------------------------------- */

static int parse_line(const char *text, struct json_line *ret)
{
	static char copy[512];

	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	return json_line_parse(copy, strlen(copy), ret);
}

static void test_json_line(void **state)
{
	struct json_line line;

	assert_int_equal(
		parse_line(
			"{\"timestamp\":5,\"event_type\":3,\"goroutine\":7,\"parent_goroutine\":1,"
			"\"attributes\":[18446744073709551615,25,0,-1,0]}",
			&line),
		0);
	assert_int_equal(line.raw.timestamp, 5);
	assert_true(line.raw.original);
	assert_true(line.raw.attributes[0] == UINT64_MAX);
	assert_true(line.raw.attributes[3] == UINT64_MAX);
	assert_int_equal(
		parse_line(" { \"x\" : [ {\"y\":[1.5e3,null]} , \"\\u0041\" ] , \"type\" : "
			   "\"a\\\"b\\u00e9\\ud83d\\ude00\" , \"line\":9,\"cgo\":true } ",
			   &line),
		0);
	assert_false(line.raw.original);
	assert_int_equal(line.type.len, 9);
	assert_memory_equal(line.type.data, "a\"b\xc3\xa9\xf0\x9f\x98\x80", 9);
	assert_true(line.cgo);
	assert_int_equal(parse_line("{}", &line), 0);
}

static void test_json_line_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"nonsense",
		"{\"timestamp\":1",
		"{\"timestamp\":1}}",
		"{\"timestamp\":1,}",
		"{\"timestamp\":01}",
		"{\"timestamp\":1.5}",
		"{\"timestamp\":\"1\"}",
		"{\"timestamp\":18446744073709551616}",
		"{\"timestamp\":-9223372036854775809}",
		"{\"attributes\":[1,]}",
		"{\"attributes\":{}}",
		"{\"type\":\"\\ud800\"}",
		"{\"type\":\"\\x\"}",
		"{\"type\":\"a\nb\"}",
		"{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
		"{\"x\":-}",
		"{\"x\":1.}",
		"{\"cgo\":1}",
		"{\"goroutine\":18446744073709551616}",
		"{\"attributes\":[18446744073709551616]}",
		"{\"cpu\":18446744073709551616.0}",
		"{\"cpu\":18446744073709551616e1}",
		"{\"cpu\":018446744073709551616}",
		"{\"cpu\":-}",
	};
	struct json_line line;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_line(bad[i], &line), -EBADMSG);
}

/* What is optional and an integer of any length is as if it were not there. */
static void test_json_line_too_large(void **state)
{
	static const char *const numbers[] = {
		"18446744073709551616",
		"-9223372036854775809",
		"1000000000000000000000000000000000000000000000000000000000000000",
	};
	char text[256];
	struct json_line line;

	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		snprintf(text, sizeof(text), "{\"cpu\":%s,\"pid\":7,\"line\":%s,\"nth\":2}",
			 numbers[i], numbers[i]);
		assert_int_equal(parse_line(text, &line), 0);
		assert_int_equal(line.too_large, 2);
		assert_false(line.has_cpu);
		assert_int_equal(line.cpu, 0);
		assert_int_equal(line.line, 0);
		assert_int_equal(line.pid, 7);
		assert_int_equal(line.nth, 2);
	}
	/* The last of one key counts. */
	assert_int_equal(parse_line("{\"cpu\":1,\"cpu\":99999999999999999999}", &line), 0);
	assert_false(line.has_cpu);
	assert_int_equal(parse_line("{\"cpu\":99999999999999999999,\"cpu\":1}", &line), 0);
	assert_true(line.has_cpu && line.cpu == 1);
}

/* What event_format_json() writes is JSON to jansson, too, and comes back as the same event. */
static void test_json_line_round_trip(void **state)
{
	struct names *names;
	struct event_format format = {0};
	struct buf out = BUF_INIT;
	struct mix m;

	assert_int_equal(names_new(1 << 16, &names), 0);
	format.names = names;
	mix_init(&m, names, 5);
	for (int i = 0; i < 3000; i++) {
		struct event ev, back = {0};
		struct json_line line;
		json_t *root;

		mix_next(&m, &ev);
		buf_reset(&out);
		event_format_json(&format, &ev, &out);
		root = json_loadb(out.data, out.len, 0, NULL);
		assert_true(json_is_object(root));
		json_decref(root);
		assert_int_equal(json_line_parse(out.data, out.len - 1, &line), 0);
		back.goid = line.raw.goroutine;
		tables_attributes(&line.raw, &back);
		assert_int_equal(line.raw.timestamp, ev.time_ns);
		assert_int_equal(line.raw.type, ev.type);
		assert_int_equal(back.goid, ev.goid);
		assert_int_equal(back.target, ev.target);
		assert_int_equal(back.from, ev.from);
		assert_int_equal(back.to, ev.to);
		assert_int_equal(line.cpu, ev.cpu - 1);
	}
	buf_free(&out);
	names_free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meta_round_trip),
		cmocka_unit_test(test_meta_of_the_original),
		cmocka_unit_test(test_meta_read_write_read),
		cmocka_unit_test(test_meta_bad),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_wire_reads_protobuf_c),
		cmocka_unit_test(test_wire_against_protobuf_c),
		cmocka_unit_test(test_wire_hostile),
		cmocka_unit_test(test_encoder_content),
		cmocka_unit_test(test_encoder_size),
		cmocka_unit_test(test_json_line),
		cmocka_unit_test(test_json_line_bad),
		cmocka_unit_test(test_json_line_too_large),
		cmocka_unit_test(test_json_line_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
