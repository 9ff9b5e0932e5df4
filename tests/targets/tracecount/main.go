// Tracecount reads a Go execution trace and prints, as JSON, what each goroutine in it did: where it was
// created and by whom, whether it ended, and how often it went from one state to another. Ground truth
// for a tracer's own counts. With -moves it prints each change of state, a line each, in the order of time.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"golang.org/x/exp/trace"
)

type goroutine struct {
	Created bool           `json:"created"`
	Ended   bool           `json:"ended"`
	Parent  int64          `json:"parent"`
	Start   string         `json:"start"`   // the function it runs
	GoCall  string         `json:"go_call"` // the function with the go statement
	Moves   map[string]int `json:"moves"`   // "running>waiting": how often
	Reasons map[string]int `json:"reasons"` // why it went to waiting
}

type report struct {
	Goroutines map[string]*goroutine `json:"goroutines"`
	Lost       bool                  `json:"lost"`
}

func (r *report) of(id trace.GoID) *goroutine {
	key := fmt.Sprint(int64(id))
	g := r.Goroutines[key]
	if g == nil {
		g = &goroutine{Moves: map[string]int{}, Reasons: map[string]int{}}
		r.Goroutines[key] = g
	}
	return g
}

var names = map[trace.GoState]string{
	trace.GoUndetermined: "undetermined",
	trace.GoNotExist:     "none",
	trace.GoRunnable:     "runnable",
	trace.GoRunning:      "running",
	trace.GoWaiting:      "waiting",
	trace.GoSyscall:      "syscall",
}

func (r *report) add(ev trace.Event) {
	if ev.Kind() != trace.EventStateTransition {
		return
	}
	tr := ev.StateTransition()
	if tr.Resource.Kind != trace.ResourceGoroutine {
		return
	}
	g := r.of(tr.Resource.Goroutine())
	from, to := tr.Goroutine()
	if from == trace.GoUndetermined {
		return // it was there before
	}
	g.Moves[names[from]+">"+names[to]]++
	if to == trace.GoWaiting {
		g.Reasons[tr.Reason]++
	}
	if to == trace.GoNotExist {
		g.Ended = true
	}
	if from != trace.GoNotExist {
		return
	}
	g.Created = true
	g.Parent = int64(ev.Goroutine())
	for f := range tr.Stack.Frames() {
		g.Start = f.Func // the transition's stack is the new goroutine's own: one frame
		break
	}
	for f := range ev.Stack().Frames() {
		g.GoCall = f.Func
		break
	}
}

// move is a change of state: of whom, at whose hands (-1: nobody's), on which P (-1: on none).
type move struct {
	Time   int64  `json:"time"` // ns, of the trace's clock
	Goid   int64  `json:"goid"`
	From   string `json:"from"`
	To     string `json:"to"`
	By     int64  `json:"by"`
	Proc   int64  `json:"proc"`
	Reason string `json:"reason"`
}

func printMove(out *json.Encoder, ev trace.Event) error {
	if ev.Kind() != trace.EventStateTransition || ev.StateTransition().Resource.Kind != trace.ResourceGoroutine {
		return nil
	}
	tr := ev.StateTransition()
	from, to := tr.Goroutine()
	return out.Encode(move{int64(ev.Time()), int64(tr.Resource.Goroutine()), names[from], names[to],
		int64(ev.Goroutine()), int64(ev.Proc()), tr.Reason})
}

func run(path string, moves bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader, err := trace.NewReader(bufio.NewReader(file))
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	lines := json.NewEncoder(out)
	r := report{Goroutines: map[string]*goroutine{}}
	for {
		ev, err := reader.ReadEvent()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if !moves {
			r.add(ev)
		} else if err := printMove(lines, ev); err != nil {
			return err
		}
	}
	if !moves {
		if err := lines.Encode(r); err != nil {
			return err
		}
	}
	return out.Flush()
}

func main() {
	moves := flag.Bool("moves", false, "print each change of state")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: tracecount [-moves] TRACE")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *moves); err != nil {
		fmt.Fprintln(os.Stderr, "tracecount:", err)
		os.Exit(1)
	}
}
