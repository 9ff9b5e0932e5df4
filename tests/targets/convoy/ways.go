// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// Ways of holding a lock in which the function that takes it is not the one that gives it up, or has no pointer
// to it.

func init() {
	for how, hold := range map[string]func(s *server, say func()){
		"wrapper":  (*server).wrapper,
		"returned": (*server).returned,
		"value":    (*server).value,
		"with":     (*server).with,
		"scoped":   (*server).scoped,
		"flush":    (*server).plain,
		"sent":     sent,
		"global":   global,
		"field":    field,
		"guarded":  guarded,
		"embedded": (*server).embedded,
		"gdefer":   globalDeferred,
		"ghelper":  globalHelper,
		"gread":    globalRead,
		"gclosure": global,
		"gdefers":  global,
		"once":     func(s *server, say func()) { globalOnce.Do(func() { say(); long() }) },
		"onefield": func(s *server, say func()) { s.once.Do(func() { say(); long() }) },
		"pooled":   pooled,
		"writer":   (*server).read,
	} {
		holds[how] = hold
	}
	wants["global"] = func(*server) { globalMu.Lock(); n++; globalMu.Unlock() }
	wants["gdefer"], wants["ghelper"], wants["gclosure"] = wants["global"], wants["global"], wants["global"]
	wants["gdefers"] = wants["global"]
	wants["gread"] = func(*server) { globalRW.Lock(); n++; globalRW.Unlock() }
	wants["once"] = func(*server) { globalOnce.Do(func() {}) }
	wants["onefield"] = func(s *server) { s.once.Do(func() {}) }
	wants["pooled"] = func(*server) { o := pool.Load().(*inner); o.Lock(); o.n++; o.Unlock() }
	wants["writer"] = func(s *server) {
		s.rw.Lock()
		n++
		s.rw.Unlock()
		s.rw.RLock()
		n++
		s.rw.RUnlock()
	}
	wants["field"] = func(*server) { state.mu.Lock(); n++; state.mu.Unlock() }
	wants["guarded"] = func(*server) { globalMu.Lock(); n++; globalMu.Unlock() }
	wants["embedded"] = func(s *server) { s.inner.Lock(); n++; s.inner.Unlock() }
}

var (
	globalMu, otherMu sync.Mutex
	globalRW          sync.RWMutex
	globalOnce        sync.Once
	locks             = sync.Pool{New: func() interface{} { return new(inner) }}
	pool              atomic.Value // of *inner, from locks
	n                 int
	state             struct {
		name string
		mu   sync.Mutex
	}
)

// A lock of what came from a sync.Pool.
//
//go:noinline
func pooled(s *server, say func()) {
	o := locks.Get().(*inner)
	pool.Store(o)
	o.Lock()
	say()
	long()
	o.Unlock()
	locks.Put(o)
}

type wrapped struct{ mu *sync.Mutex }

//go:noinline
func (w wrapped) Lock() { w.mu.Lock() }

//go:noinline
func (w wrapped) Unlock() { w.mu.Unlock() }

//go:noinline
func (s *server) wrapper(say func()) {
	w := wrapped{&s.mu}
	w.Lock()
	defer w.Unlock()
	say()
	long()
}

//go:noinline
func (s *server) acquire() func() {
	s.mu.Lock()
	return func() { s.mu.Unlock() }
}

//go:noinline
func (s *server) returned(say func()) {
	release := s.acquire()
	say()
	long()
	release()
}

//go:noinline
func (s *server) value(say func()) {
	unlock := s.mu.Unlock
	s.mu.Lock()
	defer unlock()
	say()
	long()
}

//go:noinline
func (s *server) locked(f func()) {
	s.mu.Lock()
	f()
	s.mu.Unlock()
}

//go:noinline
func (s *server) with(say func()) { s.locked(func() { say(); long() }) }

//go:noinline
func (s *server) deferring(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

//go:noinline
func (s *server) scoped(say func()) { s.deferring(func() { say(); long() }) }

type inner struct {
	sync.Mutex
	n int
}

//go:noinline
func (s *server) embedded(say func()) {
	s.inner.Lock()
	defer s.inner.Unlock()
	say()
	long()
}

// It gives the lock up while a closure of its runs.
//
//go:noinline
func (s *server) unlocked(f func()) {
	s.mu.Unlock()
	f()
	s.mu.Lock()
}

//go:noinline
func (s *server) flushParked(given chan bool) {
	s.mu.Lock()
	s.unlocked(func() { given <- true; long() })
	s.n++
	s.mu.Unlock()
}

// Who gets a locked lock from a channel is the one that unlocks it.
func sent(s *server, say func()) {
	locks := make(chan *sync.Mutex)
	go taker(s, locks)
	receiver(locks, say)
}

//go:noinline
func taker(s *server, locks chan *sync.Mutex) {
	s.mu.Lock()
	locks <- &s.mu
	time.Sleep(time.Hour)
	s.n++
}

//go:noinline
func receiver(locks chan *sync.Mutex, say func()) {
	mu := <-locks
	defer mu.Unlock()
	say()
	long()
}

//go:noinline
func global(s *server, say func()) {
	globalMu.Lock()
	say()
	long()
	globalMu.Unlock()
}

//go:noinline
func field(s *server, say func()) {
	state.mu.Lock()
	say()
	long()
	state.mu.Unlock()
}

// Beside those that have another one.
//
//go:noinline
func guarded(s *server, say func()) {
	globalMu.Lock()
	say()
	long()
	globalMu.Unlock()
}

//go:noinline
func other(given chan bool) {
	otherMu.Lock()
	given <- true
	long()
	otherMu.Unlock()
}

//go:noinline
func was(given chan bool) {
	globalMu.Lock()
	n++
	globalMu.Unlock()
	given <- true
	long()
	n++
}

//go:noinline
func globalDeferred(s *server, say func()) {
	globalMu.Lock()
	defer globalMu.Unlock()
	say()
	long()
}

//go:noinline
func lockGlobal() { globalMu.Lock() }

//go:noinline
func unlockGlobal() { globalMu.Unlock() }

//go:noinline
func globalHelper(s *server, say func()) {
	lockGlobal()
	say()
	long()
	unlockGlobal()
}

//go:noinline
func globalRead(s *server, say func()) {
	globalRW.RLock()
	say()
	long()
	globalRW.RUnlock()
}

// Gave it up by a closure, which its code does not show.
//
//go:noinline
func gave(given chan bool, release func()) {
	globalMu.Lock()
	n++
	release()
	given <- true
	long()
	n++
}

// Each of its deferred calls may be the one that gives a lock up.
//
//go:noinline
func defers(given chan bool) {
	for i := 0; i < 2000; i++ {
		defer func() { n++ }()
	}
	given <- true
	long()
}
