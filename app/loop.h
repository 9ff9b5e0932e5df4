/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the main thread waits for: signals, the second's tick, and what other threads post. One
 * loop a process; loop_post() and loop_asked() may come from any thread, the rest from the main
 * thread only.
 *
 * Signals are taken by a thread of their own, whatever the main thread is waiting for. The first
 * one asks for the end; a second one ends the process at once, by that signal; and if a step of
 * the end, or the way to it, takes longer than 45 s, that thread says which and ends the process.
 */
#ifndef XGOTOPFS_APP_LOOP_H
#define XGOTOPFS_APP_LOOP_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum loop_event {
	LOOP_SIGNAL = 1 << 0,    /* SIGINT, SIGTERM or SIGHUP: loop_signal() tells which */
	LOOP_CHILD = 1 << 1,     /* SIGCHLD */
	LOOP_TICK = 1 << 2,      /* a second went by */
	LOOP_UNMOUNTED = 1 << 3, /* the tree is no longer served */
	LOOP_EXITED = 1 << 4,    /* a traced process ended, or the replay has come to its end */
	LOOP_STDOUT = 1 << 5,    /* stdout takes no more */
	LOOP_FILE = 1 << 6,      /* something happened to the traced file */
};

struct loop;

/* The signals the loop takes; block them (and keep the old mask) before any thread is made. */
void loop_block_signals(sigset_t *ret_old);

int loop_new(struct loop **ret);
void loop_free(struct loop *l);

void loop_post(struct loop *l, enum loop_event event);
/* Sleeps until something happened and returns the events, at least one. */
unsigned loop_wait(struct loop *l);

/* The last signal of LOOP_SIGNAL, and whether a process sent it (a terminal's Ctrl-C goes to the
 * whole process group by itself). */
int loop_signal(const struct loop *l, bool *ret_sent);
/* It asked somebody else to end, for whom we wait: the next one is a first one again. */
void loop_signal_passed_on(struct loop *l);

/* Did a signal ask for the end? For those who wait for something; as long as the loop lives. */
const atomic_bool *loop_asked(const struct loop *l);

/* The next step of the start, as it is called in a message ("reading the program"): where stderr is
 * a terminal and the start takes more than a second, it is told there. NULL: it has started. */
void loop_starting(struct loop *l, const char *step);

/* The next step of the end, as it is called in a message ("writing the session"). */
void loop_ending(struct loop *l, const char *step);
/* The same for one that has an end of its own, and may take long as long as it gets on. */
void loop_ending_by_itself(struct loop *l, const char *step);
/* Should it end the process, a second signal or a step that takes too long, this byte is sent there
 * first, a socket, and nothing waited for. Taken over, and closed with the loop. Once; then -1: not
 * any more. */
void loop_last_word(struct loop *l, int fd, char word);
/* How long a step may take; 45 s. */
void loop_set_patience(struct loop *l, uint64_t ns);

#endif
