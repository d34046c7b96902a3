package mqttgateway_test

import (
	"strings"
	"testing"

	"minigroups/mqtt"
)

const (
	service    = "minigroups.svc.example.org"
	event      = "event.svc.example.org"
	conference = "conference.svc.example.org"
	listener   = "listener.svc.example.org"
)

var protocols = []mqtt.Protocol{mqtt.Protocol311, mqtt.Protocol5}

func TestOurEventsAreReadableOnTheGatewayWithBothProtocols(t *testing.T) {
	for _, ours := range protocols {
		t.Run("we speak MQTT "+string(ours), func(t *testing.T) {
			g := startGateway(t)
			listeners := map[mqtt.Protocol]client{}
			for _, theirs := range protocols {
				listeners[theirs] = connect(t, g.URL(), theirs, "listener-"+label(theirs), listener)
				listeners[theirs].subscribe(t, "apps/"+service+"/api/v1/audiences/+/events")
			}
			ledger := newLedger(stopOf("math"))
			start(t, g.URL(), ours, ledger)
			for theirs, c := range listeners {
				got := c.next(t)
				if got.label != "minigroup.stop" || got.payload != `{"scope":"math"}` || got.properties["type"] != "event" ||
					got.properties["account_label"] != "minigroups" {
					t.Errorf("a listener with MQTT %s received %+v", theirs, got)
				}
			}
			await(t, "the outbox is empty", ledger.isPublished)
			wantRefusals(t, g)
		})
	}
}

// TestAnEnvelopeSentInMQTT5IsWrappedAgain keeps the stand-in as strict as the gateway.
func TestAnEnvelopeSentInMQTT5IsWrappedAgain(t *testing.T) {
	g := startGateway(t)
	for _, theirs := range protocols {
		c := connect(t, g.URL(), theirs, "listener-"+label(theirs), listener)
		c.subscribe(t, "apps/+/api/v1/audiences/+/events")
		sender := connect(t, g.URL(), mqtt.Protocol5, "sender", event)
		sender.publish(t, "apps/"+event+"/api/v1/audiences/example.org/events", envelope("room.create", "{}"))
		if got := c.next(t); got.label != "" || got.payload != envelope("room.create", "{}") {
			t.Errorf("a listener with MQTT %s received %+v", theirs, got)
		}
	}
}

func TestOurEventsOnPlainMosquittoHaveTheFormOfTheProtocol(t *testing.T) {
	for _, ours := range protocols {
		for _, theirs := range protocols {
			t.Run("we speak MQTT "+string(ours)+", the listener "+string(theirs), func(t *testing.T) {
				broker := startMosquitto(t)
				c := connect(t, broker.URL(), theirs, "listener", listener)
				c.subscribe(t, "apps/"+service+"/api/v1/audiences/+/events")
				start(t, broker.URL(), ours, newLedger(stopOf("math")))
				got := c.next(t)
				switch {
				case ours == mqtt.Protocol311:
					if got.label != "minigroup.stop" || got.payload != `{"scope":"math"}` || !got.isEnvelope {
						t.Errorf("%+v", got)
					}
				case theirs == mqtt.Protocol5:
					if got.label != "minigroup.stop" || got.payload != `{"scope":"math"}` || got.isEnvelope {
						t.Errorf("%+v", got)
					}
				default: // mosquitto drops the properties
					if got.label != "" || got.payload != `{"scope":"math"}` || got.isEnvelope {
						t.Errorf("%+v", got)
					}
				}
			})
		}
	}
}

func TestRoomEventsArriveOverTheGatewayWithBothProtocols(t *testing.T) {
	for _, ours := range protocols {
		t.Run("we speak MQTT "+string(ours), func(t *testing.T) {
			g := startGateway(t)
			ledger := newLedger()
			stop := start(t, g.URL(), ours, ledger)
			stop() // the session stays
			rooms := []string{}
			for i, theirs := range protocols {
				account := []string{event, conference}[i]
				c := connect(t, g.URL(), theirs, "sender", account)
				topic := "apps/" + account + "/api/v1/audiences/example.org/events"
				for range 30 {
					room, payload := newRoom()
					rooms = append(rooms, room)
					if theirs == mqtt.Protocol311 {
						c.publish(t, topic, envelope("room.create", payload))
					} else {
						c.publish(t, topic, payload, "type", "event", "label", "room.create", "timestamp", "1700000000000")
					}
				}
			}
			start(t, g.URL(), ours, ledger)
			await(t, "all rooms are recorded", func() bool { return ledger.has(rooms) })
			g.Disconnect()
			room, payload := newRoom()
			connect(t, g.URL(), mqtt.Protocol311, "sender", event).publish(t,
				"apps/"+event+"/api/v1/audiences/example.org/events", envelope("room.create", payload))
			await(t, "a room is recorded after the connections were lost", func() bool { return ledger.has([]string{room}) })
			wantRefusals(t, g)
		})
	}
}

func TestTheGatewayAcceptsOnlyAgentIDsOfTheAccount(t *testing.T) {
	for _, protocol := range protocols {
		t.Run("MQTT "+string(protocol), func(t *testing.T) {
			g := startGateway(t)
			for id, want := range map[string]byte{
				"worker-0":                       0x85, // the host name
				"worker-0.other.svc.example.org": 0x87,
				"minigroups.svc.example.org":     0x87, // the account
				"worker-0." + service:            0,
				"worker-0-api." + service:        0,
				"worker.0." + service:            0x87,
			} {
				if got := tryConnect(t, g.URL(), protocol, id, token(service)); got != want {
					t.Errorf("client id %s: got reason code %#x, want %#x", id, got, want)
				}
			}
			if got := tryConnect(t, g.URL(), protocol, "worker-0."+service, "none"); got != 0x86 {
				t.Errorf("without a token: got reason code %#x", got)
			}
		})
	}
}

func TestTheGatewayRefusesTopicsOfOthersAndWhatIsNoEnvelope(t *testing.T) {
	g := startGateway(t)
	c := connect(t, g.URL(), mqtt.Protocol5, "sender", event)
	if err := c.tryPublish(t, "apps/"+conference+"/api/v1/audiences/example.org/events", "{}"); err == nil {
		t.Error("event published on a topic of conference")
	}
	c = connect(t, g.URL(), mqtt.Protocol311, "sender", event)
	topic := "apps/" + event + "/api/v1/audiences/example.org/events"
	if err := c.tryPublish(t, topic, `{"label":"room.create"}`); err == nil {
		t.Error("the gateway accepted what is no envelope")
	}
	wantRefusals(t, g, "the topic is not one of the account", "the envelope has no payload")
}

// label returns a protocol as part of a label.
func label(p mqtt.Protocol) string { return strings.ReplaceAll(string(p), ".", "-") }
