package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
)

const janusStartTimeout = 20 * time.Second

// ErrNoJanus is the error of StartJanus if no gateway is installed.
var ErrNoJanus = errors.New("no janus is installed (looked in PATH)")

// JanusOptions says which Janus gateway to start.
type JanusOptions struct {
	// Dir holds its configuration files. It is created if missing.
	Dir string
	// Port of the Janus API and AdminPort of the Admin API, on 127.0.0.1.
	Port, AdminPort int
	// AdminSecret is for the Admin API, AdminKey for the VideoRoom plugin. They must not be empty and must not contain
	// quotes, backslashes or control characters.
	AdminSecret, AdminKey string
	// NumericIDs makes the ids of its rooms numbers, which is the gateway's default.
	NumericIDs bool
	// Log is the file to which its output is appended.
	Log string
}

// Janus is a running gateway with the VideoRoom plugin. Its rooms exist in memory only.
type Janus struct {
	*Process
	port, adminPort int
}

// StartJanus starts the installed gateway and returns when both of its APIs answer. It returns ErrNoJanus if none is
// installed. Started by root, the gateway runs as the account nobody if that can enter Dir.
func StartJanus(ctx context.Context, options JanusOptions) (*Janus, error) {
	binary, err := exec.LookPath("janus")
	if err != nil {
		return nil, ErrNoJanus
	}
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return nil, fmt.Errorf("start Janus: %w", err)
	}
	// serves recognises the gateway by its name.
	name := "minigroups-" + uuid.NewString()
	if err := writeJanusConfig(dir, name, options); err != nil {
		return nil, fmt.Errorf("start Janus: %w", err)
	}
	credential, err := unprivileged("nobody")
	if err == nil {
		err = chown(credential, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("start Janus: %w", err)
	}
	if !canEnter(ctx, credential, dir) {
		credential = nil
	}
	process, err := start(ctx, spec{
		name: "Janus", path: binary, args: []string{"-F", dir, "-o"}, log: options.Log, credential: credential,
	})
	if err != nil {
		return nil, err
	}
	j := &Janus{Process: process, port: options.Port, adminPort: options.AdminPort}
	if err := j.Await(ctx, janusStartTimeout, func(ctx context.Context) error { return j.serves(ctx, name) }); err != nil {
		return nil, err
	}
	return j, nil
}

// URL returns the address of the Janus API.
func (j *Janus) URL() string { return fmt.Sprintf("http://127.0.0.1:%d/janus", j.port) }

// AdminURL returns the address of the Admin API.
func (j *Janus) AdminURL() string { return fmt.Sprintf("http://127.0.0.1:%d/admin", j.adminPort) }

// serves returns nil if both ports answer and belong to the gateway of this name.
func (j *Janus) serves(ctx context.Context, name string) error {
	for _, url := range []string{j.URL() + "/info", j.AdminURL() + "/info"} {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		reply, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer reply.Body.Close()
		var info struct {
			Name string `json:"server-name"`
		}
		if err := json.NewDecoder(reply.Body).Decode(&info); err != nil {
			return fmt.Errorf("read %s: %w", url, err)
		}
		if info.Name != name {
			return fmt.Errorf("another gateway, %q, answers at %s", info.Name, url)
		}
	}
	return nil
}

func writeJanusConfig(dir, name string, options JanusOptions) error {
	breaksFile := func(r rune) bool { return r == '"' || r == '\\' || r < ' ' || r == 0x7f }
	for _, secret := range []string{options.AdminSecret, options.AdminKey} {
		if secret == "" || strings.ContainsFunc(secret, breaksFile) {
			return errors.New("its secrets must not be empty or contain a quote, a backslash or a control character")
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for file, text := range map[string]string{
		"janus.jcfg":                  fmt.Sprintf(janusCore, name, options.AdminSecret),
		"janus.transport.http.jcfg":   fmt.Sprintf(janusHTTP, options.Port, options.AdminPort),
		"janus.plugin.videoroom.jcfg": fmt.Sprintf(janusVideoRoom, options.AdminKey, !options.NumericIDs),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// The gateway's configuration: its secrets, the loopback addresses to listen on, strings as room ids, and the plugins
// and transports not to load.
const (
	unusedPlugins = "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,libjanus_nosip.so," +
		"libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so," +
		"libjanus_voicemail.so"
	unusedTransports = "libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so," +
		"libjanus_websockets.so"

	janusCore = `general: {
	server_name = "%s"
	admin_secret = "%s"
}
plugins: {
	disable = "` + unusedPlugins + `"
}
transports: {
	disable = "` + unusedTransports + `"
}
`
	janusHTTP = `general: {
	http = true
	port = %d
	ip = "127.0.0.1"
}
admin: {
	admin_http = true
	admin_port = %d
	admin_ip = "127.0.0.1"
}
`
	janusVideoRoom = `general: {
	admin_key = "%s"
	string_ids = %t
}
`
)
