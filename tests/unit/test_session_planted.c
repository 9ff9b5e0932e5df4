/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A storage folder that others may write: whatever they plant in a session's folder or in its
 * place, listing, reading and deleting neither wait nor leave the storage folder. */
#include <signal.h>

#include "tests/unit/session_fixture.h"

#include "core/base/safe_file.h"
#include "core/session/files.h"

static const char *const names_of[] = {"metadata.json", "events.pb"};

enum plant { LINK, FIFO, FOLDER, HARD_LINK, PLANTS };

/* Two sessions; a victim beside them, a session of the same form that is not in the storage folder.
 */
struct ground {
	struct fixture f;
	struct store *store;
	struct session_files *files;
	char victim[100], id[SESSION_ID_LEN + 1], victim_id[SESSION_ID_LEN + 1];
	int top;
};

static void ground_open(struct ground *g)
{
	char away[200];

	alarm(60);
	fixture_open(&g->f, 1000);
	fixture_record(&g->f, SESSION_PROTOBUF, 100, 50);
	memcpy(g->victim_id, g->f.id, sizeof(g->victim_id));
	snprintf(g->victim, sizeof(g->victim), "%s.victim", g->f.dir);
	snprintf(away, sizeof(away), "%s/%s", g->f.dir, g->f.id);
	assert_int_equal(rename(away, g->victim), 0);
	fixture_record(&g->f, SESSION_PROTOBUF, 100, 50);
	memcpy(g->id, g->f.id, sizeof(g->id));
	fixture_record(&g->f, SESSION_PROTOBUF, 100, 50);
	assert_int_equal(store_new(g->f.dir, &g->store), 0);
	assert_int_equal(session_files_new(g->store, &g->files), 0);
	g->top = folder_open(g->f.dir);
	assert_true(g->top >= 0);
}

static size_t sessions(struct ground *g, struct session_info *ret)
{
	struct session_info *list;
	size_t n;

	assert_int_equal(store_list(g->store, &list, &n), 0);
	for (size_t i = 0; i < n; i++) {
		if (ret && strcmp(list[i].meta.id, g->id) == 0)
			*ret = list[i];
	}
	free(list);
	return n;
}

/* The victim is as it was; everything goes. */
static void ground_close(struct ground *g)
{
	char name[120];
	struct stat st;

	snprintf(name, sizeof(name), "%s/metadata.json", g->victim);
	assert_int_equal(lstat(name, &st), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_size > 0);
	assert_int_equal(unlink(name), 0);
	snprintf(name, sizeof(name), "%s/events.pb", g->victim);
	assert_int_equal(lstat(name, &st), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_size > 0);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(rmdir(g->victim), 0);
	close(g->top);
	session_files_free(g->files);
	store_free(g->store);
	fixture_close(&g->f);
}

static void plant(struct ground *g, enum plant what, const char *name)
{
	int dir = folder_open_at(g->top, g->id);
	char target[140];

	assert_true(dir >= 0);
	snprintf(target, sizeof(target), "%s/%s", g->victim, name);
	assert_int_equal(unlinkat(dir, name, 0), 0);
	if (what == LINK)
		assert_int_equal(symlinkat(target, dir, name), 0);
	else if (what == FIFO)
		assert_int_equal(mkfifoat(dir, name, 0666), 0);
	else if (what == FOLDER)
		assert_int_equal(mkdirat(dir, name, 0755), 0);
	else
		assert_int_equal(linkat(AT_FDCWD, target, dir, name, 0), 0);
	assert_int_equal(fchmod(dir, 0777), 0);
	close(dir);
}

static void assert_not_read(struct ground *g, enum plant what, bool events)
{
	static const int want[PLANTS] = {-ELOOP, -ENXIO, -EISDIR, -EMLINK};
	static const char *const words[PLANTS] = {"link", "not a regular file", "folder", "hard"};
	int dir = store_open(g->store, g->id), err;
	struct session_reader *reader;
	struct session_meta meta;
	char why[200] = "";

	err = session_reader_open(dir, g->f.names, &meta, &reader);
	if (events) {
		assert_int_equal(err, want[what]);
		session_open_error(err, why, sizeof(why));
	} else {
		struct session_end end;

		assert_int_equal(err, 0);
		session_reader_end(reader, &end);
		snprintf(why, sizeof(why), "%s", end.warning);
		assert_string_equal(meta.id, "");
		session_reader_close(reader);
		assert_int_equal(session_meta_load(dir, &meta, NULL, 0), want[what]);
	}
	assert_non_null(strstr(why, words[what]));
	close(dir);
}

static void test_planted_files(void **state)
{
	for (unsigned i = 0; i < PLANTS * ARRAY_SIZE(names_of); i++) {
		enum plant what = i / ARRAY_SIZE(names_of);
		const char *name = names_of[i % ARRAY_SIZE(names_of)];
		struct session_info info = {0};
		struct ground g;
		uint64_t size, mtime;
		void *handle;
		int dir;

		ground_open(&g);
		plant(&g, what, name);
		assert_int_equal(sessions(&g, &info), 2); /* it is still shown */
		assert_int_equal(store_get(g.store, g.id, &info), 0);
		if (what != HARD_LINK || i % 2 == 0)
			assert_non_null(strstr(info.problem, name));
		assert_not_read(&g, what, i % 2);
		/* In the mount: not there, or not to be opened. */
		if (what == HARD_LINK)
			assert_int_equal(session_files_open(g.files, g.id, name, &handle), -EMLINK);
		else
			assert_int_equal(
				session_files_stat(g.files, g.id, name, true, &size, &mtime),
				-ENOENT);
		if (what == FOLDER) { /* not ours to delete */
			assert_int_equal(store_delete(g.store, g.id), -ENOTEMPTY);
			dir = folder_open_at(g.top, g.id);
			assert_int_equal(unlinkat(dir, name, AT_REMOVEDIR), 0);
			close(dir);
		}
		assert_int_equal(store_delete(g.store, g.id), 0);
		assert_int_equal(sessions(&g, NULL), 1);
		ground_close(&g);
	}
}

/* rm -r through the mount takes what it shows, then the folder with what was planted. */
static void test_rm(void **state)
{
	struct ground g;

	ground_open(&g);
	plant(&g, FIFO, "metadata.json");
	assert_int_equal(session_files_rmdir(g.files, g.id), -ENOTEMPTY);
	assert_int_equal(session_files_unlink(g.files, g.id, "events.pb"), 0);
	assert_int_equal(session_files_rmdir(g.files, g.id), 0);
	assert_int_equal(sessions(&g, NULL), 1);
	ground_close(&g);
}

/* Between the listing and the deletion a session's folder becomes a link to another folder. */
static void test_swapped_for_a_link(void **state)
{
	struct ground g;
	uint64_t size, mtime;
	void *handle;
	int dir;

	ground_open(&g);
	assert_int_equal(sessions(&g, NULL), 2);
	dir = store_open(g.store, g.id);
	assert_int_equal(renameat(g.top, g.id, g.top, "moved"), 0);
	assert_int_equal(symlinkat(g.victim, g.top, g.id), 0);
	assert_int_equal(store_delete(g.store, g.id), -ENOENT);
	assert_int_equal(store_delete_file(g.store, g.id, "events.pb"), -ENOENT);
	assert_int_equal(session_files_unlink(g.files, g.id, "metadata.json"), -ENOENT);
	assert_int_equal(session_files_rmdir(g.files, g.id), -ENOENT);
	assert_int_equal(session_files_open(g.files, g.id, "events.pb", &handle), -ENOENT);
	assert_int_equal(session_files_stat(g.files, g.id, NULL, true, &size, &mtime), -ENOENT);
	assert_int_equal(store_open(g.store, g.id), -ENOENT);
	assert_int_equal(store_rotate(g.store, 0, 1), 1); /* the other one */
	assert_int_equal(sessions(&g, NULL), 0);
	/* Who has the folder open has the one that was meant. */
	assert_int_equal(file_remove_at(dir, "metadata.json"), 0);
	assert_int_equal(file_remove_at(dir, "events.pb"), 0);
	close(dir);
	assert_int_equal(unlinkat(g.top, "moved", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(g.top, g.id, 0), 0);
	ground_close(&g);
}

/* A running recording goes on in the folder it made, wherever that is moved. */
static void test_recording_is_moved(void **state)
{
	struct ground g;
	struct recorder_config config;
	struct recorder *recorder;
	struct stat st;
	int moved;

	ground_open(&g);
	config = fixture_config(&g.f, SESSION_PROTOBUF, 100);
	assert_int_equal(recorder_new(&config, &recorder), 0);
	recorder_id(recorder, g.f.id);
	assert_int_equal(renameat(g.top, g.f.id, g.top, "moved"), 0);
	assert_int_equal(symlinkat(g.victim, g.top, g.f.id), 0);
	fixture_apply(&g.f, 5000);
	recorder_stop(recorder);
	recorder_free(recorder);
	moved = folder_open_at(g.top, "moved");
	assert_int_equal(file_stat_at(moved, "events.pb", &st), 0);
	assert_true(st.st_size > 1000);
	assert_int_equal(file_remove_at(moved, "events.pb"), 0);
	assert_int_equal(file_remove_at(moved, "metadata.json"), 0);
	close(moved);
	assert_int_equal(unlinkat(g.top, "moved", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(g.top, g.f.id, 0), 0);
	ground_close(&g);
}

/* What a crash left of a metadata.json goes with its session. */
static void test_left_over(void **state)
{
	struct ground g;
	int dir;

	ground_open(&g);
	dir = folder_open_at(g.top, g.id);
	close(file_create_at(dir, "metadata.json.0123456789abcdef.tmp", 0600));
	close(file_create_at(dir, "metadata.json.tmp", 0600)); /* of earlier versions */
	assert_int_equal(store_delete(g.store, g.id), 0);
	close(dir);
	dir = folder_open_at(g.top, g.f.id);
	close(file_create_at(dir, "notes.txt", 0600));
	assert_int_equal(store_delete(g.store, g.f.id), -ENOTEMPTY);
	assert_int_equal(file_remove_at(dir, "notes.txt"), 0);
	close(dir);
	ground_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_planted_files),
		cmocka_unit_test(test_rm),
		cmocka_unit_test(test_swapped_for_a_link),
		cmocka_unit_test(test_recording_is_moved),
		cmocka_unit_test(test_left_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
