// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Odd parks goroutines in places where the runtime keeps things its own way: main.lost… can never go on,
// main.fine… can be woken by somebody. It prints "ready" and how many are lost, and waits. With "truth" it
// then takes Go's own profile of leaked goroutines and ends.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

type object struct {
	ch chan int
	to *object
}

var (
	lost   int
	kept   sync.Map
	pool   sync.Pool
	more   []func() // of the other files
	global = make(chan int)
)

//go:noinline
func made() chan int { return make(chan int) }

func lostIn(f func(chan int)) {
	lost++
	go f(made())
}

// --- threads

func lostLocked(ch chan int) { runtime.LockOSThread(); <-ch }
func fineLocked(ch chan int) { runtime.LockOSThread(); <-ch }

// It may go on, on its thread, and then wakes the other one.
//
//go:noinline
func locked(ch chan int) {
	runtime.LockOSThread()
	<-global
	close(ch)
}

// --- selects

func fineReflect(cases []reflect.SelectCase) { reflect.Select(cases) }
func lostReflect(cases []reflect.SelectCase) { reflect.Select(cases) }

//go:noinline
func selects(n int, also chan int) []reflect.SelectCase {
	cases := make([]reflect.SelectCase, n)
	for i := range cases {
		cases[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(made())}
	}
	if also != nil {
		cases[n/2].Chan = reflect.ValueOf(also)
	}
	return cases
}

// --- signals, timers, contexts, pools

func fineSignal(ch chan os.Signal)      { <-ch }
func lostSignal(ch chan os.Signal)      { <-ch }
func fineNotified(ctx context.Context)  { <-ctx.Done() }
func fineTimedOut(ctx context.Context)  { <-ctx.Done() }
func lostCancelled(ctx context.Context) { <-ctx.Done() }
func fineVictim(ch chan int)            { <-ch }
func fineRanging(ch chan int)           { <-ch }

// What nobody will call: its frame ended.
//
//go:noinline
func forgets() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	_ = cancel
	return ctx
}

// --- deep and wide stacks: the word is far down, or in a large frame

func fineDeep(ch chan int) { <-ch }
func fineWide(ch chan int) { <-ch }

//go:noinline
func deep(ch chan int, n int) int {
	if n > 0 {
		return deep(ch, n-1) + n
	}
	<-global
	close(ch)
	return 0
}

//go:noinline
func wide(ch chan int) {
	var list [20000]chan int
	list[12345] = ch
	<-global
	for _, c := range list {
		if c != nil {
			close(c)
		}
	}
}

// --- panics, deferred calls that wait

func fineDeferred(ch chan int)   { <-ch }
func finePanicking(ch chan int)  { <-ch }
func lostRecovering(ch chan int) { defer func() { recover(); <-ch }(); panic("odd") }
func lostExiting(ch chan int)    { defer func() { <-ch }(); runtime.Goexit() }

//go:noinline
func deferring(ch chan int) {
	defer close(ch)
	<-global
}

//go:noinline
func panicking(ch chan int) {
	defer func() {
		recover()
		<-global
		close(ch)
	}()
	panic("odd")
}

// --- locks by odd types

type embedded struct {
	*sync.RWMutex
	more [3]int
}

func lostEmbedded(e embedded)         { e.Lock() }
func fineEmbedded(e embedded)         { e.RLock() }
func lostOnce(o *sync.Once, deep int) { o.Do(func() { o.Do(func() {}) }) }
func lostGroup(wg *sync.WaitGroup)    { wg.Wait() }
func fineGroup(wg *sync.WaitGroup)    { wg.Wait() }

//go:noinline
func start() {
	lostIn(lostLocked)
	ch := made()
	go locked(ch)
	go fineLocked(ch)

	ch = made()
	kept.Store("reflect", ch)
	go fineReflect(selects(3000, ch))
	go lostReflect(selects(3000, nil))
	lost++

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	go fineSignal(signals)
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGUSR1)
	signal.Stop(stopped)
	go lostSignal(stopped)
	lost++
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGWINCH)
	go fineNotified(ctx)
	ctx, _ = context.WithTimeout(context.WithValue(context.Background(), &lost, &lost), time.Hour)
	ctx, _ = context.WithCancel(ctx)
	go fineTimedOut(ctx)
	go lostCancelled(forgets())
	lost++

	ch = made()
	pool.Put(&object{ch: ch})
	go fineVictim(ch)
	ch = made()
	ticker := time.NewTicker(time.Hour)
	go func(ch chan int) {
		for range ticker.C {
			close(ch)
		}
	}(ch)
	go fineRanging(ch)

	ch = made()
	go deep(ch, 3000)
	go fineDeep(ch)
	ch = made()
	go wide(ch)
	go fineWide(ch)

	ch = made()
	go deferring(ch)
	go fineDeferred(ch)
	ch = made()
	go panicking(ch)
	go finePanicking(ch)
	lostIn(lostRecovering)
	lostIn(lostExiting)

	e := embedded{RWMutex: new(sync.RWMutex)}
	e.Lock()
	go lostEmbedded(e)
	lost++
	e = embedded{RWMutex: new(sync.RWMutex)}
	e.Lock()
	kept.Store("embedded", e)
	go fineEmbedded(e)
	go lostOnce(new(sync.Once), 1)
	lost++
	wg := new(sync.WaitGroup)
	wg.Add(1)
	go lostGroup(wg)
	lost++
	wg = new(sync.WaitGroup)
	wg.Add(1)
	time.AfterFunc(time.Hour, wg.Done)
	go fineGroup(wg)
	for _, f := range more {
		f()
	}
}

// Dead words of what ran before.
//
//go:noinline
func wipe(n int) int {
	var words [200]int
	if n > 0 {
		words[n] = wipe(n - 1)
	}
	return words[n/2] + n
}

func main() {
	start()
	wipe(100)
	time.Sleep(200 * time.Millisecond)
	runtime.GC() // what is in a pool is its victim now
	wipe(100)
	fmt.Println("ready", lost)
	if len(os.Args) > 1 && os.Args[1] == "truth" {
		pprof.Lookup("goroutineleak").WriteTo(os.Stdout, 2)
		return
	}
	select {}
}
