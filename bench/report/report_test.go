package report

import (
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// example is a run in which the product has four times the throughput of plain and half that of the twin.
func example() Run {
	r := Run{
		Begun: time.Unix(1_800_000_000, 0), Rounds: 3, DefaultTemporal: PostgreSQL, Seed: 7, Window: 20,
		Machine: Machine{Cores: 2, Processor: "a <fast> one"},
	}
	for subject, factor := range map[string]float64{Product: 4, Plain: 1, NoOpTwin: 8, Direct: 40} {
		r.Samples = append(r.Samples, creates(subject, 10*factor, 20*factor, 30*factor)...)
	}
	for _, subject := range []string{Product, Plain, NoOpTwin, Direct} {
		r.Cells = append(r.Cells, createBy32(subject))
	}
	r.Subjects = []Subject{{Name: Direct, Description: "calls", Weakness: "loses"}}
	return r
}

// reads is a run with a constant answer at half the throughput of a bare handler, and with reads that wait.
func reads() Run {
	r := Run{Rounds: 1}
	add := func(c Cell, values map[string]float64) {
		r.Cells = append(r.Cells, c)
		r.Samples = append(r.Samples, Sample{Cell: c, Values: values})
	}
	for subject, perSecond := range map[string]float64{NoDatabase: 20_000, BareGin: 40_000} {
		add(Cell{Group: Reads, Subject: subject, Work: ReadByID, Clients: 32}, map[string]float64{Throughput: perSecond})
	}
	add(Cell{Group: Reads, Subject: Product, Work: WaitForChange, Clients: 500},
		map[string]float64{CPUPerWait + "service": 0.125})
	return r
}

func TestReads(t *testing.T) {
	i := slices.IndexFunc(reads().Verdicts(), func(v Verdict) bool {
		return v.Description == "reads per second, 32 connections: no database ÷ bare Gin handler"
	})
	if v := reads().Verdicts()[i]; v.Median != 0.5 || v.Result() != "missed" {
		t.Errorf("no database ÷ bare handler: %+v", v)
	}
	tables := reads().Tables()
	if len(tables) != 3 || len(tables[0].Rows) != 2 || tables[1].Title != "Reads that wait for a change" {
		t.Fatalf("got %+v, want one of each kind of read, and the goals", tables)
	}
	want := [][]string{{Product, WaitForChange, CPUPerWait + "service", "0.12"}}
	if got := tables[1]; !reflect.DeepEqual(got.Rows, want) || !strings.Contains(got.Note, "500 clients") {
		t.Errorf("got %+v", got)
	}
}

func TestGoals(t *testing.T) {
	results := map[string]string{}
	for _, v := range example().Verdicts() {
		results[v.Description] = v.Result()
	}
	for goal, want := range map[string]string{
		"creates per second, 32 clients, Temporal on PostgreSQL: product ÷ plain": "met",
		"creates per second, 32 clients: product ÷ no-op twin":                    "missed",
		"resident memory, idle, API and worker":                                   "not measured",
	} {
		if results[goal] != want {
			t.Errorf("%s: %q, want %s", goal, results[goal], want)
		}
	}
	t.Run("a value equal to the bound meets it", func(t *testing.T) {
		most, least := Goal{AtMost: true, Bound: 10}, Goal{Bound: 10}
		if !most.met(10) || most.met(10.1) || !least.met(10) || least.met(9.9) {
			t.Error("it does not, or another value does")
		}
	})
}

func TestTables(t *testing.T) {
	var text strings.Builder
	tables := example().Tables()
	for _, table := range tables {
		if err := table.WriteText(&text); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(text.String(), "\n")
	find := func(words ...string) string {
		t.Helper()
		for _, line := range lines {
			if strings.Join(strings.Fields(line)[:min(len(words), len(strings.Fields(line)))], " ") == strings.Join(words, " ") {
				return line
			}
		}
		t.Fatalf("no line begins with %v:\n%s", words, text.String())
		return ""
	}
	product := find("product", "create", "32")
	for _, want := range []string{"80.0 [40.0–120]", "0.10 [0.10–0.10]"} {
		if !strings.Contains(product, want) {
			t.Errorf("%q is not in %q", want, product)
		}
	}
	head := find("subject", "work", "clients")
	if column := strings.Index(head, "work"); strings.Index(product, "create") != column {
		t.Errorf("the columns are not aligned:\n%s\n%s", head, product)
	}
	if direct := find("direct", "create", "32"); strings.Contains(direct, "1.00") {
		t.Errorf("the reference is compared with itself: %s", direct)
	}
}

func TestFormatNumber(t *testing.T) {
	for value, want := range map[float64]string{
		0.1234: "0.12", 3.456: "3.46", 12.34: "12.3", 99.9: "99.9", 123.4: "123", 4567.8: "4568", -12.34: "-12.3",
	} {
		if got := formatNumber(value); got != want {
			t.Errorf("%g: got %s, want %s", value, got, want)
		}
	}
}

func TestDocument(t *testing.T) {
	var page strings.Builder
	if err := example().WriteDocument(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| missed |", "(benchmarks.svg)", "*Weakness: loses.*", "15 January 2027", "2 × a <fast> one", "windows of 20 s",
		"seed, 7 in this run",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("%q is missing:\n%s", want, page.String())
		}
	}
	if strings.Contains(page.String(), "%!") {
		t.Error("the format of the method and its values do not match")
	}
}

func TestChart(t *testing.T) {
	var chart strings.Builder
	if err := example().WriteChart(&chart); err != nil {
		t.Fatal(err)
	}
	bars := 0
	decoder := xml.NewDecoder(strings.NewReader(chart.String()))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, chart.String())
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "line" {
			bars++
		}
	}
	if bars != 4 {
		t.Errorf("%d bars, want one per subject", bars)
	}
	t.Run("a larger value has a longer bar on either axis", func(t *testing.T) {
		for _, logarithmic := range []bool{false, true} {
			p := panel{logarithmic: logarithmic, bars: []bar{
				{Spread: Spread{Median: 40, Min: 35, Max: 50}}, {Spread: Spread{Median: 2800, Min: 2500, Max: 3000}},
			}}
			short, long, most := p.position(40), p.position(2800), p.position(3000)
			if short <= 0 || short >= long || long >= most || most != axisWidth {
				t.Errorf("logarithmic %t: %g, %g, %g", logarithmic, short, long, most)
			}
		}
	})
}

func TestLoadReturnsWhatSaveHasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bench", "run.json")
	saved := example()
	saved.Begun = saved.Begun.UTC()
	if err := saved.Save(path); err != nil {
		t.Fatal(err)
	}
	read, err := Load(path)
	if err != nil || !reflect.DeepEqual(read, saved) {
		t.Errorf("got %+v, %v", read, err)
	}
}
