//go:build go1.24 && !go1.27
// +build go1.24,!go1.27

//go:debug asynctimerchan=0

package main
