// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Goroutines that one go statement makes on two ways, and that wait on three: it says itself which
// stacks led there, how many went which way and how long each wait was. A line on its standard input
// is answered with the truth up to then; it ends with the last one. make: so many go both ways; keep:
// one that stays; end: those that stay, too, come to an end.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	made   [2]int64 // by alpha, by beta
	waited [3]int64 // ns in lock, channel, sleep
	ways   [2]atomic.Value
	work   = make(chan int)
	mutex  sync.Mutex
	done   sync.WaitGroup
)

// calls is the stack of who called it, without the runtime's frames.
func calls() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var names []string
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			names = append(names, frame.Function)
		}
		if !more {
			return strings.Join(names, " < ")
		}
	}
}

//go:noinline
func spawn(way int) {
	if ways[way].Load() == nil {
		ways[way].Store(calls())
	}
	atomic.AddInt64(&made[way], 1)
	done.Add(1)
	go child(way)
}

//go:noinline
func alpha() { spawn(0) }

// Inlined: it is a frame all the same.
func between() { beta() }

//go:noinline
func beta() { spawn(1) }

//go:noinline
func hold(stop chan bool) { <-stop }

//go:noinline
func keep(stop chan bool) { go hold(stop) }

//go:noinline
func child(way int) { done.Done() }

func timed(way int, wait func()) {
	start := time.Now()
	wait()
	atomic.AddInt64(&waited[way], int64(time.Since(start)))
}

//go:noinline
func lock() { mutex.Lock() }

//go:noinline
func receive() { <-work }

//go:noinline
func pause() { time.Sleep(2 * time.Millisecond) }

func locker() {
	for {
		timed(0, lock)
		time.Sleep(300 * time.Microsecond)
		mutex.Unlock()
	}
}

func receiver() {
	for {
		timed(1, receive)
	}
}

func sender() {
	for {
		timed(2, pause)
		work <- 1
	}
}

// The only one of its kind, long gone when somebody asks.
//
//go:noinline
func mailer(stop chan bool) { <-stop }

func main() {
	stop := make(chan bool)
	go mailer(stop)
	for i := 0; i < 4; i++ {
		go locker()
		go receiver()
	}
	go sender()
	fmt.Println("ready")
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		if input.Text() == "keep" {
			keep(stop)
		}
		if input.Text() == "make" {
			for i := 0; i < 3000; i++ {
				alpha()
				if i%3 == 0 {
					between()
				}
				if i%20 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			done.Wait()
		}
		if input.Text() == "end" {
			close(stop)
			time.Sleep(10 * time.Millisecond)
		}
		fmt.Printf("made %d %d\n", atomic.LoadInt64(&made[0]), atomic.LoadInt64(&made[1]))
		fmt.Printf("waited %d %d %d\n", atomic.LoadInt64(&waited[0]), atomic.LoadInt64(&waited[1]),
			atomic.LoadInt64(&waited[2]))
		for _, way := range ways {
			if way.Load() != nil {
				fmt.Printf("way %s\n", way.Load())
			}
		}
		fmt.Println("told")
	}
}
