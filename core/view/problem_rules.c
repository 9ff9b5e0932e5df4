/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of what is looked for. See problem_rules.h. */
#include "core/view/problem_rules.h"

#include <string.h>

#include "core/base/util.h"
#include "core/model/functions.h"
#include "core/view/emit.h"
#include "core/view/live.h"
#include "core/view/view_internal.h"

#define S  NS_PER_SEC
#define MS 1000000ull

/* What comes and goes with requests, or from second to second, is told on for as long. */
#define STAYS (10 * S)

const struct problem_rule problem_rules[PROBLEM_KINDS] = {
	[PROBLEM_TARGET] =
		{
			.name = "target",
			.needs = NEEDS_NOTHING,
			.number = 2,
			.same = SAME_KIND,
			.says = "the program has ended, or is stopped (by a signal, a "
				"debugger or its cgroup) at {n} readings or more, a second apart",
		},
	[PROBLEM_BLOCKED] =
		{
			.name = "blocked",
			.needs = NEEDS_STACKS | NEEDS_ALL,
			.number = 5,
			.ns = 5 * S,
			.stays_ns = STAYS,
			.says = "{n} or more in one place that send on a channel, the oldest for "
				"{t} or longer",
		},
	[PROBLEM_CONVOY] =
		{
			.name = "convoy",
			.needs = NEEDS_STACKS | NEEDS_OBJECTS | NEEDS_ALL,
			.number = 5,
			.ns = 50 * MS,
			.stays_ns = STAYS,
			.says = "{n} or more that wait for one lock, the longest for {t} or "
				"longer",
		},
	[PROBLEM_DOWNSTREAM] =
		{
			.name = "downstream",
			.needs = NEEDS_STACKS | NEEDS_ALL,
			.number = 10,
			.ns = S,
			.stays_ns = STAYS,
			.says = "{n} or more in one place that wait for the answer to an HTTP "
				"request of theirs, the oldest for {t} or longer",
		},
	[PROBLEM_WORK] =
		{
			.name = "work",
			.needs = NEEDS_STACKS | NEEDS_ALL,
			.number = 20,
			.ns = 2 * S,
			.stays_ns = STAYS,
			.says = "{n} or more that wait in one place of the program below a "
				"server's goroutine (they are in the middle of work), or anywhere "
				"for a connection of a database/sql pool, the oldest for {t} or "
				"longer",
		},
	[PROBLEM_CALLS] =
		{
			.name = "syscalls",
			.needs = NEEDS_STACKS | NEEDS_ALL | NEEDS_EVENTS,
			.number = 10,
			.ns = WAIT_CALL_NS,
			.stays_ns = STAYS,
			.says = "{n} or more in one place below a server's goroutine, or {calls} "
				"or more elsewhere, that have been in a system call, or in C "
				"code, for {t} or longer, each with a thread of its own (but for "
				"who waits for a process)",
		},
	[PROBLEM_INIT] =
		{
			.name = "init",
			.needs = NEEDS_STACKS | NEEDS_ALL,
			.ns = 10 * S,
			.stays_ns = STAYS,
			.same = SAME_KIND,
			.says = "the first goroutine has waited in a function init for {t} or "
				"longer: main has not begun",
		},
	[PROBLEM_FINALIZER] =
		{
			.name = "finalizer",
			.needs = NEEDS_STACKS | NEEDS_ALL,
			.ns = 10 * S,
			.stays_ns = STAYS,
			.same = SAME_KIND,
			.says = "a goroutine of the runtime's that calls finalizers or cleanups "
				"has waited in one of the program's for {t} or longer: those "
				"behind it are not called",
		},
	[PROBLEM_ENDED] =
		{
			.name = "ended",
			.needs = NEEDS_RUNNING | NEEDS_ALL,
			.number = 4,
			.ns = 10 * S,
			.says = "all goroutines, at most {n}, that began at a function of the "
				"program's have ended, {ended} s ago or longer, the last after "
				"{t} or more (with probes, or it was there before us; by memory "
				"alone also after less while senders are blocked), and were not "
				"made for a request; critical while senders are blocked (see "
				"blocked), else a notice, for {shown} minutes, where it is known "
				"who made it: they may have been done",
		},
	[PROBLEM_LEAK] =
		{
			.name = "leak",
			.needs = NEEDS_LEAKS,
			.number = 1,
			.says = "{n} or more of which memory proves that nothing can wake them; "
				"or that likely wait for each other, over what is in reach, at "
				"ten looks in a row, more than a second in all",
		},
	[PROBLEM_GROWING] =
		{
			.name = "growing",
			.needs = NEEDS_PAST | NEEDS_ALL,
			.number = 20,
			.ns = 60 * S,
			.percent = 50,
			.says = "{n} and {p} % more goroutines of one start function than {t} "
				"ago (or since attached, or within a quarter of an hour, or as "
				"far back as it has been watched), in more than one step, and "
				"never many fewer meanwhile; over more than 20 minutes when the "
				"last quarter of that time had half of its pace or more",
		},
	[PROBLEM_LATENCY] =
		{
			.name = "latency",
			.needs = NEEDS_PAST | NEEDS_EVENTS,
			.number = 100,
			.ns = 40 * MS,
			.percent = 1,
			.over_ns = 60 * S,
			.stays_ns = STAYS,
			.same = SAME_KIND,
			.says = "{p} % of {n} or more waits for a processor in the last {o} took "
				"{t} or longer, and so it was in {steps} or more of that time's "
				"steps of {step} s; a notice where samples say that the program "
				"took "
				"less than {calm} % of one, and no function of its own {named} % "
				"and half of that: the machine is busy with others",
		},
	[PROBLEM_CPU] =
		{
			.name = "cpu",
			.needs = NEEDS_CPU,
			.number = 25,
			.ns = 20 * MS,
			.percent = 60,
			.over_ns = SAMPLES_OVER_S * S,
			.stays_ns = STAYS,
			.says = "{p} % of the program's CPU time, and {n} % of a processor, or "
				"more, spent in one function of its own, or below it, or in "
				"runtime.Gosched, in the "
				"last {o}, by samples (on a machine that is short of processors "
				"{starved} %, and {n} with what its threads waited for one); "
				"without them goroutines of one start function that were running "
				"or waiting for a CPU of the machine for {p} % of a processor or "
				"more in the last {events} s, for {t} or more between two waits",
		},
	[PROBLEM_TIMERS] =
		{
			.name = "timers",
			.needs = NEEDS_CPU,
			.number = 2000,
			.ns = 200 * 1000,
			.percent = 10,
			.over_ns = SAMPLES_OVER_S * S,
			.stays_ns = STAYS,
			.says = "goroutines of one start function that woke {n} times or more a "
				"second from a sleep, over {events} s, and ran for less than {t} "
				"then; without events {p} % of the program's CPU time in the "
				"last {o}, by samples, for going to sleep and waking, where "
				"goroutines are given a processor {n} times a second or more, "
				"over {judged} s, for less than {t}; or {p} % of that time for the "
				"runtime's work on timers that are due, and {starved} % of a "
				"processor",
		},
	[PROBLEM_STARTS] =
		{
			.name = "starts",
			.needs = NEEDS_PAST | NEEDS_STARTS,
			.number = 5000,
			.over_ns = 10 * S,
			.stays_ns = STAYS,
			.says = "{n} or more goroutines of one start function started a second, "
				"over {o}, and half as many in each half of that; without events "
				"of whatever function, over {judged} s, by the numbers that the "
				"runtime has given them",
		},
	[PROBLEM_ALLOCATION] =
		{
			.name = "allocation",
			.needs = NEEDS_ALLOCS,
			.number = 64 << 20,
			.percent = 20,
			.over_ns = LIVE_JUDGED_NS,
			.stays_ns = STAYS,
			.same = SAME_KIND,
			.says = "{n} bytes or more allocated a second, by the runtime's count "
				"over {o}; or, by samples over {samples} s, {calm} % of the "
				"program's "
				"CPU time outside the kernel, and {named} % of a processor, for "
				"that and for collecting (on a machine that is short of "
				"processors {short} %, and {named} with what its threads waited "
				"for "
				"one, where one place asks for {calm} %); who asked for {p} % or "
				"more",
		},
	[PROBLEM_HEAP] =
		{
			.name = "heap",
			.needs = NEEDS_HEAP | NEEDS_RUNNING,
			.number = HEAP_GROWS_BYTES,
			.ns = HEAP_GROWS_NS,
			.percent = HEAP_GROWS_PERCENT,
			.same = SAME_KIND,
			.says = "{n} bytes and {p} % more are live after a collection than {t} "
				"or longer ago, {cycles} or more collections ago, in more than "
				"one step, never down by a tenth, and in the last quarter of "
				"that time at half of its pace or more; a warning when twice as "
				"much; whose it is by the heap profile that the program keeps of "
				"itself, if it does",
		},
	[PROBLEM_FILES] =
		{
			.name = "files",
			.needs = NEEDS_FILES | NEEDS_RUNNING,
			.percent = 80,
			.stays_ns = STAYS,
			.same = SAME_KIND,
			.says = "{p} % of the descriptors that the process may have are open; "
				"critical from {full} % on",
		},
	[PROBLEM_GC] =
		{
			.name = "gc",
			.needs = NEEDS_CPU,
			.percent = 25,
			.over_ns = SAMPLES_OVER_S * S,
			.stays_ns = STAYS,
			.same = SAME_KIND,
			.says = "collecting garbage, and helping with it, takes {p} % of a "
				"processor or more, and of the program's time, in the last {o} "
				"by samples, without them in the last {events} s by events",
		},
	[PROBLEM_COST] =
		{
			.name = "cost",
			.needs = NEEDS_METER | NEEDS_RUNNING,
			.number = 50,
			.ns = 20 * MS,
			.percent = 10,
			.over_ns = COST_OVER_S * S,
			.stays_ns = STAYS,
			.same = SAME_KIND,
			.says = "our probes take {p} % of the program's CPU time or more, by "
				"estimate, and {t} or more a second, in most of the last {o}; a "
				"warning from {n} % on",
		},
	[PROBLEM_LOST] =
		{
			.name = "lost",
			.needs = NEEDS_NOTHING,
			.number = 1,
			.percent = 50,
			.same = SAME_KIND,
			.says = "{n} or more events or figures lost; no mere notice where that "
				"is more than {p} % of the events, or of a session",
		},
	[PROBLEM_AUDIT] =
		{
			.name = "audit",
			.needs = NEEDS_LIVE,
			.number = 1,
			.same = SAME_KIND,
			.says = "{n} or more differences between what events and memory tell",
		},
};

/* Thresholds that are not the first of their kind, as texts name them. */
static const struct {
	const char *word;
	uint64_t value;
} others[] = {
	{"calm", CALM_PERCENT},         {"named", NAMED_PERCENT},      {"starved", STARVED_PERCENT},
	{"steps", LATE_STEPS},          {"events", EVENTS_OVER_S},     {"ended", ENDED_FOR_S},
	{"shown", ENDED_SHOWN_MIN},     {"cycles", HEAP_GROWS_CYCLES}, {"full", FILES_FULL},
	{"calls", CALLS_OF_OWN},        {"short", NAMED_PERCENT / 2},  {"samples", SAMPLES_OVER_S},
	{"judged", LIVE_JUDGED_NS / S}, {"step", PAST_STEP_NS / S},
};

static void add_value(const struct problem_rule *rule, const char *word, size_t len,
		      struct buf *out)
{
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		if (strlen(others[i].word) == len && !memcmp(others[i].word, word, len))
			buf_addu(out, others[i].value);
	}
	if (len != 1)
		return;
	if (*word == 'n')
		buf_addu(out, rule->number);
	else if (*word == 'p')
		buf_addu(out, rule->percent);
	else
		emit_duration(out, *word == 'o' ? rule->over_ns : rule->ns);
}

void problem_rule_add(const struct problem_rule *rule, struct buf *out)
{
	for (const char *c = rule->says; *c; c++) {
		size_t len = *c == '{' ? strcspn(c + 1, "}") : 0;

		if (!len) {
			buf_addc(out, *c);
			continue;
		}
		add_value(rule, c + 1, len, out);
		c += len + 1;
	}
	if (rule->stays_ns) {
		buf_adds(out, "; told on for ");
		emit_duration(out, rule->stays_ns);
	}
}

const struct problem_rule *problem_rule_told(unsigned i)
{
	return &problem_rules[(i + 1) % PROBLEM_KINDS];
}

/* All of them, also what cannot be seen just now: `problems` says which that is. */
int view_looked_for(const struct view *v, struct view_query *q, struct buf *out)
{
	for (unsigned i = 0; i < PROBLEM_KINDS; i++) {
		const struct problem_rule *rule = problem_rule_told(i);

		buf_addf(out, "%s: ", rule->name);
		problem_rule_add(rule, out);
		buf_addc(out, '\n');
	}
	return buf_error(out);
}
