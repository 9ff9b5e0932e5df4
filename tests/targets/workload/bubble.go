//go:build go1.25

//go:debug asynctimerchan=0

package main

import (
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// In a synctest bubble time is made up, goroutines wait for other reasons, and from Go 1.26 on system
// calls and coroutine switches pass runtime.casgstatus after all.
func init() {
	testing.Init()
	extras = append(extras, func(scale int) {
		done := make(chan bool)
		in := func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { bubble(10 * scale) })
			done <- true
			select {} // or testing.Main would end the program
		}
		all := func(string, string) (bool, error) { return true, nil }
		go testing.Main(all, []testing.InternalTest{{Name: "bubble", F: in}}, nil, nil)
		<-done
		truth.Started["main.parallel"] += int(atomic.SwapInt64(&parallels, 0))
	})
}

func bubble(n int) {
	turns := make(chan int)
	go parallelInBubble(turns, n)
	for i := range turns {
		time.Sleep(time.Hour)
		if i%2 == 0 {
			synctest.Wait()
		}
	}
	inParallel(3, func(i int) {
		for j := 0; j < n; j++ {
			time.Sleep(time.Duration(i) * time.Minute)
			os.Getppid()
			if file, err := os.Open(os.DevNull); err == nil {
				file.Close()
			}
			pull(j%3, i)
		}
	})
	truth.Started["coroutine"] += 3 * n
	truth.Started["main.parallelInBubble"]++
}

//go:noinline
func parallelInBubble(turns chan<- int, n int) {
	for i := 0; i < n; i++ {
		turns <- i
		time.Sleep(time.Minute)
	}
	close(turns)
}
