// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Leaked leaves goroutines behind, and has others that wait but can be woken. Whether a goroutine is
// lost stands in the name of its first function: main.lost… or main.fine…. It prints "ready N", N
// being how many are lost, and then moves on: with "busy" as its argument it makes and drops
// goroutines, channels and locks all the while; with "dead" it has lost thousands more, among goroutines
// that have ended or sleep.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

var (
	global   = make(chan int)
	globalMu sync.Mutex
	holder   struct{ inner struct{ ch chan int } }
	table    = map[string]chan int{}
	stopped  *time.Timer
)

// --- lost: nobody can reach what they wait on

func lostReceive(ch chan int) { <-ch }
func lostSend(ch chan int)    { ch <- 1 }
func lostSelect(a, b chan int) {
	select {
	case <-a:
	case b <- 1:
	}
}
func lostRange(ch chan int) {
	for range ch {
	}
}
func lostContext(ctx context.Context) { <-ctx.Done() }
func lostMutex(mu *sync.Mutex)        { mu.Lock() }
func lostRead(mu *sync.RWMutex)       { mu.RLock() }
func lostWrite(mu *sync.RWMutex)      { mu.Lock() }
func lostGroup(wg *sync.WaitGroup)    { wg.Wait() }
func lostCond(c *sync.Cond)           { c.L.Lock(); c.Wait() }
func lostNil()                        { var ch chan int; <-ch }
func lostNilSend()                    { var ch chan int; ch <- 1 }
func lostNoCases()                    { select {} }

// Nobody can set them anew.
func lostStopped() { t := time.NewTimer(time.Hour); t.Stop(); <-t.C }
func lostFired()   { t := time.NewTimer(1); <-t.C; <-t.C }
func lostTicker()  { t := time.NewTicker(1); <-t.C; t.Stop(); <-t.C; <-t.C }
func lostCycle(a, b *sync.Mutex, wg *sync.WaitGroup) {
	a.Lock()
	defer a.Unlock()
	wg.Done()
	wg.Wait()
	b.Lock()
	defer b.Unlock()
}

// Each waits for what it has: by a call, by a deferred one, both through an interface, as a reader.
//
//go:noinline
func lostSelf(mu *sync.Mutex) { mu.Lock(); fineCall(); mu.Lock() }

//go:noinline
func lostSelfLocker(l sync.Locker) { l.Lock(); fineCall(); l.Lock() }

//go:noinline
func lostSelfDeferred(l sync.Locker, mu *sync.Mutex) {
	l.Lock()
	defer l.Unlock()
	fineCall()
	mu.Lock()
}

//go:noinline
func lostSelfReader(rw *sync.RWMutex) { rw.RLock(); fineCall(); rw.Lock() }

//go:noinline
func fineCall() { runtime.Gosched() }

// A cycle over variables, which are in reach; whom Go's profile does not name.
var globalA, globalB sync.Mutex

func lostAB(wg *sync.WaitGroup) {
	globalA.Lock()
	wg.Done()
	wg.Wait()
	globalB.Lock()
	globalB.Unlock()
	globalA.Unlock()
}
func lostBA(wg *sync.WaitGroup) {
	globalB.Lock()
	wg.Done()
	wg.Wait()
	globalA.Lock()
	globalA.Unlock()
	globalB.Unlock()
}

// What it waits on only another lost one knows.
func lostFirst(first, second chan int) { <-first; second <- 1 }
func lostSecond(second chan int)       { <-second }

// --- fine: somebody can still wake them

func fineGlobal()                     { <-global }
func fineGlobalMutex()                { globalMu.Lock() }
func fineField()                      { <-holder.inner.ch }
func fineTable(ch chan int)           { <-ch }
func fineMain(ch chan int)            { <-ch }
func fineAfter()                      { <-time.After(time.Hour) }
func fineTicker()                     { t := time.NewTicker(time.Hour); <-t.C; t.Stop() }
func fineContext(ctx context.Context) { <-ctx.Done() }
func fineReset(t *time.Timer)         { <-t.C }
func fineTimeout() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	<-ctx.Done()
}
func fineAfterFunc(ch chan int)    { <-ch }
func fineFinalizer(ch chan int)    { <-ch }
func fineSleeperKnows(ch chan int) { <-ch }
func fineSleeper(ch chan int)      { time.Sleep(time.Hour); ch <- 1 }

// A chain: the sleeper can wake one, who wakes the next.
func fineChain(in, out chan int)  { <-in; out <- 1 }
func fineDeferred(mu *sync.Mutex) { mu.Lock() }

// Only its deferred call has the lock.
func fineDefers(locks chan *sync.Mutex) { mu := <-locks; defer mu.Unlock(); time.Sleep(time.Hour) }

func fineSyscall(ch chan int) {
	r, _, _ := os.Pipe()
	var b [1]byte
	r.Read(b[:])
	close(ch)
}

type owner struct{ ch chan int }

//go:noinline
func start() int {
	lost := 0
	do := func(f func()) { lost++; f() }
	do(func() { go lostReceive(make(chan int)) })
	do(func() { go lostSend(make(chan int)) })
	do(func() { go lostSelect(make(chan int), make(chan int)) })
	do(func() { go lostRange(make(chan int)) })
	do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		_ = cancel
		go lostContext(ctx)
	})
	do(func() { mu := new(sync.Mutex); mu.Lock(); go lostMutex(mu) })
	do(func() { mu := new(sync.RWMutex); mu.Lock(); go lostRead(mu) })
	do(func() { mu := new(sync.RWMutex); mu.RLock(); go lostWrite(mu) })
	do(func() { wg := new(sync.WaitGroup); wg.Add(1); go lostGroup(wg) })
	do(func() { go lostCond(sync.NewCond(new(sync.Mutex))) })
	do(func() { go lostSelf(new(sync.Mutex)) })
	do(func() { go lostSelfLocker(new(sync.Mutex)) })
	do(func() { mu := new(sync.Mutex); go lostSelfDeferred(mu, mu) })
	do(func() { go lostSelfReader(new(sync.RWMutex)) })
	do(func() { go lostNil() })
	do(func() { go lostNilSend() })
	do(func() { go lostNoCases() })
	do(func() { go lostStopped() })
	do(func() { go lostFired() })
	do(func() { go lostTicker() })
	do(func() {
		a, b, wg := new(sync.Mutex), new(sync.Mutex), new(sync.WaitGroup)
		wg.Add(2)
		go lostCycle(a, b, wg)
		go lostCycle(b, a, wg)
		lost++
	})
	do(func() {
		first, second := make(chan int), make(chan int)
		go lostFirst(first, second)
		go lostSecond(second)
		lost++
	})

	go fineGlobal()
	globalMu.Lock()
	go fineGlobalMutex()
	holder.inner.ch = make(chan int)
	go fineField()
	table["a"] = make(chan int)
	go fineTable(table["a"])
	go fineAfter()
	go fineTicker()
	go fineTimeout()
	stopped = time.NewTimer(time.Hour)
	stopped.Stop()
	go fineReset(stopped)
	after := make(chan int)
	time.AfterFunc(time.Hour, func() { close(after) })
	go fineAfterFunc(after)
	o := &owner{make(chan int)}
	runtime.SetFinalizer(o, func(o *owner) { close(o.ch) })
	go fineFinalizer(o.ch)
	global2 = o
	a, b := make(chan int), make(chan int)
	go fineSleeper(a)
	go fineChain(a, b)
	go fineSleeperKnows(b)
	// With a pointer in it, or it would share its object with other small ones.
	locks, own := make(chan *sync.Mutex), new(struct {
		mu sync.Mutex
		to *int
	})
	mu := &own.mu
	mu.Lock()
	go fineDefers(locks)
	go fineDeferred(mu)
	locks <- mu
	pipe := make(chan int)
	go fineSyscall(pipe)
	go fineTable(pipe)
	both := new(sync.WaitGroup)
	both.Add(2)
	go lostAB(both)
	go lostBA(both)
	return lost
}

func long() { time.Sleep(time.Hour) }

// Many wait for channels that lie between the stacks of those that have ended or sleep.
//
//go:noinline
func many() int {
	const batch, batches = 100, 30
	for i := 0; i < batches; i++ {
		end := make(chan int)
		for j := 0; j < batch; j++ {
			go lostReceive(make(chan int))
			go func() { <-end }()
			go long()
		}
		time.Sleep(time.Millisecond)
		close(end)
	}
	return batch * batches
}

var global2 *owner

// Overwrites what start() left on the stack.
//
//go:noinline
func wipe(n int) int {
	var a [256]int
	for i := range a {
		a[i] = n
	}
	if n == 0 {
		return a[10]
	}
	return wipe(n-1) + a[n]
}

func churn() {
	for i := 0; ; i++ {
		ch, mu := make(chan []byte), new(sync.Mutex)
		mu.Lock()
		go func() { mu.Lock(); ch <- make([]byte, 1000+i%5000); mu.Unlock() }()
		go func() {
			t := time.NewTimer(time.Hour) // on a busy machine a second is short, and the sender is lost
			select {
			case b := <-ch:
				table2.Store(i%1000, b)
			case <-t.C:
			}
			t.Stop()
		}()
		runtime.Gosched()
		mu.Unlock()
	}
}

var table2 sync.Map

func main() {
	inMain := make(chan int)
	ctx, cancel := context.WithCancel(context.Background())
	wipe(20) // the stack grows now: one that is given back would keep what start() leaves in it
	lost := start()
	go fineMain(inMain)
	go fineContext(ctx)
	wipe(20)
	time.Sleep(300 * time.Millisecond)
	runtime.GC()
	if len(os.Args) > 1 && os.Args[1] == "dead" {
		lost += many()
		wipe(20)
	}
	fmt.Println("ready", lost)
	if len(os.Args) > 1 && os.Args[1] == "busy" {
		for i := 0; i < 4; i++ {
			go churn()
		}
	}
	time.Sleep(time.Hour)
	cancel()
	close(inMain)
}
