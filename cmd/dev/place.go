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

// place is where everything is: the checkout, and the folder for what is kept.
type place struct{ root, dir string }

func (at place) path(parts ...string) string {
	return filepath.Join(append([]string{at.dir}, parts...)...)
}

// cluster is where everything of the cluster is.
func (at place) cluster() place { return place{root: at.root, dir: at.path("cluster")} }

func (at place) configFile() string { return at.path("config.yaml") }
func (at place) binary(name string) string {
	return at.path("bin", name)
}

// log returns the file for a program's log; what the last run logged stays
// beside it.
func (at place) log(name string) string {
	path := at.path("log", name+".log")
	if err := os.Rename(path, path+".before"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return path
	}
	return path
}

// prepare makes the folders. It returns paths that hold from anywhere.
func (at place) prepare() (place, error) {
	if _, err := os.Stat(filepath.Join(at.root, "tools", "go.mod")); err != nil {
		return place{}, fmt.Errorf("run me in the checkout: %w", err)
	}
	var err error
	if at.root, err = filepath.Abs(at.root); err != nil {
		return place{}, err
	}
	if at.dir, err = filepath.Abs(at.dir); err != nil {
		return place{}, err
	}
	for _, dir := range []string{at.path("log"), at.path("bin")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return place{}, err
		}
	}
	return at, os.MkdirAll(at.path("secrets"), 0o700)
}

// lock makes sure that one stack at a time uses the folder. The kernel lets go
// of it when we die.
func (at place) lock() (io.Closer, error) {
	file, err := os.OpenFile(at.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("a stack runs on %s: end it first", at.dir), file.Close())
	}
	return file, nil
}

// clean removes what make run and make cluster keep, unless they run.
func clean(at place, out io.Writer) error {
	if _, err := os.Stat(at.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := clean(at.cluster(), out); err != nil {
		return err
	}
	held, err := at.lock()
	if err != nil {
		return err
	}
	defer held.Close()
	if err := stack.RemovePostgres(at.path("postgres")); err != nil {
		return err
	}
	if err := os.RemoveAll(at.dir); err != nil {
		return fmt.Errorf("remove %s: %w", at.dir, err)
	}
	fmt.Fprintln(out, "removed", at.dir)
	return nil
}
