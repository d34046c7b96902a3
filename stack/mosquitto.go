package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"minigroups/deploy"
)

const mosquittoStartTimeout = 20 * time.Second

// ErrNoMosquitto is the error of StartMosquitto if mosquitto is not installed.
var ErrNoMosquitto = errors.New("no mosquitto is installed (looked in PATH and /usr/sbin)")

// MosquittoOptions says which mosquitto to start.
type MosquittoOptions struct {
	// Dir holds its configuration file, and sessions and messages over a restart. It is created if missing.
	Dir string
	// Port on 127.0.0.1.
	Port int
	// Log is the file to which its output is appended.
	Log string
	// Settings are more lines of its configuration.
	Settings string
}

// Mosquitto is a running MQTT broker on 127.0.0.1 that lets every client publish and subscribe everywhere.
type Mosquitto struct {
	*Process
	port int
}

// StartMosquitto starts the installed broker with the configuration of deploy and returns when it accepts connections.
// It returns ErrNoMosquitto if none is installed. The broker restores from Dir the sessions that outlive their
// connection and the messages that wait for them, also after a SIGKILL, except those of about the last second.
func StartMosquitto(ctx context.Context, options MosquittoOptions) (*Mosquitto, error) {
	binary, ok := findInstalled("mosquitto")
	if !ok {
		return nil, ErrNoMosquitto
	}
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return nil, fmt.Errorf("start mosquitto: %w", err)
	}
	file, err := writeMosquittoConfig(dir, options)
	if err != nil {
		return nil, fmt.Errorf("start mosquitto: %w", err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(options.Port))
	server := spec{name: "mosquitto", path: binary, args: []string{"-c", file}, log: options.Log}
	process, err := startListener(ctx, server, address, mosquittoStartTimeout)
	if err != nil {
		return nil, err
	}
	return &Mosquitto{Process: process, port: options.Port}, nil
}

// URL returns its address, mqtt://host:port.
func (m *Mosquitto) URL() string { return fmt.Sprintf("mqtt://127.0.0.1:%d", m.port) }

func writeMosquittoConfig(dir string, options MosquittoOptions) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	shipped := strings.NewReplacer(
		"listener 1883\n", fmt.Sprintf("listener %d 127.0.0.1\n", options.Port),
		"/mosquitto/data/", dir+"/",
		"autosave_interval 60\n", "autosave_interval 1\nautosave_on_changes true\n",
	).Replace(deploy.Mosquitto)
	file := filepath.Join(dir, "mosquitto.conf")
	return file, os.WriteFile(file, []byte(shipped+mosquittoSettings+options.Settings), 0o600)
}

// mosquittoSettings are added to the shipped configuration, in which each change is saved at once. mosquitto keeps the
// account of the broker, since another may not be able to enter its directory, and publishes no statistics.
const mosquittoSettings = `
user root
sys_interval 0
log_dest stdout
log_timestamp_format %Y-%m-%dT%H:%M:%S
`
