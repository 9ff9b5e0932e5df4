package main

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// What a busy program does to its goroutines' states: parks and wakes in every way, blocks in system
// calls and in the network poller, is preempted, stops the world. How often is for the runtime's own
// trace to say; how many goroutines is known.
func bustle(n int) {
	kinds := []func(n int){pingPong, contend, sleepy, condition, pollPipe, rawPipe, spinners,
		stopWorld, threads, panics}
	var done sync.WaitGroup
	for _, kind := range kinds {
		done.Add(1)
		go bustler(kind, n, &done)
	}
	done.Wait()
	truth.Started["main.bustler"] += len(kinds)
	truth.Started["main.parallel"] += int(atomic.SwapInt64(&parallels, 0))
}

//go:noinline
func bustler(kind func(int), n int, done *sync.WaitGroup) {
	defer done.Done()
	kind(n)
}

// inParallel runs f in that many goroutines.
func inParallel(goroutines int, f func(i int)) {
	var done sync.WaitGroup
	for i := 0; i < goroutines; i++ {
		done.Add(1)
		go parallel(i, f, &done)
	}
	done.Wait()
	atomic.AddInt64(&parallels, int64(goroutines))
}

var parallels int64

//go:noinline
func parallel(i int, f func(int), done *sync.WaitGroup) {
	defer done.Done()
	f(i)
}

func pingPong(n int) {
	ping, pong := make(chan int), make(chan int)
	inParallel(2, func(i int) {
		for j := 0; j < 20*n; j++ {
			if i == 0 {
				ping <- j
				<-pong
			} else {
				<-ping
				pong <- j
			}
		}
	})
}

func contend(n int) {
	var mu sync.Mutex
	var rw sync.RWMutex
	inParallel(4, func(i int) {
		for j := 0; j < n; j++ {
			mu.Lock()
			runtime.Gosched()
			mu.Unlock()
			if i == 0 {
				rw.Lock()
				runtime.Gosched()
				rw.Unlock()
			} else {
				rw.RLock()
				rw.RUnlock()
			}
		}
	})
}

func sleepy(n int) {
	never := make(chan int)
	inParallel(3, func(i int) {
		for j := 0; j < n; j++ {
			time.Sleep(time.Duration(i*100) * time.Microsecond)
			select {
			case <-never:
			case <-time.After(100 * time.Microsecond):
			}
		}
	})
}

func condition(n int) {
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	turn := 0
	inParallel(3, func(i int) {
		for j := 0; j < n; j++ {
			mu.Lock()
			for turn%3 != i {
				cond.Wait()
			}
			turn++
			cond.Broadcast()
			mu.Unlock()
		}
	})
}

// pollPipe waits in the network poller.
func pollPipe(n int) {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	inParallel(2, func(i int) {
		b := make([]byte, 1)
		for j := 0; j < n; j++ {
			if i == 0 {
				r.Read(b)
			} else {
				w.Write(b)
				time.Sleep(50 * time.Microsecond)
			}
		}
	})
	r.Close()
	w.Close()
}

// rawPipe blocks its thread in read(2), so that the processor is taken from it.
func rawPipe(n int) {
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		panic(err)
	}
	inParallel(2, func(i int) {
		b := make([]byte, 1)
		for j := 0; j < n; j++ {
			if i == 0 {
				syscall.Read(fds[0], b)
			} else {
				time.Sleep(100 * time.Microsecond)
				syscall.Write(fds[1], b)
			}
		}
	})
	syscall.Close(fds[0])
	syscall.Close(fds[1])
}

var spun int64

// spinners never enter the scheduler by themselves: it interrupts them.
func spinners(n int) {
	end := time.Now().Add(time.Duration(n) * 3 * time.Millisecond)
	inParallel(runtime.GOMAXPROCS(0)+2, func(i int) {
		x := int64(i)
		for time.Now().Before(end) {
			for j := 0; j < 1000000; j++ {
				x = x*31 + 1
			}
		}
		atomic.AddInt64(&spun, x)
	})
}

func stopWorld(n int) {
	var stats runtime.MemStats
	buf := make([]byte, 1<<16)
	for i := 0; i < n/2; i++ {
		runtime.ReadMemStats(&stats)
		runtime.Stack(buf, true)
		if i%5 == 0 {
			runtime.GC()
		}
	}
}

// threads locks goroutines to threads; one that ends so ends its thread.
func threads(n int) {
	inParallel(3, func(i int) {
		runtime.LockOSThread()
		for j := 0; j < n; j++ {
			time.Sleep(20 * time.Microsecond)
		}
		if i > 0 {
			runtime.UnlockOSThread()
		}
	})
}

func panics(n int) {
	inParallel(2, func(i int) {
		for j := 0; j < n; j++ {
			func() {
				defer func() { recover() }()
				if i == 0 {
					panic(j)
				}
				var none *Tiny
				none.a = 1
			}()
		}
	})
}
