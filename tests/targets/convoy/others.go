// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
package main

import (
	"os"
	"runtime"
	"sync"
)

// Beside the holder there are those who took another lock, which is a part of the same object, or of another one that
// they got to by the same variable, or who seem to give up this one in the end: none of them is likely to have it.

type pair struct {
	state, log sync.Mutex
	next       *pair
	n          int
}

type outer struct {
	inner *pair
	mu    sync.Mutex
}

var (
	shared *pair
	around *outer
	shards *[8]sync.Mutex
)

func init() {
	shared, around, shards = new(pair), new(outer), new([8]sync.Mutex) // in the heap
	for how, decoy := range map[string]func(s *server, given chan bool){
		"olog":      func(s *server, given chan bool) { shared.flush(given) },
		"otransfer": func(s *server, given chan bool) { transfer(&pair{}, shared, given) },
		"onext":     func(s *server, given chan bool) { (&pair{next: &pair{}}).advance(shared, given) },
		"olocker":   func(s *server, given chan bool) { lockLater(&shared.state, given) },
		"owithout":  func(s *server, given chan bool) { shared.relaxed(given) },
		"ovalue":    func(s *server, given chan bool) { shared.valued(given) },
		"oclosure":  func(s *server, given chan bool) { reassigned(&pair{}, shared, given) },
		"ochanged":  func(s *server, given chan bool) { changed(&pair{}, shared, len(os.Args), given) },
	} {
		decoys[how] = decoy
		holds[how] = func(s *server, say func()) { shared.lent(say) }
		wants[how] = func(*server) { shared.add() }
	}
	holds["olog"] = func(s *server, say func()) { shared.keep(say) }
	holds["otransfer"] = func(s *server, say func()) { shared.keep(say) }
	decoys["oinner"] = func(s *server, given chan bool) { around.inner = &pair{}; around.refresh(given) }
	holds["oinner"] = func(s *server, say func()) { around.keep(say) }
	wants["oinner"] = func(*server) { around.mu.Lock(); n++; around.mu.Unlock() }
	turn := 0
	decoys["oshard"] = func(s *server, given chan bool) { turn++; shard(shards, turn, given) }
	holds["oshard"] = func(s *server, say func()) { lentLock(&shards[0], say) }
	wants["oshard"] = func(*server) { shards[0].Lock(); n++; shards[0].Unlock() }
}

//go:noinline
func (p *pair) add() { p.state.Lock(); p.n++; p.state.Unlock() }

//go:noinline
func rest(say func()) { say(); long() }

// As plain as it gets.
//
//go:noinline
func (p *pair) keep(say func()) {
	p.state.Lock()
	rest(say)
	p.state.Unlock()
	runtime.KeepAlive(p)
}

//go:noinline
func (o *outer) keep(say func()) {
	o.mu.Lock()
	rest(say)
	o.mu.Unlock()
}

func (p *pair) lent(say func()) { lentLock(&p.state, say) }

//go:noinline
func lentLock(mu *sync.Mutex, say func()) {
	release := take(mu)
	say()
	long()
	release()
}

//go:noinline
func (p *pair) flush(given chan bool) {
	if p.n++; p.n > 1 {
		given <- true
		return
	}
	p.log.Lock()
	given <- true
	long()
	p.log.Unlock()
	p.add()
}

//go:noinline
func transfer(from, to *pair, given chan bool) {
	from.state.Lock()
	given <- true
	long()
	from.state.Unlock()
	to.add()
}

//go:noinline
func (p *pair) advance(to *pair, given chan bool) {
	p.next.state.Lock()
	p.next = to
	given <- true
	long()
	p.next.state.Unlock()
	to.add()
}

//go:noinline
func shard(s *[8]sync.Mutex, i int, given chan bool) {
	s[i].Lock()
	given <- true
	long()
	s[i].Unlock()
	runtime.KeepAlive(s)
}

//go:noinline
func lockLater(l sync.Locker, given chan bool) {
	defer l.Unlock()
	given <- true
	long()
	l.Lock()
}

//go:noinline
func without(l sync.Locker, f func()) {
	l.Unlock()
	defer l.Lock()
	f()
}

//go:noinline
func (p *pair) relaxed(given chan bool) {
	p.state.Lock()
	defer p.state.Unlock()
	without(&p.state, func() { given <- true; long() })
}

//go:noinline
func (p *pair) valued(given chan bool) {
	p.state.Lock()
	unlock := p.state.Unlock
	defer unlock()
	call(unlock)
	given <- true
	long()
}

//go:noinline
func reassigned(a, b *pair, given chan bool) {
	p := a
	p.state.Lock()
	defer func() { p.state.Unlock() }()
	p = b
	given <- true
	long()
}

//go:noinline
func changed(a, b *pair, args int, given chan bool) {
	p := a
	p.state.Lock()
	if args > 0 {
		p = b
	}
	given <- true
	long()
	p.add()
}

func (o *outer) Lock()   { o.inner.state.Lock() }
func (o *outer) Unlock() { o.inner.state.Unlock() }

//go:noinline
func (o *outer) refresh(given chan bool) {
	o.Lock()
	defer o.Unlock()
	given <- true
	long()
}
