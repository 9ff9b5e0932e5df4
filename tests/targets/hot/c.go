// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build withcgo
// +build withcgo

package main

/*
static __attribute__((noinline)) long inner(long n)
{
	long s = 0;
	for (long i = 0; i < n; i++) {
		s += i * i;
		__asm__ volatile("" : "+r"(s));
	}
	return s;
}
static long spin(long n) { return inner(n) + 1; }
*/
import "C"
import "syscall"

const hasC = true

//go:noinline
func inC(limit int64) {
	for cpuTime(syscall.RUSAGE_SELF) < limit {
		C.spin(3000000)
	}
}
