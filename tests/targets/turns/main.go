// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Turns runs on one processor of Go's, and its truth is known. Each round main.spin makes main.late
// runnable and then runs for a while before it gives way: that one could run all the time, and only
// main.spin did. Meanwhile main.hold keeps a lock while it sleeps, and eight main.want wait for it. It
// prints "ready", and ends when its input does.
//
// With -trace FILE it writes its own execution trace meanwhile, has more goroutines that end each other's
// waits in other ways, and ends after -rounds of main.spin's.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/trace"
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

func spin(c chan int, rounds int, done chan<- bool) {
	for i := 0; ; i++ {
		if i == rounds {
			close(done)
		}
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

// Each asks the next in the ring, and waits for its turn again, in another way than the one before.
func ring() {
	var (
		cond   = sync.NewCond(new(sync.Mutex))
		turn   bool
		rw     sync.RWMutex
		plain  = make(chan int)
		either = [2]chan int{make(chan int), make(chan int, 1)}
	)
	go func() {
		for i := 0; ; i++ {
			time.Sleep(7 * time.Millisecond)
			plain <- i
		}
	}()
	go func() {
		for i := range plain {
			run(time.Millisecond)
			either[i%2] <- i
		}
	}()
	go func() {
		for {
			select {
			case <-either[0]:
			case <-either[1]:
			}
			cond.L.Lock()
			turn = true
			cond.L.Unlock()
			cond.Signal()
		}
	}()
	go func() {
		for {
			var all sync.WaitGroup

			cond.L.Lock()
			for !turn {
				cond.Wait()
			}
			turn = false
			cond.L.Unlock()
			rw.Lock()
			for i := 0; i < 3; i++ {
				all.Add(1)
				go func() {
					defer all.Done()
					rw.RLock()
					run(time.Millisecond / 2)
					rw.RUnlock()
				}()
			}
			time.Sleep(time.Millisecond)
			rw.Unlock()
			all.Wait()
		}
	}()
}

func main() {
	path := flag.String("trace", "", "where its execution trace is written")
	rounds := flag.Int("rounds", 0, "ends after so many")
	procs := flag.Int("procs", 1, "processors of Go's")
	flag.Parse()
	runtime.GOMAXPROCS(*procs)
	if *path != "" {
		file, err := os.Create(*path)
		if err == nil {
			err = trace.Start(file)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "turns:", err)
			os.Exit(1)
		}
		defer trace.Stop()
		ring()
	}
	c, done := make(chan int, 1), make(chan bool)
	go late(c)
	go spin(c, *rounds, done)
	go hold()
	for i := 0; i < 8; i++ {
		go want()
	}
	fmt.Println("ready")
	if *rounds > 0 {
		<-done
		return
	}
	_, _ = io.ReadAll(os.Stdin)
}
