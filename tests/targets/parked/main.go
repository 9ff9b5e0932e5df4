// Parked puts goroutines to rest in many ways, prints the runtime's own dump of all of them, then
// "END", and rests: whatever is read from its memory afterwards must agree with that dump.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

type worker struct{ in chan int }

func (w *worker) run()  { <-w.in }
func (w worker) value() { <-w.in }

type runner interface{ run() }

//go:noinline
func readAtLeast(w *worker, b []byte, min int) int { return <-w.in + len(b) + min }

// Inlined into its caller.
func readFull(w *worker, b []byte) int { return readAtLeast(w, b, len(b)) }

// What is live of its arguments differs between the inlined call and the call in that.
//
//go:noinline
func readHeader(b []byte, w *worker) int {
	if n := readFull(w, b[:9]); n < 9 {
		return n
	}
	return int(b[0])<<16 | int(b[1])
}

//go:noinline
func callRunner(r runner) { r.run() }

// Inlined into its caller.
func wait(in chan int) int { return <-in }

func waitTwice(in chan int) int { return wait(in) + 1 }

//go:noinline
func deep(n int, in chan int) int {
	var local [64]byte
	if n == 0 {
		return <-in
	}
	local[n%64] = byte(n)
	return deep(n-1, in) + int(local[0])
}

func inPanic(in chan int) {
	defer func() {
		defer func() { recover() }()
		<-in
	}()
	panic("parked in a deferred call")
}

func nilMap(in chan int) {
	defer func() {
		recover()
	}()
	defer waitTwice(in)
	var m *worker
	_ = m.in // a fault: sigpanic is on the stack
}

func locked(in chan int) {
	runtime.LockOSThread()
	<-in
}

func blockedRead(fd int) {
	var b [1]byte
	syscall.Read(fd, b[:])
}

type sorter struct{ in chan int }

func (s sorter) Len() int           { return 2 }
func (s sorter) Swap(i, j int)      {}
func (s sorter) Less(i, j int) bool { <-s.in; return false }

func spawn(in chan int) {
	var mu sync.Mutex
	var rw sync.RWMutex
	var wg sync.WaitGroup
	cond := sync.NewCond(&sync.Mutex{})
	mu.Lock()
	rw.Lock()
	wg.Add(1)
	w := &worker{in}

	go func() { <-in }()
	go w.run()
	go w.value()
	go callRunner(w)
	go readHeader(make([]byte, 20), w)
	go waitTwice(in)
	go deep(30, in)
	go inPanic(in)
	go nilMap(in)
	go locked(in)
	go mu.Lock()
	go func() { mu.Lock() }()
	go func() { rw.RLock() }()
	go wg.Wait()
	go func() { cond.L.Lock(); cond.Wait() }()
	go func() { select {} }()
	go func() {
		select {
		case <-in:
		case in2 := <-make(chan chan int):
			<-in2
		}
	}()
	go func() { make(chan int) <- 1 }()
	go func() { var c chan int; <-c }()
	go time.Sleep(time.Hour)
	go func() { time.Sleep(time.Hour) }()
	go sort.Sort(sorter{in})
	go func() {
		var once sync.Once
		once.Do(func() { <-in })
	}()
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		panic(err)
	}
	go blockedRead(fds[0])
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		go l.Accept()
	}
	spawnReflected(in)
	spawnArguments(in)
	spawnLabelled(in)
	spawnFinalizer(in)
	spawnCleanup(in)
	spawnBubble(in)
	spawnDeep(in)
	spawnMore(in)
}

// Everything rests when only the caller runs, twice in a row with the same text.
func dump() string {
	buf := make([]byte, 1<<20)
	last := ""
	for {
		time.Sleep(20 * time.Millisecond)
		text := string(buf[:runtime.Stack(buf, true)])
		rest := text[strings.Index(text, "\n\n")+1:]
		if rest == last && !strings.Contains(rest, " [run") {
			return rest
		}
		last = rest
	}
}

//go:noinline
func spin(n int) int {
	for n != 7 {
		n = n*3 + 1
	}
	return n
}

//go:noinline
func grow(n int) int {
	var local [300]byte
	if n == 0 {
		return 0
	}
	return grow(n-1) + int(local[n%300])
}

func spinForever() {
	for {
		spin(2)
	}
}

func growForever() {
	for {
		grow(60) // fewer frames than a dump shows of one stack (runtime/traceback.go)
	}
}

// On one processor, goroutines that never rest: all but one were interrupted somewhere.
func busy() {
	runtime.GOMAXPROCS(1)
	for i := 0; i < 3; i++ {
		go spinForever()
		go growForever()
	}
	time.Sleep(200 * time.Millisecond)
	fmt.Print("busy\nEND\n")
	select {}
}

func main() {
	if len(os.Args) > 1 {
		busy()
	}
	in := make(chan int)
	spawn(in)
	fmt.Print(dump(), "\nEND\n")
	os.Stdout.Sync()
	<-in
}
