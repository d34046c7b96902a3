package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"

	"minigroups/stack"
)

// A token of any kind: those for event and conference are made for each request.
var anyToken = regexp.MustCompile(`eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}`)

// leaks says which secrets, by name, a text tells.
func findSecrets(text string, secrets map[string]string) (told []string) {
	for name, secret := range secrets {
		if strings.Contains(text, secret) {
			told = append(told, name)
		}
	}
	if anyToken.MatchString(text) {
		told = append(told, "a token")
	}
	return told
}

func TestNobodyTellsASecret(t *testing.T) {
	c, refused := newClass(t), newClass(t)
	secrets := secretsOf(t, c)
	told := provokeErrors(t, c, refused)
	logs, err := filepath.Glob(filepath.Join(sut.dir, "*.log"))
	if err != nil || len(logs) < 6 {
		t.Fatalf("logs: %v, %v", logs, err)
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		told[filepath.Base(log)] = string(text)
	}
	for _, address := range []string{sut.cfg.API.MetricsListen, sut.cfg.Worker.MetricsListen} {
		told["metrics of "+address] = fetch(t, "http://"+address+"/metrics")
	}
	for _, of := range []*class{c, refused} {
		history := historyOf(t, of)
		if !strings.Contains(history, of.scope) {
			t.Error("histories cannot be read")
		}
		told["history of "+of.scope] = history
		told["details of "+of.scope] = of.currentDetails()
	}
	for where, text := range told {
		if text == "" && !strings.HasSuffix(where, ".log") {
			t.Errorf("there is nothing in %s", where)
		}
		for _, name := range findSecrets(text, secrets) {
			t.Errorf("%s is told in %s", name, where)
		}
	}

	t.Run("it would be noticed", func(t *testing.T) {
		for name, secret := range secrets {
			if len(findSecrets("said "+secret+".", secrets)) == 0 {
				t.Errorf("%s is not found", name)
			}
		}
	})
}

// secretsOf are the secrets of the system, and that of the class's room on the gateway.
func secretsOf(t *testing.T, c *class) map[string]string {
	t.Helper()
	c.post().want(t, http.StatusCreated)
	var reservation uuid.UUID
	if err := sut.db.QueryRow(t.Context(), `SELECT id FROM janus_reservation WHERE class_id = $1`, c.id).Scan(&reservation); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(janusRoomKey))
	mac.Write([]byte(reservation.String()))
	key, err := os.ReadFile(sut.cfg.Account.PrivateKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(key)
	lines := strings.Split(string(key), "\n")
	return map[string]string{
		"the private key": lines[1], "the private key's bytes": string(block.Bytes), "the database's password": databasePassword,
		"the gateways' admin key": janusAdminKey, "the gateways' admin secret": janusAdminSecret, "the key of rooms": janusRoomKey,
		"the secret of a room": hex.EncodeToString(mac.Sum(nil)), "a caller's token": sut.token, "its signature": sut.token[strings.LastIndex(sut.token, ".")+1:],
	}
}

// trouble has as much go wrong as makes processes talk, and returns what the API said.
func provokeErrors(t *testing.T, c, refused *class) map[string]string {
	t.Helper()
	said := map[string]string{}
	say := func(r reply) { said[fmt.Sprintf("answer %d, %d", len(said), r.code)] = r.text }
	restore := c.setFault(sut.conference, readFails)
	say(c.put(window(c.start+60, c.start+120), "Prefer", "wait=1"))
	restore()
	refused.setFault(sut.conference, createRefused)
	say(refused.post().want(t, http.StatusUnprocessableEntity))
	for _, authorization := range []string{
		"Bearer " + sut.token[:len(sut.token)-2], "Basic " + sut.token, sut.token, "Bearer " + strings.ToUpper(sut.token),
	} {
		say(request(t, http.MethodGet, c.path(), nil, "Authorization", authorization).want(t, http.StatusUnauthorized))
	}
	request(t, http.MethodGet, "/nowhere/"+sut.token, nil).want(t, http.StatusNotFound) // repeats the path to who has sent it
	say(request(t, http.MethodGet, c.path()+"?access_token="+sut.token, nil))
	say(request(t, http.MethodPost, "/api/v1/minigroups", `{"scope":`+sut.token+`}`).want(t, http.StatusBadRequest))

	for name, database := range map[string]string{
		"nobody there": "postgres://me:" + databasePassword + "@127.0.0.1:1/x", "not an address": "postgres://me:" + databasePassword + "@127.0.0.1:x/x",
	} {
		program, err := stack.StartBinary(t.Context(), "migrate", filepath.Join(sut.bin, "migrate"), []string{"-config", sut.configFile},
			[]string{"DATABASE_URL=" + database, "MINIGROUPS_DATABASE__URL=" + database}, sut.log("migrate, "+name))
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-program.Done():
		case <-t.Context().Done():
		}
		if program.Err() == nil {
			t.Errorf("%s: migrated", name)
		}
	}
	return said
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// historyOf is all that Temporal keeps of the runs of a class: inputs, results, memos, search attributes, summaries.
func historyOf(t *testing.T, c *class) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	described, err := sut.client.DescribeWorkflowExecution(ctx, c.workflowID(), "")
	if err != nil {
		t.Fatal(err)
	}
	messages := []proto.Message{described}
	for events := sut.client.GetWorkflowHistory(ctx, c.workflowID(), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, event)
	}
	var text []byte
	for _, message := range messages {
		if text, err = (proto.MarshalOptions{}).MarshalAppend(text, message); err != nil { // texts and payloads stand in it as they are
			t.Fatal(err)
		}
	}
	return string(text)
}
