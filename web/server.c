/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The socket thread: libwebsockets' loop, the listening socket, and the way back from the workers.
 * Everything that touches a socket or a connection runs here.
 */
#include <errno.h>
#include <libwebsockets.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/confine.h"
#include "core/base/log.h"
#include "core/base/origin.h"
#include "core/base/thread.h"
#include "core/session/store.h"
#include "web/connection.h"
#include "web/guard.h"
#include "web/listen.h"
#include "web/peers.h"
#include "web/polite.h"
#include "web/settings.h"
#include "web/source.h"

#define MAX_CONNECTIONS 512
#define REQUEST_SECONDS 10
#define ANSWER_SECONDS  30
#define HEADER_BYTES    16384

struct server {
	struct web web; /* first: a struct web is one of these */
	pthread_t thread_id;
	struct lws_vhost *vhost;
	int listen_fd;
	bool woken; /* written by who serves: the thread, before it the maker */
};

static struct web *web_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

/* libwebsockets closes the socket when it cannot take it on. */
static void take_on(struct server *s, int conn, struct peer *peer)
{
	struct lws *wsi = lws_adopt_socket_vhost(s->vhost, conn);

	if (!wsi) {
		log_debug("a connection could not be taken on");
		peers_leave(s->web.peers, peer);
		return;
	}
	lws_set_opaque_user_data(wsi, peer);
	connection_begin(wsi);
}

static void accept_all(struct server *s)
{
	for (;;) {
		int conn = listen_accept(s->listen_fd);
		struct peer *peer;

		if (conn < 0)
			return;
		if (!peers_enter(s->web.peers, conn, &peer)) {
			take_on(s, conn, peer);
			continue;
		}
		listen_refuse(conn);
		atomic_fetch_add(&s->web.refused, 1);
	}
}

static void return_jobs(struct web *w)
{
	struct job *job;

	while ((job = jobs_ready(w->jobs))) {
		if (job->owner)
			connection_ready(job->owner);
		else
			job_free(job);
	}
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		   size_t len)
{
	struct connection *c = user;

	switch (reason) {
	case LWS_CALLBACK_HTTP:
		if (!lws_get_opaque_user_data(wsi))
			return -1;
		c->wsi = wsi;
		c->web = web_of(wsi);
		return connection_request(c, in, len);
	case LWS_CALLBACK_HTTP_BODY:
		return connection_body(c, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return connection_body_done(c);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return connection_writable(c);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (c)
			connection_closed(c);
		return 0;
	default:
		return 0;
	}
}

/* Of the sub-protocol agreed on. The connection itself is a fresh one after the handshake. */
static enum push_form form_of(const char *protocol)
{
	if (!strcmp(protocol, "xgotop.pb"))
		return PUSH_PROTOBUF;
	return !strcmp(protocol, "xgotop.ticks") ? PUSH_TICKS : PUSH_JSON;
}

static int on_websocket(struct lws *wsi, enum lws_callback_reasons reason, void *user)
{
	struct connection *c = user;
	struct web *w = web_of(wsi);

	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		return push_open(w->push, wsi, form_of(lws_get_protocol(wsi)->name), &c->client)
			       ? -1
			       : 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return c->client && push_writable(w->push, c->client) ? -1 : 0;
	case LWS_CALLBACK_CLOSED:
		if (c->client)
			push_close(w->push, c->client);
		c->client = NULL;
		return 0;
	default:
		return 0; /* what a client says is read and ignored, as the original did */
	}
}

/*
 * Comes before libwebsockets has made room for a connection's data (`user` may be NULL), so the
 * check has a connection of its own. What it answers is complete when it returns.
 */
static int confirm_upgrade(struct lws *wsi, const char *protocol)
{
	struct connection c = {.wsi = wsi, .web = web_of(wsi)};

	return connection_upgrade(&c, protocol);
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		    size_t len)
{
	struct peer *peer;

	switch (reason) {
	case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
		((struct server *)web_of(wsi))->woken = true;
		return_jobs(web_of(wsi));
		return 0;
	case LWS_CALLBACK_RAW_RX_FILE:
		accept_all((struct server *)web_of(wsi));
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		peer = lws_get_opaque_user_data(wsi);
		if (peer)
			peers_leave(web_of(wsi)->peers, peer);
		lws_set_opaque_user_data(wsi, NULL);
		return 0;
	case LWS_CALLBACK_TIMER:
		/* Its time is up: see connection_deadline(). A WebSocket may take its time: a ping
		 * now and then shows whether somebody is there. */
		peer = lws_get_opaque_user_data(wsi);
		if (peer && peer->push)
			return 0;
		atomic_fetch_add(&web_of(wsi)->refused, 1);
		return -1;
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		/* A stream of HTTP/2, which is not offered, would have no peer. */
		return lws_get_opaque_user_data(wsi) ? confirm_upgrade(wsi, in) : -1;
	case LWS_CALLBACK_ESTABLISHED:
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_RECEIVE:
		return on_websocket(wsi, reason, user);
	default:
		return user ? on_http(wsi, reason, user, in, len) : 0;
	}
}

/* The first is also what a handshake without a sub-protocol gets. */
static const struct lws_protocols protocols[] = {
	{"xgotop", callback, sizeof(struct connection), 4096, 0, NULL, 0},
	{"xgotop.pb", callback, sizeof(struct connection), 4096, 0, NULL, 0},
	{"xgotop.ticks", callback, sizeof(struct connection), 4096, 0, NULL, 0},
	{NULL, NULL, 0, 0, 0, NULL, 0},
};

/* A WebSocket that answers no ping is dead. */
static const lws_retry_bo_t liveness = {
	.secs_since_valid_ping = 20,
	.secs_since_valid_hangup = 40,
};

static void lws_to_log(int level, const char *line)
{
	int len = (int)strcspn(line, "\n");

	/* Its errors are about clients mostly: not ours to shout about. */
	log_write(level & (LLL_ERR | LLL_WARN) ? LOG_LEVEL_DEBUG : LOG_LEVEL_DEBUG, "lws: %.*s",
		  len, line);
}

static void *serve(void *arg)
{
	struct server *s = arg;

	thread_be_polite();
	confine_enter(s->web.config.confine);
	while (!atomic_load(&s->web.stop) && lws_service(s->web.context, 0) >= 0)
		;
	return NULL;
}

static void wake(void *arg)
{
	struct web *w = arg;

	if (w->context)
		lws_cancel_service(w->context);
}

/*
 * libwebsockets makes its way of being woken last, and goes on without one: answers that workers
 * made would never be sent. Before the socket thread is there.
 */
static int check_wake(struct server *s)
{
	for (int turn = 0; turn < 10 && !s->woken; turn++) {
		wake(&s->web);
		(void)lws_service(s->web.context, -1);
	}
	return s->woken
		       ? 0
		       : log_error(-EMFILE, "the web server cannot be woken: no descriptor for it");
}

static int copy_text(const char *from, char **ret)
{
	if (!from)
		return 0;
	*ret = strdup(from);
	return *ret ? 0 : -ENOMEM;
}

static int check_token(const char *token)
{
	if (strlen(token) < WEB_TOKEN_MIN)
		return log_error(-EINVAL, "the web token must have at least %d characters",
				 WEB_TOKEN_MIN);
	if (token[strspn(token, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=")])
		return log_error(-EINVAL,
				 "the web token may have letters, digits and -._~+/= only");
	return 0;
}

static int copy_token(struct web *w, const char *given)
{
	char made[PEERS_SECRET_LEN + 1];
	int err = given ? check_token(given) : peers_secret(made);

	if (err == -EIO)
		return log_error(err, "no random numbers for the web server's token");
	return err ? err : copy_text(given ? given : made, &w->token);
}

static int copy_origins(struct web *w, const char *const *origins)
{
	char why[256];
	size_t n = 0;

	while (origins && origins[n])
		n++;
	w->allow_origins = calloc(n + 1, sizeof(*w->allow_origins));
	if (!w->allow_origins)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (origin_check(origins[i], why, sizeof(why)))
			return log_error(-EINVAL, "%s", why);
		if (copy_text(origins[i], &w->allow_origins[i]))
			return -ENOMEM;
	}
	return 0;
}

static int copy_config(struct web *w, const struct web_config *config)
{
	const char *address = config->listen && *config->listen ? config->listen : "127.0.0.1";
	int err;

	if (!guard_is_numeric(address))
		return log_error(-EINVAL, "-web-listen %s: a numeric address is expected", address);
	w->config = *config;
	snprintf(w->listen, sizeof(w->listen), "%s", address);
	if (!w->config.max_connections)
		w->config.max_connections = MAX_CONNECTIONS;
	if (!w->config.request_seconds)
		w->config.request_seconds = REQUEST_SECONDS;
	if (!w->config.answer_seconds)
		w->config.answer_seconds = ANSWER_SECONDS;
	err = copy_token(w, config->token);
	if (!err)
		err = copy_origins(w, config->allow_origins);
	if (err)
		return err;
	if (copy_text(config->settings_path, &w->settings_path) ||
	    copy_text(config->mount_point, &w->mount_point))
		return -ENOMEM;
	w->config.listen = w->listen;
	w->config.token = w->token;
	w->config.settings_path = w->settings_path;
	w->config.mount_point = w->mount_point;
	return 0;
}

static int make_peers(struct server *s)
{
	struct peers_config pc = {
		.max_connections = s->web.config.max_connections,
		.max_pushes = PUSH_CLIENTS_MAX,
		.listen_fd = s->listen_fd,
		.loopback = guard_is_loopback(s->web.listen),
		.trusted = s->web.config.trusted,
		.n_trusted = s->web.config.n_trusted,
	};

	return peers_new(&pc, &s->web.peers);
}

static int make_context(struct server *s)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.gid = -1,
		.uid = -1,
		.user = &s->web,
		.vhost_name = "default",
		.max_http_header_data = HEADER_BYTES,
		.max_http_header_pool2 = s->web.config.max_connections + 8,
		/* The log is written by threads too: no limit of lws's own below ours. */
		.fd_limit_per_thread = s->web.config.max_connections + 32,
		.timeout_secs = 15,
		.timeout_secs_ah_idle = 5,
		.keepalive_timeout = (int)(KEEPALIVE_TIMES * s->web.config.request_seconds) + 5,
		.retry_and_idle_policy = &liveness,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
	};
	lws_sock_file_fd_type fd = {.filefd = s->listen_fd};

	lws_set_log_level(LLL_ERR | LLL_WARN, lws_to_log);
	s->web.context = lws_create_context(&info);
	if (!s->web.context)
		return -ENOMEM;
	s->vhost = lws_create_vhost(s->web.context, &info);
	if (!s->vhost || !lws_adopt_descriptor_vhost(s->vhost, LWS_ADOPT_RAW_FILE_DESC, fd,
						     protocols[0].name, NULL))
		return -ENOMEM;
	return 0;
}

int web_new(const struct web_config *config, struct web **ret)
{
	struct server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->listen_fd = -1;
	pthread_mutex_init(&s->web.control_lock, NULL);
	err = copy_config(&s->web, config);
	if (err)
		goto err_out;
	err = listen_open(s->web.listen, config->port, &s->web.port);
	if (err < 0)
		goto err_out;
	s->listen_fd = err;
	err = make_peers(s);
	if (err)
		goto err_out;
	err = settings_new(s->web.settings_path, &s->web.settings);
	if (err)
		goto err_out;
	err = config->storage_dir ? store_new(config->storage_dir, &s->web.store) : 0;
	if (err)
		goto err_out;
	if (s->web.store)
		store_hold(s->web.store);
	err = sources_new(&s->web.config, s->web.store, &s->web.sources);
	if (err)
		goto err_out;
	err = make_context(s);
	if (err)
		goto err_out;
	err = push_new(&s->web, &s->web.push);
	if (err)
		goto err_out;
	err = jobs_new(wake, &s->web, config->confine, &s->web.jobs);
	if (!err)
		err = check_wake(s);
	if (err)
		goto err_out;
	*ret = &s->web;
	return 0;

err_out:
	web_free(&s->web);
	return err;
}

int web_start(struct web *w)
{
	struct server *s = (struct server *)w;
	int err = sources_start(w->sources);

	if (err)
		return err;
	err = thread_start(&s->thread_id, serve, s);
	if (!err)
		w->thread = &s->thread_id;
	return err;
}

void web_stop(struct web *w)
{
	if (!w)
		return;
	atomic_store(&w->stop, true);
	if (w->thread) {
		wake(w);
		pthread_join(*(pthread_t *)w->thread, NULL);
		w->thread = NULL;
	}
	if (w->sources)
		sources_stop(w->sources);
}

void web_free(struct web *w)
{
	struct server *s = (struct server *)w;

	if (!w)
		return;
	web_stop(w);
	/* Workers first: they call wake(); then connections, which give their jobs back. */
	jobs_stop(w->jobs);
	if (w->context)
		lws_context_destroy(w->context);
	else if (s->listen_fd >= 0)
		close(s->listen_fd);
	jobs_free(w->jobs);
	push_free(w->push);
	sources_free(w->sources);
	store_free(w->store);
	settings_free(w->settings);
	pthread_mutex_destroy(&w->control_lock);
	peers_free(w->peers);
	for (char **at = w->allow_origins; at && *at; at++)
		free(*at);
	free(w->allow_origins);
	free(w->token);
	free(w->settings_path);
	free(w->mount_point);
	free(s);
}

unsigned web_port(const struct web *w)
{
	return w->port;
}

void web_url(const struct web *w, struct buf *out)
{
	bool v6 = strchr(w->listen, ':');

	buf_addf(out, "http://%s%s%s:%u/?token=%s", v6 ? "[" : "", w->listen, v6 ? "]" : "",
		 w->port, w->token);
}

uint64_t web_behind(const struct web *w)
{
	return sources_behind(w->sources);
}

void web_stats(struct web *w, struct web_stats *ret)
{
	struct sources_stats sources;

	sources_stats(w->sources, &sources);
	*ret = (struct web_stats){
		.requests = atomic_load(&w->requests),
		.refused = atomic_load(&w->refused),
		.clients = push_clients(w->push),
		.frames = atomic_load(&w->frames),
		.frames_dropped = atomic_load(&w->frames_dropped),
		.events_dropped = atomic_load(&w->events_dropped),
		.pyramid_missed = sources.missed,
		.pyramid_bytes = sources.pyramid_bytes,
		.sessions_open = sources.sessions,
		.sessions_bytes = sources.sessions_bytes,
	};
}
