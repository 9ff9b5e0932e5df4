package main

import (
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

// hot writes a profile of what a build is then optimised for: channels, system calls, go statements,
// allocation, or one of them ("" is all). The compiler copies the runtime functions that are hot here
// into their callers.
func hot(file, heat string) {
	out, err := os.Create(file)
	if err != nil {
		panic(err)
	}
	// The more samples, the less it hangs on chance what is hot. (StartCPUProfile says that it keeps it.)
	runtime.SetCPUProfileRate(1000)
	if err := pprof.StartCPUProfile(out); err != nil {
		panic(err)
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		if heat == "" || heat == "channels" {
			rally(3000)
		}
		if heat == "" || heat == "calls" {
			pipes(1000)
		}
		if heat == "" || heat == "go" {
			spawn(2000)
		}
		if heat == "" || heat == "allocation" {
			allocate(3000)
		}
	}
	pprof.StopCPUProfile()
	if err := out.Close(); err != nil {
		panic(err)
	}
}

func rally(n int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for i := range there {
			back <- i
		}
		close(back)
	}()
	for i := 0; i < n; i++ {
		there <- i
		<-back
	}
	close(there)
	<-back
}

func pipes(n int) {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	defer r.Close()
	defer w.Close()
	var one [1]byte
	for i := 0; i < n; i++ {
		w.Write(one[:])
		r.Read(one[:])
	}
}

func spawn(n int) {
	var done sync.WaitGroup
	for i := 0; i < n; i++ {
		done.Add(1)
		go done.Done()
		if i%20 == 0 {
			done.Wait()
		}
	}
	done.Wait()
}

func allocate(n int) {
	for i := 0; i < n; i++ {
		sinkTiny = new(Tiny)
		sinkPlain = &SmallPlain{a: uint64(i)}
		sinkRef = new(SmallRef)
		sinkLarge = new(LargeRef)
		sinkElems = make([]Elem, i%7+1)
		sinkMap = make(map[KeyA]ValA, 20)
		sinkMap[KeyA{1, uint64(i)}] = ValA{}
	}
}
