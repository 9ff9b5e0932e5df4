// Facts prints what the runtime knows of this program, as the truth that tests of core/target
// compare with: its main function, types, wait reasons, and the calls at program counters that are
// read from standard input.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"unsafe"
)

// So that the runtime's part of it is in the program.
var cond = sync.NewCond(new(sync.Mutex))

type point struct{ x, y int }

type node struct {
	next  *node
	value string
	_     [4]byte
}

type shape interface{ area() float64 }

func (p point) area() float64 { return float64(p.x * p.y) }

type table map[string][]*node

//go:linkname reasonString runtime.waitReason.String
func reasonString(reason uint8) string

//go:linkname expand runtime/pprof.runtime_expandFinalInlineFrame
func expand(stack []uintptr) []uintptr

func address(v interface{}) uintptr {
	return (*[2]uintptr)(unsafe.Pointer(&v))[0]
}

func printType(v interface{}) {
	t := reflect.TypeOf(v)
	fmt.Printf("type %#x %d %d", address(v), t.Size(), int(t.Kind()))
	switch t.Kind() {
	case reflect.Map:
		fmt.Printf(" %d %d %d %d", t.Key().Size(), int(t.Key().Kind()), t.Elem().Size(),
			int(t.Elem().Kind()))
	case reflect.Slice, reflect.Array, reflect.Ptr, reflect.Chan:
		fmt.Printf(" 0 0 %d %d", t.Elem().Size(), int(t.Elem().Kind()))
	default:
		fmt.Printf(" 0 0 0 0")
	}
	fmt.Printf(" %s\n", t.String())
}

// Types that exist only at run time.
func made() []reflect.Type {
	p := reflect.TypeOf(point{})
	return []reflect.Type{
		reflect.ArrayOf(13, p), reflect.SliceOf(reflect.SliceOf(p)),
		reflect.MapOf(reflect.TypeOf(uint16(0)), reflect.ArrayOf(3, p)),
		reflect.ChanOf(reflect.RecvDir, p),
	}
}

// A return address, as the tracer meets it: the call is one byte before.
func printCalls(pc uintptr) {
	fmt.Printf("pc %#x\n", pc)
	frames := runtime.CallersFrames(expand([]uintptr{pc}))
	for {
		f, more := frames.Next()
		fmt.Printf("\t%s\t%s\t%d\n", f.Function, f.File, f.Line)
		if !more {
			return
		}
	}
}

func main() {
	cond.Broadcast()
	fmt.Printf("main %#x\n", reflect.ValueOf(main).Pointer())
	fmt.Printf("version %s\n", runtime.Version())
	for _, v := range []interface{}{
		0, uint8(1), "", 1.5, complex(1, 2), point{}, &point{}, node{}, []node{}, []*node{},
		[7]point{}, map[string]int{}, map[point]*node{}, map[uint8]struct{}{}, table{},
		make(chan point), func(int) error { return nil }, []shape{}, struct{ a, b int16 }{},
		map[string]map[string][]byte{}, os.Stdin, reflect.ValueOf(1), unsafe.Pointer(nil),
		[]interface{}{}, map[interface{}]bool{}, generic(),
	} {
		printType(v)
	}
	for i := 0; i < 256; i++ {
		s := reasonString(uint8(i))
		if s == "unknown wait reason" {
			break
		}
		fmt.Printf("reason %d %s\n", i, s)
	}
	for _, t := range made() {
		fmt.Printf("made %#x %d %d %s\n", address(reflect.Zero(reflect.PtrTo(t)).Interface()),
			reflect.PtrTo(t).Size(), int(reflect.PtrTo(t).Kind()), reflect.PtrTo(t).String())
		fmt.Printf("made %#x %d %d %s\n", address(reflect.Zero(t).Interface()), t.Size(),
			int(t.Kind()), t.String())
	}
	fmt.Println("ready")
	// Distances from main.main, one a line.
	base := reflect.ValueOf(main).Pointer()
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF || len(line) < 2 {
			return
		}
		pc, err := strconv.ParseInt(line[:len(line)-1], 0, 64)
		if err != nil {
			fmt.Println("bad", err)
			os.Exit(1)
		}
		printCalls(base + uintptr(pc))
	}
}
