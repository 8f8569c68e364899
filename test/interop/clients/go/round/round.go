// Package round is what the rounds of the Go clients share: each check prints one line of JSON.
package round

import (
	"encoding/json"
	"fmt"
	"os"
)

type result struct {
	What    string `json:"what"`
	Problem string `json:"problem,omitempty"`
}

// Check does one thing and prints how it went.
func Check(what string, act func() error) {
	line := result{What: what}
	if err := act(); err != nil {
		line.Problem = err.Error()
	}
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

// Address is where the broker is: the first argument.
func Address() string { return os.Args[1] }

// HasZstd says whether zstd can be tried: the second argument.
func HasZstd() bool { return len(os.Args) > 2 && os.Args[2] == "true" }
