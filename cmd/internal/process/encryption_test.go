package process

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"minigroups/codec"
	"minigroups/config"
	"minigroups/stack"
	"minigroups/workflows"
)

// keyFile writes a key whose secret consists of one character.
func keyFile(t *testing.T, name, secret string) string {
	t.Helper()
	return writeFile(t, name, base64.StdEncoding.EncodeToString([]byte(strings.Repeat(secret, 32))))
}

func TestBadEncryptionKeysAreReported(t *testing.T) {
	bad := writeFile(t, "2.key", "hunter2")
	for want, cfg := range map[string]config.Temporal{
		"temporal.encryption_key_files[1] (" + bad + "): " + codec.ErrNoKey.Error(): {
			EncryptionKeyFiles: []string{keyFile(t, "1.key", "a"), bad},
		},
		"temporal.encryption_key_files[0] (/no/such.key)": {EncryptionKeyFiles: []string{"/no/such.key"}},
		`temporal.encryption_key: there is no key "1"`:    {EncryptionKey: "1"},
	} {
		_, err := Temporal(cfg, Silent())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestRecordedHistoriesReplayWithEncryption replays the histories as they are, as after encryption was switched on, and
// encrypted.
func TestRecordedHistoriesReplayWithEncryption(t *testing.T) {
	encryption, err := NewCodec(config.Temporal{
		EncryptionKeyFiles: []string{keyFile(t, "1.key", "a")}, EncryptionKey: "1",
	})
	if err != nil {
		t.Fatal(err)
	}
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		DataConverter: encryption.DataConverter(), FailureConverter: encryption.FailureConverter(),
	})
	if err != nil {
		t.Fatal(err)
	}
	workflows.RegisterWorkflows(replayer)
	files, err := filepath.Glob("../../../workflows/testdata/histories/*.json")
	if err != nil || len(files) < 19 {
		t.Fatalf("only %d histories, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			history := readHistory(t, file)
			if err := replayer.ReplayWorkflowHistory(nil, history); err != nil {
				t.Errorf("as it is: %v", err)
			}
			encrypted := 0
			err := proxy.VisitPayloads(t.Context(), history, proxy.VisitPayloadsOptions{
				SkipSearchAttributes: true,
				Visitor: func(_ *proxy.VisitPayloadsContext, p []*commonpb.Payload) ([]*commonpb.Payload, error) {
					encrypted += len(p)
					return encryption.Encode(p)
				},
			})
			if err != nil || encrypted == 0 {
				t.Fatalf("%d payloads, %v", encrypted, err)
			}
			if err := replayer.ReplayWorkflowHistory(nil, history); err != nil {
				t.Errorf("encrypted: %v", err)
			}
		})
	}
}

func readHistory(t *testing.T, file string) *historypb.History {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	history, err := client.HistoryFromJSON(bytes.NewReader(text), client.HistoryJSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return history
}

type order struct{ Host string }

// greet is a workflow with one step.
func greet(ctx workflow.Context, o order) (greeting string, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, Summary: "Greet " + o.Host,
	})
	return greeting, workflow.ExecuteActivity(ctx, "hello", o).Get(ctx, &greeting)
}

func hello(_ context.Context, o order) (string, error) { return "hello " + o.Host, nil }

// TestARunWaitsForItsKey starts a run whose worker has no key, or one of the same name, and gives the key to another
// worker.
func TestARunWaitsForItsKey(t *testing.T) {
	binary, err := stack.BuildTemporal(t.Context(), "../../..", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	server, err := stack.StartTemporal(t.Context(), stack.TemporalOptions{
		Binary: binary, Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Log: filepath.Join(t.TempDir(), "temporal.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Kill() })
	connect := func(queue string, files []string, key string) client.Client {
		c, err := Temporal(config.Temporal{
			Address: server.Address(), Namespace: "default", TaskQueue: queue,
			EncryptionKeyFiles: files, EncryptionKey: key,
		}, Silent())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	work := func(c client.Client, queue string) worker.Worker {
		w := worker.New(c, queue, worker.Options{})
		w.RegisterWorkflow(greet)
		w.RegisterActivity(hello)
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		return w
	}
	files := []string{keyFile(t, "1.key", "a")}
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"missing": {nil, `encrypted with the key "1", which this program does not have`},
		"wrong":   {[]string{keyFile(t, "1.key", "b")}, `cannot be decrypted with the key "1"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			right, wrong := connect(name, files, "1"), connect(name, c.files, "")
			options := client.StartWorkflowOptions{TaskQueue: name, WorkflowTaskTimeout: time.Second}
			run, err := right.ExecuteWorkflow(t.Context(), options, greet, order{Host: "teacher.example.org"})
			if err != nil {
				t.Fatal(err)
			}
			w := work(wrong, name)
			failed := awaitEvent(t, right, run, enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED)
			w.Stop()
			failure := failed.GetWorkflowTaskFailedEventAttributes().GetFailure()
			if !strings.Contains(failure.GetMessage(), c.want) {
				t.Errorf("the task failed with %v", failure)
			}
			w = work(right, name)
			t.Cleanup(w.Stop)
			var greeting string
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := run.Get(ctx, &greeting); err != nil || greeting != "hello teacher.example.org" {
				t.Fatalf("got %q, %v", greeting, err)
			}
			err = wrong.GetWorkflow(t.Context(), run.GetID(), run.GetRunID()).Get(ctx, &greeting)
			var undecryptable *codec.Error
			if !errors.As(err, &undecryptable) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("a client without the key gets %v", err)
			}
			for _, event := range eventsOf(t, right, run) {
				if raw, err := proto.Marshal(event); err != nil || strings.Contains(string(raw), "teacher") {
					t.Errorf("%v shows the input, %v", event, err)
				}
			}
		})
	}
}

// awaitEvent waits until the history of a run has an event of a type.
func awaitEvent(
	t *testing.T, c client.Client, run client.WorkflowRun, kind enumspb.EventType,
) *historypb.HistoryEvent {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		events := eventsOf(t, c, run)
		i := slices.IndexFunc(events, func(e *historypb.HistoryEvent) bool { return e.GetEventType() == kind })
		if i >= 0 {
			return events[i]
		}
	}
	t.Fatalf("no event %s", kind)
	return nil
}

func eventsOf(t *testing.T, c client.Client, run client.WorkflowRun) (events []*historypb.HistoryEvent) {
	t.Helper()
	const all = enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT
	for history := c.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, all); history.HasNext(); {
		event, err := history.Next()
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}
