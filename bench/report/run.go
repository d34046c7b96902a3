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

// Run is everything that one run has measured.
type Run struct {
	Begun   time.Time `json:"begun"`
	Took    float64   `json:"took_seconds"`
	Quick   bool      `json:"quick"`
	Seed    uint64    `json:"seed"`
	Rounds  int       `json:"rounds"`
	Window  float64   `json:"window_seconds"`
	WarmUp  float64   `json:"warm_up_seconds"`
	Machine Machine   `json:"machine"`
	// Home is the Temporal that the subjects use of which nothing else is said.
	Home string `json:"home"`
	// Rows is how many minigroups the database of the reads holds.
	Rows int `json:"rows"`
	// Revision is the commit of the product.
	Revision string    `json:"revision"`
	Subjects []Subject `json:"subjects"`
	// Cells are in the order in which they are shown.
	Cells   []Cell   `json:"cells"`
	Samples []Sample `json:"samples"`
}

// Subject is something that was measured.
type Subject struct {
	Name     string `json:"name"`
	Does     string `json:"does"`
	Weakness string `json:"weakness,omitempty"`
}

// The groups of cells.
const (
	Writes    = "writes"
	Reads     = "reads"
	Growth    = "growth"
	Bulkheads = "bulkheads"
	Overload  = "overload"
	Footprint = "footprint"
)

// Groups lists them in the order in which they are shown.
func Groups() []string { return []string{Writes, Reads, Growth, Bulkheads, Overload, Footprint} }

// Cell is what is measured once a round.
type Cell struct {
	Group   string `json:"group"`
	Subject string `json:"subject"`
	Work    string `json:"work"`
	Clients int    `json:"clients,omitempty"`
	// DelayMS is how long the upstreams take to answer, in milliseconds.
	DelayMS int `json:"delay_ms,omitempty"`
}

// Sample is what was measured of a cell in one round.
type Sample struct {
	Cell
	Round  int                `json:"round"`
	Values map[string]float64 `json:"values"`
	// Failure shows one of the answers that were not as they should be.
	Failure string `json:"failure,omitempty"`
}

// Summary tells a sample in a line.
func (s Sample) Summary() string {
	var said []string
	for _, name := range slices.Sorted(maps.Keys(s.Values)) {
		if !strings.HasPrefix(name, CPU) && name != Answered && (name != Failed || s.Values[name] > 0) {
			said = append(said, name+" "+figure(s.Values[name]))
		}
	}
	if s.Failure != "" {
		said = append(said, "A FAILURE: "+s.Failure)
	}
	return strings.Join(said, ", ")
}

// The values of a window. Others have names that are shown as they are.
const (
	PerSecond = "per second"
	P50       = "p50, ms"
	P99       = "p99, ms"
	Longest   = "longest, ms"
	Answered  = "answered"
	Failed    = "failed"
	// CPU, with the name of a part of the system behind it, is the CPU time that it took for each answer.
	CPU = "CPU ms each: "
)

// Names of subjects and work that goals speak of.
const (
	Product       = "product"
	ProductOnDev  = "product, dev server"
	ProductStock  = "product, stock dev server"
	Direct        = "direct"
	Plain         = "plain"
	PlainStock    = "plain, stock dev server"
	Twin          = "no-op twin"
	PGBench       = "pgbench -S -M prepared"
	Lookup        = "a query per read"
	NoDatabase    = "no database"
	ProductCrowd  = "product, 500 sagas stuck"
	Create        = "create"
	CreateFailing = "create, first attempt fails"
	Update        = "update"
	ReadByID      = "read by id"
	ReadByScope   = "read by scope"
	Select        = "select"
	Sweep         = "sweep"
	Idle          = "idle"
	Loaded        = "under load"
)

// ResidentAll is the memory of all processes of the product.
const ResidentAll = "resident, all, MB"

// Sized is the product with so many minigroups in its database.
func Sized(rows int) string { return fmt.Sprintf("product, %d rows", rows) }

// Save writes a run to a file, beside its place first.
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

// Load reads a run that was saved.
func Load(path string) (r Run, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}
