/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of what is looked for. See problem_rules.h. */
#include "core/view/problem_rules.h"

#include "core/base/util.h"
#include "core/view/emit.h"
#include "core/view/live.h"
#include "core/view/wait_stacks.h"

#define S           NS_PER_SEC
#define MS          1000000ull
#define TEXT_OF(x)  TEXT_OF_(x)
#define TEXT_OF_(x) #x

/* What comes and goes with requests, or from second to second, is told on for as long. */
#define STAYS (10 * S)

const struct problem_rule problem_rules[PROBLEM_KINDS] = {
	[PROBLEM_TARGET] = {"target", NEEDS_NOTHING, 2, 0, 0, 0, 0, SAME_KIND,
			    "the program has ended, or is stopped (by a signal or a debugger) at "
			    "{n} readings or more, a second apart"},
	[PROBLEM_BLOCKED] = {"blocked", NEEDS_STACKS | NEEDS_ALL, 5, 5 * S, 0, 0, STAYS,
			     SAME_FUNCTION,
			     "{n} or more in one place that send on a channel, the oldest for {t} "
			     "or longer"},
	[PROBLEM_CONVOY] = {"convoy", NEEDS_STACKS | NEEDS_OBJECTS | NEEDS_ALL, 5, 50 * MS, 0, 0,
			    STAYS, SAME_FUNCTION,
			    "{n} or more that wait for one lock, the longest for {t} or longer"},
	[PROBLEM_DOWNSTREAM] = {"downstream", NEEDS_STACKS | NEEDS_ALL, 10, S, 0, 0, STAYS,
				SAME_FUNCTION,
				"{n} or more in one place that wait for the answer to an HTTP "
				"request of theirs, the oldest for {t} or longer"},
	[PROBLEM_WORK] = {"work", NEEDS_STACKS | NEEDS_ALL, 20, 2 * S, 0, 0, STAYS, SAME_FUNCTION,
			  "{n} or more that wait in one place of the program below a server's "
			  "goroutine (they are in the middle of work), the oldest for {t} or "
			  "longer"},
	[PROBLEM_CALLS] =
		{"syscalls", NEEDS_STACKS | NEEDS_ALL | NEEDS_EVENTS, 10, WAIT_CALL_NS, 0, 0, STAYS,
		 SAME_FUNCTION,
		 "{n} or more in one place that have been in a system call, or in C code, for {t} "
		 "or "
		 "longer, each with a thread of its own (but for who waits for a process)"},
	[PROBLEM_INIT] = {"init", NEEDS_STACKS | NEEDS_ALL, 0, 10 * S, 0, 0, STAYS, SAME_KIND,
			  "the first goroutine has waited in a function init for {t} or longer: "
			  "main has not begun"},
	[PROBLEM_FINALIZER] = {"finalizer", NEEDS_STACKS | NEEDS_ALL, 0, 10 * S, 0, 0, STAYS,
			       SAME_KIND,
			       "a goroutine of the runtime's that calls finalizers or cleanups has "
			       "waited in one of the program's for {t} or longer: those behind it "
			       "are not called"},
	[PROBLEM_ENDED] =
		{"ended", NEEDS_RUNNING | NEEDS_ALL, 4, 10 * S, 0, 0, 0, SAME_FUNCTION,
		 "all goroutines, at most {n}, that began at a function of the program's have "
		 "ended, " TEXT_OF(
			 ENDED_FOR_S) " s ago or longer, the last after {t} or more (with "
				      "probes, or it was "
				      "there before us; by memory alone also after less while "
				      "senders are blocked), "
				      "and were not made for a request; critical while senders are "
				      "blocked (see "
				      "blocked), else a notice, for " TEXT_OF(
					      ENDED_SHOWN_MIN) " minutes, where it is known who "
							       "made it: they may have been done"},
	[PROBLEM_LEAK] = {"leak", NEEDS_LEAKS, 1, 0, 0, 0, 0, SAME_FUNCTION,
			  "{n} or more of which memory proves that nothing can wake them"},
	[PROBLEM_GROWING] = {"growing", NEEDS_PAST | NEEDS_ALL, 20, 60 * S, 50, 0, 0, SAME_FUNCTION,
			     "{n} and {p} % more goroutines of one start function than {t} ago (or "
			     "since attached, or within a quarter of an hour, or as far back as it "
			     "has been watched), in more than one step, and never many fewer "
			     "meanwhile; over more than 20 minutes when the last quarter of that "
			     "time had half of its pace or more"},
	[PROBLEM_LATENCY] =
		{"latency", NEEDS_PAST | NEEDS_EVENTS, 100, 40 * MS, 1, 60 * S, STAYS, SAME_KIND,
		 "{p} % of {n} or more waits for a processor in the last {o} took {t} or longer, "
		 "and so it was in " TEXT_OF(
			 LATE_STEPS) " or more of that time's steps of 5 s; a "
				     "notice where samples say that the program took less "
				     "than " TEXT_OF(CALM_PERCENT) " % of one, and no function of "
								   "its own " TEXT_OF(
									   NAMED_PERCENT) " % and "
											  "half of "
											  "that: "
											  "the "
											  "machine "
											  "is busy "
											  "with "
											  "others"},
	[PROBLEM_CPU] =
		{"cpu", NEEDS_CPU, 25, 20 * MS, 60, 10 * S, STAYS, SAME_FUNCTION,
		 "{p} % of the program's CPU time, and {n} % of a processor, or more, spent in "
		 "one function of its own, or below it, in the last {o}, by samples (on a machine "
		 "that is short of processors " TEXT_OF(
			 STARVED_PERCENT) " %, and {n} with what "
					  "its threads waited for one); without them goroutines of "
					  "one start function that "
					  "were running or waiting for a CPU of the machine for "
					  "{p} % of a processor or "
					  "more in the last " TEXT_OF(
						  EVENTS_OVER_S) " s, for {t} or more between two "
								 "waits"},
	[PROBLEM_TIMERS] =
		{"timers", NEEDS_CPU, 2000, 200 * 1000, 10, 10 * S, STAYS, SAME_FUNCTION,
		 "goroutines of one start function that woke {n} times or more a second from a "
		 "sleep, over " TEXT_OF(
			 EVENTS_OVER_S) " s, and ran for less than {t} then; "
					"without events {p} % of the program's CPU time in the "
					"last {o}, by samples, for "
					"going to sleep and waking, where goroutines are given a "
					"processor {n} times a "
					"second or more, over 5 s, for less than {t}"},
	[PROBLEM_STARTS] = {"starts", NEEDS_PAST | NEEDS_EVENTS, 5000, 0, 0, 10 * S, STAYS,
			    SAME_FUNCTION,
			    "{n} or more goroutines of one start function started a second, over "
			    "{o}, and half as many in each half of that"},
	[PROBLEM_ALLOCATION] =
		{"allocation", NEEDS_ALLOCS, 64 << 20, 0, 20, LIVE_JUDGED_NS, STAYS, SAME_KIND,
		 "{n} bytes or more allocated a second, by the runtime's count over {o}; or, by "
		 "samples over 10 s, " TEXT_OF(
			 CALM_PERCENT) " % of the program's CPU time outside "
				       "the kernel, and " TEXT_OF(
					       NAMED_PERCENT) " % of a processor, for that and for "
							      "collecting (on a machine that is "
							      "short of processors 5 %, "
							      "and " TEXT_OF(
								      NAMED_PERCENT) " with what "
										     "its threads "
										     "waited for "
										     "one, where "
										     "one place "
										     "asks "
										     "for " TEXT_OF(
											     CALM_PERCENT) " %); who asked for {p} % or more"},
	[PROBLEM_HEAP] =
		{"heap", NEEDS_HEAP | NEEDS_RUNNING, HEAP_GROWS_BYTES, HEAP_GROWS_NS,
		 HEAP_GROWS_PERCENT, 0, 0, SAME_KIND,
		 "{n} bytes and {p} % more are live after a collection than {t} or longer "
		 "ago, " TEXT_OF(
			 HEAP_GROWS_CYCLES) " or more collections ago, in more than one step, "
					    "never down by a tenth, and in the last quarter of "
					    "that time at half of its pace "
					    "or more; a warning when twice as much"},
	[PROBLEM_FILES] = {"files", NEEDS_FILES | NEEDS_RUNNING, 0, 0, 80, 0, STAYS, SAME_KIND,
			   "{p} % of the descriptors that the process may have are open; critical "
			   "from " TEXT_OF(FILES_FULL) " % on"},
	[PROBLEM_GC] = {"gc", NEEDS_CPU, 0, 0, 25, 10 * S, STAYS, SAME_KIND,
			"collecting garbage, and helping with it, takes {p} % of a processor or "
			"more, and of the program's time, in the last {o} by samples, without "
			"them in the last " TEXT_OF(EVENTS_OVER_S) " s by events"},
	[PROBLEM_COST] = {"cost", NEEDS_METER | NEEDS_RUNNING, 50, 20 * MS, 10, 5 * S, STAYS,
			  SAME_KIND,
			  "our probes take {p} % of the program's CPU time or more, by estimate, "
			  "and {t} or more a second, in most of the last {o}; a warning from {n} % "
			  "on"},
	[PROBLEM_LOST] = {"lost", NEEDS_NOTHING, 1, 0, 50, 0, 0, SAME_KIND,
			  "{n} or more events or figures lost; no mere notice where that is more "
			  "than {p} % of the events, or of a session"},
	[PROBLEM_AUDIT] = {"audit", NEEDS_LIVE, 1, 0, 0, 0, 0, SAME_KIND,
			   "{n} or more differences between what events and memory tell"},
};

void problem_rule_add(const struct problem_rule *rule, struct buf *out)
{
	for (const char *c = rule->says; *c; c++) {
		if (*c != '{') {
			buf_addc(out, *c);
			continue;
		}
		if (c[1] == 'n')
			buf_addu(out, rule->number);
		else if (c[1] == 'p')
			buf_addu(out, rule->percent);
		else
			emit_duration(out, c[1] == 'o' ? rule->over_ns : rule->ns);
		c += 2;
	}
	if (rule->stays_ns) {
		buf_adds(out, "; told on for ");
		emit_duration(out, rule->stays_ns);
	}
}
