// Hostile has functions, types and files whose names are room for others: tests/hostile.py writes into
// its binary what no compiler would. Labels and the names of what it waits for are such in its source: with a
// folder as argument it waits there for a pipe and a socket. It prints "ready" when its goroutines stand where
// they stay.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

const evil = "\x1b[2J\x1b]0;FORGED\a\ngoroutine 99 [running]:\nX\t\xff\u009b\u202e"

var labels = [][]string{
	{evil, evil}, {"user", evil}, {evil, "user"}, {"", ""}, {"..", "."}, {".", ".."}, {"/", "a/b"},
	{"../../etc", "../passwd"}, {"a=b", "c=d"}, {"%2F", "%"}, {"status", "goroutines"},
	{"\x00", "a\x00b"}, {"<script>alert(1)</script>", "&lt;\"'"},
}

var (
	started sync.WaitGroup
	kept    []interface{}
)

type TypeWithEscapeAndLineEnd_ABCDEFGHIJ struct{ a, b uint64 }
type TypeThatIsNotUTF8AtAll_ABCDEFGHIJKL struct{ a, b, c uint64 }

//go:noinline
func functionWithEscape_ABCDEFGHIJKLMNO() { park() }

//go:noinline
func functionWithLineEnd_ABCDEFGHIJKLMN() { park() }

//go:noinline
func functionThatIsNotUTF8_ABCDEFGHIJKL() { park() }

//go:noinline
func functionWithControls_ABCDEFGHIJKLM() { park() }

// Its whole name, with the package's, becomes a header of a dump.
//
//go:noinline
func functionHeader_A() { park() }

//line /source/path/with/room/for/others_ABCDEFGHIJKLMNOPQRSTUVWXYZ.go:7
//go:noinline
func functionInAFile_ABCDEFGHIJKLMNOPQR() { go functionWithEscape_ABCDEFGHIJKLMNO(); park() }

//line main.go:44
//go:noinline
func park() {
	started.Done()
	for {
		kept = append([]interface{}{}, new(TypeWithEscapeAndLineEnd_ABCDEFGHIJ), new(TypeThatIsNotUTF8AtAll_ABCDEFGHIJKL))
		time.Sleep(20 * time.Millisecond)
	}
}

func labelled(pairs ...string) {
	pprof.Do(context.Background(), pprof.Labels(pairs...), func(context.Context) { park() })
}

// waitIn waits for what is called as nothing should be.
func waitIn(folder string) {
	if err := syscall.Mkfifo(folder+"/"+evil, 0600); err != nil {
		panic(err)
	}
	pipe, err := os.OpenFile(folder+"/"+evil, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	socket, err := net.Listen("unix", "@"+evil)
	if err != nil {
		panic(err)
	}
	go pipe.Read(make([]byte, 1))
	go socket.Accept()
	os.WriteFile("/proc/self/comm", []byte("c\x1b[2J\nFORGED"), 0)
}

func main() {
	started.Add(7 + len(labels))
	for _, pairs := range labels {
		go labelled(pairs...)
	}
	if len(os.Args) > 1 {
		waitIn(os.Args[1])
	}
	go functionWithEscape_ABCDEFGHIJKLMNO()
	go functionWithLineEnd_ABCDEFGHIJKLMN()
	go functionThatIsNotUTF8_ABCDEFGHIJKL()
	go functionWithControls_ABCDEFGHIJKLM()
	go functionHeader_A()
	go functionInAFile_ABCDEFGHIJKLMNOPQR()
	started.Wait()
	fmt.Println("ready")
	// Until whoever started it is gone.
	os.Stdin.Read(make([]byte, 1))
	_ = kept
}
