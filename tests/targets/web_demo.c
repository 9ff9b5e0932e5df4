/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A made-up Go server, played into a model, with the web server on top: to look at the UI and to
 * test it without root, BPF or Go. Deterministic but for the clock. Not installed.
 *
 *   web_demo [-port N] [-goroutines N] [-rate EVENTS_A_SECOND] [-history SECONDS] [-sessions DIR]
 *            [-listen ADDRESS] [-token TOKEN] [-settings FILE] [-loss] [-frozen] [-second]
 *            [-control] [-fail KEY]
 *            [-trust UID] [-patience SECONDS] [-allow-origin ORIGIN]...
 *
 * -second: another process of the same binary, of which 12 goroutines are known.
 * -control: all of /api/control can be set; -fail KEY: but setting that one fails (KEY-late: takes
 * too long).
 *
 * Prints the URL on stdout when it answers; ends on SIGINT, SIGTERM or when stdin closes.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/model/event_format.h"
#include "core/view/view.h"
#include "tests/all_goroutines.h"
#include "web/web.h"

#define BATCH     512
#define LIVE_MAX  1000000
#define TYPES     8
#define FUNCTIONS 10

struct options {
	unsigned port, goroutines, rate, history;
	const char *sessions, *listen, *token, *settings, *origins[4];
	unsigned n_origins, patience;
	uid_t trust;
	const char *fail;
	bool loss, frozen, second, control;
};

struct worker {
	uint64_t goid, since;
	uint8_t state, kind; /* index into functions */
	bool live;
};

struct demo {
	struct options o;
	struct model *model;
	struct names *names;
	struct meter *meter;
	struct worker *v; /* `max` of them, `n` in use, `n_dead` of these to be used again */
	unsigned n, max, n_dead;
	uint64_t next_goid, random, now, events;
	uint32_t functions[FUNCTIONS], sites[FUNCTIONS], types[TYPES];
	uint32_t reasons[6];
	struct event batch[BATCH];
	unsigned n_batch;
	/* What was set. */
	uint32_t rates[RATES];
	bool paused;
	double max_overhead;
	char command[64];
	unsigned late;
};

static const char *const function_names[FUNCTIONS] = {
	"main.main",
	"runtime.gcBgMarkWorker",
	"net/http.(*Server).Serve",
	"net/http.(*conn).serve",
	"main.(*Cache).refresh",
	"main.worker",
	"main.(*Ingest).consume",
	"database/sql.(*DB).connectionOpener",
	"main.leakySubscriber",
	"main.handleUpload.func1",
};
static const char *const reason_names[6] = {"chan receive",    "select", "IO wait",
					    "sync.Mutex.Lock", "sleep",  "GC worker (idle)"};
static const struct go_type types[TYPES] = {
	{"main.Request", 96, 0, 0, 25, 0, 0},
	{"uint8", 1, 0, 0, 8, 0, 0},
	{"map[string]string", 8, 16, 16, 21, 24, 24},
	{"net/http.Header", 8, 16, 24, 21, 24, 23},
	{"main.Row", 240, 0, 0, 25, 0, 0},
	{"bytes.Buffer", 40, 0, 0, 25, 0, 0},
	{"string", 16, 0, 0, 24, 0, 0},
	{"encoding/json.decodeState", 208, 0, 0, 25, 0, 0},
};

static uint32_t next_random(struct demo *d)
{
	d->random ^= d->random << 13;
	d->random ^= d->random >> 7;
	d->random ^= d->random << 17;
	return (uint32_t)(d->random >> 16);
}

static void flush(struct demo *d)
{
	if (d->n_batch)
		model_apply(d->model, d->batch, d->n_batch);
	d->n_batch = 0;
}

static void emit(struct demo *d, struct event ev)
{
	ev.time_ns = d->now;
	d->batch[d->n_batch++] = ev;
	d->events++;
	if (d->n_batch == BATCH)
		flush(d);
}

static void set_state(struct demo *d, struct worker *w, uint8_t to, uint64_t by)
{
	struct event ev = {.type = EVENT_CASGSTATUS,
			   .goid = by,
			   .target = w->goid,
			   .from = w->state,
			   .to = to};

	if (to == GSTATE_WAITING)
		ev.string_id = d->reasons[(w->kind * 7 + next_random(d) % 2) % 6];
	emit(d, ev);
	w->state = to;
	w->since = d->now;
}

static void create(struct demo *d, uint64_t by, uint8_t kind)
{
	struct worker *w = NULL;

	for (unsigned i = 0; d->n_dead && i < d->n && !w; i++) {
		if (!d->v[i].live)
			w = &d->v[i];
	}
	if (w)
		d->n_dead--;
	else if (d->n < d->max)
		w = &d->v[d->n++];
	if (!w)
		return;
	*w = (struct worker){
		.goid = d->next_goid++, .kind = kind, .live = true, .state = GSTATE_DEAD};
	set_state(d, w, GSTATE_RUNNABLE, by);
	emit(d, (struct event){.type = EVENT_NEWGOROUTINE,
			       .goid = by,
			       .target = w->goid,
			       .string_id = d->functions[kind],
			       .site_id = d->sites[kind]});
}

static void allocate(struct demo *d, struct worker *w)
{
	unsigned type = next_random(d) % TYPES, len = 16u << next_random(d) % 8;
	struct event ev = {
		.goid = w->goid, .type_id = d->types[type], .site_id = d->sites[w->kind]};

	if (types[type].kind == 21) {
		ev.type = EVENT_MAKEMAP;
		ev.hint = len / 16;
	} else if (types[type].kind == 25) {
		ev.type = EVENT_NEWOBJECT;
		ev.size = types[type].size;
	} else {
		ev.type = EVENT_MAKESLICE;
		ev.len = len;
		ev.cap = len + len / 2;
	}
	emit(d, ev);
}

/* One thing that happens to one goroutine. */
static void step_one(struct demo *d, struct worker *w)
{
	uint32_t r = next_random(d) % 100;
	uint64_t by = d->v[next_random(d) % MIN(d->n, 8u)].goid;

	switch (w->state) {
	case GSTATE_RUNNING:
		if (r < 35)
			allocate(d, w);
		else if (r < 45)
			set_state(d, w, GSTATE_SYSCALL, w->goid);
		else if (r < 50)
			set_state(d, w, GSTATE_RUNNABLE, w->goid);
		else if (r < 56 && (w->kind == 2 || w->kind == 0) && d->n < d->o.goroutines + 40)
			create(d, w->goid, r & 1 ? 3 : 9);
		else if (r < 62 && (w->kind == 3 || w->kind == 9)) {
			set_state(d, w, GSTATE_DEAD, w->goid);
			emit(d, (struct event){.type = EVENT_GOEXIT,
					       .goid = w->goid,
					       .target = w->goid,
					       .exit_time = d->now});
			w->live = false;
			d->n_dead++;
		} else {
			set_state(d, w, GSTATE_WAITING, w->goid);
		}
		break;
	case GSTATE_RUNNABLE:
		set_state(d, w, GSTATE_RUNNING, 0);
		break;
	case GSTATE_SYSCALL:
		set_state(d, w, GSTATE_RUNNING, w->goid);
		break;
	default:
		set_state(d, w, GSTATE_RUNNABLE, by == w->goid ? 0 : by);
	}
}

/* Plays up to `until`. Some goroutines hardly ever move, as in life. */
static void play(struct demo *d, uint64_t until)
{
	uint64_t mean = NS_PER_SEC / MAX(d->o.rate, 1u), step = MIN(mean * 3 / 5, 300000u) + 10;

	while (d->now < until) {
		struct worker *w = &d->v[next_random(d) % d->n];
		unsigned lazy = w->kind == 8 ? 4000 : w->kind == 1 || w->kind == 7 ? 40 : 1;
		uint64_t burst = (d->now / (NS_PER_SEC * 3)) % 4 == 0 ? 4 : 1;

		d->now += 1 + mean / 2 / burst + next_random(d) % (mean / burst + 1);
		if (!w->live || next_random(d) % lazy)
			continue;
		/* What runs goes on soon; what waits, waits. */
		for (unsigned k = 0; k < 6 && w->live; k++) {
			step_one(d, w);
			d->now += 1 + step / 150 + next_random(d) % step / burst;
			if (w->state == GSTATE_WAITING)
				break;
		}
	}
	flush(d);
}

static void print_stack(const struct demo *d, const struct goroutine *g, struct buf *out)
{
	buf_addf(out, "goroutine %llu [%s]:\n", (unsigned long long)g->goid,
		 g->state == GSTATE_WAITING ? names_string(d->names, g->reason_id)
					    : gstate_name(g->state));
	if (g->state == GSTATE_RUNNING) {
		buf_adds(out, "\tgoroutine running on other thread; stack unavailable\n");
	} else {
		if (g->goid % 3)
			buf_adds(out, "main.(*Queue).pop(0xc0000a2000)\n"
				      "\t/srv/demo/queue.go:31 +0x85\n");
		buf_addf(out, "%s(0xc000012345)\n\t/srv/demo/main.go:%u +0x85\n",
			 names_string(d->names, g->start_func_id), 40 + (unsigned)(g->goid % 60));
	}
	buf_adds(out, "created by main.main in goroutine 1\n\t/srv/demo/main.go:17 +0x2a\n");
}

static int fake_stack(void *ctx, unsigned proc, uint64_t goid, struct buf *out,
		      uint64_t *ret_as_of_ns)
{
	struct demo *d = ctx;
	struct goroutine g;

	if (model_goroutine(d->model, proc, goid, &g))
		return -ENOENT;
	print_stack(d, &g, out);
	return 0;
}

static int fake_stacks(void *ctx, unsigned proc, enum live_stacks what, live_text_fn *fn, void *arg,
		       uint64_t *ret_as_of_ns)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	struct demo *d = ctx;
	struct goroutine *list;
	size_t n;
	int err = all_goroutines(d->model, proc, false, &list, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n && !err; i++) {
		buf_reset(&out);
		if (i)
			buf_addc(&out, '\n');
		print_stack(d, &list[i], &out);
		err = fn(arg, out.data, out.len);
	}
	free(list);
	return err;
}

static int fake_health(void *ctx, unsigned proc, struct health *ret)
{
	memset(ret, 0, sizeof(*ret));
	strcpy(ret->go_version, "go1.26.8");
	strcpy(ret->offsets_from, "table");
	strcpy(ret->symbols_from, "pclntab");
	strcpy(ret->goroutines_from, "runtime.allgs");
	return 0;
}

static void add_names(struct demo *d)
{
	uint32_t file = names_intern(d->names, "/srv/demo/main.go", 17);

	for (unsigned i = 0; i < FUNCTIONS; i++) {
		const char *name = function_names[i];

		d->functions[i] = names_intern(d->names, name, strlen(name));
		d->sites[i] = names_add_site(d->names, (struct site){.func_id = d->functions[i / 3],
								     .file_id = file,
								     .line = 20 + i * 7});
	}
	for (unsigned i = 0; i < 6; i++)
		d->reasons[i] = names_intern(d->names, reason_names[i], strlen(reason_names[i]));
	for (unsigned i = 0; i < TYPES; i++)
		d->types[i] = names_add_type(d->names, &types[i]);
}

/* What was there before tracing began, then what starts at the beginning. */
static void begin(struct demo *d)
{
	struct proc_info info = {.pid = 4242,
				 .binary_path = "/srv/demo/httpd",
				 .go_version = "go1.26.8",
				 .attached_ns = d->now};
	struct goroutine_seen seen[4] = {0};

	model_proc_add(d->model, &info);
	for (unsigned i = 0; i < 4; i++) {
		seen[i] = (struct goroutine_seen){.goid = i + 1,
						  .state = GSTATE_WAITING,
						  .start_func_id = d->functions[i % 3],
						  .reason_id = d->reasons[i % 6],
						  .system = i % 3 == 1};
		d->v[d->n++] = (struct worker){.goid = i + 1,
					       .kind = (uint8_t)(i % 3),
					       .live = true,
					       .state = GSTATE_WAITING};
	}
	model_heal(d->model, 0, seen, 4, d->now, true);
	d->next_goid = 5;
	while (d->n < d->o.goroutines) {
		unsigned pick = next_random(d) % 20;
		unsigned kind = pick < 1    ? 4
				: pick < 9  ? 5
				: pick < 12 ? 6
				: pick < 13 ? 7
				: pick < 16 ? 8
					    : 3;

		create(d, 1, (uint8_t)kind);
		d->now += 50000;
	}
	flush(d);
}

#define SECOND_GOROUTINES 12

static void begin_second(struct demo *d)
{
	struct proc_info info = {.pid = 4343,
				 .binary_path = "/srv/demo/httpd",
				 .go_version = "go1.26.8",
				 .attached_ns = d->now};
	struct goroutine_seen seen[SECOND_GOROUTINES] = {0};

	model_proc_add(d->model, &info);
	for (unsigned i = 0; i < SECOND_GOROUTINES; i++)
		seen[i] = (struct goroutine_seen){.goid = i + 1,
						  .state = GSTATE_WAITING,
						  .start_func_id = d->functions[i ? 6 : 0],
						  .reason_id = d->reasons[i % 3]};
	model_heal(d->model, 1, seen, SECOND_GOROUTINES, d->now, true);
}

/* One of the second process's goroutines runs for a moment. */
static void step_second(struct demo *d)
{
	static const uint8_t states[] = {GSTATE_WAITING, GSTATE_RUNNABLE, GSTATE_RUNNING,
					 GSTATE_WAITING};
	uint64_t goid = 2 + next_random(d) % (SECOND_GOROUTINES - 1);

	for (unsigned i = 0; i + 1 < ARRAY_SIZE(states); i++) {
		emit(d, (struct event){.type = EVENT_CASGSTATUS,
				       .proc = 1,
				       .target = goid,
				       .goid = states[i] == GSTATE_RUNNING ? goid : 0,
				       .from = states[i],
				       .to = states[i + 1],
				       .string_id = d->reasons[0]});
		d->now += 20000;
	}
	flush(d);
}

static void add_sample(struct demo *d, uint64_t events)
{
	struct meter_sample s = {.time_ns = clock_ns(CLOCK_REALTIME),
				 .rps = events,
				 .pps = events,
				 .lat_ns = 769,
				 .prc_ns = 206,
				 .hits = events,
				 .trap_ns = 760,
				 .overhead_percent = (double)events * 1529 / 1e7};

	meter_add(d->meter, &s);
}

/* --- what may be set -------------------------------------------------------------------------- */

/* "paused": fails; "paused-late": the first time it takes too long, and is done after all. */
static int may_set(struct demo *d, const char *key, bool *ret_late)
{
	size_t n = strlen(key);

	*ret_late = false;
	if (!d->o.fail || strncmp(d->o.fail, key, n))
		return 0;
	if (!d->o.fail[n])
		return -EIO;
	*ret_late = !strcmp(d->o.fail + n, "-late") && !(d->late++ & 1);
	return 0;
}

static int set_rates(void *ctx, const uint32_t rates[RATES])
{
	struct demo *d = ctx;
	bool late;
	int err = may_set(d, "sample", &late);

	if (!err)
		memcpy(d->rates, rates, sizeof(d->rates));
	return late ? -ETIMEDOUT : err;
}

static void get_rates(void *ctx, uint32_t ret[RATES])
{
	memcpy(ret, ((struct demo *)ctx)->rates, sizeof(((struct demo *)ctx)->rates));
}

static int set_paused(void *ctx, bool paused)
{
	struct demo *d = ctx;
	bool late;
	int err = may_set(d, "paused", &late);

	if (!err)
		d->paused = paused;
	return late ? -ETIMEDOUT : err;
}

static bool get_paused(void *ctx)
{
	return ((struct demo *)ctx)->paused;
}

static int set_max_overhead(void *ctx, double percent)
{
	struct demo *d = ctx;
	bool late;
	int err = may_set(d, "max_overhead", &late);

	if (!err)
		d->max_overhead = percent;
	return late ? -ETIMEDOUT : err;
}

static double get_max_overhead(void *ctx)
{
	return ((struct demo *)ctx)->max_overhead;
}

static int do_command(void *ctx, const char *command)
{
	struct demo *d = ctx;

	if (strcmp(command, "pause") && strcmp(command, "resume"))
		return -EINVAL;
	snprintf(d->command, sizeof(d->command), "%s", command);
	return 0;
}

static void get_command(void *ctx, struct buf *out)
{
	buf_adds(out, ((struct demo *)ctx)->command);
}

static const struct control all_control = {
	.set_rates = set_rates,
	.get_rates = get_rates,
	.set_paused = set_paused,
	.get_paused = get_paused,
	.set_max_overhead = set_max_overhead,
	.get_max_overhead = get_max_overhead,
	.replay = do_command,
	.get_replay = get_command,
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	stopped = 1;
}

static void run(struct demo *d)
{
	uint64_t second = monotonic_ns(), before = d->events, lost_at = second;

	while (!stopped) {
		struct pollfd pfd = {.fd = 0, .events = POLLIN};
		char c;

		if (poll(&pfd, 1, 10) > 0 && read(0, &c, 1) <= 0)
			return;
		if (d->o.frozen)
			continue;
		if (d->now < monotonic_ns())
			play(d, monotonic_ns());
		if (d->o.second)
			step_second(d);
		if (d->o.loss && monotonic_ns() - lost_at > 5 * NS_PER_SEC) {
			uint64_t lost[EVENT_TYPES] = {120, 0, 0, 37, 0, 0};

			model_lost(d->model, 0, lost, d->now);
			lost_at = monotonic_ns();
		}
		if (monotonic_ns() - second > NS_PER_SEC) {
			add_sample(d, d->events - before);
			before = d->events;
			second = monotonic_ns();
		}
	}
}

static int parse(struct options *o, char **argv)
{
	for (char **a = argv + 1; *a; a++) {
		const char *v = a[1];

		if (!strcmp(*a, "-loss")) {
			o->loss = true;
			continue;
		}
		if (!strcmp(*a, "-frozen")) {
			o->frozen = true;
			continue;
		}
		if (!strcmp(*a, "-second")) {
			o->second = true;
			continue;
		}
		if (!strcmp(*a, "-control")) {
			o->control = true;
			continue;
		}
		if (!v)
			return -EINVAL;
		if (!strcmp(*a, "-port"))
			o->port = (unsigned)atoi(v);
		else if (!strcmp(*a, "-goroutines"))
			o->goroutines = MIN((unsigned)atoi(v), LIVE_MAX);
		else if (!strcmp(*a, "-rate"))
			o->rate = (unsigned)atoi(v);
		else if (!strcmp(*a, "-history"))
			o->history = (unsigned)atoi(v);
		else if (!strcmp(*a, "-sessions"))
			o->sessions = v;
		else if (!strcmp(*a, "-listen"))
			o->listen = v;
		else if (!strcmp(*a, "-token"))
			o->token = v;
		else if (!strcmp(*a, "-settings"))
			o->settings = v;
		else if (!strcmp(*a, "-fail"))
			o->fail = v;
		else if (!strcmp(*a, "-trust"))
			o->trust = (uid_t)atoi(v);
		else if (!strcmp(*a, "-patience"))
			o->patience = (unsigned)atoi(v);
		else if (!strcmp(*a, "-allow-origin") && o->n_origins + 1 < ARRAY_SIZE(o->origins))
			o->origins[o->n_origins++] = v;
		else
			return -EINVAL;
		a++;
	}
	return 0;
}

static int serve(struct demo *d)
{
	struct live live = {
		.ctx = d, .stack = fake_stack, .stacks = fake_stacks, .health = fake_health};
	struct control control = d->o.control ? all_control : (struct control){0};
	struct view view = {
		.model = d->model, .meter = d->meter, .live = &live, .control = &control};
	struct web_config config = {.listen = d->o.listen,
				    .port = d->o.port,
				    .token = d->o.token,
				    .view = &view,
				    .storage_dir = d->o.sessions,
				    .settings_path = d->o.settings,
				    .trusted = {d->o.trust},
				    .n_trusted = 1, /* root, unless told */
				    .allow_origins = d->o.origins,
				    .request_seconds = d->o.patience,
				    .answer_seconds = d->o.patience,
				    .mount_point = "/mnt/xgotop"};
	struct buf url = BUF_INIT;
	struct web *web;
	int err;

	control.ctx = d;
	err = web_new(&config, &web);
	if (err)
		return err;
	err = web_start(web);
	if (!err) {
		web_url(web, &url);
		printf("%s\n", url.data);
		fflush(stdout);
		run(d);
	}
	buf_free(&url);
	web_free(web);
	return err;
}

int main(int argc, char **argv)
{
	struct demo *d = calloc(1, sizeof(*d));
	struct model_config config = {.retain = 1000000, .retain_exited = 10000, .workers = 1};
	int err;

	if (!d)
		return 1;
	d->o = (struct options){.goroutines = 60, .rate = 2000, .history = 20};
	d->random = 0x9e3779b97f4a7c15ull;
	if (parse(&d->o, argv)) {
		fprintf(stderr, "web_demo: see the top of tests/targets/web_demo.c\n");
		return 2;
	}
	d->max = d->o.goroutines + 100;
	d->v = calloc(d->max, sizeof(*d->v));
	if (!d->v)
		return 1;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	if (names_new(100000, &d->names) || meter_new(&d->meter))
		return 1;
	config.names = d->names;
	config.wall_offset_ns = (int64_t)(clock_ns(CLOCK_REALTIME) - monotonic_ns());
	if (model_new(&config, &d->model))
		return 1;
	add_names(d);
	d->now = monotonic_ns() - d->o.history * NS_PER_SEC;
	begin(d);
	if (d->o.second)
		begin_second(d);
	play(d, monotonic_ns());
	add_sample(d, d->o.rate);
	err = serve(d);
	model_free(d->model);
	meter_free(d->meter);
	names_free(d->names);
	free(d->v);
	free(d);
	return err ? 1 : 0;
}
