/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections counted by who made them. See peers.h. */
#include "web/peers.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/util.h"
#include "web/peer.h"

/* A user, or the network an address is in: who has one IPv6 address has 2^64 of them. */
struct peer_key {
	enum { KEY_USER = 1, KEY_V4, KEY_V6, KEY_NONE } kind;
	union {
		uid_t uid;
		uint8_t address[8];
	};
};

struct peer_group {
	struct peer_group *next;
	struct peer_key key;
	bool owner, trusted;
	unsigned connections, pushes;
	char cookie[PEERS_SECRET_LEN + 1];
};

/* Kept when they have no connection, for their cookies: a page that is reloaded a day later is
 * still in. */
#define GROUPS_KEPT 1024

struct peers {
	struct peers_config c;
	struct peer_finder finder;
	struct peer_group *groups;         /* the last one that came first */
	char cookie[PEERS_SECRET_LEN + 1]; /* of all who are not known */
	unsigned n_groups, connections, strangers, pushes, stranger_pushes;
};

int peers_secret(char ret[PEERS_SECRET_LEN + 1])
{
	uint8_t bytes[PEERS_SECRET_LEN / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

int peers_new(const struct peers_config *config, struct peers **ret)
{
	struct peers *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->c = *config;
	err = peers_secret(p->cookie);
	if (err) {
		free(p);
		return err;
	}
	err = peer_finder_open(&p->finder, config->listen_fd);
	if (err && config->loopback)
		log_warn("the kernel does not tell who connects (sock_diag: %s): the web server "
			 "wants the token from everybody",
			 strerror(-err));
	*ret = p;
	return 0;
}

void peers_free(struct peers *p)
{
	struct peer_group *next;

	if (!p)
		return;
	for (struct peer_group *g = p->groups; g; g = next) {
		next = g->next;
		free(g);
	}
	peer_finder_close(&p->finder);
	free(p);
}

/* --- who ------------------------------------------------------------------------------------- */

static struct peer_key key_of(struct peers *p, int conn)
{
	struct peer_key key = {.kind = KEY_NONE};
	struct in6_addr address;
	uid_t uid;

	if (!peer_uid(&p->finder, conn, &uid)) {
		key.kind = KEY_USER;
		key.uid = uid;
	} else if (peer_address(conn, &address)) {
		return key;
	} else if (IN6_IS_ADDR_V4MAPPED(&address)) {
		key.kind = KEY_V4;
		memcpy(key.address, &address.s6_addr[12], 4);
	} else {
		key.kind = KEY_V6;
		memcpy(key.address, &address, 8);
	}
	return key;
}

static bool same_key(const struct peer_key *a, const struct peer_key *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == KEY_USER ? a->uid == b->uid
				   : !memcmp(a->address, b->address, sizeof(a->address));
}

static bool is_trusted(const struct peers *p, uid_t uid)
{
	if (!uid || uid == geteuid())
		return true;
	for (size_t i = 0; i < p->c.n_trusted; i++) {
		if (p->c.trusted[i] == uid)
			return true;
	}
	return false;
}

/* Gives up the one that came longest ago and has gone. */
static void forget_one(struct peers *p)
{
	struct peer_group **last = NULL, *gone;

	for (struct peer_group **at = &p->groups; *at; at = &(*at)->next) {
		if (!(*at)->connections)
			last = at;
	}
	if (!last)
		return;
	gone = *last;
	*last = gone->next;
	free(gone);
	p->n_groups--;
}

static struct peer_group *group_of(struct peers *p, const struct peer_key *key)
{
	struct peer_group *g;

	for (struct peer_group **at = &p->groups; *at; at = &(*at)->next) {
		if (!same_key(&(*at)->key, key))
			continue;
		g = *at;
		*at = g->next;
		g->next = p->groups;
		p->groups = g;
		return g;
	}
	g = calloc(1, sizeof(*g));
	if (!g || peers_secret(g->cookie)) {
		free(g);
		return NULL;
	}
	if (p->n_groups >= GROUPS_KEPT)
		forget_one(p);
	g->key = *key;
	g->owner = key->kind == KEY_USER && (!key->uid || key->uid == geteuid());
	g->trusted = p->c.loopback && key->kind == KEY_USER && is_trusted(p, key->uid);
	g->next = p->groups;
	p->groups = g;
	p->n_groups++;
	return g;
}

const char *peers_cookie(const struct peers *p, const struct peer *peer)
{
	/* An address may change under a browser that stays. */
	return peer->group->key.kind == KEY_USER ? peer->group->cookie : p->cookie;
}

/* --- how many -------------------------------------------------------------------------------- */

/* Whether one more would be too many: he has `his`, all strangers `strangers`, everybody `all`. */
static bool too_many(const struct peer_group *g, unsigned max, unsigned his, unsigned strangers,
		     unsigned all)
{
	if (all >= max)
		return true;
	return !g->owner && (his >= max - max * 3 / 4 || strangers >= max * 3 / 4);
}

int peers_enter(struct peers *p, int conn, struct peer **ret)
{
	struct peer_key key = key_of(p, conn);
	struct peer_group *g = group_of(p, &key);
	struct peer *peer;

	if (!g)
		return -ENOMEM;
	if (too_many(g, p->c.max_connections, g->connections, p->strangers, p->connections))
		return -EBUSY;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	peer->group = g;
	peer->trusted = g->trusted;
	g->connections++;
	p->connections++;
	p->strangers += !g->owner;
	*ret = peer;
	return 0;
}

void peers_leave(struct peers *p, struct peer *peer)
{
	struct peer_group *g = peer->group;

	g->connections--;
	p->connections--;
	p->strangers -= !g->owner;
	if (peer->push) {
		g->pushes--;
		p->pushes--;
		p->stranger_pushes -= !g->owner;
	}
	free(peer);
}

int peers_push(struct peers *p, struct peer *peer)
{
	struct peer_group *g = peer->group;

	if (peer->push)
		return 0;
	if (too_many(g, p->c.max_pushes, g->pushes, p->stranger_pushes, p->pushes))
		return -EBUSY;
	peer->push = true;
	g->pushes++;
	p->pushes++;
	p->stranger_pushes += !g->owner;
	return 0;
}
