package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/time/rate"
)

// meter shows how far a campaign has come: a bar on a terminal, elsewhere a line now and then.
type meter struct {
	out   io.Writer
	total int
	bar   *progressbar.ProgressBar
	lines *rate.Sometimes
}

func newMeter(out io.Writer, total int) *meter {
	m := &meter{out: out, total: total, lines: &rate.Sometimes{Interval: 10 * time.Second}}
	if file, isFile := out.(*os.File); isFile && isatty.IsTerminal(file.Fd()) {
		m.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth())
	}
	return m
}

func (m *meter) show(s summary) {
	done := s.Retried + sum(s.Skipped)
	words := fmt.Sprintf("%d ready, %d failed again, %d going", s.Ready, sum(s.FailedAgain), s.StillGoing)
	if m.bar == nil {
		m.lines.Do(func() { fmt.Fprintf(m.out, "%d of %d: %s\n", done, m.total, words) })
		return
	}
	m.bar.Describe(words)
	_ = m.bar.Set(done) // what cannot be shown is not
}

func (m *meter) end() {
	if m.bar != nil {
		_ = m.bar.Exit()
		fmt.Fprintln(m.out)
	}
}
