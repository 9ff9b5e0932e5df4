// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
package main

import (
	"runtime"
	"sync"
)

// Beside the holder there are those who took the lock as plainly, and gave it up by a function value or a closure, or
// took another one of the same kind: nobody may say that they are likely to have it.

var decoys = map[string]func(s *server, given chan bool){
	"dvalue":  valueGave,
	"dgo":     goGave,
	"dpassed": passedGave,
	"dcalled": calledGave,
	"dafter":  madeBefore,
	"dother":  hasOther,
	"dplain":  hasOtherPlainly,
	"dturns":  turnsGave,
}

func init() {
	for how := range decoys {
		holds[how] = lent
	}
	holds["dcalled"] = (*server).read
	wants["dcalled"] = (*server).write
	for _, how := range []string{"dvalue", "dgo", "dpassed"} {
		wants[how] = func(*server) { globalMu.Lock(); n++; globalMu.Unlock() }
		holds[how] = lentGlobal
	}
}

//go:noinline
func take(l sync.Locker) func() { l.Lock(); return l.Unlock }

// The function that has it names no lock.
//
//go:noinline
func lent(s *server, say func()) {
	release := take(&s.mu)
	say()
	long()
	release()
}

//go:noinline
func lentGlobal(s *server, say func()) {
	release := take(&globalMu)
	say()
	long()
	release()
}

//go:noinline
func call(f func()) { f() }

//go:noinline
func valueGave(s *server, given chan bool) {
	globalMu.Lock()
	u := globalMu.Unlock
	u()
	given <- true
	long()
	runtime.KeepAlive(u)
}

//go:noinline
func goGave(s *server, given chan bool) {
	globalMu.Lock()
	done := make(chan bool)
	go func() { globalMu.Unlock(); close(done) }()
	<-done
	given <- true
	long()
	n++
}

//go:noinline
func passedGave(s *server, given chan bool) {
	globalMu.Lock()
	f := func() { globalMu.Unlock() }
	call(f)
	given <- true
	long()
	n++
}

//go:noinline
func calledGave(s *server, given chan bool) {
	s.rw.RLock()
	func() { defer s.rw.RUnlock() }()
	given <- true
	long()
	s.n++
}

//go:noinline
func madeBefore(s *server, given chan bool) {
	f := func() { s.mu.Unlock(); given <- true }
	s.mu.Lock()
	go f()
	long()
	s.n++
}

//go:noinline
func hasOther(s *server, given chan bool) { twoOfThem(&server{}, s, given) }

//go:noinline
func twoOfThem(a, b *server, given chan bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	given <- true
	long()
	b.n++
}

// Both are waited for.
//
//go:noinline
func hasOtherPlainly(s *server, given chan bool) {
	a := &server{}
	go func() {
		for {
			runtime.Gosched()
			a.work()
		}
	}()
	plainly(a, s, given)
}

//go:noinline
func plainly(a, b *server, given chan bool) {
	a.mu.Lock()
	given <- true
	long()
	b.n++
	a.mu.Unlock()
}

//go:noinline
func (s *server) have() *server { s.mu.Lock(); return s }

//go:noinline
func (s *server) give() *server { s.mu.Unlock(); return s }

// More calls than are told apart.
//
//go:noinline
func turns(s *server, given chan bool) {
	s.give().have().give().have().give().have().give().have().give().have().give().have().give().have().give().have()
	s.give().have().give().have().give().have().give().have().give().have().give().have().give().have().give().have()
	s.give().have().give().have().give().have().give().have().give().have().give().have().give().have().give().have()
	s.give().have().give().have().give().have().give().have().give().have().give().have().give().have().give()
	given <- true
	long()
	s.n++
}

//go:noinline
func turnsGave(s *server, given chan bool) {
	s.have()
	turns(s, given)
}

// Which of them it locks is told by an index.
//
//go:noinline
func byIndex(a, b *server, i int) {
	var of [4]*server
	of[0], of[1] = a, a
	of[i] = b
	of[0].mu.Lock()
	long()
	of[0].mu.Unlock()
	a.n++
}

func init() {
	if spokenFor != "" { // never: its code is read only
		byIndex(&server{}, &server{}, len(spokenFor))
	}
}
