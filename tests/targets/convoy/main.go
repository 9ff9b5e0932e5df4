// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Convoy has one goroutine that holds a lock in the way that its argument names, fifty that wait for
// it, and ten that have a pointer to what the lock is a part of and will want it later. It prints "holder
// GOID", then "ready", and rests.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

type server struct {
	name  string
	mu    sync.Mutex
	rw    sync.RWMutex
	cond  *sync.Cond
	n     int
	inner inner
	once  sync.Once
}

var holds = map[string]func(s *server, say func()){
	"deferred":  (*server).deferred,
	"plain":     (*server).plain,
	"early":     (*server).early,
	"closure":   (*server).closure,
	"interface": (*server).throughInterface,
	"helper":    (*server).helper,
	"relocked":  (*server).relocked,
	"busy":      (*server).busy,
	"hot":       (*server).hot,
	"read":      (*server).read,
	"flag":      (*server).flag,
	"callee":    (*server).plain,
	"cond":      (*server).plain,
	"steps":     (*server).plain,
	"pointer":   func(s *server, say func()) { pointer(&s.mu, say) },
}

var wants = map[string]func(s *server){}

func long() { time.Sleep(time.Hour) }

//go:noinline
func (s *server) deferred(say func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	say()
	long()
}

//go:noinline
func (s *server) plain(say func()) {
	s.mu.Lock()
	say()
	long()
	s.mu.Unlock()
}

//go:noinline
func pointer(mu *sync.Mutex, say func()) {
	mu.Lock()
	say()
	long()
	mu.Unlock()
}

// Not on every way to the end.
//
//go:noinline
func (s *server) early(say func()) {
	s.mu.Lock()
	if s.n == 7 {
		s.mu.Unlock()
		return
	}
	say()
	long()
	s.mu.Unlock()
}

//go:noinline
func (s *server) closure(say func()) {
	s.mu.Lock()
	defer func() {
		s.n++
		s.mu.Unlock()
		fmt.Println()
	}()
	say()
	long()
}

//go:noinline
func (s *server) throughInterface(say func()) {
	var l sync.Locker = &s.mu
	l.Lock()
	defer l.Unlock()
	say()
	long()
}

//go:noinline
func (s *server) lock() { s.mu.Lock() }

//go:noinline
func (s *server) unlock() { s.mu.Unlock() }

//go:noinline
func (s *server) helper(say func()) {
	s.lock()
	say()
	long()
	s.unlock()
}

//go:noinline
func (s *server) relocked(say func()) {
	for i := 0; i < 3; i++ {
		s.mu.Lock()
		s.n++
		s.mu.Unlock()
	}
	s.mu.Lock()
	say()
	long()
	s.mu.Unlock()
}

// Beside one who has unlocked already what he defers to unlock (see had).
//
//go:noinline
func (s *server) flag(say func()) {
	s.mu.Lock()
	say()
	long()
	s.mu.Unlock()
}

//go:noinline
func (s *server) had(given chan bool) {
	s.mu.Lock()
	locked := true
	defer func() {
		if locked {
			s.mu.Unlock()
		}
	}()
	if s.n >= 0 {
		s.mu.Unlock()
		locked = false
	}
	given <- true
	long()
}

// Who keeps it by a deferred call, and whose callee gives it up for a while.
//
//go:noinline
func (s *server) put(given, held chan bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evictLocked(given, held)
	s.n++
}

//go:noinline
func (s *server) evictLocked(given, held chan bool) {
	s.mu.Unlock()
	given <- true
	<-held
	s.mu.Lock()
}

// As sync.Cond's documentation has it.
//
//go:noinline
func (s *server) get(given chan bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.n == 0 {
		given <- true
		s.cond.Wait()
	}
}

//go:noinline
func (s *server) step() *server { steps++; return s }

var steps int

// Gave it up by a helper that comes after many other calls.
//
//go:noinline
func (s *server) stepped(given chan bool) {
	s.lock()
	s.step().step().step().step().step().step().step().step().step().step()
	s.step().step().step().step().step().step().step().step()
	s.unlock()
	given <- true
	long()
	s.n++
}

// Before the holder takes it.
func (s *server) before(how string, held chan bool) {
	given := make(chan bool)
	for i := 0; i < 6; i++ {
		if decoy := decoys[how]; decoy != nil {
			go decoy(s, given)
			<-given
			continue
		}
		switch how {
		case "flag":
			go s.had(given)
		case "flush":
			go s.flushParked(given)
		case "guarded":
			if i == 0 {
				go other(given)
			} else {
				go was(given)
			}
		case "gclosure":
			go gave(given, globalMu.Unlock)
		case "gdefers":
			go defers(given)
		case "ghelper":
			go was(given)
		case "steps":
			go s.stepped(given)
		case "callee":
			go s.put(given, held)
		case "cond":
			go s.get(given)
		default:
			return
		}
		<-given
	}
	if how == "cond" {
		time.Sleep(50 * time.Millisecond)
		s.mu.Lock()
		s.mu.Unlock()
	}
}

// It never waits.
//
//go:noinline
func (s *server) busy(say func()) {
	s.mu.Lock()
	say()
	spin()
	s.mu.Unlock()
}

//go:noinline
func (s *server) hot(say func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	say()
	spin()
}

//go:noinline
func spin() {
	for i := 0; time.Now().Year() > 2000; i++ {
	}
}

//go:noinline
func (s *server) read(say func()) {
	s.rw.RLock()
	defer s.rw.RUnlock()
	say()
	long()
}

//go:noinline
func (s *server) work() {
	s.mu.Lock()
	s.n++
	s.mu.Unlock()
}

//go:noinline
func (s *server) write() {
	s.rw.Lock()
	s.n++
	s.rw.Unlock()
}

func goid() string {
	if spokenFor != "" {
		return spokenFor
	}
	var buf [64]byte
	return string(bytes.Fields(buf[:runtime.Stack(buf[:], false)])[1])
}

func main() {
	s, held := &server{name: "s"}, make(chan bool)
	s.cond = sync.NewCond(&s.mu)
	s.before(os.Args[1], held)
	want := s.work
	if os.Args[1] == "read" {
		want = s.write
	}
	if other := wants[os.Args[1]]; other != nil {
		want = func() { other(s) }
	}
	go holds[os.Args[1]](s, func() {
		fmt.Println("holder", goid())
		for i := 0; i < 3; i++ {
			s.cond.Signal()
		}
		close(held)
	})
	<-held
	for i := 0; i < 10; i++ {
		go func() {
			for {
				long()
				want()
			}
		}()
	}
	for i := 0; i < 50; i++ {
		go func() {
			for {
				want()
			}
		}()
	}
	time.Sleep(300 * time.Millisecond)
	fmt.Println("ready")
	long()
	runtime.KeepAlive(s)
}
