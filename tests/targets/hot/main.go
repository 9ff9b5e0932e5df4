// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Spends CPU time in known functions, and profiles itself meanwhile (runtime/pprof) into the file that
// HOT_PROFILE names. Argument: how much, in milliseconds of CPU time. It prints
// "ready", begins when a byte comes on stdin, then prints what each goroutine took of it in ns, by the clock of its thread ("first 123"), and of all ("all 456"), and
// waits for its stdin to end.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sort"
	"strconv"
	"syscall"
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

func work(limit int64, what func()) {
	for cpuTime(syscall.RUSAGE_SELF) < limit {
		for i := 0; i < 20; i++ {
			what()
		}
	}
}

const thread = 1 // RUSAGE_THREAD

func cpuTime(who int) int64 {
	var u syscall.Rusage
	syscall.Getrusage(who, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

func main() {
	ms, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	runtime.GOMAXPROCS(2)
	var one [1]byte
	fmt.Println("ready")
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
	before := cpuTime(syscall.RUSAGE_SELF)
	limit := before + int64(ms)*1e6
	a := make([]int, 3000)
	for i := range a {
		a[i] = i
	}
	took := make(chan string)
	n := 0
	start := func(name string, f func()) {
		n++
		go func() {
			runtime.LockOSThread()
			was := cpuTime(thread)
			f()
			took <- fmt.Sprint(name, " ", cpuTime(thread)-was)
			select {} // its status stays
		}()
	}
	start("first", func() { first(limit, a) })
	start("second", func() { second(limit, a) })
	start("third", func() {
		pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("part", "third")))
		third(limit, a)
	})
	if hasC {
		start("inC", func() { inC(limit) })
	}
	for ; n > 0; n-- {
		fmt.Println(<-took)
	}
	used := cpuTime(syscall.RUSAGE_SELF) - before
	pprof.StopCPUProfile()
	fmt.Println("all", used)
	os.Stdin.Read(one[:])
}

//go:noinline
func first(limit int64, a []int) {
	work(limit, func() { sink += loop(20000) + outer(a) })
}

//go:noinline
func second(limit int64, a []int) {
	work(limit, func() { sink += holder(a) })
}

//go:noinline
func third(limit int64, a []int) {
	work(limit, func() { sink += sorted(a) })
}
