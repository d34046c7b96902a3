package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"minigroups/stack"
)

// workspace has the directory of the checkout and that of the state.
type workspace struct{ root, dir string }

func (ws workspace) path(parts ...string) string {
	return filepath.Join(append([]string{ws.dir}, parts...)...)
}

// cluster returns the workspace of the cluster.
func (ws workspace) cluster() workspace { return workspace{root: ws.root, dir: ws.path("cluster")} }

func (ws workspace) configFile() string { return ws.path("config.yaml") }
func (ws workspace) binary(name string) string {
	return ws.path("bin", name)
}

// log returns the file for a program's log. It renames the log of the previous run to NAME.log.before.
func (ws workspace) log(name string) string {
	path := ws.path("log", name+".log")
	if err := os.Rename(path, path+".before"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return path
	}
	return path
}

// prepare creates the directories. It returns the workspace with absolute paths.
func (ws workspace) prepare() (workspace, error) {
	if _, err := os.Stat(filepath.Join(ws.root, "tools", "go.mod")); err != nil {
		return workspace{}, fmt.Errorf("run this in the checkout: %w", err)
	}
	var err error
	if ws.root, err = filepath.Abs(ws.root); err != nil {
		return workspace{}, err
	}
	if ws.dir, err = filepath.Abs(ws.dir); err != nil {
		return workspace{}, err
	}
	for _, dir := range []string{ws.path("log"), ws.path("bin")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return workspace{}, err
		}
	}
	return ws, os.MkdirAll(ws.path("secrets"), 0o700)
}

// lock locks the state directory, so that one system at a time uses it. The lock ends when it is closed or the process
// ends.
func (ws workspace) lock() (io.Closer, error) {
	file, err := os.OpenFile(ws.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		err := fmt.Errorf("%s is in use by another make run or make cluster: stop it first", ws.dir)
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// clean removes the state of make run and make cluster. It returns an error if one of them runs.
func clean(ws workspace, out io.Writer) error {
	if _, err := os.Stat(ws.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := clean(ws.cluster(), out); err != nil {
		return err
	}
	held, err := ws.lock()
	if err != nil {
		return err
	}
	defer held.Close()
	if err := stack.RemovePostgres(ws.path("postgres")); err != nil {
		return err
	}
	if err := os.RemoveAll(ws.dir); err != nil {
		return fmt.Errorf("remove %s: %w", ws.dir, err)
	}
	fmt.Fprintln(out, "removed", ws.dir)
	return nil
}
