// Hostile has functions, types and files whose names are room for others: tests/hostile.py writes into
// its binary what no compiler would. It prints "ready" when its goroutines stand where they stay.
package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

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

func main() {
	started.Add(7)
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
