// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

//go:build withcgo
// +build withcgo

package main

// #include <pthread.h>
// extern void fromC(void);
// static void *run(void *arg) { for (int i = 0; i < 3; i++) fromC(); return 0; }
// static void thread(void) { pthread_t t; if (pthread_create(&t, 0, run, 0)) return; pthread_join(t, 0); }
// static void back(void) { fromC(); }
import "C"

//export fromC
func fromC() {
	me := self()
	say(me)
	done := make(chan int)
	go func() {
		it := self()
		say(it)
		done <- it
	}()
	sayWoken(<-done)
	say(me)
}

// C calls Go: from a thread of Go's, and from one that Go has never seen.
func called() {
	me := self()
	C.back()
	say(me)
	C.thread()
	say(me)
}
