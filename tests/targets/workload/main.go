// Workload does a fixed number of things of known types and prints what it did, as JSON, so that a
// tracer's counts can be held against it. It waits for a line on standard input before it starts (so
// that a tracer can attach), prints, and waits for another before it ends.
//
// Only what escapes to the heap counts, so everything is stored in package variables. Nothing here
// needs more than Go 1.17; newer things live in files with build constraints.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
)

// Types of every size class that the allocator treats differently. None is allocated by anything else.
type (
	Tiny       struct{ a uint8 }        // < 16 bytes, no pointers: tiny allocator
	SmallPlain struct{ a, b, c uint64 } // 24 bytes, no pointers
	SmallRef   struct{ a, b *uint64 }   // 16 bytes, pointers
	MediumRef  struct{ a [10]*uint64 }  // 80 bytes: the last size that 1.27 specialises
	LargeRef   struct{ a [11]*uint64 }  // 88 bytes: runtime.newobject in every version
	Page       struct{ a [5000]uint64 } // 40,000 bytes: a span of its own
	Elem       struct{ a, b uint32 }    // slice element
	RefElem    struct{ p *uint64 }      // slice element with a pointer
	KeyA       struct{ a, b uint64 }    // map key
	ValA       struct{ a [3]uint64 }    // map value
)

// The sinks make sure that allocations escape.
var (
	sinkTiny   *Tiny
	sinkPlain  *SmallPlain
	sinkRef    *SmallRef
	sinkMedium *MediumRef
	sinkLarge  *LargeRef
	sinkPage   *Page
	sinkElems  []Elem
	sinkRefs   []RefElem
	sinkMap    map[KeyA]ValA
	sinkSmall  map[KeyA]ValA
	sinkDeep   []*SmallPlain // one a goroutine
)

// Truth is what was done. Allocation keys are Go type names as %T prints them, counts are exact.
type Truth struct {
	GoVersion string            `json:"go_version"`
	Pid       int               `json:"pid"`
	NewObject map[string]int    `json:"newobject"`
	MakeSlice map[string]int    `json:"makeslice"`
	SliceCap  map[string]int    `json:"makeslice_cap"`
	MakeMap   map[string]int    `json:"makemap"`
	SmallMaps int               `json:"makemap_small"`
	Started   map[string]int    `json:"started"`
	Parents   map[string]uint64 `json:"parents"`
	MainGoid  uint64            `json:"main_goid"`
	Objects   map[string]int    `json:"objects_of"`     // SmallPlain by the goroutine that made them
	Heap      []allocSite       `json:"heap,omitempty"` // what the runtime's own profile says
}

var truth = Truth{
	NewObject: map[string]int{}, MakeSlice: map[string]int{}, SliceCap: map[string]int{},
	MakeMap: map[string]int{}, Started: map[string]int{}, Parents: map[string]uint64{},
	Objects: map[string]int{},
}

// goid parses the number out of the first line of the goroutine's own stack dump.
func goid() uint64 {
	var raw [64]byte
	line := raw[:runtime.Stack(raw[:], false)]
	line = bytes.TrimPrefix(line, []byte("goroutine "))
	id, err := strconv.ParseUint(string(line[:bytes.IndexByte(line, ' ')]), 10, 64)
	if err != nil {
		panic(err)
	}
	return id
}

//go:noinline
func objects(n int) {
	for i := 0; i < n; i++ {
		sinkTiny = new(Tiny)
		sinkPlain = &SmallPlain{a: uint64(i)}
		sinkRef = new(SmallRef)
		sinkMedium = new(MediumRef)
		sinkLarge = new(LargeRef)
		if i%100 == 0 {
			sinkPage = new(Page)
			truth.NewObject["main.Page"]++
		}
	}
	for _, name := range []string{"Tiny", "SmallPlain", "SmallRef", "MediumRef", "LargeRef"} {
		truth.NewObject["main."+name] += n
	}
}

//go:noinline
func slices(n int) {
	for i := 0; i < n; i++ {
		sinkElems = make([]Elem, i%7+1, i%7+10)
		truth.MakeSlice["main.Elem"]++
		truth.SliceCap["main.Elem"] += i%7 + 10
		if len(sinkRefs) == 0 {
			sinkRefs = make([]RefElem, 0, n%5+4)[:3]
			truth.MakeSlice["main.RefElem"]++
			truth.SliceCap["main.RefElem"] += n%5 + 4
		}
		from := sinkRefs
		to := make([]RefElem, len(from)) // make + copy: makeslicecopy
		copy(to, from)
		truth.MakeSlice["main.RefElem"]++
		truth.SliceCap["main.RefElem"] += len(from)
		sinkRefs = to
	}
}

//go:noinline
func maps(n int) {
	for i := 0; i < n; i++ {
		sinkMap = make(map[KeyA]ValA, 100+i%3)
		sinkSmall = make(map[KeyA]ValA)
		sinkMap[KeyA{1, uint64(i)}] = ValA{}
	}
	truth.MakeMap["map[main.KeyA]main.ValA"] += n
	truth.SmallMaps += n
}

// started tells on a channel, before it waits, who it is; the buffered channel keeps it from parking.
type started struct {
	kind          string
	child, parent uint64
	objects       int // that it is about to make
}

func note(events chan<- started, kind string, parent uint64, objects int) {
	events <- started{kind, goid(), parent, objects}
}

//go:noinline
func leaf(events chan<- started, parent uint64, gate <-chan struct{}, done *sync.WaitGroup) {
	defer done.Done()
	note(events, "main.leaf", parent, 0)
	<-gate
}

//go:noinline
func quitter(events chan<- started, parent uint64, done *sync.WaitGroup) {
	defer done.Done()
	note(events, "main.quitter", parent, 0)
	runtime.Goexit()
}

//go:noinline
func branch(events chan<- started, parent uint64, leaves int, gate <-chan struct{}, done *sync.WaitGroup) {
	defer done.Done()
	note(events, "main.branch", parent, 0)
	me := goid()
	for i := 0; i < leaves; i++ {
		done.Add(1)
		go leaf(events, me, gate, done)
	}
	done.Add(1)
	go quitter(events, me, done)
	<-gate
}

func goroutines(n, leaves int) {
	events := make(chan started, n*(leaves+2)+1)
	gate := make(chan struct{})
	var done sync.WaitGroup
	me := goid()
	for i := 0; i < n; i++ {
		done.Add(1)
		go branch(events, me, leaves, gate, &done)
	}
	for i := 0; i < n*(leaves+2); i++ {
		record(<-events)
	}
	close(gate)
	done.Wait()
}

func record(s started) {
	truth.Started[s.kind]++
	child := strconv.FormatUint(s.child, 10)
	truth.Parents[child] = s.parent
	if s.objects > 0 {
		truth.Objects[child] = s.objects
	}
}

// deep allocates at every depth of a growing stack, so that the stack checks of the allocation
// functions themselves run out of stack now and then and the functions start over.
//
//go:noinline
func deep(depth int, pad [5]uint64, sink **SmallPlain) uint64 {
	p := new(SmallPlain)
	*sink = p
	if depth == 0 {
		return pad[0]
	}
	pad[depth%5]++
	return deep(depth-1, pad, sink) + p.a
}

//go:noinline
func grower(events chan<- started, parent uint64, i int, done *sync.WaitGroup) {
	defer done.Done()
	note(events, "main.grower", parent, growerDepth(i)+1)
	deep(growerDepth(i), [5]uint64{}, &sinkDeep[i])
}

func growerDepth(i int) int { return 20 + i%400 }

// growth runs while the collector runs too: it asks goroutines to stop through their stack checks,
// the other reason why a function starts over.
func growth(n int) {
	events := make(chan started, n)
	var done sync.WaitGroup
	me := goid()
	sinkDeep = make([]*SmallPlain, n)
	for i := 0; i < n; i++ {
		done.Add(1)
		go grower(events, me, i, &done)
		truth.NewObject["main.SmallPlain"] += growerDepth(i) + 1
		if i%50 == 0 {
			runtime.GC()
		}
	}
	done.Wait()
	for i := 0; i < n; i++ {
		record(<-events)
	}
}

// extras is filled by files with build constraints: coroutines, cgo threads.
var extras []func(scale int)

func main() {
	scale := flag.Int("scale", 1, "how much of everything")
	wait := flag.Bool("wait", true, "wait for a line on standard input before and after")
	traceFile := flag.String("trace", "", "write Go's own execution trace of the run to this file")
	heap := flag.Bool("heap", false, "print the runtime's own count of allocations by site")
	profile := flag.String("hot", "", "do nothing but write a CPU profile for -pgo to this file")
	heat := flag.String("heat", "", "of one thing: channels, calls, go or allocation")
	flag.Parse()
	if *profile != "" {
		hot(*profile, *heat)
		return
	}
	in := bufio.NewReader(os.Stdin)
	truth.GoVersion, truth.Pid, truth.MainGoid = runtime.Version(), os.Getpid(), goid()
	if *wait {
		fmt.Println("ready")
		in.ReadString('\n')
	}
	if *heap {
		beginHeap()
	}
	stopTrace := startTrace(*traceFile)
	debug.SetGCPercent(50)
	objects(2000 * *scale)
	slices(1000 * *scale)
	maps(300 * *scale)
	goroutines(40**scale, 8)
	growth(300 * *scale)
	bustle(20 * *scale)
	for _, extra := range extras {
		extra(*scale)
	}
	stopTrace()
	if *heap {
		truth.Heap = endHeap()
	}
	if err := json.NewEncoder(os.Stdout).Encode(truth); err != nil {
		panic(err)
	}
	if *wait {
		in.ReadString('\n')
	}
}
