// Waits puts goroutines to wait in every way there is, prints what each waits on as the program itself
// has it, one a line, then "END", and rests:
//
//	object ADDRESS KIND STATE...      a channel, lock, ... as key=value words
//	wait GOID ADDRESS HOW             goroutine waits on object; ADDRESS "-": on nothing
//	holder ADDRESS GOID EVIDENCE      who holds it, and by what that can be seen
//
// Whatever is read from its memory afterwards must agree.
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

type payload struct {
	id   int
	name string
}

func goid() uint64 {
	var buf [64]byte
	fields := bytes.Fields(buf[:runtime.Stack(buf[:], false)])
	id, _ := strconv.ParseUint(string(fields[1]), 10, 64)
	return id
}

// The account is printed at the end, when all are parked.
var (
	accountLock sync.Mutex
	account     []func()
	started     sync.WaitGroup
)

func say(f func()) {
	accountLock.Lock()
	account = append(account, f)
	accountLock.Unlock()
}

func waiting(how string, object unsafe.Pointer) {
	id := goid()
	say(func() {
		if object == nil {
			fmt.Printf("wait %d - %s\n", id, how)
		} else {
			fmt.Printf("wait %d %#x %s\n", id, uintptr(object), how)
		}
	})
}

func holds(object unsafe.Pointer, evidence string) {
	id := goid()
	say(func() { fmt.Printf("holder %#x %d %s\n", uintptr(object), id, evidence) })
}

func start(n int, f func()) {
	for i := 0; i < n; i++ {
		started.Add(1)
		go f()
	}
}

// Of an hchan.
func pointer(c interface{}) unsafe.Pointer {
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&c))[1]
}

func channel(kind string, c interface{}, length, capacity int) {
	p := pointer(c)
	say(func() {
		fmt.Printf("object %#x chan type=%s len=%d cap=%d\n", uintptr(p), strings.Replace(kind, " ", "_", -1), length, capacity)
	})
}

func mutex(m *sync.Mutex) {
	say(func() {
		state := atomic.LoadInt32((*int32)(unsafe.Pointer(m)))
		fmt.Printf("object %#x Mutex locked=%v starving=%v waiters=%d\n", uintptr(unsafe.Pointer(m)), state&1 != 0, state&4 != 0, state>>3)
	})
}

func channels() {
	ints := make(chan int)
	start(3, func() { waiting("receive", pointer(ints)); started.Done(); <-ints })
	channel("int", ints, 0, 0)

	full := make(chan payload, 2)
	full <- payload{}
	full <- payload{}
	start(2, func() { waiting("send", pointer(full)); started.Done(); full <- payload{1, "x"} })
	channel("main.payload", full, len(full), cap(full))

	ranged := make(chan *payload, 4)
	start(1, func() {
		waiting("receive", pointer(ranged))
		started.Done()
		for range ranged {
		}
	})
	channel("*main.payload", ranged, 0, 4)

	empties := make(chan struct{}, 1)
	empties <- struct{}{}
	strs := make(chan string)
	start(2, func() {
		waiting("receive", pointer(strs))
		waiting("send", pointer(empties))
		waiting("receive", pointer(ints))
		started.Done()
		select {
		case <-strs:
		case empties <- struct{}{}:
		case <-ints:
		case <-(chan int)(nil):
		}
	})
	channel("string", strs, 0, 0)
	channel("struct {}", empties, 1, 1)
	nested := make(chan chan<- []map[string]error, 3)
	start(1, func() { waiting("receive", pointer(nested)); started.Done(); <-nested })
	channel("chan<- []map[string]error", nested, 0, 3)

	start(1, func() { waiting("nil:receive", nil); started.Done(); <-(chan int)(nil) })
	start(1, func() { waiting("nil:send", nil); started.Done(); (chan int)(nil) <- 1 })
	start(1, func() { waiting("cases:-", nil); started.Done(); select {} })

	// Whoever has it deferred is the one that will close it.
	done := make(chan bool)
	start(1, func() {
		defer close(done)
		holds(pointer(done), "deferred")
		waiting("receive", pointer(strs))
		started.Done()
		<-strs
	})
	start(1, func() { waiting("receive", pointer(done)); started.Done(); <-done })
	channel("bool", done, 0, 0)
}

func timers() {
	ticker := time.NewTicker(time.Hour)
	after := time.After(time.Hour)
	start(1, func() { waiting("receive", pointer(ticker.C)); started.Done(); <-ticker.C })
	start(1, func() { waiting("receive", pointer(after)); started.Done(); <-after })
	channel("time.Time", ticker.C, 0, 1)
	channel("time.Time", after, 0, 1)
}

//go:noinline
func holdMutex(m *sync.Mutex, until chan int, told chan bool) {
	m.Lock()
	defer m.Unlock()
	holds(unsafe.Pointer(m), "deferred")
	waiting("receive", pointer(until))
	started.Done()
	close(told)
	<-until
}

//go:noinline
func keepMutex(m *sync.Mutex, until chan int, told chan bool) {
	m.Lock()
	holds(unsafe.Pointer(m), "frame")
	waiting("receive", pointer(until))
	started.Done()
	close(told)
	<-until
	m.Unlock()
}

//go:noinline
func holdRead(rw *sync.RWMutex, until chan int, told chan bool) {
	rw.RLock()
	defer rw.RUnlock()
	holds(unsafe.Pointer(rw), "deferred")
	waiting("receive", pointer(until))
	started.Done()
	close(told)
	<-until
}

type server struct {
	name string
	mu   sync.Mutex
	rw   sync.RWMutex
}

// A method that has only its receiver, which the lock is a part of.
//go:noinline
func (s *server) keep(until chan int, told chan bool) {
	s.mu.Lock()
	holds(unsafe.Pointer(&s.mu), "object")
	waiting("receive", pointer(until))
	started.Done()
	close(told)
	<-until
	s.mu.Unlock()
}

var global sync.Mutex

func locks() {
	until := make(chan int)
	channel("int", until, 0, 0)

	// Mutexes: in an object, in another, in a global.
	s := &server{name: "s"}
	for i, m := range []*sync.Mutex{&s.mu, new(sync.Mutex), &global} {
		m, told := m, make(chan bool)
		if i == 1 {
			start(1, func() { keepMutex(m, until, told) })
		} else {
			start(1, func() { holdMutex(m, until, told) })
		}
		<-told
		start(2, func() { waiting("lock", unsafe.Pointer(m)); started.Done(); m.Lock() })
		mutex(m)
	}

	// Nobody has the lock's own address but those who wait for it.
	part, kept := &server{name: "part"}, make(chan bool)
	start(1, func() { part.keep(until, kept) })
	<-kept
	start(2, func() { waiting("lock", unsafe.Pointer(&part.mu)); started.Done(); part.mu.Lock() })
	mutex(&part.mu)

	// Readers hold it, a writer waits for them, another one for that one, and a reader for both.
	rw, told := &s.rw, make(chan bool)
	start(1, func() { holdRead(rw, until, told) })
	<-told
	start(1, func() {
		waiting("drain", unsafe.Pointer(rw))
		holds(unsafe.Pointer(rw), "pending_writer")
		started.Done()
		rw.Lock()
	})
	settle()
	start(1, func() { waiting("write", unsafe.Pointer(rw)); started.Done(); rw.Lock() })
	start(2, func() { waiting("read", unsafe.Pointer(rw)); started.Done(); rw.RLock() })
	say(func() {
		fmt.Printf("object %#x RWMutex readers=1 writer=pending readers_waiting=2\n", uintptr(unsafe.Pointer(rw)))
	})

	// A writer holds it.
	held := new(sync.RWMutex)
	held.Lock()
	start(2, func() { waiting("read", unsafe.Pointer(held)); started.Done(); held.RLocker().Lock() })
	start(1, func() { waiting("write", unsafe.Pointer(held)); started.Done(); held.Lock() })
	say(func() {
		fmt.Printf("object %#x RWMutex readers=0 writer=holding readers_waiting=2\n", uintptr(unsafe.Pointer(held)))
	})

	// A goroutine that has done its part later, and one that waits for it.
	group := new(sync.WaitGroup)
	group.Add(3)
	start(1, func() {
		defer group.Done()
		holds(unsafe.Pointer(group), "deferred")
		waiting("receive", pointer(until))
		started.Done()
		<-until
	})
	start(2, func() { waiting("zero", unsafe.Pointer(group)); started.Done(); group.Wait() })
	say(func() { fmt.Printf("object %#x WaitGroup counter=3 waiters=2\n", uintptr(unsafe.Pointer(group))) })

	cond := sync.NewCond(new(sync.Mutex))
	start(3, func() {
		waiting("signal", unsafe.Pointer(cond))
		cond.L.Lock()
		started.Done()
		cond.Wait()
	})
	say(func() { fmt.Printf("object %#x Cond waiters=3\n", uintptr(unsafe.Pointer(cond))) })
	other := &struct {
		pad int
		sync.Cond
	}{Cond: sync.Cond{L: &sync.RWMutex{}}}
	start(1, func() {
		waiting("signal", unsafe.Pointer(&other.Cond))
		other.L.Lock()
		started.Done()
		other.Wait()
	})
	say(func() { fmt.Printf("object %#x Cond waiters=1\n", uintptr(unsafe.Pointer(&other.Cond))) })
	keep = append(keep, s, held, group, cond, other)

	// Two that wait for each other.
	a, b := new(sync.Mutex), new(sync.Mutex)
	hasA, hasB := make(chan bool), make(chan bool)
	cross := func(first, second *sync.Mutex, mine, theirs chan bool) {
		first.Lock()
		defer first.Unlock()
		holds(unsafe.Pointer(first), "deferred")
		waiting("lock", unsafe.Pointer(second))
		close(mine)
		<-theirs
		started.Done()
		second.Lock()
	}
	start(1, func() { cross(a, b, hasA, hasB) })
	start(1, func() { cross(b, a, hasB, hasA) })
	mutex(a)
	mutex(b)
}

var keep []interface{}

func descriptors() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	served, err := l.Accept()
	if err != nil {
		panic(err)
	}
	start(1, func() { waiting("fd:read", nil); started.Done(); l.Accept() })
	start(1, func() { waiting("fd:read", nil); started.Done(); var b [1]byte; client.Read(b[:]) })
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	start(1, func() { waiting("fd:read", nil); started.Done(); var b [1]byte; r.Read(b[:]) })
	// Another pipe, as the reader must not take what the writer has.
	_, w2, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	start(1, func() { waiting("fd:write", nil); started.Done(); w2.Write(make([]byte, 1<<20)) })
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		panic(err)
	}
	keep = append(keep, l, client, served, r, w, w2, f)
}

// Lets all who have said that they will be parked get there.
func settle() { time.Sleep(50 * time.Millisecond) }

func main() {
	channels()
	timers()
	locks()
	descriptors()
	started.Wait()
	settle()
	for _, f := range account {
		f()
	}
	fmt.Println("END")
	os.Stdout.Sync()
	select {}
}
