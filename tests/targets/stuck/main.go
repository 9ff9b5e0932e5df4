// Stuck has goroutines that wait and, as far as the runtime knows, have done so for minutes. It prints the
// runtime's own dump of them, then "ready". A line on stdin: "leaks" takes Go's goroutine leak profile,
// "wake" lets go what waits on a channel and has it wait again, "dump" prints the dump; it answers "done".
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

//go:linkname allgs runtime.allgs
var allgs []unsafe.Pointer

// Of g.waitsince; g.goid is two words before it.
func offset() uintptr {
	minor, _ := strconv.Atoi(strings.Split(strings.TrimPrefix(runtime.Version(), "go1."), ".")[0])
	if minor == 23 || minor == 24 {
		return 176
	}
	return 168
}

// What a collection met waiting has waited for so many minutes.
func age(minutes func(goid int64) int64) {
	at := offset()
	for _, g := range allgs {
		since := (*int64)(unsafe.Pointer(uintptr(g) + at))
		goid := *(*int64)(unsafe.Pointer(uintptr(g) + at - 16))
		if *since > 0 && *since > minutes(goid)*60e9 {
			*since -= minutes(goid) * 60e9
		}
	}
}

func dump() {
	pprof.Lookup("goroutine").WriteTo(os.Stdout, 2)
	fmt.Println("END")
}

//go:noinline
func onChannel(c chan int) {
	for range c {
	}
}

//go:noinline
func onMutex(mu *sync.Mutex) { mu.Lock() }

//go:noinline
func onNetwork(l net.Listener) { l.Accept() }

//go:noinline
func inSystemCall(fd int) {
	for {
		syscall.Read(fd, make([]byte, 1))
	}
}

//go:noinline
func nobodySends() { <-make(chan int) }

// It looks like a pointer, to whoever has no types: the channel is out of reach all the same.
type disguise struct {
	pointer *int
	word    uintptr
}

var kept *disguise

//go:noinline
func nobodyKnows() {
	c := make(chan int)
	kept.word = *(*uintptr)(unsafe.Pointer(&c))
	<-c
}

func start() (chan int, *sync.Mutex) {
	c, mu := make(chan int), new(sync.Mutex)
	kept = &disguise{pointer: new(int)}
	mu.Lock()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		panic(err)
	}
	go onChannel(c)
	go onMutex(mu)
	go onNetwork(l)
	go inSystemCall(pipe[0])
	go nobodySends()
	go nobodyKnows()
	return c, mu
}

func main() {
	runtime.GC() // what a collection meets waiting is said to wait since the one before it
	c, mu := start()
	time.Sleep(300 * time.Millisecond)
	runtime.GC()
	age(func(goid int64) int64 { return 5 + goid%4 })
	dump()
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "leaks":
			if p := pprof.Lookup("goroutineleak"); p != nil {
				p.WriteTo(os.Stderr, 1)
			}
		case "wake":
			c <- 1
		case "dump":
			dump()
		}
		fmt.Println("done")
	}
	mu.Unlock()
}
