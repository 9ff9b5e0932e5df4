//go:build plugged

package main

// Main is the workload as a plugin.
func Main() { main() }
