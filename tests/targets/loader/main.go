// Loader opens plugins and runs their function Main. With "late" before a plugin's name it says "waits"
// and waits for a line on standard input first; the other plugins are there from the start on.
//
//	loader PLUGIN... [late PLUGIN]... [-- ARG...]
package main

import (
	"fmt"
	"os"
	"plugin"
)

// Own is allocated by nobody else: one for each plugin, before it is opened.
type Own struct{ a, b *int }

var kept *Own

func open(path string) func() {
	kept = new(Own)
	p, err := plugin.Open(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	main, err := p.Lookup("Main")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return main.(func())
}

func main() {
	var mains []func()
	var line [1]byte
	late := false
	paths := os.Args[1:]
	for i, path := range paths {
		if path == "--" {
			os.Args = append(os.Args[:1], paths[i+1:]...)
			break
		}
		if path == "late" {
			late = true
			continue
		}
		if late {
			fmt.Println("waits")
			os.Stdin.Read(line[:])
		}
		late = false
		mains = append(mains, open(path))
	}
	for _, main := range mains {
		main()
	}
}
