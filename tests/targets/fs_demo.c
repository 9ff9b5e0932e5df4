/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A mount fed by a synthetic model, for tests of fs/ with real tools: no target, no eBPF. Commands
 * come as lines on stdin, so that a test decides what happens when:
 *   events N      N allocation events now; each has its number (from 0) as its size
 *   rate N        N such events a second from now on, 0 stops
 *   goroutines N  N more goroutines, waiting
 *   end GOID      that goroutine exits
 *   churn N       N times: the oldest goroutine exits, a new one is made
 *   exit          the process ends: nothing more comes, the tree stays
 *   quit          unmount and end (as SIGTERM and SIGINT do)
 * Prints "ready" once mounted, and the answer "ok" after each command.
 *
 * fs_demo [-g GOROUTINES] [-retain N] [-o OPTIONS] [-procs N] [-slow-stacks MS]
 *         [-slow-pause MS] [-sessions yes] MOUNTPOINT
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "core/base/log.h"
#include "fs/fs.h"
#include "tests/all_goroutines.h"

#define TICK_MS 2

struct demo {
	struct names *names;
	struct model *model;
	struct meter *meter;
	struct fs *fs;
	unsigned procs, slow_stacks_ms, slow_pause_ms;
	bool with_sessions;
	uint64_t made, rate, rate_since_ns, rate_made;
	uint64_t first_goid, next_goid;
	atomic_bool quit;
	/* What the control files change; any thread. */
	_Atomic uint32_t rates[RATES];
	atomic_bool paused;
	_Atomic double max_overhead;
	atomic_int low_latency;
};

static int set_rates(void *ctx, const uint32_t rates[RATES])
{
	struct demo *d = ctx;

	for (unsigned i = 0; i < RATES; i++)
		atomic_store(&d->rates[i], rates[i]);
	return 0;
}

static void get_rates(void *ctx, uint32_t ret[RATES])
{
	struct demo *d = ctx;

	for (unsigned i = 0; i < RATES; i++)
		ret[i] = atomic_load(&d->rates[i]);
}

static int set_paused(void *ctx, bool paused)
{
	struct demo *d = ctx;

	poll(NULL, 0, (int)d->slow_pause_ms);
	atomic_store(&d->paused, paused);
	return 0;
}

static bool get_paused(void *ctx)
{
	struct demo *d = ctx;

	return atomic_load(&d->paused);
}

static int set_max_overhead(void *ctx, double percent)
{
	struct demo *d = ctx;

	/* Something only the other side can know; the file must pass it on. */
	if (percent == 66)
		return -ERANGE;
	atomic_store(&d->max_overhead, percent);
	return 0;
}

static double get_max_overhead(void *ctx)
{
	struct demo *d = ctx;

	return atomic_load(&d->max_overhead);
}

static void low_latency(void *ctx, bool on)
{
	struct demo *d = ctx;

	atomic_fetch_add(&d->low_latency, on ? 1 : -1);
}

static int stack(void *ctx, unsigned proc, uint64_t goid, struct buf *out, uint64_t *ret_as_of_ns)
{
	buf_addf(out, "goroutine %llu [chan receive]:\nmain.worker()\n\t/src/main.go:7 +0x1d\n",
		 (unsigned long long)goid);
	return 0;
}

static int stacks(void *ctx, unsigned proc, enum live_stacks what, live_text_fn *fn, void *arg,
		  uint64_t *ret_as_of_ns)
{
	struct buf out cleanup_buf_ = BUF_INIT;
	struct demo *d = ctx;
	struct goroutine *all cleanup_free_ = NULL;
	size_t n;
	int err = all_goroutines(d->model, proc, false, &all, &n);

	if (err)
		return err;
	if (d->slow_stacks_ms) {
		printf("rendering\n");
		fflush(stdout);
	}
	poll(NULL, 0, (int)d->slow_stacks_ms);
	for (size_t i = 0; i < n && !err; i++) {
		buf_reset(&out);
		stack(ctx, proc, all[i].goid, &out, ret_as_of_ns);
		buf_addc(&out, '\n');
		err = fn(arg, out.data, out.len);
	}
	return err;
}

/* --- sessions: one, with 100,000 numbered lines ----------------------------------------- */

#define SESSION_ID    "11111111-2222-3333-4444-555555555555"
#define SESSION_LINE  "{\"n\":%08llu}\n"
#define SESSION_WIDTH 15
#define SESSION_LINES 100000

static int sessions_list(void *ctx, void (*each)(void *arg, const char *id), void *arg)
{
	each(arg, SESSION_ID);
	return 0;
}

static uint64_t session_lines(const char *file)
{
	return strcmp(file, "events.jsonl") == 0 ? SESSION_LINES : 1;
}

static int sessions_stat(void *ctx, const char *id, const char *file, bool measured,
			 uint64_t *ret_size, uint64_t *ret_mtime_ns)
{
	if (strcmp(id, SESSION_ID) || (file && strcmp(file, "events.pb") == 0))
		return -ENOENT;
	*ret_size = file ? SESSION_WIDTH * session_lines(file) : 0;
	*ret_mtime_ns = 1700000000 * NS_PER_SEC;
	return 0;
}

static int sessions_open(void *ctx, const char *id, const char *file, void **ret_handle)
{
	uint64_t *lines = malloc(sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	*lines = session_lines(file);
	*ret_handle = lines;
	return 0;
}

static int sessions_read(void *ctx, void *handle, uint64_t offset, size_t size, struct buf *out)
{
	const uint64_t *lines = handle;
	uint64_t end = MIN(offset + size, *lines * SESSION_WIDTH);

	while (offset < end) {
		char line[32];
		uint64_t skip = offset % SESSION_WIDTH;
		uint64_t n = MIN(end - offset, SESSION_WIDTH - skip);

		snprintf(line, sizeof(line), SESSION_LINE,
			 (unsigned long long)(offset / SESSION_WIDTH));
		buf_add(out, line + skip, n);
		offset += n;
	}
	return buf_error(out);
}

static void sessions_close(void *ctx, void *handle)
{
	free(handle);
}

/* --- events ----------------------------------------------------------------------------- */

static uint32_t name(struct demo *d, const char *text)
{
	return names_intern(d->names, text, strlen(text));
}

/* Not in the feed, where the numbered events are the only ones: what a look at the target's memory
 * would say. */
static void add_goroutine(struct demo *d)
{
	static const char *const funcs[] = {"main.worker", "net/http.(*conn).serve",
					    "github.com/x/y.(*Pool[...]).run", "main.main.func1"};
	static const char *const reasons[] = {"chan receive", "select", "sleep", "IO wait"};
	uint64_t goid = d->next_goid++;
	struct goroutine_seen seen = {
		.goid = goid,
		.parent = goid > 1 ? 1 : 0,
		.start_func_id = name(d, funcs[goid % ARRAY_SIZE(funcs)]),
		.reason_id = name(d, reasons[goid % ARRAY_SIZE(reasons)]),
		.state = GSTATE_WAITING,
	};

	model_heal(d->model, 0, &seen, 1, monotonic_ns(), false);
}

static void end_goroutine(struct demo *d, uint64_t goid)
{
	struct event ev = {
		.time_ns = monotonic_ns(),
		.goid = goid,
		.target = goid,
		.type = EVENT_GOEXIT,
		.flags = EVENT_HIDDEN,
	};

	model_apply(d->model, &ev, 1);
}

static void add_events(struct demo *d, uint64_t n)
{
	static const struct go_type types[] = {
		{.name = "main.Request", .size = 96, .kind = 25},
		{.name = "net/http.Header", .size = 8, .kind = 21},
		{.name = "[]uint8", .size = 24, .kind = 23},
	};
	struct event batch[256];
	uint32_t ids[ARRAY_SIZE(types)];
	uint64_t live = d->next_goid - d->first_goid;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		ids[i] = names_add_type(d->names, &types[i]);
	while (n) {
		size_t now = MIN(n, ARRAY_SIZE(batch));

		for (size_t i = 0; i < now; i++) {
			batch[i] = (struct event){
				.time_ns = monotonic_ns(),
				.goid = live ? d->first_goid + d->made % live : 0,
				.size = d->made,
				.type = EVENT_NEWOBJECT,
				.type_id = ids[d->made % ARRAY_SIZE(ids)],
				.proc = (uint16_t)(d->made % d->procs),
			};
			d->made++;
		}
		model_apply(d->model, batch, now);
		n -= now;
	}
}

/* --- commands --------------------------------------------------------------------------- */

static void command(struct demo *d, const char *line)
{
	unsigned long long n = 0;

	if (sscanf(line, "events %llu", &n) == 1)
		add_events(d, n);
	else if (sscanf(line, "goroutines %llu", &n) == 1)
		while (n--)
			add_goroutine(d);
	else if (sscanf(line, "end %llu", &n) == 1)
		end_goroutine(d, n);
	else if (sscanf(line, "churn %llu", &n) == 1)
		while (n--) {
			end_goroutine(d, d->first_goid++);
			add_goroutine(d);
		}
	else if (!strcmp(line, "exit")) {
		model_proc_exited(d->model, 0, monotonic_ns());
		feed_close(model_feed(d->model));
	} else if (!strcmp(line, "quit"))
		d->quit = true;
	else if (sscanf(line, "rate %llu", &n) == 1) {
		d->rate = n;
		d->rate_since_ns = monotonic_ns();
		d->rate_made = 0;
	} else
		fprintf(stderr, "fs_demo: %s: unknown command\n", line);
	printf("ok\n");
	fflush(stdout);
}

static void keep_rate(struct demo *d)
{
	double seconds = (double)(monotonic_ns() - d->rate_since_ns) / NS_PER_SEC;
	uint64_t due = (uint64_t)(seconds * (double)d->rate);

	if (due > d->rate_made) {
		add_events(d, due - d->rate_made);
		d->rate_made = due;
	}
}

/* The applying thread: commands from stdin, events in between, signals. */
static void *feed(void *arg)
{
	struct demo *d = arg;
	char line[256];
	size_t len = 0;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	int signals cleanup_close_ = signalfd(-1, &set, SFD_CLOEXEC);
	struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = 0, .events = POLLIN}};

	while (!d->quit) {
		if (poll(fds, ARRAY_SIZE(fds), d->rate ? TICK_MS : -1) > 0) {
			char c = 0;

			if (fds[0].revents)
				break;
			if (fds[1].revents && read(0, &c, 1) != 1)
				fds[1].fd = -1; /* no more commands; go on until a signal */
			else if (fds[1].revents && c != '\n' && len + 1 < sizeof(line))
				line[len++] = c;
			else if (fds[1].revents) {
				line[len] = '\0';
				len = 0;
				command(d, line);
			}
		}
		if (d->rate)
			keep_rate(d);
	}
	fs_stop(d->fs);
	return NULL;
}

static int run(struct demo *d, struct fs_config *config, size_t retain, uint64_t goroutines)
{
	struct model_config model = {.retain = retain, .retain_exited = 1000, .workers = 1};
	struct control control = {
		.ctx = d,
		.set_rates = set_rates,
		.get_rates = get_rates,
		.set_paused = set_paused,
		.get_paused = get_paused,
		.set_max_overhead = set_max_overhead,
		.get_max_overhead = get_max_overhead,
		.low_latency = low_latency,
	};
	struct live live = {.ctx = d, .stack = stack, .stacks = stacks};
	struct view view = {.live = &live, .control = &control};
	struct fs_sessions sessions = {
		.ctx = d,
		.list = sessions_list,
		.stat = sessions_stat,
		.open = sessions_open,
		.read = sessions_read,
		.close = sessions_close,
	};
	pthread_t thread;
	int err = names_new(100000, &d->names);

	model.names = d->names;
	model.wall_offset_ns = (int64_t)(clock_ns(CLOCK_REALTIME) - monotonic_ns());
	if (!err)
		err = model_new(&model, &d->model);
	if (!err)
		err = meter_new(&d->meter);
	for (unsigned p = 0; !err && p < d->procs; p++) {
		struct proc_info info = {.pid = 4000 + (pid_t)p, .attached_ns = monotonic_ns()};

		snprintf(info.binary_path, sizeof(info.binary_path), "/bin/demo");
		snprintf(info.go_version, sizeof(info.go_version), "go1.26");
		err = MIN(model_proc_add(d->model, &info), 0);
	}
	if (err)
		return err;
	d->first_goid = d->next_goid = 1;
	while (goroutines--)
		add_goroutine(d);
	view.model = d->model;
	view.meter = d->meter;
	config->view = &view;
	config->many = d->procs > 1;
	if (d->with_sessions)
		config->sessions = &sessions;
	err = fs_new(config, &d->fs);
	if (!err)
		err = fs_mount(d->fs);
	if (!err)
		err = -pthread_create(&thread, NULL, feed, d);
	if (!err) {
		printf("ready\n");
		fflush(stdout);
		err = fs_run(d->fs);
		d->quit = true;
		pthread_kill(thread, SIGTERM);
		pthread_join(thread, NULL);
	}
	if (fs_free(d->fs) == -ETIMEDOUT) {
		fprintf(stderr, "fs_demo: a thread is left behind\n");
		_exit(1); /* it uses what would be freed */
	}
	if (atomic_load(&d->low_latency))
		fprintf(stderr, "fs_demo: low_latency left at %d\n", d->low_latency);
	return err;
}

int main(int argc, char **argv)
{
	struct demo d = {.procs = 1};
	struct fs_config config = {0};
	uint64_t goroutines = 10;
	size_t retain = 1000000;
	sigset_t set;
	int err;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (argv[i][0] != '-') {
			config.mountpoint = argv[i];
			continue;
		}
		if (!strcmp(argv[i], "-g"))
			goroutines = strtoull(value, NULL, 10);
		else if (!strcmp(argv[i], "-retain"))
			retain = strtoull(value, NULL, 10);
		else if (!strcmp(argv[i], "-o"))
			config.options = value;
		else if (!strcmp(argv[i], "-procs"))
			d.procs = (unsigned)strtoul(value, NULL, 10);
		else if (!strcmp(argv[i], "-sessions"))
			d.with_sessions = !strcmp(value, "yes");
		else if (!strcmp(argv[i], "-slow-stacks"))
			d.slow_stacks_ms = (unsigned)strtoul(value, NULL, 10);
		else if (!strcmp(argv[i], "-slow-pause"))
			d.slow_pause_ms = (unsigned)strtoul(value, NULL, 10);
		else
			return 2;
		i++;
	}
	if (!config.mountpoint)
		return 2;
	/* Before any thread is made: the feeding thread takes them. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	err = run(&d, &config, retain, goroutines);
	meter_free(d.meter);
	model_free(d.model);
	names_free(d.names);
	return err ? 1 : 0;
}
