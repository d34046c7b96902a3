package ops

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/time/rate"
)

// progress shows how far a command has come: a bar on a terminal, otherwise a line every 10 seconds at most.
type progress struct {
	out   io.Writer
	total int
	bar   *progressbar.ProgressBar
	lines *rate.Sometimes
}

func newProgress(out io.Writer, total int) *progress {
	p := &progress{out: out, total: total, lines: &rate.Sometimes{Interval: 10 * time.Second}}
	if file, isFile := out.(*os.File); isFile && isatty.IsTerminal(file.Fd()) {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionFullWidth())
	}
	return p
}

// setTotal sets the total of a progress that has shown nothing yet.
func (p *progress) setTotal(total int) {
	if p.total = total; p.bar != nil {
		p.bar.ChangeMax(total)
	}
}

// show shows how many are finished, and what that means.
func (p *progress) show(finished int, counts string) {
	if p.bar == nil {
		p.lines.Do(func() { fmt.Fprintf(p.out, "%d of %d: %s\n", finished, p.total, counts) })
		return
	}
	p.bar.Describe(counts)
	_ = p.bar.Set(finished) // an error would only mean that the bar is not drawn
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Exit()
		fmt.Fprintln(p.out)
	}
}
