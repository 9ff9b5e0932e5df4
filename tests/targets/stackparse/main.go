// Stackparse reads a goroutine dump on standard input with two parsers that others use, panicparse and
// gostackparse, and prints as JSON what each understood: goroutines, frames, and what it choked on.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/DataDog/gostackparse"
	"github.com/maruel/panicparse/v2/stack"
)

type understood struct {
	Goroutines int            `json:"goroutines"`
	Frames     map[string]int `json:"frames"` // by goroutine
	States     map[string]int `json:"states"`
	Left       string         `json:"left"` // text it did not take for a dump
	Errors     []string       `json:"errors"`
}

func newUnderstood() *understood {
	return &understood{Frames: map[string]int{}, States: map[string]int{}, Errors: []string{}}
}

func byPanicparse(dump []byte) *understood {
	u := newUnderstood()
	var left bytes.Buffer
	snapshot, rest, err := stack.ScanSnapshot(bytes.NewReader(dump), &left, &stack.Opts{})
	if err != nil && err != io.EOF {
		u.Errors = append(u.Errors, err.Error())
	}
	u.Left = left.String() + string(rest)
	if snapshot == nil {
		return u
	}
	u.Goroutines = len(snapshot.Goroutines)
	for _, g := range snapshot.Goroutines {
		u.Frames[fmt.Sprint(g.ID)] = len(g.Stack.Calls)
		u.States[g.State]++
	}
	return u
}

func byGostackparse(dump []byte) *understood {
	u := newUnderstood()
	goroutines, errs := gostackparse.Parse(bytes.NewReader(dump))
	for _, err := range errs {
		u.Errors = append(u.Errors, err.Error())
	}
	u.Goroutines = len(goroutines)
	for _, g := range goroutines {
		u.Frames[fmt.Sprint(g.ID)] = len(g.Stack)
		u.States[g.State]++
	}
	return u
}

func main() {
	dump, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "stackparse:", err)
		os.Exit(1)
	}
	err = json.NewEncoder(os.Stdout).Encode(map[string]*understood{
		"panicparse": byPanicparse(dump), "gostackparse": byGostackparse(dump)})
	if err != nil {
		os.Exit(1)
	}
}
