// A heap that grows at one place, while most is allocated, and most is kept, at others. Each line
// on standard input is answered: "profile FILE" writes the heap profile as Go itself has it.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

type job struct{ body []byte }

var (
	mu    sync.Mutex
	queue []*job
	cache [][]byte
	junk  []byte
)

// Kept since the start: most of what is there at first.
//
//go:noinline
func fillCache() {
	for i := 0; i < 40; i++ {
		cache = append(cache, make([]byte, 1<<20))
	}
}

// Nobody takes from the queue as fast as this adds to it.
//
//go:noinline
func enqueue(n int) {
	mu.Lock()
	queue = append(queue, newJob(n))
	mu.Unlock()
}

func newJob(n int) *job { return &job{make([]byte, n)} } // inlined

// Most of all that is allocated, and none of it stays.
//
//go:noinline
func render() { junk = make([]byte, 64<<10) }

func work(each time.Duration, jobs, renders int) {
	for range time.Tick(each) {
		for i := 0; i < jobs; i++ {
			enqueue(16 << 10)
		}
		for i := 0; i < renders; i++ {
			render()
		}
	}
}

func answer(line string) error {
	words := strings.Fields(line)
	if len(words) == 2 && words[0] == "profile" {
		f, err := os.Create(words[1])
		if err != nil {
			return err
		}
		defer f.Close()
		return pprof.Lookup("heap").WriteTo(f, 0)
	}
	if len(words) == 1 && words[0] == "collect" {
		runtime.GC()
		return nil
	}
	if len(words) == 1 && words[0] == "grow" {
		go work(10*time.Millisecond, 1, 5)
		return nil
	}
	return fmt.Errorf("what is %q?", line)
}

func main() {
	fillCache()
	for i := 0; i < 500; i++ {
		enqueue(16 << 10)
		render()
	}
	runtime.GC()
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := answer(in.Text()); err != nil {
			fmt.Println("error", err)
			continue
		}
		fmt.Println("done")
	}
}
