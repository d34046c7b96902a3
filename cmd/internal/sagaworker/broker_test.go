package sagaworker

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
	"minigroups/mqtt"
)

func TestMQTTOptions(t *testing.T) {
	cfg := config.Default()
	cfg.MQTT.Broker = "mqtts://broker.example.org:8883"
	options := func(cfg config.Config) (mqtt.Options, error) {
		return mqttOptions(cfg, nil, nil, process.NewEventMetrics(), "-api", zap.NewNop())
	}
	t.Run("the defaults are the host name with the suffix, and the certificates of the system", func(t *testing.T) {
		o, err := options(cfg)
		host, _ := os.Hostname()
		if err != nil || o.Label != strings.ReplaceAll(host, ".", "-")+"-api" || o.Account != "minigroups.svc.example.org" ||
			o.Protocol != mqtt.Protocol311 || o.TLS.RootCAs != nil || o.TLS.ServerName != "broker.example.org" {
			t.Errorf("got %+v, %v", o, err)
		}
	})
	t.Run("configured certificates and client id replace the defaults", func(t *testing.T) {
		server := httptest.NewTLSServer(nil)
		defer server.Close()
		cfg := cfg
		cfg.MQTT.Protocol = config.MQTT5
		cfg.MQTT.CAFile, cfg.MQTT.ClientID = filepath.Join(t.TempDir(), "ca.pem"), cfg.Account.AgentID("worker-7")
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		if err := os.WriteFile(cfg.MQTT.CAFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := options(cfg)
		if err != nil || o.TLS.RootCAs == nil || o.Protocol != mqtt.Protocol5 || o.Label != "worker-7-api" {
			t.Errorf("got %+v, %v", o, err)
		}
	})
	t.Run("a file without a certificate is an error that names the setting and the file", func(t *testing.T) {
		cfg := cfg
		cfg.MQTT.CAFile = filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(cfg.MQTT.CAFile, []byte("none"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := options(cfg); err == nil || !strings.Contains(err.Error(), "mqtt.ca_file: "+cfg.MQTT.CAFile) {
			t.Errorf("got %v", err)
		}
	})
}
