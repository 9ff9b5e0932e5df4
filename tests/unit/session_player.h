/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A session that is replayed into a model. */
#ifndef XGOTOPFS_TESTS_SESSION_PLAYER_H
#define XGOTOPFS_TESTS_SESSION_PLAYER_H

#include "tests/unit/session_fixture.h"

#include "core/session/replay.h"

#define DEADLINE (120 * NS_PER_SEC)

struct player {
	struct names *names;
	struct model *model;
	struct replay *replay;
};

static inline void player_open(struct player *p, const char *dir, const char *session, double speed)
{
	struct replay_config config = {.storage_dir = dir, .session = session, .speed = speed};
	struct model_config model = {.retain = 1 << 20, .retain_exited = 100, .workers = 1};

	assert_int_equal(names_new(1 << 16, &p->names), 0);
	config.names = model.names = p->names;
	assert_int_equal(replay_open(&config, &p->replay), 0);
	model.wall_offset_ns = replay_wall_offset(p->replay, NULL);
	assert_int_equal(model_new(&model, &p->model), 0);
	assert_int_equal(replay_start(p->replay, p->model), 0);
}

static inline void player_close(struct player *p)
{
	replay_free(p->replay);
	model_free(p->model);
	names_free(p->names);
}

static inline uint64_t number_of(struct replay *replay, const char *key)
{
	struct buf text = BUF_INIT;
	unsigned long long value = 0;
	char *at;

	replay_get(replay, &text);
	at = strstr(text.data, key);
	assert_non_null(at);
	assert_int_equal(sscanf(at + strlen(key), " %llu", &value), 1);
	buf_free(&text);
	return value;
}

#endif
