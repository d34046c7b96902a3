package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// elsewhere is the folder for clusters that cannot lie where they should.
	// It is entered by everybody and survives a reboot.
	elsewhere       = "/var/tmp"
	elsewherePrefix = "minigroups-postgres-"
	// recordName is the file in the folder that should have held the cluster.
	recordName = "cluster-is-at"
	// predecessorEnds bounds the wait for a server that is about to end.
	predecessorEnds = 20 * time.Second
)

// FindPostgres returns the folders that hold both initdb and postgres, the best
// first: PATH, then the usual places, there the newest version first. None is
// ErrNoPostgres.
func FindPostgres() ([]string, error) {
	var found []string
	add := func(dir string) {
		if dir = serverFolder(dir); dir != "" && !slices.Contains(found, dir) {
			found = append(found, dir)
		}
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		add(filepath.Dir(initdb))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(dirs, func(a, b string) int { return versionIn(b) - versionIn(a) })
		for _, dir := range dirs {
			add(dir)
		}
	}
	if len(found) == 0 {
		return nil, ErrNoPostgres
	}
	return found, nil
}

// serverFolder returns the real folder of the initdb and postgres in dir, or ""
// where one is missing or they are not of one installation (a wrapper, say).
func serverFolder(dir string) string {
	var folders []string
	for _, name := range []string{"initdb", "postgres"} {
		path, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if err != nil {
			return ""
		}
		folders = append(folders, filepath.Dir(path))
	}
	if folders[0] != folders[1] {
		return ""
	}
	return folders[0]
}

// versionIn reads the number in a path such as /usr/lib/postgresql/15/bin.
func versionIn(path string) int {
	digits := strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	version, err := strconv.Atoi(digits[0])
	if err != nil {
		return 0
	}
	return version
}

// postgresFor returns the installation for a cluster: of the cluster's version
// where there is one already, else the first.
func postgresFor(ctx context.Context, data string) (string, error) {
	installed, err := FindPostgres()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return installed[0], nil
	}
	if err != nil {
		return "", err
	}
	wanted := strings.TrimSpace(string(text))
	for _, bin := range installed {
		out, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
		if err != nil {
			return "", fmt.Errorf("ask for the version of %s: %w", filepath.Join(bin, "postgres"), err)
		}
		if slices.ContainsFunc(strings.Fields(string(out)), func(word string) bool { return strings.HasPrefix(word, wanted+".") }) {
			return bin, nil
		}
	}
	return "", fmt.Errorf("the data in %s is of PostgreSQL %s, installed is only %s: install version %s, or remove the data",
		data, wanted, strings.Join(installed, ", "), wanted)
}

// postgresFolder returns the real path of the folder that holds the cluster.
func postgresFolder(ctx context.Context, dir string, credential *syscall.Credential) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the folder of the cluster: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		// As the server will see it, to recognise it by its data folder.
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", fmt.Errorf("find the folder of the cluster: %w", err)
	}
	recorded, err := recordedFolder(dir)
	if err != nil {
		return "", err
	}
	if recorded != "" {
		return recorded, nil
	}
	if canEnter(ctx, credential, dir) {
		return dir, nil
	}
	folder, err := os.MkdirTemp(elsewhere, elsewherePrefix)
	if err == nil {
		err = give(credential, folder)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, recordName), []byte(folder+"\n"), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("make a folder for the cluster that its account can enter: %w", err)
	}
	return folder, nil
}

// recordedFolder returns the folder that the record in dir names, or "" where
// there is no record or no folder any more.
func recordedFolder(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, recordName))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read where the cluster is: %w", err)
	}
	folder := strings.TrimSpace(string(text))
	if filepath.Dir(folder) != elsewhere || !strings.HasPrefix(filepath.Base(folder), elsewherePrefix) {
		return "", fmt.Errorf("%s names %q, which is no place of ours", filepath.Join(dir, recordName), folder)
	}
	info, err := os.Lstat(folder)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil || !info.IsDir() {
		return "", fmt.Errorf("the cluster should be at %s, which is no folder: %w", folder, err)
	}
	return folder, nil
}

// RemovePostgres removes the cluster of dir, wherever it lies. No server may run
// on it. A folder without a cluster is no error.
func RemovePostgres(dir string) error {
	folder, err := recordedFolder(dir)
	if err != nil {
		return err
	}
	for _, path := range []string{folder, dir} {
		if path == "" {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove the cluster: %w", err)
		}
	}
	return nil
}

// awaitPredecessor waits until no server runs on data. One that lost its parent
// is on its way out; one that stays is in use. What remains of a dead one is
// removed when its process id has since gone to somebody else, who would
// otherwise be taken for it.
func awaitPredecessor(ctx context.Context, data string) error {
	ctx, cancel := context.WithTimeout(ctx, predecessorEnds)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		pid := lockedBy(data)
		if pid == 0 {
			return nil
		}
		if !runsOn(ctx, pid, data) {
			if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove what a dead server left: %w", err)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a Postgres runs on %s already, as process %d", data, pid)
		case <-tick.C:
		}
	}
}

// lockedBy returns the process id in the cluster's lock file, or 0.
func lockedBy(data string) int {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 0 {
		return 0
	}
	return pid
}

// runsOn reports whether process pid is a server on data.
func runsOn(ctx context.Context, pid int, data string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if errors.Is(err, os.ErrNotExist) {
		line, err = exec.CommandContext(ctx, "ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	}
	return err == nil && bytes.Contains(line, []byte(data))
}
