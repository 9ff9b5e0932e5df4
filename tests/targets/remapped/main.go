// Remapped copies its own code to anonymous memory and puts that in the code's place, as programs do
// that want huge pages for it. Then it says "ready", and makes an object and a goroutine for each line on
// standard input. With -wait it says "waits" first, and moves the code after a line. With -drop it leaves its
// code where it is, and a line that says drop throws the page of new(T) away, one that says drop all all pages.
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

//go:linkname newobject runtime.newobject
func newobject(t unsafe.Pointer) unsafe.Pointer

// drop has pages of the code read from the file again: what anybody wrote into them is gone.
func drop(all bool) {
	lo, hi := code()
	if !all {
		f := newobject
		entry := **(**uintptr)(unsafe.Pointer(&f))
		lo = entry &^ 4095
		hi = lo + 4096
	}
	const dontneed = 4
	if _, _, e := syscall.Syscall(syscall.SYS_MADVISE, lo, hi-lo, dontneed); e != 0 {
		fail("madvise", e)
	}
}

func main() {
	wait := flag.Bool("wait", false, "move the code after a line only")
	drops := flag.Bool("drop", false, "do not move it")
	flag.Parse()
	in := bufio.NewReader(os.Stdin)
	if *wait {
		fmt.Println("waits")
		in.ReadString('\n')
	}
	if !*drops {
		move()
	}
	fmt.Println("ready")
	done := make(chan bool)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "drop") {
			drop(strings.HasPrefix(line, "drop all"))
		}
		kept = new(Thing)
		go worker(done)
		<-done
		fmt.Println("done")
	}
}
