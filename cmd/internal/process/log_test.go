package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
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

// asProgram makes this test binary a program that logs, and ends as the next argument says.
const asProgram = "be-a-program"

// lines are too few to be written before their time, or to be thinned out.
const lines = 100

// ends are how such a program ends, once it has logged.
var ends = map[string]func(context.Context, *zap.Logger) error{
	"is told to": func(ctx context.Context, _ *zap.Logger) error {
		fmt.Println("logged")
		<-ctx.Done()
		return nil
	},
	"fails":  func(context.Context, *zap.Logger) error { return errors.New("out of luck") },
	"panics": func(context.Context, *zap.Logger) error { panic("out of luck") },
	"gives up": func(_ context.Context, log *zap.Logger) error {
		log.Fatal("out of luck")
		return nil
	},
	"is killed after an error": func(_ context.Context, log *zap.Logger) error {
		log.Error("out of luck")
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	},
}

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == asProgram {
		end := ends[os.Args[2]]
		os.Args = os.Args[:1]
		os.Exit(Main("program", func(ctx context.Context, _ config.Config, s *Signals) error {
			for n := range lines {
				s.Log.Info("line", zap.Int("n", n))
			}
			return end(ctx, s.Log.Logger)
		}))
	}
	os.Exit(m.Run())
}

func TestNoLineIsLostWhenAProcess(t *testing.T) {
	for name := range ends {
		t.Run(name, func(t *testing.T) {
			program := exec.CommandContext(t.Context(), os.Args[0], asProgram, name)
			var log strings.Builder
			program.Stderr = &log
			stdout, err := program.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := program.Start(); err != nil {
				t.Fatal(err)
			}
			said := bufio.NewScanner(stdout)
			if said.Scan() { // it has logged, and waits
				if err := program.Process.Signal(syscall.SIGTERM); err != nil {
					t.Error(err)
				}
			}
			_, _ = io.Copy(io.Discard, stdout)
			if err := program.Wait(); (err == nil) != (name == "is told to") {
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
			if rest := strings.Join(all[lines:], ""); strings.Contains(rest, "out of luck") == (name == "is told to") {
				t.Errorf("afterwards it says %q", rest)
			}
		})
	}
}

// TestALineShowsUpWhileTheProcessLives waits for the last line, and only then has the program end.
func TestALineShowsUpWhileTheProcessLives(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // it is killed where it keeps its lines to itself
	defer cancel()
	program := exec.CommandContext(ctx, os.Args[0], asProgram, "is told to")
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
