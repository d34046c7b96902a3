package stack

import (
	"os"
	"os/exec"
	"path/filepath"
)

// findInstalled returns the path of an installed program. It also looks in /usr/sbin, where Debian installs servers and
// which is in root's PATH only.
func findInstalled(name string) (path string, ok bool) {
	if inPath, err := exec.LookPath(name); err == nil {
		return inPath, true
	}
	debian := filepath.Join("/usr/sbin", name)
	_, err := os.Stat(debian)
	return debian, err == nil
}
