// A program that is deployed in several versions: does a known amount of work for each line it reads.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"sync"
)

type Marker struct{ words [4]int }

var kept *Marker

//go:noinline
func mark() *Marker { return &Marker{} }

// As many objects and goroutines as the line says; "exit" ends it.
func main() {
	fmt.Println("version", version, "pid", os.Getpid())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			break
		}
		var wg sync.WaitGroup
		for i := 0; i < n; i++ {
			kept = mark()
			wg.Add(1)
			go work(&wg)
		}
		wg.Wait()
		fmt.Println("done", n)
	}
}

func work(wg *sync.WaitGroup) { wg.Done() }
