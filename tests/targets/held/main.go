// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Held parks goroutines on channels that somebody can still reach, each by another way, and some by
// ways that move all the while. None is leaked: their functions are called main.fine…. It prints
// "ready" and its main goroutine waits in a select without cases.
package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unique"
	"weak"
)

type object struct {
	ch chan int
	to *object
}

var (
	pool      sync.Pool
	table     sync.Map
	pointer   atomic.Pointer[object]
	any1      any
	method    func()
	closure   func()
	array     [100]chan int
	channels  chan chan int
	large     *[1 << 17]chan int
	generic1  generic[chan int]
	stoppable func()
	weakly    weak.Pointer[object]
	only      weak.Pointer[object]
	strong    *object
	handle    unique.Handle[keyed]
	inner     struct {
		_  [3]int32
		mu sync.Mutex
	}
	mapped = map[string]map[int]*object{}
	busy   atomic.Bool
)

var stillInC = func() {} // with cgo it does something

type generic[T any] struct{ value *T }
type keyed struct{ ch chan int }

func (o *object) wake() { close(o.ch) }

//go:noinline
func made() chan int { return make(chan int) }

// --- by one way each, which stays

func finePool(ch chan int)       { <-ch }
func fineSyncMap(ch chan int)    { <-ch }
func fineAtomic(ch chan int)     { <-ch }
func fineAny(ch chan int)        { <-ch }
func fineMethod(ch chan int)     { <-ch }
func fineClosure(ch chan int)    { <-ch }
func fineArray(ch chan int)      { <-ch }
func fineChannel(ch chan int)    { <-ch }
func fineLarge(ch chan int)      { <-ch }
func fineGeneric(ch chan int)    { <-ch }
func fineTimer(ch chan int)      { <-ch }
func fineContext(ch chan int)    { <-ch }
func fineFinalizer(ch chan int)  { <-ch }
func fineCleanup(ch chan int)    { <-ch }
func finePull(ch chan int)       { <-ch }
func fineWeak(ch chan int)       { <-ch }
func fineOnlyWeak(o *object)     { <-o.ch; runtime.KeepAlive(o) }
func fineFinalizing(ch chan int) { <-ch }
func fineCleaning(ch chan int)   { <-ch }
func fineUnique(ch chan int)     { <-ch }
func fineMap(ch chan int)        { <-ch }
func fineLoop(ch chan int)       { <-ch }
func fineSyscall(ch chan int)    { <-ch }
func fineBubble(ch chan int)     { <-ch }
func fineMutex()                 { inner.mu.Lock() }
func fineGroup(wg *sync.WaitGroup) {
	wg.Wait()
}
func fineCond(c *sync.Cond) { c.L.Lock(); c.Wait() }

//go:noinline
func still() {
	c := [30]chan int{}
	for i := range c {
		c[i] = made()
	}
	pool.Put(&object{ch: c[0]})
	go finePool(c[0])
	table.Store("a", c[1])
	go fineSyncMap(c[1])
	pointer.Store(&object{ch: c[2]})
	go fineAtomic(c[2])
	any1 = object{ch: c[3]}
	go fineAny(c[3])
	method = (&object{ch: c[4]}).wake
	go fineMethod(c[4])
	five := c[5]
	closure = func() { close(five) }
	go fineClosure(five)
	array[99] = c[6]
	go fineArray(c[6])
	channels = make(chan chan int, 100)
	for i := 0; i < 70; i++ {
		channels <- nil
	}
	channels <- c[7]
	go fineChannel(c[7])
	large = new([1 << 17]chan int)
	large[len(large)-1] = c[8]
	go fineLarge(c[8])
	generic1.value = new(chan int)
	*generic1.value = c[9]
	go fineGeneric(c[9])
	ten := c[10]
	time.AfterFunc(time.Hour, func() { close(ten) })
	go fineTimer(ten)
	eleven := c[11]
	ctx, _ := context.WithTimeout(context.Background(), time.Hour)
	context.AfterFunc(ctx, func() { close(eleven) })
	go fineContext(eleven)
	o := &object{ch: made()}
	runtime.SetFinalizer(o, func(*object) { close(c12(c)) })
	strong = o
	go fineFinalizer(c[12])
	runtime.AddCleanup(o, func(ch chan int) { close(ch) }, c[13])
	go fineCleanup(c[13])
	pull(c[14])
	go finePull(c[14])
	held := &object{ch: c[15]}
	weakly = weak.Make(held)
	strong.to = held
	go fineWeak(c[15])
	parked := &object{ch: made()} // which its goroutine keeps
	only = weak.Make(parked)
	go fineOnlyWeak(parked)
	handle = unique.Make(keyed{c[16]})
	go fineUnique(c[16])
	mapped["a"] = map[int]*object{}
	for i := 0; i < 100; i++ {
		mapped["a"][i] = &object{}
	}
	mapped["a"][77].ch = c[17]
	go fineMap(c[17])
	go loops(c[18])
	go fineLoop(c[18])
	go inSyscall(c[19])
	go fineSyscall(c[19])
	inner.mu.Lock()
	go fineMutex()
	g := new(struct {
		_  [100]int
		wg sync.WaitGroup
	})
	g.wg.Add(1)
	go fineGroup(&g.wg)
	table.Store("group", g)
	cond := sync.NewCond(new(sync.Mutex))
	go fineCond(cond)
	table.Store("cond", cond)
	go testing.Main(func(string, string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "Bubble", F: bubble}}, nil, nil)
}

// --- by what the standard library makes of channels and locks

func fineOnce(o *sync.Once)              { o.Do(func() {}) }
func fineInPool(o *pooled)               { o.mu.Lock() }
func fineChild(ctx context.Context)      { <-ctx.Done() }
func finePolled(ch chan int)             { <-ch }
func fineReader(rw *sync.RWMutex)        { rw.RLock() }
func fineWriter(rw *sync.RWMutex)        { rw.Lock() }
func fineFlight(c *call)                 { c.wg.Wait() }
func fineErrGroup(g *errGroup, done any) { g.sem <- struct{}{}; runtime.KeepAlive(done) }

type pooled struct {
	mu sync.Mutex
	to *pooled
}

// As x/sync/singleflight and x/sync/errgroup have them.
type call struct {
	wg  sync.WaitGroup
	val any
}
type errGroup struct{ sem chan struct{} }

//go:noinline
func library() {
	once := &struct {
		once sync.Once
		to   *object
	}{}
	started := make(chan bool)
	go once.once.Do(func() { started <- true; time.Sleep(time.Hour) })
	<-started
	go fineOnce(&once.once)

	locks := sync.Pool{New: func() any { return new(pooled) }}
	go func() {
		o := locks.Get().(*pooled)
		o.mu.Lock()
		go fineInPool(o)
		time.Sleep(time.Hour)
		o.mu.Unlock()
		locks.Put(o)
	}()

	parent, cancel := context.WithCancel(context.Background())
	child, _ := context.WithCancel(context.WithValue(parent, "a", 1))
	go fineChild(child)
	time.AfterFunc(time.Hour, cancel)

	polled, never := made(), made()
	go finePolled(polled)
	go func() {
		for {
			select {
			case <-never:
				close(polled)
			default:
				time.Sleep(time.Millisecond)
			}
		}
	}()

	rw := &struct {
		rw sync.RWMutex
		to *object
	}{}
	go func() {
		rw.rw.RLock()
		started <- true
		time.Sleep(time.Hour)
		rw.rw.RUnlock()
	}()
	<-started
	go fineWriter(&rw.rw)
	time.Sleep(10 * time.Millisecond)
	go fineReader(&rw.rw)

	flight := new(call)
	flight.wg.Add(1)
	go func() { time.Sleep(time.Hour); flight.wg.Done() }()
	go fineFlight(flight)

	group := &errGroup{make(chan struct{}, 1)}
	group.sem <- struct{}{}
	go func() { time.Sleep(time.Hour); <-group.sem }()
	go fineErrGroup(group, nil)
}

// Finalizers and cleanups that are due, behind one that takes its time.
//
//go:noinline
func due(more bool) {
	finalized, cleaned := new([8]*int), new([8]*int)
	if !more {
		runtime.SetFinalizer(finalized, func(*[8]*int) { time.Sleep(time.Hour) })
		runtime.AddCleanup(cleaned, func(int) { time.Sleep(time.Hour) }, 0)
		return
	}
	a, b := made(), made()
	runtime.SetFinalizer(finalized, func(*[8]*int) { close(a) })
	runtime.AddCleanup(cleaned, func(ch chan int) { close(ch) }, b)
	go fineFinalizing(a)
	go fineCleaning(b)
}

func collect() {
	wipe(20)
	for i := 0; i < 3; i++ {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
}

func c12(c [30]chan int) chan int { return c[12] }

//go:noinline
func pull(ch chan int) {
	next, stop := iter.Pull(func(yield func(int) bool) {
		if yield(1) {
			close(ch)
		}
	})
	next()
	stoppable = stop
}

func loops(ch chan int) {
	for !busy.Load() {
	}
	close(ch)
}

func inSyscall(ch chan int) {
	r, w, _ := os.Pipe()
	table.Store(w, w) // else its end closes it
	var b [1]byte
	syscall.Read(int(r.Fd()), b[:])
	close(ch)
}

func bubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		outside := made()
		go func() { fineBubble(ch) }()
		go fineBubble(ch)
		synctest.Wait()
		table.Store("bubble", ch)
		pipe, w, _ := os.Pipe() // not durably blocked
		table.Store(w, w)
		var b [1]byte
		pipe.Read(b[:])
		close(ch)
		close(outside)
	})
}

// --- by ways that move

func fineMoved(ch chan int)   { <-ch }
func fineGrown(ch chan int)   { <-ch }
func fineCopied(ch chan int)  { <-ch }
func fineRing(ch chan int)    { <-ch }
func fineTree(ch chan int)    { <-ch }
func fineRequest(ch chan int) { <-ch }
func fineJumped(ch chan int)  { <-ch }
func fineList(ch chan int)    { <-ch }

// A map that grows, is made anew, and loses what it has.
//
//go:noinline
func grows() {
	m := map[int]chan int{}
	for i := 0; i < 20; i++ {
		ch := made()
		m[-i] = ch
		go fineGrown(ch)
	}
	for n := 0; ; n++ {
		for i := 1; i < 50000; i++ {
			m[i] = nil
		}
		if n%3 == 0 {
			next := map[int]chan int{}
			for k, v := range m {
				if k <= 0 {
					next[k] = v
				}
			}
			m = next
			continue
		}
		for i := 1; i < 50000; i++ {
			delete(m, i)
		}
	}
}

// A large slice that moves to a new span each time.
//
//go:noinline
func copies() {
	s := make([]chan int, 40000)
	for i := 0; i < 20; i++ {
		s[i*2000+7] = made()
		go fineCopied(s[i*2000+7])
	}
	for {
		next := make([]chan int, len(s)+1)
		copy(next, s)
		s = next[:len(s)]
	}
}

// Rings that hand a channel on.
//
//go:noinline
func ring(n int) {
	first := make(chan chan int)
	in := first
	for i := 1; i < n; i++ {
		out := make(chan chan int)
		go pass(in, out)
		in = out
	}
	go pass(in, first)
	ch := made()
	go fineRing(ch)
	first <- ch
}

//go:noinline
func pass(in, out chan chan int) {
	for {
		out <- <-in
	}
}

// A tree of which each change makes a new path: what changes never lies where it lay.
type node struct {
	key         int
	left, right *node
	value       chan int
	_           [20]*int
}

func (n *node) with(key int, value chan int) *node {
	if n == nil {
		return &node{key: key, value: value}
	}
	copied := *n
	switch {
	case key < n.key:
		copied.left = n.left.with(key, value)
	case key > n.key:
		copied.right = n.right.with(key, value)
	default:
		copied.value = value
	}
	return &copied
}

func (n *node) rebuilt() *node {
	if n == nil {
		return nil
	}
	return &node{key: n.key, left: n.left.rebuilt(), right: n.right.rebuilt(), value: n.value}
}

//go:noinline
func tree(all bool) {
	var root *node
	random := uint32(1)
	next := func() int { random = random*1664525 + 1013904223; return int(random >> 16) }
	for i := 0; i < 3000; i++ {
		root = root.with(next(), nil)
	}
	for i := 0; i < 20; i++ {
		ch := made()
		root = root.with(next(), ch)
		go fineTree(ch)
	}
	keys := []int{}
	var walk func(*node)
	walk = func(n *node) {
		if n != nil {
			walk(n.left)
			if n.value == nil {
				keys = append(keys, n.key)
			}
			walk(n.right)
		}
	}
	walk(root)
	shared := new(atomic.Pointer[node])
	shared.Store(root)
	root = nil
	for i := 0; ; i++ {
		if all {
			shared.Store(shared.Load().rebuilt())
		} else {
			shared.Store(shared.Load().with(keys[i%len(keys)], nil))
		}
	}
}

// From one object to another, far away, and never in both.
//
//go:noinline
func moves() {
	places := make([]*object, 100000)
	for i := range places {
		places[i] = &object{}
	}
	places[0].ch = made()
	go fineMoved(places[0].ch)
	for i := 0; ; i++ {
		a, b := places[i%len(places)], places[(i*7919+1)%len(places)]
		a.ch, b.ch = b.ch, a.ch
	}
}

// The same by one who rests in between.
//
//go:noinline
func jumps(n int) {
	places := make([]*object, n)
	for i := range places {
		places[i] = &object{}
	}
	var at [100]int
	for i := range at {
		at[i] = i
		places[i].ch = made()
		go fineJumped(places[i].ch)
	}
	for {
		jump(&at, places)
		time.Sleep(time.Microsecond)
	}
}

// Each of the hundred goes to another place, out of the order of places.
//
//go:noinline
func jump(at *[100]int, places []*object) {
	for i, from := range at {
		to := (from*7919 + 31337) % len(places)
		if places[to].ch == nil {
			places[to].ch, places[from].ch = places[from].ch, nil
			at[i] = to
		}
	}
}

// A list that is taken apart and put together again.
//
//go:noinline
func lists() {
	var head *object
	for i := 0; i < 2000; i++ {
		head = &object{to: head}
		if i%100 == 50 {
			head.ch = made()
			go fineList(head.ch)
		}
	}
	for {
		var reversed *object
		for o := head; o != nil; o = o.to {
			reversed = &object{ch: o.ch, to: reversed}
		}
		head = reversed
	}
}

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

func main() {
	still()
	library()
	stillInC()
	due(false)
	collect()
	for i := 0; i < 50; i++ {
		due(true)
	}
	collect()
	moving := ""
	if len(os.Args) > 1 {
		moving = os.Args[1]
	}
	for name, f := range map[string]func(){"grows": grows, "copies": copies, "moves": moves, "lists": lists,
		"path":  func() { tree(false) },
		"tree":  func() { tree(true) },
		"jumps": func() { jumps(200000) },
		"rings": func() { ring(3); ring(100) },
	} {
		if moving == name || moving == "all" {
			go f()
		}
	}
	time.Sleep(300 * time.Millisecond)
	fmt.Println("ready", 0) // none is lost
	select {}
}
