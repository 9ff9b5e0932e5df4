//go:build two
// +build two

package main

import (
	"encoding/json"
	"net/http"
)

// Much that version 1 has not, so that the runtime's functions lie elsewhere.
var version = func() int {
	n := 0
	_ = json.Unmarshal([]byte("2"), &n)
	_ = http.DefaultClient
	return n
}()
