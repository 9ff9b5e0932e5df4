// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Does what it is told on stdin, a line at a time, and says after each line how many goroutines the
// runtime itself counts:
//
//	more N    starts N that wait
//	fewer N   lets N of them go on, and end
//	short N   starts N that end at once, and waits for them
//	wake      lets each that waits run once, and wait again
//	count     nothing
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

var (
	end   = make(chan bool)
	begun sync.WaitGroup
)

func waits() {
	begun.Done()
	for again := range end {
		if !again {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func do(what string, n, waiting int) int {
	switch what {
	case "more":
		begun.Add(n)
		for i := 0; i < n; i++ {
			go waits()
		}
		begun.Wait()
		return waiting + n
	case "fewer":
		for i := 0; i < n; i++ {
			end <- false
		}
		return waiting - n
	case "short":
		var all sync.WaitGroup
		all.Add(n)
		for i := 0; i < n; i++ {
			go all.Done()
		}
		all.Wait()
	case "wake":
		for i := 0; i < waiting; i++ {
			end <- true
		}
	}
	return waiting
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	waiting := 0
	fmt.Println("ready")
	for lines.Scan() {
		what, n := "", 0
		fmt.Sscan(lines.Text(), &what, &n)
		waiting = do(what, n, waiting)
		if what == "wake" {
			time.Sleep(20 * time.Millisecond) // they wait again, or soon
		}
		// Those that were let go have ended, however long that takes: nobody is left but those that wait and this one.
		for runtime.NumGoroutine() > waiting+1 {
			time.Sleep(time.Millisecond)
		}
		fmt.Println(what, runtime.NumGoroutine())
	}
}
