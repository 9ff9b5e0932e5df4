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

func init() {
	stillInC = func() {
		ch := made()
		C.keep(C.uintptr_t(cgo.NewHandle(ch)))
		go fineHandle(ch)
		ch = made()
		go inC(ch)
		go fineInC(ch)
	}
}
