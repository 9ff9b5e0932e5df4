// Ops runs one runtime operation many times and says how much CPU time each took: what the benchmark
// of capture probes. It reads "NAME COUNT" lines from standard input, runs the operation COUNT times
// in chunks, and answers with the nanoseconds of CPU time an operation took in the median chunk (the
// collector, interrupts and neighbours hit single chunks), until the input ends.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sort"
	"syscall"
	"unsafe"
)

const chunk = 200

type object struct{ a [11]*int }

var (
	sinkObject *object
	sinkSlice  []object
	sinkMap    map[int]int
)

//go:noinline
func newobject(n int) {
	for i := 0; i < n; i++ {
		sinkObject = new(object)
	}
}

//go:noinline
func makeslice(n int) {
	for i := 0; i < n; i++ {
		sinkSlice = make([]object, i%3+1)
	}
}

//go:noinline
func makemap(n int) {
	for i := 0; i < n; i++ {
		sinkMap = make(map[int]int, 9)
	}
}

// Every Gosched is two transitions: running to runnable and back. On one P: an idle one would take the goroutine
// from the global queue, and what that costs depends on whether the other CPU has a reader to run.
//
//go:noinline
func gosched(n int) {
	for i := 0; i < n; i++ {
		runtime.Gosched()
	}
}

//go:noinline
func spawn(n int) {
	done := make(chan struct{})
	for i := 0; i < n; i++ {
		go func() { done <- struct{}{} }()
		<-done
	}
}

// Each is six transitions: this goroutine waits, is made runnable by the other one, runs; and so does that.
//
//go:noinline
func pingpong(n int) {
	there, back := make(chan struct{}), make(chan struct{})
	go func() {
		for range there {
			back <- struct{}{}
		}
	}()
	for i := 0; i < n; i++ {
		there <- struct{}{}
		<-back
	}
	close(there)
}

func processCPU() int64 {
	var ts syscall.Timespec
	const clockProcessCPUTime = 2
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockProcessCPUTime,
		uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

func main() {
	ops := map[string]func(int){
		"newobject": newobject, "makeslice": makeslice, "makemap": makemap,
		"gosched": gosched, "pingpong": pingpong, "spawn": spawn,
	}
	procs := runtime.GOMAXPROCS(0)
	in := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	for in.Scan() {
		var name string
		var n int
		if _, err := fmt.Sscanf(in.Text(), "%s %d", &name, &n); err != nil || ops[name] == nil {
			fmt.Println("unknown")
			continue
		}
		if name == "gosched" {
			runtime.GOMAXPROCS(1)
		} else {
			runtime.GOMAXPROCS(procs)
		}
		var took []float64
		for ; n > 0; n -= chunk {
			start := processCPU()
			ops[name](chunk)
			took = append(took, float64(processCPU()-start)/chunk)
		}
		sort.Float64s(took)
		fmt.Printf("%.1f\n", took[len(took)/2])
	}
}
