package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Run has all results of one run.
type Run struct {
	Begun   time.Time `json:"begun"`
	Took    float64   `json:"took_seconds"`
	Quick   bool      `json:"quick"`
	Seed    uint64    `json:"seed"`
	Rounds  int       `json:"rounds"`
	Window  float64   `json:"window_seconds"`
	WarmUp  float64   `json:"warm_up_seconds"`
	Machine Machine   `json:"machine"`
	// DefaultTemporal is the Temporal server of the subjects that name none.
	DefaultTemporal string `json:"default_temporal"`
	// Rows is the number of minigroups in the database of the reads.
	Rows int `json:"rows"`
	// Revision is the commit of the product.
	Revision string    `json:"revision"`
	Subjects []Subject `json:"subjects"`
	// Cells are in the order of the tables.
	Cells   []Cell   `json:"cells"`
	Samples []Sample `json:"samples"`
}

// Subject is something that was measured.
type Subject struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Weakness    string `json:"weakness,omitempty"`
}

// The groups of cells.
const (
	Writes    = "writes"
	Reads     = "reads"
	Growth    = "growth"
	Isolation = "isolation"
	Overload  = "overload"
	Service   = "service"
	Footprint = "footprint"
)

// Groups returns them in the order of the tables.
func Groups() []string {
	return []string{Writes, Reads, Growth, Isolation, Overload, Service, Footprint}
}

// Cell is something that is measured once a round.
type Cell struct {
	Group   string `json:"group"`
	Subject string `json:"subject"`
	Work    string `json:"work"`
	Clients int    `json:"clients,omitempty"`
	// DelayMS is how long the upstreams take for a response, in milliseconds, if it is longer than their service times.
	DelayMS int `json:"delay_ms,omitempty"`
}

// Sample has the results of a cell in one round.
type Sample struct {
	Cell
	Round  int                `json:"round"`
	Values map[string]float64 `json:"values"`
	// Failure is one of the responses that were not good.
	Failure string `json:"failure,omitempty"`
	// Timeline has the requests to conference over time, only for SlowThenFrozen.
	Timeline *Timeline `json:"timeline,omitempty"`
}

// OneLine returns the sample in one line.
func (s Sample) OneLine() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s.Values)) {
		isCPU := strings.HasPrefix(name, CPUPerRequest)
		if !isCPU && name != Responses && (name != Failed || s.Values[name] > 0) {
			parts = append(parts, name+" "+formatNumber(s.Values[name]))
		}
	}
	if s.Failure != "" {
		parts = append(parts, "FAILURE: "+s.Failure)
	}
	return strings.Join(parts, ", ")
}

// The names of a window's values. Other values have names that the tables show unchanged.
const (
	Throughput = "requests/s"
	P50        = "p50, ms"
	P99        = "p99, ms"
	MaxLatency = "max, ms"
	Responses  = "responses" // the good ones
	Failed     = "failed"
	// CPUPerRequest, followed by the name of a part of the system, is the CPU time of the part per good response.
	CPUPerRequest = "CPU ms per request: "
)

// Names of subjects and work. Goals use them, too.
const (
	Product           = "product"
	ProductOnDev      = "product, dev server"
	ProductStock      = "product, stock dev server"
	Direct            = "direct"
	Plain             = "plain"
	PlainStock        = "plain, stock dev server"
	NoOpTwin          = "no-op twin"
	PGBench           = "pgbench -S -M prepared"
	QueryPerRead      = "one query per read"
	NoDatabase        = "no database"
	BareGin           = "bare Gin handler"
	ProductStuck      = "product, 500 sagas stuck"
	ProductNoTemporal = "product, Temporal frozen, 64 creates waiting"
	ProductCluster    = "product, 2 APIs, 3 workers"
	MakeRun           = "make run"
	Create            = "create"
	CreateFailing     = "create, first attempt fails"
	Update            = "update"
	ReadByID          = "read by id"
	ReadByScope       = "read by scope"
	ListReady         = "list, status real-time"
	ListOfHost        = "list, one host"
	WaitForChange     = "read that waits for a change"
	Select            = "select"
	Sweep             = "sweep"
	Idle              = "idle"
	UnderLoad         = "under load"
)

// CPUPerWait before the name of a part of the system is the CPU time of the part per read that waits and second.
const CPUPerWait = "CPU ms per waiting read and second: "

// ResidentTotal is the memory of all processes of the product, and PeakMemory its highest value.
const (
	ResidentTotal = "resident memory, total, MB"
	PeakMemory    = "peak resident memory, total, MB"
)

// ProductWithRows is the name of the product with that many minigroups in its database.
func ProductWithRows(rows int) string { return fmt.Sprintf("product, %d rows", rows) }

// Save writes the run to a file. An interrupted Save leaves an existing file unchanged.
func (r Run) Save(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	draft := path + ".new"
	if err := os.WriteFile(draft, text, 0o644); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// Load reads a run that Save has written.
func Load(path string) (r Run, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}
