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
import "time"

func inC(until time.Time) {
	for time.Now().Before(until) {
		C.spin(3000000)
	}
}
