package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

const mosquittoStart = 20 * time.Second

// ErrNoMosquitto says that the broker is not installed.
var ErrNoMosquitto = errors.New("no mosquitto is installed (looked in PATH and /usr/sbin)")

// MosquittoOptions says which mosquitto to start.
type MosquittoOptions struct {
	// Dir gets its configuration file, and keeps sessions and messages. Made if missing.
	Dir string
	// Port on 127.0.0.1.
	Port int
	// Log is the file that gets what it prints.
	Log string
}

// Mosquitto is a running MQTT broker on 127.0.0.1, where everybody may do everything.
type Mosquitto struct {
	*Process
	port int
}

// StartMosquitto starts the installed broker and returns when it listens. The error is ErrNoMosquitto when there is none.
// What it kept in Dir, however it ended, is there again: sessions that outlive their connection, with the messages that
// wait for them, but for those of its last moment.
func StartMosquitto(ctx context.Context, options MosquittoOptions) (*Mosquitto, error) {
	binary, err := findMosquitto()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return nil, fmt.Errorf("start mosquitto: %w", err)
	}
	file, err := writeMosquittoConfig(dir, options.Port)
	if err != nil {
		return nil, fmt.Errorf("start mosquitto: %w", err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(options.Port))
	process, err := startListener(ctx, spec{name: "mosquitto", path: binary, args: []string{"-c", file}, log: options.Log}, address, mosquittoStart)
	if err != nil {
		return nil, err
	}
	return &Mosquitto{Process: process, port: options.Port}, nil
}

// URL returns its address as clients are given it.
func (m *Mosquitto) URL() string { return fmt.Sprintf("mqtt://127.0.0.1:%d", m.port) }

// findMosquitto looks where Debian puts it too, which is in nobody's PATH but root's.
func findMosquitto() (string, error) {
	inPath, err := exec.LookPath("mosquitto")
	if err == nil {
		return inPath, nil
	}
	const debian = "/usr/sbin/mosquitto"
	if _, err := os.Stat(debian); err != nil {
		return "", ErrNoMosquitto
	}
	return debian, nil
}

func writeMosquittoConfig(dir string, port int) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "mosquitto.conf")
	return file, os.WriteFile(file, fmt.Appendf(nil, mosquittoConfig, port, dir), 0o600)
}

// What the broker needs to be told: to stay who it is where we are root, for another account may not enter its folder;
// to listen on loopback alone; to write down every change at once, and nothing of its own statistics; to keep more than
// its usual thousand messages for a client that is away.
const mosquittoConfig = `user root
listener %d 127.0.0.1
allow_anonymous true
persistence true
persistence_location %s/
autosave_on_changes true
autosave_interval 1
sys_interval 0
max_queued_messages 1000000
log_dest stdout
log_timestamp_format %%Y-%%m-%%dT%%H:%%M:%%S
`
