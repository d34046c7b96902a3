// Command api serves the REST API. Any number of APIs may run.
package main

import (
	"os"

	"minigroups/cmd/internal/api"
)

func main() { os.Exit(api.Main(os.Args[1:])) }
