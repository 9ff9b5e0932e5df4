// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
package main

import (
	"os"
	"sync"
)

// Locks that are taken through an interface. Some wait for what they have themselves.

func init() {
	for how, hold := range map[string]func(s *server, say func()){
		"iplain":    func(s *server, say func()) { plainLocker(&s.mu, say) },
		"ideferred": func(s *server, say func()) { deferredLocker(&s.mu, say) },
		"iread":     func(s *server, say func()) { plainLocker(s.rw.RLocker(), say) },
		"ifound":    func(s *server, say func()) { foundLocker(s, say) },
		"stwice":    func(s *server, say func()) { twice(&s.mu, say) },
		"sdefer":    func(s *server, say func()) { selfDeferred(&s.mu, s, say) },
		"scallee":   func(s *server, say func()) { selfCallee(&s.mu, say) },
		"sdirect":   func(s *server, say func()) { directTwice(s, say) },
		"supgrade":  func(s *server, say func()) { upgrade(s, say) },
		"sonce":     func(s *server, say func()) { s.once.Do(func() { tell(say); s.once.Do(func() {}) }) },
		"supgradei": func(s *server, say func()) { upgradeLocker(s.rw.RLocker(), &s.rw, say) },
	} {
		holds[how] = hold
	}
	wants["sonce"] = func(s *server) { s.once.Do(func() {}) }
	wants["iread"] = (*server).write
	wants["supgrade"] = (*server).write
	wants["supgradei"] = (*server).write
	shared2 := new(fake)
	for how, decoy := range map[string]func(s *server, given chan bool){
		"jother":    func(s *server, given chan bool) { twoLockers(new(sync.Mutex), &shared.state, given) },
		"jfake":     func(s *server, given chan bool) { lockerRests(shared2, given) },
		"jgave":     func(s *server, given chan bool) { lockerGave(&shared.state, given) },
		"jturned":   func(s *server, given chan bool) { turned(new(sync.Mutex), &shared.state, len(os.Args), given) },
		"jloop":     func(s *server, given chan bool) { eachLocker([]sync.Locker{&shared.state, new(sync.Mutex)}, given) },
		"jrelaxed":  func(s *server, given chan bool) { lockerRelaxed(&shared.state, given) },
		"jreturned": func(s *server, given chan bool) { lockerReturned(&shared.state, given) },
		"jlater":    func(s *server, given chan bool) { lockerLater(&shared.state, given) },
		"jdefers":   func(s *server, given chan bool) { lockerDefers(new(sync.Mutex), &shared.state, given) },
		"jcalls":    func(s *server, given chan bool) { callsGave(shared, shared.state.Unlock, given) },
		"jdeep":     func(s *server, given chan bool) { deepGave(shared, given) },
		"jstored":   func(s *server, given chan bool) { storedGave(shared, given) },
		"jselect":   func(s *server, given chan bool) { selectGave(shared, given) },
		"jstarted":  func(s *server, given chan bool) { startedGave(shared, given) },
		"jtry":      func(s *server, given chan bool) { tries(&maybe{}, &shared.state, given) },
	} {
		decoys[how] = decoy
		holds[how] = func(s *server, say func()) { shared.lent(say) }
		wants[how] = func(*server) { shared.add() }
	}
	holds["jfake"] = func(s *server, say func()) { lentLock(&shared2.mu, say) }
	wants["jfake"] = func(*server) { shared2.mu.Lock(); n++; shared2.mu.Unlock() }
}

// By somebody else, so that no function value is called beside the lock.
//
//go:noinline
func tell(say func()) {
	spokenFor = goid()
	told <- say
	<-said
}

var (
	told      = make(chan func())
	said      = make(chan bool)
	spokenFor string // by who says it
)

func init() {
	go func() {
		for say := range told {
			say()
			said <- true
		}
	}()
}

//go:noinline
func plainLocker(l sync.Locker, say func()) {
	l.Lock()
	rest(say)
	l.Unlock()
}

//go:noinline
func deferredLocker(l sync.Locker, say func()) {
	l.Lock()
	defer l.Unlock()
	rest(say)
}

//go:noinline
func lockerOf(s *server) sync.Locker { return &s.mu }

//go:noinline
func foundLocker(s *server, say func()) {
	l := lockerOf(s)
	l.Lock()
	rest(say)
	l.Unlock()
}

//go:noinline
func twice(l sync.Locker, say func()) {
	l.Lock()
	tell(say)
	l.Lock()
	n++
}

//go:noinline
func selfDeferred(l sync.Locker, s *server, say func()) {
	l.Lock()
	defer l.Unlock()
	tell(say)
	s.work()
}

//go:noinline
func lockOnce(l sync.Locker) {
	l.Lock()
	n++
}

//go:noinline
func selfCallee(l sync.Locker, say func()) {
	l.Lock()
	tell(say)
	lockOnce(l)
	l.Unlock()
}

//go:noinline
func directTwice(s *server, say func()) {
	s.mu.Lock()
	tell(say)
	s.mu.Lock()
	n++
}

//go:noinline
func upgrade(s *server, say func()) {
	s.rw.RLock()
	tell(say)
	s.rw.Lock()
	n++
}

//go:noinline
func upgradeLocker(l sync.Locker, rw *sync.RWMutex, say func()) {
	l.Lock()
	defer l.Unlock()
	tell(say)
	rw.Lock()
	n++
}

// Who is not likely to have it.

//go:noinline
func twoLockers(a, b sync.Locker, given chan bool) {
	a.Lock()
	given <- true
	long()
	b.Unlock()
}

// Its Lock takes nothing.
type fake struct {
	mu sync.Mutex
	to *int
}

func (f *fake) Lock()   { n++ }
func (f *fake) Unlock() { n-- }

//go:noinline
func lockerRests(l sync.Locker, given chan bool) {
	l.Lock()
	given <- true
	long()
	l.Unlock()
}

//go:noinline
func lockerGave(l sync.Locker, given chan bool) {
	l.Lock()
	n++
	l.Unlock()
	given <- true
	long()
	l.Lock()
}

//go:noinline
func turned(a, b sync.Locker, args int, given chan bool) {
	l := a
	l.Lock()
	if args > 0 {
		l = b
	}
	given <- true
	long()
	l.Unlock()
}

//go:noinline
func eachLocker(all []sync.Locker, given chan bool) {
	for i, l := range all {
		l.Lock()
		n++
		if i < len(all)-1 {
			l.Unlock()
		}
	}
	given <- true
	long()
	all[0].Unlock()
}

//go:noinline
func lockerRelaxed(l sync.Locker, given chan bool) {
	l.Lock()
	defer l.Unlock()
	without(l, func() { given <- true; long() })
}

//go:noinline
func hand(l sync.Locker) sync.Locker { l.Unlock(); return l }

//go:noinline
func lockerReturned(l sync.Locker, given chan bool) {
	l.Lock()
	m := hand(l)
	given <- true
	long()
	m.Lock()
	l.Unlock()
}

//go:noinline
func lockerLater(l sync.Locker, given chan bool) {
	given <- true
	long()
	l.Lock()
	l.Lock()
}

// It takes the one, and has deferred to give up the other.
//
//go:noinline
func lockerDefers(a, b sync.Locker, given chan bool) {
	a.Lock()
	defer b.Unlock()
	given <- true
	long()
	b.Lock()
	a.Unlock()
}

// What it calls gives it up, by a function value that it is given.
//
//go:noinline
func callsGave(p *pair, f func(), given chan bool) {
	p.state.Lock()
	call(f)
	rest2(given)
	p.n++
}

//go:noinline
func rest2(given chan bool) { given <- true; long() }

// What it calls has it given up by what that calls.
//
//go:noinline
func deepGave(p *pair, given chan bool) {
	p.state.Lock()
	p.done()
	rest2(given)
	p.n++
}

//go:noinline
func (p *pair) done() { p.n++; p.done2() }

//go:noinline
func (p *pair) done2() { p.n++; p.done3() }

//go:noinline
func (p *pair) done3() { p.state.Unlock() }

// Somebody else gives it up, who finds it in a variable, or is sent it.
//
//go:noinline
func storedGave(p *pair, given chan bool) {
	p.state.Lock()
	stored = &p.state
	give <- true
	<-gaveIt
	rest2(given)
	p.n++
}

//go:noinline
func selectGave(p *pair, given chan bool) {
	p.state.Lock()
	select {
	case locked <- &p.state:
	case <-never:
	}
	<-gaveIt
	rest2(given)
	p.n++
}

// By a `go` statement, whose wrapper looks like a deferred call's in some releases.
//
//go:noinline
func startedGave(p *pair, given chan bool) {
	d := make(chan bool)
	p.state.Lock()
	go p.doneBy(d)
	<-d
	rest2(given)
	p.n++
}

//go:noinline
func (p *pair) doneBy(d chan bool) { p.state.Unlock(); d <- true }

var (
	stored              *sync.Mutex
	give, gaveIt, never = make(chan bool), make(chan bool), make(chan bool)
	locked              = make(chan *sync.Mutex)
)

func init() {
	go func() {
		for {
			select {
			case <-give:
				stored.Unlock()
			case mu := <-locked:
				mu.Unlock()
			}
			gaveIt <- true
		}
	}()
}

type maybe struct{ n int }

func (m *maybe) Try(l sync.Locker) bool { m.n++; return m.n > 1 }

type tryer interface{ Try(l sync.Locker) bool }

//go:noinline
func tries(t tryer, l sync.Locker, given chan bool) {
	if t.Try(l) {
		l.Lock()
	}
	given <- true
	long()
	l.Unlock()
}
