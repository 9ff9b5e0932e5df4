//go:build !two
// +build !two

package main

const version = 1
