// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Goroutines that tell a tracer who they are, by what they do: one makes slices of `mark` that are as long as
// its own number, and slices of `woken` as long as the number of who woke it. So an event that names the wrong
// goroutine contradicts itself. They come and go in all the ways there are. It says "ready", goes on until its
// input ends, and then how many marks there were. A line of input: it executes itself; q: it ends.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type mark struct{}
type woken struct{}
type object struct{ a, b *int }

var (
	marks    int64
	stopping = make(chan struct{})
	all      sync.WaitGroup
	keepM    sync.Map // what escapes
)

// self is the number that the runtime itself gives in a dump.
func self() int {
	var buf [64]byte
	text := buf[:runtime.Stack(buf[:], false)]
	n, err := strconv.Atoi(string(bytes.Fields(text)[1]))
	if err != nil {
		panic(err)
	}
	return n
}

//go:noinline
func say(goid int) {
	atomic.AddInt64(&marks, 1)
	keepM.Store(goid%8, make([]mark, goid))
}

//go:noinline
func sayWoken(goid int) { keepM.Store(goid%8, make([]woken, goid)) }

// goes on, as long as the program does.
func always(f func()) {
	all.Add(1)
	go func() {
		defer all.Done()
		for {
			select {
			case <-stopping:
				return
			default:
				f()
			}
		}
	}()
}

// short ones: each of them is in a g that was another's.
func storm() {
	var wait sync.WaitGroup
	for i := 0; i < 64; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			me := self()
			for k := 0; k < 5; k++ {
				say(me)
				if k == 2 {
					runtime.Gosched()
				}
			}
		}()
	}
	wait.Wait()
}

// one that waits says who woke it.
func wake() {
	c, back := make(chan int), make(chan int)
	go func() {
		me := self()
		for from := range c {
			sayWoken(from)
			say(me)
			back <- me
		}
		close(back)
	}()
	me := self()
	for i := 0; i < 50; i++ {
		c <- me
		sayWoken(<-back)
		say(me)
	}
	close(c)
	<-back
}

// its thread ends with it, and a new one begins.
func locked() {
	done := make(chan int)
	go func() {
		runtime.LockOSThread()
		me := self()
		say(me)
		time.Sleep(time.Millisecond)
		say(me)
		done <- me
	}()
	from := <-done
	sayWoken(from)
	say(self())
}

// system calls, short and long.
func calls() {
	me := self()
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	done := make(chan int)
	go func() {
		it := self()
		var b [1]byte
		for {
			if _, err := r.Read(b[:]); err != nil {
				break
			}
			say(it)
		}
		r.Close()
		done <- it
	}()
	for i := 0; i < 20; i++ {
		_, _ = w.Write([]byte{1})
		say(me)
		if _, err := os.Stat("/"); err != nil {
			panic(err)
		}
		say(me)
	}
	w.Close()
	sayWoken(<-done)
}

// stacks grow, and are moved.
func grow(n int) int {
	var room [512]byte
	if n == 0 {
		return int(room[0])
	}
	return grow(n-1) + int(room[n%512])
}

func main() {
	runtime.GOMAXPROCS(4)
	for i := 0; i < 2; i++ {
		always(storm)
		always(wake)
	}
	always(locked)
	always(calls)
	always(func() {
		me := self()
		grow(200)
		say(me)
		keepM.Store("object", &object{})
		runtime.GC()
		say(me)
		time.Sleep(5 * time.Millisecond)
	})
	always(extra)
	always(called)
	fmt.Println("ready")
	var line [1]byte
	for {
		n, err := os.Stdin.Read(line[:])
		if err != nil || line[0] == 'q' {
			break
		}
		if n == 1 && line[0] == '\n' {
			panic(syscall.Exec(os.Args[0], os.Args, os.Environ()))
		}
	}
	close(stopping)
	all.Wait()
	fmt.Println("marks", atomic.LoadInt64(&marks))
}
