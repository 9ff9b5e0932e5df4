// Remapped copies its own code to anonymous memory and puts that in the code's place, as programs do
// that want huge pages for it. Then it says "ready", and makes an object and a goroutine for each line on
// standard input. With -wait it says "waits" first, and moves the code after a line.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// Thing is allocated by nobody else.
type Thing struct{ a, b *int }

var kept *Thing

//go:noinline
func worker(done chan bool) { done <- true }

func fail(what string, err interface{}) {
	fmt.Fprintln(os.Stderr, what, err)
	os.Exit(1)
}

// code is where the program's first executable mapping is.
func code() (lo, hi uintptr) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		fail("maps", err)
	}
	for _, line := range strings.Split(string(maps), "\n") {
		var perms string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &lo, &hi, &perms); n == 3 && perms == "r-xp" {
			return lo, hi
		}
	}
	fail("no code in", string(maps))
	return
}

func at(addr, n uintptr) (b []byte) {
	*(*[3]uintptr)(unsafe.Pointer(&b)) = [3]uintptr{addr, n, n}
	return b
}

func move() {
	lo, hi := code()
	n := hi - lo
	const rwx = syscall.PROT_READ | syscall.PROT_WRITE | syscall.PROT_EXEC
	to, _, e := syscall.Syscall6(syscall.SYS_MMAP, 0, n, rwx, syscall.MAP_PRIVATE|syscall.MAP_ANON, ^uintptr(0), 0)
	if e != 0 {
		fail("mmap", e)
	}
	copy(at(to, n), at(lo, n))
	const fixed = 3 // MREMAP_MAYMOVE | MREMAP_FIXED
	if _, _, e = syscall.Syscall6(syscall.SYS_MREMAP, to, n, n, fixed, lo, 0); e != 0 {
		fail("mremap", e)
	}
}

func main() {
	wait := flag.Bool("wait", false, "move the code after a line only")
	flag.Parse()
	in := bufio.NewReader(os.Stdin)
	if *wait {
		fmt.Println("waits")
		in.ReadString('\n')
	}
	move()
	fmt.Println("ready")
	done := make(chan bool)
	for {
		if _, err := in.ReadString('\n'); err != nil {
			return
		}
		kept = new(Thing)
		go worker(done)
		<-done
		fmt.Println("done")
	}
}
