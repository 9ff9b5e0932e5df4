// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Spends CPU time in known functions, and profiles itself meanwhile (runtime/pprof) into the file that
// HOT_PROFILE names. Argument: how long, in milliseconds. It begins when a byte comes on stdin, then prints
// its CPU time in ns and waits for its stdin to end.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"
)

var sink int

//go:noinline
func loop(n int) int {
	s := 0
	for i := 0; i < n; i++ {
		s += i * i
		s ^= s << 1
	}
	return s
}

// No frame of its own, on most machines: its caller is hidden from frame pointers.
//go:noinline
func leaf(a []int) int {
	s := 0
	for round := 0; round < 16; round++ {
		for _, v := range a {
			s += v * v
			s ^= s >> 3
		}
	}
	return s
}

func inlined(a []int) int {
	s := 0
	for _, v := range a {
		s += v ^ s<<2
	}
	return s
}

//go:noinline
func outer(a []int) int { return leaf(a) + 1 }

//go:noinline
func holder(a []int) int {
	s := 0
	for i := 0; i < 16; i++ {
		s += inlined(a)
	}
	return s
}

//go:noinline
func sorted(a []int) int {
	b := make([]int, len(a))
	for i := range b {
		b[i] = a[len(a)-1-i] * 7919 % 4093
	}
	sort.Ints(b)
	return b[0]
}

func work(until time.Time, a []int, what func()) {
	for time.Now().Before(until) {
		for i := 0; i < 20; i++ {
			what()
		}
	}
}

func cpuTime() int64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

func main() {
	ms, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	runtime.GOMAXPROCS(2)
	var one [1]byte
	os.Stdin.Read(one[:])
	if path := os.Getenv("HOT_PROFILE"); path != "" {
		f, err := os.Create(path)
		if err != nil {
			panic(err)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			panic(err)
		}
	}
	before := cpuTime()
	until := time.Now().Add(time.Duration(ms) * time.Millisecond)
	a := make([]int, 3000)
	for i := range a {
		a[i] = i
	}
	var wg sync.WaitGroup
	start := func(f func()) {
		wg.Add(1)
		go func() { defer wg.Done(); f() }()
	}
	start(func() { first(until, a) })
	start(func() { second(until, a) })
	labelled := func() {
		pprof.Do(context.Background(), pprof.Labels("part", "third"), func(context.Context) { third(until, a) })
	}
	start(labelled)
	start(func() { inC(until) })
	wg.Wait()
	used := cpuTime() - before
	pprof.StopCPUProfile()
	fmt.Println("done", used)
	os.Stdin.Read(one[:])
}

func first(until time.Time, a []int) {
	work(until, a, func() { sink += loop(20000) + outer(a) })
}

func second(until time.Time, a []int) {
	work(until, a, func() { sink += holder(a) })
}

func third(until time.Time, a []int) {
	work(until, a, func() { sink += sorted(a) })
}
