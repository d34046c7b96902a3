package work

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"minigroups/cmd/internal/process"
	"minigroups/config"
)

func TestListenTo(t *testing.T) {
	cfg := config.Default()
	cfg.MQTT.Broker = "mqtts://broker.example.org:8883"
	t.Run("a worker without a name of its own goes by that of its host and its program, and trusts whom the system trusts", func(t *testing.T) {
		o, err := listenTo(cfg, nil, nil, process.NewEventMetrics(), "-api", zap.NewNop())
		host, _ := os.Hostname()
		if err != nil || o.ClientID != host+"-api" || o.TLS.RootCAs != nil || o.TLS.ServerName != "broker.example.org" || o.Account != "minigroups.svc.example.org" {
			t.Errorf("got %+v, %v", o, err)
		}
	})
	t.Run("certificates of one's own are trusted instead", func(t *testing.T) {
		server := httptest.NewTLSServer(nil)
		defer server.Close()
		cfg := cfg
		cfg.MQTT.CAFile, cfg.MQTT.ClientID = filepath.Join(t.TempDir(), "ca.pem"), "worker-7"
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		if err := os.WriteFile(cfg.MQTT.CAFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := listenTo(cfg, nil, nil, process.NewEventMetrics(), "-api", zap.NewNop())
		if err != nil || o.TLS.RootCAs == nil || o.ClientID != "worker-7-api" {
			t.Errorf("got %+v, %v", o, err)
		}
	})
	t.Run("a file that holds none is an error that names it", func(t *testing.T) {
		cfg := cfg
		cfg.MQTT.CAFile = filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(cfg.MQTT.CAFile, []byte("none"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := listenTo(cfg, nil, nil, process.NewEventMetrics(), "-api", zap.NewNop()); err == nil || !strings.Contains(err.Error(), "mqtt.ca_file: "+cfg.MQTT.CAFile) {
			t.Errorf("got %v", err)
		}
	})
}
