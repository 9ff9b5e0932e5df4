package main

import (
	"os"
	"runtime"
	"runtime/trace"
	"strings"
)

// The runtime as a witness of its own: its execution trace, and its heap profile with every
// allocation sampled.

// Allocated once each: what lies between them in a trace is what the heap profile counted.
type (
	MarkBegin struct{ a [9]uint64 }
	MarkEnd   struct{ a [9]uint64 }
)

var (
	sinkBegin *MarkBegin
	sinkEnd   *MarkEnd
)

func startTrace(path string) (stop func()) {
	if path == "" {
		return func() {}
	}
	file, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	if err := trace.Start(file); err != nil {
		panic(err)
	}
	return func() {
		trace.Stop()
		if err := file.Close(); err != nil {
			panic(err)
		}
	}
}

// What the runtime sampled of its own accord, at its rate of one in 512 KiB, before we counted.
var sampledBefore []allocSite

func beginHeap() {
	runtime.MemProfileRate = 0
	sampledBefore = heapProfile()
	runtime.MemProfileRate = 1
	sinkBegin = new(MarkBegin)
}

// allocSite is a line that calls the allocator: by new, make or a literal.
type allocSite struct {
	Caller string `json:"caller"`
	Line   int    `json:"line"`
	Count  int64  `json:"count"`
	Bytes  int64  `json:"bytes"`
}

// endHeap returns what was allocated since beginHeap: a site may be in it more than once, to be added up.
func endHeap() []allocSite {
	sinkEnd = new(MarkEnd)
	runtime.MemProfileRate = 0
	sites := heapProfile()
	for _, site := range sampledBefore {
		site.Count, site.Bytes = -site.Count, -site.Bytes
		sites = append(sites, site)
	}
	return sites
}

// heapProfile: the runtime completes it two collections later.
func heapProfile() []allocSite {
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	n, _ := runtime.MemProfile(nil, true)
	records := make([]runtime.MemProfileRecord, n+100)
	n, ok := runtime.MemProfile(records, true)
	if !ok {
		panic("the heap profile grew")
	}
	var sites []allocSite
	for i := range records[:n] {
		r := &records[i]
		site := outermost(r.Stack())
		site.Count, site.Bytes = r.AllocObjects, r.AllocBytes
		if site.Count > 0 {
			sites = append(sites, site)
		}
	}
	return sites
}

// outermost finds the first frame that is not the allocator's own. (Up to Go 1.26 the profile has none
// of new's and make's.)
func outermost(stack []uintptr) (site allocSite) {
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		if !isAllocator(f.Function) || !more {
			site.Caller, site.Line = f.Function, f.Line
			return site
		}
	}
}

func isAllocator(name string) bool {
	switch name {
	case "runtime.newobject", "runtime.makeslice", "runtime.makeslicecopy":
		return true
	}
	return strings.HasPrefix(name, "runtime.mallocgc")
}
