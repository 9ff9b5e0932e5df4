package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What the client asks for when -path does not say.
var paths = []string{"/books/go/page/3", "/job", "/spawn?n=5", "/block?ms=3", "/lock", "/books/c/page/17"}

// runClient sends n requests (0: until stopped) over the given number of connections.
func runClient(base, path string, n int, rate float64, connections int, stop <-chan os.Signal) error {
	var next int64
	var wg sync.WaitGroup
	var tick <-chan time.Time
	quit := make(chan struct{})
	errs := make(chan error, connections)

	base = strings.TrimSuffix(base, "/")
	if rate > 0 {
		tick = time.Tick(time.Duration(float64(time.Second) / rate))
	}
	for i := 0; i < connections; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			client := &http.Client{Transport: &http.Transport{}, Timeout: 70 * time.Second}
			for {
				if tick != nil {
					select {
					case <-tick:
					case <-quit:
						return
					}
				}
				k := atomic.AddInt64(&next, 1) - 1
				if n > 0 && k >= int64(n) {
					return
				}
				p := path
				if p == "" {
					p = paths[k%int64(len(paths))]
				}
				if err := get(client, base+p); err != nil {
					errs <- err
					return
				}
				select {
				case <-quit:
					return
				default:
				}
			}
		}()
	}
	go func() {
		<-stop
		close(quit)
	}()
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func get(client *http.Client, url string) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}
