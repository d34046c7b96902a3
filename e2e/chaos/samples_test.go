package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSamplesAreWritten writes an hour of two measures, of which one grows by 60 an hour after the warm-up.
func TestSamplesAreWritten(t *testing.T) {
	var list samples
	for minute := range 60 {
		values := map[string]float64{"steady": 5, "a < b": float64(minute)}
		if minute < 12 {
			values["a < b"] = 1000
		}
		list = append(list, sample{time.Duration(minute) * time.Minute, values})
	}
	var table strings.Builder
	list.printSlopes(&table)
	for _, want := range []string{"a < b   12.0  59.0     +60.0", "steady    5.0   5.0      +0.0"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
	dir := t.TempDir()
	if err := list.write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "soak.csv"))
	if err != nil || !strings.HasPrefix(string(text), "seconds,a < b,steady\n0,1000.000,5.000\n") {
		t.Errorf("the CSV is %.60q, %v", text, err)
	}
	plot, err := os.Open(filepath.Join(dir, "soak.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer plot.Close()
	for decoder := xml.NewDecoder(plot); err == nil; _, err = decoder.Token() {
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the plot is no XML: %v", err)
	}
}
