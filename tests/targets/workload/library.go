//go:build library

package main

import "C"

// GoMain is the workload as a c-shared library: its arguments are those of the process.
//
//export GoMain
func GoMain() { main() }
