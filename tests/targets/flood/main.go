// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Flood makes events as fast as it can and counts them itself. It prints "ready", then answers each line:
//
//	f SECONDS WORKERS   floods; then prints what was done since the start, and how many goroutines live
//	q                   ends, as the end of its input does
//
// Nothing but what is counted allocates or starts goroutines, from "ready" on: reading and printing go
// through memory that is there already.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

type Object struct{ a, b, c uint64 }

type counts struct {
	goroutines, objects, slices, maps uint64
	object                            *Object
	slice                             []uint16
	table                             map[int]int
	_                                 [64]byte
}

const most = 64

var (
	workers  [most]counts
	next     int32
	deadline int64
	tasks    sync.WaitGroup
	ended    uint64
	total    uint64 // goroutines started
	input    [64]byte
	output   []byte
	start    = time.Now()
)

// One that does next to nothing: it begins and ends.
func short() {
	atomic.AddUint64(&ended, 1)
	tasks.Done()
}

func worker() {
	c := &workers[atomic.AddInt32(&next, 1)-1]
	n := 10 + len(input)
	for int64(time.Since(start)) < atomic.LoadInt64(&deadline) {
		for i := 0; i < 20; i++ {
			c.object = new(Object)
			c.slice = make([]uint16, n)
			c.objects++
			c.slices++
		}
		c.table = make(map[int]int, n)
		c.maps++
		for i := 0; i < 5; i++ {
			tasks.Add(1)
			c.goroutines++
			go short()
		}
		runtime.Gosched()
	}
	atomic.AddUint64(&ended, 1)
	tasks.Done()
}

func number(name string, v uint64) {
	output = append(append(output, name...), ' ')
	output = append(strconv.AppendUint(output, v, 10), ' ')
}

func flood(seconds, n int) {
	var sum counts
	atomic.StoreInt64(&deadline, int64(time.Since(start))+int64(seconds)*int64(time.Second))
	atomic.StoreInt32(&next, 0)
	for i := 0; i < n; i++ {
		tasks.Add(1)
		total++
		go worker()
	}
	tasks.Wait()
	for i := range workers {
		sum.goroutines += workers[i].goroutines
		sum.objects += workers[i].objects
		sum.slices += workers[i].slices
		sum.maps += workers[i].maps
	}
	output = output[:0]
	number("newgoroutine", total+sum.goroutines)
	number("goexit", atomic.LoadUint64(&ended))
	number("newobject", sum.objects)
	number("makeslice", sum.slices)
	number("makemap", sum.maps)
	number("live", uint64(runtime.NumGoroutine()))
	output = append(output, '\n')
	runtime.GC()
	os.Stdout.Write(output)
}

// arguments reads the two numbers of "f 3 4".
func arguments(line []byte) (v [2]int) {
	for i, at := 1, -1; i < len(line); i++ {
		if line[i] < '0' || line[i] > '9' {
			continue
		}
		if line[i-1] < '0' || line[i-1] > '9' {
			at++
		}
		if at < 2 {
			v[at] = v[at]*10 + int(line[i]-'0')
		}
	}
	return
}

func main() {
	debug.SetGCPercent(-1)
	debug.SetMaxStack(1 << 20)
	output = make([]byte, 0, 512)
	flood(0, 1) // whatever is made once is made
	os.Stdout.WriteString("ready\n")
	for {
		n, err := os.Stdin.Read(input[:])
		if err != nil || input[0] != 'f' {
			return
		}
		v := arguments(input[:n])
		if v[1] > most {
			v[1] = most
		}
		flood(v[0], v[1])
	}
}
