/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * timerfd and an eventfd under one poll(2), and the thread that takes signals; see loop.h. That
 * thread waits for nothing but signals and time, holds no lock and calls nothing that could, so
 * that it can end the process when everything else is stuck.
 */
#include "app/loop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "app/exit_status.h"
#include "core/base/log.h"
#include "core/base/privilege.h"
#include "core/base/thread.h"
#include "core/base/util.h"

/* `timeout` and systemd send two signals at once that mean one. */
#define AGAIN_NS (250 * 1000000ull)
#define STEP_NS  (45 * NS_PER_SEC) /* no step of the end takes so long */
#define LOOK_MS  500

/* Who sits before a terminal is told what a start is at that takes so long, and again. */
#define START_SILENT_NS (NS_PER_SEC)
#define START_AGAIN_NS  (5 * NS_PER_SEC)

#define UNWATCHED UINT64_MAX

struct loop {
	int signal_fd, timer_fd, post_fd, stop_fd;
	int word_fd; /* -1: none */
	char word;
	atomic_bool has_word; /* the two above hold */
	pthread_t thread;
	bool started;
	_Atomic unsigned posted;
	_Atomic int signo;
	atomic_bool sent;
	atomic_bool asked;
	_Atomic uint64_t asked_ns; /* of the first signal nobody has passed on; 0: none */
	_Atomic uint64_t patience_ns;
	_Atomic uint64_t step_ns; /* since when `step` is being done */
	_Atomic(const char *) step;
	_Atomic(const char *) starting; /* NULL: it has started, or there is nobody to tell */
	uint64_t begun_ns, told_ns;     /* of the start: set before the first `starting`; then of
					   the thread of signals */
};

static void our_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGHUP);
	sigaddset(ret, SIGCHLD);
}

void loop_block_signals(sigset_t *ret_old)
{
	sigset_t ours;

	our_signals(&ours);
	sigprocmask(SIG_BLOCK, &ours, ret_old);
	signal(SIGPIPE, SIG_IGN);
}

/* --- the thread of signals ---------------------------------------------------------------------
 */

/* Where a thread of ours cannot end, it keeps our descriptors open, and what depends on their end
 * does not come. */
static void say_last_word(struct loop *l)
{
	if (atomic_exchange(&l->has_word, false))
		(void)send(l->word_fd, &l->word, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* As the signal ends any other program. What is attached is let go of by the keeper
 * (core/capture/keeper.h), what is mounted by whoever unmounts for a process that is killed. */
static _Noreturn void end_by(int signo)
{
	sigset_t set;

	signal(signo, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signo);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(signo);
	_exit(128 + signo);
}

static void take_end(struct loop *l, const struct signalfd_siginfo *info, uint64_t now)
{
	uint64_t first = atomic_load(&l->asked_ns);
	const char *step = atomic_load(&l->step);

	if (first && now - first > AGAIN_NS) {
		log_warn("ended at once%s%s", step ? ", in the midst of: " : "", step ? step : "");
		say_last_word(l);
		end_by((int)info->ssi_signo);
	}
	if (!first) {
		atomic_store(&l->asked_ns, now);
		if (atomic_load(&l->step_ns) != UNWATCHED)
			atomic_store(&l->step_ns, now);
	}
	atomic_store(&l->signo, (int)info->ssi_signo);
	atomic_store(&l->sent, info->ssi_code != SI_KERNEL);
	atomic_store(&l->asked, true);
	loop_post(l, LOOP_SIGNAL);
}

/* What was there together came together, however long this thread had to wait in between. */
static void take_signals(struct loop *l)
{
	uint64_t now = monotonic_ns();
	struct signalfd_siginfo info;

	while (read(l->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			loop_post(l, LOOP_CHILD);
		else
			take_end(l, &info, now);
	}
}

/* The end, once it is asked for or has begun, comes. */
static void watch_end(struct loop *l)
{
	const char *step = atomic_load(&l->step);
	uint64_t since_ns = atomic_load(&l->step_ns);

	if (since_ns == UNWATCHED || (!step && !atomic_load(&l->asked_ns)))
		return;
	if (monotonic_ns() < since_ns + atomic_load(&l->patience_ns))
		return;
	(void)log_error(-ETIMEDOUT,
			"ended without: %s, which does not come to an end; what was attached is "
			"taken out with this process",
			step ? step : "what was begun");
	say_last_word(l);
	_exit(EXIT_ERROR);
}

static void tell_start(struct loop *l)
{
	const char *step = atomic_load(&l->starting);
	uint64_t now = monotonic_ns();

	if (!step || now < l->begun_ns + START_SILENT_NS ||
	    (l->told_ns && now < l->told_ns + START_AGAIN_NS))
		return;
	l->told_ns = now;
	log_info("starting, %.0f s so far: %s", (double)(now - l->begun_ns) / NS_PER_SEC, step);
}

static void *signals_main(void *arg)
{
	struct loop *l = arg;
	struct pollfd fds[] = {{.fd = l->signal_fd, .events = POLLIN},
			       {.fd = l->stop_fd, .events = POLLIN}};

	pthread_setname_np(pthread_self(), "xgotop-signals");
	(void)privilege_keep(0);
	while (!fds[1].revents) {
		bool watching = atomic_load(&l->asked_ns) || atomic_load(&l->step) ||
				atomic_load(&l->starting);

		/* For ever while there is nothing to watch: a signal, or the first step, wakes it.
		 */
		(void)poll(fds, ARRAY_SIZE(fds), watching ? LOOK_MS : -1);
		take_signals(l);
		watch_end(l);
		tell_start(l);
	}
	return NULL;
}

static int start_signals(struct loop *l)
{
	int err = thread_start(&l->thread, signals_main, l);

	l->started = !err;
	return err;
}

/* --- the loop ----------------------------------------------------------------------------------
 */

static void ring(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->started) {
		ring(l->stop_fd);
		/* It waits for what was just rung. */
		pthread_join(l->thread, NULL);
	}
	close_fd(&l->signal_fd);
	close_fd(&l->timer_fd);
	close_fd(&l->post_fd);
	close_fd(&l->stop_fd);
	close_fd(&l->word_fd);
	free(l);
}

int loop_new(struct loop **ret)
{
	struct itimerspec second = {.it_value.tv_sec = 1, .it_interval.tv_sec = 1};
	struct loop *l = calloc(1, sizeof(*l));
	sigset_t ours;
	int err = 0;

	if (!l)
		return log_error(-ENOMEM, "out of memory");
	atomic_store(&l->patience_ns, STEP_NS);
	l->word_fd = -1;
	our_signals(&ours);
	l->signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	l->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->signal_fd < 0 || l->timer_fd < 0 || l->post_fd < 0 || l->stop_fd < 0 ||
	    timerfd_settime(l->timer_fd, 0, &second, NULL)) {
		err = -errno;
		log_error(err, "cannot set up signals and timers: %s", strerror(-err));
	}
	if (!err)
		err = start_signals(l);
	if (err) {
		loop_free(l);
		return err;
	}
	*ret = l;
	return 0;
}

void loop_post(struct loop *l, enum loop_event event)
{
	atomic_fetch_or(&l->posted, (unsigned)event);
	ring(l->post_fd);
}

unsigned loop_wait(struct loop *l)
{
	struct pollfd fds[] = {
		{.fd = l->timer_fd, .events = POLLIN},
		{.fd = l->post_fd, .events = POLLIN},
	};
	unsigned events = 0;
	uint64_t count;

	while (!events) {
		/* The timer rings once a second. */
		(void)poll(fds, ARRAY_SIZE(fds), -1);
		if (read(l->timer_fd, &count, sizeof(count)) == sizeof(count))
			events |= LOOP_TICK;
		if (read(l->post_fd, &count, sizeof(count)) == sizeof(count))
			events |= atomic_exchange(&l->posted, 0);
	}
	return events;
}

int loop_signal(const struct loop *l, bool *ret_sent)
{
	*ret_sent = atomic_load(&l->sent);
	return atomic_load(&l->signo);
}

void loop_signal_passed_on(struct loop *l)
{
	atomic_store(&l->asked, false);
	atomic_store(&l->asked_ns, 0);
}

const atomic_bool *loop_asked(const struct loop *l)
{
	return &l->asked;
}

void loop_last_word(struct loop *l, int fd, char word)
{
	if (fd < 0) {
		atomic_store(&l->has_word, false);
		return;
	}
	l->word_fd = fd;
	l->word = word;
	atomic_store(&l->has_word, true);
}

void loop_set_patience(struct loop *l, uint64_t ns)
{
	atomic_store(&l->patience_ns, ns);
}

/* The thread of signals; to the loop it says nothing new. */
static void wake(struct loop *l)
{
	(void)pthread_kill(l->thread, SIGCHLD);
}

static void begin_step(struct loop *l, const char *step, uint64_t since_ns)
{
	bool first = !atomic_load(&l->step) && !atomic_load(&l->asked_ns);

	atomic_store(&l->step_ns, since_ns);
	atomic_store(&l->step, step);
	if (first)
		wake(l);
}

void loop_starting(struct loop *l, const char *step)
{
	bool first = step && !l->begun_ns;

	if (!isatty(STDERR_FILENO))
		return;
	if (first)
		l->begun_ns = monotonic_ns();
	atomic_store(&l->starting, step);
	if (first)
		wake(l);
}

void loop_ending(struct loop *l, const char *step)
{
	begin_step(l, step, monotonic_ns());
}

void loop_ending_by_itself(struct loop *l, const char *step)
{
	begin_step(l, step, UNWATCHED);
}
