// Figures says what its runtime counts of its heap, and rests: the truth that what is read from its
// memory is held against. Each line on standard input makes it say it again; "gc" collects before,
// "limit N" sets GOMEMLIMIT first, where this release has that, "percent N" GOGC, "churn" makes
// garbage on all processors. It ends with what
// its scheduler is known to have: GOMAXPROCS, and threads that goroutines are locked to.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
)

var (
	kept [][]byte
	m    runtime.MemStats
	out  [4096]byte
)

// Locked to its thread, and waits for ever.
func locked(ready chan<- int) {
	runtime.LockOSThread()
	ready <- syscall.Gettid()
	select {}
}

func add(text []byte, key string, value uint64) []byte {
	return strconv.AppendUint(append(append(text, key...), ' '), value, 10)
}

// Without an allocation: the figures stay as they are told.
func say() {
	runtime.ReadMemStats(&m)
	last, longest := uint64(0), uint64(0)
	for _, ns := range m.PauseNs {
		if ns > longest {
			longest = ns
		}
	}
	if m.NumGC > 0 {
		last = m.PauseNs[(m.NumGC+255)%256]
	}
	text := out[:0]
	for _, f := range [...]struct {
		key   string
		value uint64
	}{
		{"cycles", uint64(m.NumGC)}, {"forced", uint64(m.NumForcedGC)}, {"last_gc", m.LastGC},
		{"pause_total", m.PauseTotalNs}, {"pause_last", last}, {"pause_longest", longest},
		{"allocated", m.TotalAlloc}, {"goal", m.NextGC},
		{"in_use", m.HeapInuse}, {"idle", m.HeapIdle}, {"released", m.HeapReleased},
		{"sys", m.HeapSys}, {"stacks_in_use", m.StackInuse}, {"stacks_sys", m.StackSys},
		{"spans_bytes", m.MSpanInuse}, {"gc_sys", m.GCSys},
		{"other_sys", m.OtherSys + m.MSpanSys + m.MCacheSys + m.BuckHashSys},
		{"all_sys", m.Sys}, {"alloc", m.HeapAlloc},
		{"cpu", uint64(m.GCCPUFraction * 1e9)},
	} {
		text = append(add(text, f.key, f.value), '\n')
	}
	os.Stdout.Write(append(text, "END\n"...))
}

type node struct{ left, right *node }

func grow(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{grow(depth - 1), grow(depth - 1)}
}

// Allocates on all processors until a collection was begun by that, whose marking they help with.
func churn() {
	done := make(chan bool)
	for i := 0; i < 4; i++ {
		go func() {
			for k := 0; k < 8; k++ {
				grow(16)
			}
			done <- true
		}()
	}
	for i := 0; i < 4; i++ {
		<-done
	}
}

func main() {
	for i := 0; i < 1000; i++ {
		kept = append(kept, make([]byte, 10000))
	}
	ready := make(chan int)
	for i := 0; i < 3; i++ {
		go locked(ready)
		fmt.Println("locked", <-ready)
	}
	fmt.Println("gomaxprocs", runtime.GOMAXPROCS(3))
	fmt.Println("gomaxprocs", runtime.GOMAXPROCS(0))
	runtime.GC()
	say()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		words := strings.Fields(in.Text())
		switch {
		case len(words) == 1 && words[0] == "gc":
			runtime.GC()
		case len(words) == 1 && words[0] == "churn":
			churn()
		case len(words) == 2 && words[0] == "percent":
			n, _ := strconv.Atoi(words[1])
			debug.SetGCPercent(n)
		case len(words) == 2 && words[0] == "limit":
			n, _ := strconv.ParseInt(words[1], 10, 64)
			limit(n)
		}
		say()
	}
}
