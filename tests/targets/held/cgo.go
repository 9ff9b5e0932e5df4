// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build withcgo

package main

// #include <stdlib.h>
// #include <stdint.h>
// #include <unistd.h>
// static uintptr_t *kept;
// static void keep(uintptr_t h) { kept = malloc(sizeof(*kept)); *kept = h; }
// static void rest(void) { for (;;) sleep(3600); }
import "C"
import "runtime/cgo"

func fineHandle(ch chan int) { <-ch }
func fineInC(ch chan int)    { <-ch }

func inC(ch chan int) {
	C.rest()
	close(ch)
}

func fineUnderC(o *pooled) { o.mu.Lock() }

// C runs under a lock.
func underC(o *pooled, started chan bool) {
	o.mu.Lock()
	started <- true
	C.rest()
	o.mu.Unlock()
}

func init() {
	stillInC = func() {
		ch := made()
		C.keep(C.uintptr_t(cgo.NewHandle(ch)))
		go fineHandle(ch)
		ch = made()
		go inC(ch)
		go fineInC(ch)
		o, started := new(pooled), make(chan bool)
		go underC(o, started)
		<-started
		go fineUnderC(o)
	}
}
