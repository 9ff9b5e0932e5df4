// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// A program that does what the lines it reads say, and executes other programs, or itself, in the same
// process. It reads byte by byte: what stands behind an exec is for whoever comes then.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

type Marker struct{ words [4]int }

var kept *Marker

//go:noinline
func mark() *Marker { return &Marker{} }

func init() { runtime.LockOSThread() } // main runs on the first thread

func readLine() (string, bool) {
	var line []byte
	var b [1]byte
	for {
		n, err := os.Stdin.Read(b[:])
		if n == 0 || err != nil {
			return "", false
		}
		if b[0] == '\n' {
			return string(line), true
		}
		line = append(line, b[0])
	}
}

func work(wg *sync.WaitGroup) { wg.Done() }
func stay()                   { select {} }
func busy() {
	for {
		kept = mark()
		time.Sleep(100 * time.Microsecond)
	}
}

func number(words []string, i int) int {
	n, err := strconv.Atoi(words[i])
	if err != nil {
		panic(err)
	}
	return n
}

func execute(argv []string) {
	err := syscall.Exec(argv[0], argv, os.Environ())
	fmt.Println("exec:", err)
	os.Exit(1)
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "chain" { // chain N: N times more, quick
		kept = mark()
		if n := number(os.Args, 2); n > 0 {
			execute([]string{os.Args[0], "chain", strconv.Itoa(n - 1)})
		}
	}
	fmt.Println("ready", os.Getpid(), runtime.Version())
	for {
		line, ok := readLine()
		if !ok {
			return
		}
		words := strings.Fields(line)
		switch words[0] {
		case "work": // work N: N objects and N goroutines that end
			var wg sync.WaitGroup
			for i := 0; i < number(words, 1); i++ {
				kept = mark()
				wg.Add(1)
				go work(&wg)
			}
			wg.Wait()
		case "stay": // stay N: N goroutines that wait for ever
			for i := 0; i < number(words, 1); i++ {
				go stay()
			}
		case "busy": // busy N: N goroutines that allocate all the while
			for i := 0; i < number(words, 1); i++ {
				go busy()
			}
		case "count":
			fmt.Println("goroutines", runtime.NumGoroutine())
		case "exec": // exec PATH ARG...: by the first thread
			execute(words[1:])
		case "thread-exec": // by another one
			go func() {
				runtime.LockOSThread()
				execute(words[1:])
			}()
			select {}
		}
		fmt.Println("done", line)
	}
}
