// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Turns runs on one processor of Go's, and its truth is known. Each round main.spin makes main.late
// runnable and then runs for a while before it gives way: that one could run all the time, and only
// main.spin did. Meanwhile main.hold keeps a lock while it sleeps, and eight main.want wait for it. It
// prints "ready", and ends when its input does.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
)

const (
	spins = 6 * time.Millisecond // less than the runtime lets one run
	keeps = 150 * time.Millisecond
)

var mu sync.Mutex

//go:noinline
func run(d time.Duration) {
	for t := time.Now(); time.Since(t) < d; {
	}
}

func spin(c chan int) {
	for {
		c <- 1
		run(spins)
		time.Sleep(30 * time.Millisecond)
	}
}

func late(c chan int) {
	for range c {
	}
}

func hold() {
	for {
		mu.Lock()
		time.Sleep(keeps)
		mu.Unlock()
		time.Sleep(keeps)
	}
}

func want() {
	for {
		mu.Lock()
		mu.Unlock() //nolint:staticcheck
		time.Sleep(keeps / 3)
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	c := make(chan int, 1)
	go late(c)
	go spin(c)
	go hold()
	for i := 0; i < 8; i++ {
		go want()
	}
	fmt.Println("ready")
	_, _ = io.ReadAll(os.Stdin)
}
