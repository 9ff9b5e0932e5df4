// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Mixed has goroutines that wait for each other over a lock and a channel, in the way that its argument
// names, or only seem to: "fine…" goes on by itself later. It prints "lock GOID" (who has the lock),
// "end GOID" (who would be at the channel's other end, and waits for the lock), "ready", and rests.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

type hub struct {
	name  string
	mu    sync.Mutex
	rw    sync.RWMutex
	in    chan int
	out   chan int
	quit  chan bool
	taken chan bool // closed once publish has the lock
	seen  []int
}

var ways = map[string]func(){
	"local":      local,
	"field":      field,
	"global":     global,
	"selects":    selects,
	"receives":   receives,
	"closes":     closes,
	"read":       read,
	"chain":      chain,
	"buffered":   buffered,
	"method":     method,
	"group":      group,
	"groupdefer": groupDefer,
	"cond":       cond,
	"finepool":   finePool,
	"finesends":  fineSends,
	"fineother":  fineOther,
	"finehelper": fineHelper,
	"fineends":   fineEnds,
}

var theHub *hub

func newHub() *hub {
	return &hub{name: "hub", in: make(chan int), out: make(chan int), quit: make(chan bool), taken: make(chan bool)}
}

// As runtime/debug has it.
func goid() (id uint64) {
	var b [64]byte
	fmt.Sscan(string(bytes.Fields(b[:runtime.Stack(b[:], false)])[1]), &id)
	return id
}

func long() { time.Sleep(time.Hour) }

// --- it has the lock and sends; who receives wants the lock first

//go:noinline
func sendLocked(mu *sync.Mutex, ch chan int) {
	fmt.Println("lock", goid())
	mu.Lock()
	defer mu.Unlock()
	for i := 0; ; i++ {
		ch <- i
	}
}

//go:noinline
func receiveThenLock(mu *sync.Mutex, ch chan int) {
	fmt.Println("end", goid())
	n := 0
	for v := range ch {
		mu.Lock()
		n += v
		mu.Unlock()
	}
	fmt.Println(n)
}

func local() {
	mu, ch := new(sync.Mutex), make(chan int)
	go receiveThenLock(mu, ch)
	go sendLocked(mu, ch)
}

func buffered() {
	mu, ch := new(sync.Mutex), make(chan int, 3)
	go receiveThenLock(mu, ch)
	go sendLocked(mu, ch)
}

// Both have but the hub.
//
//go:noinline
func (h *hub) publish() {
	fmt.Println("lock", goid())
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.taken)
	for i := 0; ; i++ {
		h.in <- i
	}
}

//go:noinline
func (h *hub) run() {
	fmt.Println("end", goid())
	for {
		v := <-h.in
		h.mu.Lock()
		h.seen = append(h.seen, v)
		h.mu.Unlock()
	}
}

//go:noinline
func (h *hub) ask() { h.mu.Lock(); h.seen = nil; h.mu.Unlock() }

func field() {
	h := newHub()
	go h.run()
	go h.publish()
	<-h.taken
	for i := 0; i < 5; i++ {
		go h.ask()
	}
}

// The same, in reach.
func global() {
	theHub = newHub()
	go theHub.run()
	go theHub.publish()
	<-theHub.taken
	for i := 0; i < 10; i++ {
		go theHub.ask()
	}
}

//go:noinline
func (h *hub) runSelect() {
	fmt.Println("end", goid())
	for {
		select {
		case v := <-h.in:
			h.mu.Lock()
			h.seen = append(h.seen, v)
			h.mu.Unlock()
		case <-h.quit:
			return
		}
	}
}

func selects() {
	h := newHub()
	go h.runSelect()
	go h.publish()
}

// What is called takes the lock; the loop is one frame up.
//
//go:noinline
func (h *hub) store(v int) {
	h.mu.Lock()
	h.seen = append(h.seen, v)
	h.mu.Unlock()
}

//go:noinline
func (h *hub) runMethod() {
	fmt.Println("end", goid())
	for {
		h.store(<-h.in)
	}
}

func method() {
	h := newHub()
	go h.runMethod()
	go h.publish()
}

// --- it has the lock and receives; who sends, or closes, wants the lock first

//go:noinline
func (h *hub) await() {
	fmt.Println("lock", goid())
	h.mu.Lock()
	close(h.taken)
	h.seen = append(h.seen, <-h.out)
	h.mu.Unlock()
}

//go:noinline
func (h *hub) answer() {
	fmt.Println("end", goid())
	<-h.taken
	h.mu.Lock()
	n := len(h.seen)
	h.mu.Unlock()
	h.out <- n
}

func receives() {
	h := newHub()
	go h.await()
	go h.answer()
}

//go:noinline
func (h *hub) finish() {
	fmt.Println("end", goid())
	<-h.taken
	h.mu.Lock()
	h.seen = nil
	h.mu.Unlock()
	close(h.out)
}

func closes() {
	h := newHub()
	go h.await()
	go h.finish()
}

// --- it has the lock and waits for what others finish, or signal, who want the lock first

type crew struct {
	hub
	wg   sync.WaitGroup
	own  sync.Mutex
	cond *sync.Cond
}

func newCrew() *crew {
	g := &crew{hub: *newHub()}
	g.cond = sync.NewCond(&g.own)
	return g
}

//go:noinline
func (g *crew) finishAll() {
	fmt.Println("lock", goid())
	g.wg.Add(1)
	g.mu.Lock()
	close(g.taken)
	g.wg.Wait()
	g.mu.Unlock()
}

//go:noinline
func (g *crew) finishOne() {
	fmt.Println("end", goid())
	<-g.taken
	g.ask()
	g.wg.Done()
}

//go:noinline
func (g *crew) finishDeferred() {
	fmt.Println("end", goid())
	defer g.wg.Done()
	<-g.taken
	g.ask()
}

func group() {
	g := newCrew()
	go g.finishOne()
	go g.finishAll()
}

func groupDefer() {
	g := newCrew()
	go g.finishDeferred()
	go g.finishAll()
}

//go:noinline
func (g *crew) awaitSignal() {
	fmt.Println("lock", goid())
	g.mu.Lock()
	g.own.Lock()
	close(g.taken)
	g.cond.Wait()
	g.own.Unlock()
	g.mu.Unlock()
}

//go:noinline
func (g *crew) signal() {
	fmt.Println("end", goid())
	<-g.taken
	g.ask()
	g.cond.Broadcast()
}

func cond() {
	g := newCrew()
	go g.signal()
	go g.awaitSignal()
}

// --- a reader has it; one who writes comes between

//go:noinline
func (h *hub) publishRead() {
	fmt.Println("lock", goid())
	h.rw.RLock()
	defer h.rw.RUnlock()
	for i := 0; ; i++ {
		h.in <- i
	}
}

//go:noinline
func (h *hub) runWrite() {
	fmt.Println("end", goid())
	for {
		v := <-h.in
		h.rw.Lock()
		h.seen = append(h.seen, v)
		h.rw.Unlock()
	}
}

func read() {
	h := newHub()
	go h.runWrite()
	go h.publishRead()
}

// --- who receives waits for a lock of another one, who waits for the lock

//go:noinline
func (h *hub) runOuter(outer *sync.Mutex) {
	fmt.Println("end", goid())
	for {
		v := <-h.in
		outer.Lock()
		h.seen = append(h.seen, v)
		outer.Unlock()
	}
}

//go:noinline
func (h *hub) both(outer *sync.Mutex) {
	outer.Lock()
	defer outer.Unlock()
	close(h.quit)
	<-h.taken
	h.ask()
}

func chain() {
	h, outer := newHub(), new(sync.Mutex)
	go h.both(outer)
	<-h.quit
	go h.runOuter(outer)
	go h.publish()
}

// --- no deadlocks

// One of those who receive waits for the lock, another is about to come back.
//
//go:noinline
func (h *hub) runSlow() {
	for {
		v := <-h.in
		if v == 0 {
			long()
		}
		h.mu.Lock()
		h.seen = append(h.seen, v)
		h.mu.Unlock()
	}
}

func finePool() {
	theHub = newHub()
	go theHub.runSlow()
	go theHub.runSlow()
	go theHub.publish()
}

// Who waits for the lock sends as well: it is no end of this one.
//
//go:noinline
func (h *hub) sendToo() {
	h.mu.Lock()
	h.in <- 1
	h.mu.Unlock()
}

func fineSends() {
	theHub = newHub()
	go theHub.publish()
	<-theHub.taken
	go theHub.sendToo()
	go later(theHub)
}

func later(h *hub) { long(); <-h.in }

// Who waits for the lock receives from another channel.
//
//go:noinline
func (h *hub) runOther(other chan int) {
	for {
		h.mu.Lock()
		h.seen = append(h.seen, <-other)
		h.mu.Unlock()
	}
}

func fineOther() {
	mu, ch, other := newHub(), make(chan int), make(chan int)
	go sendLocked(&mu.mu, ch)
	time.Sleep(50 * time.Millisecond)
	go mu.runOther(other)
	go func() { long(); <-ch; other <- 1 }()
}

// Another one receives in what it calls.
//
//go:noinline
func (h *hub) take() int { return <-h.in }

//go:noinline
func (h *hub) runLater() {
	long()
	for {
		h.take()
	}
}

func fineHelper() {
	theHub = newHub()
	go theHub.runSlow()
	go theHub.runLater()
	go theHub.publish()
}

// Both wait for the end of a context, one of them with the lock; a timer will end it.
//
//go:noinline
func (h *hub) only(ctx context.Context) {
	h.mu.Lock()
	close(h.taken)
	<-ctx.Done()
	h.mu.Unlock()
}

//go:noinline
func (h *hub) beside(ctx context.Context) {
	for {
		h.ask()
		select {
		case <-ctx.Done():
			return
		case <-h.in:
		}
	}
}

func fineEnds() {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Hour, cancel)
	h := newHub()
	go h.only(ctx)
	<-h.taken
	go h.beside(ctx)
}

func main() {
	way := ways[os.Args[1]]
	if way == nil {
		fmt.Println("no such way")
		os.Exit(2)
	}
	way()
	time.Sleep(300 * time.Millisecond)
	runtime.GC()
	fmt.Println("ready")
	long()
}
