package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/auth"
	"minigroups/config"
	"minigroups/e2e/harness"
)

// TestSupportUsesThePage finds, cancels and retries classes on the page /support.
func TestSupportUsesThePage(t *testing.T) {
	t.Parallel()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	folder := *screenshots
	if folder != "" {
		if folder, err = filepath.Abs(folder); err != nil {
			t.Fatal(err)
		}
	}
	many := manyClasses(t)
	called := func(scope string) *class {
		c := newClass(t)
		c.setScope(scope)
		return c
	}
	stuck, shown := called("biology-8c"), called("geography-5b")
	for _, c := range []*class{stuck, shown} {
		c.setFault(sut.conference, createFails)
		c.postAsync()
	}
	failed := called("latin-6a")
	restore := failed.setFault(sut.conference, createRefused)
	failed.post().want(t, http.StatusUnprocessableEntity)
	restore()
	hostile := called(`<img src=x onerror=alert(1)>`)
	hostile.body["host"] = `"><script>alert(2)</script>`
	hostile.body["tags"] = map[string]any{"<b>": "<svg onload=alert(3)>"}
	hostile.post().want(t, http.StatusCreated)
	long := called("a-class-" + strings.Repeat("whose-scope-is-long-", 10))
	long.post().want(t, http.StatusCreated)

	type shownClass struct {
		Scope string `json:"scope"`
		ID    string `json:"id"`
		Host  string `json:"host"`
	}
	classes := map[string]shownClass{}
	for name, c := range map[string]*class{
		"stuck": stuck, "shown": shown, "failed": failed, "hostile": hostile, "long": long,
	} {
		classes[name] = shownClass{Scope: c.scope, ID: c.id.String(), Host: c.body["host"].(string)}
	}
	var seen struct {
		Audience, Searched, Stuck, Focused, Timeline, RunLink, Copied, FocusedAfterEscape, Cancelled, Failed, Retried,
		FoundByHost, Hostile, Offline, Dark, AfterSignOut, Expired, Unseen, Forbidden, States, FoundAmongMany string
		Scopes, Wrong []string
	}
	runScript(t, "support_page.mjs", map[string]any{
		"browser": browser, "url": sut.api, "prefixed": behindAPrefix(t), "many": many, "folder": folder,
		"classes": classes, "tokens": map[string]string{
			"valid": sut.token, "stranger": tokenOf(t, "stranger", time.Hour), "expired": tokenOf(t, "dev", -time.Hour),
		},
	}, &seen)

	if len(seen.Wrong) > 0 {
		t.Errorf("wrong:\n%s", strings.Join(seen.Wrong, "\n"))
	}
	for what, c := range map[string]struct {
		got  string
		want []string
	}{
		"the audience": {seen.Audience, []string{"example.org"}},
		"the search": {seen.Searched, []string{
			"scope begins with “biology-8c”", "the host “biology-8c”", "One class shown",
		}},
		"a stuck class": {seen.Stuck, []string{
			"Waiting for conference since ", " UTC)", "to create the conference room", "failed attempt",
			"Last answer: create conference room: conference is not available (503)", "continues by itself",
		}},
		"the focus on a class":   {seen.Focused, []string{stuck.scope}},
		"the timeline":           {seen.Timeline, []string{"Create requested by dev.example.org", "Request "}},
		"the link to the run":    {seen.RunLink, []string{sut.ui + "/namespaces/default/workflows/"}},
		"the focus after Escape": {seen.FocusedAfterEscape, []string{"Cancel…"}},
		"the text for conference": {seen.Copied, []string{
			"Class id: " + stuck.id.String(), "Last answer: ", "Request id: ",
		}},
		"a cancelled class":     {seen.Cancelled, []string{"Failed at ", "by dev.example.org: “the lesson was moved”"}},
		"a failed class":        {seen.Failed, []string{"Failed at ", "conference refused", "Everything was undone"}},
		"a retried class":       {seen.Retried, []string{"Ready: both rooms exist. It begins at "}},
		"the search for a host": {seen.FoundByHost, []string{"One class shown"}},
		"a hostile class": {seen.Hostile, []string{
			hostile.scope, classes["hostile"].Host, "<svg onload=alert(3)>",
		}},
		"the page offline":             {seen.Offline, []string{"Check your connection"}},
		"the dark background":          {seen.Dark, []string{"rgb(15, 18, 22)"}},
		"an expired token":             {seen.Expired, []string{"Your token is not accepted: it has expired"}},
		"a class without the right":    {seen.Unseen, []string{"your account may not see it"}},
		"the list without the right":   {seen.Forbidden, []string{"stranger.example.org has no right to do this"}},
		"the counts among many":        {seen.States, []string{"Failed 100"}},
		"the class found among 100000": {seen.FoundAmongMany, []string{"One class shown"}},
	} {
		for _, want := range c.want {
			if !strings.Contains(c.got, want) {
				t.Errorf("%s: %q is not in %q", what, want, c.got)
			}
		}
	}
	if seen.AfterSignOut != "" {
		t.Errorf("after signing out the page has %q", seen.AfterSignOut)
	}
	if n := len(seen.Scopes); n != 100 || seen.Scopes[0] != "class-100000" || len(slices.Compact(slices.Sorted(
		slices.Values(seen.Scopes)))) != n {
		t.Errorf("the list has %q", seen.Scopes)
	}
	for c, reason := range map[*class]string{stuck: "the lesson was moved", failed: "conference is back"} {
		if r := request(t, http.MethodGet, c.path()+"/history", nil); !strings.Contains(r.text, `"reason":"`+reason+`"`) {
			t.Errorf("%q is not in the history %s", reason, r.text)
		}
	}
	stuck.assertNothingLeft()
	failed.assertComplete(failed.get().object)
}

// tokenOf returns a token of an account of example.org that expires after lifetime.
func tokenOf(t *testing.T, label string, lifetime time.Duration) string {
	t.Helper()
	key, err := os.ReadFile(sut.cfg.Account.PrivateKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.Account{Label: label, Audience: "example.org"}, key)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Issue("iam.example.org", "example.org", label, time.Now().Add(lifetime))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// behindAPrefix returns the address of a proxy that publishes the API under a path.
func behindAPrefix(t *testing.T) string {
	t.Helper()
	target, err := url.Parse(sut.api)
	if err != nil {
		t.Fatal(err)
	}
	const prefix = "/minigroups"
	server := httptest.NewServer(http.StripPrefix(prefix, &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}))
	t.Cleanup(server.Close)
	return server.URL + prefix
}

// manyClasses returns the address of an API on a database of its own with 100,000 classes, so that no other test meets
// them. One in a thousand has failed; the others are closed.
func manyClasses(t *testing.T) string {
	t.Helper()
	const database = "many"
	cfg := sut.cfg
	cfg.Database.URL = config.DatabaseURL(sut.postgres.URL(database))
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := config.Save(file, cfg); err != nil {
		t.Fatal(err)
	}
	if err := sut.postgres.CreateDatabase(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	if err := harness.Migrate(t.Context(), sut.bin, file, sut.log("migrate-many")); err != nil {
		t.Fatal(err)
	}
	db, err := pgx.Connect(t.Context(), sut.postgres.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(t.Context()) }()
	for _, sql := range []string{
		`ALTER TABLE minigroup DISABLE TRIGGER USER`, // they would write the history of each
		`INSERT INTO minigroup (id, audience, scope, state, owner, during, host, locked_chat, fingerprint, created_at,
			failure, failed_at, closed_at, event_room_id, conference_room_id)
		SELECT md5(n::text)::uuid, 'example.org', 'class-' || n, CASE WHEN failed THEN 'failed' ELSE 'ready' END, 'run',
			tstzrange(at, at + interval '1 hour'), 'host-' || n % 500, false, 'f', at,
			CASE WHEN failed THEN '{"kind": "upstream_refused"}'::jsonb END, CASE WHEN failed THEN at END,
			CASE WHEN NOT failed THEN at END, CASE WHEN NOT failed THEN md5('e' || n)::uuid END,
			CASE WHEN NOT failed THEN md5('c' || n)::uuid END
		FROM (SELECT n, n % 1000 = 0 AS failed, timestamptz '2020-01-01 00:00Z' + n * interval '1 s' AS at
			FROM generate_series(1, 100000) n) c`,
		`ALTER TABLE minigroup ENABLE TRIGGER USER`,
		`ANALYZE minigroup`,
	} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	_, address := anotherAPI(t, "api-of-many", "MINIGROUPS_DATABASE__URL="+sut.postgres.URL(database))
	return "http://" + address
}
