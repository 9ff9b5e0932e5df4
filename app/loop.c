/* signalfd, timerfd and an eventfd under one poll(2). See loop.h. */
#include "app/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "core/base/log.h"
#include "core/base/util.h"

struct loop {
	int signal_fd, timer_fd, post_fd;
	_Atomic unsigned posted;
	int signo;
	bool sent;
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

void loop_free(struct loop *l)
{
	if (!l)
		return;
	close_fd(&l->signal_fd);
	close_fd(&l->timer_fd);
	close_fd(&l->post_fd);
	free(l);
}

int loop_new(struct loop **ret)
{
	struct itimerspec second = {.it_value.tv_sec = 1, .it_interval.tv_sec = 1};
	struct loop *l = calloc(1, sizeof(*l));
	sigset_t ours;
	int err;

	if (!l)
		return -ENOMEM;
	our_signals(&ours);
	l->signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	l->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->signal_fd < 0 || l->timer_fd < 0 || l->post_fd < 0 ||
	    timerfd_settime(l->timer_fd, 0, &second, NULL)) {
		err = -errno;
		loop_free(l);
		return log_error(err, "cannot set up signals and timers: %s", strerror(-err));
	}
	*ret = l;
	return 0;
}

void loop_post(struct loop *l, enum loop_event event)
{
	uint64_t one = 1;

	atomic_fetch_or(&l->posted, (unsigned)event);
	(void)!write(l->post_fd, &one, sizeof(one));
}

static unsigned take_signals(struct loop *l)
{
	struct signalfd_siginfo info;
	unsigned events = 0;

	while (read(l->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD) {
			events |= LOOP_CHILD;
			continue;
		}
		events |= LOOP_SIGNAL;
		l->signo = (int)info.ssi_signo;
		l->sent = info.ssi_code != SI_KERNEL;
	}
	return events;
}

unsigned loop_wait(struct loop *l)
{
	struct pollfd fds[] = {
		{.fd = l->signal_fd, .events = POLLIN},
		{.fd = l->timer_fd, .events = POLLIN},
		{.fd = l->post_fd, .events = POLLIN},
	};
	unsigned events = 0;
	uint64_t count;

	while (!events) {
		(void)poll(fds, ARRAY_SIZE(fds), -1);
		events = take_signals(l);
		if (read(l->timer_fd, &count, sizeof(count)) == sizeof(count))
			events |= LOOP_TICK;
		if (read(l->post_fd, &count, sizeof(count)) == sizeof(count))
			events |= atomic_exchange(&l->posted, 0);
	}
	return events;
}

int loop_signal(const struct loop *l, bool *ret_sent)
{
	*ret_sent = l->sent;
	return l->signo;
}
