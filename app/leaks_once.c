/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A run without outputs, probes and a loop. See leaks_once.h. */
#include "app/leaks_once.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/exit_status.h"
#include "app/print.h"
#include "app/run.h"
#include "core/base/privilege.h"
#include "core/engine/onlooker.h"
#include "core/memory/leak_report.h"
#include "core/target/process.h"
#include "core/view/problems/problem_memory.h"

#define LOOKS       3
#define PATIENCE_NS (60 * NS_PER_SEC) /* no look begins after so long */

struct once {
	struct run r;
	struct onlooker *onlooker;
	size_t leaked;
};

static int open_process(struct once *o)
{
	pid_t pid = (pid_t)o->r.config->pid;
	int err = process_check(pid);

	if (!err)
		err = go_program_open(pid, &o->r.target, &o->r.program);
	return err == -ENOENT ? -ESRCH : err;
}

static int make(struct once *o)
{
	struct engine_config ec = {.level = PROBES_NONE};
	struct run *r = &o->r;
	int err = run_make_model(r, wall_offset_ns());

	if (!err)
		err = onlooker_new(r->model, r->target, (pid_t)r->config->pid, r->program.path,
				   &o->onlooker);
	if (err)
		return err;
	ec.model = r->model;
	ec.meter = r->meter;
	ec.source = onlooker_source(o->onlooker);
	ec.workers = r->workers;
	memcpy(ec.rates, r->config->rates, sizeof(ec.rates));
	err = engine_new(&ec, &r->engine);
	if (err)
		return err;
	engine_answers(r->engine, &r->live);
	engine_controls(r->engine, &r->control);
	return engine_prepare(r->engine);
}

/* Why there can be no verdict. */
static int explain(const struct once *o, int err)
{
	unsigned long long pid = o->r.config->pid;

	switch (err) {
	case 0:
		return 0;
	case -ESRCH:
		return log_error(err, "process %llu has ended", pid);
	case -EPERM:
	case -EACCES:
		return log_error(-EPERM,
				 "the memory of process %llu may not be read: root, or "
				 "CAP_SYS_PTRACE, may",
				 pid);
	case -ENOSYS:
		return log_error(-ENOTSUP, "process %llu: the heap of this program cannot be found",
				 pid);
	case -E2BIG:
		return log_error(err, "process %llu: there is too much of its heap", pid);
	default:
		return log_error(err, "process %llu: its memory cannot be read: %s", pid,
				 strerror(-err));
	}
}

/* There is no second look here, as there is for who reads a file again: where a pass was disturbed,
 * and who was named by the others would be proven by some more, it goes on. */
static int look_often(struct once *o, struct leak_report **ret)
{
	struct live *live = &o->r.live;
	uint64_t until_ns = monotonic_ns() + PATIENCE_NS;
	bool late, again;
	int err;

	for (unsigned i = 0;; i++) {
		err = engine_look_for_leaks(o->r.engine, 0);
		if (!err)
			err = live->leaks(live->ctx, 0, ret, &late);
		if (err)
			return explain(o, err);
		again = (*ret)->steady && i + 1 < LOOKS && monotonic_ns() < until_ns;
		if (!again)
			return 0;
		live->leaks_put(live->ctx, *ret);
	}
}

static int look(struct once *o)
{
	cleanup_buf_ struct buf out = BUF_INIT;
	struct view_query q = {.form = VIEW_TEXT};
	struct run *r = &o->r;
	struct leak_report *report;
	int err = engine_start(r->engine, true);

	if (!err)
		err = look_often(o, &report);
	if (err)
		return err;
	o->leaked = leak_report_leaked(report);
	r->live.leaks_put(r->live.ctx, report);
	err = view_leaks(&r->view, &q, &out);
	return err ? err : print_buf(&out);
}

static void done(struct once *o)
{
	struct run *r = &o->r;

	engine_free(r->engine);
	onlooker_free(o->onlooker);
	model_free(r->model);
	meter_free(r->meter);
	problem_memory_free(r->problems);
	names_free(r->names);
	target_free(r->target);
	go_program_close(&r->program);
}

int leaks_once(const struct config *config)
{
	struct once o = {.r = {.config = config, .background_fd = -1, .program = {.fd = -1}}};
	enum exit_status status;
	int err;

	(void)privilege_keep(CAP_BIT(CAP_SYS_PTRACE) | CAP_BIT(CAP_DAC_READ_SEARCH));
	err = open_process(&o);
	if (!err)
		err = make(&o);
	if (!err)
		err = look(&o);
	status = exit_status(err);
	done(&o);
	if (err)
		return status == EXIT_ERROR ? EXIT_USAGE : status;
	return o.leaked ? EXIT_ERROR : EXIT_FINE;
}
