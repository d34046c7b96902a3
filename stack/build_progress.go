package stack

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
)

// buildProgress shows the progress of a build: on a terminal one line, rewritten every second, elsewhere a new line
// every ten seconds.
type buildProgress struct {
	what     string
	out      io.Writer
	terminal bool
	started  time.Time
	quit     chan struct{}
	stopped  chan struct{}

	mu                   sync.Mutex
	downloaded, compiled int
}

func showProgress(what string, out io.Writer) *buildProgress {
	file, isFile := out.(*os.File)
	p := &buildProgress{
		what: what, out: out, terminal: isFile && isatty.IsTerminal(file.Fd()),
		started: time.Now(), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	go p.run()
	return p
}

func (p *buildProgress) run() {
	defer close(p.stopped)
	every := 10 * time.Second
	if p.terminal {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	shown := false
	for {
		select {
		case <-tick.C:
			p.show()
			shown = true
		case <-p.quit:
			if shown {
				p.show()
				if p.terminal {
					fmt.Fprintln(p.out)
				}
			}
			return
		}
	}
}

func (p *buildProgress) show() {
	p.mu.Lock()
	line := fmt.Sprintf("  %s: %d modules downloaded, %d packages compiled, %d s",
		p.what, p.downloaded, p.compiled, int(time.Since(p.started).Seconds()))
	p.mu.Unlock()
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K", line)
		return
	}
	fmt.Fprintln(p.out, line)
}

// read counts modules and packages in the output of the build until it ends, and returns the last 30 lines, which
// hold the errors.
func (p *buildProgress) read(stderr io.Reader) []string {
	var last []string
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		p.mu.Lock()
		if strings.HasPrefix(line, "go: downloading ") {
			p.downloaded++
		} else {
			p.compiled++
		}
		p.mu.Unlock()
		last = append(last, line)
		last = last[max(0, len(last)-30):]
	}
	// The scanner stops at a line that is too long, on which the build must not hang.
	_, _ = io.Copy(io.Discard, stderr)
	return last
}

func (p *buildProgress) stop() {
	close(p.quit)
	<-p.stopped
}
