// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// What few programs do, as lines of its input ask for: "rwx" has all code mapped so that it may be written, "rx" as
// it was; "leave" ends the main thread, and the others go on. A goroutine allocates ten times a second all the while.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

type thing struct{ field [5]int }

var sink *thing

func init() { runtime.LockOSThread() } // main is run by the main thread

func allocate() {
	for {
		sink = &thing{}
		time.Sleep(100 * time.Millisecond)
	}
}

func protect(prot int) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		panic(err)
	}
	exe, _ := os.Readlink("/proc/self/exe")
	for _, line := range strings.Split(string(bytes.TrimSpace(maps)), "\n") {
		var lo, hi uintptr
		var perms string
		fmt.Sscanf(line, "%x-%x %s", &lo, &hi, &perms)
		if perms[2] != 'x' || !strings.HasSuffix(line, " "+exe) {
			continue
		}
		code := unsafe.Slice((*byte)(unsafe.Pointer(lo)), hi-lo)
		if err := syscall.Mprotect(code, prot); err != nil {
			panic(err)
		}
	}
}

func main() {
	go allocate()
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "rwx":
			protect(syscall.PROT_READ | syscall.PROT_WRITE | syscall.PROT_EXEC)
		case "rx":
			protect(syscall.PROT_READ | syscall.PROT_EXEC)
		case "leave":
			syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
		}
		fmt.Println("did", in.Text())
	}
}
