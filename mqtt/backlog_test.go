package mqtt_test

import (
	"testing"

	"github.com/google/uuid"

	"minigroups/mqtt"
)

// TestBacklog receives more events than mosquitto keeps for a client by default, 1000, and than the worker queues.
func TestBacklog(t *testing.T) { withEachProtocol(t, testBacklog) }

func testBacklog(t *testing.T, protocol mqtt.Protocol) {
	for name, settings := range map[string]string{
		"a worker that was away receives everything":                     "",
		"also from a broker that does not wait for any acknowledgements": "max_inflight_messages 0\n",
	} {
		t.Run(name, func(t *testing.T) {
			checkGoroutines(t)
			brokerOptions := mosquittoOptions(t)
			brokerOptions.Settings = "autosave_on_changes false\n" + settings // it need not survive a crash here
			broker := startMosquitto(t, brokerOptions)
			ledger := newLedger()
			startConnected(t, options(t, protocol, broker.URL(), ledger)).stop()
			p := connectPeer(t, broker.URL())
			ids := make([]uuid.UUID, 3000)
			for i := range ids {
				ids[i] = p.createRoom(t)
			}
			startConnected(t, options(t, protocol, broker.URL(), ledger))
			await(t, "all events are recorded", func() bool { return ledger.has(ids...) })
		})
	}
}
