package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// unprivileged returns the first of the named accounts that exists, for children that must not or need not run as root.
// It returns nil if we are not root: then a child runs as our account.
func unprivileged(names ...string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range names {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("none of the accounts %v exists", names)
}

// canEnter reports whether the account may enter dir and all its parents. It tries to, because mode bits alone do not
// decide that.
func canEnter(ctx context.Context, credential *syscall.Credential, dir string) bool {
	if credential == nil {
		return true
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `cd "$1"`, "sh", dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	return cmd.Run() == nil
}

// chown makes the account the owner of dir and of the files directly in it. It does nothing if credential is nil.
func chown(credential *syscall.Credential, dir string) error {
	if credential == nil {
		return nil
	}
	inside, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, path := range append(inside, dir) {
		if err := os.Lchown(path, int(credential.Uid), int(credential.Gid)); err != nil {
			return err
		}
	}
	return nil
}
