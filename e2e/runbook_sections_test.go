package e2e

import (
	"context"
	"errors"
	"net/http"

	"go.temporal.io/api/operatorservice/v1"

	"minigroups/config"
	"minigroups/stack"
	"minigroups/workflows"
)

// sections has one entry per section of the runbook, by heading.
var sections = map[string]section{
	"Before you start": {
		arrange: func(s *runbookCase) { s.newStuckClass(sut.conference).awaitAttention("CreateConferenceRoom") },
		verify: func(s *runbookCase) {
			s.restore()
			s.shell(`temporal activity reset --workflow-id "$WORKFLOW_ID" --activity-type CreateConferenceRoom`)
			s.awaitReady()
		},
		shows: []string{"$WORKFLOW_ID"},
	},
	"event is down": {
		arrange: func(s *runbookCase) {
			s.newStuckClass(sut.event).awaitAttention("CreateEventRoom")
			restore := s.restore
			s.newStuckClass(sut.event)
			s.restore = restore
		},
		meanwhile: func(s *runbookCase) { s.restore() },
		settle:    (*runbookCase).awaitReady,
		verify:    func(s *runbookCase) { s.assertFailedAs(s.classes[1], "operation_cancelled") },
		shows:     []string{"$SCOPE", "$OTHER_SCOPE", "CreateEventRoom", "$WORKFLOW_ID"},
	},
	"A service is overloaded": {
		arrange: func(s *runbookCase) {
			s.limitRequests()
			s.newStuckClass(sut.conference)
		},
		settle: func(s *runbookCase) { s.restore(); s.awaitReady() },
		shows:  []string{"$SCOPE", `minigroups_service_paused_audiences{service="conference"} 1`},
	},
	"conference refuses": {
		arrange: func(s *runbookCase) { s.newRefusedClass() },
		verify:  (*runbookCase).awaitReady,
		shows:   []string{"$SCOPE", "access_denied"},
	},
	"Janus restarted": {
		arrange: func(s *runbookCase) {
			s.newClass().post().want(s, http.StatusCreated)
			if err := errors.Join(sut.janus.Kill(), sut.restartJanus(s.Context())); err != nil {
				s.Fatal(err)
			}
		},
		settle: func(s *runbookCase) { // the sweeper skips reservations made within the last seconds
			sweepUntil(s.T, workflows.ScheduleGateways, func() error {
				if len(s.classes[0].gatewayRooms()) == 0 {
					return errors.New("the gateway has no room yet")
				}
				return nil
			})
		},
		verify: (*runbookCase).awaitReady,
	},
	"Janus is full": { // a draining gateway takes no new reservations
		arrange: func(s *runbookCase) {
			s.env["GATEWAY"] = "janus-1"
			s.shell(`ops drain "$GATEWAY"`)
			if r := s.newClass().post().want(s, http.StatusServiceUnavailable); r.Type != "capacity_exceeded" {
				s.Fatal(r.text)
			}
		},
		verify: (*runbookCase).awaitReady,
		shows:  []string{"$GATEWAY", "$SCOPE", "capacity_exceeded"},
	},
	"A gateway is down": {
		arrange: func(s *runbookCase) {
			s.env["GATEWAY"] = "janus-1"
			freeze(s, sut.janus)
			s.awaitCount(`SELECT count(*) FROM janus_backend WHERE id = 'janus-1' AND away_since IS NOT NULL`, 1,
				workflows.ScheduleGateways)
		},
		settle: func(*runbookCase) { sut.janus.Thaw() },
		verify: func(s *runbookCase) {
			s.awaitCount(`
				SELECT count(*) FROM janus_backend
				WHERE id = 'janus-1' AND (away_since IS NOT NULL OR draining_since IS NOT NULL)`, 0,
				workflows.ScheduleGateways)
		},
		shows: []string{"$GATEWAY"},
	},
	"A gateway answers wrongly": {
		arrange: func(s *runbookCase) {
			s.env["GATEWAY"] = "janus-1"
			options := sut.janusOptions
			options.AdminKey = "another-key"
			err := sut.janus.Kill()
			if err == nil {
				sut.janus, err = stack.StartJanus(s.Context(), options)
			}
			if err != nil {
				s.Fatal(err)
			}
			s.newClass().postAsync() // no other gateway has slots
			s.classes[0].awaitRetryOf("ReserveSlots")
		},
		meanwhile: func(s *runbookCase) {
			if err := errors.Join(sut.janus.Kill(), sut.restartJanus(s.Context())); err != nil {
				s.Fatal(err)
			}
		},
		verify: func(s *runbookCase) {
			s.awaitReady()
			s.awaitCount(`SELECT count(*) FROM janus_backend WHERE id = 'janus-1' AND away_since IS NOT NULL`, 0,
				workflows.ScheduleGateways)
		},
		shows: []string{"$GATEWAY", "unfit", "433", "wrong admin_key"},
	},
	"No worker is up": {
		arrange: func(s *runbookCase) {
			if err := sut.worker.Stop(s.Context()); err != nil {
				s.Fatal(err)
			}
			s.Cleanup(func() { // if the test ends before it has started one
				select {
				case <-sut.worker.Done():
					if err := sut.startWorker(context.Background()); err != nil {
						s.Error(err)
					}
				default:
				}
			})
			s.newClass().postAsync()
		},
		meanwhile: func(s *runbookCase) {
			if err := sut.startWorker(s.Context()); err != nil {
				s.Fatal(err)
			}
		},
		settle: (*runbookCase).awaitReady,
		shows:  []string{"$SCOPE"},
	},
	"Temporal is down": {
		arrange: func(s *runbookCase) { freeze(s, sut.temporal) },
		settle:  func(*runbookCase) { sut.temporal.Thaw() },
		verify:  func(s *runbookCase) { s.newClass().post().want(s, http.StatusCreated) },
		shows:   []string{"unreachable"},
	},
	"Temporal refuses requests": {
		arrange: func(s *runbookCase) {
			_, err := sut.client.OperatorService().RemoveSearchAttributes(s.Context(),
				&operatorservice.RemoveSearchAttributesRequest{
					Namespace: sut.cfg.Temporal.Namespace, SearchAttributes: []string{"MinigroupStage"},
				})
			if err != nil {
				s.Fatal(err)
			}
			eventually(s, func() error { return s.newClass().isRefusedAt(sut.api) })
		},
		settle: func(s *runbookCase) {
			eventually(s, func() error { return readyzSays(s.Context(), sut.api, "temporal", `ok"`) })
		},
		verify: func(s *runbookCase) { s.newClass().post().want(s, http.StatusCreated) },
		shows:  []string{"search attributes are missing: run migrate to add MinigroupStage"},
	},
	"Postgres is down": {
		arrange: func(s *runbookCase) { s.newStuckClass(sut.event); freeze(s, sut.postgres) },
		settle:  func(s *runbookCase) { sut.postgres.Thaw(); s.restore(); s.awaitReady() },
		shows:   []string{"$WORKFLOW_ID"},
	},
	"A creation has been stuck for an hour": {
		arrange: func(s *runbookCase) { s.newStuckClass(sut.conference) },
		verify:  func(s *runbookCase) { s.assertFailedAs(s.classes[0], "operation_cancelled") },
		shows:   []string{"$SCOPE", "CreateConferenceRoom"},
	},
	"An update cannot be decided": {
		arrange: func(s *runbookCase) {
			s.newClass().post().want(s, http.StatusCreated)
			s.classes[0].leaveUndecided(readForbidden)
		},
		verify: func(s *runbookCase) {
			if o := s.classes[0].get(); o.Update == nil || o.Update.State != "failed" {
				s.Errorf("the class shows %s", o.text)
			}
		},
		shows: []string{"$SCOPE", "PatchConferenceRoom", "access_denied"},
	},
	"A room cannot be closed": {
		arrange: func(s *runbookCase) {
			c := s.newClass()
			c.undoWithout(patchForbidden)
			c.awaitRetryOf("CloseRoomIfPresent")
			s.env["ROOM_ID"] = c.openRooms(sut.event)[0].ID.String()
		},
		settle: func(s *runbookCase) {
			s.classes[0].awaitRowState("failed")
			s.classes[0].assertLeftOpen()
		},
		shows: []string{"$SCOPE", "$ROOM_ID", "CloseRoomIfPresent"},
	},
	"A minigroup failed": {
		arrange: func(s *runbookCase) { s.newRefusedClass(); s.newRefusedClass() },
		settle:  func(s *runbookCase) { s.classes[1].awaitStatus("real-time") },
		verify:  (*runbookCase).awaitReady,
		shows:   []string{"$SCOPE", "upstream_refused"},
	},
	"Many minigroups failed": {
		arrange: func(s *runbookCase) {
			for range 20 {
				s.newRefusedClass()
			}
		},
		verify: func(s *runbookCase) {
			for _, c := range s.classes {
				c.assertComplete(c.awaitStatus("real-time").object)
			}
		},
		shows: []string{"$SCOPE", "$OTHER_SCOPE"},
	},
	"A run was terminated": {
		arrange: func(s *runbookCase) { s.newStuckClass(sut.conference).terminate() },
		settle: func(s *runbookCase) {
			s.restore()
			s.awaitUndone()
		},
		verify: (*runbookCase).awaitReady,
		shows:  []string{"$WORKFLOW_ID"},
	},
	"Workflow tasks fail after a deploy": {
		arrange: func(s *runbookCase) { s.env["FOLDER"] = s.TempDir(); s.newStuckClass(sut.conference) },
		settle:  func(s *runbookCase) { s.restore(); s.awaitReady() },
		shows:   []string{"$WORKFLOW_ID"},
	},
	"Adding a Janus backend": {
		arrange: func(s *runbookCase) { s.env["GATEWAY"] = "janus-1" },
		verify:  func(s *runbookCase) { s.newClass().post().want(s, http.StatusCreated); s.awaitReady() },
	},
	"`minigroups_lost_attempts` has risen": {
		arrange: func(s *runbookCase) {
			c := s.newClass()
			c.setFault(sut.event, createReplyLost)
			c.post().want(s.T, http.StatusCreated)
			sweepUntil(s.T, workflows.ScheduleClasses, func() error { return c.hasAttempts(1, "event", "lost") })
		},
	},
	"`minigroups_broker_connected` is 0": {
		arrange: func(s *runbookCase) { listenToBroker(s.T) },
	},
	"No room events arrive": {
		arrange: func(s *runbookCase) {
			connectToBroker(s.T, func(m *config.MQTT) { // nothing publishes as these accounts
				m.EventAccount, m.ConferenceAccount = "none.svc.example.org", "neither.svc.example.org"
			})
			s.newClass().post().want(s.T, http.StatusCreated)
			if hasMetrics(s.T, "minigroups_events_missing_seconds 0\n") == nil {
				s.Error("the metric does not say that room events are missing")
			}
		},
		settle: func(s *runbookCase) {
			connectToBroker(s.T, func(*config.MQTT) {})
			s.newClass().post().want(s.T, http.StatusCreated)
		},
		verify: func(s *runbookCase) {
			eventually(s.T, func() error {
				return hasMetrics(s.T, "minigroups_events_missing_seconds 0\n", "minigroups_events_received_total{")
			})
		},
		shows: []string{"minigroups_broker_connected 1", "minigroups_events_missing_seconds "},
	},
	"Authorization or keys of a tenant fail": {
		arrange: func(s *runbookCase) { s.env["API_METRICS"] = "http://" + startInstrumented(s.T).metricsAddresses[0] },
		shows: []string{
			`minigroups_authorization_requests_total{audience="remote.example.org",outcome="failed"} 0`,
			`minigroups_key_fetches_total{issuer="remote.example.org",outcome="failed"} 1`,
		},
	},
	"Cleanup does not happen": {
		arrange: func(s *runbookCase) { s.newStuckClass(sut.conference).terminate() },
		settle:  func(s *runbookCase) { s.restore(); s.awaitUndone() },
		verify:  func(s *runbookCase) { s.assertFailedAs(s.classes[0], "operation_cancelled") },
	},
}
