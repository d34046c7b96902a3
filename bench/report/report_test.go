package report

import (
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// example is a run in which the product does four times as much as plain, and half as much as the twin.
func example() Run {
	r := Run{Begun: time.Unix(1_800_000_000, 0), Rounds: 3, Home: PostgreSQL, Seed: 7, Window: 20, Machine: Machine{Cores: 2, Processor: "a <fast> one"}}
	for subject, factor := range map[string]float64{Product: 4, Plain: 1, Twin: 8, Direct: 40} {
		r.Samples = append(r.Samples, creates(subject, 10*factor, 20*factor, 30*factor)...)
	}
	for _, subject := range []string{Product, Plain, Twin, Direct} {
		r.Cells = append(r.Cells, Cell{Writes, subject, Create, 32, 0})
	}
	r.Subjects = []Subject{{Name: Direct, Does: "calls", Weakness: "forgets"}}
	return r
}

func TestGoals(t *testing.T) {
	words := map[string]string{}
	for _, v := range example().Verdicts() {
		words[v.Says] = v.Word()
	}
	for says, want := range map[string]string{
		"creates per second, 32 clients, Temporal on PostgreSQL: product ÷ plain": "met",
		"creates per second, 32 clients: product ÷ no-op twin":                    "missed",
		"resident memory, idle, API and worker":                                   "not measured",
	} {
		if words[says] != want {
			t.Errorf("%s: %q, want %s", says, words[says], want)
		}
	}
	t.Run("a bound that must not be passed is met up to it", func(t *testing.T) {
		most, least := Goal{AtMost: true, Bound: 10}, Goal{Bound: 10}
		if !most.met(10) || most.met(10.1) || !least.met(10) || least.met(9.9) {
			t.Error("it is not")
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
		t.Errorf("the columns are not below each other:\n%s\n%s", head, product)
	}
	if direct := find("direct", "create", "32"); strings.Contains(direct, "1.00") {
		t.Errorf("the reference is compared with itself: %s", direct)
	}
}

func TestFigure(t *testing.T) {
	for value, want := range map[float64]string{0.1234: "0.12", 3.456: "3.46", 12.34: "12.3", 99.9: "99.9", 123.4: "123", 4567.8: "4568", -12.34: "-12.3"} {
		if got := figure(value); got != want {
			t.Errorf("%g: got %s, want %s", value, got, want)
		}
	}
}

func TestDocument(t *testing.T) {
	var page strings.Builder
	if err := example().WriteDocument(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| missed |", "(benchmarks.svg)", "*Weakness: forgets.*", "15 January 2027", "2 × a <fast> one", "windows of 20 s", "seed, 7 here"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("%q is missing:\n%s", want, page.String())
		}
	}
	if strings.Contains(page.String(), "%!") {
		t.Error("a figure has no place")
	}
}

func TestPicture(t *testing.T) {
	var picture strings.Builder
	if err := example().WritePicture(&picture); err != nil {
		t.Fatal(err)
	}
	bars := 0
	decoder := xml.NewDecoder(strings.NewReader(picture.String()))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, picture.String())
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "line" {
			bars++
		}
	}
	if bars != 4 {
		t.Errorf("%d bars, want one per subject", bars)
	}
	t.Run("a longer bar is more, on either axis", func(t *testing.T) {
		for _, logarithmic := range []bool{false, true} {
			p := panel{logarithmic: logarithmic, bars: []bar{{Spread: Spread{Median: 40, Min: 35, Max: 50}}, {Spread: Spread{Median: 2800, Min: 2500, Max: 3000}}}}
			short, long, most := p.place(40), p.place(2800), p.place(3000)
			if short <= 0 || short >= long || long >= most || most != axis {
				t.Errorf("logarithmic %t: %g, %g, %g", logarithmic, short, long, most)
			}
		}
	})
}

func TestARunIsReadAsItWasSaved(t *testing.T) {
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
