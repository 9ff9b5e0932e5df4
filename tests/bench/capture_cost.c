/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What capture costs. Started by capture_cost.sh with the Go program `ops` (tests/bench/ops):
 *
 * - in the traced program: CPU time of an operation untraced, with an empty program at the same
 *   sites, and with ours, taken in turns so that what the machine does besides hits all three; the
 *   medians.
 * - in user space: CPU time an event from the ring to a sink that counts, and to the model.
 *
 * Prints a table; judges nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "core/base/log.h"
#include "core/capture/capture.h"
#include "core/capture/empty.h"
#include "core/model/control.h"
#include "core/model/model.h"

#define ROUNDS    9
#define SITES_MAX 64

struct target_process {
	pid_t pid;
	FILE *in, *out; /* its standard input and output */
};

struct sink_state {
	struct model *model; /* NULL: count only */
	uint64_t events;
};

/* --- the Go program ----------------------------------------------------------------------------
 */

static int start_ops(const char *path, struct target_process *ret)
{
	int to[2], from[2];
	char line[64];

	if (pipe(to) < 0 || pipe(from) < 0)
		return -errno;
	ret->pid = fork();
	if (ret->pid < 0)
		return -errno;
	if (ret->pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		close(to[1]);
		close(from[0]);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	ret->in = fdopen(to[1], "w");
	ret->out = fdopen(from[0], "r");
	if (!ret->in || !ret->out || !fgets(line, sizeof(line), ret->out))
		return -EPIPE;
	return 0;
}

static void stop_ops(struct target_process *t)
{
	fclose(t->in);
	fclose(t->out);
	(void)waitpid(t->pid, NULL, 0);
}

/* CPU nanoseconds an operation; < 0 when the program is gone. */
static double run_op(struct target_process *t, const char *op, unsigned n)
{
	double cpu;
	char line[64];

	fprintf(t->in, "%s %u\n", op, n);
	fflush(t->in);
	if (!fgets(line, sizeof(line), t->out) || sscanf(line, "%lf", &cpu) != 1)
		return -1;
	return cpu;
}

/* --- capture -------------------------------------------------------------------------------------
 */

static int on_process_new(void *ctx, pid_t pid, uint64_t time_ns)
{
	struct sink_state *s = ctx;
	struct proc_info info = {.pid = pid, .attached_ns = time_ns};

	return s->model ? model_proc_add(s->model, &info) : 0;
}

static void on_process_exited(void *ctx, unsigned proc, uint64_t time_ns, const int *status)
{
}

static void on_events(void *ctx, struct event *events, size_t n)
{
	struct sink_state *s = ctx;

	s->events += n;
	if (s->model)
		model_apply(s->model, events, n);
}

static void on_lost(void *ctx, const struct capture_lost *lost, uint64_t time_ns)
{
}

struct bench {
	struct target *target;
	struct names *names;
	struct target_process ops;
	struct sink_state sink_state;
	struct capture_sink sink;
};

static int start_capture(struct bench *b, const uint32_t rates[RATES], struct capture **ret)
{
	struct capture_config config = {.pid = b->ops.pid, .readers = 3};
	struct capture *c;
	int err;

	memcpy(config.rates, rates, sizeof(config.rates));
	err = capture_new(&config, b->target, b->names, &b->sink, &c);
	if (err)
		return err;
	err = capture_attach(c);
	if (!err)
		err = capture_start(c);
	if (err) {
		capture_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

/* --- cost in the traced thread
 * --------------------------------------------------------------------- */

static int attach_empty(struct bench *b, const struct probe_site *sites, size_t n, int *fds)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", b->ops.pid);
	for (size_t i = 0; i < n; i++) {
		int err = empty_probe_attach(path, sites[i].file_offset, b->ops.pid, &fds[i]);

		if (err) {
			while (i--)
				close(fds[i]);
			return err;
		}
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

struct op {
	const char *name, *rates;
	unsigned count;
};

static void print_cost(const char *name, double hits, double idle, double empty, double ours)
{
	double e = (empty - idle) / hits, o = (ours - idle) / hits;

	printf("%-10s %8.0f %8.2f %10.0f %10.0f %8.2f\n", name, idle, hits, e, o, o / e);
}

static int thread_cost(struct bench *b, const struct op *op)
{
	cleanup_free_ struct probe_site *sites = NULL;
	double idle[ROUNDS], empty[ROUNDS], ours[ROUNDS], hits = 0;
	uint32_t rates[RATES];
	unsigned wants = 0;
	size_t n;
	int err = control_parse_rates(op->rates, rates, NULL, 0);

	for (unsigned t = 0; t < EVENT_TYPES; t++)
		wants |= rates[t] ? 1u << t : 0;
	if (!err)
		err = target_sites(b->target, wants, &sites, &n);
	if (err || n > SITES_MAX)
		return err ? err : -E2BIG;
	for (int i = 0; i < ROUNDS; i++) {
		struct capture_stats stats;
		struct capture *c;
		int fds[SITES_MAX];

		idle[i] = run_op(&b->ops, op->name, op->count);
		err = attach_empty(b, sites, n, fds);
		if (err)
			return err;
		empty[i] = run_op(&b->ops, op->name, op->count);
		for (size_t k = 0; k < n; k++)
			close(fds[k]);
		err = start_capture(b, rates, &c);
		if (err)
			return err;
		ours[i] = run_op(&b->ops, op->name, op->count);
		capture_stats(c, &stats);
		hits = (double)stats.hits / op->count;
		capture_free(c);
	}
	print_cost(op->name, hits, median(idle, ROUNDS), median(empty, ROUNDS),
		   median(ours, ROUNDS));
	return 0;
}

/* --- cost in user space
 * ------------------------------------------------------------------------------ */

static int flood(struct bench *b, const struct op *op, const char *name)
{
	struct capture_stats stats;
	uint32_t rates[RATES];
	uint64_t lost = 0, start, took;
	struct capture *c;
	int err = control_parse_rates(op->rates, rates, NULL, 0);

	if (!err)
		err = start_capture(b, rates, &c);
	if (err)
		return err;
	start = monotonic_ns();
	(void)run_op(&b->ops, op->name, op->count);
	took = monotonic_ns() - start;
	capture_stop(c);
	capture_stats(c, &stats);
	capture_free(c);
	for (unsigned t = 0; t < EVENT_TYPES; t++)
		lost += stats.lost[t];
	printf("%-10s to %-6s %9.0f events/s %6.0f ns CPU an event %8lu lost\n", op->name, name,
	       (double)stats.delivered / (double)took * 1e9,
	       (double)stats.deliver_ns_sum / (double)stats.delivered, (unsigned long)lost);
	return 0;
}

static int with_model(struct bench *b, const struct op *ops, size_t n)
{
	struct model_config config = {
		.retain = 1000000, .retain_exited = 10000, .workers = 1, .names = b->names};
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		err = model_new(&config, &b->sink_state.model);
		if (!err)
			err = flood(b, &ops[i], "model");
		model_free(b->sink_state.model);
		b->sink_state.model = NULL;
	}
	return err;
}

/* `only`: one operation, in the traced program; NULL: all of it. */
static int run(struct bench *b, const char *only)
{
	static const struct op costs[] = {
		{"newobject", "newobject:1", 40000},
		{"makeslice", "makeslice:1", 40000},
		{"makemap", "makemap:1", 20000},
		{"gosched", "casgstatus:1", 20000},
		{"pingpong", "casgstatus:1", 10000},
		{"spawn", "newgoroutine:1,goexit:1", 10000},
		{"spawn", "casgstatus:1,newgoroutine:1,goexit:1", 10000},
	};
	static const struct op floods[] = {
		{"newobject", "newobject:1", 1500000},
		{"spawn", "casgstatus:1,newgoroutine:1,goexit:1", 100000},
	};
	int err = 0;

	printf("In the traced program (CPU ns, medians of %d rounds)\n", ROUNDS);
	printf("%-10s %8s %8s %10s %10s %8s\n", "operation", "untraced", "hits/op", "empty/hit",
	       "ours/hit", "ratio");
	for (size_t i = 0; i < ARRAY_SIZE(costs) && !err; i++)
		if (!only || strcmp(only, costs[i].name) == 0)
			err = thread_cost(b, &costs[i]);
	if (only)
		return err;
	printf("\nIn user space\n");
	for (size_t i = 0; i < ARRAY_SIZE(floods) && !err; i++)
		err = flood(b, &floods[i], "count");
	return err ? err : with_model(b, floods, ARRAY_SIZE(floods));
}

int main(int argc, char **argv)
{
	struct bench b = {0};
	int err;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: capture_cost OPS_BINARY [OPERATION]\n");
		return 2;
	}
	b.sink = (struct capture_sink){.ctx = &b.sink_state,
				       .process_new = on_process_new,
				       .process_exited = on_process_exited,
				       .events = on_events,
				       .lost = on_lost};
	err = target_open(argv[1], &b.target);
	if (!err)
		err = names_new(1 << 20, &b.names);
	if (!err)
		err = start_ops(argv[1], &b.ops);
	if (!err) {
		err = run(&b, argv[2]);
		stop_ops(&b.ops);
	}
	names_free(b.names);
	target_free(b.target);
	if (err)
		fprintf(stderr, "capture_cost: %s\n", strerror(-err));
	return err ? 1 : 0;
}
