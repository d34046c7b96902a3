// Command ops is the operators' command-line tool (docs/ops.md).
package main

import (
	"os"

	"minigroups/cmd/internal/ops"
)

func main() { os.Exit(ops.Main(os.Args[1:])) }
