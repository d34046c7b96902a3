package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"minigroups/config"
)

// runAsProgram makes this test binary run as a program that logs and then ends in the way that the next argument
// names.
const runAsProgram = "run-as-program"

// lines is how many lines the program logs: too few to fill the log's buffer, or to be sampled.
const lines = 100

// endings are the ways in which the program ends once it has logged.
var endings = map[string]func(context.Context, *zap.Logger) error{
	"receives SIGTERM": func(ctx context.Context, _ *zap.Logger) error {
		fmt.Println("logged")
		<-ctx.Done()
		return nil
	},
	"fails":  func(context.Context, *zap.Logger) error { return errors.New("out of luck") },
	"panics": func(context.Context, *zap.Logger) error { panic("out of luck") },
	"logs a fatal error": func(_ context.Context, log *zap.Logger) error {
		log.Fatal("out of luck")
		return nil
	},
	"is killed after logging an error": func(_ context.Context, log *zap.Logger) error {
		log.Error("out of luck")
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	},
}

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == runAsProgram {
		end := endings[os.Args[2]]
		flags := flag.NewFlagSet("program", flag.ContinueOnError)
		os.Exit(Main(flags, nil, func(ctx context.Context, _ config.Config, s *Signals) error {
			for n := range lines {
				s.Log.Info("line", zap.Int("n", n))
			}
			return end(ctx, s.Log.Logger)
		}))
	}
	os.Exit(m.Run())
}

func TestNoLogLineIsLostWhenAProcess(t *testing.T) {
	for name := range endings {
		t.Run(name, func(t *testing.T) {
			program := exec.CommandContext(t.Context(), os.Args[0], runAsProgram, name)
			var log strings.Builder
			program.Stderr = &log
			stdout, err := program.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := program.Start(); err != nil {
				t.Fatal(err)
			}
			if output := bufio.NewScanner(stdout); output.Scan() { // it has logged, and waits for the signal
				if err := program.Process.Signal(syscall.SIGTERM); err != nil {
					t.Error(err)
				}
			}
			_, _ = io.Copy(io.Discard, stdout)
			if err := program.Wait(); (err == nil) != (name == "receives SIGTERM") {
				t.Errorf("it ended with %v", err)
			}
			all := strings.Split(log.String(), "\n")
			for n := range lines {
				var line struct {
					Msg string
					N   int
				}
				if n >= len(all) || json.Unmarshal([]byte(all[n]), &line) != nil || line.Msg != "line" || line.N != n {
					t.Fatalf("line %d is not in its place: %q", n, log.String())
				}
			}
			rest := strings.Join(all[lines:], "")
			if strings.Contains(rest, "out of luck") == (name == "receives SIGTERM") {
				t.Errorf("after the lines it prints %q", rest)
			}
		})
	}
}

// TestLogLinesAreWrittenWhileAProcessRuns reads the last line before it ends the program.
func TestLogLinesAreWrittenWhileAProcessRuns(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // kills a program that does not write its lines
	defer cancel()
	program := exec.CommandContext(ctx, os.Args[0], runAsProgram, "receives SIGTERM")
	stderr, err := program.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewScanner(stderr)
	for seen := 0; seen < lines && log.Scan(); seen++ {
	}
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := program.Wait(); err != nil {
		t.Error(err)
	}
}
