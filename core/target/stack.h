/*
 * The stacks of goroutines, read from a live process without stopping it. Only a goroutine that
 * does not run has one that can be read; what raced is read again, and said to be unavailable when
 * it keeps changing. Any thread.
 */
#ifndef XGOTOPFS_TARGET_STACK_H
#define XGOTOPFS_TARGET_STACK_H

#include "core/base/buf.h"
#include "core/target/goroutines.h"

#define STACK_FRAMES_MAX 512

enum stack_state {
	STACK_WHOLE,     /* down to the goroutine's first function */
	STACK_CUT,       /* more frames than STACK_FRAMES_MAX, or one that cannot be understood */
	STACK_RUNNING,   /* the goroutine runs: nothing to read */
	STACK_UNSETTLED, /* it changed each time it was read */
};

/* Physical frames, innermost first. */
struct stack_frame {
	uint64_t pc;     /* static address where it goes on; 0x… of `+0x` in a dump */
	uint64_t lookup; /* the address to name: pc, or pc - 1 when pc is a return address */
};

struct stack_trace {
	enum stack_state state;
	struct target_goroutine g; /* as of when the frames were read */
	size_t n;
	struct stack_frame frames[STACK_FRAMES_MAX];
};

/* 0, or -ESRCH (dead, or its g is another's by now), -EPERM, -ENOMEM. */
int target_stack_trace(const struct target *t, pid_t pid, uint64_t bias,
		       const struct target_goroutine *g, struct stack_trace *ret);

/*
 * Calls `visit` with the stack of each goroutine of a list that is still there, in order; far fewer
 * system calls than one by one. The trace is gone after the call. Errors as above, but -ESRCH only
 * when the whole process is gone.
 */
typedef void target_stack_fn(const struct stack_trace *trace, void *data);
int target_stack_traces(const struct target *t, pid_t pid, uint64_t bias,
			const struct target_goroutine *list, size_t n, target_stack_fn *visit,
			void *data);

/*
 * Appends one goroutine as a dump of Go with debug=2 has it (runtime/traceback.go): header, frames,
 * "created by". Arguments are not known: "(...)". The runtime's own frames are shown only when
 * there are no others. Errors as above; then nothing is appended.
 */
int target_stack(const struct target *t, pid_t pid, uint64_t bias, const struct target_goroutine *g,
		 struct buf *out);

/* All goroutines but the runtime's own, a blank line between two. Errors as of
 * target_goroutines(). */
int target_stacks(const struct target *t, pid_t pid, uint64_t bias, struct buf *out);

#endif
