package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// fallbackParent holds clusters whose server cannot enter the directory meant for them. All accounts can enter it, and
	// it survives a reboot.
	fallbackParent = "/var/tmp"
	fallbackPrefix = "minigroups-postgres-"
	// recordName is the file that records the path of such a cluster in the directory meant for it.
	recordName = "cluster-is-at"
	// previousServerTimeout bounds the wait for a server that is about to end.
	previousServerTimeout = 20 * time.Second
	clusterTimeout        = 2 * time.Minute
)

// clusterDir returns the directory that holds the cluster, with symbolic links resolved. It creates the directory.
func clusterDir(ctx context.Context, dir string, credential *syscall.Credential) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("create the directory of the cluster: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		// The server shows this path, by which serves recognises it.
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", fmt.Errorf("find the directory of the cluster: %w", err)
	}
	recorded, err := recordedDir(dir)
	if err != nil {
		return "", err
	}
	if recorded != "" {
		return recorded, nil
	}
	if canEnter(ctx, credential, dir) {
		return dir, nil
	}
	fallback, err := os.MkdirTemp(fallbackParent, fallbackPrefix)
	if err == nil {
		err = chown(credential, fallback)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, recordName), []byte(fallback+"\n"), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("create a directory for the cluster that its account can enter: %w", err)
	}
	return fallback, nil
}

// recordedDir returns the directory that the record in dir names, or "" if there is no record or no such directory.
func recordedDir(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, recordName))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read where the cluster is: %w", err)
	}
	found := strings.TrimSpace(string(text))
	// The record may be forged, and RemovePostgres removes what it names.
	if filepath.Dir(found) != fallbackParent || !strings.HasPrefix(filepath.Base(found), fallbackPrefix) {
		return "", fmt.Errorf("%s names %q, where no cluster is created", filepath.Join(dir, recordName), found)
	}
	info, err := os.Lstat(found)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil || !info.IsDir() {
		return "", fmt.Errorf("the cluster should be at %s, which is not a directory: %w", found, err)
	}
	return found, nil
}

// RemovePostgres removes dir and the cluster that StartPostgres created for it. No server may run on the cluster. It
// returns nil if there is none.
func RemovePostgres(dir string) error {
	recorded, err := recordedDir(dir)
	if err != nil {
		return err
	}
	for _, path := range []string{recorded, dir} {
		if path == "" {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove the cluster: %w", err)
		}
	}
	return nil
}

// clusterProgram returns the command that creates a cluster, without its directory: initdb for a new one, or
// pg_basebackup for a copy that follows a primary.
func clusterProgram(bin string, primary *Postgres) []string {
	if primary == nil {
		return []string{
			filepath.Join(bin, "initdb"), "-U", postgresAccount,
			"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D",
		}
	}
	return []string{
		filepath.Join(bin, "pg_basebackup"), "-d", primary.URL(postgresAccount),
		"--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync", "-D",
	}
}

// createCluster runs the program on the directory of the cluster, unless the cluster exists. The program works in a
// temporary directory that is renamed at the end, so that an interrupted program leaves nothing that looks like a
// cluster.
func createCluster(ctx context.Context, program []string, data string, credential *syscall.Credential) error {
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil
	}
	draft := data + ".new"
	if err := os.RemoveAll(draft); err != nil {
		return fmt.Errorf("create the cluster: %w", err)
	}
	if err := os.Mkdir(draft, 0o700); err != nil {
		return fmt.Errorf("create the cluster: %w", err)
	}
	if err := chown(credential, draft); err != nil {
		return fmt.Errorf("create the cluster: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program[0], append(program[1:], draft)...)
	cmd.Env, cmd.Dir = postgresEnv, "/"
	cmd.SysProcAttr = processAttributes(syscall.SIGKILL)
	cmd.SysProcAttr.Credential = credential
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("create the cluster with %s: %w\n%s", program[0], err, out)
	}
	if err := os.Rename(draft, data); err != nil {
		return fmt.Errorf("create the cluster: %w", err)
	}
	return nil
}

// awaitPreviousServer waits until no server runs on data, for one whose parent was killed ends soon. It returns an
// error if the server still runs after 20 seconds. It removes the lock file of a server that has ended: Postgres
// would refuse to start if another process has the same id by now.
func awaitPreviousServer(ctx context.Context, data string) error {
	ctx, cancel := context.WithTimeout(ctx, previousServerTimeout)
	defer cancel()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		pid := lockOwner(data)
		if pid == 0 {
			return nil
		}
		if !runsOn(ctx, pid, data) {
			if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove the lock file of a server that has ended: %w", err)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a Postgres already runs on %s, as process %d", data, pid)
		case <-tick.C:
		}
	}
}

// lockOwner returns the process id in the cluster's lock file, 0 if there is none.
func lockOwner(data string) int {
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
